//! The truth table of language.md: what becomes of a task whose needs have all ended.
//!
//! - A need is satisfied by `succeeded`, by `skipped`, and by a failure that `on_failure: continue` tolerates. After any
//!   other end the task is `not_run`, unless its `when` calls `always()` or `failure()`, or names that need's outcome.
//! - What is inside a skipped group is skipped, inside a group that did not run it is not run, whatever its `when` says;
//!   so is what comes after a wave that failed.
//! - After a stop nothing new starts, but for tasks that are there for that case: those whose `when` calls `always()` or
//!   `failure()` or names the outcome of a need that failed, and what is inside a group of which that is true.
//! - `failure()` is true where a need of the task failed, timed out, was rejected, or did not run for such a reason.

use std::collections::BTreeSet;

use serde_json::Value;

use super::layout::Layout;
use crate::check::{Checked, Deferred, EvalError, Need, Results, Role, Task, When, Why};
use crate::event::Outputs;
use crate::model::{Outcome, RunId};

/// What is known of the tasks that have ended.
#[derive(Debug)]
pub(super) struct Facts {
    run: RunId,
    ends: Vec<Option<End>>,
    /// Whether a task was decided although the run had stopped.
    exempt: Vec<bool>,
    /// The outputs that hold a secret, of tasks that ended before a resume.
    hidden: BTreeSet<(usize, String)>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    /// A failure after which dependants go on.
    pub(super) tolerated: bool,
    pub(super) outputs: Outputs,
    pub(super) message: String,
}

impl End {
    pub(super) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            tolerated: false,
            outputs: Outputs::new(),
            message: message.into(),
        }
    }
}

/// What becomes of a task.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    /// What its condition said, where it was asked now.
    pub(super) when: Option<bool>,
    /// How it ends at once; `None` where it starts.
    pub(super) end: Option<End>,
}

impl Facts {
    pub(super) fn new(run: RunId, tasks: usize) -> Self {
        Self {
            run,
            ends: vec![None; tasks],
            exempt: vec![false; tasks],
            hidden: BTreeSet::new(),
        }
    }

    /// Records that a task which ended before a resume gave something that only its own session knew.
    pub(super) fn hide(&mut self, task: usize, output: &str) {
        self.hidden.insert((task, output.to_owned()));
    }

    /// Records how a task ended.
    pub(super) fn end(&mut self, task: usize, end: End) {
        self.ends[task] = Some(end);
    }

    /// How a task ended.
    pub(super) fn of(&self, task: usize) -> Option<&End> {
        self.ends[task].as_ref()
    }

    /// Whether a task is there for the case that the run stopped.
    pub(super) fn is_exempt(&self, task: usize) -> bool {
        self.exempt[task]
    }

    /// Decides a task whose needs have all ended. `stopped` says why nothing new may start; `decided` is what the
    /// condition said before a resume.
    pub(super) fn decide(
        &mut self,
        checked: &Checked,
        layout: &Layout,
        task: usize,
        stopped: Option<&str>,
        decided: Option<bool>,
    ) -> Verdict {
        let it = &checked.tasks()[task];
        let now = |end| Verdict {
            when: None,
            end: Some(end),
        };
        if let Some(end) = self.inside(it) {
            return now(end);
        }
        if let Role::Close { members, outputs } = &it.role {
            return now(self.close(members, outputs));
        }
        if let Some(end) = self.blocked(checked, it) {
            return now(end);
        }
        self.exempt[task] = it
            .when
            .as_ref()
            .is_some_and(|when| self.is_for_failure(when))
            || layout
                .groups(task)
                .next()
                .is_some_and(|group| self.exempt[group]);
        if let Some(why) = stopped
            && !self.exempt[task]
        {
            return now(End::new(Outcome::NotRun, why));
        }
        self.condition(it, decided)
    }

    /// The end of a task in a group that is not open.
    pub(super) fn inside(&self, task: &Task) -> Option<End> {
        let need = task.needs.iter().find(|need| need.why == Why::Inside)?;
        let group = self.ends[need.task].as_ref()?;
        match group.outcome {
            Outcome::Succeeded => None,
            Outcome::Skipped => Some(End::new(Outcome::Skipped, "its group was skipped")),
            other if matches!(task.role, Role::Close { .. }) => {
                Some(End::new(other, group.message.clone()))
            }
            _ => Some(End::new(Outcome::NotRun, "its group did not run")),
        }
    }

    /// The end of a task that may not start because of a need.
    fn blocked(&self, checked: &Checked, task: &Task) -> Option<End> {
        let need = task.needs.iter().find(|need| {
            let excused = need.why != Why::Wave
                && task.when.as_ref().is_some_and(|when| {
                    when.always || when.failure || when.handles.contains(&need.task)
                });
            !excused && !self.satisfied(need)
        })?;
        let outcome = self.ends[need.task].as_ref()?.outcome;
        let id = &checked.tasks()[need.task].id;
        let what = match (outcome, &need.why) {
            (_, Why::Wave) => "the wave before did not end well".to_owned(),
            (Outcome::NotRun, _) => format!("needs `{id}`, which did not run"),
            (Outcome::TimedOut, _) => format!("needs `{id}`, which timed out"),
            (Outcome::Rejected, _) => format!("needs `{id}`, which was rejected"),
            _ => format!("needs `{id}`, which failed"),
        };
        Some(End::new(Outcome::NotRun, what))
    }

    fn satisfied(&self, need: &Need) -> bool {
        self.ends[need.task]
            .as_ref()
            .is_some_and(|end| end.outcome.satisfies() || end.tolerated)
    }

    /// Whether a condition is there for what comes after a failure.
    fn is_for_failure(&self, when: &When) -> bool {
        let failed = |task: &usize| {
            self.ends[*task]
                .as_ref()
                .is_some_and(|end| !end.outcome.satisfies() && !end.tolerated)
        };
        when.always || when.failure || when.handles.iter().any(failed)
    }

    fn condition(&self, task: &Task, decided: Option<bool>) -> Verdict {
        let Some(when) = &task.when else {
            return Verdict {
                when: None,
                end: None,
            };
        };
        let said = match decided {
            Some(said) => Ok(said),
            None => self.ask(task, &when.expression),
        };
        let end = match &said {
            Ok(true) => None,
            Ok(false) => Some(End::new(
                Outcome::Skipped,
                format!("`{}` is false", when.expression.text),
            )),
            Err(error) => Some(End::new(
                Outcome::Failed,
                format!("the condition cannot be decided: {error}"),
            )),
        };
        let when = said.ok().filter(|_| decided.is_none());
        Verdict { when, end }
    }

    fn ask(&self, task: &Task, expression: &Deferred) -> Result<bool, EvalError> {
        match self.value(task, expression)? {
            Value::Bool(said) => Ok(said),
            other => Err(EvalError {
                place: task.place.clone(),
                message: format!("`{}` is {other}, not true or false", expression.text),
            }),
        }
    }

    /// The value of an expression of that task.
    ///
    /// # Errors
    /// What it names is not there.
    pub(super) fn value(&self, task: &Task, expression: &Deferred) -> Result<Value, EvalError> {
        let failure = task.needs.iter().any(|need| !self.satisfied(need));
        expression.evaluate(&View {
            facts: self,
            failure,
        })
    }

    /// The end of a group by its members: the worst of theirs. A failure that was tolerated is none.
    pub(super) fn close(&self, members: &[usize], outputs: &[(String, Deferred)]) -> End {
        if members.is_empty() {
            return End::new(Outcome::Skipped, "the list is empty");
        }
        let bad = |wanted: Outcome| {
            members
                .iter()
                .filter_map(|member| self.ends[*member].as_ref())
                .filter(|end| end.outcome == wanted && !end.tolerated)
                .count()
        };
        for outcome in [
            Outcome::Failed,
            Outcome::TimedOut,
            Outcome::Rejected,
            Outcome::NotRun,
        ] {
            let count = bad(outcome);
            if count > 0 {
                let all = members.len();
                let what = outcome.as_str().replace('_', " ");
                return End::new(outcome, format!("{count} of {all} inside: {what}"));
            }
        }
        let view = View {
            facts: self,
            failure: false,
        };
        let mut end = End::new(Outcome::Succeeded, String::new());
        for (name, output) in outputs {
            match output.evaluate(&view) {
                Ok(value) => {
                    end.outputs.insert(name.clone(), value);
                }
                Err(error) => {
                    let message = format!("the output `{name}` cannot be had: {error}");
                    return End::new(Outcome::Failed, message);
                }
            }
        }
        end
    }
}

/// What an expression sees.
struct View<'a> {
    facts: &'a Facts,
    failure: bool,
}

impl Results for View<'_> {
    fn run_id(&self) -> &str {
        self.facts.run.as_str()
    }

    fn outcome(&self, task: usize) -> Option<Outcome> {
        self.facts.of(task).map(|end| end.outcome)
    }

    fn outputs(&self, task: usize) -> Option<&Outputs> {
        let end = self.facts.of(task)?;
        (end.outcome != Outcome::Skipped).then_some(&end.outputs)
    }

    fn is_hidden(&self, task: usize, output: &str) -> bool {
        self.facts.hidden.contains(&(task, output.to_owned()))
    }

    fn failure(&self) -> bool {
        self.failure
    }
}
