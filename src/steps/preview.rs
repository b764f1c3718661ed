//! What an action would change: shown, not done.
//!
//! The cluster is in dry-run mode: writes go out with `dryRun=All`, and what they would have made is what later steps
//! read. Waits are left out, since nothing comes about.

use std::fmt;

use serde::Serialize;

use super::context::{Done, Execute as _, StepContext, StepError};
use super::executor::Steps;
use super::gate::window;
use super::restart;
use crate::cluster::{Change, ObjectRef};
use crate::event::Outputs;
use crate::model::Action;
use crate::model::action::{Gate, GateCheck, Kind, VerifyXds};

/// How sure a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Seen: it only reads, or there is nothing to do.
    Exact,
    /// The API server accepted it as a dry run, admission included.
    Server,
    /// Computed by `plan`, from what the steps before would have made.
    Modelled,
    /// Only the run can tell.
    Unknown,
}

impl Grade {
    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Exact => "seen: it only reads, or there is nothing to do",
            Self::Server => "accepted by the API server as a dry run",
            Self::Modelled => "computed from what the steps before would have made",
            Self::Unknown => "only the run can tell",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exact => "exact",
            Self::Server => "server",
            Self::Modelled => "modelled",
            Self::Unknown => "unknown",
        })
    }
}

/// What an action would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// How sure that is.
    pub grade: Grade,
    /// The objects that would change.
    pub changes: Vec<Change>,
    /// One line for people.
    pub message: String,
    /// What other steps could use, as far as it is known.
    pub outputs: Outputs,
}

impl Steps {
    /// Shows what an action would change. The cluster must be in dry-run mode.
    ///
    /// # Errors
    /// What would make the step fail.
    pub async fn preview(
        &self,
        action: &Action,
        context: &StepContext,
    ) -> Result<Preview, StepError> {
        match action {
            Action::Precheck(_)
            | Action::InstallRevision(_)
            | Action::LabelNs(_)
            | Action::Restart(_) => {
                let done = self.run(action, context).await?;
                Ok(self.accepted(action.kind(), done))
            }
            Action::WaitReady(step) => Ok(waits(format!(
                "waits until the control plane {} serves",
                step.revision
            ))),
            Action::VerifyXds(step) => {
                let stay =
                    restart::staying(self.cluster(), &step.namespace, &step.istio_namespace).await;
                Ok(waits(verifies(step, &stay.unwrap_or_default())))
            }
            Action::Gate(gate) => Ok(held(gate, context)),
        }
    }

    fn accepted(&self, kind: Kind, done: Done) -> Preview {
        let changes = self.cluster().take_changes();
        let grade = if changes.is_empty() || kind == Kind::Precheck {
            Grade::Exact
        } else if changes.iter().any(|change| change.modelled) {
            Grade::Modelled
        } else {
            Grade::Server
        };
        Preview {
            grade,
            changes,
            message: done.message,
            outputs: done.outputs,
        }
    }
}

/// What stays where it is makes the step fail: better said before.
fn verifies(step: &VerifyXds, stay: &[ObjectRef]) -> String {
    let (namespace, revision) = (&step.namespace, &step.revision);
    let verifies = format!("verifies that every proxy of {namespace} is on {revision}");
    if stay.is_empty() {
        return verifies;
    }
    let names: Vec<String> = stay.iter().map(ToString::to_string).collect();
    format!(
        "{verifies}, and would fail: {} cannot be restarted",
        names.join(", ")
    )
}

fn waits(message: String) -> Preview {
    Preview {
        grade: Grade::Modelled,
        changes: Vec::new(),
        message,
        outputs: Outputs::new(),
    }
}

/// Nothing is asked and nothing is started: a dry run makes no request that somebody could act upon.
fn held(gate: &Gate, context: &StepContext) -> Preview {
    let (grade, message) = match gate.check() {
        Some(GateCheck::Soak(span)) => (Grade::Exact, format!("waits for {span}")),
        Some(GateCheck::Approval(approval)) => {
            (Grade::Unknown, format!("asks: {}", approval.message))
        }
        Some(GateCheck::Http(http)) => (Grade::Unknown, format!("asks {}", http.url)),
        Some(GateCheck::Prometheus(query)) => (
            Grade::Unknown,
            format!("asks {} for {}", query.url, query.query),
        ),
        Some(GateCheck::Command(command)) => {
            (Grade::Unknown, format!("runs {}", command.argv.join(" ")))
        }
        Some(GateCheck::Window(window)) => (Grade::Modelled, window::describe(window, context.now)),
        Some(GateCheck::Health(health)) => (
            Grade::Modelled,
            format!(
                "waits until the workloads of {} are healthy",
                health.namespace
            ),
        ),
        None => (
            Grade::Unknown,
            "names not exactly one thing to wait for".to_owned(),
        ),
    };
    Preview {
        grade,
        ..waits(message)
    }
}
