//! What istiod's debug endpoints say of proxies, and the verdict on each.
//!
//! istiod knows only its own connections, so the answers of every replica of every revision are united
//! ([`EndpointAnswer`]); [`judge`] then gives one verdict per pod, [`summarise`] one per workload.

mod connections;
mod judge;
mod metrics;
mod summary;
mod syncz;
mod verdict;

#[cfg(test)]
mod tests;

pub use connections::{Connection, parse_connections};
pub use judge::judge;
pub use metrics::{GATE_COUNTERS, Metrics, MetricsError, Sample};
pub use summary::{WorkloadVerdict, summarise};
pub use syncz::{SyncEntry, TypeState, XdsType, parse_syncz};
pub use verdict::{EndpointAnswer, ExpectedProxy, Phase, PodVerdict, Target, Verdict};

/// A debug endpoint's answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Not JSON, or not of the expected shape.
    #[error("istiod's answer to {endpoint} is not of a known shape")]
    Shape {
        /// The path that was asked.
        endpoint: &'static str,
        /// What was wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// A proxy, as istiod names it: `POD.NAMESPACE`.
///
/// Compared exactly: istiod's own look-ups match a part of the name, so that `api-1.shop` would find `web-api-1.shop`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId {
    /// The pod's name.
    pub pod: String,
    /// The pod's namespace.
    pub namespace: String,
}

impl ProxyId {
    /// The id of a pod.
    pub fn new(pod: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            pod: pod.into(),
            namespace: namespace.into(),
        }
    }

    /// Reads `POD.NAMESPACE`: the namespace has no dot, the pod's name may.
    pub fn parse(text: &str) -> Option<Self> {
        let (pod, namespace) = text.rsplit_once('.')?;
        (!pod.is_empty() && !namespace.is_empty()).then(|| Self::new(pod, namespace))
    }

    /// Reads a connection's id, `POD.NAMESPACE-N`: always with its number, since a namespace may end in one as well.
    pub fn of_connection(text: &str) -> Option<Self> {
        let (id, number) = text.rsplit_once('-')?;
        let counted = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if counted { Self::parse(id) } else { None }
    }

    /// Reads an Envoy node's id, `sidecar~IP~POD.NAMESPACE~DOMAIN`.
    pub fn of_node(text: &str) -> Option<Self> {
        Self::parse(text.split('~').nth(2)?)
    }
}

impl std::fmt::Display for ProxyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.pod, self.namespace)
    }
}
