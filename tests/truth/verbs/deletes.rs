//! How objects go.

use super::{names, three};
use crate::truth::cases;
use crate::truth::samples::{config, pod, workload};
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_delete_with_preconditions,
    a_delete_in_the_foreground,
    a_delete_that_orphans,
    a_delete_waits_for_finalizers,
    a_delete_of_what_is_not_there,
    a_delete_with_an_unknown_policy,
    a_delete_of_a_collection,
    a_terminating_object_takes_no_new_finalizers,
    a_pod_ends_gracefully,
);

async fn a_delete_with_preconditions(on: &Scene) {
    let made = on.given("v1~configmaps", config("a")).await;
    on.delete(
        "v1~configmaps/a",
        json!({"preconditions": {"resourceVersion": "1"}}),
    )
    .await;
    on.delete(
        "v1~configmaps/a",
        json!({"preconditions": {"uid": "11111111-2222-4333-8444-555555555555"}}),
    )
    .await;
    on.delete("v1~configmaps/a", json!({"preconditions": {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}})).await;
}

async fn a_delete_in_the_foreground(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.delete(
        "apps/v1~deployments/web",
        json!({"propagationPolicy": "Foreground"}),
    )
    .await;
    on.get("apps/v1~deployments/web").await;
}

async fn a_delete_that_orphans(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.delete(
        "apps/v1~deployments/web?propagationPolicy=Orphan",
        Value::Null,
    )
    .await;
    on.given("apps/v1~deployments", workload("old")).await;
    on.delete("apps/v1~deployments/old", json!({"orphanDependents": true}))
        .await;
}

async fn a_delete_waits_for_finalizers(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/one", "example.com/two"]}}),
    )
    .await;
    on.delete("v1~configmaps/a", Value::Null).await;
    on.delete("v1~configmaps/a", Value::Null).await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"finalizers": ["example.com/two"]}}),
    )
    .await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    on.get("v1~configmaps/a").await;
}

async fn a_delete_of_what_is_not_there(on: &Scene) {
    on.delete("v1~configmaps/none", Value::Null).await;
    on.delete("/api/v1/namespaces/none", Value::Null).await;
}

async fn a_delete_with_an_unknown_policy(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.delete("v1~configmaps/a", json!({"propagationPolicy": "Sideways"}))
        .await;
    on.delete(
        "v1~configmaps/a",
        json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
    )
    .await;
}

async fn a_delete_of_a_collection(on: &Scene) {
    three(on).await;
    on.delete("v1~configmaps?labelSelector=app%20in%20(a,b)", Value::Null)
        .await;
    let left = on.ask("GET", "v1~configmaps", "", Value::Null).await;
    on.observe("left", names(&left.body));
    on.delete("/api/v1/namespaces", Value::Null).await;
}

async fn a_terminating_object_takes_no_new_finalizers(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/one"]}}),
    )
    .await;
    on.ask("DELETE", "v1~configmaps/a", "", Value::Null).await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"finalizers": ["example.com/one", "example.com/new"]}}),
    )
    .await;
    on.see(
        "PATCH",
        "v1~configmaps/a",
        MERGE,
        json!({"metadata": {"labels": {"still": "writable"}}}),
        &["/metadata/labels"],
    )
    .await;
}

async fn a_pod_ends_gracefully(on: &Scene) {
    on.account().await;
    let places = [
        "/kind",
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
        "/metadata/generation",
        "/status/phase",
    ];
    on.given("v1~pods", pod("waiting")).await;
    on.see("DELETE", "v1~pods/waiting", "", Value::Null, &places)
        .await;
    let mut bound = pod("placed");
    bound["spec"]["nodeName"] = json!("nowhere");
    on.given("v1~pods", bound).await;
    on.see("DELETE", "v1~pods/placed", "", Value::Null, &places)
        .await;
    on.see(
        "DELETE",
        "v1~pods/placed",
        "",
        json!({"gracePeriodSeconds": 5}),
        &places,
    )
    .await;
    on.see(
        "DELETE",
        "v1~pods/placed",
        "",
        json!({"gracePeriodSeconds": 0}),
        &places,
    )
    .await;
    on.see("GET", "v1~pods/placed", "", Value::Null, &places)
        .await;
}
