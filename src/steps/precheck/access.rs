//! Whether the user may do what the upgrade's steps will do.

use super::finding::Report;
use crate::cluster::{Cluster, LEASE_NAMESPACE, Permission};
use crate::model::action::Precheck;
use crate::steps::context::StepError;

/// What the steps of a canary upgrade read and patch, cluster-wide: verb, group, resource.
const CLUSTER: [(&str, &str, &str); 14] = [
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
    ("watch", ADMISSION, "mutatingwebhookconfigurations"),
    ("watch", ADMISSION, "validatingwebhookconfigurations"),
];

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// What an install applies cluster-wide: group, resource.
const APPLIED: [(&str, &str); 5] = [
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    (ADMISSION, "mutatingwebhookconfigurations"),
    (ADMISSION, "validatingwebhookconfigurations"),
    (RBAC, "clusterroles"),
    (RBAC, "clusterrolebindings"),
];

/// What it applies in the control plane's namespace.
const APPLIED_ISTIO: [(&str, &str); 8] = [
    ("", "configmaps"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("apps", "deployments"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("policy", "poddisruptionbudgets"),
    (RBAC, "roles"),
    (RBAC, "rolebindings"),
];

/// What the server asks of an apply, also of one that makes the object.
const APPLY: [&str; 3] = ["get", "create", "patch"];

/// What is remembered where it may be watched, and asked for each time where not.
const WATCHED: [(&str, &str, &str); 2] = [("watch", "", "namespaces"), ("watch", "", "pods")];

/// What allows to grant more than one may do oneself, as istiod's own roles are.
const GRANTS: [(&str, &str, &str); 2] = [
    ("escalate", RBAC, "clusterroles"),
    ("bind", RBAC, "clusterroles"),
];

/// What the steps need in the control plane's namespace.
const ISTIO: [(&str, &str, &str); 3] = [
    ("watch", "", "endpoints"),
    ("create", "", "pods/portforward"),
    ("create", "", "serviceaccounts/token"),
];

/// What holding the run's lease needs, in its own namespace.
const LEASE: [(&str, &str, &str); 3] = [
    ("get", "coordination.k8s.io", "leases"),
    ("create", "coordination.k8s.io", "leases"),
    ("update", "coordination.k8s.io", "leases"),
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
    let grants: Vec<Permission> = GRANTS.iter().map(|one| permission(one, None)).collect();
    for permission in self::denied(cluster, &grants).await? {
        report.warn(
            "grants",
            "permissions",
            format!("may not {permission}: an install can only grant what the user may do"),
            "grant it, or all that istiod's roles allow",
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
    let more = WATCHED.iter().chain(&GRANTS);
    let more = more.map(|one| permission(one, None));
    needed(istio_namespace).into_iter().chain(more).collect()
}

/// What the steps of a canary upgrade need.
fn needed(istio_namespace: &str) -> Vec<Permission> {
    let all = |wanted: &[(&str, &str, &str)], namespace: Option<&str>| -> Vec<Permission> {
        let wanted = wanted.iter().map(|needed| permission(needed, namespace));
        wanted.collect()
    };
    let applied = |kinds: &[(&str, &str)], namespace: Option<&str>| -> Vec<Permission> {
        let each = kinds.iter().flat_map(|(group, resource)| {
            let verbs = APPLY.iter();
            verbs.map(move |verb| permission(&(verb, group, resource), namespace))
        });
        each.collect()
    };
    [
        all(&CLUSTER, None),
        applied(&APPLIED, None),
        all(&ISTIO, Some(istio_namespace)),
        applied(&APPLIED_ISTIO, Some(istio_namespace)),
        all(&LEASE, Some(LEASE_NAMESPACE)),
    ]
    .concat()
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
