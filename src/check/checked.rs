//! The executable plan: what `check` makes, and the only thing that the engine takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::Outputs;
use crate::model::policy::{OnFailure, Retry, Timeout};
use crate::model::{Action, Kind, NodeId, Outcome, Span};

/// A plan that passed every check, expanded: its tasks in an order in which they can run.
///
/// Only this module's parent makes one; there is no other way to an execution.
#[derive(Debug, Clone)]
pub struct Checked {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) timeout: Option<Span>,
    pub(crate) inputs: Map<String, Value>,
    pub(crate) secrets: Vec<String>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) prove: BTreeSet<NodeId>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) warnings: Vec<String>,
}

impl Checked {
    /// The plan's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 over the plan, its sub-plans and the files they name, as `sha256:HEX`.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The timeout of the whole run.
    pub fn timeout(&self) -> Option<Span> {
        self.timeout
    }

    /// The inputs with their values, the sensitive ones left out.
    pub fn inputs(&self) -> &Map<String, Value> {
        &self.inputs
    }

    /// The values of sensitive inputs: to be masked wherever text leaves the process, and stored nowhere.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// The steps outside of a slice that it needs: they do not run, their probes must prove them done.
    pub fn prove(&self) -> &BTreeSet<NodeId> {
        &self.prove
    }

    /// The files of the plan (itself, its sub-plans, what its steps name), by their paths below its directory.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// The warnings, and what the plan allows itself with its reasons, for the reports.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The tasks, each after all that it needs; among equals in the order of the file.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }
}

/// One node of the expanded graph.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name, such as `migrate[shop].verify`.
    pub id: NodeId,
    /// What it is.
    pub role: Role,
    /// What must have ended before it starts: positions in [`Checked::tasks`], all smaller than its own.
    pub needs: Vec<Need>,
    /// Its condition.
    pub when: Option<When>,
    /// Its timeout, defaults applied.
    pub timeout: Timeout,
    /// Its retry policy, defaults applied.
    pub retry: Retry,
    /// What follows its failure.
    pub on_failure: OnFailure,
    /// How many of the group's items may be under way at once. Every task directly in an item has it (of a nested
    /// group its opening and its end): the item takes its share with the first that starts, and gives it back when
    /// all have ended.
    pub slot: Option<Slot>,
    /// Where it stands in the plan: `file:line:col`.
    pub place: String,
}

/// What a task is.
#[derive(Debug, Clone)]
pub enum Role {
    /// A step, with its parameters.
    Step(Work),
    /// The opening of a group or sub-plan: decides its `when`, and lets its inside start. It carries the `timeout`
    /// and `on_failure` of the group.
    Open,
    /// The barrier between two waves.
    Wave,
    /// The end of a group or sub-plan: its outcome is made of its members', its outputs of theirs.
    Close {
        /// The tasks inside, as positions in [`Checked::tasks`].
        members: Vec<usize>,
        /// The outputs of a sub-plan, evaluated when it ends.
        outputs: Vec<(String, Deferred)>,
    },
}

/// The parameters of a step.
#[derive(Debug, Clone)]
pub enum Work {
    /// All known.
    Ready(Box<Action>),
    /// Some depend on outputs of other steps, or on the run.
    Deferred(Kind, Deferred),
}

/// A need, and why it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The position of the task in [`Checked::tasks`].
    pub task: usize,
    /// Why.
    pub why: Why,
}

/// Why a task needs another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// `needs` names it.
    Needs,
    /// An expression refers to it.
    Reference,
    /// It opens the group or sub-plan that the task is in: skipped with it. Every task in a group has exactly one
    /// such need, on the opening of the innermost group: its steps, waves, nested openings and ends, and its own end.
    Inside,
    /// The wave before must have ended without a failure.
    Wave,
    /// The group ends when its members have.
    Member,
}

/// The share of a group's `max_parallel` that an item takes from its first task to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The group, by the position of its opening task.
    pub group: usize,
    /// The number of the item in the group.
    pub item: usize,
    /// How many items may be under way at once.
    pub limit: usize,
}

/// What is known while a run is under way, for conditions and deferred parameters.
pub trait Results {
    /// The run's id.
    fn run_id(&self) -> &str;
    /// How a task ended; `None` while it has not.
    fn outcome(&self, task: usize) -> Option<Outcome>;
    /// What a task gave; `None` while it has not ended, or where it was skipped.
    fn outputs(&self, task: usize) -> Option<&Outputs>;
    /// Whether an output holds a secret, and was left out of what a resumed run knows.
    fn is_hidden(&self, _task: usize, _output: &str) -> bool {
        false
    }
    /// What `failure()` says: whether a need of the task that is being decided ended badly, and nobody tolerated it.
    fn failure(&self) -> bool;
}

/// A condition, and the failures that it takes charge of.
#[derive(Debug, Clone)]
pub struct When {
    /// The expression.
    pub expression: Deferred,
    /// It calls `always()`: it is decided whatever came before.
    pub always: bool,
    /// It calls `failure()`: likewise, and true only where a need failed.
    pub failure: bool,
    /// The needs whose outcome it names, as positions in [`Checked::tasks`]: their failure does not stop the task.
    pub handles: Vec<usize>,
}

/// Evaluates an expression with what is known by now.
pub trait Evaluate: Send + Sync {
    /// The value.
    ///
    /// # Errors
    /// What is not there, or not of the type that the place asks for.
    fn evaluate(&self, results: &dyn Results) -> Result<Value, EvalError>;
}

/// A value that is known only while the run is under way.
#[derive(Clone)]
pub struct Deferred {
    /// The text, for people.
    pub text: String,
    /// What makes the value.
    pub value: Arc<dyn Evaluate>,
}

impl Deferred {
    /// The value, with what is known by now.
    ///
    /// # Errors
    /// See [`Evaluate::evaluate`].
    pub fn evaluate(&self, results: &dyn Results) -> Result<Value, EvalError> {
        self.value.evaluate(results)
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deferred").field(&self.text).finish()
    }
}

/// Why a deferred value could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct EvalError {
    /// `file:line:col` of the template.
    pub place: String,
    /// What is wrong.
    pub message: String,
}
