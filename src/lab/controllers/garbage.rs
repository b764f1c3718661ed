//! The garbage collector: objects go with their owners.

use super::pass::Pass;
use crate::lab::api::object;
use crate::lab::api::object::items;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    let all = pass.api.everything();
    let by_uid: BTreeMap<&str, &Arc<Value>> = all
        .iter()
        .map(|one| (object::meta(one, "uid"), one))
        .collect();
    let mut dependents: BTreeMap<&str, Vec<&Arc<Value>>> = BTreeMap::new();
    for one in &all {
        let owners: Vec<&str> = items(&one["metadata"], "ownerReferences")
            .filter_map(|owner| owner["uid"].as_str())
            .collect();
        for owner in &owners {
            dependents.entry(owner).or_default().push(one);
        }
        let orphaned = !owners.is_empty() && owners.iter().all(|owner| !by_uid.contains_key(owner));
        if orphaned && !object::is_terminating(one) {
            pass.delete(one, json!({"propagationPolicy": "Background"}));
        }
    }
    for owner in all.iter().filter(|one| object::is_terminating(one)) {
        let mine = dependents
            .get(object::meta(owner, "uid"))
            .map(Vec::as_slice)
            .unwrap_or_default();
        if holds(owner, "foregroundDeletion") {
            foreground(pass, owner, mine);
        }
        if holds(owner, "orphan") {
            orphan(pass, owner, mine);
        }
    }
}

fn holds(owner: &Value, finalizer: &str) -> bool {
    items(&owner["metadata"], "finalizers").any(|one| one == finalizer)
}

fn release(pass: &Pass<'_>, owner: &Value, finalizer: &str) {
    let mut next = owner.clone();
    if let Some(list) = next["metadata"]["finalizers"].as_array_mut() {
        list.retain(|one| one != finalizer);
    }
    pass.update(owner, &next);
}

/// Deletes the dependents first; those that block must be gone before the owner goes.
fn foreground(pass: &Pass<'_>, owner: &Value, dependents: &[&Arc<Value>]) {
    for one in dependents.iter().filter(|one| !object::is_terminating(one)) {
        pass.delete(one, json!({"propagationPolicy": "Foreground"}));
    }
    let uid = &owner["metadata"]["uid"];
    let blocks = |one: &&Arc<Value>| {
        items(&one["metadata"], "ownerReferences")
            .any(|reference| reference["uid"] == *uid && reference["blockOwnerDeletion"] == true)
    };
    if !dependents.iter().any(blocks) {
        release(pass, owner, "foregroundDeletion");
    }
}

fn orphan(pass: &Pass<'_>, owner: &Value, dependents: &[&Arc<Value>]) {
    for one in dependents {
        let mut next = (***one).clone();
        if let Some(list) = next["metadata"]["ownerReferences"].as_array_mut() {
            list.retain(|reference| reference["uid"] != owner["metadata"]["uid"]);
        }
        pass.update(one, &next);
    }
    release(pass, owner, "orphan");
}
