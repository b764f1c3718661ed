//! Reading and writing the parts that all Kubernetes objects share.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// A string at `metadata.FIELD`, or empty.
pub fn meta<'object>(object: &'object Value, field: &str) -> &'object str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    meta(object, "name")
}

/// `metadata.namespace`.
pub fn namespace(object: &Value) -> &str {
    meta(object, "namespace")
}

/// `metadata.labels`.
pub fn labels(object: &Value) -> &Value {
    &object["metadata"]["labels"]
}

/// `metadata.resourceVersion` as a number; 0 where absent.
pub fn revision(object: &Value) -> u64 {
    meta(object, "resourceVersion").parse().unwrap_or(0)
}

/// `metadata` as a map, made where absent.
pub fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    let metadata = map_at(object, "metadata");
    if !metadata.is_object() {
        *metadata = json!({});
    }
    match metadata {
        Value::Object(map) => map,
        _ => unreachable!("made an object just now"),
    }
}

fn map_at<'object>(object: &'object mut Value, key: &str) -> &'object mut Value {
    if !object.is_object() {
        *object = json!({});
    }
    &mut object[key]
}

/// Sets `metadata.FIELD`.
pub fn set_meta(object: &mut Value, field: &str, value: Value) {
    metadata_mut(object).insert(field.to_owned(), value);
}

/// Removes a key and keeps the order of the others.
pub fn remove(object: &mut Value, key: &str) -> Option<Value> {
    object.as_object_mut().and_then(|map| map.shift_remove(key))
}

/// Whether the object has any finalizer.
pub fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
}

/// Whether deletion has begun.
pub fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Sets a default: writes only where nothing (or null) is.
pub fn default_to(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object
        && map.get(key).is_none_or(Value::is_null)
    {
        map.insert(key.to_owned(), value);
    }
}

/// The elements of a list field; none where absent.
pub fn items<'object>(object: &'object Value, key: &str) -> impl Iterator<Item = &'object Value> {
    object[key].as_array().into_iter().flatten()
}

/// The elements of a list field, to change; none where absent.
pub fn items_mut<'object>(
    object: &'object mut Value,
    key: &str,
) -> impl Iterator<Item = &'object mut Value> {
    object
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// Members that typed objects leave out where they are empty.
const OMITTED: [&str; 23] = [
    "annotations",
    "args",
    "binaryData",
    "command",
    "conditions",
    "data",
    "env",
    "finalizers",
    "imagePullSecrets",
    "initContainers",
    "labels",
    "limits",
    "managedFields",
    "matchExpressions",
    "matchLabels",
    "nodeSelector",
    "ownerReferences",
    "ports",
    "requests",
    "tolerations",
    "volumeMounts",
    "volumes",
    "webhooks",
];

/// Drops what a typed object leaves out: empty maps and lists of optional fields.
pub fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, member| {
                drop_empty(member);
                let empty = match member {
                    Value::Object(map) => map.is_empty(),
                    Value::Array(list) => list.is_empty(),
                    _ => false,
                };
                !(empty && OMITTED.contains(&key.as_str()))
            });
        }
        Value::Array(list) => list.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// Makes nulls among texts by name empty texts, as decoding into a map of texts does.
pub fn empty_texts(object: &mut Value) {
    for place in ["/data", "/metadata/labels", "/metadata/annotations"] {
        let texts = object.pointer_mut(place).and_then(Value::as_object_mut);
        for text in texts.into_iter().flat_map(|map| map.values_mut()) {
            if text.is_null() {
                *text = Value::from("");
            }
        }
    }
}

/// Drops null members everywhere, as decoding into typed objects does.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
