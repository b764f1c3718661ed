//! The one place where secrets are taken out of what leaves the process.

use serde_json::Value;

use super::{Act, EventKind, Failure, Outputs};

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// From how many bytes on a secret is hidden inside of longer words, too.
const SHORT: usize = 4;

/// The values that no text may show.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    secrets: Vec<String>,
}

impl Mask {
    /// Hides these values, each line of those that have several, and how JSON would write them. Numbers, and what has
    /// fewer letters than `SHORT`, are hidden only where they stand alone: every text has an `a` or a `1` somewhere.
    pub fn new<S: AsRef<str>>(secrets: &[S]) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in secrets {
            let whole = secret.as_ref().trim();
            for text in std::iter::once(whole).chain(whole.lines().map(str::trim)) {
                let json = Value::from(text).to_string();
                all.push(json[1..json.len() - 1].to_owned());
                all.push(text.to_owned());
            }
        }
        all.retain(|text| !text.is_empty());
        // The longest first: a secret may hold another.
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self { secrets: all }
    }

    /// Whether something in a value that was read back was hidden.
    pub fn is_hidden(&self, value: &Value) -> bool {
        let inside = |value: &Value| self.is_hidden(value);
        match value {
            _ if self.secrets.is_empty() => false,
            Value::String(text) => text.contains(HIDDEN),
            Value::Array(items) => items.iter().any(inside),
            Value::Object(fields) => fields.values().any(inside),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        self.hide(&mut out);
        out
    }

    /// The event without secrets. What the run itself is made of (names of nodes, numbers, outcomes) stays.
    #[must_use]
    pub fn event(&self, mut event: EventKind) -> EventKind {
        if self.secrets.is_empty() {
            return event;
        }
        match &mut event {
            EventKind::RunStarted { inputs, .. } => self.outputs(inputs),
            EventKind::ActIntended { act, .. } | EventKind::ActDone { act, .. } => self.act(act),
            EventKind::Waiting { reasons, .. } => reasons.iter_mut().for_each(|r| self.hide(r)),
            EventKind::Note { text, .. } => self.hide(text),
            EventKind::AttemptFailed { error, .. } => self.failure(error),
            EventKind::GateOpened { message, .. } | EventKind::RunFinished { message, .. } => {
                self.hide(message);
            }
            EventKind::NodeFinished {
                outputs,
                message,
                error,
                ..
            } => {
                self.outputs(outputs);
                self.hide(message);
                if let Some(error) = error {
                    self.failure(error);
                }
            }
            EventKind::RunResumed { .. }
            | EventKind::LeaseAcquired { .. }
            | EventKind::WhenDecided { .. }
            | EventKind::AttemptStarted { .. }
            | EventKind::GateAnswered { .. }
            | EventKind::Interrupted { .. }
            | EventKind::RunSuspended { .. } => {}
        }
        event
    }

    fn hide(&self, text: &mut String) {
        for secret in &self.secrets {
            if !text.contains(secret.as_str()) {
                continue;
            }
            *text = if secret.len() < SHORT || secret.parse::<f64>().is_ok() {
                alone(text, secret)
            } else {
                text.replace(secret.as_str(), HIDDEN)
            };
        }
    }

    fn act(&self, act: &mut Act) {
        self.hide(&mut act.object);
        self.hide(&mut act.detail);
        if let Some(before) = &mut act.before {
            self.value(before);
        }
    }

    fn failure(&self, failure: &mut Failure) {
        self.hide(&mut failure.message);
        failure.details.iter_mut().for_each(|d| self.hide(d));
        if let Some(help) = &mut failure.help {
            self.hide(help);
        }
    }

    fn outputs(&self, outputs: &mut Outputs) {
        outputs.values_mut().for_each(|value| self.value(value));
    }

    /// Takes them out of a value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Number(number) => {
                let text = number.to_string();
                if self.secrets.contains(&text) {
                    *value = Value::from(HIDDEN);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// The text without what is no part of a longer word.
fn alone(text: &str, secret: &str) -> String {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(secret) {
        let end = at + secret.len();
        let inside = text[..at].ends_with(joins) || text[end..].starts_with(joins);
        out.push_str(&text[done..at]);
        out.push_str(if inside { secret } else { HIDDEN });
        done = end;
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;

    #[test]
    fn what_was_hidden_is_known_again() {
        let mask = Mask::new(&["hunter2"]);
        let event = mask.event(EventKind::NodeFinished {
            node: NodeId::new("a"),
            outcome: crate::model::Outcome::Succeeded,
            changed: false,
            outputs: [
                ("open".to_owned(), Value::from("seen")),
                (
                    "deep".to_owned(),
                    serde_json::json!([{ "x": "a hunter2 b" }]),
                ),
            ]
            .into_iter()
            .collect(),
            message: String::new(),
            error: None,
            tolerated: false,
        });
        let EventKind::NodeFinished { outputs, .. } = event else {
            unreachable!("the kind stays")
        };
        assert_eq!(outputs["deep"][0]["x"], "a *** b");
        assert!(mask.is_hidden(&outputs["deep"]) && !mask.is_hidden(&outputs["open"]));
        // Without secrets stars are stars.
        assert!(!Mask::default().is_hidden(&outputs["deep"]));
    }

    #[test]
    fn a_short_one_is_hidden_where_it_stands_alone() {
        let mask = Mask::new(&["1", "a", "12345"]);
        assert_eq!(
            mask.text("a gate: revision r-1, 1h, 1.21.1, pin=1, id 123456, say 'a'"),
            "*** gate: revision r-1, 1h, 1.21.1, pin=***, id 123456, say '***'"
        );
    }

    #[test]
    fn secrets_are_hidden_and_names_are_not() {
        let mask = Mask::new(&["hunter\"2", "shop", "first line\nsecond line\n", ""]);
        assert_eq!(mask.text(r#"pw=hunter"2"#), "pw=***");
        assert_eq!(mask.text(r#"{"pw":"hunter\"2"}"#), r#"{"pw":"***"}"#);
        assert_eq!(mask.text("a second line b"), "a *** b");
        let note = EventKind::Note {
            node: NodeId::new("migrate[shop].label"),
            text: "in shop".to_owned(),
        };
        let EventKind::Note { node, text } = mask.event(note) else {
            unreachable!("the kind stays")
        };
        assert_eq!(
            (node.as_str(), text.as_str()),
            ("migrate[shop].label", "in ***")
        );
    }
}
