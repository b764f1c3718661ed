//! `plan run --dry-run`: what a run would do, for a terminal, a pull request, or a program.

mod show;

use std::io::Write as _;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::{Output, ReportFile, ReportKind};
use super::error::CliError;
use super::exit::Exit;
use super::{drive, stdout};
use crate::check::{Checked, Role, Task, Work};
use crate::engine::{self, Forecast, Foreseen};
use crate::event::{Mask, Outputs};
use crate::model::{Action, NodeId, Outcome, RunId};
use crate::steps::{Execute as _, Grade, Preview, Probe, Report, StepContext, StepError, Steps};

/// What the dry run knows of one task.
struct Seen {
    id: NodeId,
    outcome: Outcome,
    /// It starts, with what is doubtful about that.
    starts: Option<Vec<String>>,
    preview: Option<Result<Preview, StepError>>,
    notes: Vec<String>,
    why_not: Option<String>,
}

/// Previews every step in order, each seeing what those before it would have made.
pub(super) async fn run(
    checked: &Checked,
    steps: &Steps,
    now: jiff::Timestamp,
    output: Output,
    reports: Vec<fs_err::File>,
    detailed: bool,
) -> Result<Exit, CliError> {
    let run = RunId::new("dry-run");
    let mut forecast = Forecast::new(run.clone(), checked);
    let mut seen: Vec<Seen> = Vec::new();
    for (at, task) in checked.tasks().iter().enumerate() {
        let outside = checked.prove().contains(&task.id);
        let mut one = foresee(&mut forecast, at, task);
        if let (Some(doubts), Role::Step(work)) = (one.starts.take(), &task.role) {
            one.notes = doubts;
            let preview = match action(work, task, &forecast) {
                Ok(action) => {
                    preview(steps, &action, &task.id, outside, &run, now, &mut one.notes).await
                }
                Err(unknown) => Ok(Preview {
                    grade: Grade::Unknown,
                    changes: Vec::new(),
                    message: format!("only the run knows its parameters: {unknown}"),
                    outputs: Outputs::new(),
                }),
            };
            if preview.is_err() {
                one.outcome = Outcome::Failed;
            }
            let outputs = preview.as_ref().map(|preview| preview.outputs.clone());
            forecast.end(at, one.outcome, outputs.unwrap_or_default());
            one.preview = Some(preview);
        }
        seen.push(one);
    }
    let mask = Mask::new(checked.secrets());
    let text = match output {
        Output::Text => show::text(checked, steps, &seen),
        Output::Json => show::json(checked, steps, &seen),
    };
    stdout(&mask.text(&text))?;
    for mut file in reports {
        let text = mask.text(&show::markdown(checked, steps, &seen));
        file.write_all(text.as_bytes())
            .map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    }
    let failed = seen.iter().any(|one| matches!(one.preview, Some(Err(_))));
    let changes = seen
        .iter()
        .any(|one| matches!(&one.preview, Some(Ok(p)) if !p.changes.is_empty()));
    Ok(match (failed, changes && detailed) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Changes,
        (false, false) => Exit::Done,
    })
}

/// The files for the pull request, made before anything is asked.
pub(super) fn report_files(reports: &[ReportFile]) -> Result<Vec<fs_err::File>, CliError> {
    if reports
        .iter()
        .any(|report| report.kind == ReportKind::Junit)
    {
        return Err(CliError::usage("a dry run has no outcomes for JUnit")
            .help("write --report markdown=FILE, or --output json"));
    }
    let files = drive::report_files(reports)?.into_iter();
    Ok(files.map(|(_, file)| file).collect())
}

/// What becomes of a task before it is asked itself.
fn foresee(forecast: &mut Forecast<'_>, at: usize, task: &Task) -> Seen {
    let name = task.id.as_str();
    let mut one = Seen {
        id: NodeId::new(name.strip_suffix(":open").unwrap_or(name)),
        outcome: Outcome::Succeeded,
        starts: None,
        preview: None,
        notes: Vec::new(),
        why_not: None,
    };
    match forecast.decide(at) {
        Foreseen::Starts(doubt) => {
            let doubt = doubt.map(|error| format!("only the run can decide its `when`: {error}"));
            one.starts = Some(doubt.into_iter().collect());
        }
        Foreseen::Ends(outcome, why) => {
            one.outcome = outcome;
            // What a group comes to, its steps have said, unless it has none.
            let is_news = match &task.role {
                Role::Step(_) | Role::Open => outcome != Outcome::Succeeded,
                Role::Close { members, .. } => members.is_empty(),
                Role::Wave => false,
            };
            one.why_not = is_news.then_some(why);
        }
    }
    one
}

/// What a step outside of the slice comes to.
fn was_done(probe: Probe) -> Result<Preview, StepError> {
    let done = engine::proven(probe)?;
    Ok(Preview {
        grade: Grade::Exact,
        changes: Vec::new(),
        message: done.message,
        outputs: done.outputs,
    })
}

/// The action, with what would be known by now.
fn action(work: &Work, task: &Task, forecast: &Forecast<'_>) -> Result<Action, String> {
    match work {
        Work::Ready(action) => Ok((**action).clone()),
        Work::Deferred(kind, with) => {
            let with = forecast
                .value(task, with)
                .map_err(|error| error.to_string())?;
            kind.decode(with).map_err(|error| error.to_string())
        }
    }
}

/// Asks a step what it would do, or, `outside` of the slice, to prove that it is done.
async fn preview(
    steps: &Steps,
    action: &Action,
    node: &NodeId,
    outside: bool,
    run: &RunId,
    now: jiff::Timestamp,
    notes: &mut Vec<String>,
) -> Result<Preview, StepError> {
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let context = StepContext {
        earlier: Vec::new(),
        changes: 0,
        run: run.clone(),
        node: node.clone(),
        attempt: 1,
        began: now,
        now,
        deadline: None,
        stop: CancellationToken::new(),
        reports,
    };
    let answered = async {
        let preview = if outside {
            steps.probe(action, &context).await.and_then(was_done)
        } else {
            steps.preview(action, &context).await
        };
        drop(context);
        preview
    };
    let listener = async {
        let mut heard = Vec::new();
        while let Some((_, report)) = inbox.recv().await {
            match report {
                // Nothing can be changed: the client below lets only dry runs through.
                Report::Intent(act, ready) => {
                    let _gone = ready.send(Ok(()));
                    if act.verb == "run" {
                        heard.push(format!("started {}", act.detail));
                    }
                }
                Report::Note(text) => heard.push(text),
                Report::Waiting(_) | Report::Result(..) | Report::Now(_) | Report::Ask { .. } => {}
            }
        }
        heard
    };
    let (preview, heard) = tokio::join!(answered, listener);
    notes.extend(heard);
    preview
}
