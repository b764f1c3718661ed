//! A cluster in a file: the objects that plans read, what its istiods answered, and what was left out.
//!
//! Pure. A snapshot is taken by `steps`, which know what is read, and comes to life in `lab`.

mod file;
mod redact;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use file::SnapshotError;
pub use redact::{Dropped, Keep, Redactor};

/// The version of the format that is written, and the only one that is read.
pub const FORMAT: u32 = 1;

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The format's version. It stands first in every version of the format.
    #[serde(rename = "snapshot")]
    pub format: u32,
    /// What was left out, and what of it was kept after all.
    pub dropped: Vec<Dropped>,
    /// When it was taken.
    pub taken: Timestamp,
    /// The version of `plan` that took it.
    pub tool: String,
    /// The kubeconfig's context.
    pub context: Option<String>,
    /// The API server's version: `v1.35.4`.
    pub kubernetes: String,
    /// The control plane's namespace.
    pub istio_namespace: String,
    /// What the user may and may not do, of what an upgrade needs.
    pub access: Vec<Access>,
    /// What each replica of a control plane answered.
    pub istiods: Vec<Istiod>,
    /// The objects, by kind, namespace and name.
    pub objects: Vec<Value>,
}

/// The answer to one review of access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// `get`, `list`, `patch`, …
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, plural.
    pub resource: String,
    /// The subresource; empty for the object itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// The namespace; empty for the whole cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Whether it is granted.
    pub allowed: bool,
}

/// One replica of a control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Istiod {
    /// Its pod.
    pub pod: String,
    /// Its revision.
    pub revision: String,
    /// What it said of itself and its proxies.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What a replica said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The proxies connected to it, as `POD.NAMESPACE`, and how each takes what it is sent.
    Proxies(BTreeMap<String, Reception>),
    /// It could not be asked, and why.
    Unasked(String),
}

/// How a proxy takes what its istiod sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reception {
    /// It has accepted all of it.
    Synced,
    /// It does not answer.
    Unanswered,
    /// It rejects it.
    Rejected,
}
