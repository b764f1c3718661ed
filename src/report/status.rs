//! Where a run stands, as text: `plan status` and `plan runs`.

use jiff::Timestamp;

use super::summary::{Summary, headline, next};
use super::{plain, words};
use crate::journal::{NodeRecord, Phase, RunState};
use crate::model::NodeId;

/// `plan status`: the run, each step, and how to go on. `alive` says whether a process holds the run.
pub fn status(state: &RunState, alive: bool, now: Timestamp) -> String {
    let mut lines = vec![head(state, alive)];
    if !state.message.is_empty() {
        lines.push(state.message.clone());
    }
    let width = state
        .nodes
        .keys()
        .map(|id| id.as_str().len())
        .max()
        .unwrap_or_default();
    for (id, node) in state.shown() {
        lines.push(line(id, node, alive, now, width));
        let more = node.message.lines().skip(1);
        lines.extend(more.map(|more| format!("      {more}")));
        lines.extend(words::why(node).iter().map(|why| format!("    {why}")));
    }
    for (id, gate) in state.open_gates() {
        let said = gate.said(true);
        let yes = said.len();
        let until = gate.until.map_or_else(String::new, |until| {
            format!(", until {}", until.strftime("%Y-%m-%d %H:%M:%S UTC"))
        });
        lines.push(format!(
            "{id} asks: {} ({yes} of {}{until})",
            gate.message, gate.quorum
        ));
        match gate.decision() {
            Some((true, by)) => lines.push(format!("  accepted by {}", by.join(", "))),
            Some((false, by)) => lines.push(format!("  rejected by {}", by.join(", "))),
            None if yes > 0 => lines.push(format!("  approved by {}", said.join(", "))),
            None => {}
        }
    }
    if !alive {
        lines.extend(next(state));
    }
    lines.push(String::new());
    plain(&lines.join("\n"))
}

/// `plan runs`: one line for each; a run whose process lives goes on until `now`.
pub fn row(state: &RunState, alive: bool, now: Timestamp) -> String {
    let summary = Summary::of(state);
    let run = state
        .run
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let done = summary.done;
    let total = state.steps().count();
    let took = match state.phase {
        Phase::Open if alive => state.took(now),
        _ => summary.active,
    };
    let took = words::span(took);
    format!("{run}  {:<18}  {done}/{total}  {took}", word(state, alive))
}

fn head(state: &RunState, alive: bool) -> String {
    match state.phase {
        Phase::Open => {
            let run = state
                .run
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("run {run} {}", word(state, alive))
        }
        _ => headline(state),
    }
}

/// One word on a run.
pub fn word(state: &RunState, alive: bool) -> &'static str {
    match &state.phase {
        Phase::Open if alive => "running",
        Phase::Open => "died",
        Phase::Suspended(_) => "waiting",
        Phase::Ended(result) => words::result(*result),
    }
}

fn line(id: &NodeId, node: &NodeRecord, alive: bool, now: Timestamp, width: usize) -> String {
    let (word, time) = match node.outcome {
        Some(outcome) => (words::outcome(outcome), words::took(node)),
        None if node.gate.is_some() => ("waiting", None),
        None if node.running && alive => (
            "running",
            node.since
                .map(|since| node.spent + words::between(since, now)),
        ),
        None if node.retry_at.is_some() && alive => ("to be tried again", None),
        None if node.began.is_some() => ("interrupted", None),
        None => ("pending", None),
    };
    let time = time.map(words::span).unwrap_or_default();
    let text = if node.reasons.is_empty() {
        node.message.lines().next().unwrap_or_default().to_owned()
    } else {
        node.reasons.join("; ")
    };
    let line = format!("  {:<width$}  {word:<11}  {time:>7}  {text}", id.as_str());
    line.trim_end().to_owned()
}
