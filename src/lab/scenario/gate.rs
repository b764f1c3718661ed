//! How a scenario answers gates, which in the lab ask nothing outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Span, glob};

/// The answer at a gate: a person's, or that of a command, an HTTP endpoint or a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The step, as the run names it (`migrate[shop].accept`), with `*` for any text.
    pub step: String,
    /// Whether it opens; `false`: it is rejected.
    #[serde(default = "yes")]
    pub opens: bool,
    /// Who answers.
    #[serde(default = "lab")]
    pub by: String,
    /// Why, where it is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a command, an endpoint or a query gave.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(with = "Option<String>")]
    pub value: Value,
    /// How long the answer takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
}

fn yes() -> bool {
    true
}

fn lab() -> String {
    "the lab".to_owned()
}

impl Gate {
    /// The answer for a step; `None`: it opens at once.
    pub fn of<'a>(gates: &'a [Self], step: &str) -> Option<&'a Self> {
        gates.iter().find(|gate| glob::matches(&gate.step, step))
    }
}
