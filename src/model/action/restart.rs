//! Parameters of `restart`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::id::DNS_LABEL;

/// Restarts the workloads whose pods are not what the injector would give now, and waits for each rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The namespace whose workloads to restart.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub namespace: String,
    /// Only the workloads that match this label selector.
    #[serde(default)]
    pub selector: Option<String>,
    /// The revision that the pods must have; what the injector would give now where it is left out.
    #[serde(default)]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub revision: Option<String>,
    /// Only workloads of these kinds.
    #[serde(default)]
    pub kinds: Option<Vec<WorkloadKind>>,
    /// How many rollouts may be under way at once.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_concurrent: Option<u32>,
    /// How many pods may be replaced a minute; istiod admits about 25 new proxies a second and replica.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub per_minute: Option<u32>,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}

/// A kind of workload that a rollout can restart.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}
