//! Steps to tasks: groups and sub-plans unrolled, values filled in, as far as they are known.

mod callers;
mod group;
mod items;
mod task;
mod timeout;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::checked::{Deferred, Role, Slot, When, Why};
use super::facts::Facts;
use super::files::Loader;
use super::names::{Order, Wait, Whom};
use super::parsed::{Allowed, Body, Plan, Step, Steps};
use super::scope::{At, ClusterFacts, Late, LateCondition, Scope, World};
use super::secrets::Secrets;
use super::shape::InputTypes;
use super::tree::{Branch, Tree};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::policy::{OnFailure, Retry, Timeout};
use crate::model::{self, Kind};
use crate::source::Span;
use crate::template::Template;
pub(super) use callers::Callers;
use timeout::DefaultTimeout;

/// How many tasks a plan may expand to.
pub const MAX_TASKS: usize = 100_000;

/// A task before the checks of the mesh.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) role: Role,
    pub(super) kind: Option<Kind>,
    pub(super) needs: Vec<DraftNeed>,
    pub(super) when: Option<When>,
    pub(super) timeout: Timeout,
    pub(super) retry: Retry,
    pub(super) on_failure: OnFailure,
    pub(super) slot: Option<Slot>,
    pub(super) span: Span,
    /// The names of the groups around it, outermost first.
    pub(super) groups: Rc<Vec<String>>,
    pub(super) facts: Facts,
    /// What it and the groups around it allow, as positions in [`Expanded::allowed`].
    pub(super) allow: Rc<Vec<usize>>,
    /// Not all that it waits for is known.
    pub(super) tainted: bool,
    /// Of a sub-plan's step: who gives what its values are made of.
    pub(super) callers: Callers,
    /// The values that cannot be told yet: what a slice must not cut off.
    pub(super) reads: Vec<(usize, Span)>,
}

/// A need with its place.
#[derive(Debug)]
pub(super) struct DraftNeed {
    pub(super) task: usize,
    pub(super) why: Why,
    pub(super) span: Span,
}

/// The outcome.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub(super) tasks: Vec<Draft>,
    /// What would stand between waves, where the list is known and makes one wave only: it is never run, and what is
    /// wrong with it all the same is told.
    pub(super) unseen: Vec<Draft>,
    pub(super) allowed: Vec<Allowed>,
    /// The timeout of the whole run.
    pub(super) timeout: Option<model::Span>,
    /// Some list is not known: what is missing may come with it.
    pub(super) partial: bool,
}

/// Unrolls.
pub(super) struct Expander<'a, 'r> {
    pub(super) plans: &'a [Option<Plan>],
    pub(super) orders: &'a [Order],
    pub(super) loader: &'a mut Loader<'r>,
    pub(super) world: Arc<World>,
    pub(super) cluster: Option<Arc<ClusterFacts>>,
    pub(super) looked_up: &'a BTreeMap<String, Vec<String>>,
    pub(super) out: &'a mut Diagnostics,
    pub(super) secrets: Arc<Secrets>,
    pub(super) done: Expanded,
    /// The limit was passed: lists are no longer unrolled.
    pub(super) full: bool,
}

/// Where steps are unrolled.
#[derive(Clone)]
pub(super) struct Spot {
    /// What the names begin with: `migrate[shop]`; empty at the top.
    pub(super) prefix: String,
    /// The ids alone: `migrate`; what a look at the cluster is recorded by.
    pub(super) path: String,
    pub(super) scope: Arc<Scope>,
    /// The opening of the group around.
    pub(super) open: Option<usize>,
    /// The barrier of the wave.
    pub(super) barrier: Option<usize>,
    pub(super) slot: Option<Slot>,
    pub(super) groups: Rc<Vec<String>>,
    pub(super) allow: Rc<Vec<usize>>,
    pub(super) tainted: bool,
    /// What its steps take that name no timeout.
    pub(super) default_timeout: DefaultTimeout,
}

impl Spot {
    /// The top of the root plan.
    pub(super) fn root(scope: Arc<Scope>) -> Self {
        Self {
            prefix: String::new(),
            path: String::new(),
            scope,
            open: None,
            barrier: None,
            slot: None,
            groups: Rc::default(),
            allow: Rc::default(),
            tainted: false,
            default_timeout: DefaultTimeout::None,
        }
    }

    fn name(&self, id: &str) -> String {
        join(&self.prefix, id)
    }
}

fn join(prefix: &str, id: &str) -> String {
    if prefix.is_empty() {
        id.to_owned()
    } else {
        format!("{prefix}.{id}")
    }
}

/// The steps visible at a place, with the tasks that they became.
pub(super) struct Frame<'f> {
    outer: Option<&'f Self>,
    steps: &'f Steps,
    ends: RefCell<Vec<Option<usize>>>,
}

impl<'f> Frame<'f> {
    fn new(outer: Option<&'f Self>, steps: &'f Steps) -> Self {
        let ends = RefCell::new(vec![None; steps.list.len()]);
        Self { outer, steps, ends }
    }

    /// The task of a step that one of this map waits for.
    fn waited(&self, whom: &Whom) -> Option<usize> {
        match whom {
            Whom::Need(at) => self.ends.borrow()[*at],
            Whom::Reference(name) => self.task(name),
        }
    }

    /// The task that a name stands for: the step, or the end of the group.
    fn task(&self, name: &str) -> Option<usize> {
        match self.steps.index.get(name) {
            Some(&at) => self.ends.borrow()[at],
            None => self.outer.and_then(|outer| outer.task(name)),
        }
    }
}

/// A step at its place.
#[derive(Clone, Copy)]
pub(super) struct Site<'s> {
    pub(super) step: &'s Step,
    pub(super) waits: &'s [Wait],
    pub(super) frame: &'s Frame<'s>,
}

impl Expander<'_, '_> {
    /// Unrolls the root plan.
    pub(super) fn root(&mut self, plan: &Plan, scope: Arc<Scope>) {
        self.done.timeout = self.plan_timeout(plan, &scope);
        let default_timeout = self.default_timeout(plan, &scope);
        let spot = Spot {
            default_timeout,
            ..Spot::root(scope)
        };
        self.steps(&plan.steps, &spot, None);
    }

    /// Unrolls the steps of a map; gives their last tasks.
    pub(super) fn steps(
        &mut self,
        steps: &Steps,
        spot: &Spot,
        outer: Option<&Frame<'_>>,
    ) -> Vec<usize> {
        let orders = self.orders;
        let frame = Frame::new(outer, steps);
        self.in_frame(steps, &orders[steps.id], spot, &frame)
    }

    fn in_frame(
        &mut self,
        steps: &Steps,
        order: &Order,
        spot: &Spot,
        frame: &Frame<'_>,
    ) -> Vec<usize> {
        let mut ends = Vec::with_capacity(order.sequence.len());
        for &at in &order.sequence {
            let step = &steps.list[at];
            let site = Site {
                step,
                waits: &order.waits[at],
                frame,
            };
            let own = (order.tainted[at] || !step.allow.is_empty()).then(|| {
                let mut own = spot.clone();
                own.tainted |= order.tainted[at];
                self.allow(step, &mut own);
                own
            });
            let end = self.step(site, own.as_ref().unwrap_or(spot));
            frame.ends.borrow_mut()[at] = Some(end);
            ends.push(end);
        }
        ends
    }

    fn allow(&mut self, step: &Step, spot: &mut Spot) {
        let mut all = Vec::clone(&spot.allow);
        for own in &step.allow {
            // Each `allow` of the file once, however often it is unrolled.
            let known = self
                .done
                .allowed
                .iter()
                .position(|other| other.span == own.span);
            all.push(known.unwrap_or_else(|| {
                self.done.allowed.push(own.clone());
                self.done.allowed.len() - 1
            }));
        }
        spot.allow = Rc::new(all);
    }

    fn step(&mut self, site: Site<'_>, spot: &Spot) -> usize {
        let name = spot.name(&site.step.key.text);
        match (&site.step.for_each, &site.step.body) {
            (Some(for_each), _) => self.each(site, for_each, &name, spot),
            (None, Body::Group(group)) => {
                let open = self.open(site, &name, spot);
                let inner = Self::inside(spot, &name, &site.step.key.text, open);
                let members = self.steps(&group.steps, &inner, Some(site.frame));
                self.close(site, &name, spot, open, members, Vec::new())
            }
            _ => self.body(site, &name, spot, true),
        }
    }

    /// A kind or a sub-plan: once, or once for an item. `alone`: it has its own needs and condition.
    fn body(&mut self, site: Site<'_>, name: &str, spot: &Spot, alone: bool) -> usize {
        match &site.step.body {
            Body::Kind(kind, with, sound) => {
                self.task(site, name, spot, alone, (*kind, with, *sound))
            }
            Body::SubPlan { plan, with } => self.sub_plan(site, name, spot, alone, *plan, with),
            Body::Group(_) | Body::Unknown(_) => {
                let mut draft = self.draft(site, name, spot, alone, Role::Wave);
                draft.facts = Facts::Anything;
                self.push(draft)
            }
        }
    }

    /// What is inside a group without items, or a sub-plan.
    fn inside(spot: &Spot, name: &str, id: &str, open: usize) -> Spot {
        let mut groups = Vec::clone(&spot.groups);
        groups.push(name.to_owned());
        Spot {
            prefix: name.to_owned(),
            path: join(&spot.path, id),
            open: Some(open),
            barrier: None,
            slot: None,
            groups: Rc::new(groups),
            ..spot.clone()
        }
    }

    fn push(&mut self, draft: Draft) -> usize {
        self.done.tasks.push(draft);
        self.done.tasks.len() - 1
    }

    /// A task without what is special to its role.
    fn draft(&mut self, site: Site<'_>, name: &str, spot: &Spot, alone: bool, role: Role) -> Draft {
        let step = site.step;
        let mut draft = Draft {
            id: name.to_owned(),
            role,
            kind: None,
            needs: Vec::new(),
            when: None,
            timeout: Timeout::default(),
            retry: Retry::default(),
            on_failure: step.on_failure,
            slot: spot.slot.clone(),
            span: step.key.span,
            groups: Rc::clone(&spot.groups),
            facts: Facts::None,
            allow: Rc::clone(&spot.allow),
            tainted: spot.tainted,
            callers: Callers::default(),
            reads: Vec::new(),
        };
        let span = step.key.span;
        let around = spot.open.map(|task| DraftNeed {
            task,
            why: Why::Inside,
            span,
        });
        let wave = spot.barrier.map(|task| DraftNeed {
            task,
            why: Why::Wave,
            span,
        });
        draft.needs.extend(around.into_iter().chain(wave));
        if alone {
            Self::waits(site, &mut draft);
            draft.when = self.when(site, spot);
        }
        draft
    }

    /// The needs of a step, and what its expressions refer to.
    fn waits(site: Site<'_>, draft: &mut Draft) {
        draft.needs.reserve(site.waits.len());
        for wait in site.waits {
            let Some(task) = site.frame.waited(&wait.whom) else {
                draft.tainted = true;
                continue;
            };
            let why = match wait.whom {
                Whom::Need(_) => Why::Needs,
                Whom::Reference(_) => Why::Reference,
            };
            if why == Why::Reference {
                draft.reads.push((task, wait.span));
                if draft.needs.iter().any(|need| need.task == task) {
                    continue;
                }
            }
            draft.needs.push(DraftNeed {
                task,
                why,
                span: wait.span,
            });
        }
    }

    fn when(&mut self, site: Site<'_>, spot: &Spot) -> Option<When> {
        let template = site.step.when.as_ref()?;
        if let Err(problem) = template.eval(&At::check(&spot.scope))
            && self.sound(template, &spot.scope)
        {
            self.out.push(*problem);
        }
        let tree = Tree {
            span: template.span(),
            value: Branch::Template(Arc::clone(template)),
        };
        let late = self.late(tree, site.frame, &spot.scope);
        let mut handles: Vec<usize> = template
            .references()
            .iter()
            .filter(|reference| reference.key().get(1).is_some_and(|part| part == "outcome"))
            .filter_map(|reference| reference.step().and_then(|step| site.frame.task(step)))
            .collect();
        handles.sort_unstable();
        handles.dedup();
        Some(When {
            expression: Deferred {
                text: template.text().to_owned(),
                value: Arc::new(LateCondition {
                    template: Arc::clone(template),
                    late,
                }),
            },
            always: template.calls_always(),
            failure: template.calls_failure(),
            handles,
        })
    }

    /// A value for later, with the tasks that its names stand for.
    fn late(&self, tree: Tree, frame: &Frame<'_>, scope: &Arc<Scope>) -> Late {
        let references = tree.references();
        let named = references.iter().filter_map(|reference| reference.step());
        let steps = named
            .filter_map(|name| Some((name.to_owned(), frame.task(name)?)))
            .collect();
        Late {
            tree,
            scope: Arc::clone(scope),
            steps,
            world: Arc::clone(&self.world),
        }
    }

    /// The values of a tree, as far as they are known. What cannot be evaluated is told.
    fn known(&mut self, tree: &Tree, scope: &Scope) -> Option<Tree> {
        match tree.eval(&At::check(scope)) {
            Ok(tree) => Some(tree),
            Err(problem) => {
                let mut sound = true;
                tree.templates(&mut |template| sound &= self.sound(template, scope));
                if sound {
                    self.out.push(*problem);
                }
                None
            }
        }
    }

    /// Whether the types in a template are right; otherwise what goes wrong with its values was told already.
    fn sound(&self, template: &Template, scope: &Scope) -> bool {
        self.plan(scope)
            .is_none_or(|plan| template.infer(&InputTypes(&plan.inputs)).1.is_empty())
    }

    fn plan(&self, scope: &Scope) -> Option<&Plan> {
        self.plans[scope.instance.plan].as_ref()
    }

    /// Whether the limit is passed; told once.
    fn overflow(&mut self, span: Span) -> bool {
        if self.done.tasks.len() > MAX_TASKS && !self.full {
            self.full = true;
            self.out.push(
                Diagnostic::new(
                    Code::PlanTooLarge,
                    format!("the plan expands to more than {MAX_TASKS} steps"),
                )
                .at(span, "goes beyond it")
                .help("cut the list, and run the plan several times"),
            );
        }
        self.full
    }
}
