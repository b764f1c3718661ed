//! The only module (beside the lab) that speaks Kubernetes.
//!
//! Objects are dynamic JSON, so that every version from 1.21 on and every custom resource can be handled alike. A
//! [`Cluster`] in dry-run mode sends its writes with `dryRun=All`, remembers what they would have made, and reads
//! through that memory: each step sees the effect of those before it.

mod access;
mod cache;
mod connect;
mod diff;
mod drawn;
mod error;
mod follow;
mod forward;
mod guard;
mod kinds;
mod lease;
mod object;
mod overlay;
mod patch;
pub mod patience;
mod pod;
pub mod rollout;
mod select;
#[cfg(test)]
mod tests;
pub mod tool;
mod verbs;
mod wait;
mod write;

use std::sync::Arc;

use kube::Client;

pub use connect::ConnectOptions;
pub use diff::{Change, unified};
pub use drawn::DRAWN;
pub use error::{ClusterError, ErrorClass};
pub use forward::{HttpAnswer, HttpRequest};
pub use guard::Requests;
pub use lease::{Holder, Lease, LeaseError, Leases, NAMESPACE as LEASE_NAMESPACE};
pub use object::{Object, ObjectRef, Permission, Selector};
pub use pod::{Unready, unready};
pub use wait::Wait;
pub use write::Applied;

use kinds::Kinds;
use overlay::Overlay;

/// The name under which `plan` owns fields.
pub const FIELD_MANAGER: &str = "plan";

/// A cluster that can be asked and changed.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    kinds: Arc<Kinds>,
    overlay: Option<Arc<Overlay>>,
    requests: Requests,
    context: Option<String>,
    server: String,
    identity: Option<String>,
    forwards: Arc<forward::Pool>,
    cache: Option<Arc<cache::Cache>>,
    patience: Option<patience::Patience>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What tells it from other clusters whatever its address is, as far as it was asked and told.
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// The kubeconfig's context, where there is one.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// Whether this is a dry run: nothing is changed, and what is waited for does not come.
    pub fn is_dry_run(&self) -> bool {
        self.overlay.is_some()
    }

    /// What the dry run would have changed since the last call.
    pub fn take_changes(&self) -> Vec<Change> {
        self.overlay
            .as_ref()
            .map_or_else(Vec::new, |overlay| overlay.take_changes())
    }

    /// How many requests were made, by verb.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }
}
