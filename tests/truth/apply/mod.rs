//! Server-side apply, and who owns what.

mod applies;
mod conflicts;
mod lists;
mod owners;

use crate::truth::samples::workload;
use crate::truth::scene::{APPLY, Scene};
use serde_json::{Value, json};

/// The cases, by what they are about.
pub(super) const CASES: &[&[super::Case]] = &[
    applies::CASES,
    conflicts::CASES,
    lists::CASES,
    owners::CASES,
];

pub(super) const CONFIG: &str = "v1~configmaps/a";

pub(super) const WEB: &str = "apps/v1~deployments/web";

pub(super) fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

pub(super) fn web(spec: &Value) -> Value {
    let mut deployment = workload("web");
    deployment["apiVersion"] = json!("apps/v1");
    deployment["kind"] = json!("Deployment");
    for (key, value) in spec.as_object().into_iter().flatten() {
        deployment["spec"][key] = value.clone();
    }
    deployment
}

/// Keeps the whole answer, managed fields included.
pub(super) async fn whole(on: &Scene, method: &str, path: &str, kind: &str, body: Value) {
    let answer = on.ask(method, path, kind, body).await;
    on.observe(
        &format!("{method} {path}"),
        json!({"code": answer.code, "body": answer.body}),
    );
}

pub(super) async fn apply(on: &Scene, path: &str, manager: &str, body: Value) {
    let separator = if path.contains('?') { '&' } else { '?' };
    whole(
        on,
        "PATCH",
        &format!("{path}{separator}fieldManager={manager}"),
        APPLY,
        body,
    )
    .await;
}
