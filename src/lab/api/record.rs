//! What the server remembers of requests, and how tests make it misbehave.

use super::status_error::StatusError;
use std::time::Duration;

/// One request as the audit log would tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// HTTP method.
    pub method: String,
    /// The API verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Path without the query.
    pub path: String,
    /// The resource in the plural; empty for a path that is none.
    pub resource: String,
    /// The namespace; empty for cluster scope or all namespaces.
    pub namespace: String,
    /// The object's name; empty for a collection.
    pub name: String,
    /// The query as sent.
    pub query: String,
    /// The `User-Agent`.
    pub agent: String,
    /// Whether `dryRun=All`, by query or by body.
    pub dry_run: bool,
    /// The answer's code; 0 until it is there.
    pub code: u16,
}

/// What a fault does to a request.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Answers with this failure.
    Fail(StatusError),
    /// Closes the connection without an answer.
    Lose,
    /// Carries the request out, and closes the connection without an answer.
    LoseAnswer,
    /// Answers after this time.
    Delay(Duration),
    /// Ends a watch after this many events, cleanly.
    CutWatch(usize),
    /// Begins a watch that says nothing, not even bookmarks.
    Silence,
}

type Predicate = Box<dyn Fn(&Record) -> bool + Send + Sync>;

/// A rule that turns some requests into failures.
pub struct Fault {
    applies: Predicate,
    effect: Effect,
    remaining: Option<u32>,
}

impl Fault {
    /// Does this to the requests that the predicate names.
    pub fn when(applies: impl Fn(&Record) -> bool + Send + Sync + 'static, effect: Effect) -> Self {
        Self {
            applies: Box::new(applies),
            effect,
            remaining: None,
        }
    }

    /// Only for the first `count` of them.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.remaining = Some(count);
        self
    }

    /// The effect on this request, where it applies; counts.
    pub(super) fn strike(&mut self, record: &Record) -> Option<Effect> {
        if self.remaining == Some(0) || !(self.applies)(record) {
            return None;
        }
        self.remaining = self.remaining.map(|count| count - 1);
        Some(self.effect.clone())
    }
}
