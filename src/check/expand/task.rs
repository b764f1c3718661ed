//! Steps of a kind, and sub-plans.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::timeout::DefaultTimeout;
use super::{Callers, Draft, Expander, Site, Spot};
use crate::check::checked::{Deferred, Role, Work};
use crate::check::facts::{Facts, symbol_of};
use crate::check::forms::forms;
use crate::check::names::Whom;
use crate::check::parsed::{Declared, Plan};
use crate::check::schema::{self, NoTypes, Schema};
use crate::check::scope::{InputValue, Instance, LateAction, Scope, rebase};
use crate::check::times;
use crate::check::tree::Tree;
use crate::check::values::{self, Mismatch};
use crate::check::words;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::Kind;
use crate::model::policy::Timeout;
use crate::source::Core;

impl Expander<'_, '_> {
    /// A step of a kind.
    pub(super) fn task(
        &mut self,
        site: Site<'_>,
        name: &str,
        spot: &Spot,
        alone: bool,
        (kind, with, sound): (Kind, &Tree, bool),
    ) -> usize {
        let resolved = if with.is_literal() {
            Some(with.clone())
        } else {
            self.known(with, &spot.scope)
        };
        let good = sound && resolved.is_some();
        let callers = Callers::of(with, &spot.scope);
        let before = self.out.len();
        let tree = resolved.unwrap_or_else(|| with.clone());
        let fits = good && (with.is_literal() || self.fits(kind, &tree, with.span));
        forms(kind, &tree, self.out);
        if kind == Kind::InstallRevision {
            self.store(&tree, spot);
        }
        let work = self.work(site, spot, kind, &tree, fits);
        let mut draft = self.draft(site, name, spot, alone, Role::Step(work));
        draft.kind = Some(kind);
        draft.retry = site.step.retry.clone();
        draft.timeout = self.timeout(site, spot, is_wait(kind, &tree));
        if let Some(timeout) = draft.timeout.total.filter(|_| kind == Kind::Gate) {
            let place = site
                .step
                .timeout
                .as_ref()
                .map_or(draft.span, |own| own.span);
            times::waits(&tree, timeout, place, self.out);
        }
        for problem in self.out.iter_mut().skip(before) {
            *problem = callers.named(problem.clone());
        }
        draft.callers = callers;
        let bounded = site.step.timeout.is_some()
            || draft.timeout != Timeout::default()
            || matches!(spot.default_timeout, DefaultTimeout::Unknown) && !is_wait(kind, &tree);
        draft.facts = Facts::of(kind, &tree, &spot.scope, site.step, bounded);
        if !alone {
            Self::reads(site, &mut draft);
        }
        self.push(draft)
    }

    fn fits(&mut self, kind: Kind, tree: &Tree, owner: crate::source::Span) -> bool {
        schema::validate(Schema::kind(kind), tree, owner, &NoTypes, true, self.out)
    }

    /// What an item's expressions read: the opening of its group waits for it.
    fn reads(site: Site<'_>, draft: &mut Draft) {
        for wait in site.waits {
            if let Whom::Reference(name) = &wait.whom {
                draft
                    .reads
                    .extend(site.frame.task(name).map(|task| (task, wait.span)));
            }
        }
    }

    fn work(&mut self, site: Site<'_>, spot: &Spot, kind: Kind, tree: &Tree, fits: bool) -> Work {
        let prefix = spot.scope.instance.prefix.clone();
        if let Some(set) = tree.get("set").filter(|_| kind == Kind::InstallRevision) {
            words::unquoted_within(set, self.out);
        }
        if let Some(node) = tree.node().filter(|_| fits) {
            match kind.decode(&node) {
                Ok(mut action) => {
                    rebase(&mut action, &prefix);
                    return Work::Ready(Box::new(action));
                }
                Err(error) => {
                    self.out
                        .push(Diagnostic::from(error).or_at(site.step.key.span));
                }
            }
        }
        let text = serde_json::to_string(&tree.to_json()).unwrap_or_default();
        let late = self.late(tree.clone(), site.frame, &spot.scope);
        Work::Deferred(
            kind,
            Deferred {
                text,
                value: Arc::new(LateAction { kind, late }),
            },
        )
    }

    /// The files that a step names belong to the plan.
    fn store(&mut self, tree: &Tree, spot: &Spot) {
        let Some(dir) = self.plan(&spot.scope).map(|plan| plan.dir.clone()) else {
            return;
        };
        let lists = ["values", "files"].map(|key| tree.get(key));
        for path in lists.into_iter().flatten().flat_map(Tree::items) {
            if let Some(scalar) = path.scalar().filter(|one| one.core() != Core::Null) {
                self.loader.store(&dir, &scalar.text, path.span, self.out);
            }
        }
    }

    /// A sub-plan.
    pub(super) fn sub_plan(
        &mut self,
        site: Site<'_>,
        name: &str,
        spot: &Spot,
        alone: bool,
        number: Option<usize>,
        with: &Tree,
    ) -> usize {
        let plans = self.plans;
        let plan = number.and_then(|number| Some((number, plans[number].as_ref()?)));
        let Some((number, plan)) = plan.filter(|_| !self.overflow(site.step.key.span)) else {
            let mut draft = self.draft(site, name, spot, alone, Role::Wave);
            draft.facts = Facts::Anything;
            return self.push(draft);
        };
        let mut draft = self.draft(site, name, spot, alone, Role::Open);
        draft.id = format!("{name}:open");
        let own = self.own_timeout(site, spot);
        let open = self.push(draft);
        let inputs = self.inputs(site, spot, plan, with);
        let mut secret = plan.secret_inputs();
        let given = with.pairs().iter();
        let made_of_secrets = given.filter(|(_, tree)| spot.scope.names_secrets(tree));
        secret.extend(made_of_secrets.map(|(key, _)| key.text.clone()));
        let instance = Instance {
            plan: number,
            prefix: self.prefix(plan),
            inputs,
            secret,
            secrets: Arc::clone(&self.secrets),
            given: with
                .pairs()
                .iter()
                .map(|(key, tree)| (key.text.clone(), tree.span))
                .collect(),
            facts: self.cluster.clone(),
        };
        let scope = Scope {
            instance: Arc::new(instance),
            items: Vec::new(),
        };
        let total = self.plan_timeout(plan, &scope);
        self.done.tasks[open].timeout = own.unwrap_or(Timeout {
            attempt: None,
            total,
        });
        let mut inner = Self::inside(spot, name, &site.step.key.text, open);
        inner.default_timeout = self.default_timeout(plan, &scope);
        inner.scope = Arc::new(scope);
        let orders = self.orders;
        let frame = super::Frame::new(None, &plan.steps);
        let members = self.in_frame(&plan.steps, &orders[plan.steps.id], &inner, &frame);
        let outputs = plan
            .outputs
            .iter()
            .map(|(key, tree)| {
                words::unquoted_within(tree, self.out);
                let late = self.late(tree.clone(), &frame, &inner.scope);
                let text = super::super::values::plain(&tree.to_json());
                let value = Arc::new(late);
                (key.text.clone(), Deferred { text, value })
            })
            .collect();
        self.close(site, name, spot, open, members, outputs)
    }

    fn prefix(&self, plan: &Plan) -> PathBuf {
        plan.dir
            .strip_prefix(self.loader.root())
            .unwrap_or(&plan.dir)
            .to_path_buf()
    }

    /// What a sub-plan is given.
    fn inputs(
        &mut self,
        site: Site<'_>,
        spot: &Spot,
        plan: &Plan,
        with: &Tree,
    ) -> BTreeMap<String, InputValue> {
        let mut inputs = BTreeMap::new();
        for (key, tree) in with.pairs() {
            let Some(declared) = plan.inputs.get(&key.text) else {
                if !plan.truncated {
                    self.out.push(
                        Diagnostic::new(
                            Code::UndeclaredInput,
                            format!("the sub-plan declares no input `{}`", key.text),
                        )
                        .at(key.span, "unknown")
                        .suggest(&key.text, plan.inputs.keys().map(String::as_str)),
                    );
                }
                continue;
            };
            let value = self.input(site, spot, declared, &key.text, tree);
            inputs.insert(key.text.clone(), value);
        }
        for (name, declared) in &plan.inputs {
            if inputs.contains_key(name) {
                continue;
            }
            let value = declared.default.clone().map(InputValue::Known);
            let value = value.unwrap_or_else(|| {
                self.lacks(site, name, declared, plan, with);
                InputValue::Unknown(name.clone())
            });
            inputs.insert(name.clone(), value);
        }
        inputs
    }

    /// Tells of a required input that the caller does not give, unless something in its `with` is wrong already.
    fn lacks(&mut self, site: Site<'_>, name: &str, declared: &Declared, plan: &Plan, with: &Tree) {
        let misspelt = with
            .pairs()
            .iter()
            .any(|(key, _)| !plan.inputs.contains_key(&key.text));
        if declared.broken || misspelt || with.is_broken() {
            return;
        }
        self.out.push(
            Diagnostic::new(
                Code::InputWithoutValue,
                format!("the sub-plan's input `{name}` has no value"),
            )
            .at(site.step.key.span, "does not give it")
            .also(declared.key, "required here")
            .help(format!("add `{name}` to its `with`")),
        );
    }

    fn input(
        &mut self,
        site: Site<'_>,
        spot: &Spot,
        declared: &Declared,
        name: &str,
        tree: &Tree,
    ) -> InputValue {
        let unknown = || InputValue::Unknown(symbol_of(tree, &spot.scope));
        let Some(known) = self.known(tree, &spot.scope) else {
            return unknown();
        };
        if known.is_broken() || declared.broken {
            return unknown();
        }
        if known.node().is_none() {
            let symbol = symbol_of(tree, &spot.scope);
            return InputValue::Deferred(
                Arc::new(self.late(known, site.frame, &spot.scope)),
                symbol,
            );
        }
        let mut notes = Diagnostics::new();
        match values::fit(declared, &known, &mut notes) {
            Ok(value) => {
                self.out.extend(notes);
                if declared.input.sensitive {
                    self.secrets.hear(&value);
                }
                InputValue::Known(value)
            }
            Err(Mismatch { span, message }) => {
                self.out.push(
                    Diagnostic::new(
                        Code::BadInputValue,
                        format!("the value of `{name}` does not fit: {message}"),
                    )
                    .at(span, "given here")
                    .also(declared.key, "declared here"),
                );
                unknown()
            }
        }
    }
}

/// Whether a step waits for a person or for time to pass: no default bounds that.
fn is_wait(kind: Kind, with: &Tree) -> bool {
    let waits = ["approval", "soak", "window"];
    kind == Kind::Gate && waits.iter().any(|name| with.get(name).is_some())
}
