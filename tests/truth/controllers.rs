//! What the controllers make of objects, seen when all is quiet.

use super::cases;
use super::samples::{config, pod, workload};
use super::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_new_namespace_has_an_account,
    a_namespace_goes_with_all_that_is_in_it,
    a_pod_runs,
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
    a_stateful_set,
    a_stateful_set_rolls,
    a_stateful_set_with_a_partition,
    a_stateful_set_on_delete,
    a_stateful_set_shrinks,
    a_budget_counts,
    a_budget_of_percents,
    a_budget_without_pods,
    a_budget_holds_an_eviction,
    the_garbage_of_a_deployment,
    the_garbage_in_the_foreground,
    the_orphans_of_a_deployment,
    an_owner_that_is_not_there,
);

fn with(name: &str, spec: Value) -> Value {
    let mut workload = workload(name);
    for (key, value) in spec.as_object().into_iter().flatten() {
        workload["spec"][key] = value.clone();
    }
    workload
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn caught_up(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// A Deployment whose rollout is over.
fn is_done(object: &Value) -> bool {
    let (wanted, status) = (count(&object["spec"]["replicas"]), &object["status"]);
    caught_up(object)
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|key| count(&status[*key]) == wanted)
}

fn pick(object: &Value, places: &[&str]) -> Value {
    let mut picked = json!({});
    for place in places {
        if let Some(found) = object.pointer(place) {
            picked[*place] = found.clone();
        }
    }
    // Counted since 1.35 only.
    super::scene::forget(&mut picked, "terminatingReplicas");
    picked
}

async fn list(on: &Scene, path: &str) -> Vec<Value> {
    let answer = on.ask("GET", path, "", Value::Null).await;
    answer.body["items"].as_array().cloned().unwrap_or_default()
}

const POD: &[&str] = &[
    "/metadata/name",
    "/metadata/generateName",
    "/metadata/labels",
    "/metadata/annotations",
    "/metadata/ownerReferences",
    "/spec/containers/0/image",
    "/status/phase",
];
const SET: &[&str] = &[
    "/metadata/name",
    "/metadata/labels",
    "/metadata/annotations",
    "/metadata/ownerReferences",
    "/metadata/generation",
    "/spec/replicas",
    "/spec/selector",
    "/spec/minReadySeconds",
    "/status",
];

/// Keeps the living pods, those of one owner and template once with their number.
async fn see_pods(on: &Scene) {
    let mut pods: Vec<Value> = Vec::new();
    for mut pod in list(on, "v1~pods")
        .await
        .into_iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
    {
        if !pod["metadata"]["generateName"].is_null()
            && pod["metadata"]["ownerReferences"][0]["kind"] != "StatefulSet"
        {
            pod["metadata"]["name"] = json!("any");
        }
        pods.push(pick(&pod, POD));
    }
    pods.sort_by_key(ToString::to_string);
    let mut counted: Vec<Value> = Vec::new();
    for pod in pods {
        match counted.last_mut().filter(|last| last["pod"] == pod) {
            Some(last) => last["count"] = json!(count(&last["count"]) + 1),
            None => counted.push(json!({"pod": pod, "count": 1})),
        }
    }
    on.observe("pods", json!(counted));
}

/// Keeps the ReplicaSets in the order of their revisions.
async fn see_sets(on: &Scene) {
    let mut sets = list(on, "apps/v1~replicasets").await;
    sets.sort_by_key(|set| {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            .as_str()
            .map(str::to_owned)
    });
    on.observe(
        "replica sets",
        sets.iter().map(|set| pick(set, SET)).collect(),
    );
}

async fn see(on: &Scene, path: &str) {
    let answer = on.ask("GET", path, "", Value::Null).await;
    on.observe(
        path,
        pick(
            &answer.body,
            &[
                "/metadata/annotations",
                "/metadata/generation",
                "/spec/replicas",
                "/status",
            ],
        ),
    );
}

/// Waits for the ReplicaSets' own counts, which follow the pods'.
async fn settle(on: &Scene, path: &str) {
    on.until(path, is_done).await;
    on.until("apps/v1~replicasets", |sets| {
        sets["items"].as_array().into_iter().flatten().all(|set| {
            caught_up(set)
                && count(&set["spec"]["replicas"]) == count(&set["status"]["replicas"])
                && count(&set["status"]["availableReplicas"]) == count(&set["spec"]["replicas"])
        })
    })
    .await;
    gone(on, "v1~pods", |pod| {
        !pod["metadata"]["deletionTimestamp"].is_null()
    })
    .await;
    tokio::time::sleep(QUIET).await;
}

/// How long the controllers may need for what nobody can wait for.
const QUIET: std::time::Duration = std::time::Duration::from_millis(1500);

async fn gone(on: &Scene, path: &str, which: impl Fn(&Value) -> bool) {
    on.until(path, |list| {
        !list["items"].as_array().into_iter().flatten().any(&which)
    })
    .await;
}

const WEB: &str = "apps/v1~deployments/web";

async fn deploy(on: &Scene, spec: Value) {
    on.given("apps/v1~deployments", with("web", spec)).await;
    settle(on, WEB).await;
}

async fn change(on: &Scene, path: &str, to: Value) {
    on.ask("PATCH", path, super::scene::STRATEGIC, to).await;
}

fn image(tag: u32) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": format!("app:{tag}")}]}}}})
}

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

const DB: &str = "apps/v1~statefulsets/db";

fn set_is_done(set: &Value) -> bool {
    let status = &set["status"];
    caught_up(set)
        && count(&status["availableReplicas"]) == count(&set["spec"]["replicas"])
        && status["currentRevision"] == status["updateRevision"]
        && count(&status["replicas"]) == count(&set["spec"]["replicas"])
}

async fn ordered(on: &Scene, spec: Value) {
    let mut set = with("db", spec);
    set["spec"]["serviceName"] = json!("db");
    on.given("apps/v1~statefulsets", set).await;
    on.until(DB, set_is_done).await;
}

async fn see_set(on: &Scene) {
    tokio::time::sleep(QUIET).await;
    see(on, DB).await;
    see_pods(on).await;
}

async fn a_stateful_set(on: &Scene) {
    ordered(on, json!({"replicas": 3})).await;
    see_set(on).await;
}

async fn a_stateful_set_rolls(on: &Scene) {
    ordered(on, json!({"replicas": 2})).await;
    change(on, DB, image(2)).await;
    on.until(DB, |set| {
        count(&set["status"]["updatedReplicas"]) == 2 && set_is_done(set)
    })
    .await;
    see_set(on).await;
}

async fn a_stateful_set_with_a_partition(on: &Scene) {
    ordered(
        on,
        json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
    )
    .await;
    change(on, DB, image(2)).await;
    on.until(DB, |set| {
        caught_up(set)
            && count(&set["status"]["updatedReplicas"]) == 1
            && count(&set["status"]["availableReplicas"]) == 3
    })
    .await;
    see_set(on).await;
}

async fn a_stateful_set_on_delete(on: &Scene) {
    ordered(
        on,
        json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}),
    )
    .await;
    change(on, DB, image(2)).await;
    on.until(DB, caught_up).await;
    see_set(on).await;
    on.ask("DELETE", "v1~pods/db-0", "", Value::Null).await;
    on.until("v1~pods/db-0", |pod| {
        pod["spec"]["containers"][0]["image"] == "app:2"
    })
    .await;
    on.until(DB, |set| {
        count(&set["status"]["updatedReplicas"]) == 1
            && count(&set["status"]["availableReplicas"]) == 2
    })
    .await;
    see_set(on).await;
}

async fn a_stateful_set_shrinks(on: &Scene) {
    ordered(on, json!({"replicas": 3})).await;
    on.ask(
        "PATCH",
        "apps/v1~statefulsets/db/scale",
        MERGE,
        json!({"spec": {"replicas": 1}}),
    )
    .await;
    on.until(DB, set_is_done).await;
    see_set(on).await;
}

const BUDGET: &str = "policy/v1~poddisruptionbudgets/budget";

async fn budget(on: &Scene, spec: Value) {
    let mut budget = json!({"metadata": {"name": "budget"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        budget["spec"][key] = value.clone();
    }
    on.given("policy/v1~poddisruptionbudgets", budget).await;
    on.until(BUDGET, caught_up).await;
    tokio::time::sleep(QUIET).await;
    see(on, BUDGET).await;
}

async fn a_budget_counts(on: &Scene) {
    deploy(on, json!({"replicas": 3})).await;
    budget(on, json!({"minAvailable": 2})).await;
}

async fn a_budget_of_percents(on: &Scene) {
    deploy(on, json!({"replicas": 3})).await;
    budget(on, json!({"maxUnavailable": "50%"})).await;
}

async fn a_budget_without_pods(on: &Scene) {
    budget(on, json!({"minAvailable": 1})).await;
}

async fn a_budget_holds_an_eviction(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    budget(on, json!({"minAvailable": 1})).await;
    let name = list(on, "v1~pods").await[0]["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let answer = on
        .ask(
            "POST",
            &format!("v1~pods/{name}/eviction"),
            "",
            json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}),
        )
        .await;
    on.observe(
        "eviction",
        json!([answer.code, answer.body["message"], answer.body["details"]]),
    );
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
