//! Lists and maps with several owners.

use super::{CONFIG, WEB, apply, web};
use crate::truth::cases;
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    an_apply_of_a_list_by_key,
    an_apply_of_a_set,
    an_apply_of_an_atomic_list,
    an_apply_of_an_atomic_map,
    an_apply_of_ports,
);

async fn an_apply_of_a_list_by_key(on: &Scene) {
    let with = |containers: Value| {
        web(
            &json!({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}}),
        )
    };
    apply(on, WEB, "one", with(json!([{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}]))).await;
    apply(on, WEB, "two", with(json!([{"name": "c", "image": "c:1"}]))).await;
    apply(on, WEB, "one", with(json!([{"name": "b", "image": "b:2"}]))).await;
}

async fn an_apply_of_a_set(on: &Scene) {
    let with = |finalizers: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": finalizers}});
    apply(
        on,
        CONFIG,
        "one",
        with(json!(["example.com/a", "example.com/b"])),
    )
    .await;
    apply(on, CONFIG, "two", with(json!(["example.com/c"]))).await;
    apply(on, CONFIG, "one", with(json!(["example.com/b"]))).await;
}

async fn an_apply_of_an_atomic_list(on: &Scene) {
    let with = |keys: &[&str]| {
        let tolerations: Vec<Value> = keys
            .iter()
            .map(|key| json!({"key": key, "operator": "Exists"}))
            .collect();
        web(
            &json!({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1", "args": keys}], "tolerations": tolerations}}}),
        )
    };
    apply(on, WEB, "one", with(&["a", "b"])).await;
    apply(on, WEB, "two", with(&["c"])).await;
    apply(on, WEB, "one", with(&["b"])).await;
}

async fn an_apply_of_an_atomic_map(on: &Scene) {
    let service = |selector: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selector": selector, "ports": [{"port": 80}]}});
    apply(
        on,
        "v1~services/a",
        "one",
        service(json!({"app": "a", "x": "y"})),
    )
    .await;
    apply(on, "v1~services/a", "one", service(json!({"app": "a"}))).await;
    apply(on, "v1~services/a", "two", service(json!({"app": "b"}))).await;
}

async fn an_apply_of_ports(on: &Scene) {
    let with = |ports: Value| {
        web(
            &json!({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1", "ports": ports}]}}}),
        )
    };
    apply(
        on,
        WEB,
        "one",
        with(json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}])),
    )
    .await;
    apply(
        on,
        WEB,
        "one",
        with(json!([{"containerPort": 80, "name": "http"}])),
    )
    .await;
}
