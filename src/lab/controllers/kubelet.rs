//! The nodes: pods are placed, start, become ready and end.

use super::pass::Pass;
use super::pass::is_ready;
use crate::lab::api::ApiServer;
use crate::lab::api::object;
use crate::lab::api::object::items;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

/// Adds a node to the cluster.
pub(super) fn register(api: &ApiServer, number: usize) {
    api.seed(&json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("lab-{number}"), "labels": {"kubernetes.io/hostname": format!("lab-{number}"), "kubernetes.io/os": "linux"}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}]},
    }));
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("pods", |pass, pod| {
        let uid = object::meta(pod, "uid").to_owned();
        if object::is_terminating(pod) {
            end(pass, pod, uid);
            return;
        }
        if pass.settings.settled.contains(&uid) {
            return;
        }
        if pod["spec"]["nodeName"].is_null() {
            super::scheduler::place(pass, pod);
        } else if !matches!(
            pod["status"]["phase"].as_str(),
            Some("Failed" | "Succeeded")
        ) {
            run(pass, pod, uid);
        }
    });
}

fn end(pass: &mut Pass<'_>, pod: &Value, uid: String) {
    let now = pass.instant();
    let since = *pass.memory.ending.entry(uid).or_insert(now);
    let until = since + pass.settings.stop;
    if now < until {
        pass.wake_at(until);
    } else if !object::has_finalizers(pod) {
        pass.delete(pod, json!({"gracePeriodSeconds": 0}));
    }
}

fn run(pass: &mut Pass<'_>, pod: &Value, uid: String) {
    let now = pass.instant();
    let since = *pass.memory.seen.entry(uid).or_insert(now);
    let delay = (pass.settings.ready)(pod);
    let ready = delay.is_some_and(|delay| {
        if now < since + delay {
            pass.wake_at(since + delay);
        }
        now >= since + delay
    });
    if ready && let Some(ends) = delay.zip((pass.settings.runs)(pod)) {
        let ends = since + ends.0 + ends.1;
        if now >= ends {
            let status = ended(pod, &pass.time());
            pass.set_status(pod, status);
            return;
        }
        pass.wake_at(ends);
    }
    if pod["status"]["phase"] != "Running" || ready != is_ready(pod) {
        let status = status(pod, ready, &pass.time());
        pass.set_status(pod, status);
    }
}

/// The status of a pod whose containers have ended well.
fn ended(pod: &Value, now: &str) -> Value {
    let mut status = pod["status"].clone();
    let mut conditions = items(&status, "conditions").cloned().collect();
    for (kind, word) in [
        ("Initialized", "True"),
        ("Ready", "False"),
        ("ContainersReady", "False"),
    ] {
        let condition = json!({"type": kind, "status": word, "reason": "PodCompleted"});
        super::pass::set_condition(&mut conditions, condition, now);
    }
    let started = status["startTime"].clone();
    let containers = items(&pod["spec"], "containers");
    status["containerStatuses"] = containers
        .map(|container| {
            let mut one = completed(container, &started);
            one["ready"] = json!(false);
            one["state"]["terminated"]["finishedAt"] = json!(now);
            one
        })
        .collect();
    status["conditions"] = json!(conditions);
    status["phase"] = json!("Succeeded");
    status
}

fn status(pod: &Value, ready: bool, now: &str) -> Value {
    let digest = Sha256::digest(object::meta(pod, "uid"));
    let address = format!("10.244.{}.{}", digest[1], digest[2].max(2));
    let word = if ready { "True" } else { "False" };
    let old = &pod["status"];
    let mut conditions = items(old, "conditions").cloned().collect();
    for (kind, status) in [
        ("PodReadyToStartContainers", "True"),
        ("Initialized", "True"),
        ("Ready", word),
        ("ContainersReady", word),
        ("PodScheduled", "True"),
    ] {
        let mut condition = json!({"type": kind, "status": status, "lastProbeTime": null});
        if status == "False" {
            let names: Vec<&str> = items(&pod["spec"], "containers")
                .filter_map(|container| container["name"].as_str())
                .collect();
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(format!(
                "containers with unready status: [{}]",
                names.join(" ")
            ));
        }
        object::drop_nulls(&mut condition);
        super::pass::set_condition(&mut conditions, condition, now);
    }
    let started = if old["startTime"].is_null() {
        json!(now)
    } else {
        old["startTime"].clone()
    };
    let mut status = json!({
        "phase": "Running", "conditions": conditions, "hostIP": "10.0.0.1", "podIP": address, "podIPs": [{"ip": address}],
        "startTime": started, "qosClass": old["qosClass"],
        "containerStatuses": items(&pod["spec"], "containers").map(|container| running(container, ready, &started)).collect::<Vec<_>>(),
    });
    let init: Vec<Value> = items(&pod["spec"], "initContainers")
        .map(|container| {
            if container["restartPolicy"] == "Always" {
                running(container, ready, &started)
            } else {
                completed(container, &started)
            }
        })
        .collect();
    if !init.is_empty() {
        status["initContainerStatuses"] = json!(init);
    }
    status
}

fn running(container: &Value, ready: bool, started: &Value) -> Value {
    json!({
        "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": ready, "started": true,
        "state": {"running": {"startedAt": started}}, "lastState": {},
    })
}

fn completed(container: &Value, started: &Value) -> Value {
    json!({
        "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": true, "started": false,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started}}, "lastState": {},
    })
}
