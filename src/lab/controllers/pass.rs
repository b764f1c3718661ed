//! What the controllers see in one look, and how they write.

use super::Settings;
use super::memory::Memory;
use crate::lab::api::ApiServer;
use crate::lab::api::Key;
use crate::lab::api::StatusError;
use crate::lab::api::object;
use crate::lab::api::selector::LabelSelector;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const AGENT: &str = "kube-controller-manager";
/// What could not be written is looked at again after this time.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// One look at what has changed, and at what time has come for.
pub(super) struct Pass<'look> {
    pub(super) api: &'look ApiServer,
    pub(super) settings: &'look Settings,
    pub(super) memory: &'look mut Memory,
    due: BTreeSet<Key>,
    /// What is looked at.
    current: Option<Key>,
    /// Whether a write for it failed.
    failed: Cell<bool>,
    now: Instant,
}

impl<'look> Pass<'look> {
    pub(super) fn new(
        api: &'look ApiServer,
        settings: &'look Settings,
        memory: &'look mut Memory,
    ) -> Self {
        let now = Instant::now();
        Self {
            due: memory.learn(api, now),
            api,
            settings,
            memory,
            current: None,
            failed: Cell::new(false),
            now,
        }
    }

    /// Looks at each object of a resource that is due, as it is now.
    pub(super) fn each(&mut self, resource: &str, look: impl FnMut(&mut Self, &Arc<Value>)) {
        let first = Key::new(resource, "", "");
        let due: Vec<Key> = self
            .due
            .range(first..)
            .take_while(|key| key.resource == resource)
            .cloned()
            .collect();
        self.look_at(due, look);
    }

    /// Looks at each object that is due.
    pub(super) fn everything(&mut self, look: impl FnMut(&mut Self, &Arc<Value>)) {
        let due = self.due.iter().cloned().collect();
        self.look_at(due, look);
    }

    fn look_at(&mut self, due: Vec<Key>, mut look: impl FnMut(&mut Self, &Arc<Value>)) {
        for key in due {
            if let Some(found) = self.api.stored(&key) {
                self.current = Some(key.clone());
                self.failed.set(false);
                look(self, &found);
                if self.failed.get() {
                    self.memory.again(self.now + AFTER_FAILURE, key);
                }
            }
        }
        self.current = None;
    }

    /// The objects of a resource that this one controls.
    pub(super) fn controlled(&self, owner: &Value, resource: &str) -> Vec<Arc<Value>> {
        let uid = object::meta(owner, "uid");
        let all = self.memory.owned(uid);
        all.filter(|(key, one)| key.resource == resource && controller_of(one) == Some(uid))
            .map(|(_, one)| Arc::clone(one))
            .collect()
    }

    /// The pods that this object controls, terminating ones included.
    pub(super) fn pods_of(&self, owner: &Value) -> Vec<Arc<Value>> {
        self.controlled(owner, "pods")
    }

    /// Those that neither terminate nor have ended.
    pub(super) fn active_pods_of(&self, owner: &Value) -> Vec<Arc<Value>> {
        let mut pods = self.pods_of(owner);
        pods.retain(|pod| is_active(pod));
        pods
    }

    /// Takes in what its selector finds and nobody controls, and lets go what it no longer finds. Says whether it did
    /// either: what belongs to it is then known at the next look.
    pub(super) fn claim(
        &self,
        owner: &Value,
        resource: &str,
        may_own: impl Fn(&Value) -> bool,
    ) -> bool {
        let selector = LabelSelector::from_object(&owner["spec"]["selector"]);
        let finds = |one: &Value| selector.matches(object::labels(one));
        let lives = |one: &Value| !object::is_terminating(one);
        let mut changed = false;
        for one in self.controlled(owner, resource) {
            if lives(&one) && !finds(&one) {
                let mut next = (*one).clone();
                if let Some(list) = next["metadata"]["ownerReferences"].as_array_mut() {
                    list.retain(|reference| reference["uid"] != owner["metadata"]["uid"]);
                }
                changed |= self.update(&one, &next);
            }
        }
        let orphans = self.memory.orphans(resource, object::namespace(owner));
        for one in orphans.filter_map(|key| self.api.stored(key)) {
            if lives(&one) && lives(owner) && finds(&one) && may_own(&one) {
                let mut next = (*one).clone();
                object::default_to(&mut next["metadata"], "ownerReferences", json!([]));
                if let Some(list) = next["metadata"]["ownerReferences"].as_array_mut() {
                    list.push(owner_reference(owner));
                }
                changed |= self.update(&one, &next);
            }
        }
        changed
    }

    /// tokio's time now.
    pub(super) fn instant(&self) -> Instant {
        self.now
    }

    /// The server's time now.
    pub(super) fn timestamp(&self) -> Timestamp {
        self.api.now()
    }

    /// The server's time now, as conditions write it.
    pub(super) fn time(&self) -> String {
        self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Looks at the current object again at this time.
    pub(super) fn wake_at(&mut self, at: Instant) {
        if let Some(key) = &self.current {
            self.memory.again(at, key.clone());
        }
    }

    /// Looks at the current object again after this time.
    pub(super) fn wake_after(&mut self, pause: Duration) {
        self.wake_at(self.now + pause);
    }

    /// Creates an object.
    pub(super) fn create(&self, object: Value) -> Result<Arc<Value>, StatusError> {
        let created = self
            .api
            .path(&object)
            .and_then(|(collection, _)| self.api.request(AGENT, "POST", &collection, object));
        if created.is_err() {
            self.failed.set(true);
        }
        created
    }

    /// Replaces an object where it differs from what was seen.
    pub(super) fn update(&self, seen: &Value, next: &Value) -> bool {
        seen != next && self.send("PUT", next, "", next.clone())
    }

    /// Replaces an object's status where it differs from what was seen.
    pub(super) fn set_status(&self, seen: &Value, status: Value) -> bool {
        if seen["status"] == status {
            return false;
        }
        let mut next = json!({});
        for field in ["apiVersion", "kind", "metadata"] {
            next[field] = seen[field].clone();
        }
        next["status"] = status;
        self.send("PUT", seen, "/status", next)
    }

    /// Deletes an object, if it is still the one that was seen.
    pub(super) fn delete(&self, seen: &Value, options: Value) -> bool {
        let mut options = options;
        options["preconditions"] = json!({"uid": seen["metadata"]["uid"]});
        self.send("DELETE", seen, "", options)
    }

    /// A write that may lose against another: the next look sees what came of it.
    pub(super) fn send(
        &self,
        method: &str,
        object: &Value,
        subresource: &str,
        body: Value,
    ) -> bool {
        let sent = self.api.path(object).and_then(|(_, path)| {
            self.api
                .request(AGENT, method, &format!("{path}{subresource}"), body)
        });
        if let Err(error) = &sent {
            tracing::debug!(%error, name = object::name(object), "a controller's write failed");
            self.failed.set(true);
        }
        sent.is_ok()
    }

    /// Creates a pod for an owner, unless its last attempts failed too recently. The error is for its status.
    pub(super) fn create_pod(&mut self, owner: &Value, pod: Value) -> Result<(), String> {
        let uid = object::meta(owner, "uid").to_owned();
        if let Some((until, _)) = self.memory.backoff.get(&uid)
            && self.now < *until
        {
            self.wake_at(*until);
            return Err(String::new());
        }
        let named = object::name(&pod).to_owned();
        let created = self.create(pod);
        // It has a pause of its own.
        self.failed.set(false);
        match created {
            Ok(made) => {
                self.memory.backoff.remove(&uid);
                self.tell_creation(owner, object::name(&made), Ok(()));
                Ok(())
            }
            Err(error) => {
                let last = self
                    .memory
                    .backoff
                    .get(&uid)
                    .map_or(Duration::from_millis(500), |(_, pause)| *pause);
                let pause = (last * 2).min(Duration::from_secs(60));
                self.memory.backoff.insert(uid, (self.now + pause, pause));
                self.wake_after(pause);
                self.tell_creation(owner, &named, Err(error.message()));
                Err(error.message().to_owned())
            }
        }
    }
}

/// The uid of the controlling owner.
pub(super) fn controller_of(value: &Value) -> Option<&str> {
    let owner = object::items(&value["metadata"], "ownerReferences")
        .find(|owner| owner["controller"] == true)?;
    owner["uid"].as_str()
}

/// A controlling owner reference.
pub(super) fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": object::name(owner), "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether its containers have ended, well or not.
pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Failed" | "Succeeded")
    )
}

/// Neither terminating nor ended.
pub(super) fn is_active(pod: &Value) -> bool {
    !object::is_terminating(pod) && !has_ended(pod)
}

/// Whether the pod's Ready condition is true, and since when.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let condition = object::items(&pod["status"], "conditions")
        .find(|condition| condition["type"] == "Ready")?;
    (condition["status"] == "True")
        .then(|| condition["lastTransitionTime"].as_str()?.parse().ok())
        .flatten()
}

/// Whether the pod is ready.
pub(super) fn is_ready(pod: &Value) -> bool {
    ready_since(pod).is_some()
}

/// Whether it has been ready for long enough; `wait` is what is missing.
pub(super) fn is_available(pod: &Value, owner: &Value, pass: &mut Pass<'_>) -> bool {
    let wanted = owner["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let Some(since) = ready_since(pod) else {
        return false;
    };
    let missing = wanted - pass.timestamp().duration_since(since).as_secs();
    if wanted > 0 && missing > 0 {
        pass.wake_after(Duration::from_secs(missing.unsigned_abs()));
    }
    wanted == 0 || missing <= 0
}

/// A count in a specification or status.
pub(super) fn count(value: &Value) -> usize {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(0)
}

/// Resolves a number or a percentage of `total`.
pub(super) fn share(value: &Value, total: usize, round_up: bool) -> usize {
    let Some(percent) = value
        .as_str()
        .and_then(|text| text.strip_suffix('%'))
        .and_then(|text| text.parse::<usize>().ok())
    else {
        return count(value);
    };
    if round_up {
        (total * percent).div_ceil(100)
    } else {
        total * percent / 100
    }
}

/// Sets a condition; its transition time moves only when its status does.
pub(super) fn set_condition(conditions: &mut Vec<Value>, mut condition: Value, now: &str) {
    let old = conditions
        .iter()
        .find(|one| one["type"] == condition["type"]);
    let kept = old
        .filter(|old| old["status"] == condition["status"])
        .map(|old| old["lastTransitionTime"].clone());
    condition["lastTransitionTime"] = kept.unwrap_or_else(|| json!(now));
    match conditions
        .iter_mut()
        .find(|one| one["type"] == condition["type"])
    {
        Some(one) => *one = condition,
        None => conditions.push(condition),
    }
}
