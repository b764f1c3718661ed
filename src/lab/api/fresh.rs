//! What becomes of a new object before it is stored.

use super::defaults;
use super::object;
use super::registry::Resource;
use super::server::Call;
use super::server::State;
use super::status_error::StatusError;
use super::store::Key;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

pub(super) fn namespace_accepts(
    state: &State,
    call: &Call,
    body: &Value,
) -> Result<(), StatusError> {
    if !call.target.resource.namespaced {
        return Ok(());
    }
    let namespace = &call.target.namespace;
    let found = state
        .store
        .get(&Key::new("namespaces", "", namespace))
        .ok_or_else(|| StatusError::not_found("namespaces", "", namespace))?;
    if object::is_terminating(found) {
        let resource = &call.target.resource;
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut error =
            StatusError::forbidden(&resource.plural, &resource.group, object::name(body), &why);
        error.status["details"]["causes"] = json!([{"reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace"}]);
        return Err(error);
    }
    Ok(())
}

pub(super) fn generate_name(state: &mut State, body: &mut Value) {
    let prefix = object::meta(body, "generateName").to_owned();
    if object::name(body).is_empty() && !prefix.is_empty() {
        let name = format!("{}{}", &prefix[..prefix.len().min(58)], state.ids.suffix());
        object::set_meta(body, "name", json!(name));
    }
}

/// Brings a new object into the shape that is stored.
pub(super) fn prepare(body: &mut Value, call: &Call) {
    let resource = &call.target.resource;
    if !resource.is_custom() {
        object::drop_nulls(body);
        object::drop_empty(body);
    }
    if resource.has("status") {
        object::remove(body, "status");
    }
    match resource.kind.as_str() {
        "Namespace" => {
            object::default_to(body, "spec", json!({}));
            object::default_to(&mut body["spec"], "finalizers", json!(["kubernetes"]));
        }
        "ReplicaSet" | "ReplicationController" => body["status"] = json!({"replicas": 0}),
        "Service" => body["status"] = json!({"loadBalancer": {}}),
        "StatefulSet" => body["status"] = json!({"replicas": 0, "availableReplicas": 0}),
        "DaemonSet" => {
            body["status"] = json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0});
            object::default_to(&mut body["metadata"], "annotations", json!({}));
            body["metadata"]["annotations"]["deprecated.daemonset.template.generation"] =
                json!("1");
        }
        "PodDisruptionBudget" => {
            body["status"] = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
        }
        kind if !resource.is_custom()
            && !matches!(kind, "CustomResourceDefinition")
            && resource.has("status") =>
        {
            body["status"] = json!({});
        }
        _ => {}
    }
    defaults::fill(body, &resource.kind, &call.target.version);
}

/// What the server's own admission and allocators give, owned by nobody.
pub(super) fn allocate(state: &State, body: &mut Value, resource: &Resource) {
    match resource.kind.as_str() {
        "Pod" => {
            body["status"] =
                json!({"phase": "Pending", "qosClass": defaults::quality(&body["spec"])});
        }
        "Job" => defaults::name_pods_of_job(body),
        "CustomResourceDefinition" => {
            let now = body["metadata"]["creationTimestamp"].clone();
            for condition in object::items_mut(&mut body["status"], "conditions") {
                object::default_to(condition, "lastTransitionTime", now.clone());
            }
        }
        _ => {}
    }
    if resource.kind != "Service"
        || body["spec"]["type"] == "ExternalName"
        || !body["spec"].is_object()
    {
        return;
    }
    let next = state.store.revision() % 62_000 + 257;
    object::default_to(
        &mut body["spec"],
        "clusterIP",
        json!(format!("10.96.{}.{}", next / 256, next % 256)),
    );
    let address = body["spec"]["clusterIP"].clone();
    object::default_to(&mut body["spec"], "clusterIPs", json!([address]));
    // Nobody but the endpoints' author knows the families of a headless service without a selector.
    let spec = &mut body["spec"];
    let open = spec["clusterIP"] == "None" && spec["selector"].is_null();
    let (families, policy) = if open {
        (json!(["IPv4", "IPv6"]), "RequireDualStack")
    } else {
        (json!(["IPv4"]), "SingleStack")
    };
    object::default_to(spec, "ipFamilies", families);
    object::default_to(spec, "ipFamilyPolicy", json!(policy));
}

/// The plugins `ServiceAccount`, `Priority` and `DefaultTolerationSeconds`.
pub(super) fn admit_pod(
    state: &mut State,
    call: &Call,
    pod: &mut Value,
) -> Result<(), StatusError> {
    let name = object::name(pod).to_owned();
    let spec = &mut pod["spec"];
    let account = spec["serviceAccountName"]
        .as_str()
        .unwrap_or("default")
        .to_owned();
    let namespace = &call.target.namespace;
    let key = Key::new("serviceaccounts", namespace, &account);
    let found = state.store.get(&key).map(Arc::clone);
    if found.is_none() && !call.own {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(StatusError::forbidden("pods", "", &name, &why));
    }
    let wished = match &spec["automountServiceAccountToken"] {
        Value::Null => found.is_none_or(|account| account["automountServiceAccountToken"] != false),
        wish => *wish == true,
    };
    if wished {
        mount_token(state, spec);
    }
    object::default_to(spec, "serviceAccountName", json!(account));
    object::default_to(spec, "serviceAccount", json!(account));
    object::default_to(spec, "priority", json!(0));
    object::default_to(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    let mut tolerations: Vec<Value> = object::items(spec, "tolerations").cloned().collect();
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        if !tolerations.iter().any(|one| one["key"] == key) {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    spec["tolerations"] = Value::Array(tolerations);
    Ok(())
}

/// Where containers find the token of their account.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn mount_token(state: &mut State, spec: &mut Value) {
    const PREFIX: &str = "kube-api-access-";
    let old = object::items(spec, "volumes")
        .filter_map(|volume| volume["name"].as_str())
        .find(|name| name.starts_with(PREFIX))
        .map(str::to_owned);
    let is_new = old.is_none();
    let name = old.unwrap_or_else(|| format!("{PREFIX}{}", state.ids.suffix()));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in object::items_mut(spec, list) {
            if object::items(container, "volumeMounts").all(|mount| mount["mountPath"] != TOKEN) {
                object::default_to(container, "volumeMounts", json!([]));
                if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                    mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN}));
                    mounted = true;
                }
            }
        }
    }
    if mounted && is_new {
        object::default_to(spec, "volumes", json!([]));
        if let Some(volumes) = spec["volumes"].as_array_mut() {
            volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ]}}));
        }
    }
}
