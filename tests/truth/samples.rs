//! The objects that the cases are about.

use serde_json::{Value, json};

pub(crate) fn config(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": name}}, "data": {"a": "1"}})
}

pub(crate) fn template(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

/// A Deployment, StatefulSet or DaemonSet.
pub(crate) fn workload(name: &str) -> Value {
    let labels = json!({"app": name});
    json!({"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template(&labels)}})
}

pub(crate) fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

pub(crate) fn service(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}})
}

/// A CRD of this group, with one version and this schema of the whole object.
pub(crate) fn definition(group: &str, schema: &Value) -> Value {
    json!({
        "metadata": {"name": format!("tunes.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "tunes", "singular": "tune", "kind": "Tune", "listKind": "TuneList", "shortNames": ["tn"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

pub(crate) fn free() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
