//! What a pod's row says (`printPod`).

use super::super::object;
use super::super::object::items;
use super::cell::number;
use serde_json::Value;

/// The cells that come from the states of the containers.
pub(super) struct Shown {
    pub(super) ready: String,
    pub(super) status: String,
    pub(super) restarts: u64,
}

/// Whether the init container of this name goes on beside the others.
fn is_sidecar(pod: &Value, name: &Value) -> bool {
    items(&pod["spec"], "initContainers")
        .any(|one| one["name"] == *name && one["restartPolicy"] == "Always")
}

fn has_condition(pod: &Value, kind: &str) -> bool {
    items(&pod["status"], "conditions").any(|one| one["type"] == kind && one["status"] == "True")
}

/// Why a container ended.
fn ended(terminated: &Value) -> String {
    if let Some(reason) = terminated["reason"].as_str() {
        reason.to_owned()
    } else if number(&terminated["signal"]) != 0 {
        format!("Signal:{}", terminated["signal"])
    } else {
        format!("ExitCode:{}", terminated["exitCode"])
    }
}

/// Looks at a pod as kubectl's printer does.
pub(super) fn shown(pod: &Value) -> Shown {
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or_default();
    let mut reason = status["reason"].as_str().unwrap_or(phase).to_owned();
    let inits = items(&pod["spec"], "initContainers").count();
    let sidecars = items(&pod["spec"], "initContainers")
        .filter(|one| one["restartPolicy"] == "Always")
        .count();
    let total = items(&pod["spec"], "containers").count() + sidecars;
    let (mut ready, mut restarts, mut kept, mut initializing) = (0, 0, 0, false);
    for (at, container) in items(status, "initContainerStatuses").enumerate() {
        let again = number(&container["restartCount"]);
        restarts += again;
        let sidecar = is_sidecar(pod, &container["name"]);
        if sidecar {
            kept += again;
        }
        let (terminated, waiting) = (
            &container["state"]["terminated"],
            container["state"]["waiting"]["reason"].as_str(),
        );
        if terminated.is_object() && number(&terminated["exitCode"]) == 0 {
            continue;
        }
        if sidecar && container["started"] == true {
            ready += usize::from(container["ready"] == true);
            continue;
        }
        reason = match waiting {
            _ if terminated.is_object() => format!("Init:{}", ended(terminated)),
            Some(waiting) if waiting != "PodInitializing" => format!("Init:{waiting}"),
            _ => format!("Init:{at}/{inits}"),
        };
        initializing = true;
        break;
    }
    if !initializing || has_condition(pod, "Initialized") {
        restarts = kept;
        let (mut runs, mut failed) = (false, None);
        for container in items(status, "containerStatuses")
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            restarts += number(&container["restartCount"]);
            let state = &container["state"];
            if let Some(waiting) = state["waiting"]["reason"].as_str() {
                waiting.clone_into(&mut reason);
            } else if state["terminated"].is_object() {
                reason = ended(&state["terminated"]);
                if number(&state["terminated"]["exitCode"]) != 0 {
                    failed = Some(reason.clone());
                }
            } else if container["ready"] == true && state["running"].is_object() {
                runs = true;
                ready += 1;
            }
        }
        if reason == "Completed" {
            if runs && has_condition(pod, "Ready") {
                "Running".clone_into(&mut reason);
            } else if let Some(failed) = failed {
                reason = failed;
            } else if runs {
                "NotReady".clone_into(&mut reason);
            }
        }
    }
    if object::is_terminating(pod) && !matches!(phase, "Succeeded" | "Failed") {
        "Terminating".clone_into(&mut reason);
    }
    Shown {
        ready: format!("{ready}/{total}"),
        status: reason,
        restarts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_native_sidecar_counts_among_the_containers() {
        let pod = |ready: bool, state: Value| {
            json!({
                "metadata": {"name": "a"},
                "spec": {
                    "initContainers": [{"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
                    "containers": [{"name": "app"}],
                },
                "status": {
                    "phase": "Running",
                    "initContainerStatuses": [
                        {"name": "istio-init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "restartCount": 2},
                        {"name": "istio-proxy", "started": true, "ready": ready, "restartCount": 1, "state": {"running": {}}},
                    ],
                    "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "state": state}],
                },
            })
        };
        let row = |pod: &Value| {
            let shown = shown(pod);
            (shown.ready, shown.status, shown.restarts)
        };
        let running = json!({"running": {}});
        assert_eq!(
            row(&pod(true, running.clone())),
            ("2/2".to_owned(), "Running".to_owned(), 1)
        );
        assert_eq!(row(&pod(false, running)).0, "1/2");
        let crashed = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        assert_eq!(row(&pod(true, crashed)).1, "CrashLoopBackOff");
        let mut going = pod(true, json!({"running": {}}));
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(row(&going).1, "Terminating");
    }
}
