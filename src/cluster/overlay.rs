//! What a dry run would have made of the cluster so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::diff::{Change, content};
use super::drawn;
use super::object::{Object, ObjectRef, Selector};
use super::select;
use super::verbs::key;

/// Predicted objects over the live ones.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<ObjectRef, Object>,
    changes: Vec<Change>,
}

impl Overlay {
    /// The predicted object, where there is one.
    pub(super) fn get(&self, object: &ObjectRef) -> Option<Object> {
        self.lock().objects.get(&any_version(object)).cloned()
    }

    /// Puts the predicted objects into a list, in place of the live ones.
    pub(super) fn merge(
        &self,
        objects: &mut Vec<Object>,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) {
        let state = self.lock();
        if state.objects.is_empty() {
            return;
        }
        objects.retain(|object| {
            !state
                .objects
                .contains_key(&any_version(&ObjectRef::from(object)))
        });
        let selected = state.objects.iter().filter(|(name, object)| {
            name.api_version == group(api_version)
                && name.kind == kind
                && namespace.is_none_or(|namespace| name.namespace.as_deref() == Some(namespace))
                && select::selects(selector, object)
        });
        objects.extend(selected.map(|(_, object)| object.clone()));
        objects.sort_by(|a, b| key(a).cmp(&key(b)));
    }

    /// Takes a prediction down.
    pub(super) fn remember(
        &self,
        before: Option<&Object>,
        after: Object,
        verb: &'static str,
        modelled: bool,
    ) {
        let mut shown = content(&after);
        let drawn = drawn::mark(before, &after, &mut shown);
        let mut state = self.lock();
        state.changes.push(Change {
            object: ObjectRef::from(&after),
            before: before.map(content),
            after: Some(shown),
            drawn,
            verb,
            modelled,
        });
        state
            .objects
            .insert(any_version(&ObjectRef::from(&after)), after);
    }

    /// Whether a namespace would be made.
    pub(super) fn makes_namespace(&self, name: &str) -> bool {
        self.get(&ObjectRef::cluster("v1", "Namespace", name))
            .is_some()
    }

    /// Whether a CRD would be made that defines the kind.
    pub(super) fn makes_kind(&self, api_version: &str, kind: &str) -> bool {
        self.lock().objects.values().any(|object| {
            let spec = &object.value()["spec"];
            object.kind() == "CustomResourceDefinition"
                && spec["group"] == group(api_version)
                && spec["names"]["kind"] == kind
        })
    }

    /// The predictions since the last call.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.lock().changes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object is the same in every version of its group.
fn any_version(object: &ObjectRef) -> ObjectRef {
    ObjectRef {
        api_version: group(&object.api_version).to_owned(),
        ..object.clone()
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
