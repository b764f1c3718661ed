//! What a rendering may hold: one control plane, of the revision and version asked for, and nothing else.

use serde_json::Value;

use crate::cluster::{Object, ObjectRef};
use crate::mesh::injection::is_gateway;
use crate::mesh::istiod::{INJECTION_LABEL, Names, REVISION_LABEL, revision_of_address};
use crate::mesh::version::Version;
use crate::model::action::InstallRevision;
use crate::steps::context::StepError;
use crate::steps::survey;

/// What runs pods, DaemonSets aside: of these a control plane has its istiod.
const WORKLOADS: [&str; 6] = [
    "CronJob",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "StatefulSet",
];

/// Refuses what is not the control plane that the step names.
pub(super) fn check(
    step: &InstallRevision,
    version: &Version,
    objects: &[Object],
) -> Result<(), StepError> {
    is_of_revision(step, objects)?;
    is_of_version(version, objects)?;
    is_a_control_plane(step, objects)
}

fn is_of_revision(step: &InstallRevision, objects: &[Object]) -> Result<(), StepError> {
    let others: Vec<String> = objects
        .iter()
        .filter_map(|object| Some((object, revision(object)?)))
        .filter(|(_, revision)| *revision != step.revision)
        .map(|(object, revision)| format!("{}: {revision}", ObjectRef::from(object)))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(StepError::failed(format!(
        "the rendering is of another revision than {}",
        step.revision
    ))
    .details(others)
    .help("let the values or files agree with `revision`; nothing was applied"))
}

/// The revision of an istiod or an injector: by its label, or, of an istiod without one, by its name. What revisions
/// share may have the label of another (the chart `base` labels its validator so).
fn revision(object: &Object) -> Option<&str> {
    let is_istiod = is_istiod(object);
    let label = object.value()["metadata"]["labels"][REVISION_LABEL].as_str();
    let by_name = || revision_of_address(object.name()).filter(|_| is_istiod);
    label
        .filter(|_| is_istiod || object.kind() == "MutatingWebhookConfiguration")
        .or_else(by_name)
}

fn is_of_version(version: &Version, objects: &[Object]) -> Result<(), StepError> {
    let others: Vec<String> = objects
        .iter()
        .filter(|object| is_istiod(object))
        .filter_map(|istiod| Some((istiod, rendered_version(istiod)?)))
        // A build between releases has a tag such as `1.31-alpha.0`.
        .filter(|(_, found)| !version.covers(found) && !found.covers(version))
        .map(|(istiod, found)| {
            let image = survey::image(istiod).unwrap_or_default();
            format!("{}: {found} ({image})", ObjectRef::from(istiod))
        })
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(StepError::failed(format!(
        "the rendering is of another version than {version}"
    ))
    .details(others)
    .help("let the charts, values or files agree with `version`; nothing was applied"))
}

/// By the tag of the image; by the label where that says nothing. Nothing is known of an image of one's own.
fn rendered_version(istiod: &Object) -> Option<Version> {
    let label = istiod.value()["metadata"]["labels"]["app.kubernetes.io/version"].as_str();
    let label = label.filter(|label| *label != survey::UNRELEASED);
    survey::image_version(istiod).or_else(|| label?.parse().ok())
}

fn is_istiod(object: &Object) -> bool {
    object.kind() == "Deployment" && survey::image(object).is_some()
}

fn is_a_control_plane(step: &InstallRevision, objects: &[Object]) -> Result<(), StepError> {
    let foreign: Vec<String> = objects
        .iter()
        .filter_map(|object| {
            let why = refusal(step, object)?;
            Some(format!("{}: {why}", ObjectRef::from(object)))
        })
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(StepError::failed("the rendering holds more than a control plane")
        .details(foreign)
        .help("gateways, CNI and ztunnel are not revisioned: a canary would change them in place; use `profile: minimal` or disable them, and leave what else is needed to who owns it"))
}

fn refusal(step: &InstallRevision, object: &Object) -> Option<String> {
    let template = &object.value()["spec"]["template"];
    let home = &step.istio_namespace;
    let istiod = || Names::new(&step.revision, home).istiod();
    match object.kind() {
        "DaemonSet" => Some("a DaemonSet serves every revision".to_owned()),
        "Deployment" if is_gateway(template) => Some("a gateway".to_owned()),
        kind if WORKLOADS.contains(&kind) && (kind, object.name()) != ("Deployment", &istiod()) => {
            Some(format!("a workload other than {}", istiod()))
        }
        "Deployment" if object.namespace().is_some_and(|own| own != home) => {
            Some(format!("outside of {home}"))
        }
        "Namespace" if object.name() != home => Some(format!("a namespace other than {home}")),
        "Namespace" if asks_for_sidecars(object.value()) => {
            Some("labels about injection".to_owned())
        }
        _ => None,
    }
}

fn asks_for_sidecars(namespace: &Value) -> bool {
    [INJECTION_LABEL, REVISION_LABEL]
        .iter()
        .any(|label| namespace["metadata"]["labels"].get(label).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Action, Kind};

    fn step() -> InstallRevision {
        let with = json!({ "revision": "canary", "version": "1.29.1" });
        match Kind::InstallRevision.decode(with) {
            Ok(Action::InstallRevision(step)) => step,
            other => panic!("{other:?}"),
        }
    }

    fn object(kind: &str, name: &str, rest: &Value) -> Object {
        let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
        for (key, value) in rest.as_object().into_iter().flatten() {
            if key == "labels" || key == "namespace" {
                object["metadata"][key] = value.clone();
            } else {
                object[key] = value.clone();
            }
        }
        Object::new(object)
    }

    fn istiod(name: &str, image: &str, labels: &Value) -> Object {
        let spec = json!({ "template": { "spec": { "containers": [{ "name": "discovery", "image": image }] } } });
        let rest = json!({ "namespace": "istio-system", "labels": labels, "spec": spec });
        object("Deployment", name, &rest)
    }

    fn refused(objects: &[Object]) -> Option<(String, Vec<String>)> {
        let error = check(&step(), &"1.29.1".parse().unwrap(), objects).err()?;
        Some((error.failure.message, error.failure.details))
    }

    #[test]
    fn another_revision_is_named() {
        let labelled = json!({ "istio.io/rev": "blue" });
        let found = refused(&[
            object("ConfigMap", "istio-blue", &json!({ "labels": labelled })),
            object(
                "MutatingWebhookConfiguration",
                "istio-sidecar-injector-blue",
                &json!({ "labels": labelled }),
            ),
            istiod("istiod-green", "pilot:1.29.1", &json!({})),
        ]);
        let (message, details) = found.unwrap();
        assert_eq!(message, "the rendering is of another revision than canary");
        assert_eq!(
            details,
            [
                "MutatingWebhookConfiguration/istio-sidecar-injector-blue: blue",
                "Deployment/istio-system/istiod-green: green"
            ]
        );
    }

    #[test]
    fn another_version_is_named() {
        let of = |image: &str, labels: &Value| refused(&[istiod("istiod-canary", image, labels)]);
        let (message, details) = of("hub:5000/pilot:1.28.2-distroless", &json!({})).unwrap();
        assert_eq!(message, "the rendering is of another version than 1.29.1");
        assert_eq!(
            details,
            [
                "Deployment/istio-system/istiod-canary: 1.28.2-distroless (hub:5000/pilot:1.28.2-distroless)"
            ]
        );
        let label = |version: &str| json!({ "app.kubernetes.io/version": version });
        assert!(of("pilot@sha256:0", &label("1.28.2")).is_some());
        for (image, labels) in [
            ("pilot:1.29.1-distroless", label("1.0.0")),
            ("pilot:ours", label("1.0.0")),
            ("pilot:ours", label("1.29.1")),
            ("pilot:1.29-alpha.0a1b2c", label("1.0.0")),
        ] {
            assert_eq!(of(image, &labels), None, "{image} {labels}");
        }
    }

    #[test]
    fn only_a_control_plane_is_let_through() {
        let labels = json!({ "labels": { "istio.io/rev": "canary" } });
        let elsewhere = json!({ "namespace": "shop" });
        let (message, details) = refused(&[
            istiod("istiod-canary", "pilot:1.29.1", &json!({})),
            object("Namespace", "istio-system", &json!({})),
            object("Namespace", "shop", &json!({})),
            object("Namespace", "istio-system", &labels),
            object("Deployment", "intruder", &elsewhere),
            object(
                "Deployment",
                "intruder",
                &json!({ "namespace": "istio-system" }),
            ),
            object("ConfigMap", "a", &elsewhere),
            object(
                "PeerAuthentication",
                "default",
                &json!({ "namespace": "istio-system" }),
            ),
            object("Deployment", "istiod-canary", &elsewhere),
            object("Job", "a", &json!({ "namespace": "istio-system" })),
        ])
        .unwrap();
        assert_eq!(message, "the rendering holds more than a control plane");
        assert_eq!(
            details,
            [
                "Namespace/shop: a namespace other than istio-system",
                "Namespace/istio-system: labels about injection",
                "Deployment/shop/intruder: a workload other than istiod-canary",
                "Deployment/istio-system/intruder: a workload other than istiod-canary",
                "Deployment/shop/istiod-canary: outside of istio-system",
                "Job/istio-system/a: a workload other than istiod-canary",
            ]
        );
    }
}
