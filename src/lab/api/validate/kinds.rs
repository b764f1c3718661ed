//! What the objects of each kind must have (`pkg/apis/*/validation`).

use super::names;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::lab::api::schema;
use crate::lab::api::selector::LabelSelector;
use crate::lab::api::status_error::Cause;
use serde_json::Value;
use serde_json::json;

/// Checks an object of a built-in kind.
pub(super) fn check(after: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &after["spec"];
    match after["kind"].as_str().unwrap_or_default() {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            workload(after, before, causes);
        }
        "Pod" => {
            containers(spec, "spec", causes);
            if before.is_some_and(|before| unchanging(&before["spec"]) != unchanging(spec)) {
                causes.push(Cause::forbidden(
                    "spec",
                    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
                ));
            }
        }
        "Service" => service(spec, before.map(|before| &before["spec"]), causes),
        "ConfigMap" => config_map(after, before, causes),
        "Lease"
            if spec["leaseDurationSeconds"]
                .as_i64()
                .is_some_and(|seconds| seconds <= 0) =>
        {
            causes.push(Cause::invalid(
                "spec.leaseDurationSeconds",
                &spec["leaseDurationSeconds"],
                "must be greater than 0",
            ));
        }
        "PodDisruptionBudget"
            if !(spec["minAvailable"].is_null() || spec["maxUnavailable"].is_null()) =>
        {
            let shown = json!({
                "MinAvailable": spec["minAvailable"], "Selector": spec["selector"], "MaxUnavailable": spec["maxUnavailable"], "UnhealthyPodEvictionPolicy": null,
            });
            let detail = "minAvailable and maxUnavailable cannot be both set";
            causes.push(Cause::invalid("spec", &shown, detail));
        }
        "PodDisruptionBudget" => {
            let policy = &spec["unhealthyPodEvictionPolicy"];
            let known = ["AlwaysAllow", "IfHealthyBudget"];
            if policy
                .as_str()
                .is_some_and(|policy| !known.contains(&policy))
            {
                causes.push(Cause::unsupported(
                    "spec.unhealthyPodEvictionPolicy",
                    policy,
                    &known,
                ));
            }
        }
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            webhooks(after, causes);
        }
        "CustomResourceDefinition" => schema::check_definition(after, causes),
        _ => {}
    }
}

fn containers(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    if items(spec, "containers").next().is_none() {
        causes.push(Cause::required(&format!("{field}.containers"), ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    for list in ["initContainers", "containers"] {
        for (at, container) in items(spec, list).enumerate() {
            let field = format!("{field}.{list}[{at}]");
            let name = container["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                causes.push(Cause::required(&format!("{field}.name"), ""));
            } else if seen.contains(&name) {
                causes.push(Cause {
                    reason: "FieldValueDuplicate",
                    message: format!("Duplicate value: \"{name}\""),
                    field: format!("{field}.name"),
                });
            }
            seen.push(name);
            // A template may leave it to somebody else, a pod may not.
            if container["image"].as_str().unwrap_or_default().is_empty()
                && !field.contains("template")
            {
                causes.push(Cause::required(&format!("{field}.image"), ""));
            }
        }
    }
}

/// What of a pod's specification stays as it was.
fn unchanging(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for field in [
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
    ] {
        object::remove(&mut spec, field);
    }
    for list in ["containers", "initContainers"] {
        for container in object::items_mut(&mut spec, list) {
            object::remove(container, "image");
        }
    }
    spec
}

fn workload(after: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &after["spec"];
    if spec["replicas"]
        .as_i64()
        .is_some_and(|replicas| replicas < 0)
    {
        let detail = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &spec["replicas"], detail));
    }
    if spec["selector"].is_null() {
        causes.push(Cause::required("spec.selector", ""));
    }
    // No selector matches nothing.
    if spec["selector"].is_null()
        || !LabelSelector::from_object(&spec["selector"])
            .matches(&spec["template"]["metadata"]["labels"])
    {
        let value = &spec["template"]["metadata"]["labels"];
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            value,
            "`selector` does not match template `labels`",
        ));
    }
    names::labels(
        &spec["template"]["metadata"]["labels"],
        "spec.template.labels",
        causes,
    );
    containers(&spec["template"]["spec"], "spec.template.spec", causes);
    let Some(before) = before.map(|before| &before["spec"]) else {
        return;
    };
    if after["kind"] == "StatefulSet" {
        const MUTABLE: [&str; 7] = [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ];
        let kept = |spec: &Value| {
            let mut kept = spec.clone();
            for field in MUTABLE {
                object::remove(&mut kept, field);
            }
            kept
        };
        if kept(before) != kept(spec) {
            let quoted = MUTABLE.map(|field| format!("'{field}'"));
            let (last, first) = quoted
                .split_last()
                .map_or(("", &quoted[..]), |(last, first)| (last, first));
            causes.push(Cause::forbidden(
                "spec",
                &format!(
                    "updates to statefulset spec for fields other than {} and {last} are forbidden",
                    first.join(", ")
                ),
            ));
        }
    } else if before["selector"] != spec["selector"] {
        causes.push(Cause::invalid(
            "spec.selector",
            &spec["selector"],
            "field is immutable",
        ));
    }
}

fn service(spec: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let portless = spec["type"] == "ExternalName" || spec["clusterIP"] == "None";
    if items(spec, "ports").next().is_none() && !portless {
        causes.push(Cause::required("spec.ports", ""));
    }
    let address = |spec: &Value| spec["clusterIP"].as_str().unwrap_or_default().to_owned();
    if let Some(before) = before
        && !address(before).is_empty()
        && spec["type"] != "ExternalName"
        && address(before) != address(spec)
    {
        let shown = json!([spec["clusterIP"]]);
        causes.push(Cause::invalid(
            "spec.clusterIPs[0]",
            &shown,
            "may not change once set",
        ));
    }
}

fn config_map(after: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    for field in ["data", "binaryData"] {
        for (key, _) in after[field].as_object().into_iter().flatten() {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if !key.bytes().all(fits) {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(
                    &format!("{field}[{key}]"),
                    &json!(key),
                    detail,
                ));
            }
        }
        if let Some(before) = before.filter(|before| before["immutable"] == true)
            && before[field] != after[field]
        {
            let detail = "field is immutable when `immutable` is set";
            causes.push(Cause::forbidden(field, detail));
        }
    }
}

fn webhooks(configuration: &Value, causes: &mut Vec<Cause>) {
    for (at, hook) in items(configuration, "webhooks").enumerate() {
        let field = |name: &str| format!("webhooks[{at}].{name}");
        let name = hook["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(Cause::required(&field("name"), ""));
        } else if name.split('.').count() < 3 {
            let detail = "should be a domain with at least three segments separated by dots";
            causes.push(Cause::invalid(&field("name"), &hook["name"], detail));
        }
        // v1beta1 had them filled in.
        if configuration["apiVersion"] == "admissionregistration.k8s.io/v1" {
            if !matches!(hook["sideEffects"].as_str(), Some("None" | "NoneOnDryRun")) {
                causes.push(Cause::required(
                    &field("sideEffects"),
                    "must specify one of None, NoneOnDryRun",
                ));
            }
            if items(hook, "admissionReviewVersions").next().is_none() {
                causes.push(Cause::required(
                    &field("admissionReviewVersions"),
                    "must specify one of v1, v1beta1",
                ));
            }
        }
        let client = &hook["clientConfig"];
        if client["url"].is_null() == client["service"].is_null() {
            causes.push(Cause::required(
                &field("clientConfig"),
                "exactly one of url or service is required",
            ));
        }
    }
}
