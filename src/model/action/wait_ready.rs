//! Parameters of `wait-ready`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::id::DNS_LABEL;

/// Waits until the control plane of a revision really serves: rolled out, ready, of the version asked for, with
/// endpoints, a caBundle, and an injector that mutates a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitReady {
    /// The revision to wait for; `default` is the one without a name.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub revision: String,
    /// The version that it must report.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub version: Option<String>,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}
