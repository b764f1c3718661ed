//! The plan file as it is written: what the schema is made from, and what the envelope of a step may hold.
//!
//! Values that may hold a template are decoded after it is resolved; the checks walk the tree with its places, and
//! read the parts declared here.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Kind, Namespaces};
use super::policy::{Retry, Timeout};

/// The type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// Any text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list, of what `items` says.
    List,
    /// A map.
    Map,
    /// An Istio version, such as 1.29.1.
    Version,
    /// A revision: a DNS label.
    Revision,
    /// The name of a namespace: a DNS label.
    Namespace,
    /// A duration, such as 10m.
    Duration,
}

/// An input of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: InputType,
    /// What the items of a list are; default string.
    #[serde(default)]
    pub items: Option<InputType>,
    /// The value where none is given; an input without one is required.
    #[serde(default)]
    pub default: Option<serde_json::Value>,
    /// The only values allowed.
    #[serde(default, rename = "enum")]
    pub options: Option<Vec<serde_json::Value>>,
    /// A regular expression that a text value must match.
    #[serde(default)]
    pub pattern: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Masked everywhere and stored nowhere; given by environment or file.
    #[serde(default)]
    pub sensitive: bool,
}

/// What steps take where they say nothing themselves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// The timeout of steps that name none; never of `approval` and `soak`.
    #[serde(default)]
    pub timeout: Option<Timeout>,
    /// The retry policy, merged field by field.
    #[serde(default)]
    pub retry: Option<Retry>,
}

/// A domain check that a step is excused from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The code of the check.
    pub code: String,
    /// Why it is right here; every report shows it.
    #[schemars(length(min = 1))]
    pub reason: String,
}

/// What `for_each` runs over: a list, or one look at the cluster before the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterItems {
    /// The namespaces to run over: names, or `{selector, exclude}`.
    pub namespaces: Namespaces,
}

/// A sub-plan's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The value: a template over the sub-plan's steps.
    pub value: serde_json::Value,
    /// What it is.
    #[serde(default)]
    pub description: Option<String>,
}

/// The inputs, by name.
pub type Inputs = IndexMap<String, Input>;

/// The keys of a plan, in the order in which they are usually written.
pub const PLAN_KEYS: [&str; 8] = [
    "version",
    "name",
    "description",
    "inputs",
    "outputs",
    "defaults",
    "timeout",
    "steps",
];

/// What `uses` names: a kind, or a sub-plan's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uses {
    /// A step kind.
    Kind(Kind),
    /// The path of a sub-plan: it starts with `./` or `../`.
    SubPlan(String),
}

impl Uses {
    /// Reads a `uses`, or `None` where it names neither a kind nor a file.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("./") || text.starts_with("../") {
            return Some(Self::SubPlan(text.to_owned()));
        }
        Kind::from_name(text).map(Self::Kind)
    }
}
