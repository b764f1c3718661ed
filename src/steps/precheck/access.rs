//! Whether the user may do what the upgrade's steps will do.

use super::finding::Report;
use crate::cluster::{Cluster, Permission};
use crate::model::action::Precheck;
use crate::steps::context::StepError;

/// What the steps of a canary upgrade need, cluster-wide: verb, group, resource.
const CLUSTER: [(&str, &str, &str); 18] = [
    ("list", "", "namespaces"),
    ("patch", "", "namespaces"),
    ("list", "", "pods"),
    ("list", "apps", "replicasets"),
    ("watch", "apps", "deployments"),
    ("patch", "apps", "deployments"),
    ("watch", "apps", "statefulsets"),
    ("patch", "apps", "statefulsets"),
    ("watch", "apps", "daemonsets"),
    ("patch", "apps", "daemonsets"),
    ("list", "policy", "poddisruptionbudgets"),
    ("watch", "policy", "poddisruptionbudgets"),
    ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
    (
        "watch",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    ),
    (
        "patch",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    ),
    (
        "watch",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
    ),
    (
        "patch",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
    ),
    ("patch", "rbac.authorization.k8s.io", "clusterroles"),
];

/// What is remembered where it may be watched, and asked for each time where not.
const WATCHED: [(&str, &str, &str); 2] = [("watch", "", "namespaces"), ("watch", "", "pods")];

/// What they need in the control plane's namespace.
const ISTIO: [(&str, &str, &str); 8] = [
    ("watch", "", "endpoints"),
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
    let wanted = needed(&step.istio_namespace);
    let denied = denied(cluster, &wanted).await?;
    if denied.is_empty() {
        report.pass(
            "access",
            "permissions",
            format!("{} are granted", wanted.len()),
        );
    }
    let watched: Vec<Permission> = WATCHED.iter().map(|one| permission(one, None)).collect();
    for permission in self::denied(cluster, &watched).await? {
        report.warn(
            "watches",
            "permissions",
            format!("may not {permission}: they are listed again and again"),
            "grant it to the user of this context, for the API server's sake",
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

async fn denied(cluster: &Cluster, wanted: &[Permission]) -> Result<Vec<String>, StepError> {
    let answers = cluster.may(wanted).await?;
    Ok(answers
        .into_iter()
        .filter(|(_, allowed)| !allowed)
        .map(|(permission, _)| permission.to_string())
        .collect())
}

/// All that is asked about.
pub(in crate::steps) fn asked(istio_namespace: &str) -> Vec<Permission> {
    let watched = WATCHED.iter().map(|one| permission(one, None));
    needed(istio_namespace).into_iter().chain(watched).collect()
}

/// What the steps of a canary upgrade need.
fn needed(istio_namespace: &str) -> Vec<Permission> {
    let wide = CLUSTER.iter().map(|needed| permission(needed, None));
    let narrow = ISTIO
        .iter()
        .map(|needed| permission(needed, Some(istio_namespace)));
    wide.chain(narrow).collect()
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
