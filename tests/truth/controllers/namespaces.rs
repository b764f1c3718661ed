//! Namespaces, bare pods, and what goes with its owner.

use super::{QUIET, WEB, deploy, gone, list, pick, see_pods, see_sets};
use crate::truth::cases;
use crate::truth::samples::{config, pod};
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_new_namespace_has_an_account,
    a_namespace_goes_with_all_that_is_in_it,
    a_pod_runs,
    the_garbage_of_a_deployment,
    the_garbage_in_the_foreground,
    the_orphans_of_a_deployment,
    an_owner_that_is_not_there,
);

async fn a_new_namespace_has_an_account(on: &Scene) {
    ready_account(on).await;
    on.get("v1~serviceaccounts/default").await;
}

async fn a_namespace_goes_with_all_that_is_in_it(on: &Scene) {
    deploy(on, json!({"replicas": 2})).await;
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    on.see(
        "DELETE",
        &path,
        "",
        Value::Null,
        &["/status/phase", "/metadata/deletionTimestamp"],
    )
    .await;
    on.until(&path, |found| found["code"] == 404).await;
    on.get(&path).await;
    on.get(WEB).await;
}

async fn ready_account(on: &Scene) {
    on.until("v1~serviceaccounts/default", |found| {
        found["kind"] == "ServiceAccount"
    })
    .await;
}

async fn a_pod_runs(on: &Scene) {
    ready_account(on).await;
    on.given("v1~pods", pod("a")).await;
    on.until("v1~pods/a", |pod| {
        pod["status"]["containerStatuses"][0]["ready"] == true
    })
    .await;
    let found = on.ask("GET", "v1~pods/a", "", Value::Null).await.body;
    on.observe(
        "pod",
        pick(
            &found,
            &[
                "/status/phase",
                "/status/qosClass",
                "/status/containerStatuses/0/ready",
                "/status/containerStatuses/0/restartCount",
            ],
        ),
    );
    on.ask("DELETE", "v1~pods/a", "", Value::Null).await;
    on.until("v1~pods/a", |found| found["code"] == 404).await;
}

async fn the_garbage_of_a_deployment(on: &Scene) {
    deploy(on, json!({"replicas": 2})).await;
    on.ask("DELETE", WEB, "", Value::Null).await;
    gone(on, "apps/v1~replicasets", |_| true).await;
    gone(on, "v1~pods", |_| true).await;
    on.get(WEB).await;
}

async fn the_garbage_in_the_foreground(on: &Scene) {
    deploy(on, json!({"replicas": 2})).await;
    let mut events = on
        .watch("apps/v1~deployments?watch=true&fieldSelector=metadata.name%3Dweb")
        .await;
    events.read().await;
    on.see(
        "DELETE",
        WEB,
        "",
        json!({"propagationPolicy": "Foreground"}),
        &["/metadata/finalizers"],
    )
    .await;
    while events.read().await["type"] == "MODIFIED" {}
    let left = list(on, "apps/v1~replicasets").await.len() + list(on, "v1~pods").await.len();
    on.observe("left when the owner goes", json!(left));
}

async fn the_orphans_of_a_deployment(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    on.ask("DELETE", WEB, "", json!({"propagationPolicy": "Orphan"}))
        .await;
    on.until(WEB, |found| found["code"] == 404).await;
    tokio::time::sleep(QUIET).await;
    see_sets(on).await;
    see_pods(on).await;
}

async fn an_owner_that_is_not_there(on: &Scene) {
    let mut orphan = config("orphan");
    orphan["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "none", "uid": "11111111-2222-4333-8444-555555555555"}]);
    on.given("v1~configmaps", orphan).await;
    on.until("v1~configmaps/orphan", |found| found["code"] == 404)
        .await;
    on.get("v1~configmaps/orphan").await;
}
