//! The events that controllers write about what they do, as `kubectl describe` shows them (`client-go/tools/record`).

use super::pass::Pass;
use crate::lab::api::Key;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;
use std::fmt::Write as _;
use std::time::Duration;

/// How long the server keeps an event (`--event-ttl`).
const KEPT: Duration = Duration::from_secs(60 * 60);
/// How many the lab keeps at most: those of a thousand pods would take more memory than the pods.
const MOST: usize = 1_000;

const SCHEDULER: &str = "default-scheduler";

/// Whether it went well.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Normal,
    Warning,
}

impl Pass<'_> {
    /// Tells of something that was done for an object. What is told again is counted.
    pub(super) fn tell(&self, about: &Value, kind: Kind, reason: &str, message: &str) {
        let namespace = object::namespace(about);
        let is_ending = |one: &Value| object::is_terminating(one);
        let found = self.api.stored(&Key::new("namespaces", "", namespace));
        if found.is_none_or(|namespace| is_ending(&namespace)) {
            return;
        }
        let text = [object::meta(about, "uid"), reason, message].join("\n");
        let mut digest = String::new();
        for byte in Sha256::digest(text) {
            let _infallible = write!(digest, "{byte:02x}");
        }
        let name = format!("{}.{}", object::name(about), &digest[..16]);
        let key = Key::new("events", namespace, &name);
        let event = match self.api.stored(&key) {
            Some(earlier) => self.again_told(&earlier),
            None => self.first_told(about, &key, &digest, kind, reason, message),
        };
        if let Err(error) = self.api.restore(&event) {
            tracing::debug!(%error, "an event was not written");
        }
        let mut events = self.memory.events.borrow_mut();
        events.push_back((self.instant(), key));
        while let Some((at, key)) = events.front()
            && (*at + KEPT <= self.instant() || events.len() > MOST)
        {
            // What was told again since stands behind.
            if !events.iter().skip(1).any(|(_, later)| later == key) {
                self.api.forget(key);
            }
            events.pop_front();
        }
    }

    fn first_told(
        &self,
        about: &Value,
        key: &Key,
        digest: &str,
        kind: Kind,
        reason: &str,
        message: &str,
    ) -> Value {
        let (component, now) = (component(about), self.time());
        let uid = format!(
            "{}-{}-4{}-8{}-{}",
            &digest[..8],
            &digest[8..12],
            &digest[13..16],
            &digest[17..20],
            &digest[20..32]
        );
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid, "creationTimestamp": now},
            "involvedObject": {
                "apiVersion": about["apiVersion"], "kind": about["kind"], "name": object::name(about), "namespace": key.namespace,
                "uid": about["metadata"]["uid"], "resourceVersion": about["metadata"]["resourceVersion"],
            },
            "reason": reason, "message": message,
            "type": match kind { Kind::Normal => "Normal", Kind::Warning => "Warning" },
            "reportingComponent": component,
        });
        // The scheduler writes the newer form.
        let more = if component == SCHEDULER {
            let exact = self.timestamp().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
            let action = if reason == "Scheduled" {
                "Binding"
            } else {
                "Scheduling"
            };
            json!({"action": action, "eventTime": exact.to_string(), "firstTimestamp": null, "lastTimestamp": null, "reportingInstance": format!("{SCHEDULER}-lab"), "source": {}})
        } else {
            json!({"count": 1, "eventTime": null, "firstTimestamp": now, "lastTimestamp": now, "reportingInstance": "", "source": {"component": component}})
        };
        for (key, value) in more.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        event
    }

    fn again_told(&self, earlier: &Value) -> Value {
        let mut event = earlier.clone();
        if event["eventTime"].is_null() {
            event["count"] = json!(earlier["count"].as_u64().unwrap_or(1) + 1);
            event["lastTimestamp"] = json!(self.time());
        } else {
            let count = earlier["series"]["count"].as_u64().unwrap_or(1) + 1;
            let now = self.timestamp().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
            event["series"] = json!({"count": count, "lastObservedTime": now.to_string()});
        }
        event
    }

    /// Tells of a pod that an owner made, or why it could not.
    pub(super) fn tell_creation(&self, owner: &Value, pod: &str, outcome: Result<(), &str>) {
        let set = object::name(owner);
        match (outcome, owner["kind"] == "StatefulSet") {
            (Ok(()), false) => {
                let message = format!("Created pod: {pod}");
                self.tell(owner, Kind::Normal, "SuccessfulCreate", &message);
            }
            (Ok(()), true) => {
                let create = self.word("Create", "create");
                let message = format!("{create} Pod {pod} in StatefulSet {set} successful");
                self.tell(owner, Kind::Normal, "SuccessfulCreate", &message);
            }
            (Err(why), false) => {
                let message = format!("Error creating: {why}");
                self.tell(owner, Kind::Warning, "FailedCreate", &message);
            }
            (Err(why), true) => {
                let create = self.word("Create", "create");
                let message =
                    format!("{create} Pod {pod} in StatefulSet {set} failed error: {why}");
                self.tell(owner, Kind::Warning, "FailedCreate", &message);
            }
        }
    }

    /// Deletes a pod for its owner, and tells of it.
    pub(super) fn delete_pod(&self, owner: &Value, pod: &Value) {
        if object::is_terminating(pod) || !self.delete(pod, json!({})) {
            return;
        }
        let (pod, set) = (object::name(pod), object::name(owner));
        let message = if owner["kind"] == "StatefulSet" {
            let delete = self.word("Delete", "delete");
            format!("{delete} Pod {pod} in StatefulSet {set} successful")
        } else {
            format!("Deleted pod: {pod}")
        };
        self.tell(owner, Kind::Normal, "SuccessfulDelete", &message);
    }

    /// What today's controllers say, or those of Kubernetes 1.21 and some after it.
    fn word<'text>(&self, newer: &'text str, older: &'text str) -> &'text str {
        if self.api.minor() < 25 { older } else { newer }
    }

    /// Tells of a set's new size.
    pub(super) fn tell_scaling(&self, deployment: &Value, set: &str, from: usize, to: usize) {
        let direction = if from < to { "up" } else { "down" };
        let (older, newer) = (format!("to {to}"), format!("from {from} to {to}"));
        let sizes = self.word(&newer, &older);
        let message = format!("Scaled {direction} replica set {set} {sizes}");
        self.tell(deployment, Kind::Normal, "ScalingReplicaSet", &message);
    }
}

/// Who works on such an object.
fn component(about: &Value) -> &'static str {
    match about["kind"].as_str().unwrap_or_default() {
        "Deployment" => "deployment-controller",
        "ReplicaSet" => "replicaset-controller",
        "StatefulSet" => "statefulset-controller",
        "DaemonSet" => "daemonset-controller",
        "Job" => "job-controller",
        _ => SCHEDULER,
    }
}
