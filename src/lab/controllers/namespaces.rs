//! Namespaces: what is made in a new one, and what goes with a terminating one.

use super::pass::Pass;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("namespaces", |pass, namespace| {
        if object::is_terminating(namespace) {
            empty(pass, namespace);
        } else if pass
            .api
            .object("serviceaccounts", object::name(namespace), "default")
            .is_none()
        {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": object::name(namespace)}});
            if let Err(error) = pass.create(account) {
                tracing::debug!(%error, "no default service account");
            }
        }
    });
}

fn empty(pass: &Pass<'_>, namespace: &Value) {
    let name = object::name(namespace);
    let content: Vec<Arc<Value>> = pass
        .api
        .everything()
        .into_iter()
        .filter(|one| object::namespace(one) == name)
        .collect();
    for one in content.iter().filter(|one| !object::is_terminating(one)) {
        pass.delete(one, json!({"propagationPolicy": "Background"}));
    }
    if content.is_empty() {
        let mut next = namespace.clone();
        next["spec"]["finalizers"] = json!([]);
        pass.send("PUT", namespace, "/finalize", next);
    }
}
