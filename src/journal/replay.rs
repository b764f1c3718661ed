//! Where a run stands, as the fold of its events: for reports while it runs, for `status`, and for `resume`.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Active time before the current session, as far as the run's timeout counts it: suspended time does not.
    before: Duration,
    /// Active time before that, of sessions whose time was up.
    forgiven: Duration,
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
    /// The time that it took, without the time between the run's sessions and that since `since`.
    pub spent: Duration,
    /// Since when it is under way in this session.
    pub since: Option<Timestamp>,
    /// The step among those that it had to wait for that ended last.
    pub after: Option<NodeId>,
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

impl NodeRecord {
    /// Whether it was rejected by people, or by the time that they had: that is decided once. What a gate asks of
    /// programs is asked again.
    pub fn is_settled(&self) -> bool {
        self.outcome == Some(Outcome::Rejected) && self.openings > 0
    }
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

impl Gate {
    /// Who has said yes, or no.
    pub fn said(&self, approve: bool) -> Vec<String> {
        let said = self.answers.iter().filter(|(_, said)| **said == approve);
        said.map(|(by, _)| by.clone()).collect()
    }

    /// What was decided and by whom, once it is: one no is enough, and so are as many yes as it takes.
    pub fn decision(&self) -> Option<(bool, Vec<String>)> {
        let (yes, no) = (self.said(true), self.said(false));
        if !no.is_empty() {
            Some((false, no))
        } else if yes.len() >= self.quorum as usize {
            Some((true, yes))
        } else {
            None
        }
    }
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
            EventKind::RunResumed { origin, again } => self.resume(origin, again, at),
            EventKind::RunSuspended { gates } => {
                self.close(Some(at));
                self.phase = Phase::Suspended(gates.clone());
            }
            EventKind::RunFinished {
                result,
                message,
                unattended,
            } => {
                self.close(if *unattended { self.last } else { Some(at) });
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

    /// The active time of all sessions until `now`, also of those after which the run got its time again.
    pub fn took(&self, now: Timestamp) -> Duration {
        self.forgiven + self.active(now)
    }

    /// The session ended.
    fn close(&mut self, at: Option<Timestamp>) {
        self.before = at.map_or(self.before, |at| self.active(at));
        self.session = None;
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

    /// What reports show: the steps, and the groups that were skipped without one.
    pub fn shown(&self) -> impl Iterator<Item = (&NodeId, &NodeRecord)> {
        let empty = self.empty_groups();
        let shown = move |(id, node): &(&NodeId, &NodeRecord)| node.step || empty.contains(*id);
        self.nodes.iter().filter(shown)
    }

    /// The groups that were skipped and have no step.
    pub fn empty_groups(&self) -> BTreeSet<&NodeId> {
        let steps: BTreeSet<&str> = self.steps().map(|(id, _)| id.as_str()).collect();
        let has = |id: &NodeId| {
            ["[", "."].into_iter().any(|next| {
                let inside = format!("{id}{next}");
                let first = steps.range(inside.as_str()..).next();
                first.is_some_and(|step| step.starts_with(&inside))
            })
        };
        let skipped = |node: &NodeRecord| !node.step && node.outcome == Some(Outcome::Skipped);
        self.nodes
            .iter()
            .filter(|(id, node)| skipped(node) && !has(id))
            .map(|(id, _)| id)
            .collect()
    }

    fn node(&mut self, id: &NodeId) -> &mut NodeRecord {
        if !self.nodes.contains_key(id) {
            self.nodes.insert(id.clone(), NodeRecord::default());
        }
        &mut self.nodes[id]
    }

    fn resume(&mut self, origin: &Origin, again: &[NodeId], at: Timestamp) {
        self.close(self.last);
        if self.phase == Phase::Ended(RunResult::TimedOut) {
            // It gets its time again: it could not end otherwise.
            self.forgiven += std::mem::take(&mut self.before);
        }
        self.session = Some(at);
        self.phase = Phase::Open;
        self.message.clear();
        self.origin.clone_from(origin);
        let last = self.last;
        for node in self.nodes.values_mut() {
            node.pause(last);
            // What failed, or did not run for it, is decided again.
            let bad = |outcome: Outcome| !outcome.satisfies();
            if node.outcome.is_some_and(bad) && !node.is_settled() && !node.tolerated {
                node.begin_anew();
            }
            node.running = false;
            node.retry_at = None;
            node.reasons.clear();
        }
        for id in again {
            let node = self.node(id);
            node.begin_anew();
            node.when = None;
            node.gate = None;
        }
    }
}

impl NodeRecord {
    fn apply(&mut self, event: &EventKind, at: Timestamp) {
        match event {
            EventKind::WhenDecided { run, .. } => self.when = Some(*run),
            EventKind::AttemptStarted { attempt, after, .. } => {
                self.start(*attempt, at);
                if after.is_some() {
                    self.after.clone_from(after);
                }
            }
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
                self.pause(Some(at));
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
        self.since.get_or_insert(at);
    }

    /// It is no longer under way, since `at`.
    fn pause(&mut self, at: Option<Timestamp>) {
        if let (Some(since), Some(at)) = (self.since.take(), at) {
            self.spent += between(since, at);
        }
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
