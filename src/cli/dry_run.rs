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
use crate::check::{Checked, Results, Role, Task, Why, Work};
use crate::cluster::unified;
use crate::event::Outputs;
use crate::model::{Action, NodeId, Outcome, RunId};
use crate::steps::{Grade, Preview, Report, StepContext, StepError, Steps};

/// What the dry run knows of one task.
struct Seen {
    id: NodeId,
    outcome: Outcome,
    outputs: Outputs,
    preview: Option<Result<Preview, StepError>>,
    notes: Vec<String>,
    why_not: Option<String>,
}

/// The tasks seen so far, as the results of a run.
struct Assumed<'a> {
    seen: &'a [Option<Seen>],
    run: &'a RunId,
}

impl Results for Assumed<'_> {
    fn run_id(&self) -> &str {
        self.run.as_str()
    }

    fn outcome(&self, task: usize) -> Option<Outcome> {
        self.seen[task].as_ref().map(|seen| seen.outcome)
    }

    fn outputs(&self, task: usize) -> Option<&Outputs> {
        self.seen[task].as_ref().map(|seen| &seen.outputs)
    }

    fn failure(&self) -> bool {
        self.seen
            .iter()
            .flatten()
            .any(|seen| seen.outcome == Outcome::Failed)
    }
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
    let mut seen: Vec<Option<Seen>> = checked.tasks().iter().map(|_| None).collect();
    for (at, task) in checked.tasks().iter().enumerate() {
        let one = look(task, &seen, &run, steps, now).await;
        seen[at] = Some(one);
    }
    let seen: Vec<Seen> = seen.into_iter().flatten().collect();
    let mask = |text: String| {
        checked
            .secrets()
            .iter()
            .fold(text, |text, secret| text.replace(secret, "***"))
    };
    let text = match output {
        Output::Text => render(checked, steps, &seen),
        Output::Json => document(checked, steps, &seen),
    };
    stdout(&mask(text));
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

async fn look(
    task: &Task,
    seen: &[Option<Seen>],
    run: &RunId,
    steps: &Steps,
    now: jiff::Timestamp,
) -> Seen {
    let mut one = Seen {
        id: task.id.clone(),
        outcome: Outcome::Succeeded,
        outputs: Outputs::new(),
        preview: None,
        notes: Vec::new(),
        why_not: None,
    };
    let results = Assumed { seen, run };
    let unmet = task.needs.iter().find(|need| {
        seen[need.task]
            .as_ref()
            .is_some_and(|seen| !seen.outcome.satisfies())
    });
    if let Some(need) = unmet {
        one.outcome = Outcome::NotRun;
        one.why_not = seen[need.task]
            .as_ref()
            .map(|seen| format!("{} would not end well", seen.id));
        return one;
    }
    let skipped_group = task.needs.iter().any(|need| {
        need.why == Why::Inside && results.outcome(need.task) == Some(Outcome::Skipped)
    });
    if skipped_group {
        one.outcome = Outcome::Skipped;
        one.why_not = Some("its group is skipped".to_owned());
        return one;
    }
    if let Some(when) = &task.when {
        match when.expression.evaluate(&results) {
            Ok(value) if value == true => {}
            Ok(_) => {
                one.outcome = Outcome::Skipped;
                one.why_not = Some(format!("when {} is false", when.expression.text));
                return one;
            }
            Err(error) => one
                .notes
                .push(format!("only the run can decide its `when`: {error}")),
        }
    }
    let Role::Step(work) = &task.role else {
        return one;
    };
    let preview = match action(work, &results) {
        Ok(action) => preview(steps, &action, task, run, now, &mut one.notes).await,
        Err(error) => Ok(Preview {
            grade: Grade::Unknown,
            changes: Vec::new(),
            message: format!("only the run knows its parameters: {error}"),
            outputs: Outputs::new(),
        }),
    };
    match &preview {
        Ok(preview) => one.outputs.clone_from(&preview.outputs),
        Err(_) => one.outcome = Outcome::Failed,
    }
    one.preview = Some(preview);
    one
}

/// The action, with what would be known by now.
fn action(work: &Work, results: &dyn Results) -> Result<Action, String> {
    match work {
        Work::Ready(action) => Ok((**action).clone()),
        Work::Deferred(kind, with) => {
            let with = with.evaluate(results).map_err(|error| error.to_string())?;
            kind.decode(with).map_err(|error| error.to_string())
        }
    }
}

async fn preview(
    steps: &Steps,
    action: &Action,
    task: &Task,
    run: &RunId,
    now: jiff::Timestamp,
    notes: &mut Vec<String>,
) -> Result<Preview, StepError> {
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let context = StepContext {
        run: run.clone(),
        node: task.id.clone(),
        attempt: 1,
        began: now,
        now,
        deadline: None,
        stop: CancellationToken::new(),
        reports,
    };
    let answered = async {
        let preview = steps.preview(action, &context).await;
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
            format_args!("\n- {}: {} ({why})", one.id, one.outcome),
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
