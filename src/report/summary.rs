//! The numbers that all reports share.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::words;
use crate::event::RunResult;
use crate::journal::{NodeRecord, Phase, RunState, STATE_DIR};
use crate::model::{NodeId, Outcome, counted};

/// A run in numbers. Groups are not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many steps ended how.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// How many steps are done with, and need not run again: those that succeeded, were skipped, or failed where that is
    /// tolerated.
    pub done: usize,
    /// How many steps changed something.
    pub changed: usize,
    /// The failures that were tolerated.
    pub tolerated: Vec<NodeId>,
    /// The steps that failed, timed out or were rejected, and were not tolerated.
    pub failed: Vec<NodeId>,
    /// The time that the run took; time between its sessions does not count.
    pub active: Duration,
    /// The chain of steps that the run had to wait for, the first one first: each needs the one before, and of what it
    /// needs that ended last.
    pub critical: Vec<(NodeId, Duration)>,
}

impl Summary {
    /// The numbers of a run.
    pub fn of(state: &RunState) -> Self {
        let mut outcomes = BTreeMap::new();
        for (_, node) in state.steps() {
            if let Some(outcome) = node.outcome {
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
        let bad = |tolerated: bool| {
            state
                .steps()
                .filter(|(_, node)| is_failure(node) && node.tolerated == tolerated)
                .map(|(id, _)| id.clone())
                .collect()
        };
        let is_done =
            |node: &NodeRecord| node.tolerated || node.outcome.is_some_and(Outcome::satisfies);
        Self {
            outcomes,
            done: state.steps().filter(|(_, node)| is_done(node)).count(),
            changed: state.steps().filter(|(_, node)| node.changed).count(),
            tolerated: bad(true),
            failed: bad(false),
            active: state.last.map_or(Duration::ZERO, |last| state.took(last)),
            critical: critical(state),
        }
    }

    /// How many steps ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }
}

/// One sentence on the end of a run: what happened, what changed, what was tolerated.
pub fn sentence(state: &RunState, result: RunResult) -> String {
    let summary = Summary::of(state);
    let mut parts: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|outcome| summary.count(*outcome) > 0)
        .map(|outcome| format!("{} {}", summary.count(outcome), words::outcome(outcome)))
        .collect();
    let open = state
        .steps()
        .filter(|(_, node)| node.outcome.is_none())
        .count();
    if open > 0 {
        parts.push(format!("{open} left"));
    }
    let mut total = counted(state.steps().count(), "step");
    if !parts.is_empty() {
        total = format!("{total}: {}", parts.join(", "));
    }
    let changed = match summary.changed {
        0 => "nothing changed".to_owned(),
        changed => format!("{} changed something", counted(changed, "step")),
    };
    let mut text = format!("{total}; {changed}");
    let empty: Vec<NodeId> = state.empty_groups().into_iter().cloned().collect();
    if !empty.is_empty() {
        text = format!(
            "{text}; skipped, for there is nothing in it: {}",
            names(&empty)
        );
    }
    if !summary.tolerated.is_empty() {
        text = format!("{text}; tolerated: {}", names(&summary.tolerated));
    }
    if result != RunResult::Succeeded && !summary.failed.is_empty() {
        text = format!("{text}; failed: {}", names(&summary.failed));
    }
    text
}

/// The head line of a run: its name and how it stands.
pub fn headline(state: &RunState) -> String {
    let run = state
        .run
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let took = words::span(Summary::of(state).active);
    match &state.phase {
        Phase::Open => format!("run {run} has not ended"),
        Phase::Suspended(gates) => format!("run {run} waits after {took} for {}", names(gates)),
        Phase::Ended(result) => format!("run {run} {} in {took}", words::result(*result)),
    }
}

/// How a run that has not ended well goes on: the commands. A lab's run has ended for good.
pub fn next(state: &RunState) -> Vec<String> {
    let Some(run) = state.run.as_ref().filter(|_| !state.origin.is_lab()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let command = |words: &str| command(words, state.state_dir.as_deref());
    let undecided = |id: &&NodeId| {
        let gate = state.nodes.get(*id).and_then(|node| node.gate.as_ref());
        gate.is_none_or(|gate| gate.decision().is_none())
    };
    match &state.phase {
        Phase::Ended(RunResult::Succeeded) => return lines,
        Phase::Suspended(gates) => lines.extend(gates.iter().filter(undecided).map(|gate| {
            let gate = quoted(gate.as_str());
            let approve = command(&format!("approve {run} {gate}"));
            let reject = command(&format!("reject {run} {gate}"));
            format!("  {approve}, or {reject}")
        })),
        Phase::Open | Phase::Ended(_) => {}
    }
    lines.push(format!("  {}", command(&format!("resume {run}"))));
    lines
}

/// A command of `plan` as it stands: where the runs are not in their usual place, it says where.
pub fn command(words: &str, state_dir: Option<&Path>) -> String {
    match state_dir.filter(|dir| *dir != Path::new(STATE_DIR)) {
        Some(dir) => {
            let dir = quoted(&dir.to_string_lossy());
            format!("plan {words} --state-dir {dir}")
        }
        None => format!("plan {words}"),
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn names(nodes: &[NodeId]) -> String {
    const MOST: usize = 5;
    let mut text: Vec<String> = nodes.iter().take(MOST).map(ToString::to_string).collect();
    if nodes.len() > MOST {
        text.push(format!("and {} more", nodes.len() - MOST));
    }
    text.join(", ")
}

pub(super) fn is_failure(node: &NodeRecord) -> bool {
    matches!(
        node.outcome,
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Rejected)
    )
}

/// From the step that ended last back, each time to the one that it had to wait for.
fn critical(state: &RunState) -> Vec<(NodeId, Duration)> {
    let ended = state
        .steps()
        .filter_map(|(id, node)| Some((node.ended?, node.began?, id)));
    let mut next = ended.max().map(|(.., id)| id);
    let mut path = Vec::new();
    // A journal that was tampered with must not lead in a circle.
    while let Some(id) = next.filter(|_| path.len() < state.nodes.len()) {
        let Some(node) = state.nodes.get(id) else {
            break;
        };
        path.push((id.clone(), words::took(node).unwrap_or_default()));
        next = node.after.as_ref();
    }
    path.reverse();
    path
}
