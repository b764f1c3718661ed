//! Deployments and ReplicaSets.

use super::{
    WEB, caught_up, change, count, deploy, gone, image, is_done, list, quiet, see, see_pods,
    see_sets, settle, with,
};
use crate::truth::cases;
use crate::truth::samples::pod;
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
    a_deployment_recreates,
    a_rollout_and_back,
    a_rollout_past_its_deadline,
    a_stuck_rollout,
    a_stuck_rollout_is_scaled_up,
    a_stuck_rollout_is_scaled_down,
    a_stuck_rollout_is_taken_back,
    a_deployment_adopts_a_replica_set,
    a_replica_set_alone,
    a_replica_set_adopts_pods,
    a_replica_set_lets_a_pod_go,
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
    quiet(on).await;
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

async fn a_deployment_recreates(on: &Scene) {
    deploy(on, json!({"replicas": 2, "strategy": {"type": "Recreate"}})).await;
    change(on, WEB, image(2)).await;
    settle(on, WEB).await;
    // Whether the old set or the new one is said to have progressed is a race of the real controller with itself.
    let mut status = on.ask("GET", WEB, "", Value::Null).await.body["status"].take();
    crate::truth::scene::forget(&mut status, "message");
    on.observe("status", status);
    see_sets(on).await;
    see_pods(on).await;
}

async fn a_rollout_and_back(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    for tag in [2, 1, 2] {
        change(on, WEB, image(tag)).await;
        settle(on, WEB).await;
    }
    see(on, WEB).await;
    see_sets(on).await;
}

/// A template whose pods fit on no node.
async fn get_stuck(on: &Scene) {
    let mut stuck = image(2);
    stuck["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "none"});
    change(on, WEB, stuck).await;
    on.until(WEB, caught_up).await;
    on.until("v1~pods", |pods| {
        pods["items"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|pod| pod["status"]["conditions"][0]["reason"] == "Unschedulable")
    })
    .await;
    quiet(on).await;
}

/// Everything of a rollout that does not end.
async fn see_all(on: &Scene) {
    quiet(on).await;
    see(on, WEB).await;
    see_sets(on).await;
    see_pods(on).await;
}

async fn a_rollout_past_its_deadline(on: &Scene) {
    deploy(on, json!({"replicas": 2, "progressDeadlineSeconds": 2})).await;
    get_stuck(on).await;
    on.until(WEB, |found| {
        found["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|one| one["reason"] == "ProgressDeadlineExceeded")
    })
    .await;
    see_all(on).await;
    let pods = list(on, "v1~pods").await;
    let waiting = pods.iter().find(|pod| pod["status"]["phase"] == "Pending");
    on.observe(
        "waiting",
        waiting.map_or(Value::Null, |pod| pod["status"].clone()),
    );
}

async fn a_stuck_rollout(on: &Scene) {
    deploy(on, json!({"replicas": 4})).await;
    get_stuck(on).await;
    see_all(on).await;
}

async fn a_stuck_rollout_is_scaled_up(on: &Scene) {
    deploy(on, json!({"replicas": 4})).await;
    get_stuck(on).await;
    for replicas in [8, 11] {
        change(on, WEB, json!({"spec": {"replicas": replicas}})).await;
        see_all(on).await;
    }
}

async fn a_stuck_rollout_is_scaled_down(on: &Scene) {
    deploy(on, json!({"replicas": 8})).await;
    get_stuck(on).await;
    for replicas in [5, 1] {
        change(on, WEB, json!({"spec": {"replicas": replicas}})).await;
        see_all(on).await;
    }
}

async fn a_stuck_rollout_is_taken_back(on: &Scene) {
    deploy(on, json!({"replicas": 4})).await;
    get_stuck(on).await;
    let mut back = image(1);
    back["spec"]["template"]["spec"]["nodeSelector"] = Value::Null;
    change(on, WEB, back).await;
    settle(on, WEB).await;
    see(on, WEB).await;
    see_sets(on).await;
    see_pods(on).await;
}

async fn a_deployment_adopts_a_replica_set(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    on.ask("DELETE", WEB, "", json!({"propagationPolicy": "Orphan"}))
        .await;
    on.until(WEB, |found| found["code"] == 404).await;
    quiet(on).await;
    deploy(on, json!({"replicas": 1})).await;
    see(on, WEB).await;
    see_sets(on).await;
    see_pods(on).await;
}

async fn a_replica_set_adopts_pods(on: &Scene) {
    super::namespaces::ready_account(on).await;
    for name in ["a", "b", "c"] {
        let mut pod = pod(name);
        pod["metadata"]["labels"] = json!({"app": if name == "c" { "other" } else { "set" }});
        on.given("v1~pods", pod).await;
        on.until(&format!("v1~pods/{name}"), |pod| {
            pod["status"]["phase"] == "Running"
        })
        .await;
    }
    on.given("apps/v1~replicasets", with("set", json!({"replicas": 3})))
        .await;
    quiet_set(on, "apps/v1~replicasets/set").await;
    see(on, "apps/v1~replicasets/set").await;
    see_pods(on).await;
}

async fn a_replica_set_lets_a_pod_go(on: &Scene) {
    on.given("apps/v1~replicasets", with("set", json!({"replicas": 1})))
        .await;
    quiet_set(on, "apps/v1~replicasets/set").await;
    let name = list(on, "v1~pods").await[0]["metadata"]["name"].clone();
    let path = format!("v1~pods/{}", name.as_str().unwrap_or_default());
    change(on, &path, json!({"metadata": {"labels": {"app": "free"}}})).await;
    on.until("v1~pods", |pods| {
        pods["items"].as_array().is_some_and(|pods| pods.len() == 2)
    })
    .await;
    quiet_set(on, "apps/v1~replicasets/set").await;
    quiet(on).await;
    see_pods(on).await;
}
