//! What an apply makes, and what it refuses.

use super::{CONFIG, WEB, apply, map, web, whole};
use crate::truth::cases;
use crate::truth::samples::{config, definition};
use crate::truth::scene::{APPLY, MERGE, Scene};
use serde_json::{Value, json};

cases!(
    an_apply_makes_what_is_not_there,
    an_apply_needs_a_manager,
    an_apply_of_yaml,
    an_apply_with_a_key_twice,
    an_apply_without_a_kind,
    an_apply_again_changes_nothing,
    an_apply_drops_what_it_no_longer_names,
    an_apply_leaves_what_others_set,
    an_apply_of_amounts,
    an_apply_meets_an_update,
    a_dry_run_of_an_apply,
    an_apply_with_a_revision,
    an_apply_with_a_uid,
    an_apply_with_managed_fields,
    an_apply_of_the_status,
    an_apply_of_a_scale,
    an_apply_leaves_the_status,
    an_apply_of_a_namespace,
    an_apply_of_a_custom_object,
    an_apply_of_an_invalid_object,
    an_apply_of_an_unknown_field,
    a_force_without_an_apply,
);

async fn an_apply_makes_what_is_not_there(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, WEB, "one", web(&json!({}))).await;
}

/// A server keeps each amount in one form, however it was written.
async fn an_apply_of_amounts(on: &Scene) {
    let containers: Vec<Value> = [
        json!({"cpu": "1000m", "memory": "2048Mi"}),
        json!({"cpu": 0.5, "memory": "1.5Gi"}),
        json!({"cpu": "1500m", "memory": "100000000"}),
        json!({"cpu": 2, "memory": "1e6"}),
        json!({"cpu": "0.10", "memory": "1025Ki", "ephemeral-storage": "0.5Ki"}),
        json!({"cpu": "0", "memory": "+1000k", "ephemeral-storage": "1024"}),
    ]
    .iter()
    .enumerate()
    .map(|(at, requests)| json!({"name": format!("c{at}"), "image": "web:1", "resources": {"requests": requests}}))
    .collect();
    let mut wanted = web(&json!({}));
    wanted["spec"]["template"]["spec"]["containers"] = json!(containers);
    wanted["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}}]);
    apply(on, WEB, "one", wanted.clone()).await;
    apply(on, WEB, "one", wanted).await;
    let mut other = web(&json!({}));
    other["spec"]["template"]["spec"]["containers"] =
        json!([{"name": "c0", "image": "web:1", "resources": {"requests": {"memory": "2Gi"}}}]);
    apply(on, WEB, "two", other).await;
}

async fn an_apply_needs_a_manager(on: &Scene) {
    whole(on, "PATCH", CONFIG, APPLY, map(json!({}))).await;
}

async fn an_apply_of_yaml(on: &Scene) {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: \"on\"\n  b: |\n    1\n\n";
    apply(on, CONFIG, "one", json!(text)).await;
    let answer = on
        .ask(
            "PATCH",
            "v1~configmaps/a?fieldManager=one",
            APPLY,
            json!("a: ["),
        )
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

async fn an_apply_with_a_key_twice(on: &Scene) {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: \"1\"\n  a: \"2\"\n";
    apply(on, CONFIG, "one", json!(text)).await;
    let mut twice = web(&json!({}));
    twice["spec"]["template"]["spec"]["containers"] =
        json!([{"name": "app", "image": "a"}, {"name": "app", "image": "b"}]);
    apply(on, WEB, "one", twice).await;
    let finalizers = json!(["example.com/a", "example.com/a"]);
    apply(on, CONFIG, "one", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": finalizers}})).await;
}

async fn an_apply_without_a_kind(on: &Scene) {
    apply(
        on,
        CONFIG,
        "one",
        json!({"metadata": {"name": "a"}, "data": {}}),
    )
    .await;
    apply(
        on,
        CONFIG,
        "one",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
    )
    .await;
    apply(
        on,
        CONFIG,
        "one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}),
    )
    .await;
}

async fn an_apply_again_changes_nothing(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
}

async fn an_apply_drops_what_it_no_longer_names(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1", "b": "2"}))).await;
    apply(on, CONFIG, "one", map(json!({"b": "2"}))).await;
    apply(
        on,
        CONFIG,
        "one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn an_apply_leaves_what_others_set(on: &Scene) {
    on.given("v1~configmaps?fieldManager=other", config("a"))
        .await;
    apply(on, CONFIG, "one", map(json!({"b": "2"}))).await;
    apply(on, CONFIG, "one", map(json!({}))).await;
}

async fn an_apply_meets_an_update(on: &Scene) {
    on.given(
        "apps/v1~deployments?fieldManager=kubectl",
        web(&json!({"replicas": 1})),
    )
    .await;
    apply(on, WEB, "one", web(&json!({"replicas": 1}))).await;
    apply(on, WEB, "one", web(&json!({"replicas": 2}))).await;
}

async fn a_dry_run_of_an_apply(on: &Scene) {
    apply(
        on,
        "v1~configmaps/a?dryRun=All",
        "one",
        map(json!({"a": "1"})),
    )
    .await;
    on.get(CONFIG).await;
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(
        on,
        "v1~configmaps/a?dryRun=All",
        "one",
        map(json!({"a": "2"})),
    )
    .await;
    apply(
        on,
        "v1~configmaps/a?dryRun=All",
        "two",
        map(json!({"a": "2"})),
    )
    .await;
    on.get(CONFIG).await;
}

async fn an_apply_with_a_revision(on: &Scene) {
    let with = |revision: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": revision}, "data": {"a": "2"}});
    apply(on, CONFIG, "one", with(json!("1"))).await;
    let made = on
        .given("v1~configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    apply(on, CONFIG, "one", with(json!("1"))).await;
    apply(
        on,
        CONFIG,
        "one",
        with(made["metadata"]["resourceVersion"].clone()),
    )
    .await;
}

async fn an_apply_with_a_uid(on: &Scene) {
    let with = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "11111111-2222-4333-8444-555555555555"}});
    apply(on, CONFIG, "one", with.clone()).await;
    on.given("v1~configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    apply(on, CONFIG, "one", with).await;
}

async fn an_apply_with_managed_fields(on: &Scene) {
    let with = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{"manager": "x", "operation": "Apply", "apiVersion": "v1"}]}});
    apply(on, CONFIG, "one", with).await;
}

async fn an_apply_of_the_status(on: &Scene) {
    on.given("apps/v1~deployments", web(&json!({}))).await;
    let status = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": {"replicas": 2, "conditions": [{"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": "2026-01-01T00:00:00Z"}]}});
    apply(on, "apps/v1~deployments/web/status", "one", status.clone()).await;
    apply(on, "apps/v1~deployments/none/status", "one", json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "none"}, "status": {}})).await;
}

async fn an_apply_of_a_scale(on: &Scene) {
    apply(on, WEB, "one", web(&json!({"replicas": 1}))).await;
    whole(
        on,
        "PUT",
        "apps/v1~deployments/web/scale?fieldManager=scaler",
        "",
        json!({"metadata": {"name": "web"}, "spec": {"replicas": 3}}),
    )
    .await;
    whole(on, "GET", WEB, "", Value::Null).await;
    apply(on, WEB, "one", web(&json!({"replicas": 1}))).await;
}

async fn an_apply_leaves_the_status(on: &Scene) {
    let mut with = web(&json!({}));
    with["status"] = json!({"replicas": 9});
    apply(on, WEB, "one", with).await;
}

async fn an_apply_of_a_namespace(on: &Scene) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    let with = |labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": on.namespace(), "labels": labels}});
    apply(on, &path, "one", with(json!({"istio.io/rev": "canary"}))).await;
    apply(on, &path, "two", with(json!({"istio.io/rev": "stable"}))).await;
    apply(on, &path, "one", with(json!({}))).await;
}

async fn an_apply_of_a_custom_object(on: &Scene) {
    let hosts = json!({"type": "array", "items": {"type": "string"}});
    let map = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}, "c": {"type": "integer"}}});
    let typed = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"hosts": hosts, "map": map}}}});
    on.given(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition("applied.example.com", &typed),
    )
    .await;
    let path = "applied.example.com/v1~tunes";
    on.until(path, |list| list["kind"] == "TuneList").await;
    let own = format!("{path}/a");
    let tune = |spec: Value| json!({"apiVersion": "applied.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": spec});
    apply(
        on,
        &own,
        "one",
        tune(json!({"hosts": ["a"], "map": {"a": {"b": 1}}})),
    )
    .await;
    apply(on, &own, "two", tune(json!({"hosts": ["b"]}))).await;
    apply(on, &own, "two", tune(json!({"map": {"c": 1}}))).await;
    apply(on, &own, "one", tune(json!({"hosts": ["a", "b"]}))).await;
}

async fn an_apply_of_an_invalid_object(on: &Scene) {
    apply(on, WEB, "one", json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1}})).await;
    apply(
        on,
        "v1~configmaps/No_Name",
        "one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "No_Name"}}),
    )
    .await;
}

async fn an_apply_of_an_unknown_field(on: &Scene) {
    apply(on, CONFIG, "one", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "colour": "red"})).await;
}

async fn a_force_without_an_apply(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(
        MERGE,
        "v1~configmaps/a?force=true",
        json!({"data": {"a": "2"}}),
    )
    .await;
}
