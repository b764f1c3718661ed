//! `plan run --dry-run`: what a run would do, for a terminal, a pull request, or a program.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::Output;
use super::error::CliError;
use super::exit::Exit;
use super::stdout;
use crate::check::{Checked, Role, Task, Work};
use crate::cluster::unified;
use crate::engine::{self, Forecast, Foreseen};
use crate::event::{Mask, Outputs};
use crate::model::{Action, NodeId, Outcome, RunId};
use crate::report::outcome as words;
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
        Output::Text => render(checked, steps, &seen),
        Output::Json => document(checked, steps, &seen),
    };
    stdout(&mask.text(&text))?;
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

fn render(checked: &Checked, steps: &Steps, seen: &[Seen]) -> String {
    let mut text = format!("Dry run of {} ({})\n", checked.name(), checked.digest());
    let mut grades: BTreeMap<Grade, usize> = BTreeMap::new();
    for one in seen {
        describe(&mut text, one, &mut grades);
    }
    text.push_str("\nHow sure each step is:\n");
    for (grade, count) in &grades {
        line(
            &mut text,
            format_args!("  {count:>4} {grade:<9} {}", grade.meaning()),
        );
    }
    let requests: Vec<String> = steps
        .cluster()
        .requests()
        .counts()
        .iter()
        .map(|(verb, count)| format!("{count} {verb}"))
        .collect();
    line(
        &mut text,
        format_args!(
            "\nNothing was changed. Requests, writes all with dryRun=All: {}",
            requests.join(", ")
        ),
    );
    text
}

fn describe(text: &mut String, one: &Seen, grades: &mut BTreeMap<Grade, usize>) {
    if let Some(why) = &one.why_not {
        line(
            text,
            format_args!("\n- {}: {}: {why}", one.id, words(one.outcome)),
        );
        return;
    }
    match &one.preview {
        None => return,
        Some(Ok(preview)) => {
            *grades.entry(preview.grade).or_insert(0) += 1;
            line(
                text,
                format_args!("\n- {} [{}] {}", one.id, preview.grade, preview.message),
            );
            for change in &preview.changes {
                for row in unified(change).lines() {
                    line(text, format_args!("    {row}"));
                }
            }
        }
        Some(Err(error)) => {
            line(text, format_args!("\n- {} would fail: {error}", one.id));
            for detail in &error.failure.details {
                line(text, format_args!("    {detail}"));
            }
            if let Some(help) = &error.failure.help {
                line(text, format_args!("    help: {help}"));
            }
        }
    }
    for note in &one.notes {
        for row in note.lines() {
            line(text, format_args!("    note: {row}"));
        }
    }
}

fn document(checked: &Checked, steps: &Steps, seen: &[Seen]) -> String {
    let rows: Vec<_> = seen
        .iter()
        .filter(|one| one.preview.is_some() || one.why_not.is_some())
        .map(|one| match &one.preview {
            Some(Ok(preview)) => json!({
                "node": one.id, "outcome": one.outcome, "grade": preview.grade, "message": preview.message, "notes": one.notes,
                "changes": preview.changes.iter().map(|change| json!({
                    "object": change.object.to_string(), "verb": change.verb,
                    "before": change.before, "after": change.after, "drawn": change.drawn, "diff": unified(change),
                })).collect::<Vec<_>>(),
            }),
            Some(Err(error)) => json!({ "node": one.id, "outcome": one.outcome, "error": error.failure, "notes": one.notes }),
            None => json!({ "node": one.id, "outcome": one.outcome, "reason": one.why_not }),
        })
        .collect();
    let whole = json!({
        "plan": checked.name(), "digest": checked.digest(), "steps": rows, "requests": steps.cluster().requests().counts(),
    });
    format!("{whole:#}\n")
}

fn line(text: &mut String, row: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{row}");
}
