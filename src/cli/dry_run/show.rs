//! How a dry run is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::Seen;
use crate::check::Checked;
use crate::cluster::unified;
use crate::report::outcome as words;
use crate::steps::{Grade, Steps};

/// For a terminal.
pub(super) fn text(checked: &Checked, steps: &Steps, seen: &[Seen]) -> String {
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
    line(&mut text, format_args!("\n{}", asked(steps)));
    text
}

fn asked(steps: &Steps) -> String {
    let counts = steps.cluster().requests().counts();
    let requests: Vec<String> = counts
        .iter()
        .map(|(verb, count)| format!("{count} {verb}"))
        .collect();
    format!(
        "Nothing was changed. Requests, writes all with dryRun=All: {}",
        requests.join(", ")
    )
}

/// For a pull request: a table of the steps, and each change behind a fold.
pub(super) fn markdown(checked: &Checked, steps: &Steps, seen: &[Seen]) -> String {
    let mut text = format!(
        "## Dry run of {}\n\n`{}`\n\n",
        checked.name(),
        checked.digest()
    );
    text.push_str("| step | how sure | what |\n|---|---|---|\n");
    for one in seen {
        let (grade, what) = match (&one.why_not, &one.preview) {
            (Some(why), _) => (words(one.outcome).to_owned(), why.clone()),
            (None, Some(Ok(preview))) => (preview.grade.to_string(), preview.message.clone()),
            (None, Some(Err(error))) => ("would fail".to_owned(), error.to_string()),
            (None, None) => continue,
        };
        let what = what.replace('|', "\\|").replace('\n', "<br>");
        line(
            &mut text,
            format_args!("| `{}` | {grade} | {what} |", one.id),
        );
    }
    for one in seen {
        let mut rows = String::new();
        describe(&mut rows, one, &mut BTreeMap::new());
        let Some((head, rest)) = rows.trim_start().split_once('\n') else {
            continue;
        };
        if rest.trim().is_empty() {
            continue;
        }
        let head = head.trim_start_matches("- ");
        // Four backticks: a diff may hold three.
        line(
            &mut text,
            format_args!(
                "\n<details><summary>{}</summary>\n\n````diff",
                escaped(head)
            ),
        );
        for row in rest.lines() {
            line(
                &mut text,
                format_args!("{}", row.strip_prefix("    ").unwrap_or(row)),
            );
        }
        text.push_str("````\n\n</details>\n");
    }
    line(&mut text, format_args!("\n{}", asked(steps)));
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
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

/// For programs.
pub(super) fn json(checked: &Checked, steps: &Steps, seen: &[Seen]) -> String {
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
