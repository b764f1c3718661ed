//! The beginning of a run, and what a resume takes over.
//!
//! What succeeded, was skipped, was rejected by people, or failed where that is tolerated stays so; everything else is
//! decided again: what was under way observes again, what failed, timed out or did not run gets a new chance. What a
//! `when` said stays said. All this, unless something that the task needs, also through groups, is decided again: then the
//! task is decided again as well, and runs again where it ran.

use std::sync::Arc;

use super::EngineError;
use super::decide::End;
use super::dispatch::{Dispatcher, Timer};
use super::state::Step;
use crate::check::Role;
use crate::event::{EventKind, FORMAT};
use crate::journal::NodeRecord;
use crate::model::NodeId;

impl Dispatcher {
    /// Writes the beginning and decides what can be decided.
    pub(super) fn begin(&mut self) -> Result<(), EngineError> {
        let checked = Arc::clone(&self.checked);
        let origin = self.run.options.origin.clone();
        if self.log.state.seq == 0 {
            let step = |task: &&crate::check::Task| matches!(task.role, Role::Step(_));
            self.log.emit(EventKind::RunStarted {
                format: FORMAT.to_owned(),
                run: self.run.id.clone(),
                plan: checked.name().to_owned(),
                digest: checked.digest().to_owned(),
                tool: env!("CARGO_PKG_VERSION").to_owned(),
                origin,
                inputs: checked.inputs().clone(),
                looked_up: self.run.options.looked_up.clone(),
                steps: checked
                    .tasks()
                    .iter()
                    .filter(step)
                    .map(|task| task.id.clone())
                    .collect(),
            })?;
        } else {
            let Restored { stays, again } = self.restore();
            self.log.emit(EventKind::RunResumed { origin, again })?;
            for (task, end) in stays {
                self.take_over(task, end)?;
            }
            if let Some(mailbox) = &self.run.mailbox {
                // A wish to stop that cannot be forgotten stops the run again, and can be resumed again.
                let _stops_again = mailbox.clear_cancel();
            }
        }
        if let Some(lease) = &self.run.lease {
            let holder = lease.holder();
            self.log.emit(EventKind::LeaseAcquired { holder })?;
        }
        if let Some(limit) = self.run.options.timeout.or(checked.timeout()) {
            let active = self.log.state.active(self.log.clock.now());
            self.timer(limit.0.saturating_sub(active), Timer::Run);
        }
        for task in 0..checked.tasks().len() {
            if self.layout.open[task] == 0 {
                self.decide(task)?;
            }
        }
        Ok(())
    }

    /// Looks which tasks stay as they ended, and which are decided again.
    fn restore(&mut self) -> Restored {
        let checked = Arc::clone(&self.checked);
        let mut again = vec![false; checked.tasks().len()];
        let mut restored = Restored::default();
        for (position, task) in checked.tasks().iter().enumerate() {
            let record = self.log.state.nodes.get(&task.id);
            let needs_again = task.needs.iter().any(|need| again[need.task]);
            if !needs_again {
                self.decided[position] = record.and_then(|record| record.when);
            }
            let end = record.and_then(stays).filter(|_| !needs_again);
            match (&task.role, end) {
                (Role::Step(_), Some(end)) => restored.stays.push((position, end)),
                (Role::Step(_), None) => again[position] = true,
                (Role::Close { .. }, end) => {
                    self.recorded[position] = end.map(|end| end.outcome);
                    again[position] = needs_again;
                }
                (Role::Open | Role::Wave, _) => again[position] = needs_again,
            }
            // A group shares its name with its end, which follows from what is inside.
            let decides = matches!(task.role, Role::Step(_) | Role::Open);
            if needs_again && decides && record.is_some_and(was_decided) {
                restored.again.push(task.id.clone());
            }
        }
        restored
    }

    /// Takes over the end of a step that stays as it ended.
    fn take_over(&mut self, task: usize, end: End) -> Result<(), EngineError> {
        self.step(task, Step::End(end.outcome))?;
        for (name, value) in &end.outputs {
            if self.log.mask.is_hidden(value) {
                self.facts.hide(task, name);
            }
        }
        self.facts.end(task, end);
        self.schedule
            .ended(self.checked.tasks()[task].slot.as_ref());
        self.remaining -= 1;
        self.ended.push_back(task);
        Ok(())
    }
}

/// What a resume finds.
#[derive(Default)]
struct Restored {
    /// The steps that stay as they ended.
    stays: Vec<(usize, End)>,
    /// The nodes that had been decided and are decided again.
    again: Vec<NodeId>,
}

/// Whether there is something to forget.
fn was_decided(record: &NodeRecord) -> bool {
    record.outcome.is_some() || record.when.is_some() || record.began.is_some()
}

/// How a node ended, where that stays.
fn stays(record: &NodeRecord) -> Option<End> {
    let outcome = record.outcome?;
    let stays = outcome.satisfies() || record.is_settled() || record.tolerated;
    stays.then(|| End {
        outcome,
        tolerated: record.tolerated,
        outputs: record.outputs.clone(),
        message: record.message.clone(),
    })
}
