//! The events that tell what controllers and the scheduler did.

use super::{change, count, image, is_done, list, pick, quiet, with};
use crate::truth::cases;
use crate::truth::samples::pod;
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_rollout_is_told,
    a_stateful_set_is_told,
    a_daemon_set_is_told,
    a_job_is_told,
    a_refusal_is_told,
    a_pod_that_fits_nowhere_is_told,
);

/// What an event says, and in which form.
const EVENT: [&str; 10] = [
    "/type",
    "/reason",
    "/message",
    "/action",
    "/source",
    "/reportingComponent",
    "/involvedObject/apiVersion",
    "/involvedObject/kind",
    "/involvedObject/namespace",
    "/involvedObject/name",
];

/// Keeps the events about objects of these kinds, once there are so many, and the names in them.
async fn told(on: &Scene, kinds: &[&str], least: usize) {
    let is_meant = |event: &Value| {
        let kind = event["involvedObject"]["kind"].as_str().unwrap_or_default();
        kinds.contains(&kind)
    };
    on.until("v1~events", |list| {
        let events = list["items"].as_array().into_iter().flatten();
        events.filter(|event| is_meant(event)).count() >= least
    })
    .await;
    let mut sets = list(on, "apps/v1~replicasets").await;
    // Two may be made within one second, which is all that a time of creation tells.
    let revision = "/metadata/annotations/deployment.kubernetes.io~1revision";
    sets.sort_by_key(|set| set.pointer(revision).map(ToString::to_string));
    let hashes = sets.iter().map(|set| pick(set, &["/metadata/labels"]));
    on.observe("sets", hashes.collect());
    let mut events = list(on, "v1~events").await;
    events.retain(is_meant);
    // The server names the pods, but not those of a StatefulSet.
    let mut pods = list(on, "v1~pods").await;
    pods.retain(|pod| {
        pod["metadata"]["generateName"].is_string()
            && pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"].is_null()
    });
    let mut seen: Vec<Value> = events.iter().map(|event| pick(event, &EVENT)).collect();
    for event in &mut seen {
        for place in ["/message", "/involvedObject/name"] {
            let mut text = event[place].as_str().unwrap_or_default().to_owned();
            for pod in pods
                .iter()
                .filter_map(|pod| pod["metadata"]["name"].as_str())
            {
                text = text.replace(pod, "POD");
            }
            event[place] = json!(text);
        }
    }
    // Which node it is, each scheduler finds in its own way.
    for event in seen
        .iter_mut()
        .filter(|event| event["/reason"] == "Scheduled")
    {
        let message = event["/message"].as_str().unwrap_or_default().to_owned();
        let (what, _) = message.rsplit_once(" to ").unwrap_or_default();
        event["/message"] = json!(format!("{what} to a node"));
    }
    seen.sort_by_key(|event| {
        [
            &event["/involvedObject/kind"],
            &event["/reason"],
            &event["/message"],
        ]
        .map(ToString::to_string)
    });
    on.observe("events", json!(seen));
}

async fn a_rollout_is_told(on: &Scene) {
    const WEB: &str = "apps/v1~deployments/web";
    on.given("apps/v1~deployments", with("web", json!({"replicas": 1})))
        .await;
    on.until(WEB, is_done).await;
    told(on, &["Deployment", "ReplicaSet", "Pod"], 3).await;
    change(on, WEB, image(2)).await;
    on.until(WEB, |web| {
        is_done(web) && count(&web["metadata"]["generation"]) == 2
    })
    .await;
    quiet(on).await;
    told(on, &["Deployment"], 3).await;
}

async fn a_stateful_set_is_told(on: &Scene) {
    const DB: &str = "apps/v1~statefulsets/db";
    let mut set = with("db", json!({"replicas": 2}));
    set["spec"]["serviceName"] = json!("db");
    on.given("apps/v1~statefulsets", set).await;
    on.until(DB, |set| count(&set["status"]["availableReplicas"]) == 2)
        .await;
    change(on, DB, json!({"spec": {"replicas": 1}})).await;
    on.until(DB, |set| count(&set["status"]["replicas"]) == 1)
        .await;
    told(on, &["StatefulSet"], 3).await;
}

async fn a_daemon_set_is_told(on: &Scene) {
    let set = with(
        "log",
        json!({"template": {"metadata": {"labels": {"app": "log"}}, "spec": {"nodeSelector": {"kubernetes.io/hostname": "node-1"}, "containers": [{"name": "app", "image": "app:1"}]}}}),
    );
    on.given("apps/v1~daemonsets", set).await;
    on.until("apps/v1~daemonsets/log", |set| {
        count(&set["status"]["numberAvailable"]) == 1
    })
    .await;
    told(on, &["DaemonSet"], 1).await;
}

async fn a_job_is_told(on: &Scene) {
    const ONCE: &str = "batch/v1~jobs/once";
    let template = json!({"metadata": {"labels": {"app": "once"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]}});
    on.given(
        "batch/v1~jobs",
        json!({"metadata": {"name": "once"}, "spec": {"suspend": true, "backoffLimit": 0, "template": template}}),
    )
    .await;
    on.until(ONCE, |job| {
        job["status"]["conditions"][0]["type"] == "Suspended"
    })
    .await;
    on.ask("PATCH", ONCE, MERGE, json!({"spec": {"suspend": false}}))
        .await;
    on.until(ONCE, |job| job["status"]["ready"] == 1).await;
    told(on, &["Job"], 3).await;
    let name = list(on, "v1~pods").await[0]["metadata"]["name"].clone();
    let path = format!("v1~pods/{}/status", name.as_str().unwrap_or_default());
    let failed = json!({"status": {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}});
    on.ask("PATCH", &path, MERGE, failed).await;
    on.until(ONCE, |job| count(&job["status"]["failed"]) == 1)
        .await;
    quiet(on).await;
    told(on, &["Job"], 4).await;
}

async fn a_refusal_is_told(on: &Scene) {
    on.account().await;
    let name = on.namespace();
    let hook = json!({
        "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "timeoutSeconds": 5,
        "clientConfig": {"service": {"name": "missing", "namespace": name, "path": "/hook"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    });
    on.given(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        json!({"metadata": {"name": name}, "webhooks": [hook]}),
    )
    .await;
    // Until the server has heard of it.
    for _ in 0..600 {
        let answer = on.ask("POST", "v1~pods?dryRun=All", "", pod("a")).await;
        if answer.code != 201 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    on.given("apps/v1~replicasets", with("web", json!({"replicas": 1})))
        .await;
    told(on, &["ReplicaSet"], 1).await;
}

async fn a_pod_that_fits_nowhere_is_told(on: &Scene) {
    on.account().await;
    let mut one = pod("a");
    one["spec"]["nodeSelector"] = json!({"no": "where"});
    on.given("v1~pods", one).await;
    told(on, &["Pod"], 1).await;
}
