//! The objects with their history, as etcd keeps them: one revision counter for everything.

use super::object;
use crate::news::{Announcer, News};
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Where an object lies. Ordered as lists are: by resource, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// `plural.group`.
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl Key {
    /// Where an object of this resource lies.
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// One write: the object before and after it. Both present: changed; one: created or deleted.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision that the write made.
    pub revision: u64,
    /// Which object.
    pub key: Key,
    /// Before, absent for a creation.
    pub before: Option<Arc<Value>>,
    /// After, absent for a deletion.
    pub after: Option<Arc<Value>>,
}

/// How many writes are kept for watches and old lists.
pub(super) const HISTORY: usize = 500;

/// Of whom there are many writes that hardly anybody follows.
const EVENTS: &str = "events";
/// How many of those are kept.
const EVENTS_HISTORY: usize = 100;

/// What happened to some objects.
#[derive(Debug, Default)]
struct History {
    changes: VecDeque<Change>,
    compacted: u64,
    /// The last revision that there was no room for.
    dropped: u64,
}

/// All objects and what happened to them.
#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    history: History,
    /// That of events, so that they leave the others their room.
    events: History,
    revision: u64,
    announce: Announcer,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            history: History::default(),
            events: History::default(),
            revision: 1,
            announce: Announcer::new(1),
        }
    }
}

impl Store {
    /// The revision of the last write.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    fn history(&self, resource: &str) -> &History {
        if resource == EVENTS {
            &self.events
        } else {
            &self.history
        }
    }

    /// The last revision whose history is gone, of this resource.
    pub(super) fn compacted(&self, resource: &str) -> u64 {
        self.history(resource).compacted
    }

    /// The last revision that was forgotten because of all that came after it: who has not seen it never will.
    pub(super) fn dropped(&self, resource: &str) -> u64 {
        self.history(resource).dropped
    }

    /// Tells of each new revision.
    pub(super) fn subscribe(&self) -> News {
        self.announce.subscribe()
    }

    /// One object.
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a resource, in one namespace or (empty) in all.
    pub(super) fn list<'store>(
        &'store self,
        resource: &'store str,
        namespace: &'store str,
    ) -> impl Iterator<Item = (&'store Key, &'store Arc<Value>)> {
        self.objects
            .range(Key::new(resource, namespace, "")..)
            .take_while(move |(key, _)| {
                key.resource == resource && (namespace.is_empty() || key.namespace == namespace)
            })
    }

    /// The same list as it was at an earlier revision that is not compacted.
    pub(super) fn list_at(
        &self,
        resource: &str,
        namespace: &str,
        revision: u64,
    ) -> Vec<(Key, Arc<Value>)> {
        let mut objects: BTreeMap<Key, Arc<Value>> = self
            .list(resource, namespace)
            .map(|(key, value)| (key.clone(), Arc::clone(value)))
            .collect();
        for change in self
            .history(resource)
            .changes
            .iter()
            .rev()
            .take_while(|change| change.revision > revision)
        {
            if change.key.resource == resource
                && (namespace.is_empty() || change.key.namespace == namespace)
            {
                match &change.before {
                    Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                    None => objects.remove(&change.key),
                };
            }
        }
        objects.into_iter().collect()
    }

    /// All objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.objects.values()
    }

    /// Writes an object under a new revision and returns it as stored.
    pub(super) fn put(&mut self, key: Key, mut value: Value) -> Arc<Value> {
        self.revision += 1;
        object::set_meta(
            &mut value,
            "resourceVersion",
            json!(self.revision.to_string()),
        );
        let value = Arc::new(value);
        let before = self.objects.insert(key.clone(), Arc::clone(&value));
        self.record(key, before, Some(Arc::clone(&value)));
        value
    }

    /// Deletes an object and returns its last state.
    pub(super) fn delete(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        self.record(key.clone(), Some(Arc::clone(&before)), None);
        Some(before)
    }

    fn record(&mut self, key: Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        let (history, most) = if key.resource == EVENTS {
            (&mut self.events, EVENTS_HISTORY)
        } else {
            (&mut self.history, HISTORY)
        };
        history.changes.push_back(Change {
            revision: self.revision,
            key,
            before,
            after,
        });
        if history.changes.len() > most
            && let Some(oldest) = history.changes.pop_front()
        {
            history.compacted = oldest.revision;
            history.dropped = oldest.revision;
        }
        self.announce.announce(self.revision);
    }

    /// Forgets the history, so that older watches and chunked lists must begin again.
    pub(super) fn compact(&mut self) {
        for history in [&mut self.history, &mut self.events] {
            history.changes.clear();
            history.compacted = self.revision;
        }
    }

    /// Every object but events, as if it were made just now.
    pub(super) fn snapshot(&self) -> Vec<Change> {
        let made = |(key, value): (&Key, &Arc<Value>)| Change {
            revision: self.revision,
            key: key.clone(),
            before: None,
            after: Some(Arc::clone(value)),
        };
        let lasting = |(key, _): &(&Key, &Arc<Value>)| key.resource != EVENTS;
        self.objects.iter().filter(lasting).map(made).collect()
    }

    /// Everything that happened after a revision, but to events; `None` where that is forgotten.
    pub(super) fn all_changes(&self, after: u64) -> Option<Vec<Change>> {
        let changes = &self.history.changes;
        let start = changes.partition_point(|change| change.revision <= after);
        (after >= self.history.compacted).then(|| changes.range(start..).cloned().collect())
    }

    /// What happened to a resource after a revision.
    pub(super) fn changes(&self, resource: &str, namespace: &str, after: u64) -> Vec<Change> {
        let changes = &self.history(resource).changes;
        let start = changes.partition_point(|change| change.revision <= after);
        changes
            .range(start..)
            .filter(|change| {
                change.key.resource == resource
                    && (namespace.is_empty() || change.key.namespace == namespace)
            })
            .cloned()
            .collect()
    }
}
