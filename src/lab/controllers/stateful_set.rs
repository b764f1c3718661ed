//! `StatefulSets`: numbered pods, created upwards and updated downwards (`pkg/controller/statefulset`).

use super::pass::Pass;
use super::pass::count;
use super::pass::is_available;
use super::pass::is_ready;
use super::revision;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const REVISION: &str = "controller-revision-hash";

/// A set with its pods by number.
struct Members {
    by_number: BTreeMap<usize, Arc<Value>>,
    current: String,
    update: String,
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("statefulsets.apps", |pass, set| {
        if object::is_terminating(set) {
            return;
        }
        let update = revision::ensure(pass, set);
        let current = set["status"]["currentRevision"]
            .as_str()
            .unwrap_or(&update)
            .to_owned();
        let by_number = pass
            .pods_of(set)
            .into_iter()
            .filter_map(|pod| Some((number(&pod)?, pod)))
            .collect();
        let members = Members {
            by_number,
            current,
            update,
        };
        if !create(pass, set, &members) {
            replace(pass, set, &members);
        }
        let status = status(pass, set, &members);
        pass.set_status(set, status);
    });
}

fn number(pod: &Value) -> Option<usize> {
    object::name(pod).rsplit_once('-')?.1.parse().ok()
}

fn partition(set: &Value) -> usize {
    count(&set["spec"]["updateStrategy"]["rollingUpdate"]["partition"])
}

/// Creates missing pods and deletes those too many; says whether it is still at it.
fn create(pass: &mut Pass<'_>, set: &Value, members: &Members) -> bool {
    let replicas = count(&set["spec"]["replicas"]);
    let parallel = set["spec"]["podManagementPolicy"] == "Parallel";
    for number in 0..replicas {
        match members.by_number.get(&number) {
            None => {
                make(pass, set, members, number);
                if !parallel {
                    return true;
                }
            }
            Some(pod) if !parallel && (object::is_terminating(pod) || !is_ready(pod)) => {
                return true;
            }
            Some(_) => {}
        }
    }
    let surplus: Vec<_> = members.by_number.range(replicas..).rev().collect();
    for (_, pod) in &surplus {
        if object::is_terminating(pod) {
            if parallel {
                continue;
            }
            return true;
        }
        pass.delete_pod(set, pod);
        if !parallel {
            return true;
        }
    }
    !surplus.is_empty()
}

fn make(pass: &mut Pass<'_>, set: &Value, members: &Members, number: usize) {
    let rolling = set["spec"]["updateStrategy"]["type"] != "OnDelete";
    let revision = if rolling && number < partition(set) {
        &members.current
    } else {
        &members.update
    };
    let template =
        revision::template(pass, set, revision).unwrap_or_else(|| set["spec"]["template"].clone());
    let name = format!("{}-{number}", object::name(set));
    let mut pod = revision::pod(set, &template);
    object::set_meta(&mut pod, "name", json!(name));
    object::set_meta(
        &mut pod,
        "generateName",
        json!(format!("{}-", object::name(set))),
    );
    revision::label(&mut pod, REVISION, revision);
    revision::label(&mut pod, "statefulset.kubernetes.io/pod-name", &name);
    revision::label(
        &mut pod,
        "apps.kubernetes.io/pod-index",
        &number.to_string(),
    );
    pod["spec"]["hostname"] = json!(name);
    if let Err(why) = pass.create_pod(set, pod) {
        tracing::debug!(why, "a pod of a StatefulSet was not created");
    }
}

/// Deletes the highest pod of an old revision, once all above it are ready.
fn replace(pass: &Pass<'_>, set: &Value, members: &Members) {
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return;
    }
    for (number, pod) in members.by_number.iter().rev() {
        if *number < partition(set) {
            return;
        }
        if object::labels(pod)[REVISION] != members.update.as_str() && !object::is_terminating(pod)
        {
            pass.delete_pod(set, pod);
            return;
        }
        if object::is_terminating(pod) || !is_ready(pod) {
            return;
        }
    }
}

fn status(pass: &mut Pass<'_>, set: &Value, members: &Members) -> Value {
    let pods: Vec<&Arc<Value>> = members.by_number.values().collect();
    let of = |revision: &str| {
        pods.iter()
            .filter(|pod| !object::is_terminating(pod) && object::labels(pod)[REVISION] == revision)
            .count()
    };
    let (replicas, ready) = (
        count(&set["spec"]["replicas"]),
        pods.iter()
            .filter(|pod| is_ready(pod) && !object::is_terminating(pod))
            .count(),
    );
    let updated = of(&members.update);
    let complete = updated == replicas && ready == replicas && pods.len() == replicas;
    let current = if complete {
        &members.update
    } else {
        &members.current
    };
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(), "readyReplicas": ready,
        "availableReplicas": pods.iter().filter(|pod| is_available(pod, set, pass)).count(),
        "currentReplicas": of(current), "updatedReplicas": updated, "currentRevision": current, "updateRevision": members.update,
        "collisionCount": 0,
    });
    // These two are always there, even when zero.
    for key in ["readyReplicas", "currentReplicas", "updatedReplicas"] {
        if status[key] == 0 {
            object::remove(&mut status, key);
        }
    }
    status
}
