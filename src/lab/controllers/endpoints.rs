//! `Endpoints` and `EndpointSlices` of Services with a selector.

use super::pass::Pass;
use super::pass::has_ended;
use super::pass::is_ready;
use super::pass::owner_reference;
use super::pass::ready_since;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::lab::api::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

const SLICES: &str = "endpointslices.discovery.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const AUTHOR: &str = "endpoint-controller";
/// When what a write follows from happened; without it, what follows from anything but a new Service or a pod that has
/// become ready.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The first minor of Kubernetes whose slices tell of pods that end.
const TELLS_OF_ENDING: u32 = 22;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("services", |pass, service| {
        let selector = &service["spec"]["selector"];
        if object::is_terminating(service)
            || selector.as_object().is_none_or(serde_json::Map::is_empty)
        {
            return;
        }
        let selector = LabelSelector::from_object(&json!({"matchLabels": selector}));
        let mut pods = pass.api.objects("pods", object::namespace(service));
        pods.retain(|pod| {
            selector.matches(object::labels(pod))
                && !has_ended(pod)
                && pod["status"]["podIP"].is_string()
        });
        slice(pass, service, &pods);
        pods.retain(|pod| !object::is_terminating(pod));
        endpoints(pass, service, &pods);
    });
    pass.each("endpoints", |pass, endpoints| {
        let (namespace, name) = (object::namespace(endpoints), object::name(endpoints));
        if object::labels(endpoints)[MANAGED_BY] == AUTHOR
            && pass.api.object("services", namespace, name).is_none()
        {
            pass.delete(endpoints, json!({}));
        }
    });
}

fn reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod), "uid": pod["metadata"]["uid"]})
}

/// The number behind a target port, which may be the name of a container's port.
fn target(port: &Value, pods: &[Arc<Value>]) -> Value {
    match &port["targetPort"] {
        Value::String(name) => {
            let containers = pods
                .iter()
                .flat_map(|pod| items(&pod["spec"], "containers"));
            let named = containers
                .flat_map(|container| items(container, "ports"))
                .find(|one| one["name"] == name.as_str());
            named.map_or(Value::Null, |one| one["containerPort"].clone())
        }
        Value::Null => port["port"].clone(),
        number => number.clone(),
    }
}

/// The ports that pods have.
fn ports(service: &Value, pods: &[Arc<Value>]) -> Vec<Value> {
    items(&service["spec"], "ports")
        .map(|port| {
            let mut entry = json!({
                "name": port["name"], "port": target(port, pods), "protocol": port["protocol"], "appProtocol": port["appProtocol"],
            });
            object::drop_nulls(&mut entry);
            entry
        })
        .filter(|entry| entry["port"].is_number())
        .collect()
}

fn metadata(service: &Value, own: &[(&str, &str)]) -> Value {
    let mut labels = service["metadata"]["labels"].clone();
    let headless = (service["spec"]["clusterIP"] == "None").then_some((HEADLESS, ""));
    for (key, value) in own.iter().copied().chain(headless) {
        labels[key] = json!(value);
    }
    json!({"namespace": object::namespace(service), "labels": labels})
}

fn endpoints(pass: &Pass<'_>, service: &Value, pods: &[Arc<Value>]) {
    let address = |pod: &Arc<Value>| json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod)});
    let all = service["spec"]["publishNotReadyAddresses"] == true;
    let (ready, waiting): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| all || is_ready(pod));
    let mut subset = json!({});
    for (key, pods) in [("addresses", ready), ("notReadyAddresses", waiting)] {
        if !pods.is_empty() {
            subset[key] = pods.into_iter().map(address).collect();
        }
    }
    let ports = ports(service, pods);
    let mut wanted = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": metadata(service, &[(MANAGED_BY, AUTHOR)]),
    });
    object::set_meta(&mut wanted, "name", json!(object::name(service)));
    if !(pods.is_empty() || ports.is_empty()) {
        subset["ports"] = json!(ports);
        wanted["subsets"] = json!([subset]);
    }
    let found = pass.api.object(
        "endpoints",
        object::namespace(service),
        object::name(service),
    );
    put(pass, service, found, wanted, pods, &["subsets"]);
}

fn slice(pass: &Pass<'_>, service: &Value, pods: &[Arc<Value>]) {
    let all = service["spec"]["publishNotReadyAddresses"] == true;
    let tells = pass.api.minor() >= TELLS_OF_ENDING;
    let entry = |pod: &Arc<Value>| {
        let (serving, ending) = (is_ready(pod), object::is_terminating(pod));
        let mut conditions = json!({"ready": all || (serving && !ending)});
        if tells {
            conditions["serving"] = json!(serving);
            conditions["terminating"] = json!(ending);
        }
        json!({
            "addresses": [pod["status"]["podIP"]], "conditions": conditions,
            "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod),
        })
    };
    let endpoints: Vec<Value> = pods
        .iter()
        .filter(|pod| tells || !object::is_terminating(pod))
        .map(entry)
        .collect();
    let mut ports = ports(service, pods);
    for port in &mut ports {
        object::default_to(port, "name", json!(""));
    }
    if endpoints.is_empty() {
        ports.clear();
    }
    let own = [
        ("kubernetes.io/service-name", object::name(service)),
        (
            "endpointslice.kubernetes.io/managed-by",
            "endpointslice-controller.k8s.io",
        ),
    ];
    let list = |items: Vec<Value>| {
        if items.is_empty() {
            Value::Null
        } else {
            json!(items)
        }
    };
    let mut wanted = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata(service, &own),
        "addressType": "IPv4", "endpoints": list(endpoints), "ports": list(ports),
    });
    let prefix = format!("{}-", object::name(service));
    object::set_meta(&mut wanted, "generateName", json!(prefix));
    object::set_meta(
        &mut wanted,
        "ownerReferences",
        json!([owner_reference(service)]),
    );
    let found = pass.controlled(service, SLICES);
    let found = found.into_iter().next();
    put(pass, service, found, wanted, pods, &["endpoints", "ports"]);
}

/// Creates the object, or brings these fields of it and its labels up to date.
fn put(
    pass: &Pass<'_>,
    service: &Value,
    found: Option<Arc<Value>>,
    mut wanted: Value,
    pods: &[Arc<Value>],
    fields: &[&str],
) {
    let known = found.as_ref().map(ToString::to_string).unwrap_or_default();
    let is_new = |pod: &&Arc<Value>| !known.contains(object::meta(pod, "uid"));
    let became_ready = pods
        .iter()
        .filter(is_new)
        .filter_map(|pod| ready_since(pod));
    let made = object::meta(service, "creationTimestamp").parse::<Timestamp>();
    let made = made.ok().filter(|_| found.is_none());
    let trigger = became_ready.chain(made).max();
    let Some(found) = found else {
        if let Some(at) = trigger {
            object::set_meta(&mut wanted, "annotations", json!({TRIGGER: at.to_string()}));
        }
        if let Err(error) = pass.create(wanted) {
            tracing::debug!(%error, "endpoints were not created");
        }
        return;
    };
    let mut next = (*found).clone();
    object::set_meta(&mut next, "labels", wanted["metadata"]["labels"].clone());
    for field in fields {
        next[*field] = wanted[*field].clone();
    }
    if fields.iter().any(|field| found[*field] != next[*field])
        || found["metadata"]["labels"] != next["metadata"]["labels"]
    {
        object::remove(&mut next["metadata"], "annotations");
        if let Some(at) = trigger {
            object::set_meta(&mut next, "annotations", json!({TRIGGER: at.to_string()}));
        }
        pass.update(&found, &next);
    }
}
