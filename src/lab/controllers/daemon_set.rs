//! `DaemonSets`: a pod on each node (`pkg/controller/daemon`).

use super::pass::Pass;
use super::pass::count;
use super::pass::is_available;
use super::pass::is_ready;
use super::pass::share;
use super::revision;
use super::scheduler;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

const REVISION: &str = "controller-revision-hash";
const GENERATION: &str = "deprecated.daemonset.template.generation";

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("daemonsets.apps", |pass, set| {
        if object::is_terminating(set) {
            return;
        }
        let name = revision::ensure(pass, set);
        let hash = name.rsplit('-').next().unwrap_or_default().to_owned();
        place(pass, set, &hash);
        replace(pass, set, &hash);
        let status = status(pass, set, &hash);
        pass.set_status(set, status);
    });
}

/// The nodes that the set's pods may run on.
fn nodes(pass: &Pass<'_>, set: &Value) -> Vec<Arc<Value>> {
    // What the controller adds to every pod of a set: it bears what befalls a node.
    let bears = |taint: &Value| {
        taint["key"]
            .as_str()
            .is_some_and(|key| key.starts_with("node.kubernetes.io/"))
    };
    let pod = &set["spec"]["template"]["spec"];
    let mut nodes = pass.api.objects("nodes", "");
    nodes.retain(|node| {
        scheduler::is_selected(node, pod)
            && scheduler::taints(node).all(|taint| bears(taint) || scheduler::tolerates(pod, taint))
    });
    nodes
}

/// The name of the node that a pod is for.
fn node_of(pod: &Value) -> &str {
    let wanted = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]["matchFields"][0]["values"][0].as_str();
    wanted
        .or(pod["spec"]["nodeName"].as_str())
        .unwrap_or_default()
}

/// Lets a pod of a set bear what befalls a node (`AddOrUpdateDaemonPodTolerations`).
fn bear(spec: &mut Value) {
    let mut tolerations: Vec<Value> = object::items(spec, "tolerations").cloned().collect();
    let mut bears = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if spec["hostNetwork"] == true {
        bears.push(("network-unavailable", "NoSchedule"));
    }
    for (key, effect) in bears {
        let toleration = json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
        tolerations.retain(|one| one["key"] != toleration["key"] || one["effect"] != effect);
        tolerations.push(toleration);
    }
    spec["tolerations"] = json!(tolerations);
}

fn place(pass: &mut Pass<'_>, set: &Value, hash: &str) {
    let pods = pass.active_pods_of(set);
    let ending = pass.pods_of(set);
    for node in nodes(pass, set) {
        let name = object::name(&node);
        let taken = pods.iter().chain(&ending).any(|pod| node_of(pod) == name);
        if taken {
            continue;
        }
        let mut pod = revision::pod(set, &set["spec"]["template"]);
        object::set_meta(
            &mut pod,
            "generateName",
            json!(format!("{}-", object::name(set))),
        );
        revision::label(&mut pod, REVISION, hash);
        pod["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]},
        ]}}});
        pod["spec"]["nodeName"] = json!(name);
        if let Some(generation) = set["metadata"]["annotations"][GENERATION].as_str() {
            revision::label(&mut pod, "pod-template-generation", generation);
        }
        bear(&mut pod["spec"]);
        if let Err(why) = pass.create_pod(set, pod) {
            tracing::debug!(why, "a pod of a DaemonSet was not created");
            return;
        }
    }
}

/// Deletes old pods, no more at once than may be missing.
fn replace(pass: &Pass<'_>, set: &Value, hash: &str) {
    let strategy = &set["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return;
    }
    let nodes = nodes(pass, set).len();
    let allowed = share(&strategy["rollingUpdate"]["maxUnavailable"], nodes, true).max(1);
    let pods: Vec<Arc<Value>> = pass.active_pods_of(set);
    let healthy = pods.iter().filter(|pod| is_ready(pod)).count();
    let mut spare = allowed.saturating_sub(nodes.saturating_sub(healthy));
    for pod in pods
        .iter()
        .filter(|pod| object::labels(pod)[REVISION] != hash)
    {
        if is_ready(pod) {
            if spare == 0 {
                continue;
            }
            spare -= 1;
        }
        pass.delete_pod(set, pod);
    }
}

fn status(pass: &mut Pass<'_>, set: &Value, hash: &str) -> Value {
    let nodes = nodes(pass, set).len();
    let pods = pass.active_pods_of(set);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let available = pods
        .iter()
        .filter(|pod| is_available(pod, set, pass))
        .count();
    let updated = pods
        .iter()
        .filter(|pod| object::labels(pod)[REVISION] == hash)
        .count();
    let mut status = json!({
        "currentNumberScheduled": pods.len(), "numberMisscheduled": 0, "desiredNumberScheduled": nodes, "numberReady": ready,
        "observedGeneration": set["metadata"]["generation"], "updatedNumberScheduled": updated, "numberAvailable": available,
        "numberUnavailable": nodes.saturating_sub(available),
    });
    for key in [
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    ] {
        if count(&status[key]) == 0 {
            object::remove(&mut status, key);
        }
    }
    status
}
