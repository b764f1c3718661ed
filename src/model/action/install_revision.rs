//! Parameters of `install-revision`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::id::DNS_LABEL;

/// Renders a control plane and applies it beside the old one, without moving any workload.
///
/// Before the first write it judges the rendering: one control plane of that revision and version and nothing else, a hop
/// that Istio supports from what is live, every pod injected by whom it was before, and each object tried by the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallRevision {
    /// The name of the new revision: a DNS label.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub revision: String,
    /// The version to install.
    #[schemars(length(min = 1))]
    pub version: String,
    /// What renders the manifests.
    #[serde(default)]
    pub source: Source,
    /// The istioctl or helm to use, and no other; otherwise `istioctl-VERSION`, then `istioctl` on the PATH.
    #[serde(default)]
    pub binary: Option<String>,
    /// The directory of the charts, relative to the plan: istioctl's --charts before 1.7, --manifests since; helm's charts.
    #[serde(default)]
    pub charts: Option<String>,
    /// The IstioOperator profile, for istioctl.
    #[serde(default = "minimal")]
    pub profile: String,
    /// Single values, as `--set KEY=VALUE` gives them.
    #[serde(default)]
    pub set: IndexMap<String, serde_json::Value>,
    /// Values files, relative to the plan: IstioOperator files for istioctl, values files for helm.
    #[serde(default)]
    pub values: Vec<String>,
    /// The manifests to apply, relative to the plan, for `source: manifests`.
    #[serde(default)]
    pub files: Vec<String>,
    /// What the files must be: `sha256:HEX` of their bytes, one after the other.
    #[serde(default)]
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// Objects that another field manager owns and this step may take over: KIND/NAME globs.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[^/\s]+/[^/\s]+$")))]
    pub take_over: Vec<String>,
    /// The namespace of the control plane; made first where it is missing.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}

/// What renders a control plane's manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `istioctl manifest generate` of exactly the version asked for.
    #[default]
    Istioctl,
    /// `helm template` of Istio's charts.
    Helm,
    /// Files in the repository.
    Manifests,
}

fn minimal() -> String {
    "minimal".to_owned()
}
