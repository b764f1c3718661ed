//! What an install must not do, before and after.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::{Cluster, Object, ObjectRef, Selector};
use crate::mesh::injection::{Mesh, Verdict, is_gateway};
use crate::mesh::istiod::{DEFAULT, Names};
use crate::model::action::InstallRevision;
use crate::steps::context::StepError;
use crate::steps::survey;

/// Refuses a rendering that would touch more than the control plane of this revision.
pub(super) async fn refuse(
    step: &InstallRevision,
    cluster: &Cluster,
    objects: &[Object],
) -> Result<(), StepError> {
    let foreign: Vec<String> = objects
        .iter()
        .filter_map(|object| Some(format!("{}: {}", ObjectRef::from(object), refusal(object)?)))
        .collect();
    if !foreign.is_empty() {
        return Err(StepError::failed("the rendering holds more than a control plane")
            .details(foreign)
            .help("gateways, CNI and ztunnel are not revisioned: a canary would change them in place; use `profile: minimal` or disable them"));
    }
    if let Some((tag, revision)) = survey::injection(cluster)
        .await?
        .targets()
        .tags()
        .find(|(tag, _)| *tag == step.revision && step.revision != DEFAULT)
    {
        return Err(StepError::failed(format!(
            "`{tag}` is a tag of revision {revision}: a revision cannot have the same name"
        )));
    }
    stored_versions(cluster, objects).await
}

fn refusal(object: &Object) -> Option<&'static str> {
    let template = &object.value()["spec"]["template"];
    match object.kind() {
        "DaemonSet" => Some("a DaemonSet serves every revision"),
        "Deployment" if is_gateway(template) => Some("a gateway"),
        _ => None,
    }
}

/// A CRD that no longer serves a version in which objects are stored would lose them (istio/istio#20861).
async fn stored_versions(cluster: &Cluster, objects: &[Object]) -> Result<(), StepError> {
    let mut lost = Vec::new();
    for object in objects
        .iter()
        .filter(|o| o.kind() == "CustomResourceDefinition")
    {
        let Some(live) = cluster.get(&ObjectRef::from(object)).await? else {
            continue;
        };
        let kept = versions(object.value());
        for stored in live.value()["status"]["storedVersions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if !kept.iter().any(|version| Some(*version) == stored.as_str()) {
                lost.push(format!("{}: objects are stored as {stored}", object.name()));
            }
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    Err(
        StepError::failed("the rendered CRDs do not know versions in which objects are stored")
            .details(lost)
            .help("install the newer CRDs, or migrate the stored objects first"),
    )
}

/// The names in `spec.versions`, or the one in `spec.version` of a v1beta1 CRD.
fn versions(crd: &Value) -> Vec<&str> {
    let listed = crd["spec"]["versions"].as_array().into_iter().flatten();
    listed
        .map(|version| &version["name"])
        .chain([&crd["spec"]["version"]])
        .filter_map(Value::as_str)
        .collect()
}

/// What a plain pod gets in each namespace, as far as a revision matters.
pub(super) type Given = BTreeMap<String, Option<String>>;

/// Who injects where, now.
pub(super) async fn injectors_by_namespace(cluster: &Cluster) -> Result<Given, StepError> {
    let mesh = survey::injection(cluster).await?;
    given(cluster, &mesh).await
}

async fn given(cluster: &Cluster, mesh: &Mesh) -> Result<Given, StepError> {
    let namespaces = cluster
        .followed("v1", "Namespace", None, &Selector::default())
        .await?;
    namespaces
        .iter()
        .map(|object| {
            let namespace = survey::injected_namespace(object);
            let verdict = survey::plain_pod(mesh, &namespace);
            if let Verdict::Ambiguous(_) = verdict {
                return Err(StepError::failed(format!("namespace {}: {verdict}", namespace.name))
                    .help("its pods would get two sidecars (IST0139); remove one of the injectors first"));
            }
            Ok((namespace.name, verdict.revision().map(str::to_owned)))
        })
        .collect()
}

/// Simulates the injectors as they would be, and compares.
pub(super) async fn stays_inert(cluster: &Cluster, objects: &[Object]) -> Result<(), StepError> {
    let live = cluster
        .followed(
            survey::ADMISSION,
            "MutatingWebhookConfiguration",
            None,
            &Selector::default(),
        )
        .await?;
    let rendered: Vec<&Object> = objects
        .iter()
        .filter(|o| o.kind() == "MutatingWebhookConfiguration")
        .collect();
    let now = Mesh::new(live.iter().map(Object::value));
    let then = Mesh::new(
        live.iter()
            .filter(|old| !rendered.iter().any(|new| new.name() == old.name()))
            .chain(rendered.iter().copied())
            .map(Object::value),
    );
    stayed(&given(cluster, &now).await?, &given(cluster, &then).await?)
}

/// Every namespace keeps the injector that it had.
pub(super) fn stayed(before: &Given, after: &Given) -> Result<(), StepError> {
    let name =
        |revision: &Option<String>| revision.clone().unwrap_or_else(|| "no sidecar".to_owned());
    let moved: Vec<String> = before
        .iter()
        .filter_map(|(namespace, old)| {
            let new = after.get(namespace)?;
            (old != new).then(|| format!("{namespace}: {} becomes {}", name(old), name(new)))
        })
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    Err(StepError::failed(
        "the install would change who injects into namespaces that were not touched",
    )
    .details(moved)
    .help("an install must be inert; leave tags and default injectors to steps of their own"))
}

/// Both control planes are reachable: the new one's Service beside those that were there.
pub(super) async fn services_exist(
    step: &InstallRevision,
    cluster: &Cluster,
) -> Result<(), StepError> {
    let name = Names::new(&step.revision, &step.istio_namespace).istiod();
    let service = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Service".to_owned(),
        namespace: Some(step.istio_namespace.clone()),
        name: name.clone(),
    };
    match cluster.get(&service).await? {
        Some(_) => Ok(()),
        None => Err(
            StepError::failed(format!("the rendering brought no Service {name}"))
                .help("does the revision in the values agree with the step's?"),
        ),
    }
}
