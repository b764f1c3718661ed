//! Namespaces, bare pods, and what goes with its owner.

use super::{WEB, change, deploy, gone, list, pick, quiet, see_pods, see_sets};
use crate::truth::cases;
use crate::truth::samples::{config, pod};
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_new_namespace_has_an_account,
    a_new_namespace_has_a_root_of_trust,
    a_root_of_trust_comes_back,
    a_namespace_goes_with_all_that_is_in_it,
    a_namespace_that_cannot_go,
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

pub(super) async fn ready_account(on: &Scene) {
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
    quiet(on).await;
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

const ROOT: &str = "v1~configmaps/kube-root-ca.crt";

/// What differs from cluster to cluster is the certificate.
async fn see_root(on: &Scene) {
    let mut root = on.until(ROOT, |found| found["kind"] == "ConfigMap").await;
    let text = root["data"]["ca.crt"].as_str().unwrap_or_default();
    root["data"]["ca.crt"] = json!(text.starts_with("-----BEGIN CERTIFICATE-----\n"));
    crate::truth::scene::forget(&mut root, "managedFields");
    on.observe("root", root);
}

async fn a_new_namespace_has_a_root_of_trust(on: &Scene) {
    see_root(on).await;
}

async fn a_root_of_trust_comes_back(on: &Scene) {
    let is_whole = |found: &Value| {
        found["data"]["ca.crt"]
            .as_str()
            .is_some_and(|text| text.len() > 3)
    };
    let first = on.until(ROOT, is_whole).await;
    change(on, ROOT, json!({"data": {"ca.crt": "me"}})).await;
    on.until(ROOT, is_whole).await;
    on.ask("DELETE", ROOT, "", Value::Null).await;
    on.until(ROOT, |found| {
        is_whole(found) && found["metadata"]["uid"] != first["metadata"]["uid"]
    })
    .await;
    see_root(on).await;
}

async fn a_namespace_that_cannot_go(on: &Scene) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    for name in ["a", "b"] {
        on.given(
            "v1~configmaps",
            json!({"metadata": {"name": name, "finalizers": ["example.com/hold"]}}),
        )
        .await;
    }
    on.given(
        "v1~secrets",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/more"]}}),
    )
    .await;
    on.ask("DELETE", &path, "", Value::Null).await;
    let with = |kind: &'static str| {
        move |found: &Value| {
            found["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| one["type"] == kind && one["status"] == "True")
        }
    };
    on.until(&path, with("NamespaceFinalizersRemaining")).await;
    on.see("GET", &path, "", Value::Null, &["/spec", "/status"])
        .await;
    for held in ["v1~configmaps/a", "v1~configmaps/b", "v1~secrets/a"] {
        change(on, held, json!({"metadata": {"finalizers": null}})).await;
    }
    on.until(&path, |found| found["code"] == 404).await;
}
