//! `/debug/syncz`: what each proxy was sent, and what it accepted.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::{AnswerError, ProxyId};
use crate::mesh::version::Version;

/// A type of configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum XdsType {
    /// Clusters.
    Cds,
    /// Listeners.
    Lds,
    /// Routes.
    Rds,
    /// Endpoints.
    Eds,
    /// Extension configurations.
    Ecds,
    /// Any other, by its type URL.
    Other(String),
}

impl XdsType {
    /// By the last part of a type URL, the same in xDS v2 and v3.
    fn of_url(url: &str) -> Self {
        match url.rsplit('.').next() {
            Some("Cluster") => Self::Cds,
            Some("Listener") => Self::Lds,
            Some("RouteConfiguration") => Self::Rds,
            Some("ClusterLoadAssignment") => Self::Eds,
            Some("TypedExtensionConfig") => Self::Ecds,
            _ => Self::Other(url.to_owned()),
        }
    }
}

impl fmt::Display for XdsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cds => "CDS",
            Self::Lds => "LDS",
            Self::Rds => "RDS",
            Self::Eds => "EDS",
            Self::Ecds => "ECDS",
            Self::Other(url) => url.rsplit('.').next().unwrap_or(url),
        })
    }
}

/// The state of one type of configuration on one connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeState {
    /// The nonce that was sent last; empty when nothing was.
    pub sent: String,
    /// The nonce that was accepted last.
    pub acked: String,
    /// When it was sent, where the version tells.
    pub sent_at: Option<Timestamp>,
    /// Why the proxy rejected it, where the version tells; empty otherwise.
    pub error: String,
}

impl TypeState {
    /// Whether what was sent last was accepted.
    pub fn is_synced(&self) -> bool {
        !self.sent.is_empty() && self.sent == self.acked
    }

    /// Whether an answer to what was sent last is still missing (or was a rejection that this version does not tell).
    pub fn is_pending(&self) -> bool {
        !self.sent.is_empty() && self.sent != self.acked
    }
}

/// One connection in the answer. The same proxy may be listed twice, shortly after it reconnected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncEntry {
    /// Whose connection it is.
    pub id: ProxyId,
    /// The cluster that the proxy runs in; 1.5 and 1.6 do not tell.
    pub cluster: Option<String>,
    /// `sidecar`, `router`, `waypoint`, `ztunnel`; older versions do not tell.
    pub kind: Option<String>,
    /// The version that the proxy says it has.
    pub version: Option<Version>,
    /// The state by type; types without any state are left out.
    pub types: BTreeMap<XdsType, TypeState>,
    /// Whether the answer can tell a rejection from a missing answer.
    pub knows_errors: bool,
}

/// Reads the answer. Entries that are not of a proxy (no `POD.NAMESPACE`: istioctl, test clients) are left out.
///
/// # Errors
/// Not JSON, or of an unknown shape.
pub fn parse_syncz(answer: &str) -> Result<Vec<SyncEntry>, AnswerError> {
    let entries: Option<Vec<Wire>> =
        serde_json::from_str(answer).map_err(|source| AnswerError::Shape {
            endpoint: "/debug/syncz",
            source,
        })?;
    Ok(entries
        .unwrap_or_default()
        .into_iter()
        .filter_map(Wire::read)
        .collect())
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Wire {
    cluster_id: Option<String>,
    proxy: String,
    proxy_type: Option<String>,
    istio_version: String,
    cluster_sent: String,
    cluster_acked: String,
    listener_sent: String,
    listener_acked: String,
    route_sent: String,
    route_acked: String,
    endpoint_sent: String,
    endpoint_acked: String,
    extensionconfig_sent: String,
    extensionconfig_acked: String,
    resources: Option<BTreeMap<String, WireResource>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct WireResource {
    sent: String,
    acked: String,
    sent_time: Option<String>,
    last_error: Option<String>,
}

impl Wire {
    fn read(self) -> Option<SyncEntry> {
        let id = ProxyId::parse(&self.proxy)?;
        let knows_errors = self.resources.is_some();
        let mut types = BTreeMap::new();
        let plain = [
            (XdsType::Cds, self.cluster_sent, self.cluster_acked),
            (XdsType::Lds, self.listener_sent, self.listener_acked),
            (XdsType::Rds, self.route_sent, self.route_acked),
            (XdsType::Eds, self.endpoint_sent, self.endpoint_acked),
            (
                XdsType::Ecds,
                self.extensionconfig_sent,
                self.extensionconfig_acked,
            ),
        ];
        for (kind, sent, acked) in plain {
            if !sent.is_empty() || !acked.is_empty() {
                types.insert(
                    kind,
                    TypeState {
                        sent,
                        acked,
                        ..TypeState::default()
                    },
                );
            }
        }
        // `resources` says the same and more, of every type.
        for (url, resource) in self.resources.into_iter().flatten() {
            let state = TypeState {
                sent: resource.sent,
                acked: resource.acked,
                sent_at: resource.sent_time.and_then(|t| t.parse().ok()),
                error: resource.last_error.unwrap_or_default(),
            };
            types.insert(XdsType::of_url(&url), state);
        }
        Some(SyncEntry {
            id,
            cluster: self.cluster_id.filter(|c| !c.is_empty()),
            kind: self.proxy_type.filter(|k| !k.is_empty()),
            version: self.istio_version.parse().ok(),
            types,
            knows_errors,
        })
    }
}
