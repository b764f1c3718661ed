//! What steps say while they run, and the disk between an intent and its act.

use tokio::sync::oneshot;

use super::EngineError;
use super::dispatch::{Dispatcher, Held};
use super::state::{State, Step};
use crate::event::{Act, ActResult, EventKind, FailureClass};
use crate::model::NodeId;
use crate::steps::{Report, StepError};

impl Dispatcher {
    /// What a step says.
    pub(super) fn said(&mut self, node: &NodeId, report: Report) -> Result<(), EngineError> {
        let Some(task) = self.layout.step(node) else {
            return Ok(());
        };
        let Some(live) = self.live.get_mut(&task) else {
            return Ok(());
        };
        let node = node.clone();
        match report {
            Report::Waiting(reasons) => {
                if live.reasons != reasons {
                    live.reasons.clone_from(&reasons);
                    self.log.emit(EventKind::Waiting { node, reasons })?;
                }
            }
            Report::Note(text) => {
                self.log.emit(EventKind::Note { node, text })?;
            }
            Report::Now(answer) => {
                // A step that is gone no longer wants to know.
                let _gone = answer.send(self.log.clock.now());
            }
            Report::Intent(act, ready) => self.intent(task, act, ready)?,
            Report::Result(act, result) => self.acted(task, act, result)?,
            Report::Ask {
                message,
                quorum,
                answer,
            } => self.ask(task, message, quorum, answer)?,
        }
        Ok(())
    }

    /// A change is about to begin: its intent goes to the disk, and it hears when it is there.
    fn intent(
        &mut self,
        task: usize,
        act: Act,
        ready: oneshot::Sender<Result<(), StepError>>,
    ) -> Result<(), EngineError> {
        if let Err(refused) = self.may_act() {
            let _gone = ready.send(Err(refused));
            return Ok(());
        }
        let node = self.checked.tasks()[task].id.clone();
        if let Some(live) = self.live.get_mut(&task) {
            live.acts.push(act.clone());
        }
        let kind = EventKind::ActIntended {
            node,
            act: act.clone(),
        };
        let seq = self.log.emit(kind)?;
        self.held.push_back((seq, Held::Intent(task, act, ready)));
        Ok(())
    }

    /// A change was made, or not.
    pub(super) fn acted(
        &mut self,
        task: usize,
        act: Act,
        result: ActResult,
    ) -> Result<(), EngineError> {
        let node = self.checked.tasks()[task].id.clone();
        if let Some(live) = self.live.get_mut(&task) {
            if let Some(at) = live.acts.iter().position(|intended| *intended == act) {
                live.acts.remove(at);
            }
            if self.halt.is_some() && live.acts.is_empty() {
                live.abandon.cancel();
            }
        }
        // What stood there before was told with the intent.
        let act = Act {
            before: None,
            ..act
        };
        self.log.emit(EventKind::ActDone { node, act, result })?;
        Ok(())
    }

    fn may_act(&self) -> Result<(), StepError> {
        if self.halt.is_some() {
            return Err(StepError::new(
                FailureClass::Interrupted,
                "the run is stopping",
            ));
        }
        self.run
            .lease
            .as_ref()
            .map_or(Ok(()), |lease| lease.certain())
    }

    /// Everything up to `seq` is on the disk: what waited for it goes on.
    pub(super) fn durable(&mut self, seq: u64) -> Result<(), EngineError> {
        while self.held.front().is_some_and(|(at, _)| *at <= seq) {
            match self.held.pop_front() {
                Some((_, Held::Intent(task, act, ready))) => {
                    let may = self.may_act();
                    let refused = may.is_err();
                    if ready.send(may).is_err() || refused {
                        self.acted(task, act, ActResult::Failed)?;
                    }
                }
                Some((_, Held::Decision(task, decision, answer))) => {
                    if self.states[task] == State::Asking {
                        self.step(task, Step::Answer)?;
                        self.schedule.enter();
                    }
                    let _gone = answer.send(Ok(decision));
                }
                None => {}
            }
        }
        Ok(())
    }
}
