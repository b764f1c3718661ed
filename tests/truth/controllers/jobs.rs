//! Jobs. Their pods end when somebody says so in their status: no node of the mesh runs anything.

use super::{POD, list, pick, quiet};
use crate::truth::cases;
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_job,
    a_job_of_several,
    a_job_of_indexes,
    a_job_that_fails,
    a_job_that_tries_again,
    a_job_that_waits,
    a_job_past_its_deadline,
    a_job_that_is_swept_up,
    a_job_goes,
);

const ONCE: &str = "batch/v1~jobs/once";

async fn run(on: &Scene, spec: Value) {
    let mut job = json!({"metadata": {"name": "once"}, "spec": {"template": {"metadata": {"labels": {"app": "once"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]}}}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        job["spec"][key] = value.clone();
    }
    on.given("batch/v1~jobs", job).await;
}

/// Looks until so many pods run.
async fn running(on: &Scene, count: u64) {
    on.until(ONCE, |job| job["status"]["ready"] == count).await;
}

/// The names of the pods that run, in the order of their making.
async fn alive(on: &Scene) -> Vec<String> {
    let mut pods = list(on, "v1~pods").await;
    pods.retain(|pod| {
        pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
    });
    pods.sort_by_key(|pod| {
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].to_string()
    });
    let names = pods
        .iter()
        .filter_map(|pod| pod["metadata"]["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Ends a pod; it is no longer ready then.
async fn end(on: &Scene, name: &str, phase: &str) {
    let code = i32::from(phase == "Failed");
    let status = json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}],
        "containerStatuses": [{"name": "app", "image": "app:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "finishedAt": "2025-01-01T00:00:00Z"}}}]}});
    on.ask("PATCH", &format!("v1~pods/{name}/status"), MERGE, status)
        .await;
}

async fn see_job(on: &Scene) {
    quiet(on).await;
    let job = on.ask("GET", ONCE, "", Value::Null).await.body;
    on.observe(
        "job",
        pick(
            &job,
            &[
                "/code",
                "/metadata/labels",
                "/metadata/annotations",
                "/metadata/generation",
                "/metadata/finalizers",
                "/spec/selector",
                "/spec/template/metadata",
                "/status",
            ],
        ),
    );
    let mut pods: Vec<Value> = list(on, "v1~pods")
        .await
        .iter()
        .map(|pod| {
            let mut pod = pick(
                pod,
                &[
                    POD,
                    &[
                        "/metadata/finalizers",
                        "/spec/hostname",
                        "/spec/containers/0/env",
                    ],
                ]
                .concat(),
            );
            pod["/metadata/name"] = json!("any");
            pod
        })
        .collect();
    pods.sort_by_key(ToString::to_string);
    on.observe("pods", json!(pods));
}

fn has(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |job| {
        let conditions = job["status"]["conditions"].as_array();
        conditions
            .into_iter()
            .flatten()
            .any(|one| one["type"] == kind && one["status"] == "True")
    }
}

async fn a_job(on: &Scene) {
    run(on, json!({})).await;
    running(on, 1).await;
    see_job(on).await;
    end(on, &alive(on).await[0], "Succeeded").await;
    on.until(ONCE, has("Complete")).await;
    see_job(on).await;
}

async fn a_job_of_several(on: &Scene) {
    run(on, json!({"completions": 3, "parallelism": 2})).await;
    running(on, 2).await;
    see_job(on).await;
    end(on, &alive(on).await[0], "Succeeded").await;
    on.until(ONCE, |job| job["status"]["succeeded"] == 1).await;
    running(on, 2).await;
    see_job(on).await;
    for name in alive(on).await {
        end(on, &name, "Succeeded").await;
    }
    on.until(ONCE, has("Complete")).await;
    see_job(on).await;
}

async fn a_job_of_indexes(on: &Scene) {
    run(
        on,
        json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"}),
    )
    .await;
    running(on, 3).await;
    end(on, &alive(on).await[1], "Succeeded").await;
    on.until(ONCE, |job| job["status"]["succeeded"] == 1).await;
    see_job(on).await;
    for name in alive(on).await {
        end(on, &name, "Succeeded").await;
    }
    on.until(ONCE, has("Complete")).await;
    see_job(on).await;
}

async fn a_job_that_fails(on: &Scene) {
    run(
        on,
        json!({"backoffLimit": 0, "completions": 2, "parallelism": 2}),
    )
    .await;
    running(on, 2).await;
    end(on, &alive(on).await[0], "Failed").await;
    on.until(ONCE, has("Failed")).await;
    see_job(on).await;
}

async fn a_job_that_tries_again(on: &Scene) {
    run(on, json!({"backoffLimit": 1})).await;
    running(on, 1).await;
    let first = alive(on).await;
    end(on, &first[0], "Failed").await;
    on.until(ONCE, |job| job["status"]["failed"] == 1).await;
    see_job(on).await;
    running(on, 1).await;
    end(on, &alive(on).await[0], "Succeeded").await;
    on.until(ONCE, has("Complete")).await;
    see_job(on).await;
}

async fn a_job_that_waits(on: &Scene) {
    run(on, json!({"suspend": true})).await;
    on.until(ONCE, has("Suspended")).await;
    see_job(on).await;
    super::change(on, ONCE, json!({"spec": {"suspend": false}})).await;
    running(on, 1).await;
    see_job(on).await;
    super::change(on, ONCE, json!({"spec": {"suspend": true}})).await;
    on.until(ONCE, has("Suspended")).await;
    super::gone(on, "v1~pods", |_| true).await;
    see_job(on).await;
}

async fn a_job_past_its_deadline(on: &Scene) {
    run(on, json!({"activeDeadlineSeconds": 2})).await;
    on.until(ONCE, has("Failed")).await;
    see_job(on).await;
}

async fn a_job_that_is_swept_up(on: &Scene) {
    run(on, json!({"ttlSecondsAfterFinished": 3})).await;
    running(on, 1).await;
    end(on, &alive(on).await[0], "Succeeded").await;
    on.until(ONCE, has("Complete")).await;
    on.until(ONCE, |found| found["code"] == 404).await;
    see_job(on).await;
}

async fn a_job_goes(on: &Scene) {
    run(on, json!({})).await;
    running(on, 1).await;
    on.ask(
        "DELETE",
        ONCE,
        "",
        json!({"propagationPolicy": "Background"}),
    )
    .await;
    super::gone(on, "v1~pods", |_| true).await;
    see_job(on).await;
}
