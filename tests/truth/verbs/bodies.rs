//! What is created, read, updated and tried out.

use super::refused;
use crate::truth::cases;
use crate::truth::samples::{config, service, workload};
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_config_map_is_created_read_and_deleted,
    a_name_is_taken_once,
    a_generated_name,
    a_name_is_required,
    a_name_must_be_a_name,
    a_label_must_be_a_label,
    a_label_key_must_be_a_name,
    an_annotation_key_must_be_a_name,
    what_is_not_there_is_not_found,
    what_is_not_served_has_no_page,
    a_namespace_must_be_there,
    a_namespace_that_ends_takes_nothing_new,
    a_body_of_another_kind,
    a_body_without_a_kind,
    a_body_of_another_version,
    a_body_that_is_no_json,
    a_body_of_another_namespace,
    a_body_of_another_name,
    a_dry_run_of_each_verb,
    a_dry_run_must_be_all,
    an_update_needs_the_last_revision,
    an_update_without_a_revision,
    an_update_that_changes_nothing,
    an_update_of_what_is_not_there,
    an_update_with_another_uid,
    a_generation_counts_the_specification,
);

async fn a_config_map_is_created_read_and_deleted(on: &Scene) {
    on.post("v1~configmaps", config("a")).await;
    on.get("v1~configmaps/a").await;
    on.delete("v1~configmaps/a", Value::Null).await;
    on.get("v1~configmaps/a").await;
}

async fn a_name_is_taken_once(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.post("v1~configmaps", config("a")).await;
    on.given("apps/v1~deployments", workload("web")).await;
    on.post("apps/v1~deployments", workload("web")).await;
}

async fn a_generated_name(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"generateName": "made-"}}),
    )
    .await;
}

async fn a_name_is_required(on: &Scene) {
    on.post("v1~configmaps", json!({"metadata": {}})).await;
}

async fn a_name_must_be_a_name(on: &Scene) {
    on.post("v1~configmaps", config("No_Name")).await;
    on.post("v1~services", service("1-name")).await;
    on.post("v1~services", service("with.dots")).await;
    on.post(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "with.dots"}}),
    )
    .await;
}

async fn a_label_must_be_a_label(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"app": "no label"}}}),
    )
    .await;
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"app": "x".repeat(64)}}}),
    )
    .await;
}

async fn a_label_key_must_be_a_name(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"no key": "a"}}}),
    )
    .await;
}

async fn an_annotation_key_must_be_a_name(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "annotations": {"a/b/c": "a"}}}),
    )
    .await;
}

async fn what_is_not_there_is_not_found(on: &Scene) {
    on.get("v1~configmaps/none").await;
    on.get("apps/v1~deployments/none").await;
    on.get("apps/v1~deployments/none/scale").await;
    on.get("/api/v1/namespaces/none").await;
    on.patch(MERGE, "v1~configmaps/none", json!({})).await;
}

async fn what_is_not_served_has_no_page(on: &Scene) {
    on.get("/apis/none.example.com/v1/things").await;
    on.get("/apis/apps/v9/deployments").await;
    on.get("apps/v1~things").await;
    on.get("v1~configmaps/a/scale").await;
}

async fn a_namespace_must_be_there(on: &Scene) {
    on.post("/api/v1/namespaces/none/configmaps", config("a"))
        .await;
    on.get("/api/v1/namespaces/none/configmaps/a").await;
    on.see(
        "GET",
        "/api/v1/namespaces/none/configmaps",
        "",
        Value::Null,
        &["/items"],
    )
    .await;
}

async fn a_namespace_that_ends_takes_nothing_new(on: &Scene) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}),
    )
    .await;
    on.delete(&path, Value::Null).await;
    on.get(&path).await;
    on.delete(&path, Value::Null).await;
    on.post("v1~configmaps", config("late")).await;
}

async fn a_body_of_another_kind(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
    )
    .await;
    on.post(
        "apps/v1~deployments",
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn a_body_without_a_kind(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"apiVersion": "v1", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn a_body_of_another_version(on: &Scene) {
    on.post(
        "apps/v1~deployments",
        json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn a_body_that_is_no_json(on: &Scene) {
    // The rest of the message is Go's.
    refused(
        on,
        "POST",
        "v1~configmaps",
        json!("{\"metadata\": nothing}"),
    )
    .await;
}

async fn a_body_of_another_namespace(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "namespace": "default"}}),
    )
    .await;
}

async fn a_body_of_another_name(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.put("v1~configmaps/a", config("b")).await;
}

async fn a_dry_run_of_each_verb(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.post("v1~configmaps?dryRun=All", config("b")).await;
    on.get("v1~configmaps/b").await;
    on.put(
        "v1~configmaps/a?dryRun=All",
        json!({"metadata": {"name": "a"}, "data": {"a": "2"}}),
    )
    .await;
    on.patch(
        MERGE,
        "v1~configmaps/a?dryRun=All",
        json!({"data": {"a": "3"}}),
    )
    .await;
    on.delete("v1~configmaps/a?dryRun=All", Value::Null).await;
    on.delete("v1~configmaps/a", json!({"dryRun": ["All"]}))
        .await;
    on.get("v1~configmaps/a").await;
}

async fn a_dry_run_must_be_all(on: &Scene) {
    on.post("v1~configmaps?dryRun=some", config("b")).await;
    on.delete("v1~configmaps/a?dryRun=some", Value::Null).await;
}

async fn an_update_needs_the_last_revision(on: &Scene) {
    let first = on.given("v1~configmaps", config("a")).await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"a": "2"}}))
        .await;
    on.put("v1~configmaps/a", first).await;
}

async fn an_update_without_a_revision(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.put(
        "v1~configmaps/a",
        json!({"metadata": {"name": "a"}, "data": {"b": "2"}}),
    )
    .await;
    let lease = json!({"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}});
    on.given("coordination.k8s.io/v1~leases", lease.clone())
        .await;
    on.put("coordination.k8s.io/v1~leases/a", lease).await;
}

async fn an_update_that_changes_nothing(on: &Scene) {
    let made = on.post("v1~configmaps", config("a")).await;
    on.put("v1~configmaps/a", made).await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"a": "1"}}))
        .await;
}

async fn an_update_of_what_is_not_there(on: &Scene) {
    on.put("v1~configmaps/none", config("none")).await;
    on.put("apps/v1~deployments/none", workload("none")).await;
}

async fn an_update_with_another_uid(on: &Scene) {
    let mut made = on.given("v1~configmaps", config("a")).await;
    made["metadata"]["uid"] = json!("11111111-2222-4333-8444-555555555555");
    on.put("v1~configmaps/a", made).await;
}

async fn a_generation_counts_the_specification(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    let path = "apps/v1~deployments/web";
    let places = ["/metadata/generation", "/spec/replicas"];
    for change in [
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"spec": {"replicas": 3}}),
        json!({"spec": {"replicas": 3}}),
        json!({"status": {"replicas": 3}}),
    ] {
        on.see("PATCH", path, MERGE, change, &places).await;
    }
    on.see(
        "PATCH",
        "apps/v1~deployments/web/status",
        MERGE,
        json!({"status": {"replicas": 3}}),
        &["/metadata/generation", "/status"],
    )
    .await;
}
