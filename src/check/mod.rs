//! Static passes: text to an executable plan.
//!
//! [`load`] reads the files and tells what is wrong with their text, shape, names and order. [`Loaded::check`] unrolls
//! the plan with what is known by then, and looks at what is unsafe. No pass stops another: everything that is wrong is
//! told in one go.

pub mod checked;
mod cycle;
mod document;
mod expand;
mod facts;
mod files;
mod forms;
mod names;
mod outcome;
mod parsed;
mod render;
mod safety;
mod schema;
mod scope;
mod secrets;
mod shape;
mod slice;
mod times;
mod tree;
mod unused;
mod values;
mod versions;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

pub use checked::{
    Checked, Deferred, EvalError, Evaluate, Need, Results, Role, Slot, Task, When, Why, Work,
};
pub use document::{Document, document};
pub use expand::MAX_TASKS;
pub use files::{MAX_DEPTH, MAX_FILES, ReadFile};
pub use render::render;
pub use scope::ClusterFacts;
pub use slice::Slice;

use crate::diagnostic::Diagnostics;
use crate::graph::Drawing;
use crate::model::action::NamespaceQuery;
use crate::source::SourceMap;
use crate::source::de::from_node;
use expand::Expander;
use files::Loader;
use names::Order;
use parsed::{Body, Items, Plan, Steps};
use scope::{At, InputValue, Instance, Scope, World};

/// The values that are given from outside.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--set NAME=VALUE`, in their order.
    pub set: Vec<(String, String)>,
    /// The `--inputs` files: path and bytes, in their order.
    pub files: Vec<(String, Vec<u8>)>,
    /// The cluster's entry in a fleet file.
    pub fleet: Vec<(String, Value)>,
    /// For sensitive inputs: name and value of each `PLAN_INPUT_<NAME>`, the name as the plan declares it.
    pub env: Vec<(String, String)>,
}

/// What the plan is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Diagnostics alone.
    Validate,
    /// The graph.
    Graph,
    /// The resolved plan.
    Render,
    /// A run.
    Run,
}

impl Purpose {
    /// Whether every required input must have a value.
    #[must_use]
    pub fn needs_values(self) -> bool {
        matches!(self, Self::Render | Self::Run)
    }
}

/// A plan that was read, with its sub-plans.
pub struct Loading<'r> {
    loader: Loader<'r>,
    plans: Vec<Option<Plan>>,
    orders: Vec<Order>,
    values: values::Values,
    purpose: Purpose,
    diagnostics: Diagnostics,
}

/// A plan that was read from where the process can always read.
pub type Loaded = Loading<'static>;

/// A look at the cluster that a group asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The group, by the ids of its steps: `a.migrate`.
    pub node: String,
    /// What it asks for.
    pub query: NamespaceQuery,
}

/// What a check gives.
#[derive(Debug)]
pub struct Outcome {
    /// The executable plan, for a purpose that has need of it; absent where something is wrong.
    pub checked: Option<Checked>,
    /// What is wrong, sorted.
    pub diagnostics: Diagnostics,
    /// The files that the diagnostics speak of.
    pub sources: SourceMap,
    /// The graph, as far as it could be made; empty for any other purpose.
    pub drawing: Drawing,
}

/// Reads a plan and its sub-plans. Never fails: what is wrong is told by [`Loaded::check`].
pub fn load<'r>(
    path: &Path,
    reader: &'r dyn ReadFile,
    given: &Given,
    purpose: Purpose,
) -> Loading<'r> {
    let mut diagnostics = Diagnostics::new();
    let mut loader = Loader::load(path, reader, &mut diagnostics);
    let plans = std::mem::take(&mut loader.plans);
    let orders = names::resolve(&plans, loader.next_steps, &mut diagnostics);
    let values = match plans.first() {
        Some(Some(root)) => {
            values::collect(root, given, purpose, &mut loader.sources, &mut diagnostics)
        }
        _ => values::Values::default(),
    };
    values.secrets.hide(&mut diagnostics);
    Loading {
        loader,
        plans,
        orders,
        values,
        purpose,
        diagnostics,
    }
}

impl Loading<'_> {
    /// The files that were read.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        &self.loader.sources
    }

    /// What was found so far.
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// The looks at the cluster that the plan asks for, to be answered before [`Loaded::check`].
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        let mut found = Vec::new();
        if let Some(Some(root)) = self.plans.first() {
            self.queries(&root.steps, "", &self.root_scope(None), &mut found);
        }
        found
    }

    fn queries(&self, steps: &Steps, path: &str, scope: &Scope, found: &mut Vec<Lookup>) {
        for step in &steps.list {
            let node = if path.is_empty() {
                step.key.text.clone()
            } else {
                format!("{path}.{}", step.key.text)
            };
            if let Some(Items::Query(query)) = step.for_each.as_ref().map(|each| &each.items)
                && let Ok(known) = query.eval(&At::check(scope))
                && let Some(tree) = known.node()
                && let Ok(query) = from_node(&tree)
            {
                found.push(Lookup {
                    node: node.clone(),
                    query,
                });
            }
            match &step.body {
                Body::Group(group) => {
                    self.queries(&group.steps, &node, scope, found);
                    if let Some(between) = &group.between {
                        self.queries(between, &format!("{node}.between"), scope, found);
                    }
                }
                Body::SubPlan {
                    plan: Some(plan),
                    with,
                    ..
                } => {
                    if let Some(plan) = &self.plans[*plan] {
                        let inside = Scope::sub_plan(plan, with, scope);
                        self.queries(&plan.steps, &node, &inside, found);
                    }
                }
                Body::Kind(..) | Body::SubPlan { .. } | Body::Unknown(_) => {}
            }
        }
    }

    fn root_scope(&self, cluster: Option<Arc<ClusterFacts>>) -> Scope {
        let input = |(name, value): (&String, &Option<Value>)| {
            let value = match value {
                Some(value) => InputValue::Known(value.clone()),
                None => InputValue::Unknown(format!("inputs.{name}")),
            };
            (name.clone(), value)
        };
        Scope {
            instance: Arc::new(Instance {
                plan: 0,
                prefix: std::path::PathBuf::new(),
                inputs: self.values.known.iter().map(input).collect(),
                secret: self
                    .plans
                    .first()
                    .and_then(Option::as_ref)
                    .map(Plan::secret_inputs)
                    .unwrap_or_default(),
                secrets: Arc::clone(&self.values.secrets),
                given: BTreeMap::new(),
                facts: cluster,
            }),
            items: Vec::new(),
        }
    }

    /// Unrolls the plan and checks it.
    #[must_use]
    pub fn check(
        mut self,
        facts: Option<&ClusterFacts>,
        looked_up: &BTreeMap<String, Vec<String>>,
        slice: &Slice,
    ) -> Outcome {
        let mut out = std::mem::take(&mut self.diagnostics);
        let cluster = facts.cloned().map(Arc::new);
        let scope = Arc::new(self.root_scope(cluster.clone()));
        let world = Arc::new(World {
            sources: std::mem::take(&mut self.loader.sources),
            positions: OnceLock::new(),
        });
        let mut unroll = Expander {
            plans: &self.plans,
            orders: &self.orders,
            loader: &mut self.loader,
            world: Arc::clone(&world),
            cluster,
            looked_up,
            out: &mut out,
            secrets: Arc::clone(&self.values.secrets),
            done: expand::Expanded::default(),
            full: false,
        };
        if let Some(Some(root)) = self.plans.first() {
            unroll.root(root, scope);
        }
        let expanded = unroll.done;
        safety::check(&expanded, &mut out);
        let part = slice::cut(&expanded.tasks, slice, &mut out);
        words::settle(&mut out);
        self.values.secrets.hide(&mut out);
        out.sort_dedup();
        let root = self.plans.first().and_then(Option::as_ref);
        let drawing = if self.purpose == Purpose::Graph {
            let name = root.map_or("", |plan| plan.name.as_str());
            outcome::drawing(name, &expanded.tasks, &part, &world.sources)
        } else {
            Drawing::default()
        };
        let wanted = self.purpose.needs_values() && !out.has_errors();
        let checked = root.filter(|_| wanted).map(|root| {
            outcome::checked(
                root,
                &self.values,
                expanded,
                &part,
                &self.loader,
                &world,
                &out,
            )
        });
        Outcome {
            checked,
            diagnostics: out,
            sources: world.sources.clone(),
            drawing,
        }
    }
}

#[cfg(test)]
mod tests;
