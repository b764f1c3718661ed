//! Patches applied here, for objects that only a dry run has: the server cannot be asked about those.

use serde_json::{Map, Value};

/// Applies a JSON patch (RFC 6902: `add`, `remove`, `replace`, `test`); says which operation does not fit.
pub(super) fn json_patch(target: &mut Value, operations: &Value) -> Result<(), String> {
    for operation in operations.as_array().into_iter().flatten() {
        let path = operation["path"].as_str().unwrap_or_default();
        let value = operation["value"].clone();
        let fits = match operation["op"].as_str().unwrap_or_default() {
            "test" => target.pointer(path) == Some(&value),
            "remove" => remove(target, path).is_some(),
            "add" => insert(target, path, value).is_some(),
            "replace" => target
                .pointer_mut(path)
                .map(|place| *place = value)
                .is_some(),
            _ => false,
        };
        if !fits {
            return Err(format!("the operation does not fit: {operation}"));
        }
    }
    Ok(())
}

/// Applies a merge patch (RFC 7386): null removes.
pub(super) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.shift_remove(key);
            } else {
                merge_patch(target.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

/// The place that a pointer names: what holds it, and the last token.
fn place<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, token) = path.rsplit_once('/')?;
    let token = token.replace("~1", "/").replace("~0", "~");
    Some((target.pointer_mut(parent)?, token))
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, token) = place(target, path)?;
    match parent {
        Value::Object(map) => map.shift_remove(&token),
        Value::Array(items) => {
            let index = token.parse().ok().filter(|index| *index < items.len())?;
            Some(items.remove(index))
        }
        _ => None,
    }
}

fn insert(target: &mut Value, path: &str, value: Value) -> Option<()> {
    let (parent, token) = place(target, path)?;
    match parent {
        Value::Object(map) => {
            map.insert(token, value);
        }
        Value::Array(items) if token == "-" => items.push(value),
        Value::Array(items) => {
            let index = token.parse().ok().filter(|index| *index <= items.len())?;
            items.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_change_maps_and_lists() {
        let mut value = json!({"labels": {"a/b": "1"}, "list": [1, 2]});
        let operations = json!([
            {"op": "test", "path": "/labels/a~1b", "value": "1"},
            {"op": "remove", "path": "/labels/a~1b"},
            {"op": "add", "path": "/labels/c", "value": "2"},
            {"op": "add", "path": "/list/-", "value": 3},
            {"op": "add", "path": "/list/0", "value": 0},
            {"op": "remove", "path": "/list/1"},
            {"op": "replace", "path": "/list/0", "value": 9},
        ]);
        json_patch(&mut value, &operations).unwrap();
        assert_eq!(value, json!({"labels": {"c": "2"}, "list": [9, 2, 3]}));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for operation in [
            json!({"op": "test", "path": "/a", "value": 2}),
            json!({"op": "remove", "path": "/b"}),
            json!({"op": "replace", "path": "/b", "value": 1}),
            json!({"op": "add", "path": "/b/c", "value": 1}),
        ] {
            let mut value = json!({"a": 1});
            let said = json_patch(&mut value, &json!([operation])).unwrap_err();
            assert!(said.contains(operation["op"].as_str().unwrap()), "{said}");
        }
    }

    #[test]
    fn a_merge_removes_by_null() {
        let mut value = json!({"a": {"b": 1, "c": 2}});
        merge_patch(&mut value, &json!({"a": {"b": null, "d": {"e": 3}}}));
        assert_eq!(value, json!({"a": {"c": 2, "d": {"e": 3}}}));
    }
}
