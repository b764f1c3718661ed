//! What the server fills into a pod's specification.

use crate::lab::api::object;
use crate::lab::api::object::default_to;
use crate::lab::api::object::items;
use crate::lab::api::object::items_mut;
use crate::lab::api::quantity;
use serde_json::Value;
use serde_json::json;

/// A pod's specification, in a Pod or in a template.
pub(super) fn fill(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    let host_network = spec["hostNetwork"] == true;
    for (key, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ] {
        default_to(spec, key, value);
    }
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        default_to(spec, "serviceAccount", json!(account));
    }
    for list in ["initContainers", "containers"] {
        items_mut(spec, list).for_each(|container| self::container(container, host_network));
    }
    items_mut(spec, "volumes").for_each(volume);
}

fn container(container: &mut Value, host_network: bool) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && (!tag.contains(':') || tag.ends_with(":latest"));
    for (key, value) in [
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        (
            "imagePullPolicy",
            json!(if latest { "Always" } else { "IfNotPresent" }),
        ),
    ] {
        default_to(container, key, value);
    }
    resources(container);
    if let Some(Value::Object(limits)) = container["resources"].get("limits").cloned() {
        default_to(&mut container["resources"], "requests", json!({}));
        for (of, amount) in limits {
            default_to(&mut container["resources"]["requests"], &of, amount);
        }
    }
    for port in items_mut(container, "ports") {
        default_to(port, "protocol", json!("TCP"));
        if host_network {
            let number = port["containerPort"].clone();
            default_to(port, "hostPort", number);
        }
    }
    for variable in items_mut(container, "env") {
        if variable["value"] == "" {
            object::remove(variable, "value");
        }
        if let Some(field) = variable
            .get_mut("valueFrom")
            .and_then(|from| from.get_mut("fieldRef"))
        {
            default_to(field, "apiVersion", json!("v1"));
        }
        if let Some(divisor) = variable.pointer_mut("/valueFrom/resourceFieldRef/divisor") {
            quantity::canonicalize(divisor);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            for (key, value) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                default_to(probe, key, json!(value));
            }
            if let Some(get) = probe.get_mut("httpGet") {
                default_to(get, "path", json!("/"));
                default_to(get, "scheme", json!("HTTP"));
            }
        }
    }
}

pub(super) fn resources(of: &mut Value) {
    if let Some(resources) = of.get_mut("resources") {
        amounts(resources, "limits");
        amounts(resources, "requests");
    }
}

pub(super) fn amounts(of: &mut Value, field: &str) {
    if let Some(amounts) = of.get_mut(field) {
        quantity::canonicalize_all(amounts);
    }
}

fn volume(volume: &mut Value) {
    if let Some(limit) = volume.pointer_mut("/emptyDir/sizeLimit") {
        quantity::canonicalize(limit);
    }
    if let Some(path) = volume.get_mut("hostPath") {
        default_to(path, "type", json!(""));
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items_mut(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                default_to(token, "expirationSeconds", json!(3600));
            }
            if let Some(downward) = source.get_mut("downwardAPI") {
                version_of_fields(downward);
            }
        }
    }
    if let Some(downward) = volume.get_mut("downwardAPI") {
        version_of_fields(downward);
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source) {
            default_to(source, "defaultMode", json!(420));
        }
    }
    if volume.as_object().is_some_and(|map| map.len() == 1) {
        volume["emptyDir"] = json!({});
    }
}

fn version_of_fields(source: &mut Value) {
    for item in items_mut(source, "items") {
        if let Some(field) = item.get_mut("fieldRef") {
            default_to(field, "apiVersion", json!("v1"));
        }
    }
}

/// What a pod's requests and limits come to.
pub(in crate::lab::api) fn quality(spec: &Value) -> &'static str {
    let containers = || items(spec, "initContainers").chain(items(spec, "containers"));
    let amount = |container: &Value, kind: &str, of: &str| container["resources"][kind][of].clone();
    let is_bound = |container: &Value| {
        ["cpu", "memory"].iter().all(|of| {
            let limit = amount(container, "limits", of);
            !limit.is_null() && limit == amount(container, "requests", of)
        })
    };
    let asks = |container: &Value| {
        ["limits", "requests"].iter().any(|kind| {
            ["cpu", "memory"]
                .iter()
                .any(|of| !amount(container, kind, of).is_null())
        })
    };
    if !containers().any(asks) {
        "BestEffort"
    } else if containers().all(is_bound) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
