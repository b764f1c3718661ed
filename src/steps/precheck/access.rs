//! Whether the user may do what the upgrade's steps will do.

use super::finding::Report;
use crate::cluster::{Cluster, Permission};
use crate::model::action::Precheck;
use crate::steps::context::StepError;

/// What the steps of a canary upgrade need, cluster-wide: verb, group, resource.
const CLUSTER: [(&str, &str, &str); 13] = [
    ("list", "", "namespaces"),
    ("patch", "", "namespaces"),
    ("list", "", "pods"),
    ("list", "apps", "replicasets"),
    ("watch", "apps", "deployments"),
    ("patch", "apps", "deployments"),
    ("patch", "apps", "statefulsets"),
    ("patch", "apps", "daemonsets"),
    ("list", "policy", "poddisruptionbudgets"),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
    (
        "patch",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    ),
    (
        "patch",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
    ),
    ("patch", "rbac.authorization.k8s.io", "clusterroles"),
];

/// What they need in the control plane's namespace.
const ISTIO: [(&str, &str, &str); 7] = [
    ("patch", "apps", "deployments"),
    ("patch", "", "services"),
    ("patch", "", "configmaps"),
    ("patch", "", "serviceaccounts"),
    ("create", "", "pods/portforward"),
    ("create", "", "serviceaccounts/token"),
    ("create", "coordination.k8s.io", "leases"),
];

/// Asks the API server about each.
pub(super) async fn check(
    step: &Precheck,
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), StepError> {
    let wide = CLUSTER.iter().map(|needed| permission(needed, None));
    let narrow = ISTIO
        .iter()
        .map(|needed| permission(needed, Some(&step.istio_namespace)));
    let wanted: Vec<Permission> = wide.chain(narrow).collect();
    let denied: Vec<String> = cluster
        .may(&wanted)
        .await?
        .into_iter()
        .filter(|(_, allowed)| !allowed)
        .map(|(permission, _)| permission.to_string())
        .collect();
    if denied.is_empty() {
        report.pass(
            "access",
            "permissions",
            format!("{} are granted", wanted.len()),
        );
    }
    for permission in denied {
        report.fail(
            "access",
            "permissions",
            format!("may not {permission}"),
            "grant it to the user of this context",
        );
    }
    Ok(())
}

fn permission(needed: &(&str, &str, &str), namespace: Option<&str>) -> Permission {
    let (verb, group, resource) = *needed;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Permission {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: Some(subresource.to_owned()).filter(|s| !s.is_empty()),
        namespace: namespace.map(str::to_owned),
        name: None,
    }
}
