//! A terminal: what runs and why it is not done yet, what is done, what waits.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::text::ending;
use super::{Reporter, Screen, plain, words};
use crate::event::{Event, EventKind};
use crate::journal::RunState;
use crate::model::NodeId;

/// How many running steps are shown; more would push everything else away.
const MOST: usize = 12;

/// Draws on a terminal.
pub struct Progress {
    screen: Screen,
    total: ProgressBar,
    running: BTreeMap<NodeId, ProgressBar>,
}

impl Progress {
    /// Draws on a screen.
    pub fn new(screen: Screen) -> Self {
        let total = screen.bars.add(ProgressBar::new(0));
        total.set_style(style("{elapsed} [{bar:24}] {pos}/{len} {msg}"));
        total.enable_steady_tick(Duration::from_secs(1));
        Self {
            screen,
            total,
            running: BTreeMap::new(),
        }
    }

    fn started(&mut self, node: &NodeId) {
        if self.running.len() >= MOST || self.running.contains_key(node) {
            return;
        }
        let bar = self
            .screen
            .bars
            .insert_before(&self.total, ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix} {elapsed} {wide_msg}"));
        bar.set_prefix(node.to_string());
        bar.enable_steady_tick(Duration::from_millis(250));
        self.running.insert(node.clone(), bar);
    }

    fn says(&self, node: &NodeId, text: String) {
        if let Some(bar) = self.running.get(node) {
            bar.set_message(text);
        }
    }

    fn ended(&mut self, node: &NodeId) {
        if let Some(bar) = self.running.remove(node) {
            bar.finish_and_clear();
            self.screen.bars.remove(&bar);
        }
    }

    fn lines(&self, event: &Event, state: &RunState) {
        for line in words::lines(event, state) {
            self.screen.println(&plain(&line));
        }
    }

    /// The whole is counted anew only when a step ends, from what is known already.
    fn count(&self, event: &Event, state: &RunState) {
        match &event.event {
            EventKind::RunStarted { steps, .. } => self.total.set_length(steps.len() as u64),
            EventKind::RunResumed { .. } => {
                let done = state.steps().filter(|(_, node)| node.outcome.is_some());
                self.total.set_length(state.steps().count() as u64);
                self.total.set_position(done.count() as u64);
            }
            EventKind::NodeFinished { node, .. }
                if state.nodes.get(node).is_some_and(|node| node.step) =>
            {
                self.total.inc(1);
            }
            _ => {}
        }
        let running = self.running.len();
        self.total.set_message(format!("{running} running"));
    }
}

impl Reporter for Progress {
    fn event(&mut self, event: &Event, state: &RunState) {
        match &event.event {
            EventKind::AttemptStarted { node, .. } => self.started(node),
            EventKind::Waiting { node, reasons } => self.says(node, plain(&reasons.join("; "))),
            EventKind::AttemptFailed { node, .. } | EventKind::NodeFinished { node, .. } => {
                self.ended(node);
                self.lines(event, state);
            }
            _ => self.lines(event, state),
        }
        self.count(event, state);
    }

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        for bar in self.running.values() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
        ending(state)
            .into_iter()
            .try_for_each(|line| self.screen.bars.println(plain(&line)))
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; a wrong one falls back to the default.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Outputs, RunResult};
    use crate::model::{Outcome, RunId};

    #[test]
    fn what_runs_says_why_and_what_ended_is_counted() {
        let mut progress = Progress::new(Screen::new(
            indicatif::ProgressDrawTarget::hidden,
            Box::new(io::sink()),
        ));
        let mut state = RunState::default();
        let mut seq = 0;
        let mut tell = |progress: &mut Progress, event| {
            seq += 1;
            let at = jiff::Timestamp::UNIX_EPOCH;
            let event = Event { seq, at, event };
            state.apply(&event);
            progress.event(&event, &state);
        };
        let node = NodeId::new("a");
        tell(
            &mut progress,
            EventKind::RunStarted {
                format: crate::event::FORMAT.to_owned(),
                run: RunId::new("r"),
                plan: "p".to_owned(),
                digest: String::new(),
                tool: String::new(),
                origin: crate::event::Origin::default(),
                inputs: Outputs::new(),
                looked_up: BTreeMap::new(),
                steps: ["a", "b"].map(NodeId::new).to_vec(),
            },
        );
        let (started, attempt) = (node.clone(), 1);
        tell(
            &mut progress,
            EventKind::AttemptStarted {
                node: started,
                attempt,
                after: None,
            },
        );
        assert_eq!(progress.total.message(), "1 running");
        let reasons = vec!["2 of 5 pods updated".to_owned(), "one is late".to_owned()];
        let waits = node.clone();
        tell(
            &mut progress,
            EventKind::Waiting {
                node: waits,
                reasons,
            },
        );
        let bar = progress.running[&node].clone();
        assert_eq!(bar.prefix(), "a");
        assert_eq!(bar.message(), "2 of 5 pods updated; one is late");
        tell(
            &mut progress,
            EventKind::NodeFinished {
                node,
                outcome: Outcome::Succeeded,
                changed: true,
                outputs: Outputs::new(),
                message: String::new(),
                error: None,
                tolerated: false,
            },
        );
        assert!(bar.is_finished() && progress.running.is_empty());
        assert_eq!(
            (progress.total.position(), progress.total.length()),
            (1, Some(2))
        );
        tell(
            &mut progress,
            EventKind::RunFinished {
                result: RunResult::Succeeded,
                message: String::new(),
                unattended: false,
            },
        );
        assert_eq!(progress.total.message(), "0 running");
    }
}
