//! Why a Deployment, StatefulSet or DaemonSet is not rolled out yet.

use serde_json::Value;

use super::object::Object;

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// Every pod is of the newest template, and available.
    Done,
    /// Not yet, and why.
    NotYet(Vec<String>),
    /// It will not get on by itself.
    Stuck(String),
    /// Its strategy replaces no pods, or not all.
    Never(String),
}

/// Looks at a workload's status, for the generation that it has now (kubectl's `polymorphichelpers/rollout_status.go`).
pub fn rollout(object: &Object) -> Rollout {
    let value = object.value();
    let generation = value["metadata"]["generation"].as_i64().unwrap_or(0);
    let observed = value["status"]["observedGeneration"].as_i64().unwrap_or(0);
    if value["spec"]["paused"] == true {
        return Rollout::Stuck("its rollout is paused".to_owned());
    }
    if observed < generation {
        return Rollout::NotYet(vec![
            "its controller has not seen the change yet".to_owned(),
        ]);
    }
    match object.kind() {
        "Deployment" => deployment(value),
        "StatefulSet" => stateful_set(value),
        "DaemonSet" => daemon_set(value),
        other => Rollout::Never(format!("{other} knows no rollout")),
    }
}

fn deployment(value: &Value) -> Rollout {
    let conditions = value["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    for condition in conditions {
        if condition["type"] == "Progressing" && condition["reason"] == "ProgressDeadlineExceeded" {
            let message = condition["message"]
                .as_str()
                .unwrap_or("its progress deadline has passed");
            return Rollout::Stuck(message.to_owned());
        }
    }
    let wanted = count(&value["spec"]["replicas"], 1);
    let status = &value["status"];
    let updated = count(&status["updatedReplicas"], 0);
    let total = count(&status["replicas"], 0);
    let available = count(&status["availableReplicas"], 0);
    let reason = if updated < wanted {
        format!("{updated} of {wanted} pods updated")
    } else if total > updated {
        let pods = if total - updated == 1 { "pod" } else { "pods" };
        format!("{} old {pods} still to end", total - updated)
    } else if available < updated {
        format!("{available} of {updated} updated pods available")
    } else {
        return Rollout::Done;
    };
    Rollout::NotYet(vec![reason])
}

fn stateful_set(value: &Value) -> Rollout {
    let strategy = &value["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return Rollout::Never("its updateStrategy is OnDelete".to_owned());
    }
    let wanted = count(&value["spec"]["replicas"], 1);
    let partition = count(&strategy["rollingUpdate"]["partition"], 0);
    let status = &value["status"];
    let ready = count(&status["readyReplicas"], 0);
    if ready < wanted {
        return Rollout::NotYet(vec![format!("{ready} of {wanted} pods ready")]);
    }
    let updated = count(&status["updatedReplicas"], 0);
    if partition > 0 {
        let due = wanted.saturating_sub(partition);
        return if updated < due {
            Rollout::NotYet(vec![format!(
                "{updated} of {due} pods above the partition updated"
            )])
        } else {
            Rollout::Done
        };
    }
    if status["updateRevision"] != status["currentRevision"] {
        return Rollout::NotYet(vec![format!("{updated} of {wanted} pods updated")]);
    }
    Rollout::Done
}

fn daemon_set(value: &Value) -> Rollout {
    if value["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return Rollout::Never("its updateStrategy is OnDelete".to_owned());
    }
    let status = &value["status"];
    let wanted = count(&status["desiredNumberScheduled"], 0);
    let updated = count(&status["updatedNumberScheduled"], 0);
    let available = count(&status["numberAvailable"], 0);
    let reason = if updated < wanted {
        format!("{updated} of {wanted} pods updated")
    } else if available < wanted {
        format!("{available} of {wanted} pods available")
    } else {
        return Rollout::Done;
    };
    Rollout::NotYet(vec![reason])
}

fn count(value: &Value, default: u64) -> u64 {
    value.as_u64().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn look(kind: &str, spec: &Value, status: &Value) -> Rollout {
        rollout(&Object::new(json!({
            "kind": kind, "metadata": { "generation": 2 }, "spec": spec, "status": status,
        })))
    }

    #[test]
    fn the_previous_rollout_does_not_count() {
        let status = json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 });
        assert!(matches!(
            look("Deployment", &json!({ "replicas": 1 }), &status),
            Rollout::NotYet(_)
        ));
    }

    #[test]
    fn deployments_end_when_old_pods_are_gone_and_new_ones_available() {
        let look = |updated, total, available| {
            look(
                "Deployment",
                &json!({ "replicas": 3 }),
                &json!({ "observedGeneration": 2, "replicas": total, "updatedReplicas": updated, "availableReplicas": available }),
            )
        };
        assert_eq!(
            look(2, 3, 3),
            Rollout::NotYet(vec!["2 of 3 pods updated".to_owned()])
        );
        assert_eq!(
            look(3, 4, 3),
            Rollout::NotYet(vec!["1 old pod still to end".to_owned()])
        );
        assert_eq!(
            look(3, 3, 2),
            Rollout::NotYet(vec!["2 of 3 updated pods available".to_owned()])
        );
        assert_eq!(look(3, 3, 3), Rollout::Done);
    }

    #[test]
    fn what_cannot_end_says_so() {
        let stuck = json!({ "observedGeneration": 2, "conditions": [
            { "type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out" }] });
        assert_eq!(
            look("Deployment", &json!({}), &stuck),
            Rollout::Stuck("timed out".to_owned())
        );
        let on_delete = json!({ "updateStrategy": { "type": "OnDelete" } });
        assert!(matches!(
            look("DaemonSet", &on_delete, &json!({ "observedGeneration": 2 })),
            Rollout::Never(_)
        ));
    }
}
