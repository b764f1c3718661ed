//! The beginning of a run, and what a resume takes over.
//!
//! What succeeded, was skipped, or failed where that is tolerated stays so; everything else is decided again: what was
//! under way observes again, what failed, timed out, was rejected or did not run gets a new chance, and a rejected gate
//! is asked anew. What a `when` said stays said, unless something that the task needs is decided again.

use std::sync::Arc;

use super::EngineError;
use super::decide::End;
use super::dispatch::{Dispatcher, Timer};
use super::state::Step;
use crate::check::Role;
use crate::event::{EventKind, FORMAT};
use crate::journal::NodeRecord;
use crate::model::Outcome;

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
            self.log.emit(EventKind::RunResumed { origin })?;
            if let Some(mailbox) = &self.run.mailbox {
                // A wish to stop that cannot be forgotten stops the run again, and can be resumed again.
                let _stops_again = mailbox.clear_cancel();
            }
            self.restore()?;
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

    /// Takes over what the journal says of tasks that stay as they ended.
    fn restore(&mut self) -> Result<(), EngineError> {
        let checked = Arc::clone(&self.checked);
        let mut again = vec![false; checked.tasks().len()];
        for (position, task) in checked.tasks().iter().enumerate() {
            let record = self.log.state.nodes.get(&task.id);
            let needs_again = task.needs.iter().any(|need| again[need.task]);
            if !needs_again {
                self.decided[position] = record.and_then(|record| record.when);
            }
            let end = record.and_then(|record| stays(record, needs_again));
            match (&task.role, end) {
                (Role::Step(_), Some(end)) => {
                    self.step(position, Step::End(end.outcome))?;
                    for (name, value) in &end.outputs {
                        if self.log.mask.is_hidden(value) {
                            self.facts.hide(position, name);
                        }
                    }
                    self.facts.end(position, end);
                    self.schedule.ended(task.slot.as_ref());
                    self.remaining -= 1;
                    self.ended.push_back(position);
                }
                (Role::Step(_), None) => again[position] = true,
                (Role::Close { .. }, end) => {
                    self.recorded[position] = end.map(|end| end.outcome);
                    again[position] = needs_again;
                }
                (Role::Open | Role::Wave, _) => again[position] = needs_again,
            }
        }
        Ok(())
    }
}

/// How a node ended, where that stays.
fn stays(record: &NodeRecord, needs_again: bool) -> Option<End> {
    let outcome = record.outcome?;
    let stays = match outcome {
        Outcome::Succeeded => true,
        Outcome::Skipped => !needs_again,
        _ => record.tolerated,
    };
    stays.then(|| End {
        outcome,
        tolerated: record.tolerated,
        outputs: record.outputs.clone(),
        message: record.message.clone(),
    })
}
