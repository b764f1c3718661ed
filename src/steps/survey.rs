//! One look at what decides about injection: the injectors and the namespaces, as the cluster has them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterError, Object, ObjectRef, Selector};
use crate::mesh::injection::{IGNORED_NAMESPACES, Mesh, Namespace, Verdict};
use crate::mesh::istiod::{DEFAULT, INJECT_LABEL, INJECTION_LABEL, REVISION_LABEL};
use crate::mesh::selector::labels;
use crate::mesh::version::Version;

/// The API version of webhook configurations: v1 is served since Kubernetes 1.16.
pub(super) const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// The version in the labels of charts that were never released.
pub(super) const UNRELEASED: &str = "1.0.0";

/// What has a pod template and knows rollouts.
pub(super) const TEMPLATED: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// Reads every injector.
pub(super) async fn injection(cluster: &Cluster) -> Result<Mesh, ClusterError> {
    let configs = cluster
        .followed(
            ADMISSION,
            "MutatingWebhookConfiguration",
            None,
            &Selector::default(),
        )
        .await?;
    Ok(Mesh::new(configs.iter().map(Object::value)))
}

/// Reads one namespace, if it is there.
pub(super) async fn namespace(
    cluster: &Cluster,
    name: &str,
) -> Result<Option<Object>, ClusterError> {
    cluster
        .followed_one(&ObjectRef::cluster("v1", "Namespace", name))
        .await
}

/// What injection sees of a namespace.
pub(super) fn injected_namespace(object: &Object) -> Namespace {
    Namespace::new(object.name(), labels(&object.value()["metadata"]["labels"]))
}

/// What injection sees of every namespace, by name.
pub(super) async fn namespaces(
    cluster: &Cluster,
) -> Result<BTreeMap<String, Namespace>, ClusterError> {
    let all = cluster
        .followed("v1", "Namespace", None, &Selector::default())
        .await?;
    let all = all.iter().map(injected_namespace);
    Ok(all
        .map(|namespace| (namespace.name.clone(), namespace))
        .collect())
}

/// The pod templates and the pods without one that have labels about injection, anywhere: gateways of the chart, above
/// all. An istiod's own only name its revision.
pub(super) async fn asking(cluster: &Cluster) -> Result<Vec<(ObjectRef, Value)>, ClusterError> {
    let mut found = Vec::new();
    for kind in TEMPLATED {
        let every = Selector::default();
        for object in cluster.followed("apps/v1", kind, None, &every).await? {
            let template = &object.value()["spec"]["template"];
            if asks(template) && image(&object).is_none() {
                found.push((ObjectRef::from(&object), template.clone()));
            }
        }
    }
    let mut pods = BTreeMap::new();
    for label in [INJECT_LABEL, REVISION_LABEL] {
        let labelled = Selector::labelled(label);
        for pod in cluster.list("v1", "Pod", None, &labelled).await? {
            if is_live(&pod) && !has_template(&pod) {
                pods.insert(ObjectRef::from(&pod), pod.into_value());
            }
        }
    }
    found.extend(pods);
    Ok(found)
}

/// Whether a namespace leaves it to its pods to ask.
pub(super) fn is_silent(namespace: &Namespace) -> bool {
    [INJECTION_LABEL, REVISION_LABEL]
        .iter()
        .all(|label| !namespace.labels().contains_key(*label))
}

/// Pods that might come into a namespace without labels, each with the label by which it asks: for the default, and for
/// every revision and tag.
pub(super) fn might_ask(mesh: &Mesh) -> Vec<(String, Value)> {
    let targets = mesh.targets();
    let tags = targets.tags().map(|(tag, _)| tag);
    let named: BTreeSet<&str> = targets.revisions().chain(tags).collect();
    let labels = named.into_iter().map(|name| (REVISION_LABEL, name));
    labels
        .chain([(INJECT_LABEL, "true")])
        .map(|(label, value)| {
            let metadata = json!({ "labels": { label: value } });
            let pod = json!({ "metadata": metadata, "spec": { "containers": [] } });
            (format!("{label}={value}"), pod)
        })
        .collect()
}

/// Whether a pod or template has a label about injection.
fn asks(pod: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    [INJECT_LABEL, REVISION_LABEL]
        .iter()
        .any(|label| labels.get(label).is_some())
}

/// Whether a pod is made from a template that is looked at itself.
fn has_template(pod: &Object) -> bool {
    let owners = pod.value()["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| {
        owner["controller"] == true
            && owner["kind"]
                .as_str()
                .is_some_and(|kind| kind == "ReplicaSet" || TEMPLATED.contains(&kind))
    })
}

/// Ended pods keep their labels for ever, and pods on their way out are no concern.
fn is_live(pod: &Object) -> bool {
    let ended = ["Succeeded", "Failed"];
    let phase = pod.value()["status"]["phase"].as_str().unwrap_or_default();
    !ended.contains(&phase) && pod.value()["metadata"].get("deletionTimestamp").is_none()
}

/// What a pod without labels of its own would get in a namespace: what a label on the namespace is about.
pub(super) fn plain_pod<'a>(mesh: &'a Mesh, namespace: &Namespace) -> Verdict<'a> {
    static EMPTY: std::sync::LazyLock<Value> =
        std::sync::LazyLock::new(|| json!({ "metadata": {}, "spec": { "containers": [] } }));
    mesh.verdict(namespace, &EMPTY)
}

/// A namespace whose pods get a sidecar only if they ask for it themselves; those of Kubernetes never do.
pub(super) async fn namespace_without_injection(
    cluster: &Cluster,
) -> Result<Option<Namespace>, ClusterError> {
    let all = cluster
        .followed("v1", "Namespace", None, &Selector::default())
        .await?;
    Ok(all
        .iter()
        .map(injected_namespace)
        .filter(|namespace| !IGNORED_NAMESPACES.contains(&namespace.name.as_str()))
        .find(is_silent))
}

/// The version of each revision's control plane, by the tag of its image.
pub(super) async fn versions(
    cluster: &Cluster,
    istio_namespace: &str,
) -> Result<BTreeMap<String, Version>, ClusterError> {
    let istiods = Selector {
        labels: Some("app=istiod".to_owned()),
        ..Selector::default()
    };
    let deployments = cluster
        .followed("apps/v1", "Deployment", Some(istio_namespace), &istiods)
        .await?;
    Ok(deployments
        .iter()
        .filter_map(|deployment| Some((revision_of(deployment), image_version(deployment)?)))
        .collect())
}

/// The revision of an istiod object, by its label; 1.5 has none.
pub(super) fn revision_of(object: &Object) -> String {
    object.value()["metadata"]["labels"][REVISION_LABEL]
        .as_str()
        .unwrap_or(DEFAULT)
        .to_owned()
}

/// The image of an istiod's Deployment; another one has none.
pub(super) fn image(deployment: &Object) -> Option<&str> {
    let containers = &deployment.value()["spec"]["template"]["spec"]["containers"];
    containers
        .as_array()?
        .iter()
        .find(|container| container["name"] == "discovery")?["image"]
        .as_str()
}

/// The version of an istiod's Deployment, by the tag of its image.
pub(super) fn image_version(deployment: &Object) -> Option<Version> {
    // A registry may have a port: only what follows the last `/` can hold a tag.
    let (_, tag) = image(deployment)?.rsplit('/').next()?.split_once(':')?;
    let tag = tag.split_once('@').map_or(tag, |(tag, _)| tag);
    tag.parse().ok()
}

/// Whether an Endpoints object has an address that is ready.
pub(super) fn has_addresses(endpoints: &Object) -> bool {
    let subsets = endpoints.value()["subsets"].as_array();
    subsets.into_iter().flatten().any(|subset| {
        subset["addresses"]
            .as_array()
            .is_some_and(|addresses| !addresses.is_empty())
    })
}
