//! What the controllers make of objects, seen when all is quiet.

mod budgets;
mod daemon_sets;
mod deployments;
mod endpoints;
mod jobs;
mod namespaces;
mod stateful_sets;
mod told;

use crate::truth::samples::workload;
use crate::truth::scene::Scene;
use serde_json::{Value, json};

/// The cases, by what they are about.
pub(super) const CASES: &[&[super::Case]] = &[
    namespaces::CASES,
    deployments::CASES,
    stateful_sets::CASES,
    daemon_sets::CASES,
    jobs::CASES,
    budgets::CASES,
    endpoints::CASES,
    told::CASES,
];

pub(super) fn with(name: &str, spec: Value) -> Value {
    let mut workload = workload(name);
    for (key, value) in spec.as_object().into_iter().flatten() {
        workload["spec"][key] = value.clone();
    }
    workload
}

pub(super) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

pub(super) fn caught_up(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// A Deployment whose rollout is over.
pub(super) fn is_done(object: &Value) -> bool {
    let (wanted, status) = (count(&object["spec"]["replicas"]), &object["status"]);
    caught_up(object)
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|key| count(&status[*key]) == wanted)
}

pub(super) fn pick(object: &Value, places: &[&str]) -> Value {
    let mut picked = json!({});
    for place in places {
        if let Some(found) = object.pointer(place) {
            picked[*place] = found.clone();
        }
    }
    picked
}

pub(super) async fn list(on: &Scene, path: &str) -> Vec<Value> {
    let answer = on.ask("GET", path, "", Value::Null).await;
    answer.body["items"].as_array().cloned().unwrap_or_default()
}

pub(super) const POD: &[&str] = &[
    "/metadata/name",
    "/metadata/generateName",
    "/metadata/labels",
    "/metadata/annotations",
    "/metadata/ownerReferences",
    "/spec/containers/0/image",
    "/status/phase",
];

pub(super) const SET: &[&str] = &[
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
pub(super) async fn see_pods(on: &Scene) {
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
    pods.sort_by_key(|pod| {
        [&pod["/spec/containers/0/image"], &pod["/status/phase"], pod].map(ToString::to_string)
    });
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
pub(super) async fn see_sets(on: &Scene) {
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

pub(super) async fn see(on: &Scene, path: &str) {
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
pub(super) async fn settle(on: &Scene, path: &str) {
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
    quiet(on).await;
}

/// How often a scene is looked at to see whether it is quiet.
const QUIET: std::time::Duration = std::time::Duration::from_millis(500);

/// Waits until nothing has been written for a while: what the controllers do in the end nobody can wait for.
pub(super) async fn quiet(on: &Scene) {
    let mut last = Vec::new();
    let mut same = 0;
    for _ in 0..100 {
        if same == 4 {
            return;
        }
        tokio::time::sleep(QUIET).await;
        let mut now = Vec::new();
        for resource in [
            "v1~pods",
            "v1~endpoints",
            "apps/v1~deployments",
            "apps/v1~replicasets",
            "apps/v1~statefulsets",
            "apps/v1~daemonsets",
            "batch/v1~jobs",
            "policy/v1~poddisruptionbudgets",
        ] {
            let all = list(on, resource).await.into_iter();
            now.extend(all.map(|one| one["metadata"]["resourceVersion"].clone()));
        }
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    on.observe("quiet", json!("never"));
}

pub(super) async fn gone(on: &Scene, path: &str, which: impl Fn(&Value) -> bool) {
    on.until(path, |list| {
        !list["items"].as_array().into_iter().flatten().any(&which)
    })
    .await;
}

pub(super) const WEB: &str = "apps/v1~deployments/web";

pub(super) async fn deploy(on: &Scene, spec: Value) {
    on.given("apps/v1~deployments", with("web", spec)).await;
    settle(on, WEB).await;
}

pub(super) async fn change(on: &Scene, path: &str, to: Value) {
    on.ask("PATCH", path, crate::truth::scene::STRATEGIC, to)
        .await;
}

pub(super) fn image(tag: u32) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": format!("app:{tag}")}]}}}})
}
