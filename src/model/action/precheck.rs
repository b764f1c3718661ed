//! Parameters of `precheck`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::id::DNS_LABEL;

/// Looks, without changing anything, for what would make the upgrade fail or hurt, and gives a verdict on each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Precheck {
    /// The version that runs now; the live one is compared with it.
    #[schemars(length(min = 1))]
    pub from: String,
    /// The version to move to.
    #[schemars(length(min = 1))]
    pub to: String,
    /// How many minor versions one hop may span; Istio's policy allows 2 at most, for a revision-based upgrade.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub max_hop: u32,
    /// The namespaces to look at; all that are injected where none are named.
    #[serde(default)]
    #[schemars(inner(regex(pattern = DNS_LABEL)))]
    pub namespaces: Option<Vec<String>>,
    /// Findings that are warnings by themselves and shall fail the step.
    #[serde(default)]
    pub fail_on: Vec<FailOn>,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}

/// A finding of `precheck` that fails the step only where asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    /// Kubernetes is outside the range that Istio documents for the version.
    Matrix,
    /// The version is past its end of life.
    Eol,
    /// Workloads that cannot be restarted by a rollout.
    Unrestartable,
    /// Disruption budgets that allow no disruption.
    Pdb,
    /// Rollouts that are paused or failing.
    Rollout,
    /// Any warning.
    Warnings,
}

fn one() -> u32 {
    1
}
