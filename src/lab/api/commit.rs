//! The last steps of every write to an object that exists.

use super::defaults;
use super::object;
use super::patch::managers;
use super::patch::managers::Writer;
use super::registry::Resource;
use super::server::Call;
use super::server::State;
use super::status_error::StatusError;
use super::store::Key;
use super::validate;
use super::versions;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// A newer write came first.
pub(super) fn modified(call: &Call) -> StatusError {
    StatusError::modified(
        &call.target.resource.plural,
        &call.target.resource.group,
        &call.target.name,
    )
}

/// The object was deleted and made anew meanwhile.
pub(super) fn precondition_uid(call: &Call, wanted: &str, before: &Value) -> StatusError {
    let target = &call.target;
    let parts: Vec<&str> = [
        target.resource.group.as_str(),
        &target.resource.plural,
        &target.namespace,
        &target.name,
    ]
    .into_iter()
    .skip(usize::from(!target.resource.is_custom()))
    .filter(|part| !part.is_empty())
    .collect();
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
        parts.join("/"),
        object::meta(before, "uid")
    );
    StatusError::conflict(
        &call.target.resource.plural,
        &call.target.resource.group,
        &call.target.name,
        &why,
    )
}

/// Replaces an object by its next state: what the server owns is kept, what has not changed is not written.
pub(super) fn commit(
    state: &mut State,
    call: &Call,
    before: &Arc<Value>,
    after: Value,
    writer: &Writer,
) -> Result<Arc<Value>, StatusError> {
    let resource = &call.target.resource;
    let wanted = object::meta(&after, "uid");
    if !(wanted.is_empty() || wanted == object::meta(before, "uid")) {
        return Err(precondition_uid(call, wanted, before));
    }
    let outdated = !object::meta(&after, "resourceVersion").is_empty()
        && object::revision(&after) != object::revision(before);
    if outdated {
        return Err(modified(call));
    }
    let seen = call.present(before);
    let mut after = restrict(call, &seen, after);
    keep_system_metadata(&seen, &mut after);
    defaults::fill(&mut after, &resource.kind, &call.target.version);
    validate::check(state, call, &after, Some(&seen))?;
    after = call.normal(after);
    if resource.generation
        && call.target.subresource != "status"
        && specification(&after) != specification(&seen)
    {
        let generation = before["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        object::set_meta(&mut after, "generation", json!(generation));
        if resource.kind == "DaemonSet" {
            count_templates(&seen, &mut after);
        }
    }
    if !resource.is_custom() {
        object::drop_empty(&mut after);
    }
    // Who once cleared the books is not followed any more.
    let followed = object::items(&before["metadata"], "managedFields")
        .next()
        .is_some();
    let cleared = after["metadata"]["managedFields"] == json!([{}]);
    if cleared {
        object::metadata_mut(&mut after).shift_remove("managedFields");
    } else if writer.operation == "Update" && followed {
        managers::track_update(&seen, &mut after, writer);
    }
    if after["metadata"]["managedFields"] == json!([]) {
        object::metadata_mut(&mut after).shift_remove("managedFields");
    }
    after = versions::convert(after, before["apiVersion"].as_str().unwrap_or_default());
    if **before == after {
        return Ok(Arc::clone(before));
    }
    if call.dry_run() {
        return Ok(Arc::new(after));
    }
    let key = call.key();
    if is_finished(&after, resource) {
        if let Some(last) = state.store.delete(&key) {
            undefine(state, &last, resource);
        }
        return Ok(Arc::new(after));
    }
    Ok(store(state, key, after, resource))
}

/// A `DaemonSet` counts its templates in an annotation that was a field once.
fn count_templates(before: &Value, after: &mut Value) {
    const GENERATION: &str = "deprecated.daemonset.template.generation";
    let last = before["metadata"]["annotations"][GENERATION].as_str();
    let last: u64 = last.and_then(|text| text.parse().ok()).unwrap_or(0);
    let changed = before["spec"]["template"] != after["spec"]["template"];
    object::default_to(&mut after["metadata"], "annotations", json!({}));
    after["metadata"]["annotations"][GENERATION] = json!((last + u64::from(changed)).to_string());
}

/// Whether nothing holds a terminating object any more.
pub(super) fn is_finished(object: &Value, resource: &Resource) -> bool {
    let held = resource.kind == "Namespace"
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
    let graceful = object["metadata"]["deletionGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(0)
        > 0;
    object::is_terminating(object) && !object::has_finalizers(object) && !held && !graceful
}

pub(super) fn store(state: &mut State, key: Key, object: Value, resource: &Resource) -> Arc<Value> {
    let stored = state.store.put(key, object);
    if resource.kind == "CustomResourceDefinition" {
        state.registry.define(&stored);
    }
    stored
}

/// Stops serving what a deleted CRD defined.
pub(super) fn undefine(state: &mut State, object: &Value, resource: &Resource) {
    if resource.kind == "CustomResourceDefinition" {
        state.registry.forget(object);
    }
}

/// A write changes only the part that its path is about.
fn restrict(call: &Call, before: &Value, mut after: Value) -> Value {
    let resource = &call.target.resource;
    match call.target.subresource.as_str() {
        "status" => {
            let mut result = before.clone();
            result["status"] = after["status"].take();
            let kept: &[&str] = match resource.kind.as_str() {
                _ if resource.is_custom() => &["managedFields"],
                "Deployment" => &["managedFields", "annotations"],
                _ => &["managedFields", "annotations", "labels"],
            };
            for field in kept {
                result["metadata"][*field] = after["metadata"][*field].take();
            }
            object::drop_nulls(&mut result);
            result
        }
        "finalize" => {
            let mut result = before.clone();
            result["spec"]["finalizers"] = after["spec"]["finalizers"].take();
            object::drop_nulls(&mut result);
            result
        }
        _ => {
            if resource.has("status") {
                object::remove(&mut after, "status");
                if !before["status"].is_null() {
                    after["status"] = before["status"].clone();
                }
            }
            if resource.kind == "Namespace" && !before["spec"].is_null() {
                after["spec"] = before["spec"].clone();
            }
            after
        }
    }
}

fn keep_system_metadata(before: &Value, after: &mut Value) {
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "generateName",
        "selfLink",
    ] {
        match &before["metadata"][field] {
            Value::Null => {
                object::metadata_mut(after).shift_remove(field);
            }
            value => object::set_meta(after, field, value.clone()),
        }
    }
    if after["metadata"]["managedFields"].is_null()
        && !before["metadata"]["managedFields"].is_null()
    {
        object::set_meta(
            after,
            "managedFields",
            before["metadata"]["managedFields"].clone(),
        );
    }
}

/// Everything whose change counts as a new generation.
fn specification(object: &Value) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
        .collect();
    members.sort_by_key(|(key, _)| *key);
    members
}
