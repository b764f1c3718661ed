//! A Deployment's status: counts, conditions and the progress deadline.

use super::deployment::Sets;
use super::deployment::max_unavailable;
use super::pass::Pass;
use super::pass::count;
use super::pass::set_condition;
use crate::lab::api::object;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

/// The first minor of Kubernetes that counts the pods that end.
pub(super) const COUNTS_TERMINATING: u32 = 35;

/// Counts that are absent where they are zero.
pub(super) fn omit_zeros(status: &mut Value) {
    if let Some(map) = status.as_object_mut() {
        map.retain(|key, value| {
            key == "replicas"
                || !(value == 0 || value.is_null() || value.as_array().is_some_and(Vec::is_empty))
        });
    }
}

pub(super) fn update(pass: &mut Pass<'_>, deployment: &Value, sets: &Sets) {
    let replicas = count(&deployment["spec"]["replicas"]);
    let sum = |field: &str| {
        sets.all()
            .map(|set| count(&set["status"][field]))
            .sum::<usize>()
    };
    let (total, available) = (sum("replicas"), sum("availableReplicas"));
    let asked: usize = sets.all().map(|set| count(&set["spec"]["replicas"])).sum();
    let updated = sets
        .new
        .as_ref()
        .map_or(0, |set| count(&set["status"]["replicas"]));
    let old = &deployment["status"];
    let mut conditions: Vec<Value> = object::items(old, "conditions").cloned().collect();
    let now = pass.time();
    available_condition(&mut conditions, deployment, available, replicas, &now);
    let done =
        updated == replicas && total == replicas && available >= replicas && sets.new.is_some();
    let advanced = updated > count(&old["updatedReplicas"])
        || sum("readyReplicas") > count(&old["readyReplicas"])
        || available > count(&old["availableReplicas"])
        || total.saturating_sub(updated)
            < count(&old["replicas"]).saturating_sub(count(&old["updatedReplicas"]));
    progressing(pass, &mut conditions, deployment, sets, done, advanced);
    failure(&mut conditions, sets, &now);
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"], "replicas": total, "updatedReplicas": updated,
        "readyReplicas": sum("readyReplicas"), "availableReplicas": available, "unavailableReplicas": asked.saturating_sub(available),
        "conditions": conditions,
    });
    omit_zeros(&mut status);
    if total == 0 {
        object::remove(&mut status, "replicas");
    }
    if pass.api.minor() >= COUNTS_TERMINATING {
        status["terminatingReplicas"] = json!(sum("terminatingReplicas"));
    }
    pass.set_status(deployment, status);
}

fn available_condition(
    conditions: &mut Vec<Value>,
    deployment: &Value,
    available: usize,
    replicas: usize,
    now: &str,
) {
    let missing = if deployment["spec"]["strategy"]["type"] == "Recreate" {
        0
    } else {
        max_unavailable(deployment, replicas)
    };
    let enough = available >= replicas.saturating_sub(missing);
    let (status, reason, message) = if enough {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    let updated = last_update(conditions, "Available", status, now);
    set_condition(
        conditions,
        json!({"type": "Available", "status": status, "reason": reason, "message": message, "lastUpdateTime": updated}),
        now,
    );
}

fn last_update(conditions: &[Value], kind: &str, status: &str, now: &str) -> Value {
    let same = conditions
        .iter()
        .find(|one| one["type"] == kind && one["status"] == status);
    same.map_or_else(|| json!(now), |one| one["lastUpdateTime"].clone())
}

fn progressing(
    pass: &mut Pass<'_>,
    conditions: &mut Vec<Value>,
    deployment: &Value,
    sets: &Sets,
    done: bool,
    advanced: bool,
) {
    let now = pass.time();
    let old = conditions
        .iter()
        .find(|one| one["type"] == "Progressing")
        .cloned()
        .unwrap_or_default();
    let set = sets
        .new
        .as_ref()
        .map(|set| object::name(set).to_owned())
        .unwrap_or_default();
    let condition = |status: &str, reason: &str, message: String, updated: Value| json!({"type": "Progressing", "status": status, "reason": reason, "message": message, "lastUpdateTime": updated});
    let generation_seen =
        deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"];
    let was_done = old["reason"] == "NewReplicaSetAvailable";
    let next = if deployment["spec"]["paused"] == true {
        if old["reason"] == "DeploymentPaused" {
            return;
        }
        condition(
            "Unknown",
            "DeploymentPaused",
            "Deployment is paused".to_owned(),
            json!(now),
        )
    } else if done {
        let updated = if was_done && generation_seen {
            old["lastUpdateTime"].clone()
        } else {
            json!(now)
        };
        condition(
            "True",
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{set}\" has successfully progressed."),
            updated,
        )
    } else if advanced
        || old.is_null()
        || !generation_seen
        || (was_done && old["lastUpdateTime"] != now.as_str() && set_is_young(sets, &old))
    {
        condition(
            "True",
            "ReplicaSetUpdated",
            format!("ReplicaSet \"{set}\" is progressing."),
            json!(now),
        )
    } else if was_done || !expired(pass, deployment, &old) {
        return;
    } else {
        condition(
            "False",
            "ProgressDeadlineExceeded",
            format!("ReplicaSet \"{set}\" has timed out progressing."),
            old["lastUpdateTime"].clone(),
        )
    };
    set_condition(conditions, next, &now);
}

/// A set that came after the last word on progress is progress.
fn set_is_young(sets: &Sets, old: &Value) -> bool {
    sets.new.as_ref().is_some_and(|set| {
        object::meta(set, "creationTimestamp") >= old["lastUpdateTime"].as_str().unwrap_or_default()
    })
}

fn expired(pass: &mut Pass<'_>, deployment: &Value, old: &Value) -> bool {
    if old["reason"] == "ProgressDeadlineExceeded" {
        return false;
    }
    let deadline = deployment["spec"]["progressDeadlineSeconds"]
        .as_i64()
        .unwrap_or(600);
    let since = old["lastUpdateTime"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    let Some(since) = since else { return false };
    let left = deadline - pass.timestamp().duration_since(since).as_secs();
    // Conditions know whole seconds only: the one that has begun counts as well, as the real one waits.
    if left >= 0 {
        pass.wake_after(Duration::from_secs(left.unsigned_abs() + 1));
    }
    left < 0
}

/// Passes on that pods cannot be created.
fn failure(conditions: &mut Vec<Value>, sets: &Sets, now: &str) {
    let found = sets
        .all()
        .flat_map(|set| object::items(&set["status"], "conditions"))
        .find(|one| one["type"] == "ReplicaFailure");
    match found {
        Some(failure) => {
            let mut condition = failure.clone();
            condition["lastUpdateTime"] = last_update(conditions, "ReplicaFailure", "True", now);
            set_condition(conditions, condition, now);
        }
        None => conditions.retain(|one| one["type"] != "ReplicaFailure"),
    }
}
