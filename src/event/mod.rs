//! What happens in a run: the one interface to the journal and to every report.
//!
//! A line of the journal, a line of `--output json` and what a reporter is handed are the same value, so they cannot
//! disagree.

mod mask;

pub use mask::Mask;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{NodeId, Outcome, RunId};

/// The version of the event format, major and minor: the major changes when an old reader would misread.
pub const FORMAT: &str = "1.0";

/// Something that happened, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in the run, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: EventKind,
}

/// What a step gives to those that follow it.
pub type Outputs = Map<String, Value>;

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The run began; the first line of a journal.
    RunStarted {
        /// The version of this format.
        format: String,
        /// The run.
        run: RunId,
        /// The plan's name.
        plan: String,
        /// SHA-256 of the plan with its sub-plans and files.
        digest: String,
        /// The version of `plan`.
        tool: String,
        /// Who, on which host, against which context and Istio namespace.
        origin: Origin,
        /// The inputs, the sensitive ones left out.
        inputs: Map<String, Value>,
        /// What `for_each` found in the cluster, by the node that asked.
        looked_up: BTreeMap<String, Vec<String>>,
        /// The steps that will be decided, in the order of the file.
        steps: Vec<NodeId>,
    },
    /// A run that had ended early goes on, maybe on another host.
    RunResumed {
        /// Who goes on with it.
        origin: Origin,
        /// What had been decided and is decided again, because something that it needs is.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        again: Vec<NodeId>,
    },
    /// The lock of the cluster is held.
    LeaseAcquired {
        /// The holder: run, host and nonce.
        holder: String,
    },
    /// A `when` was decided, once.
    WhenDecided {
        /// The node.
        node: NodeId,
        /// Whether it runs.
        run: bool,
    },
    /// An attempt begins. On the disk before its first act.
    AttemptStarted {
        /// The node.
        node: NodeId,
        /// Its number, from 1.
        attempt: u32,
        /// The step among those that it had to wait for that ended last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<NodeId>,
    },
    /// Something is about to be changed. On the disk before it is.
    ActIntended {
        /// The node.
        node: NodeId,
        /// What: `patch`, `apply`, `create`, `delete`, `run`, and the object.
        act: Act,
    },
    /// It was changed, or found not to need it.
    ActDone {
        /// The node.
        node: NodeId,
        /// What was intended.
        act: Act,
        /// What came of it.
        result: ActResult,
    },
    /// Why a step is not done yet.
    Waiting {
        /// The node.
        node: NodeId,
        /// The reasons, the most telling first.
        reasons: Vec<String>,
    },
    /// Something worth reading that changes nothing.
    Note {
        /// The node.
        node: NodeId,
        /// The text.
        text: String,
    },
    /// An attempt failed.
    AttemptFailed {
        /// The node.
        node: NodeId,
        /// Its number.
        attempt: u32,
        /// Why.
        error: Failure,
        /// How long until the next attempt, in milliseconds; none follows where it is absent.
        retry_in_ms: Option<u64>,
    },
    /// A gate waits for an answer.
    GateOpened {
        /// The node.
        node: NodeId,
        /// What is asked.
        message: String,
        /// How many must approve.
        quorum: u32,
        /// Until when an answer counts; without an end where it is absent.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// One answer to a gate. The decision is made of these, once.
    GateAnswered {
        /// The node.
        node: NodeId,
        /// Whether it says go.
        approve: bool,
        /// Who said it.
        by: String,
    },
    /// A step, group or sub-plan ended.
    NodeFinished {
        /// The node.
        node: NodeId,
        /// How.
        outcome: Outcome,
        /// Whether it changed anything.
        changed: bool,
        /// What it gives to others.
        outputs: Outputs,
        /// One line for people: what was done, or why not.
        message: String,
        /// Why it failed.
        error: Option<Failure>,
        /// Whether dependants go on as after success (`on_failure: continue`).
        tolerated: bool,
    },
    /// The user asked to stop: once lets running calls end, twice abandons them.
    Interrupted {
        /// How often by now.
        times: u32,
    },
    /// The run waits at gates and nothing else is left to do.
    RunSuspended {
        /// The gates.
        gates: Vec<NodeId>,
    },
    /// The run ended; what is `resumable` can be taken up again.
    RunFinished {
        /// How.
        result: RunResult,
        /// One line for people.
        message: String,
        /// Whether its process was gone already when the end was written: the run's own time ended with the event before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unattended: bool,
    },
}

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The user.
    pub user: String,
    /// The host.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The kubeconfig's context, where there is one.
    pub context: Option<String>,
    /// The API server's address, where there is one.
    pub server: Option<String>,
    /// What tells the cluster from others whatever its address is: the UID of its namespace `kube-system`, where that may
    /// be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

impl Origin {
    /// Whether it ran in a lab, which ended with its process: nothing can go on there.
    #[must_use]
    pub fn is_lab(&self) -> bool {
        self.server.as_deref() == Some("in-process")
    }
}

/// A change to the world: one request, or one program that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// What is done: `patch`, `apply`, `create`, `delete`, `run`.
    pub verb: String,
    /// To what: `Deployment/shop/api`, or the program.
    pub object: String,
    /// In what way, for people.
    pub detail: String,
    /// What stood there before, where the step must know it again after a resume. Of an intent alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
}

/// What came of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActResult {
    /// The world is different now.
    Changed,
    /// It was so already.
    Unchanged,
    /// It failed, or nobody knows.
    Failed,
}

/// Why an attempt or a step failed, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure: decides whether it is tried again.
    pub class: FailureClass,
    /// What went wrong.
    pub message: String,
    /// The objects and verdicts behind it, one a line.
    pub details: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Connection, 429, 5xx, a resourceVersion conflict: may pass.
    Transient,
    /// The step says no, by what it saw.
    Failed,
    /// Time ran out.
    TimedOut,
    /// A gate said no.
    Rejected,
    /// The user stopped it.
    Interrupted,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Every step succeeded, was skipped, or failed where that is tolerated.
    Succeeded,
    /// A step failed.
    Failed,
    /// A gate said no.
    Rejected,
    /// Interrupted by a signal; `plan resume` goes on.
    Interrupted,
    /// Cancelled by `plan cancel`; `plan resume` goes on.
    Cancelled,
    /// The run's own timeout.
    TimedOut,
}
