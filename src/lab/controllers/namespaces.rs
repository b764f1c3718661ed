//! Namespaces: what is made in a new one, and what goes with a terminating one.

use super::pass::Pass;
use super::pass::set_condition;
use crate::lab::api::object;
use crate::lab::api::object::items;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const ACCOUNT: &str = "default";
const ROOT: &str = "kube-root-ca.crt";
/// What every namespace has, by name.
pub(super) const GIVEN: [&str; 2] = [ACCOUNT, ROOT];
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nlab\n-----END CERTIFICATE-----\n";

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("namespaces", |pass, namespace| {
        if object::is_terminating(namespace) {
            empty(pass, namespace);
        } else {
            furnish(pass, object::name(namespace));
        }
    });
}

fn furnish(pass: &Pass<'_>, namespace: &str) {
    if pass
        .api
        .object("serviceaccounts", namespace, ACCOUNT)
        .is_none()
    {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}});
        make(pass, account);
    }
    let data = json!({"ca.crt": CERTIFICATE});
    match pass.api.object("configmaps", namespace, ROOT) {
        None => make(
            pass,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata": {"name": ROOT, "namespace": namespace, "annotations": {
                "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
            }}}),
        ),
        // A snapshot leaves out the data of what no plan reads.
        Some(found) if found["data"].is_null() => {}
        Some(found) => {
            let mut next = (*found).clone();
            next["data"] = data;
            pass.update(&found, &next);
        }
    }
}

fn make(pass: &Pass<'_>, object: Value) {
    if let Err(error) = pass.create(object) {
        tracing::debug!(%error, "a namespace was not furnished");
    }
}

fn empty(pass: &Pass<'_>, namespace: &Value) {
    let name = object::name(namespace);
    let content = || -> Vec<Arc<Value>> {
        let mut all = pass.api.everything();
        all.retain(|one| object::namespace(one) == name);
        all
    };
    for one in content().iter().filter(|one| !object::is_terminating(one)) {
        pass.delete(one, json!({"propagationPolicy": "Background"}));
    }
    let left = content();
    if left.is_empty() {
        let mut next = namespace.clone();
        next["spec"]["finalizers"] = json!([]);
        pass.send("PUT", namespace, "/finalize", next);
    } else {
        tell(pass, namespace, &left);
    }
}

/// Says what is left and what holds it.
fn tell(pass: &Pass<'_>, namespace: &Value, left: &[Arc<Value>]) {
    let mut resources: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    for one in left {
        *resources.entry(resource(pass, one)).or_default() += 1;
        for finalizer in items(&one["metadata"], "finalizers").filter_map(Value::as_str) {
            *finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }
    let list = |counts: &BTreeMap<String, usize>, verb: &str| {
        let parts = counts.iter();
        let parts = parts.map(|(what, count)| format!("{what} {verb} {count} resource instances"));
        parts.collect::<Vec<_>>().join(", ")
    };
    let mut conditions: Vec<Value> = items(&namespace["status"], "conditions").cloned().collect();
    let now = pass.time();
    let mut set = |kind: &str, status: bool, reason: &str, message: String| {
        let status = if status { "True" } else { "False" };
        let condition =
            json!({"type": kind, "status": status, "reason": reason, "message": message});
        set_condition(&mut conditions, condition, &now);
    };
    set(
        "NamespaceDeletionDiscoveryFailure",
        false,
        "ResourcesDiscovered",
        "All resources successfully discovered".to_owned(),
    );
    set(
        "NamespaceDeletionGroupVersionParsingFailure",
        false,
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed".to_owned(),
    );
    set(
        "NamespaceDeletionContentFailure",
        false,
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization".to_owned(),
    );
    set(
        "NamespaceContentRemaining",
        true,
        "SomeResourcesRemain",
        format!("Some resources are remaining: {}", list(&resources, "has")),
    );
    if finalizers.is_empty() {
        set(
            "NamespaceFinalizersRemaining",
            false,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished".to_owned(),
        );
    } else {
        set(
            "NamespaceFinalizersRemaining",
            true,
            "SomeFinalizersRemain",
            format!(
                "Some content in the namespace has finalizers remaining: {}",
                list(&finalizers, "in")
            ),
        );
    }
    let mut status = namespace["status"].clone();
    status["conditions"] = json!(conditions);
    pass.set_status(namespace, status);
}

/// `configmaps.`, `deployments.apps`.
fn resource(pass: &Pass<'_>, one: &Value) -> String {
    let path = pass
        .api
        .path(one)
        .map(|(collection, _)| collection)
        .unwrap_or_default();
    let plural = path.rsplit('/').next().unwrap_or_default();
    let version = one["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    format!("{plural}.{group}")
}
