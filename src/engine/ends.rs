//! How attempts, nodes and the run end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::decide::End;
use super::dispatch::{Dispatcher, Held, Live, Timer};
use super::execute::Ended;
use super::retry::{self, GivenUp, Tried};
use super::state::{State, Step, is_failure};
use super::{EngineError, RunEnd};
use crate::check::{Role, Task};
use crate::event::{ActResult, EventKind, Failure, FailureClass, RunResult};
use crate::journal::Mailbox;
use crate::model::policy::OnFailure;
use crate::model::{Action, NodeId, Outcome};
use crate::report::summary;
use crate::steps::{Done, StepError, unanswered};

impl Dispatcher {
    /// An attempt ended.
    pub(super) fn attempt_ended(&mut self, task: usize, ended: Ended) -> Result<(), EngineError> {
        self.gates.remove(&task);
        if self.states[task] == State::Running {
            self.schedule.leave();
        }
        // An intent that still waits for the disk has nobody left to act on it: its end is told here, with the others.
        self.held
            .retain(|(_, held)| !matches!(held, Held::Intent(of, ..) if *of == task));
        // What it had begun and did not see end: nobody knows.
        for act in self
            .live
            .get(&task)
            .map(|live| live.acts.clone())
            .unwrap_or_default()
        {
            self.acted(task, act, ActResult::Failed)?;
        }
        let checked = Arc::clone(&self.checked);
        let it = &checked.tasks()[task];
        match ended {
            Ended::Itself(Ok(done)) => self.succeeded(task, done),
            Ended::Itself(Err(error)) => self.failed(task, error, false),
            Ended::AttemptTimedOut => {
                let error = self.late(task, "the attempt took longer than", it.timeout.attempt);
                self.failed(task, error, true)
            }
            Ended::TimedOut if self.asks(task) => {
                let text = it.timeout.total.map(|t| t.to_string()).unwrap_or_default();
                let error = unanswered(format!("nobody answered within {text}"));
                self.failed(task, error, false)
            }
            Ended::TimedOut => {
                let error = self.late(task, "the step took longer than", it.timeout.total);
                self.failed(task, error, false)
            }
            Ended::Abandoned if self.live.get(&task).is_some_and(|live| live.cut) => {
                let error = self.late(task, "the group's time was up", None);
                self.failed(task, error, false)
            }
            Ended::Abandoned => self.interrupted(task),
        }
    }

    /// Whether a step asks people: also where a lab plays them.
    fn asks(&self, task: usize) -> bool {
        let approval =
            |live: &Live| matches!(&*live.action, Action::Gate(gate) if gate.approval.is_some());
        self.states[task] == State::Asking || self.live.get(&task).is_some_and(approval)
    }

    fn late(&self, task: usize, what: &str, limit: Option<crate::model::Span>) -> StepError {
        let limit = limit.map(|limit| format!(" {limit}")).unwrap_or_default();
        let reasons = self.live.get(&task).map(|live| live.reasons.clone());
        StepError::new(FailureClass::TimedOut, format!("{what}{limit}"))
            .details(reasons.unwrap_or_default())
    }

    fn succeeded(&mut self, task: usize, done: Done) -> Result<(), EngineError> {
        let mut end = End::new(Outcome::Succeeded, done.message);
        end.outputs = done.outputs;
        self.finish(task, end, done.changed, None)
    }

    fn failed(&mut self, task: usize, mut error: StepError, slow: bool) -> Result<(), EngineError> {
        let delay = self.delay(task, &error, slow);
        if let Some(why) = delay.err().and_then(GivenUp::words) {
            remark(&mut error.failure.message, &why);
        }
        let retry_in = delay.ok();
        if self.halt.is_some()
            && (retry_in.is_some() || error.failure.class == FailureClass::Interrupted)
        {
            return self.interrupted(task);
        }
        let millis = retry_in.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        self.attempt_failed(task, error.failure.clone(), millis)?;
        if let Some(delay) = retry_in {
            self.step(task, Step::Retry)?;
            self.timer(delay, Timer::Retry(task));
            return Ok(());
        }
        let outcome = match error.failure.class {
            FailureClass::TimedOut => Outcome::TimedOut,
            FailureClass::Rejected => Outcome::Rejected,
            FailureClass::Transient | FailureClass::Failed | FailureClass::Interrupted => {
                Outcome::Failed
            }
        };
        let mut end = End::new(outcome, error.failure.message.clone());
        end.outputs = *error.outputs;
        self.finish(task, end, false, Some(error.failure))
    }

    fn delay(&mut self, task: usize, error: &StepError, slow: bool) -> Result<Duration, GivenUp> {
        // A question that is open is not asked a second time.
        let asking = self.states[task] == State::Asking;
        let live = self.live.get(&task).filter(|_| !asking);
        let live = live.ok_or(GivenUp::AtOnce)?;
        let now = Instant::now();
        let tried = Tried {
            attempts: live.tries,
            elapsed: now - live.first,
            left: live.total.map(|total| total - now),
        };
        let chance = retry::chance(&mut self.seed);
        let policy = &self.checked.tasks()[task].retry;
        retry::delay(policy, error, slow, tried, chance)
    }

    fn attempt_failed(
        &mut self,
        task: usize,
        error: Failure,
        retry_in_ms: Option<u64>,
    ) -> Result<(), EngineError> {
        let node = self.checked.tasks()[task].id.clone();
        let attempt = self.live.get(&task).map_or(0, |live| live.attempt);
        self.log.emit(EventKind::AttemptFailed {
            node,
            attempt,
            error,
            retry_in_ms,
        })?;
        Ok(())
    }

    /// An attempt was given up; the step will run again when the run goes on.
    fn interrupted(&mut self, task: usize) -> Result<(), EngineError> {
        let why = match self.halt {
            Some(RunResult::Cancelled) => "the run was cancelled",
            Some(RunResult::TimedOut) => "the run's time was up",
            _ => "the run was interrupted",
        };
        let error = StepError::new(FailureClass::Interrupted, why).failure;
        self.attempt_failed(task, error, None)?;
        self.live.remove(&task);
        self.step(task, Step::Interrupt)
    }

    /// A task ends without an attempt: skipped, not run, a group.
    pub(super) fn end(
        &mut self,
        task: usize,
        end: End,
        error: Option<Failure>,
    ) -> Result<(), EngineError> {
        let role = &self.checked.tasks()[task].role;
        let known = matches!(role, Role::Close { .. }) && self.recorded[task] == Some(end.outcome);
        if matches!(role, Role::Open | Role::Wave) || known {
            return self.settle(task, end);
        }
        let changed = self.members_changed(task);
        self.finish(task, end, changed, error)
    }

    fn members_changed(&self, task: usize) -> bool {
        let Role::Close { members, .. } = &self.checked.tasks()[task].role else {
            return false;
        };
        members.iter().any(|member| {
            let id = &self.checked.tasks()[*member].id;
            self.log
                .state
                .nodes
                .get(id)
                .is_some_and(|node| node.changed)
        })
    }

    /// Records the end of a step or group.
    fn finish(
        &mut self,
        task: usize,
        mut end: End,
        changed: bool,
        error: Option<Failure>,
    ) -> Result<(), EngineError> {
        let checked = Arc::clone(&self.checked);
        let it = &checked.tasks()[task];
        self.unproven
            .hear(task, it, end.outcome, &self.run.options.prove);
        end.tolerated = is_failure(end.outcome)
            && !self.unproven.contains(task)
            && self.layout.policy(checked.tasks(), task) == OnFailure::Continue;
        // What an earlier attempt changed was changed by this step as well.
        let acted =
            self.live.remove(&task).is_some() && self.acts_of(&checked.tasks()[task].id) > 0;
        self.log.emit(EventKind::NodeFinished {
            node: checked.tasks()[task].id.clone(),
            outcome: end.outcome,
            changed: changed || acted,
            outputs: end.outputs.clone(),
            message: end.message.clone(),
            error,
            tolerated: end.tolerated,
        })?;
        self.settle(task, end)
    }

    fn acts_of(&self, node: &NodeId) -> u32 {
        self.log.state.nodes.get(node).map_or(0, |node| node.acts)
    }

    /// Takes in the end of a task, and what follows from its failure.
    fn settle(&mut self, task: usize, end: End) -> Result<(), EngineError> {
        self.step(task, Step::End(end.outcome))?;
        let checked = Arc::clone(&self.checked);
        let it = &checked.tasks()[task];
        if is_failure(end.outcome) && !end.tolerated && !self.run.options.keep_going {
            self.stop_after(task, it, end.outcome);
        }
        self.facts.end(task, end);
        self.schedule.ended(it.slot.as_ref());
        self.remaining -= 1;
        self.ended.push_back(task);
        Ok(())
    }

    /// Nothing new starts: in the innermost group whose failure is tolerated, or else in the whole run.
    fn stop_after(&mut self, task: usize, it: &Task, outcome: Outcome) {
        let how = match outcome {
            Outcome::TimedOut => "timed out",
            Outcome::Rejected => "was rejected",
            _ => "failed",
        };
        let why = format!("nothing new starts after `{}` {how}", it.id);
        let own = usize::from(matches!(it.role, Role::Close { .. }));
        let tasks = self.checked.tasks();
        let tolerant = self
            .layout
            .groups(task)
            .skip(own)
            .find(|group| tasks[*group].on_failure == OnFailure::Continue);
        match tolerant {
            Some(group) => {
                self.stopped.entry(group).or_insert(why);
            }
            None => {
                self.stop.get_or_insert(why);
            }
        }
    }

    /// The time of a group is up: what runs in it is given up, and nothing new starts there.
    pub(super) fn group_timed_out(&mut self, group: usize) -> Result<(), EngineError> {
        let why = format!("the time of `{}` was up", self.checked.tasks()[group].id);
        self.stopped.entry(group).or_insert(why);
        let inside: Vec<usize> = self
            .live
            .keys()
            .copied()
            .filter(|task| self.layout.groups(*task).any(|g| g == group))
            .collect();
        for task in inside {
            if self.states[task] == State::Backoff {
                let error = self.late(task, "the group's time was up", None).failure;
                let end = End::new(Outcome::TimedOut, error.message.clone());
                self.finish(task, end, false, Some(error))?;
            } else if let Some(live) = self.live.get_mut(&task) {
                live.cut = true;
                live.abandon.cancel();
            }
        }
        Ok(())
    }

    /// The time of the run is up: as with a group's, what runs is given up.
    pub(super) fn run_timed_out(&mut self) -> Result<(), EngineError> {
        self.halt(RunResult::TimedOut)?;
        self.abandon();
        Ok(())
    }

    fn abandon(&self) {
        for live in self.live.values() {
            live.abandon.cancel();
        }
    }

    /// The user asks to stop.
    pub(super) fn interrupt(&mut self) -> Result<(), EngineError> {
        self.interrupts += 1;
        let times = self.interrupts;
        self.log.emit(EventKind::Interrupted { times })?;
        if times > 1 {
            self.abandon();
        }
        self.halt(RunResult::Interrupted)
    }

    /// The run ends early: nothing new starts; who is in the middle of a change may end it, who only waits is given up.
    pub(super) fn halt(&mut self, why: RunResult) -> Result<(), EngineError> {
        if self.halt.is_some() {
            return Ok(());
        }
        self.halt = Some(why);
        let waiting: Vec<usize> = self
            .live
            .keys()
            .copied()
            .filter(|task| self.states[*task] == State::Backoff)
            .collect();
        for task in waiting {
            self.live.remove(&task);
            self.step(task, Step::Interrupt)?;
        }
        for live in self.live.values() {
            live.soft.cancel();
            if live.acts.is_empty() {
                live.abandon.cancel();
            }
        }
        Ok(())
    }

    /// Whether the run has ended, and how.
    pub(super) fn finished(&mut self) -> Result<Option<RunEnd>, EngineError> {
        if let Some(result) = self.halt {
            return if self.is_idle() {
                self.over(result)
            } else {
                Ok(None)
            };
        }
        if self.remaining == 0 {
            return self.over(self.result());
        }
        if self.live.is_empty() && self.schedule.is_empty() {
            return Err(EngineError::Stuck(self.remaining));
        }
        let Some(gates) = self.only_gates() else {
            return Ok(None);
        };
        let event = EventKind::RunSuspended {
            gates: gates.clone(),
        };
        self.log.emit(event)?;
        Ok(Some(RunEnd::Suspended(gates)))
    }

    fn over(&mut self, result: RunResult) -> Result<Option<RunEnd>, EngineError> {
        let mut message = summary::sentence(&self.log.state, result);
        let mailbox = self.run.mailbox.as_ref();
        if let Some(by) = mailbox.and_then(Mailbox::cancelled)
            && result == RunResult::Cancelled
        {
            message = format!("cancelled by {by}; {message}");
        }
        self.log.emit(EventKind::RunFinished {
            result,
            message,
            unattended: false,
        })?;
        Ok(Some(RunEnd::Finished(result)))
    }

    /// A failure counts unless it, or a group that it is in, is tolerated.
    fn result(&self) -> RunResult {
        let tasks = self.checked.tasks();
        let mut rejected = false;
        for task in 0..tasks.len() {
            let Some(end) = self.facts.of(task) else {
                continue;
            };
            let contained = || {
                self.layout
                    .groups(task)
                    .any(|group| tasks[group].on_failure == OnFailure::Continue)
            };
            let contained = !self.unproven.contains(task) && contained();
            if end.tolerated || !is_failure(end.outcome) || contained {
                continue;
            }
            match end.outcome {
                Outcome::Rejected => rejected = true,
                _ => return RunResult::Failed,
            }
        }
        if rejected {
            RunResult::Rejected
        } else {
            RunResult::Succeeded
        }
    }
}

/// Adds a remark to the first line of a message.
fn remark(message: &mut String, remark: &str) {
    let end = message.find('\n').unwrap_or(message.len());
    message.insert_str(end, &format!(" ({remark})"));
}
