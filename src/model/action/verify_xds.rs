//! Parameters of `verify-xds`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::duration::Span;
use crate::model::id::DNS_LABEL;

/// Asks every istiod replica of every revision who is connected, and proves that each proxy moved.
///
/// Each pod gets the worst verdict that is true of it: MISSING (connected to no istiod), ERROR (it rejects its
/// configuration), BOTH (connected to the target and to another revision), OLD (on another revision, or of another
/// version), STALE (it leaves its configuration unanswered), MOVED; or SKIPPED with the reason why nothing is expected of
/// it. The step ends well when each is MOVED or SKIPPED.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyXds {
    /// The namespace whose proxies to verify.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub namespace: String,
    /// The revision, or tag, that they must be connected to.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub revision: String,
    /// The version that they must run; default: that of the revision's istiod.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub version: Option<String>,
    /// How long a proxy may take to connect, or to leave its old istiod, before that counts against it; default 30s.
    #[serde(default = "settle")]
    pub settle: Span,
    /// How long a push may stay unacknowledged before the proxy is STALE; default 30s.
    #[serde(default = "settle")]
    pub stale_after: Span,
    /// Whom to ask: istiod's own list, or the endpoints of `xds-grpc` in each proxy's Envoy (before 1.8).
    #[serde(default)]
    pub via: Via,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}

/// Whom `verify-xds` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Every istiod's list of connections: the truth since 1.8, and good before.
    #[default]
    Istiod,
    /// The admin port of each Envoy: the check of 1.6.
    Envoy,
}

fn settle() -> Span {
    Span::from_secs(30)
}
