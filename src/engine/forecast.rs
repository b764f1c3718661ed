//! What would become of the tasks of a plan, by the run's own truth table, for who only looks.

use serde_json::Value;

use super::decide::{End, Facts};
use super::layout::Layout;
use super::state::is_failure;
use super::unproven::Unproven;
use crate::check::{Checked, Deferred, EvalError, Role, Task};
use crate::event::Outputs;
use crate::model::policy::OnFailure;
use crate::model::{Outcome, RunId};

/// The tasks, in their order, as far as they have been looked at.
#[derive(Debug)]
pub struct Forecast<'c> {
    checked: &'c Checked,
    layout: Layout,
    facts: Facts,
    unproven: Unproven,
}

/// What becomes of a task.
#[derive(Debug, PartialEq)]
pub enum Foreseen {
    /// It is a step that starts; where only the run can decide its condition, why.
    Starts(Option<EvalError>),
    /// It ends without an attempt.
    Ends(Outcome, String),
}

impl<'c> Forecast<'c> {
    /// Nothing has been looked at.
    pub fn new(run: RunId, checked: &'c Checked) -> Self {
        Self {
            layout: Layout::new(checked.tasks()),
            facts: Facts::new(run, checked.tasks().len()),
            unproven: Unproven::default(),
            checked,
        }
    }

    /// Decides a task whose needs have all been decided, as a run would that goes on after failures.
    pub fn decide(&mut self, task: usize) -> Foreseen {
        let it = &self.checked.tasks()[task];
        let end = if let Role::Close { members, outputs } = &it.role {
            // What is not known before the run is no failure.
            let known: Vec<(String, Deferred)> = outputs
                .iter()
                .filter(|(_, output)| self.facts.value(it, output).is_ok())
                .cloned()
                .collect();
            let inside = self.facts.inside(it);
            Some(inside.unwrap_or_else(|| self.facts.close(members, &known)))
        } else {
            let asked = it
                .when
                .as_ref()
                .map(|when| self.value(it, &when.expression));
            let doubt = asked.and_then(Result::err);
            let assumed = doubt.as_ref().map(|_| true);
            let verdict = self
                .facts
                .decide(self.checked, &self.layout, task, None, assumed);
            if verdict.end.is_none() && matches!(it.role, Role::Step(_)) {
                return Foreseen::Starts(doubt);
            }
            verdict.end
        };
        let end = end.unwrap_or_else(|| End::new(Outcome::Succeeded, ""));
        let foreseen = Foreseen::Ends(end.outcome, end.message.clone());
        self.take_in(task, end);
        foreseen
    }

    /// Takes in how a step would end.
    pub fn end(&mut self, task: usize, outcome: Outcome, outputs: Outputs) {
        let end = End::new(outcome, "");
        self.take_in(task, End { outputs, ..end });
    }

    /// The value of an expression of a task, as far as it is known.
    ///
    /// # Errors
    /// What it names is not there yet.
    pub fn value(&self, task: &Task, expression: &Deferred) -> Result<Value, EvalError> {
        self.facts.value(task, expression)
    }

    fn take_in(&mut self, task: usize, mut end: End) {
        let tasks = self.checked.tasks();
        self.unproven
            .hear(task, &tasks[task], end.outcome, self.checked.prove());
        let policy = self.layout.policy(tasks, task);
        end.tolerated = is_failure(end.outcome)
            && !self.unproven.contains(task)
            && policy == OnFailure::Continue;
        self.facts.end(task, end);
    }
}
