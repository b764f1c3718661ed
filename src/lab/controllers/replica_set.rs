//! `ReplicaSets`: as many pods as asked for.

use super::pass::Pass;
use super::pass::count;
use super::pass::has_ended;
use super::pass::is_active;
use super::pass::is_available;
use super::pass::is_ready;
use super::pass::set_condition;
use super::revision;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("replicasets.apps", |pass, set| {
        if pass.claim(set, "pods", is_active) {
            return;
        }
        let mut failure = None;
        if !object::is_terminating(set) {
            failure = scale(pass, set);
        }
        let status = status(pass, set, failure);
        pass.set_status(set, status);
    });
}

/// Creates or deletes the difference; gives why a creation failed.
fn scale(pass: &mut Pass<'_>, set: &Value) -> Option<String> {
    let mut pods = pass.active_pods_of(set);
    let wanted = count(&set["spec"]["replicas"]);
    for _ in pods.len()..wanted {
        let mut pod = revision::pod(set, &set["spec"]["template"]);
        object::set_meta(
            &mut pod,
            "generateName",
            json!(format!("{}-", object::name(set))),
        );
        if let Err(why) = pass.create_pod(set, pod) {
            return Some(why);
        }
    }
    let excess = pods.len().saturating_sub(wanted);
    if excess == 0 {
        return None;
    }
    // Not ready before ready, then the youngest first.
    pods.sort_by_cached_key(|pod| {
        (
            is_ready(pod),
            std::cmp::Reverse(object::meta(pod, "creationTimestamp").to_owned()),
        )
    });
    for pod in pods.iter().take(excess) {
        pass.delete_pod(set, pod);
    }
    None
}

fn status(pass: &mut Pass<'_>, set: &Value, failure: Option<String>) -> Value {
    let pods: Vec<Arc<Value>> = pass.active_pods_of(set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let available = pods
        .iter()
        .filter(|pod| is_available(pod, set, pass))
        .count();
    let mut conditions: Vec<Value> = object::items(&set["status"], "conditions")
        .cloned()
        .collect();
    match failure {
        Some(why) if !why.is_empty() => {
            let condition = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why});
            set_condition(&mut conditions, condition, &pass.time());
        }
        Some(_) => {}
        None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
    }
    let mut status = json!({
        "replicas": pods.len(), "fullyLabeledReplicas": pods.len(), "readyReplicas": ready, "availableReplicas": available,
        "observedGeneration": set["metadata"]["generation"], "conditions": conditions,
    });
    super::deployment_status::omit_zeros(&mut status);
    if pass.api.minor() >= super::deployment_status::COUNTS_TERMINATING {
        let ending = pass.pods_of(set);
        let ending = ending
            .iter()
            .filter(|pod| object::is_terminating(pod) && !has_ended(pod));
        status["terminatingReplicas"] = json!(ending.count());
    }
    status
}
