//! The garbage collector: objects go with their owners.

use super::pass::Pass;
use crate::lab::api::object;
use crate::lab::api::object::items;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.everything(|pass, one| {
        let mut owners = items(&one["metadata"], "ownerReferences").peekable();
        // An owner of a kind that is not served here may live: the collector then leaves its dependents alone.
        let may_live = |owner: &Value| {
            let uid = owner["uid"].as_str().unwrap_or_default();
            pass.memory.exists(uid) || pass.api.path(owner).is_err()
        };
        let orphaned = owners.peek().is_some() && !owners.any(may_live);
        if !object::is_terminating(one) {
            if orphaned {
                pass.delete(one, json!({"propagationPolicy": "Background"}));
            }
            return;
        }
        let owned = pass.memory.owned(object::meta(one, "uid"));
        let dependents: Vec<Arc<Value>> = owned.map(|(_, one)| Arc::clone(one)).collect();
        if holds(one, "foregroundDeletion") {
            foreground(pass, one, &dependents);
        }
        if holds(one, "orphan") {
            orphan(pass, one, &dependents);
        }
    });
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
fn foreground(pass: &Pass<'_>, owner: &Value, dependents: &[Arc<Value>]) {
    for one in dependents.iter().filter(|one| !object::is_terminating(one)) {
        pass.delete(one, json!({"propagationPolicy": "Foreground"}));
    }
    let uid = &owner["metadata"]["uid"];
    let blocks = |one: &Arc<Value>| {
        items(&one["metadata"], "ownerReferences")
            .any(|reference| reference["uid"] == *uid && reference["blockOwnerDeletion"] == true)
    };
    if !dependents.iter().any(blocks) {
        release(pass, owner, "foregroundDeletion");
    }
}

fn orphan(pass: &Pass<'_>, owner: &Value, dependents: &[Arc<Value>]) {
    for one in dependents {
        let mut next = (**one).clone();
        if let Some(list) = next["metadata"]["ownerReferences"].as_array_mut() {
            list.retain(|reference| reference["uid"] != owner["metadata"]["uid"]);
        }
        pass.update(one, &next);
    }
    release(pass, owner, "orphan");
}
