//! JSON patch, RFC 6902, with the failures of the library that the API server uses.

use crate::lab::api::status_error::StatusError;
use serde_json::Value;

/// Applies the operations in order; one that cannot be done fails them all.
pub fn patch(object: &Value, operations: &Value) -> Result<Value, StatusError> {
    let operations = operations
        .as_array()
        .ok_or_else(|| StatusError::bad_request("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"))?;
    let mut result = object.clone();
    for operation in operations {
        apply(&mut result, operation).ok_or_else(StatusError::unprocessable)?;
    }
    Ok(result)
}

fn apply(object: &mut Value, operation: &Value) -> Option<()> {
    let path = operation["path"].as_str()?;
    let from = || operation["from"].as_str();
    match operation["op"].as_str()? {
        // Without a value it is null.
        "add" => add(object, path, operation["value"].clone()),
        "remove" => remove(object, path).map(drop),
        "replace" => {
            let place = object.pointer_mut(path)?;
            *place = operation["value"].clone();
            Some(())
        }
        "move" => {
            let value = remove(object, from()?)?;
            add(object, path, value)
        }
        "copy" => {
            let value = object.pointer(from()?)?.clone();
            add(object, path, value)
        }
        "test" => {
            // A missing member equals null.
            let found = object.pointer(path).unwrap_or(&Value::Null);
            (found == operation.get("value").unwrap_or(&Value::Null)).then_some(())
        }
        _ => None,
    }
}

fn parent<'object>(object: &'object mut Value, path: &str) -> Option<(&'object mut Value, String)> {
    let (head, last) = path.rsplit_once('/')?;
    Some((
        object.pointer_mut(head)?,
        last.replace("~1", "/").replace("~0", "~"),
    ))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    match parent(object, path)? {
        (Value::Object(map), key) => {
            map.insert(key, value);
        }
        (Value::Array(list), key) if key == "-" => list.push(value),
        (Value::Array(list), key) => {
            let index: usize = key.parse().ok().filter(|index| *index <= list.len())?;
            list.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    match parent(object, path)? {
        (Value::Object(map), key) => map.shift_remove(&key),
        (Value::Array(list), key) => {
            // The library counts negative ones from the end.
            let index: isize = key.parse().ok()?;
            let index = if index < 0 {
                index.checked_add_unsigned(list.len())?
            } else {
                index
            };
            let index = usize::try_from(index)
                .ok()
                .filter(|index| *index < list.len())?;
            Some(list.remove(index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_with_slashes_are_escaped() {
        let object = json!({"metadata": {"labels": {"istio-injection": "enabled"}}});
        let operations = json!([
            {"op": "test", "path": "/metadata/labels/istio.io~1rev", "value": null},
            {"op": "remove", "path": "/metadata/labels/istio-injection"},
            {"op": "add", "path": "/metadata/labels/istio.io~1rev", "value": "canary"},
        ]);
        let patched = patch(&object, &operations).expect("applies");
        assert_eq!(
            patched,
            json!({"metadata": {"labels": {"istio.io/rev": "canary"}}})
        );
    }

    #[test]
    fn what_cannot_be_done_is_unprocessable() {
        for operation in [
            json!({"op": "test", "path": "/a", "value": 2}),
            json!({"op": "remove", "path": "/b"}),
            json!({"op": "replace", "path": "/b", "value": 1}),
            json!({"op": "add", "path": "/b/c", "value": 1}),
        ] {
            let error = patch(&json!({"a": 1}), &json!([operation])).expect_err("must fail");
            assert_eq!((error.code(), error.reason()), (422, "Invalid"));
        }
    }
}
