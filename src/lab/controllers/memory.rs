//! What is remembered from look to look: what belongs to what, what must be looked at, and when again.

use super::pass::controller_of;
use crate::lab::api::{ApiServer, Change, Key, object};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When a node first saw a pod, and when it first saw it terminate, by uid.
    pub(super) seen: BTreeMap<String, Instant>,
    pub(super) ending: BTreeMap<String, Instant>,
    /// Owners whose pods could not be created: when to try again, after which pause, by uid.
    pub(super) backoff: BTreeMap<String, (Instant, Duration)>,
    /// What was told in events, the oldest first.
    pub(super) events: RefCell<VecDeque<(Instant, Key)>>,
    /// The last change that is known; 0 before the first look.
    revision: u64,
    /// Where each object lies, by uid.
    by_uid: BTreeMap<String, Key>,
    /// The objects that name an owner, by its uid.
    owned: BTreeMap<String, BTreeMap<Key, Arc<Value>>>,
    /// The pods and sets that nobody controls.
    orphans: BTreeSet<Key>,
    /// The namespaces that terminate.
    ending_namespaces: BTreeSet<String>,
    /// What must be looked at.
    due: BTreeSet<Key>,
    /// What must be looked at again, and when.
    later: BTreeSet<(Instant, Key)>,
}

impl Memory {
    /// Learns what has happened, and gives what must be looked at now.
    pub(super) fn learn(&mut self, api: &ApiServer, now: Instant) -> BTreeSet<Key> {
        let (revision, changes) = api.changes(self.revision);
        if let Some(changes) = changes {
            for change in &changes {
                self.note(api, change);
            }
        } else {
            self.begin_anew(api);
        }
        self.revision = revision;
        while let Some((at, _)) = self.later.first()
            && *at <= now
        {
            self.due.extend(self.later.pop_first().map(|(_, key)| key));
        }
        std::mem::take(&mut self.due)
    }

    /// Looks at this again at that time.
    pub(super) fn again(&mut self, at: Instant, key: Key) {
        self.later.insert((at, key));
    }

    /// When something must be looked at without any change.
    pub(super) fn next(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether there is an object with this uid.
    pub(super) fn exists(&self, uid: &str) -> bool {
        self.by_uid.contains_key(uid)
    }

    /// The objects that name this owner, by resource, namespace and name.
    pub(super) fn owned(&self, uid: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.owned.get(uid).into_iter().flatten()
    }

    /// The objects of a resource in a namespace that nobody controls.
    pub(super) fn orphans(&self, resource: &str, namespace: &str) -> impl Iterator<Item = &Key> {
        let is_there = move |key: &&Key| key.resource == resource && key.namespace == namespace;
        self.orphans
            .range(Key::new(resource, namespace, "")..)
            .take_while(is_there)
    }

    /// The history is gone: everything is new.
    fn begin_anew(&mut self, api: &ApiServer) {
        self.by_uid.clear();
        self.owned.clear();
        self.orphans.clear();
        self.ending_namespaces.clear();
        for change in api.snapshot() {
            self.note(api, &change);
        }
        let gone = |uid: &String, _: &mut Instant| self.by_uid.contains_key(uid);
        self.seen.retain(gone);
        self.ending.retain(gone);
        self.backoff.retain(|uid, _| self.by_uid.contains_key(uid));
    }

    fn note(&mut self, api: &ApiServer, change: &Change) {
        let key = &change.key;
        if let Some(before) = &change.before {
            for uid in owners(before) {
                if let Some(owned) = self.owned.get_mut(uid) {
                    owned.remove(key);
                }
            }
            if change.after.is_none() {
                self.forget(object::meta(before, "uid"));
            }
        }
        if let Some(after) = &change.after {
            self.by_uid
                .insert(object::meta(after, "uid").to_owned(), key.clone());
            for uid in owners(after) {
                self.owned
                    .entry(uid.to_owned())
                    .or_default()
                    .insert(key.clone(), Arc::clone(after));
            }
            self.due.insert(key.clone());
        }
        self.orphans.remove(key);
        if let Some(after) = &change.after
            && matches!(key.resource.as_str(), "pods" | "replicasets.apps")
            && controller_of(after).is_none()
        {
            self.orphans.insert(key.clone());
        }
        for value in [&change.before, &change.after].into_iter().flatten() {
            for uid in owners(value) {
                self.due.extend(self.by_uid.get(uid).cloned());
            }
        }
        if change.after.is_none() {
            self.grandparents(api, change);
        }
        self.spread(api, change);
    }

    /// A Deployment that recreates waits for the last pod of its old sets.
    fn grandparents(&mut self, api: &ApiServer, change: &Change) {
        for uid in change.before.iter().flat_map(|before| owners(before)) {
            let owner = self.by_uid.get(uid).and_then(|key| api.stored(key));
            for uid in owner.iter().flat_map(|owner| owners(owner)) {
                self.due.extend(self.by_uid.get(uid).cloned());
            }
        }
    }

    /// An object is gone; what it owned is looked at.
    fn forget(&mut self, uid: &str) {
        self.by_uid.remove(uid);
        self.seen.remove(uid);
        self.ending.remove(uid);
        self.backoff.remove(uid);
        if let Some(owned) = self.owned.remove(uid) {
            self.due.extend(owned.into_keys());
        }
    }

    /// What else depends on such an object.
    fn spread(&mut self, api: &ApiServer, change: &Change) {
        let namespace = &change.key.namespace;
        let mut all_of = |resource: &str, namespace: &str| {
            let found = api.objects(resource, namespace);
            let keys = found
                .iter()
                .map(|one| Key::new(resource, object::namespace(one), object::name(one)));
            self.due.extend(keys);
        };
        match change.key.resource.as_str() {
            "pods" => {
                all_of("services", namespace);
                all_of("poddisruptionbudgets.policy", namespace);
                if self.orphans.contains(&change.key) {
                    for resource in ["replicasets.apps", "statefulsets.apps", "daemonsets.apps"] {
                        all_of(resource, namespace);
                    }
                }
            }
            "services" if change.after.is_none() => {
                self.due
                    .insert(Key::new("endpoints", namespace, &change.key.name));
            }
            "replicasets.apps" | "statefulsets.apps" => {
                all_of("poddisruptionbudgets.policy", namespace);
            }
            "nodes" => {
                all_of("daemonsets.apps", "");
                // One that fits nowhere may fit now.
                let waiting = api.objects("pods", "").into_iter();
                let waiting = waiting.filter(|pod| pod["spec"]["nodeName"].is_null());
                self.due.extend(
                    waiting
                        .map(|pod| Key::new("pods", object::namespace(&pod), object::name(&pod))),
                );
            }
            "configmaps" | "serviceaccounts"
                if super::namespaces::GIVEN.contains(&change.key.name.as_str()) =>
            {
                self.due.insert(Key::new("namespaces", "", namespace));
            }
            "namespaces" => {
                let name = &change.key.name;
                if change
                    .after
                    .as_ref()
                    .is_some_and(|one| object::is_terminating(one))
                {
                    self.ending_namespaces.insert(name.clone());
                } else {
                    self.ending_namespaces.remove(name);
                }
            }
            _ => {}
        }
        if self.ending_namespaces.contains(namespace) {
            self.due.insert(Key::new("namespaces", "", namespace));
        }
    }
}

/// The uids of an object's owners.
fn owners(one: &Value) -> impl Iterator<Item = &str> {
    object::items(&one["metadata"], "ownerReferences").filter_map(|owner| owner["uid"].as_str())
}
