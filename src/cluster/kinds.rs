//! Where the server keeps a kind: its path, by a table for the kinds that everybody has, else by asking.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use super::error::{ClusterError, ErrorClass};

/// How a kind is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// The plural name in paths.
    pub(super) plural: String,
    /// Whether it lives in namespaces.
    pub(super) namespaced: bool,
}

/// What has been learned of the server's kinds.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    learned: Mutex<BTreeMap<(String, String), Resource>>,
}

/// Kinds that every server has: api version, kind, plural, namespaced.
const KNOWN: [(&str, &str, &str, bool); 23] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Pod", "pods", true),
    ("v1", "Service", "services", true),
    ("v1", "Endpoints", "endpoints", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("v1", "Node", "nodes", false),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
    ),
    ("batch/v1", "Job", "jobs", true),
    ("coordination.k8s.io/v1", "Lease", "leases", true),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
        true,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "clusterroles",
        false,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
    ),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
    (
        "authorization.k8s.io/v1",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        false,
    ),
];

impl Kinds {
    /// What is known of a kind without asking.
    pub(super) fn get(&self, api_version: &str, kind: &str) -> Option<Resource> {
        let known = KNOWN
            .iter()
            .find(|(v, k, ..)| *v == api_version && *k == kind);
        if let Some((_, _, plural, namespaced)) = known {
            return Some(Resource {
                plural: (*plural).to_owned(),
                namespaced: *namespaced,
            });
        }
        let learned = self
            .learned
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        learned
            .get(&(api_version.to_owned(), kind.to_owned()))
            .cloned()
    }

    /// Learns from an `APIResourceList`, and returns the kind that was asked for.
    pub(super) fn learn(
        &self,
        api_version: &str,
        kind: &str,
        list: &Value,
    ) -> Result<Resource, ClusterError> {
        let mut learned = self
            .learned
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for resource in list["resources"].as_array().into_iter().flatten() {
            let (Some(plural), Some(kind)) = (resource["name"].as_str(), resource["kind"].as_str())
            else {
                continue;
            };
            if plural.contains('/') {
                continue;
            }
            let entry = Resource {
                plural: plural.to_owned(),
                namespaced: resource["namespaced"] == true,
            };
            learned.insert((api_version.to_owned(), kind.to_owned()), entry);
        }
        learned
            .get(&(api_version.to_owned(), kind.to_owned()))
            .cloned()
            .ok_or_else(|| unknown(api_version, kind))
    }
}

/// The error for a kind that the server does not serve.
pub(super) fn unknown(api_version: &str, kind: &str) -> ClusterError {
    ClusterError::new(
        ErrorClass::NotFound,
        format!("the server does not serve {kind} of {api_version}"),
    )
}

/// The path of a group and version.
pub(super) fn base(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

/// The path of a kind, or of one object of it.
pub(super) fn path(
    api_version: &str,
    resource: &Resource,
    namespace: Option<&str>,
    name: Option<&str>,
) -> String {
    let mut path = base(api_version);
    if let Some(namespace) = namespace.filter(|_| resource.namespaced) {
        path.push_str("/namespaces/");
        path.push_str(&segment(namespace));
    }
    path.push('/');
    path.push_str(&resource.plural);
    if let Some(name) = name {
        path.push('/');
        path.push_str(&segment(name));
    }
    path
}

/// Escapes a query's value.
pub(super) fn query(text: &str) -> String {
    escape(text, b"-._~/")
}

/// Escapes one segment of a path.
pub(super) fn segment(text: &str) -> String {
    escape(text, b"-._~:@")
}

fn escape(text: &str, plain: &[u8]) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}
