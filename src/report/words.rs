//! How reports say things: lengths of time, counts, one line for each event.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Act, ActResult, Event, EventKind, Failure, RunResult};
use crate::journal::{NodeRecord, RunState};
use crate::model::{Outcome, counted};

/// A length of time for people: `850ms`, `12.3s`, `4m05s`, `2h03m`.
pub(crate) fn span(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{secs}.{}s", duration.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        _ => format!("{}h{:02}m", secs / 3600, secs / 60 % 60),
    }
}

/// Text that does nothing but stand there: what controls a terminal is spelt out, and so is what turns text around.
pub(crate) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if turns(c) || c.is_control() && !matches!(c, '\n' | '\t') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The time between two moments.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// An outcome as a word in a sentence.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "done",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Rejected => "rejected",
        Outcome::NotRun => "not run",
    }
}

/// How a run ended, as a word in a sentence.
pub(super) fn result(result: RunResult) -> &'static str {
    match result {
        RunResult::Succeeded => "succeeded",
        RunResult::Failed => "failed",
        RunResult::Rejected => "rejected at a gate",
        RunResult::Interrupted => "interrupted",
        RunResult::Cancelled => "cancelled",
        RunResult::TimedOut => "timed out",
    }
}

/// How long a node took, from its first attempt to its end; time between the run's sessions does not count.
pub(super) fn took(node: &NodeRecord) -> Option<Duration> {
    (node.began.is_some() && node.ended.is_some()).then_some(node.spent)
}

/// The lines that say what happened; none for what only programs want.
pub(crate) fn lines(event: &Event, state: &RunState) -> Vec<String> {
    match &event.event {
        EventKind::RunStarted { run, plan, .. } => vec![format!("run {run} of {plan}")],
        EventKind::RunResumed { .. } => vec!["the run goes on".to_owned()],
        EventKind::LeaseAcquired { .. }
        | EventKind::WhenDecided { .. }
        | EventKind::ActIntended { .. }
        | EventKind::RunSuspended { .. }
        | EventKind::RunFinished { .. } => Vec::new(),
        EventKind::AttemptStarted {
            node, attempt: 1, ..
        } => vec![format!("{node}: started")],
        EventKind::AttemptStarted { node, attempt, .. } => {
            vec![format!("{node}: started, attempt {attempt}")]
        }
        EventKind::ActDone { node, act, result } => vec![format!("{node}: {}", done(act, *result))],
        EventKind::Waiting { node, reasons } => vec![format!("{node}: {}", reasons.join("; "))],
        EventKind::Note { node, text } if text.contains('\n') => {
            std::iter::once(format!("{node}:"))
                .chain(text.lines().map(|line| format!("  {line}")))
                .collect()
        }
        EventKind::Note { node, text } => vec![format!("{node}: {text}")],
        EventKind::AttemptFailed {
            node,
            attempt,
            error,
            retry_in_ms,
        } => attempt_failed(&format!("{node}: attempt {attempt}"), error, *retry_in_ms),
        EventKind::GateOpened {
            node,
            message,
            quorum,
            ..
        } => vec![format!(
            "{node}: {message} ({} needed)",
            counted(*quorum as usize, "approval")
        )],
        EventKind::GateAnswered { node, approve, by } => {
            let word = if *approve { "approved" } else { "rejected" };
            vec![format!("{node}: {word} by {by}")]
        }
        EventKind::NodeFinished { node, .. } => state
            .nodes
            .get(node)
            .map(|record| finished(node.as_str(), record))
            .unwrap_or_default(),
        EventKind::Interrupted { times: 1 } => vec![
            "interrupted: running calls end, nothing new starts; once more abandons them"
                .to_owned(),
        ],
        EventKind::Interrupted { .. } => vec!["interrupted: calls are abandoned".to_owned()],
    }
}

fn done(act: &Act, result: ActResult) -> String {
    let Act {
        verb,
        object,
        detail,
        ..
    } = act;
    let gap = if detail.is_empty() { "" } else { ": " };
    match result {
        ActResult::Changed => format!("{verb} {object}{gap}{detail}"),
        ActResult::Unchanged => format!("{verb} {object}: changed nothing"),
        ActResult::Failed => format!("{verb} {object}: failed, or its end is unknown"),
    }
}

fn attempt_failed(what: &str, error: &Failure, retry_in_ms: Option<u64>) -> Vec<String> {
    // Without a retry the end of the step says it.
    let Some(millis) = retry_in_ms else {
        return Vec::new();
    };
    let delay = span(Duration::from_millis(millis));
    let mut lines = vec![format!("{what}: {}; again in {delay}", error.message)];
    lines.extend(error.details.iter().map(|detail| format!("  {detail}")));
    lines
}

fn finished(node: &str, record: &NodeRecord) -> Vec<String> {
    let Some(end) = record.outcome else {
        return Vec::new();
    };
    let mut line = format!("{node}: {}", outcome(end));
    if record.changed && end == Outcome::Succeeded {
        line.push_str(", changed");
    }
    if let Some(took) = took(record).filter(|_| record.step) {
        line = format!("{line} in {}", span(took));
    }
    let mut said = record.message.lines();
    if let Some(first) = said.next() {
        line = format!("{line}: {first}");
    }
    if record.tolerated {
        line.push_str(" (tolerated)");
    }
    let mut lines = vec![line];
    lines.extend(said.map(|more| format!("  {more}")));
    lines.extend(why(record));
    lines
}

/// The details and the help of a failure, indented.
pub(super) fn why(record: &NodeRecord) -> Vec<String> {
    let failed = record.outcome.is_none_or(|outcome| !outcome.satisfies());
    let Some(error) = record.error.as_ref().filter(|_| failed) else {
        return Vec::new();
    };
    let details = error.details.iter().map(|detail| format!("  {detail}"));
    let help = error.help.iter().map(|help| format!("  help: {help}"));
    details.chain(help).collect()
}
