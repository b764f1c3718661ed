//! Scaling a Deployment whose rollout is under way, or must not go on (`scale` in `pkg/controller/deployment/sync.go`).

use super::deployment::MOST;
use super::deployment::Sets;
use super::deployment::ceiling;
use super::deployment::scale as resize;
use super::pass::Pass;
use super::pass::count;
use crate::lab::api::object;
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

fn size(set: &Value) -> i64 {
    i64::try_from(count(&set["spec"]["replicas"])).unwrap_or(i64::MAX)
}

/// Follows the replicas without rolling: the only set with pods takes all, several share in proportion to their sizes.
pub(super) fn scale(pass: &Pass<'_>, deployment: &Value, sets: &Sets, replicas: usize) {
    let active: Vec<&Arc<Value>> = sets.all().filter(|set| size(set) > 0).collect();
    let only = match active.as_slice() {
        [] => sets.new.as_ref().or(sets.old.last()),
        [only] => Some(*only),
        _ => None,
    };
    if let Some(only) = only {
        if count(&only["spec"]["replicas"]) != replicas {
            resize(pass, deployment, only, replicas);
        }
        return;
    }
    if active.is_empty() {
        return;
    }
    if sets.new.as_ref().is_some_and(|new| {
        count(&new["spec"]["replicas"]) == replicas
            && count(&new["status"]["availableReplicas"]) == replicas
    }) {
        for set in sets.old.iter().filter(|set| size(set) > 0) {
            resize(pass, deployment, set, 0);
        }
        return;
    }
    if deployment["spec"]["strategy"]["type"] != "Recreate" {
        share_out(pass, deployment, active, replicas);
    }
}

fn share_out(pass: &Pass<'_>, deployment: &Value, mut sets: Vec<&Arc<Value>>, replicas: usize) {
    let most = i64::try_from(ceiling(deployment, replicas)).unwrap_or(i64::MAX);
    let allowed = if replicas == 0 { 0 } else { most };
    let missing = allowed - sets.iter().map(|set| size(set)).sum::<i64>();
    let made = |set: &Value| object::meta(set, "creationTimestamp").to_owned();
    // The largest first; of equal ones the newest grows first, and the oldest shrinks first.
    if missing > 0 {
        sets.sort_by_key(|set| (Reverse(size(set)), Reverse(made(set))));
    } else {
        sets.sort_by_key(|set| (Reverse(size(set)), made(set)));
    }
    let mut added = 0;
    let mut sizes: Vec<i64> = sets
        .iter()
        .map(|set| {
            let wished = fraction(deployment, set, most, replicas);
            let left = missing - added;
            let share = if missing > 0 {
                wished.min(left)
            } else {
                wished.max(left)
            };
            added += share;
            size(set) + share
        })
        .collect();
    if let Some(first) = sizes.first_mut() {
        *first = (*first + missing - added).max(0);
    }
    for (set, size) in sets.into_iter().zip(sizes) {
        resize(pass, deployment, set, usize::try_from(size).unwrap_or(0));
    }
}

/// By how much a set grows, so that it keeps its part of all pods.
fn fraction(deployment: &Value, set: &Value, most: i64, replicas: usize) -> i64 {
    let size = size(set);
    if replicas == 0 {
        return -size;
    }
    let noted = set["metadata"]["annotations"][MOST].as_str();
    let before = noted
        .and_then(|text| text.parse().ok())
        .filter(|most| *most != 0)
        .or_else(|| deployment["status"]["replicas"].as_i64())
        .unwrap_or(0);
    if before == 0 {
        return 0;
    }
    // Rounded half away from zero, and nothing here is below it.
    (2 * size * most + before) / (2 * before) - size
}
