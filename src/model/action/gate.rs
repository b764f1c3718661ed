//! Parameters of `gate`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::duration::Span;

/// Holds the run until something says go: exactly one of `approval`, `soak`, `http`, `prometheus`, `command`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// A person decides.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Time passes.
    #[serde(default)]
    pub soak: Option<Span>,
    /// An HTTP endpoint answers as it should; asked again until it does or the time is up.
    #[serde(default)]
    pub http: Option<Http>,
    /// A Prometheus query gives the value expected.
    #[serde(default)]
    pub prometheus: Option<Prometheus>,
    /// A command ends with 0.
    #[serde(default)]
    pub command: Option<Command>,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    pub istio_namespace: String,
}

/// The one thing that a gate waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum GateCheck<'a> {
    /// A person's word.
    Approval(&'a Approval),
    /// The passing of time.
    Soak(Soak),
    /// An HTTP answer.
    Http(&'a Http),
    /// A metric.
    Prometheus(&'a Prometheus),
    /// A command's exit status.
    Command(&'a Command),
}

/// The parameters that say what a gate waits for, of which exactly one is given.
pub const GATE_CHECKS: [&str; 5] = ["approval", "soak", "http", "prometheus", "command"];

/// How long a soak lasts.
pub type Soak = Span;

impl Gate {
    /// What the gate waits for, or `None` where not exactly one thing is named.
    pub fn check(&self) -> Option<GateCheck<'_>> {
        let mut checks = [
            self.approval.as_ref().map(GateCheck::Approval),
            self.soak.map(GateCheck::Soak),
            self.http.as_ref().map(GateCheck::Http),
            self.prometheus.as_ref().map(GateCheck::Prometheus),
            self.command.as_ref().map(GateCheck::Command),
        ]
        .into_iter()
        .flatten();
        let first = checks.next()?;
        checks.next().is_none().then_some(first)
    }
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What is asked.
    pub message: String,
    /// How many different people must approve; default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub quorum: u32,
}

/// An HTTP request, and the answer that opens the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to GET.
    pub url: String,
    /// The status that the answer must have; default 200.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// A text that the body must contain.
    #[serde(default)]
    pub contains: Option<String>,
}

/// A query, and the value that opens the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// The server's address, such as `http://prometheus:9090`.
    pub url: String,
    /// An instant query whose result is a scalar or a vector; each of its values must meet `expect`.
    pub query: String,
    /// A comparison: `< 0.01`, `>= 1`, `== 0`.
    #[schemars(regex(pattern = r"^\s*(<|<=|>|>=|==|!=)\s*-?[0-9.]+([eE][-+]?[0-9]+)?\s*$"))]
    pub expect: String,
    /// How long the value must meet it without a break; default 0s, one look.
    #[serde(default)]
    pub window: Option<Span>,
    /// What an empty result means; default reject.
    #[serde(default)]
    pub no_data: Missing,
    /// What NaN means; default reject.
    #[serde(default)]
    pub nan: Missing,
}

/// What a value that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The gate says no.
    #[default]
    Reject,
    /// It counts as met.
    Accept,
    /// It is asked again, until the timeout.
    Wait,
}

/// A program that decides by its exit status: 0 accepts, 75 (try again later) waits, anything else rejects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; no shell in between.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// The environment, in addition to PATH and HOME.
    #[serde(default)]
    pub env: IndexMap<String, String>,
}

fn one() -> u32 {
    1
}

fn ok() -> u16 {
    200
}
