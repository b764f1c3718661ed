//! Injection: which webhook gets a pod, whether istiod then adds a sidecar, and what a pod already has.
//!
//! Two decisions follow each other. The API server sends a new pod to every webhook whose selectors match (chart
//! `istio-discovery`, `templates/mutatingwebhook.yaml`); istiod then decides again from the pod itself
//! (`pkg/kube/inject/inject.go`, `injectRequired`). [`Mesh::verdict`] takes both.

mod decision;
mod injector;
mod pod;
mod policy;
pub mod shape;
mod targets;

#[cfg(test)]
mod tests;

pub use decision::{Effect, Mesh, Reason, Verdict};
pub use injector::{FailurePolicy, Injector, ServiceRef, WEBHOOK, injectors, matching};
pub use pod::{Pin, Proxy, ProxyKind, RevisionSource, baked_in, is_gateway, pins, pod_revision};
pub use policy::{IGNORED_NAMESPACES, Policy, PolicyError, Refusal, Wish};
pub use targets::Targets;

use super::selector::Labels;

/// A namespace, as far as injection looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels, with `kubernetes.io/metadata.name`.
    labels: Labels,
}

impl Namespace {
    /// A namespace; the label `kubernetes.io/metadata.name`, which the API server always sets, is added.
    pub fn new(name: impl Into<String>, labels: Labels) -> Self {
        let name = name.into();
        let mut labels = labels;
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
        Self { name, labels }
    }

    /// Its labels, with `kubernetes.io/metadata.name`.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }
}
