//! Names and order: what `needs` and expressions refer to, and in which order the steps of each map can go.

use std::collections::HashSet;

use super::cycle::cycle;
use super::parsed::{Body, Items, Plan, Step, Steps};
use super::shape::InputTypes;
use super::tree::Tree;
use super::words;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::graph::Graph;
use crate::source::Span;
use crate::template::{ROOTS, Reference, Template};

/// What is known of one `steps` map.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Positions in the list, each after all that it waits for.
    pub(super) sequence: Vec<usize>,
    /// By position: the steps that it waits for, by name, innermost group outward.
    pub(super) waits: Vec<Vec<Wait>>,
    /// By position: some of its names could not be resolved, so what it waits for is not all known.
    pub(super) tainted: Vec<bool>,
}

/// One step that another waits for.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) whom: Whom,
    pub(super) span: Span,
}

/// How a step names another.
#[derive(Debug)]
pub(super) enum Whom {
    /// In its `needs`: the position in the same map.
    Need(usize),
    /// In an expression: the name, innermost group outward.
    Reference(String),
}

/// Looks at every name of every plan.
pub(super) fn resolve(plans: &[Option<Plan>], maps: usize, out: &mut Diagnostics) -> Vec<Order> {
    let mut orders: Vec<Order> = (0..maps).map(|_| Order::default()).collect();
    for plan in plans.iter().flatten() {
        let mut ids = HashSet::new();
        all_ids(&plan.steps, &mut ids);
        Names {
            plan,
            plans,
            ids,
            orders: &mut orders,
            edges: vec![Vec::new(); maps],
            variables: Vec::new(),
            out,
        }
        .plan();
    }
    orders
}

struct Names<'a> {
    plan: &'a Plan,
    plans: &'a [Option<Plan>],
    /// The ids of all steps, wherever they are.
    ids: HashSet<&'a str>,
    orders: &'a mut Vec<Order>,
    /// By map: what is needed, what needs it, and where that is written.
    edges: Vec<Vec<(usize, usize, Span)>>,
    variables: Vec<&'a str>,
    out: &'a mut Diagnostics,
}

/// The steps around a place: a map and the position in it, outermost first.
type Around<'a> = Vec<(&'a Steps, Option<usize>)>;

impl<'a> Names<'a> {
    fn plan(mut self) {
        let plan = self.plan;
        self.map(&plan.steps, &mut Vec::new());
        let around = vec![(&plan.steps, None)];
        for timeout in plan.timeout.iter().chain(&plan.default_timeout) {
            self.tree(timeout, &around);
        }
        for (_, value) in &plan.outputs {
            self.tree(value, &around);
        }
    }

    fn map(&mut self, steps: &'a Steps, around: &mut Around<'a>) {
        let count = steps.list.len();
        let order = &mut self.orders[steps.id];
        order.waits.resize_with(count, Vec::new);
        order.tainted.resize(count, false);
        for (at, step) in steps.list.iter().enumerate() {
            self.shadowed(step, around);
            around.push((steps, Some(at)));
            self.step(step, around);
            around.pop();
        }
        self.order(steps);
    }

    /// A step with the name of one outside of its group, or of a group that it is in.
    fn shadowed(&mut self, step: &Step, around: &Around<'a>) {
        for (outer, at) in around {
            if let Some(&found) = outer.index.get(&step.key.text) {
                let whose = if Some(found) == *at {
                    "the group that it is in has that name"
                } else {
                    "visible here too"
                };
                let other = &outer.list[found].key;
                self.out.push(
                    Diagnostic::new(
                        Code::ShadowedName,
                        format!(
                            "`{}` hides a step or group of that name outside",
                            step.key.text
                        ),
                    )
                    .at(step.key.span, "defined again")
                    .also(other.span, whose)
                    .help("give one of them another id"),
                );
            }
        }
    }

    fn step(&mut self, step: &'a Step, around: &mut Around<'a>) {
        self.needs(step, around);
        if let Some(when) = &step.when {
            self.template(when, around);
        }
        for name in &step.broken_names {
            self.reference(name, around);
        }
        if let Some(for_each) = &step.for_each {
            match &for_each.items {
                Items::List(tree) | Items::Query(tree) => self.tree(tree, around),
                Items::Broken => {}
            }
        }
        if let Body::Group(group) = &step.body {
            if let Some(waves) = &group.waves {
                self.tree(waves, around);
            }
            if let Some(between) = &group.between {
                self.map(between, around);
            }
        }
        let variable = step
            .for_each
            .as_ref()
            .and_then(|each| each.variable.as_ref());
        if let Some(variable) = variable {
            if self.variables.contains(&variable.text.as_str()) {
                self.out.push(
                    Diagnostic::new(
                        Code::ShadowedName,
                        format!("`{}` is the item of an outer group already", variable.text),
                    )
                    .at(variable.span, "defined again")
                    .help("choose another name for the item"),
                );
            }
            self.variables.push(&variable.text);
        }
        if let Some(timeout) = &step.timeout {
            self.tree(timeout, around);
        }
        match &step.body {
            Body::Kind(_, with, _) | Body::SubPlan { with, .. } | Body::Unknown(Some(with)) => {
                self.tree(with, around);
            }
            Body::Group(group) => self.map(&group.steps, around),
            Body::Unknown(None) => {}
        }
        if variable.is_some() {
            self.variables.pop();
        }
    }

    fn needs(&mut self, step: &'a Step, around: &Around<'a>) {
        let Some(&(steps, Some(at))) = around.last() else {
            return;
        };
        self.orders[steps.id].waits[at].reserve(step.needs.len());
        for need in &step.needs {
            let known = steps.index.get(&need.text).copied();
            let needed = if known == Some(at) {
                self.out.push(
                    Diagnostic::new(Code::SelfNeed, format!("`{}` needs itself", need.text))
                        .at(need.span, "is this step"),
                );
                None
            } else {
                known.or_else(|| {
                    let meant = self.unknown_need(&need.text, need.span, steps, around)?;
                    steps.index.get(meant).copied()
                })
            };
            let Some(needed) = needed else {
                self.orders[steps.id].tainted[at] = true;
                continue;
            };
            self.edges[steps.id].push((needed, at, need.span));
            self.orders[steps.id].waits[at].push(Wait {
                whom: Whom::Need(needed),
                span: need.span,
            });
        }
    }

    /// Reports a need that is no step of the same map; gives the one that was probably meant.
    fn unknown_need(
        &mut self,
        name: &str,
        span: Span,
        steps: &'a Steps,
        around: &Around<'a>,
    ) -> Option<&'a str> {
        let problem = Diagnostic::new(Code::UnknownStep, format!("there is no step `{name}` here"));
        let outside = around
            .iter()
            .any(|(outer, _)| outer.index.contains_key(name));
        if outside {
            self.out.push(
                problem
                    .at(span, "is outside of the group")
                    .help("let the group need it: that counts for its steps"),
            );
            return None;
        }
        let own = around.last().and_then(|(_, at)| *at);
        let known = steps
            .list
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != own);
        let names: Vec<&'a str> = known.map(|(_, step)| step.key.text.as_str()).collect();
        let problem = problem
            .at(span, "unknown")
            .suggest(name, names.iter().copied());
        let problem = match problem.help {
            None if self.ids.contains(name) => {
                problem.help("a group's inner steps are not visible from outside: need the group")
            }
            None if !names.is_empty() && names.len() <= 10 => {
                problem.help(format!("there are {}", words::quoted(&names)))
            }
            _ => problem,
        };
        self.out.push(problem);
        suggest::closest(name, names.iter().copied())
    }

    fn tree(&mut self, tree: &'a Tree, around: &Around<'a>) {
        tree.templates(&mut |template| self.template(template, around));
        tree.broken_names(&mut |name| self.reference(name, around));
    }

    fn template(&mut self, template: &'a Template, around: &Around<'a>) {
        for reference in template.references() {
            self.reference(reference, around);
        }
        let (_, problems) = template.infer(&InputTypes(&self.plan.inputs));
        self.out.extend(problems);
    }

    fn reference(&mut self, reference: &'a Reference, around: &Around<'a>) {
        let name = reference.path.first().map(String::as_str);
        match (reference.root.as_str(), name) {
            ("inputs", Some(name)) => self.input(name, reference.span),
            ("steps", Some(name)) => self.step_reference(name, reference, around),
            ("cluster" | "run" | "inputs" | "steps", _) => {}
            (variable, _) => self.variable(variable, reference.span),
        }
    }

    fn input(&mut self, name: &str, span: Span) {
        let inputs = &self.plan.inputs;
        if inputs.contains_key(name) || self.plan.truncated {
            return;
        }
        let names: Vec<&str> = inputs.keys().map(String::as_str).collect();
        let problem = Diagnostic::new(Code::UnknownInput, format!("there is no input `{name}`"))
            .at(span, "not declared")
            .suggest(name, names.iter().copied());
        self.out.push(match problem.help {
            None if names.is_empty() => problem.help("declare it under `inputs`"),
            None => problem.help(format!("the inputs are {}", words::quoted(&names))),
            Some(_) => problem,
        });
    }

    fn variable(&mut self, name: &str, span: Span) {
        if self.variables.contains(&name) {
            return;
        }
        let mut problem = Diagnostic::new(
            Code::UnknownVariable,
            format!("there is no variable `{name}`"),
        )
        .at(span, "unknown");
        if self.plan.inputs.contains_key(name) {
            problem = problem.help(format!("write `inputs.{name}`"));
        }
        let names = self.variables.iter().copied().chain(ROOTS);
        problem = problem.suggest(name, names.clone());
        if problem.help.is_none() {
            let names: Vec<&str> = names.collect();
            problem = problem.help(format!("known here are {}", words::quoted(&names)));
        }
        self.out.push(problem);
    }

    fn step_reference(&mut self, name: &'a str, reference: &'a Reference, around: &Around<'a>) {
        let found = around
            .iter()
            .enumerate()
            .rev()
            .find_map(|(depth, (steps, at))| {
                steps
                    .index
                    .get(name)
                    .map(|found| (depth, *steps, *at, *found))
            });
        let Some((depth, steps, at, found)) = found else {
            return self.unknown_step(name, reference.span, around);
        };
        if at == Some(found) {
            let what = if depth + 1 == around.len() {
                "this step itself"
            } else {
                "the group that it is in"
            };
            self.out.push(
                Diagnostic::new(
                    Code::OutputNotVisible,
                    format!("`{name}` is {what}: it has not ended yet"),
                )
                .at(reference.span, "not known here"),
            );
            return;
        }
        if let Some(at) = at {
            self.edges[steps.id].push((found, at, reference.span));
        }
        if let Some(&(own, Some(at))) = around.last() {
            self.orders[own.id].waits[at].push(Wait {
                whom: Whom::Reference(name.to_owned()),
                span: reference.span,
            });
        }
        if let Some(output) = reference.output() {
            self.output(&steps.list[found], output, reference, around);
        }
    }

    fn unknown_step(&mut self, name: &str, span: Span, around: &Around<'a>) {
        if let Some(&(steps, Some(at))) = around.last() {
            self.orders[steps.id].tainted[at] = true;
        }
        if self.ids.contains(name) {
            self.out.push(
                Diagnostic::new(
                    Code::OutputNotVisible,
                    format!("`{name}` is inside a group, and cannot be seen from here"),
                )
                .at(span, "not visible")
                .help("a group may run many times: only the group itself is visible from outside"),
            );
        } else if !self.plan.truncated {
            let names = around
                .iter()
                .flat_map(|(steps, _)| steps.list.iter().map(|step| step.key.text.as_str()));
            self.out.push(
                Diagnostic::new(Code::UnknownStep, format!("there is no step `{name}`"))
                    .at(span, "unknown")
                    .suggest(name, names),
            );
        }
    }

    fn output(&mut self, of: &'a Step, output: &str, reference: &Reference, around: &Around<'a>) {
        let id = &of.key.text;
        let known: Vec<&str> = match &of.body {
            Body::Unknown(_) | Body::SubPlan { plan: None, .. } => return,
            _ if of.for_each.is_some() => Vec::new(),
            Body::Kind(kind, ..) => kind.outputs().iter().map(|(name, _)| *name).collect(),
            Body::SubPlan {
                plan: Some(plan), ..
            } => match &self.plans[*plan] {
                Some(plan) => plan
                    .outputs
                    .iter()
                    .map(|(key, _)| key.text.as_str())
                    .collect(),
                None => return,
            },
            Body::Group(_) => Vec::new(),
        };
        if matches!(of.body, Body::Group(_)) || of.for_each.is_some() {
            self.out.push(
                Diagnostic::new(
                    Code::OutputNotVisible,
                    format!("the group `{id}` has no outputs"),
                )
                .at(reference.span, "may run many times")
                .help(format!(
                    "of a group only the outcome is known: `steps.{id}.outcome`"
                )),
            );
            return;
        }
        if !known.contains(&output) {
            let problem = Diagnostic::new(
                Code::UnknownOutput,
                format!("`{id}` has no output `{output}`"),
            )
            .at(reference.span, "unknown")
            .suggest(output, known.iter().copied());
            self.out.push(match problem.help {
                None if known.is_empty() => problem.help("it has no outputs"),
                None => problem.help(format!("it has {}", words::quoted(&known))),
                Some(_) => problem,
            });
            return;
        }
        self.may_skip(of, reference, around);
    }

    fn may_skip(&mut self, of: &Step, reference: &Reference, around: &Around<'a>) {
        let Some(when) = &of.when else {
            return;
        };
        let condition =
            |template: &Template| template.text().split_whitespace().collect::<String>();
        let same = around
            .iter()
            .filter_map(|(steps, at)| at.map(|at| &steps.list[at]))
            .any(|step| {
                step.when
                    .as_ref()
                    .is_some_and(|own| condition(own) == condition(when))
            });
        if !reference.defaulted && !same {
            self.out.push(
                Diagnostic::new(
                    Code::OutputMaySkip,
                    format!("`{}` may be skipped, and has no outputs then", of.key.text),
                )
                .at(reference.span, "would have no value")
                .also(when.span(), "its condition")
                .help("say what holds then: `… | default('…')`"),
            );
        }
    }

    /// The order of a map's steps. Each cycle is told once, and left out, so that the rest can be checked.
    fn order(&mut self, steps: &Steps) {
        let edges = &mut self.edges[steps.id];
        let mut told = false;
        let sequence = loop {
            let graph = Graph::new(
                steps.list.len(),
                edges.iter().map(|(from, to, _)| (*from, *to)),
            );
            let cycles = match graph.order() {
                Ok(sequence) => break sequence,
                Err(cycles) => cycles,
            };
            for nodes in cycles.iter().map(|cycle| &cycle.nodes) {
                if !told {
                    self.out.push(cycle(nodes, edges, steps));
                }
                for node in nodes {
                    self.orders[steps.id].tainted[*node] = true;
                }
                let within: HashSet<usize> = nodes.iter().copied().collect();
                edges.retain(|(from, to, _)| !(within.contains(from) && within.contains(to)));
            }
            told = true;
        };
        self.orders[steps.id].sequence = sequence;
    }
}

fn all_ids<'a>(steps: &'a Steps, ids: &mut HashSet<&'a str>) {
    for step in &steps.list {
        ids.insert(&step.key.text);
        if let Body::Group(group) = &step.body {
            all_ids(&group.steps, ids);
            if let Some(between) = &group.between {
                all_ids(between, ids);
            }
        }
    }
}
