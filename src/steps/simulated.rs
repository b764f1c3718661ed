//! What stands in for the world outside where a plan is tried: nothing is started, nobody is asked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::mesh::version::Version;

/// The world outside, as a lab has it.
#[derive(Clone)]
pub struct Simulated {
    /// Renders a control plane where there is no istioctl of its version.
    pub render: Arc<Rendering>,
    /// The answer at a gate, by its node; `None`: approvals are asked for as always, everything else opens at once.
    pub answer: Arc<Answering>,
}

/// A version and a revision in, the objects of its control plane out; or why there are none.
type Rendering = dyn Fn(&Version, &str) -> Result<Vec<Value>, String> + Send + Sync;

/// A node in, the answer at its gate out.
type Answering = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// What is answered at a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whether it opens.
    pub opens: bool,
    /// Who answers.
    pub by: String,
    /// Why, where it does not open.
    pub reason: Option<String>,
    /// What a command, an endpoint or a query gave.
    pub value: Value,
    /// How long the answer takes.
    pub after: Duration,
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Simulated")
    }
}
