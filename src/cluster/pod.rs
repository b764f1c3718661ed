//! Why a pod is not ready.

use serde_json::Value;

use super::object::Object;

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    /// The cause, for people: what the container says, or the scheduler.
    pub why: String,
    /// Whether it only starts, as every pod does for a while.
    pub starting: bool,
}

/// Looks at a pod's status. None where it is ready, ended, or on its way out.
pub fn unready(pod: &Object) -> Option<Unready> {
    let (status, metadata) = (&pod.value()["status"], &pod.value()["metadata"]);
    let over = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    let ready = condition(status, "Ready");
    if over || metadata["deletionTimestamp"].is_string() || ready["status"] == "True" {
        return None;
    }
    let says = |why: String| {
        let starting = false;
        Some(Unready { why, starting })
    };
    let scheduled = condition(status, "PodScheduled");
    if scheduled["status"] == "False" {
        let message = text(&scheduled["message"]).unwrap_or("no node takes it");
        return says(format!("it cannot be scheduled: {message}"));
    }
    let containers = ["initContainerStatuses", "containerStatuses"]
        .iter()
        .filter_map(|list| status[list].as_array())
        .flatten();
    let causes: Vec<(bool, String)> = containers.filter_map(trouble).collect();
    if let Some((_, why)) = causes.iter().find(|(grave, _)| *grave).or(causes.first()) {
        return says(why.clone());
    }
    let message = text(&ready["message"]).unwrap_or("not ready");
    let waits_for_a_gate = condition(status, "ContainersReady")["status"] == "True";
    Some(Unready {
        why: message.to_owned(),
        starting: !waits_for_a_gate,
    })
}

/// What is wrong with a container, and whether that is more than that it is not ready.
fn trouble(container: &Value) -> Option<(bool, String)> {
    let name = text(&container["name"]).unwrap_or_default();
    let (waiting, ended) = (
        &container["state"]["waiting"],
        &container["state"]["terminated"],
    );
    let says = |what: String| Some((true, format!("container {name}: {what}")));
    match text(&waiting["reason"]) {
        Some("ContainerCreating" | "PodInitializing") => return None,
        Some(reason) => {
            let last = exit(&container["lastState"]["terminated"]);
            let more = last.or(text(&waiting["message"]).map(str::to_owned));
            return says(more.map_or(reason.to_owned(), |more| format!("{reason} ({more})")));
        }
        None => {}
    }
    if let Some(exit) = exit(ended) {
        return says(exit);
    }
    let runs = container["state"]["running"].is_object();
    (runs && container["ready"] == false)
        .then(|| (false, format!("container {name} runs, and is not ready")))
}

/// How a container ended, if not well.
fn exit(terminated: &Value) -> Option<String> {
    let code = terminated["exitCode"].as_i64().filter(|code| *code != 0)?;
    let reason = text(&terminated["reason"]).map_or(String::new(), |reason| format!(", {reason}"));
    Some(format!("it ended with {code}{reason}"))
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or(&Value::Null)
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn why(status: &Value) -> Option<(String, bool)> {
        let pod = Object::new(json!({ "kind": "Pod", "metadata": {}, "status": status }));
        unready(&pod).map(|found| (found.why, found.starting))
    }

    fn container(state: &Value, last: &Value) -> Option<(String, bool)> {
        why(&json!({
            "conditions": [
                { "type": "PodScheduled", "status": "True" },
                { "type": "Ready", "status": "False", "message": "containers with unready status: [app]" },
            ],
            "containerStatuses": [
                { "name": "istio-proxy", "ready": false, "state": { "running": {} } },
                { "name": "app", "ready": false, "state": state, "lastState": last },
            ],
        }))
    }

    fn said(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn the_gravest_cause_is_named() {
        let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
        let last = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        assert_eq!(
            container(&waiting("CrashLoopBackOff", "back-off 5m0s"), &last),
            Some(said(
                "container app: CrashLoopBackOff (it ended with 137, OOMKilled)"
            ))
        );
        assert_eq!(
            container(
                &waiting("ImagePullBackOff", "Back-off pulling image \"x\""),
                &json!({})
            ),
            Some(said(
                "container app: ImagePullBackOff (Back-off pulling image \"x\")"
            ))
        );
        assert_eq!(
            container(
                &json!({ "terminated": { "exitCode": 1, "reason": "Error" } }),
                &json!({})
            ),
            Some(said("container app: it ended with 1, Error"))
        );
        assert_eq!(
            container(&json!({ "running": {} }), &json!({})),
            Some(said("container istio-proxy runs, and is not ready"))
        );
    }

    #[test]
    fn what_keeps_a_pod_without_containers_is_named() {
        let pending = json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available" }] });
        assert_eq!(
            why(&pending),
            Some(said("it cannot be scheduled: 0/3 nodes are available"))
        );
        let gate = json!({ "conditions": [
            { "type": "ContainersReady", "status": "True" },
            { "type": "Ready", "status": "False", "message": "the readiness gate \"lb\" is not set" }] });
        assert_eq!(
            why(&gate),
            Some(said("the readiness gate \"lb\" is not set"))
        );
    }

    #[test]
    fn who_only_starts_is_told_apart_and_who_is_ready_or_over_is_not_named() {
        let starting = json!({ "containerStatuses": [
            { "name": "app", "ready": false, "state": { "waiting": { "reason": "ContainerCreating" } } }] });
        assert_eq!(why(&starting), Some(("not ready".to_owned(), true)));
        assert_eq!(
            why(&json!({ "conditions": [{ "type": "Ready", "status": "True" }] })),
            None
        );
        assert_eq!(why(&json!({ "phase": "Succeeded" })), None);
    }
}
