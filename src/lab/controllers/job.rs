//! Jobs: pods that run to completion (`pkg/controller/job`).

use super::job_status;
use super::pass::Pass;
use super::pass::controller_of;
use super::pass::count;
use super::pass::has_ended;
use super::pass::is_active;
use super::revision;
use crate::lab::api::object;
use crate::lab::api::object::items;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Keeps an ended pod until it is counted, from Kubernetes 1.26 on.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const TRACKED_SINCE: u32 = 26;
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What has become of a Job's pods so far.
pub(super) struct Progress {
    /// How many have ended well, counted once and for all.
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    /// The numbers that are done, where pods have numbers.
    pub(super) indexes: Option<BTreeSet<usize>>,
    pub(super) active: Vec<Arc<Value>>,
    /// Those that end, and have not ended.
    pub(super) terminating: usize,
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("jobs.batch", |pass, job| {
        if object::is_terminating(job) {
            return;
        }
        let pods = pass.pods_of(job);
        if job_status::is_finished(job) {
            for pod in &pods {
                release(pass, pod);
            }
            sweep_up(pass, job);
            return;
        }
        let progress = progress(pass, job, &pods);
        let verdict = job_status::verdict(pass, job, &progress);
        if verdict.is_some() || job["spec"]["suspend"] == true {
            for pod in &progress.active {
                pass.delete_pod(job, pod);
            }
        } else {
            start(pass, job, &pods, &progress);
        }
        let status = job_status::status(pass, job, &progress, verdict);
        if pass.set_status(job, status.clone()) {
            job_status::tell(pass, job, &status);
        }
    });
    // What a Job that is gone has left behind.
    pass.each("pods", |pass, pod| {
        if controller_of(pod).is_some_and(|uid| !pass.memory.exists(uid)) {
            release(pass, pod);
        }
    });
}

/// Lets a counted pod go; says whether it was held.
fn release(pass: &Pass<'_>, pod: &Value) -> bool {
    let mut next = pod.clone();
    let Some(list) = next["metadata"]["finalizers"].as_array_mut() else {
        return false;
    };
    list.retain(|one| one != TRACKING);
    if list.is_empty() {
        object::remove(&mut next["metadata"], "finalizers");
    }
    pass.update(pod, &next)
}

fn progress(pass: &Pass<'_>, job: &Value, pods: &[Arc<Value>]) -> Progress {
    let status = &job["status"];
    let tracked = pass.api.minor() >= TRACKED_SINCE;
    let mut indexes = (job["spec"]["completionMode"] == "Indexed")
        .then(|| job_status::parse(status["completedIndexes"].as_str().unwrap_or_default()));
    let (mut succeeded, mut failed) = if tracked {
        (count(&status["succeeded"]), count(&status["failed"]))
    } else {
        (0, 0)
    };
    for pod in pods {
        let well = pod["status"]["phase"] == "Succeeded";
        let over = has_ended(pod) || (tracked && object::is_terminating(pod));
        if !over || (tracked && !release(pass, pod)) {
            continue;
        }
        if well {
            succeeded += 1;
            if let Some(indexes) = &mut indexes {
                indexes.extend(index(pod));
            }
        } else if has_ended(pod) || job["spec"]["suspend"] != true {
            failed += 1;
        }
    }
    Progress {
        succeeded: indexes.as_ref().map_or(succeeded, BTreeSet::len),
        failed,
        indexes,
        active: pods.iter().filter(|pod| is_active(pod)).cloned().collect(),
        terminating: pods
            .iter()
            .filter(|pod| object::is_terminating(pod) && !has_ended(pod))
            .count(),
    }
}

fn index(pod: &Value) -> Option<usize> {
    pod["metadata"]["annotations"][INDEX].as_str()?.parse().ok()
}

/// Starts pods until as many run as may, or as are missing.
fn start(pass: &mut Pass<'_>, job: &Value, pods: &[Arc<Value>], progress: &Progress) {
    let parallel = count(&job["spec"]["parallelism"]);
    let active = progress.active.len();
    let most = match job["spec"]["completions"].as_u64() {
        Some(_) => parallel.min(job_status::wanted(job).saturating_sub(progress.succeeded)),
        // Those who share a queue know when it is empty.
        None if progress.succeeded > 0 => active,
        None => parallel,
    };
    if most <= active || !has_waited(pass, pods) {
        return;
    }
    let mut free = progress.indexes.as_ref().map(|done| {
        let taken: BTreeSet<usize> = progress
            .active
            .iter()
            .filter_map(|pod| index(pod))
            .collect();
        (0..job_status::wanted(job)).filter(move |one| !done.contains(one) && !taken.contains(one))
    });
    for _ in active..most {
        let mut pod = revision::pod(job, &job["spec"]["template"]);
        let mut prefix = format!("{}-", object::name(job));
        if let Some(number) = free.as_mut().and_then(Iterator::next) {
            prefix = format!("{prefix}{number}-");
            give_number(&mut pod, job, number);
        }
        object::set_meta(&mut pod, "generateName", json!(prefix));
        if pass.api.minor() >= TRACKED_SINCE {
            object::set_meta(&mut pod, "finalizers", json!([TRACKING]));
        }
        if let Err(why) = pass.create_pod(job, pod) {
            tracing::debug!(why, "a pod of a Job was not created");
            return;
        }
    }
}

fn give_number(pod: &mut Value, job: &Value, number: usize) {
    revision::label(pod, INDEX, &number.to_string());
    object::default_to(&mut pod["metadata"], "annotations", json!({}));
    pod["metadata"]["annotations"][INDEX] = json!(number.to_string());
    let place = format!("metadata.labels['{INDEX}']");
    for list in ["initContainers", "containers"] {
        for container in object::items_mut(&mut pod["spec"], list) {
            object::default_to(container, "env", json!([]));
            if let Some(environment) = container["env"].as_array_mut() {
                environment.push(json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": place}}}));
            }
        }
    }
    pod["spec"]["hostname"] = json!(format!("{}-{number}", object::name(job)));
}

/// After a failure the next attempt waits 10 s, after each further one twice as long, at most ten minutes.
fn has_waited(pass: &mut Pass<'_>, pods: &[Arc<Value>]) -> bool {
    let ends = pods.iter().filter(|pod| pod["status"]["phase"] == "Failed");
    let ends: Vec<Timestamp> = ends
        .filter_map(|pod| {
            items(&pod["status"], "containerStatuses")
                .filter_map(|one| one["state"]["terminated"]["finishedAt"].as_str())
                .filter_map(|text| text.parse().ok())
                .max()
        })
        .collect();
    let Some(last) = ends.iter().max() else {
        return true;
    };
    let doubled = 10 * (1 << (ends.len() - 1).min(6));
    let left = doubled.min(600) - pass.timestamp().duration_since(*last).as_secs();
    if left > 0 {
        pass.wake_after(Duration::from_secs(left.unsigned_abs()));
    }
    left <= 0
}

/// Deletes a finished Job when its time has come.
fn sweep_up(pass: &mut Pass<'_>, job: &Value) {
    let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else {
        return;
    };
    let Some(since) = job_status::finished_at(job) else {
        return;
    };
    let left = seconds - pass.timestamp().duration_since(since).as_secs();
    if left > 0 {
        pass.wake_after(Duration::from_secs(left.unsigned_abs()));
    } else {
        pass.delete(job, json!({"propagationPolicy": "Foreground"}));
    }
}
