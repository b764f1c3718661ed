//! DaemonSets.

use super::{POD, caught_up, change, count, image, list, pick, quiet, see, with};
use crate::truth::cases;
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_daemon_set,
    a_daemon_set_rolls,
    a_daemon_set_on_delete,
    a_daemon_set_of_some_nodes,
    a_daemon_set_replaces_a_lost_pod,
    the_revisions_of_a_daemon_set,
);

const AGENT: &str = "apps/v1~daemonsets/agent";

fn is_done(set: &Value) -> bool {
    let status = &set["status"];
    caught_up(set)
        && count(&status["desiredNumberScheduled"]) > 0
        && ["numberAvailable", "updatedNumberScheduled"]
            .iter()
            .all(|key| status[*key] == status["desiredNumberScheduled"])
}

async fn place(on: &Scene, spec: Value) {
    on.given("apps/v1~daemonsets", with("agent", spec)).await;
    on.until(AGENT, is_done).await;
}

/// Keeps the set and its pods by node.
async fn see_set(on: &Scene) {
    quiet(on).await;
    see(on, AGENT).await;
    let mut pods = list(on, "v1~pods").await;
    pods.sort_by_key(|pod| pod["spec"]["nodeName"].to_string());
    let kept = [
        POD,
        &["/spec/nodeName", "/spec/affinity", "/spec/tolerations"],
    ]
    .concat();
    let any = |pod: &Value| {
        let mut kept = pick(pod, &kept);
        kept["/metadata/name"] = json!("any");
        kept
    };
    on.observe("pods", pods.iter().map(any).collect());
}

async fn a_daemon_set(on: &Scene) {
    place(on, json!({})).await;
    see_set(on).await;
}

async fn a_daemon_set_rolls(on: &Scene) {
    place(
        on,
        json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}),
    )
    .await;
    change(on, AGENT, image(2)).await;
    on.until(AGENT, is_done).await;
    see_set(on).await;
}

async fn a_daemon_set_on_delete(on: &Scene) {
    place(on, json!({"updateStrategy": {"type": "OnDelete"}})).await;
    change(on, AGENT, image(2)).await;
    on.until(AGENT, caught_up).await;
    see_set(on).await;
    let pods = list(on, "v1~pods").await;
    let first = pods
        .iter()
        .find(|pod| pod["spec"]["nodeName"] == "node-1")
        .and_then(|pod| pod["metadata"]["name"].as_str())
        .unwrap_or_default();
    on.ask("DELETE", &format!("v1~pods/{first}"), "", Value::Null)
        .await;
    on.until(AGENT, |set| {
        count(&set["status"]["updatedNumberScheduled"]) == 1
    })
    .await;
    see_set(on).await;
}

async fn a_daemon_set_of_some_nodes(on: &Scene) {
    let selected = |node: &str| json!({"template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [{"name": "app", "image": "app:1"}]}}});
    place(on, selected("node-2")).await;
    see_set(on).await;
    change(on, AGENT, json!({"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "node-3"}}}}})).await;
    on.until(AGENT, caught_up).await;
    see_set(on).await;
    change(on, AGENT, json!({"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "none"}}}}})).await;
    on.until(AGENT, caught_up).await;
    see_set(on).await;
}

async fn a_daemon_set_replaces_a_lost_pod(on: &Scene) {
    place(on, json!({})).await;
    let lost = list(on, "v1~pods").await[0]["metadata"].clone();
    let path = format!("v1~pods/{}", lost["name"].as_str().unwrap_or_default());
    on.ask("DELETE", &path, "", Value::Null).await;
    on.until(&path, |found| found["code"] == 404).await;
    on.until(AGENT, is_done).await;
    see_set(on).await;
}

async fn the_revisions_of_a_daemon_set(on: &Scene) {
    place(on, json!({})).await;
    for tag in [2, 1] {
        change(on, AGENT, image(tag)).await;
        on.until(AGENT, is_done).await;
    }
    quiet(on).await;
    let mut revisions = list(on, "apps/v1~controllerrevisions").await;
    revisions.sort_by_key(|one| one["revision"].as_u64());
    let kept = [
        "/metadata/labels",
        "/metadata/annotations",
        "/metadata/ownerReferences",
        "/data",
        "/revision",
    ];
    on.observe(
        "revisions",
        revisions.iter().map(|one| pick(one, &kept)).collect(),
    );
}
