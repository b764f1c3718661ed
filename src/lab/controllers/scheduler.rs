//! Which node takes a pod: by its labels and taints; nodes are never full.

use super::events::Kind;
use super::pass::Pass;
use super::pass::set_condition;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::lab::api::selector::LabelSelector;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

/// The first minor of Kubernetes whose pods' conditions say of which generation they are.
const OBSERVES: u32 = 34;

/// Whether a node has the labels that a pod asks for.
pub(super) fn is_selected(node: &Value, pod: &Value) -> bool {
    let selects =
        |selector: Value| LabelSelector::from_object(&selector).matches(object::labels(node));
    let mut terms = items(
        &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"],
        "nodeSelectorTerms",
    )
    .peekable();
    let near = terms.peek().is_none()
        || terms.any(|term| selects(json!({"matchExpressions": term["matchExpressions"]})));
    near && selects(json!({"matchLabels": pod["nodeSelector"]}))
}

/// What keeps pods off a node.
pub(super) fn taints(node: &Value) -> impl Iterator<Item = &Value> {
    items(&node["spec"], "taints").filter(|taint| taint["effect"] != "PreferNoSchedule")
}

/// Whether a pod bears a taint.
pub(super) fn tolerates(pod: &Value, taint: &Value) -> bool {
    items(pod, "tolerations").any(|toleration| {
        let key = toleration["key"].is_null() || toleration["key"] == taint["key"];
        let effect = toleration["effect"].is_null() || toleration["effect"] == taint["effect"];
        let exists = toleration["operator"] == "Exists";
        key && effect && (exists || toleration["value"] == taint["value"])
    })
}

/// Puts a pod on one of the nodes that it fits on, or says why there is none.
pub(super) fn place(pass: &Pass<'_>, pod: &Value) {
    let spec = &pod["spec"];
    let (mut foreign, mut tainted) = (0, 0);
    let mut nodes = pass.api.objects("nodes", "");
    let all = nodes.len();
    nodes.retain(|node| {
        let near = is_selected(node, spec);
        let free = taints(node).all(|taint| tolerates(spec, taint));
        foreign += usize::from(!near);
        tainted += usize::from(near && !free);
        near && free
    });
    let digest = Sha256::digest(object::meta(pod, "uid"));
    if let Some(node) = nodes.get(usize::from(digest[0]) % nodes.len().max(1)) {
        let binding = json!({"target": {"kind": "Node", "name": object::name(node)}});
        if pass.send("POST", pod, "/binding", binding) {
            let (name, node) = (object::name(pod), object::name(node));
            let message = format!(
                "Successfully assigned {}/{name} to {node}",
                object::namespace(pod)
            );
            pass.tell(pod, Kind::Normal, "Scheduled", &message);
        }
        return;
    }
    let message = if all == 0 {
        "no nodes available to schedule pods".to_owned()
    } else {
        let reasons = [
            (tainted, "node(s) had untolerated taint(s)"),
            (foreign, "node(s) didn't match Pod's node affinity/selector"),
        ];
        let reasons: Vec<String> = reasons
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} {why}"))
            .collect();
        format!(
            "0/{all} nodes are available: {}. no new claims to deallocate, preemption: 0/{all} nodes are available: {all} Preemption is not helpful for scheduling.",
            reasons.join(", ")
        )
    };
    pass.tell(pod, Kind::Warning, "FailedScheduling", &message);
    let mut status = pod["status"].clone();
    let mut conditions = items(&status, "conditions").cloned().collect();
    let mut condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    if pass.api.minor() >= OBSERVES {
        condition["observedGeneration"] = pod["metadata"]["generation"].clone();
    }
    set_condition(&mut conditions, condition, &pass.time());
    status["conditions"] = json!(conditions);
    pass.set_status(pod, status);
}
