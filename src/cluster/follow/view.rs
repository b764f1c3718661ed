//! What is known of the objects that are followed: everything up to one moment, and what `plan` itself has written since.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::error::ClusterError;
use crate::cluster::object::{Object, Selector};
use crate::cluster::select;
use crate::cluster::verbs::key;

/// What is known of the objects.
#[derive(Debug, Default)]
pub(in crate::cluster) struct View {
    /// By namespace and name.
    objects: BTreeMap<(String, String), Object>,
    /// Everything up to this version has been seen.
    version: u64,
    /// Whether they were listed, and followed without a gap since.
    pub(super) known: bool,
    /// When the server was last heard.
    heard: Option<Instant>,
    /// Why what is known may be old; gone as soon as something is heard again.
    pub(super) trouble: Option<ClusterError>,
    pub(super) end: Option<End>,
}

/// Why nothing more is followed.
#[derive(Debug, Clone)]
pub(in crate::cluster) enum End {
    /// Nobody has asked for a while.
    Idle,
    /// What the server said for good.
    Refused(ClusterError),
}

impl View {
    /// The objects of a namespace, or of all, that a selector selects; sorted by namespace and name.
    pub(in crate::cluster) fn objects(
        &self,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Vec<Object> {
        let from = (namespace.unwrap_or_default().to_owned(), String::new());
        self.objects
            .range(from..)
            .take_while(|((place, _), _)| namespace.is_none_or(|namespace| namespace == place))
            .filter(|(_, object)| select::selects(selector, object))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// One object.
    pub(in crate::cluster) fn object(&self, namespace: Option<&str>, name: &str) -> Option<Object> {
        let key = (namespace.unwrap_or_default().to_owned(), name.to_owned());
        self.objects.get(&key).cloned()
    }

    /// Whether the objects were listed, and followed since.
    pub(in crate::cluster) const fn is_known(&self) -> bool {
        self.known
    }

    /// Whether all is known that had happened this long ago.
    pub(in crate::cluster) fn is_of_late(&self, ago: Duration) -> bool {
        self.known && self.heard.is_some_and(|at| at.elapsed() <= ago)
    }

    /// Why what is known may be old.
    pub(in crate::cluster) const fn trouble(&self) -> Option<&ClusterError> {
        self.trouble.as_ref()
    }

    /// Why nothing more is followed.
    pub(in crate::cluster) const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    pub(super) fn listed(&mut self, objects: Vec<Object>, version: u64) {
        let old = std::mem::take(&mut self.objects);
        self.objects = objects.into_iter().map(|o| (place(&o), o)).collect();
        // What was written while the list was on its way is newer than the list.
        self.objects
            .extend(old.into_iter().filter(|(_, o)| number(o) > Some(version)));
        (self.version, self.known, self.trouble) = (version, true, None);
        self.heard = Some(Instant::now());
    }

    pub(super) fn event(&mut self, event: &str, object: Object) {
        self.trouble = None;
        self.heard = Some(Instant::now());
        let number = number(&object);
        self.version = self.version.max(number.unwrap_or(0));
        if event == "BOOKMARK" {
            return;
        }
        let place = place(&object);
        // What `plan` wrote itself may be known before the watch tells what led up to it.
        if self
            .objects
            .get(&place)
            .is_some_and(|known| self::number(known) > number)
        {
            return;
        }
        if event == "DELETED" {
            self.objects.remove(&place);
        } else {
            self.objects.insert(place, object);
        }
    }

    /// Takes what a write gave; without a version that can be compared nothing is known any more.
    pub(super) fn written(&mut self, object: Object) {
        let Some(number) = number(&object) else {
            self.known = false;
            return;
        };
        let place = place(&object);
        match self.objects.get(&place) {
            Some(known) if self::number(known) >= Some(number) => {}
            // It was deleted since.
            None if self.known && number <= self.version => {}
            _ => {
                self.objects.insert(place, object);
            }
        }
    }
}

fn place(object: &Object) -> (String, String) {
    let (namespace, name) = key(object);
    (namespace.to_owned(), name.to_owned())
}

/// The version of an object: within a kind they grow as decimal numbers (KEP-5504; before 1.35 in deed, if not in word).
fn number(object: &Object) -> Option<u64> {
    object.resource_version().parse().ok()
}
