//! Gates that people answer: asked here, at the terminal, from another process, or answered beforehand.

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::dispatch::{Dispatcher, Held, Live};
use super::execute::HEARING;
use super::state::{State, Step};
use super::{Command, EngineError, Question, Reply};
use crate::event::{EventKind, RunResult};
use crate::journal::Mailbox;
use crate::model::NodeId;
use crate::steps::{Decision, StepError};

/// A gate whose attempt waits for its decision.
pub(super) struct Waiting {
    answer: oneshot::Sender<Result<Decision, StepError>>,
    /// The question at the terminal; it ends with the gate.
    question: Option<tokio_util::task::AbortOnDropHandle<()>>,
}

impl Dispatcher {
    /// A step asks people. A gate that was open before a resume keeps its answers.
    pub(super) fn ask(
        &mut self,
        task: usize,
        message: String,
        quorum: u32,
        answer: oneshot::Sender<Result<Decision, StepError>>,
    ) -> Result<(), EngineError> {
        let node = self.checked.tasks()[task].id.clone();
        self.step(task, Step::Ask)?;
        self.schedule.leave();
        let open = self
            .log
            .state
            .nodes
            .get(&node)
            .is_some_and(|n| n.gate.is_some());
        if !open {
            let until = self.until(task);
            self.log.emit(EventKind::GateOpened {
                node: node.clone(),
                message: message.clone(),
                quorum,
                until,
            })?;
        }
        let waiting = Waiting {
            answer,
            question: None,
        };
        self.gates.insert(task, waiting);
        for by in self.beforehand(&node, quorum) {
            self.answered(task, true, by)?;
        }
        self.collect(task)?;
        self.decided_now(task);
        let question = Question {
            node,
            message,
            quorum,
        };
        self.question(task, question);
        Ok(())
    }

    /// When the time of a step is up.
    fn until(&self, task: usize) -> Option<Timestamp> {
        let left = self.live.get(&task)?.total? - Instant::now();
        self.log.clock.now().checked_add(left).ok()
    }

    /// Asks at the terminal, if a gate is still open and somebody is there.
    fn question(&mut self, task: usize, question: Question) {
        let (Some(gate), Some(gatekeeper)) = (self.gates.get_mut(&task), &self.run.gatekeeper)
        else {
            return;
        };
        let node = question.node.clone();
        let asked = gatekeeper.ask(question);
        let control = self.run.control.clone();
        let asking = tokio::spawn(async move {
            let reply = asked.await;
            control.send(Command::Answer { node, reply });
        });
        gate.question = Some(tokio_util::task::AbortOnDropHandle::new(asking));
    }

    /// The terminal's answer. Without one the gate waits for other processes.
    pub(super) fn replied(
        &mut self,
        node: &NodeId,
        reply: Option<Reply>,
    ) -> Result<(), EngineError> {
        let task = self
            .layout
            .step(node)
            .filter(|task| self.gates.contains_key(task));
        match (task, reply) {
            (Some(task), Some(reply)) => {
                self.answered(task, reply.approve, reply.by)?;
                self.decided_now(task);
                Ok(())
            }
            (_, None) => {
                // Nobody is there: from now on as without a terminal.
                self.run.gatekeeper = None;
                Ok(())
            }
            (None, Some(_)) => Ok(()),
        }
    }

    /// Looks for what other processes say.
    pub(super) fn look(&mut self) -> Result<(), EngineError> {
        let cancelled = self.run.mailbox.as_ref().and_then(Mailbox::cancelled);
        if cancelled.is_some() {
            self.halt(RunResult::Cancelled)?;
        }
        let gates: Vec<usize> = self.gates.keys().copied().collect();
        for task in gates {
            self.collect(task)?;
            self.decided_now(task);
        }
        Ok(())
    }

    /// The gates, where nothing else is left to wait for.
    pub(super) fn only_gates(&mut self) -> Option<Vec<NodeId>> {
        let soon = Instant::now() + HEARING;
        // Who would wait for a gate whose time is up waits until it is rejected.
        let ends = |task| {
            let live: Option<&Live> = self.live.get(task);
            live.and_then(|live| live.total)
                .is_some_and(|total| total <= soon)
        };
        let waits = !self.gates.keys().any(ends)
            && self.run.gatekeeper.is_none()
            && !self.gates.is_empty()
            && self.gates.len() == self.live.len()
            && self.schedule.is_empty();
        waits.then(|| {
            let id = |task: &usize| self.checked.tasks()[*task].id.clone();
            self.gates.keys().map(id).collect()
        })
    }

    /// Takes in the answers that other processes left.
    fn collect(&mut self, task: usize) -> Result<(), EngineError> {
        let node = &self.checked.tasks()[task].id;
        let Some(mailbox) = &self.run.mailbox else {
            return Ok(());
        };
        let opening = self.log.state.nodes.get(node).map_or(0, |n| n.openings);
        for answer in mailbox.answers(node, opening) {
            self.answered(task, answer.approve, answer.by)?;
        }
        Ok(())
    }

    /// One answer: each person has one.
    fn answered(&mut self, task: usize, approve: bool, by: String) -> Result<(), EngineError> {
        let node = self.checked.tasks()[task].id.clone();
        let gate = self
            .log
            .state
            .nodes
            .get(&node)
            .and_then(|n| n.gate.as_ref());
        if gate.is_some_and(|gate| !gate.answers.contains_key(&by)) {
            self.log
                .emit(EventKind::GateAnswered { node, approve, by })?;
        }
        Ok(())
    }

    /// Decides a gate that has its answers; the step hears of it when they are on the disk.
    fn decided_now(&mut self, task: usize) {
        let node = &self.checked.tasks()[task].id;
        let record = self.log.state.nodes.get(node);
        let Some(gate) = record.and_then(|node| node.gate.as_ref()) else {
            return;
        };
        let Some((approved, by)) = gate.decision() else {
            return;
        };
        let decision = Decision { approved, by };
        if let Some(waiting) = self.gates.remove(&task)
            && self.states[task] == State::Asking
        {
            let held = Held::Decision(task, decision, waiting.answer);
            self.held.push_back((self.log.state.seq, held));
        }
    }

    /// Who has approved a gate before it asked.
    fn beforehand(&self, node: &NodeId, quorum: u32) -> Vec<String> {
        let options = &self.run.options;
        let named = |name: &String| name == node.as_str() || *name == node.without_items();
        if options.approve.simulated && quorum > 1 {
            let people = 1..=quorum;
            people
                .map(|one| format!("the lab ({one} of {quorum})"))
                .collect()
        } else if options.approve.simulated {
            vec!["the lab".to_owned()]
        } else if options.approve.all || options.approve.steps.iter().any(named) {
            vec![options.origin.user.clone()]
        } else {
            Vec::new()
        }
    }
}
