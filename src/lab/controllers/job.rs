//! Jobs: pods that run to completion (`pkg/controller/job`).

use super::pass::Pass;
use super::pass::count;
use super::pass::is_active;
use super::pass::is_ready;
use super::pass::set_condition;
use super::revision;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("jobs.batch", |pass, job| {
        if !object::is_terminating(job) {
            let pods = pass.pods_of(job);
            let done = ended(&pods, "Succeeded");
            if job["spec"]["suspend"] != true && done < wanted(job) {
                start(pass, job, &pods, wanted(job) - done);
            }
            let status = status(pass, job, &pods);
            pass.set_status(job, status);
        }
    });
}

fn wanted(job: &Value) -> usize {
    count(&job["spec"]["completions"])
}

fn ended(pods: &[Arc<Value>], phase: &str) -> usize {
    pods.iter()
        .filter(|pod| pod["status"]["phase"] == phase)
        .count()
}

/// Starts pods until as many run as may, or as are missing.
fn start(pass: &mut Pass<'_>, job: &Value, pods: &[Arc<Value>], missing: usize) {
    let most = count(&job["spec"]["parallelism"]).min(missing);
    let active = pods.iter().filter(|pod| is_active(pod)).count();
    for _ in active..most {
        let mut pod = revision::pod(job, &job["spec"]["template"]);
        let (name, uid) = (object::name(job), object::meta(job, "uid"));
        object::set_meta(&mut pod, "generateName", json!(format!("{name}-")));
        for (key, value) in [("job-name", name), ("controller-uid", uid)] {
            revision::label(&mut pod, key, value);
            revision::label(&mut pod, &format!("batch.kubernetes.io/{key}"), value);
        }
        if let Err(why) = pass.create_pod(job, pod) {
            tracing::debug!(why, "a pod of a Job was not created");
            return;
        }
    }
}

fn status(pass: &Pass<'_>, job: &Value, pods: &[Arc<Value>]) -> Value {
    let old = &job["status"];
    let now = pass.time();
    let mut conditions: Vec<Value> = object::items(old, "conditions").cloned().collect();
    let succeeded = ended(pods, "Succeeded");
    let complete = succeeded >= wanted(job);
    if complete {
        for kind in ["SuccessCriteriaMet", "Complete"] {
            let condition = json!({
                "type": kind, "status": "True", "lastProbeTime": now, "reason": "CompletionsReached",
                "message": "Reached expected number of succeeded pods",
            });
            if !conditions.iter().any(|one| one["type"] == kind) {
                set_condition(&mut conditions, condition, &now);
            }
        }
    }
    let or_now = |field: &str| {
        if old[field].is_null() {
            json!(now)
        } else {
            old[field].clone()
        }
    };
    let active: Vec<&Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).collect();
    let mut status = json!({
        "startTime": or_now("startTime"), "active": active.len(), "ready": active.iter().filter(|pod| is_ready(pod)).count(),
        "succeeded": succeeded, "failed": ended(pods, "Failed"), "conditions": (!conditions.is_empty()).then_some(conditions),
        "completionTime": complete.then(|| or_now("completionTime")),
    });
    for key in ["active", "succeeded", "failed"] {
        if status[key] == 0 {
            object::remove(&mut status, key);
        }
    }
    if complete {
        status["ready"] = json!(0);
    }
    object::drop_nulls(&mut status);
    status
}
