//! Deployments and ReplicaSets.

use super::{
    QUIET, WEB, caught_up, change, count, deploy, gone, image, is_done, list, see, see_pods,
    see_sets, settle, with,
};
use crate::truth::cases;
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_deployment_makes_a_replica_set,
    a_deployment_replaces_a_lost_pod,
    a_rollout,
    a_rollout_keeps_its_history_short,
    a_rollout_never_has_too_few_pods,
    a_paused_deployment,
    a_deployment_is_scaled,
    a_deployment_of_nothing,
    a_deployment_that_takes_its_time,
    a_replica_set_alone,
);

async fn a_deployment_makes_a_replica_set(on: &Scene) {
    deploy(on, json!({"replicas": 3})).await;
    see(on, WEB).await;
    see_sets(on).await;
    see_pods(on).await;
}

async fn a_deployment_replaces_a_lost_pod(on: &Scene) {
    deploy(on, json!({"replicas": 2})).await;
    let lost = list(on, "v1~pods").await[0]["metadata"].clone();
    on.ask(
        "DELETE",
        &format!("v1~pods/{}", lost["name"].as_str().unwrap_or_default()),
        "",
        Value::Null,
    )
    .await;
    gone(on, "v1~pods", |pod| pod["metadata"]["uid"] == lost["uid"]).await;
    on.until("v1~pods", |pods| {
        pods["items"].as_array().is_some_and(|pods| pods.len() == 2)
    })
    .await;
    settle(on, WEB).await;
    see_pods(on).await;
}

async fn a_rollout(on: &Scene) {
    deploy(on, json!({"replicas": 3})).await;
    change(on, WEB, image(2)).await;
    settle(on, WEB).await;
    see(on, WEB).await;
    see_sets(on).await;
    see_pods(on).await;
}

async fn a_rollout_keeps_its_history_short(on: &Scene) {
    deploy(on, json!({"replicas": 1, "revisionHistoryLimit": 1})).await;
    for tag in [2, 3] {
        change(on, WEB, image(tag)).await;
        settle(on, WEB).await;
    }
    on.until("apps/v1~replicasets", |sets| {
        sets["items"].as_array().is_some_and(|sets| sets.len() == 2)
    })
    .await;
    see_sets(on).await;
}

async fn a_rollout_never_has_too_few_pods(on: &Scene) {
    deploy(
        on,
        json!({"replicas": 4, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}),
    )
    .await;
    change(on, WEB, image(2)).await;
    let mut least = u64::MAX;
    for _ in 0..2000 {
        let found = on.ask("GET", WEB, "", Value::Null).await.body;
        least = least.min(count(&found["status"]["availableReplicas"]));
        if is_done(&found) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    on.observe("within its bounds", json!(least >= 4));
    settle(on, WEB).await;
    see_sets(on).await;
}

async fn a_paused_deployment(on: &Scene) {
    deploy(on, json!({"replicas": 2})).await;
    change(on, WEB, json!({"spec": {"paused": true}})).await;
    change(on, WEB, image(2)).await;
    change(on, WEB, json!({"spec": {"replicas": 3}})).await;
    on.until(WEB, |found| {
        caught_up(found) && count(&found["status"]["availableReplicas"]) == 3
    })
    .await;
    tokio::time::sleep(QUIET).await;
    see(on, WEB).await;
    see_sets(on).await;
    change(on, WEB, json!({"spec": {"paused": false}})).await;
    settle(on, WEB).await;
    see(on, WEB).await;
    see_sets(on).await;
}

async fn a_deployment_is_scaled(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    for replicas in [3, 2] {
        on.ask(
            "PATCH",
            "apps/v1~deployments/web/scale",
            MERGE,
            json!({"spec": {"replicas": replicas}}),
        )
        .await;
        settle(on, WEB).await;
        see(on, WEB).await;
        see_sets(on).await;
    }
}

async fn a_deployment_of_nothing(on: &Scene) {
    deploy(on, json!({"replicas": 0})).await;
    see(on, WEB).await;
    see_sets(on).await;
}

async fn a_deployment_that_takes_its_time(on: &Scene) {
    deploy(on, json!({"replicas": 1, "minReadySeconds": 1})).await;
    see(on, WEB).await;
    see_sets(on).await;
}

async fn quiet_set(on: &Scene, path: &str) {
    on.until(path, |set| {
        caught_up(set)
            && count(&set["status"]["availableReplicas"]) == count(&set["spec"]["replicas"])
            && count(&set["status"]["replicas"]) == count(&set["spec"]["replicas"])
    })
    .await;
}

async fn a_replica_set_alone(on: &Scene) {
    on.given("apps/v1~replicasets", with("set", json!({"replicas": 2})))
        .await;
    quiet_set(on, "apps/v1~replicasets/set").await;
    see(on, "apps/v1~replicasets/set").await;
    see_pods(on).await;
}
