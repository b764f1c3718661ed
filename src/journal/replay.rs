//! Where a run stands, as the fold of its events: for reports while it runs, for `status`, and for `resume`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::event::{Act, ActResult, Event, EventKind, Failure, Origin, Outputs, RunResult};
use crate::model::{NodeId, Outcome, RunId};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunState {
    /// The run; `None` before its first event.
    pub run: Option<RunId>,
    /// The plan's name.
    pub plan: String,
    /// The digest of the plan and its files.
    pub digest: String,
    /// The version of `plan` that began it.
    pub tool: String,
    /// Who began it, or went on with it last.
    pub origin: Origin,
    /// The inputs, the sensitive ones left out.
    pub inputs: Map<String, Value>,
    /// What `for_each` found in the cluster.
    pub looked_up: BTreeMap<String, Vec<String>>,
    /// The number of the last event.
    pub seq: u64,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When the last event happened.
    pub last: Option<Timestamp>,
    /// How far it is.
    pub phase: Phase,
    /// What the end said.
    pub message: String,
    /// The nodes: steps in the order of the file, then groups as they end.
    pub nodes: IndexMap<NodeId, NodeRecord>,
    /// The directory that the runs are kept in, where this one has a directory: of the place, not of the journal.
    pub state_dir: Option<PathBuf>,
    /// Active time before the current session: suspended time does not count.
    before: Duration,
    /// When the current session began.
    session: Option<Timestamp>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// It has begun and not ended; whether its process lives, the lock tells.
    #[default]
    Open,
    /// It waits at these gates.
    Suspended(Vec<NodeId>),
    /// It ended.
    Ended(RunResult),
}

/// What is known of a node.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeRecord {
    /// Whether it is a step; groups are not.
    pub step: bool,
    /// What its condition said.
    pub when: Option<bool>,
    /// The number of its last attempt.
    pub attempts: u32,
    /// When its first attempt started, since it last ended.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether an attempt is under way.
    pub running: bool,
    /// When the next attempt starts, while it waits for one.
    pub retry_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whether it changed anything.
    pub changed: bool,
    /// How many changes it made.
    pub acts: u32,
    /// The changes that it intended where something stood before, in order, over all attempts and sessions.
    pub earlier: Vec<Earlier>,
    /// Whether its failure is tolerated.
    pub tolerated: bool,
    /// What it gave.
    pub outputs: Outputs,
    /// What it said at its end.
    pub message: String,
    /// Why it, or its last attempt, failed.
    pub error: Option<Failure>,
    /// Why it is not done yet.
    pub reasons: Vec<String>,
    /// The gate that is open.
    pub gate: Option<Gate>,
    /// How often a gate was opened.
    pub openings: u32,
}

/// A change that was intended before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The object.
    pub object: String,
    /// What stood there before.
    pub before: Value,
    /// What came of it; `None` where nobody knows.
    pub result: Option<ActResult>,
}

/// A gate that waits for answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What is asked.
    pub message: String,
    /// How many must approve.
    pub quorum: u32,
    /// Until when an answer counts.
    pub until: Option<Timestamp>,
    /// Who has said what.
    pub answers: BTreeMap<String, bool>,
}

impl RunState {
    /// Takes in what happened.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        let at = event.at;
        match &event.event {
            EventKind::RunStarted {
                run,
                plan,
                digest,
                tool,
                origin,
                inputs,
                looked_up,
                steps,
                ..
            } => {
                self.run = Some(run.clone());
                self.plan.clone_from(plan);
                self.digest.clone_from(digest);
                self.tool.clone_from(tool);
                self.origin.clone_from(origin);
                self.inputs.clone_from(inputs);
                self.looked_up.clone_from(looked_up);
                self.started = Some(at);
                self.session = Some(at);
                for step in steps {
                    self.node(step).step = true;
                }
            }
            EventKind::RunResumed { origin } => self.resume(origin, at),
            EventKind::RunSuspended { gates } => self.phase = Phase::Suspended(gates.clone()),
            EventKind::RunFinished { result, message } => {
                self.phase = Phase::Ended(*result);
                self.message.clone_from(message);
            }
            EventKind::LeaseAcquired { .. } | EventKind::Interrupted { .. } => {}
            EventKind::WhenDecided { node, .. }
            | EventKind::AttemptStarted { node, .. }
            | EventKind::ActIntended { node, .. }
            | EventKind::ActDone { node, .. }
            | EventKind::Waiting { node, .. }
            | EventKind::Note { node, .. }
            | EventKind::AttemptFailed { node, .. }
            | EventKind::GateOpened { node, .. }
            | EventKind::GateAnswered { node, .. }
            | EventKind::NodeFinished { node, .. } => self.node(node).apply(&event.event, at),
        }
        self.last = Some(at);
    }

    /// The active time of the run until `now`; time between its sessions does not count.
    pub fn active(&self, now: Timestamp) -> Duration {
        self.before
            + self
                .session
                .map_or(Duration::ZERO, |from| between(from, now))
    }

    /// The gates that are open, with what they ask.
    pub fn open_gates(&self) -> impl Iterator<Item = (&NodeId, &Gate)> {
        self.nodes
            .iter()
            .filter_map(|(id, node)| node.gate.as_ref().map(|gate| (id, gate)))
    }

    /// The steps, without groups.
    pub fn steps(&self) -> impl Iterator<Item = (&NodeId, &NodeRecord)> {
        self.nodes.iter().filter(|(_, node)| node.step)
    }

    fn node(&mut self, id: &NodeId) -> &mut NodeRecord {
        if !self.nodes.contains_key(id) {
            self.nodes.insert(id.clone(), NodeRecord::default());
        }
        &mut self.nodes[id]
    }

    fn resume(&mut self, origin: &Origin, at: Timestamp) {
        self.before = match self.phase {
            // A run whose time was up gets its time again: it could not end otherwise.
            Phase::Ended(RunResult::TimedOut) => Duration::ZERO,
            _ => self.last.map_or(self.before, |last| self.active(last)),
        };
        self.session = Some(at);
        self.phase = Phase::Open;
        self.message.clear();
        self.origin.clone_from(origin);
        for node in self.nodes.values_mut() {
            // What failed, or did not run for it, is decided again.
            if node.outcome.is_some_and(|outcome| !outcome.satisfies()) && !node.tolerated {
                node.begin_anew();
            }
            node.running = false;
            node.retry_at = None;
            node.reasons.clear();
        }
    }
}

impl NodeRecord {
    fn apply(&mut self, event: &EventKind, at: Timestamp) {
        match event {
            EventKind::WhenDecided { run, .. } => self.when = Some(*run),
            EventKind::AttemptStarted { attempt, .. } => self.start(*attempt, at),
            EventKind::ActIntended { act, .. } => self.intend(act),
            EventKind::ActDone { act, result, .. } => self.acted(act, *result),
            EventKind::Waiting { reasons, .. } => self.reasons.clone_from(reasons),
            EventKind::AttemptFailed {
                error, retry_in_ms, ..
            } => {
                self.running = false;
                self.reasons.clear();
                self.error = Some(error.clone());
                self.retry_at =
                    (*retry_in_ms).and_then(|ms| at.checked_add(Duration::from_millis(ms)).ok());
            }
            EventKind::GateOpened {
                message,
                quorum,
                until,
                ..
            } => {
                self.openings += 1;
                self.gate = Some(Gate {
                    message: message.clone(),
                    quorum: *quorum,
                    until: *until,
                    answers: BTreeMap::new(),
                });
            }
            EventKind::GateAnswered { approve, by, .. } => {
                if let Some(gate) = &mut self.gate {
                    gate.answers.insert(by.clone(), *approve);
                }
            }
            EventKind::NodeFinished {
                outcome,
                changed,
                outputs,
                message,
                error,
                tolerated,
                ..
            } => {
                self.running = false;
                self.retry_at = None;
                self.gate = None;
                self.reasons.clear();
                self.ended = Some(at);
                self.outcome = Some(*outcome);
                self.changed = *changed;
                self.outputs.clone_from(outputs);
                self.message.clone_from(message);
                self.error.clone_from(error);
                self.tolerated = *tolerated;
            }
            _ => {}
        }
    }

    fn intend(&mut self, act: &Act) {
        if let Some(before) = &act.before {
            self.earlier.push(Earlier {
                object: act.object.clone(),
                before: before.clone(),
                result: None,
            });
        }
    }

    fn acted(&mut self, act: &Act, result: ActResult) {
        if result == ActResult::Changed {
            self.acts += 1;
        }
        let mut earlier = self.earlier.iter_mut().rev();
        // A change whose answer was lost may have been made all the same.
        if let Some(earlier) = earlier.find(|earlier| earlier.object == act.object)
            && result != ActResult::Failed
        {
            earlier.result = Some(result);
        }
    }

    /// An attempt starts; where the node had ended before, a new life begins with it.
    fn start(&mut self, attempt: u32, at: Timestamp) {
        if self.outcome.is_some() {
            self.begin_anew();
        }
        self.attempts = attempt;
        self.running = true;
        self.retry_at = None;
        self.began.get_or_insert(at);
    }

    /// Forgets how it ended.
    fn begin_anew(&mut self) {
        self.outcome = None;
        self.began = None;
        self.ended = None;
        self.error = None;
        self.tolerated = false;
        self.message.clear();
        self.outputs.clear();
    }
}

/// The time from one moment to another; none where the clock went back.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
