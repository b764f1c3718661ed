//! One look at what decides about injection: the injectors and the namespaces, as the cluster has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cluster::{Cluster, ClusterError, Object, ObjectRef, Selector};
use crate::mesh::injection::{IGNORED_NAMESPACES, Mesh, Namespace, Verdict};
use crate::mesh::istiod::{DEFAULT, INJECTION_LABEL, REVISION_LABEL};
use crate::mesh::selector::labels;
use crate::mesh::version::Version;

/// The API version of webhook configurations: v1 is served since Kubernetes 1.16.
pub(super) const ADMISSION: &str = "admissionregistration.k8s.io/v1";

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
        .find(|namespace| {
            [INJECTION_LABEL, REVISION_LABEL]
                .iter()
                .all(|label| !namespace.labels().contains_key(*label))
        }))
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

fn image_version(deployment: &Object) -> Option<Version> {
    let containers = &deployment.value()["spec"]["template"]["spec"]["containers"];
    let image = containers
        .as_array()?
        .iter()
        .find(|container| container["name"] == "discovery")?["image"]
        .as_str()?;
    // A registry may have a port: only what follows the last `/` can hold a tag.
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
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
