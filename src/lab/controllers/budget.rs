//! The status of disruption budgets.

use super::pass::Pass;
use super::pass::count;
use super::pass::is_active;
use super::pass::is_ready;
use super::pass::share;
use crate::lab::api::object;
use crate::lab::api::selector::LabelSelector;
use serde_json::Value;
use serde_json::json;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("poddisruptionbudgets.policy", |pass, budget| {
        let spec = &budget["spec"];
        let selector = LabelSelector::from_object(&spec["selector"]);
        let namespace = object::namespace(budget);
        let covered = |pod: &&std::sync::Arc<Value>| {
            !spec["selector"].is_null()
                && selector.matches(object::labels(pod))
                && is_active(pod)
        };
        let all = pass.api.objects("pods", namespace);
        let pods: Vec<_> = all.iter().filter(covered).collect();
        let healthy = pods.iter().filter(|pod| is_ready(pod)).count();
        let expected = expected(pass, namespace, &pods);
        let desired = if spec["maxUnavailable"].is_null() {
            share(&spec["minAvailable"], expected, true)
        } else {
            expected.saturating_sub(share(&spec["maxUnavailable"], expected, true))
        };
        let allowed = healthy.saturating_sub(desired);
        let (word, reason) = if allowed > 0 {
            ("True", "SufficientPods")
        } else {
            ("False", "InsufficientPods")
        };
        let mut conditions: Vec<Value> = object::items(&budget["status"], "conditions")
            .cloned()
            .collect();
        let condition = json!({"type": "DisruptionAllowed", "status": word, "reason": reason, "message": "", "observedGeneration": budget["metadata"]["generation"]});
        super::pass::set_condition(&mut conditions, condition, &pass.time());
        let status = json!({
            "observedGeneration": budget["metadata"]["generation"], "currentHealthy": healthy, "desiredHealthy": desired,
            "disruptionsAllowed": allowed, "expectedPods": expected, "conditions": conditions,
        });
        pass.set_status(budget, status);
    });
}

/// How many pods the owners want, each counted once; pods without an owner count themselves.
fn expected(pass: &Pass<'_>, namespace: &str, pods: &[&std::sync::Arc<Value>]) -> usize {
    let mut owners = std::collections::BTreeSet::new();
    let mut bare = 0;
    for pod in pods {
        match super::pass::controller_of(pod) {
            Some(uid) => {
                owners.insert(uid.to_owned());
            }
            None => bare += 1,
        }
    }
    let mut sum = bare;
    for resource in ["replicasets.apps", "statefulsets.apps"] {
        let owned = pass.api.objects(resource, namespace);
        sum += owned
            .iter()
            .filter(|one| owners.contains(object::meta(one, "uid")))
            .map(|one| count(&one["spec"]["replicas"]))
            .sum::<usize>();
    }
    sum
}
