//! A snapshot of a cluster: everything that the steps read, at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::context::StepError;
use super::istiods::{Replica, replicas};
use super::precheck::access;
use crate::cluster::{Cluster, ClusterError, Object, ObjectRef, Selector};
use crate::mesh::proxies::{EndpointAnswer, TypeState};
use crate::snapshot::{Access, Answer, FORMAT, Istiod, Keep, Reception, Redactor, Snapshot};

/// How often an istiod is asked before an answer that a proxy owes counts as missing, and how long between.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Which objects of a kind.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// All.
    All,
    /// Those in the control plane's namespace.
    Own,
    /// Those without a namespace whose name begins with `istio`.
    Istio,
    /// The definitions of Istio's custom resources.
    Definitions,
    /// Those in the control plane's namespace that Istio's charts install, as a label of Istio's tells.
    Installed,
}

/// The kinds, each with its versions, the preferred first.
const KINDS: [(&[&str], &str, Which); 24] = [
    (&["v1"], "Namespace", Which::All),
    (&["v1"], "Node", Which::All),
    (
        &["apiextensions.k8s.io/v1"],
        "CustomResourceDefinition",
        Which::Definitions,
    ),
    (
        &["admissionregistration.k8s.io/v1"],
        "MutatingWebhookConfiguration",
        Which::All,
    ),
    (
        &["admissionregistration.k8s.io/v1"],
        "ValidatingWebhookConfiguration",
        Which::All,
    ),
    (&[RBAC], "ClusterRole", Which::Istio),
    (&[RBAC], "ClusterRoleBinding", Which::Istio),
    (&[RBAC], "Role", Which::Own),
    (&[RBAC], "RoleBinding", Which::Own),
    (&["v1"], "ServiceAccount", Which::Own),
    (&["v1"], "ConfigMap", Which::Own),
    (&["v1"], "Service", Which::Own),
    (&["v1"], "Endpoints", Which::Own),
    (
        &[
            "autoscaling/v2",
            "autoscaling/v2beta2",
            "autoscaling/v2beta1",
        ],
        "HorizontalPodAutoscaler",
        Which::Own,
    ),
    (
        &["networking.istio.io/v1alpha3"],
        "EnvoyFilter",
        Which::Installed,
    ),
    (&["policy/v1"], "PodDisruptionBudget", Which::All),
    (&["apps/v1"], "Deployment", Which::All),
    (&["apps/v1"], "ReplicaSet", Which::All),
    (&["apps/v1"], "StatefulSet", Which::All),
    (&["apps/v1"], "DaemonSet", Which::All),
    (&["apps/v1"], "ControllerRevision", Which::All),
    (&["batch/v1", "batch/v1beta1"], "CronJob", Which::All),
    (&["batch/v1"], "Job", Which::All),
    (&["v1"], "Pod", Which::All),
];

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// Takes one. Only reads, reviews of access and questions to the istiods are made.
///
/// # Errors
/// That something may not be read, or the cluster does not answer. An istiod that cannot be asked is noted in the
/// snapshot.
pub async fn take(
    cluster: &Cluster,
    istio_namespace: &str,
    keep: &BTreeSet<Keep>,
    taken: Timestamp,
) -> Result<Snapshot, StepError> {
    let mut redactor = Redactor::new(keep, istio_namespace);
    let mut objects = Vec::new();
    for (versions, kind, which) in KINDS {
        let mut found = list(cluster, versions, kind, which, istio_namespace).await?;
        if matches!(kind, "Service" | "Endpoints") {
            found.extend(targets(cluster, kind, istio_namespace, &objects).await?);
        }
        objects.extend(
            found
                .into_iter()
                .map(|object| redactor.redact(object.into_value())),
        );
    }
    let granted = cluster.may(&access::asked(istio_namespace)).await?;
    let access = granted.into_iter().map(|(permission, allowed)| Access {
        verb: permission.verb,
        group: permission.group,
        resource: permission.resource,
        subresource: permission.subresource.unwrap_or_default(),
        namespace: permission.namespace.unwrap_or_default(),
        allowed,
    });
    let mut istiods = Vec::new();
    for replica in replicas(cluster, istio_namespace).await? {
        istiods.push(ask(cluster, &replica).await);
    }
    Ok(Snapshot {
        format: FORMAT,
        dropped: redactor.dropped(),
        taken,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        context: cluster.context().map(str::to_owned),
        kubernetes: cluster.server_version().await?,
        istio_namespace: istio_namespace.to_owned(),
        access: access.collect(),
        istiods,
        objects,
    })
}

/// The objects of a kind, in the first of the versions that is served; none where none is.
async fn list(
    cluster: &Cluster,
    versions: &[&str],
    kind: &str,
    which: Which,
    istio_namespace: &str,
) -> Result<Vec<Object>, ClusterError> {
    let namespace = matches!(which, Which::Own | Which::Installed).then_some(istio_namespace);
    for version in versions {
        let mut found = match cluster
            .list(version, kind, namespace, &Selector::default())
            .await
        {
            Err(error) if error.is_not_found() => continue,
            found => found?,
        };
        found.retain(|object| match which {
            Which::All | Which::Own => true,
            Which::Istio => object.name().starts_with("istio"),
            Which::Installed => object.value()["metadata"]["labels"]
                .as_object()
                .is_some_and(|labels| labels.keys().any(|key| is_istios(key))),
            Which::Definitions => object.value()["spec"]["group"]
                .as_str()
                .is_some_and(|group| group.ends_with(".istio.io")),
        });
        return Ok(found);
    }
    Ok(Vec::new())
}

/// Whether a label is one of Istio's own.
fn is_istios(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    domain == "istio.io" || domain.ends_with(".istio.io")
}

/// What webhooks elsewhere call: whether it lives decides whether pods can be made.
async fn targets(
    cluster: &Cluster,
    kind: &str,
    istio_namespace: &str,
    objects: &[Value],
) -> Result<Vec<Object>, ClusterError> {
    let webhooks = objects
        .iter()
        .filter_map(|object| object["webhooks"].as_array())
        .flatten();
    let names: BTreeSet<(&str, &str)> = webhooks
        .filter_map(|webhook| {
            let service = &webhook["clientConfig"]["service"];
            Some((service["namespace"].as_str()?, service["name"].as_str()?))
        })
        .filter(|(namespace, _)| *namespace != istio_namespace)
        .collect();
    let mut found = Vec::new();
    for (namespace, name) in names {
        let target = ObjectRef::namespaced("v1", kind, namespace, name);
        found.extend(cluster.get(&target).await?);
    }
    Ok(found)
}

/// Asks a replica until no proxy owes it an answer, a few times at most.
async fn ask(cluster: &Cluster, replica: &Replica) -> Istiod {
    let mut round = 1;
    let told = loop {
        let told = replica.answer(cluster).await;
        let open = told.as_ref().is_ok_and(|told| {
            told.syncz
                .iter()
                .any(|entry| entry.types.values().any(TypeState::is_pending))
        });
        if !open || round == ROUNDS {
            break told;
        }
        round += 1;
        tokio::time::sleep(PAUSE).await;
    };
    Istiod {
        pod: replica.pod.clone(),
        revision: replica.revision.clone(),
        answer: match told {
            Ok(told) => Answer::Proxies(receptions(&told)),
            Err(error) => Answer::Unasked(error.to_string()),
        },
    }
}

/// How each connected proxy takes what it is sent; of two connections the worse counts.
fn receptions(told: &EndpointAnswer) -> BTreeMap<String, Reception> {
    let mut all = BTreeMap::new();
    for entry in &told.syncz {
        let reception = if told.is_rejected(entry) {
            Reception::Rejected
        } else if entry.types.values().any(TypeState::is_pending) {
            Reception::Unanswered
        } else {
            Reception::Synced
        };
        let worst = all.entry(entry.id.to_string()).or_insert(reception);
        *worst = reception.max(*worst);
    }
    all
}
