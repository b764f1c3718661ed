//! `Endpoints` and `EndpointSlices` of Services with a selector.

use super::pass::Pass;
use super::pass::controller_of;
use super::pass::is_active;
use super::pass::is_ready;
use super::pass::owner_reference;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::lab::api::selector::LabelSelector;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

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
                && is_active(pod)
                && pod["status"]["podIP"].is_string()
        });
        endpoints(pass, service, &pods);
        slice(pass, service, &pods);
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

fn ports(service: &Value, pods: &[Arc<Value>]) -> Vec<Value> {
    items(&service["spec"], "ports")
        .map(|port| {
            let mut entry = json!({"name": port["name"], "port": target(port, pods), "protocol": port["protocol"]});
            object::drop_nulls(&mut entry);
            entry
        })
        .collect()
}

fn endpoints(pass: &Pass<'_>, service: &Value, pods: &[Arc<Value>]) {
    let address = |pod: &Arc<Value>| json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod)});
    let (ready, waiting): (Vec<_>, Vec<_>) = pods.iter().partition(|pod| is_ready(pod));
    let mut subset = json!({});
    for (key, pods) in [("addresses", ready), ("notReadyAddresses", waiting)] {
        if !pods.is_empty() {
            subset[key] = pods.into_iter().map(address).collect();
        }
    }
    subset["ports"] = json!(ports(service, pods));
    let mut wanted = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": object::name(service), "namespace": object::namespace(service)},
    });
    if !pods.is_empty() {
        wanted["subsets"] = json!([subset]);
    }
    put(
        pass,
        "endpoints",
        object::name(service),
        wanted,
        &["subsets"],
    );
}

fn slice(pass: &Pass<'_>, service: &Value, pods: &[Arc<Value>]) {
    let entry = |pod: &Arc<Value>| {
        let ready = is_ready(pod);
        json!({
            "addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready, "serving": ready, "terminating": false},
            "nodeName": pod["spec"]["nodeName"], "targetRef": reference(pod),
        })
    };
    let uid = object::meta(service, "uid");
    let existing = pass.api.objects(
        "endpointslices.discovery.k8s.io",
        object::namespace(service),
    );
    let name = existing
        .iter()
        .find(|slice| controller_of(slice) == Some(uid))
        .map(|slice| object::name(slice).to_owned());
    let name = name.unwrap_or_else(|| format!("{}-lab", object::name(service)));
    let wanted = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": object::namespace(service), "ownerReferences": [owner_reference(service)],
            "labels": {"kubernetes.io/service-name": object::name(service), "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
        },
        "addressType": "IPv4", "endpoints": pods.iter().map(entry).collect::<Vec<_>>(), "ports": ports(service, pods),
    });
    put(
        pass,
        "endpointslices.discovery.k8s.io",
        &name,
        wanted,
        &["endpoints", "ports"],
    );
}

/// Creates the object, or brings these fields of it up to date.
fn put(pass: &Pass<'_>, resource: &str, name: &str, wanted: Value, fields: &[&str]) {
    let Some(found) = pass.api.object(resource, object::namespace(&wanted), name) else {
        if let Err(error) = pass.create(wanted) {
            tracing::debug!(%error, "endpoints were not created");
        }
        return;
    };
    let mut next = found.clone();
    for field in fields {
        match &wanted[*field] {
            Value::Null => {
                object::remove(&mut next, field);
            }
            value => next[*field] = value.clone(),
        }
    }
    pass.update(&found, &next);
}
