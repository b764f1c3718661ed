//! Markdown: for a job's summary or a pull request.

use std::io;

use super::summary::{Summary, headline, is_failure};
use super::{Out, Reporter, plain, words};
use crate::event::Event;
use crate::journal::RunState;

/// Writes Markdown at the end.
pub struct Markdown {
    out: Out,
}

impl Markdown {
    /// Writes to `out`.
    pub fn new(out: Out) -> Self {
        Self { out }
    }
}

impl Reporter for Markdown {
    fn event(&mut self, _: &Event, _: &RunState) {}

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        self.out.write_all(page(state).as_bytes())?;
        self.out.flush()
    }
}

fn page(state: &RunState) -> String {
    let summary = Summary::of(state);
    let mut lines = vec![
        format!("# {}", state.plan),
        String::new(),
        escape(&headline(state)),
        String::new(),
        escape(&state.message),
        String::new(),
        "| step | outcome | changed | attempts | time | |".to_owned(),
        "|---|---|---|---:|---:|---|".to_owned(),
    ];
    for (id, node) in state.shown() {
        let outcome = node.outcome.map_or("left", words::outcome);
        let tolerated = if node.tolerated { " (tolerated)" } else { "" };
        let changed = if node.changed { "yes" } else { "" };
        let time = words::took(node).map(words::span).unwrap_or_default();
        lines.push(format!(
            "| `{id}` | {outcome}{tolerated} | {changed} | {} | {time} | {} |",
            node.attempts,
            escape(&node.message)
        ));
    }
    for (id, node) in state.steps().filter(|(_, node)| is_failure(node)) {
        let why = words::why(node);
        if !why.is_empty() {
            lines.extend([
                String::new(),
                format!("## `{id}`"),
                String::new(),
                "```".to_owned(),
            ]);
            lines.extend(why);
            lines.push("```".to_owned());
        }
    }
    if summary.critical.len() > 1 {
        let path: Vec<String> = summary
            .critical
            .iter()
            .map(|(id, took)| format!("`{id}` ({})", words::span(*took)))
            .collect();
        lines.extend([
            String::new(),
            format!("Critical path: {}", path.join(" → ")),
        ]);
    }
    lines.push(String::new());
    plain(&lines.join("\n"))
}

/// Text that is only text in a table.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}
