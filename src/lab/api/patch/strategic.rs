//! Strategic merge patch: a merge patch that knows which lists are keyed.

use super::lists;
use super::lists::ListKind;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Patches a built-in object.
pub fn patch(object: &mut Value, patch_value: &Value) {
    merge(object, patch_value, &mut Vec::new());
}

fn merge<'path>(object: &mut Value, patch_value: &'path Value, path: &mut Vec<&'path str>) {
    let Value::Object(members) = patch_value else {
        *object = patch_value.clone();
        return;
    };
    match members.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *object = Value::Object(without_directives(members));
            return;
        }
        Some("delete") => {
            *object = json!({});
            return;
        }
        _ => {}
    }
    if !object.is_object() {
        *object = json!({});
    }
    let Value::Object(map) = object else { return };
    retain_keys(map, members);
    for (key, member) in members.iter().filter(|(key, _)| !key.starts_with('$')) {
        path.push(key);
        match member {
            Value::Null => {
                map.shift_remove(key);
            }
            Value::Array(changes) => {
                let list = map.entry(key.clone()).or_insert_with(|| json!([]));
                merge_list(list, changes, path);
            }
            other => merge(map.entry(key.clone()).or_insert(Value::Null), other, path),
        }
        path.pop();
    }
    for (key, values) in members {
        if let Some(list) = key
            .strip_prefix("$deleteFromPrimitiveList/")
            .and_then(|field| map.get_mut(field))
        {
            let gone = values.as_array().cloned().unwrap_or_default();
            if let Some(list) = list.as_array_mut() {
                list.retain(|value| !gone.contains(value));
            }
        }
    }
    order_elements(map, members, path);
}

fn without_directives(members: &Map<String, Value>) -> Map<String, Value> {
    members
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn retain_keys(map: &mut Map<String, Value>, members: &Map<String, Value>) {
    if let Some(kept) = members.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| kept.iter().any(|one| one == key));
    }
}

fn merge_list<'path>(list: &mut Value, changes: &'path [Value], path: &mut Vec<&'path str>) {
    if !list.is_array() {
        *list = json!([]);
    }
    let Value::Array(items) = list else { return };
    match lists::list_kind(path, false) {
        ListKind::Atomic => *items = changes.to_vec(),
        ListKind::Set => {
            let before = std::mem::take(items);
            *items = interleave(before, changes.to_vec(), |one| Some(one.clone()));
        }
        // The merge key of the older patch is the first of the newer keys.
        ListKind::Map(keys) => merge_items(items, changes, keys[0], path),
    }
}

fn merge_items<'path>(
    items: &mut Vec<Value>,
    changes: &'path [Value],
    key: &str,
    path: &mut Vec<&'path str>,
) {
    if changes.iter().any(|change| change["$patch"] == "replace") {
        *items = changes
            .iter()
            .filter(|change| change["$patch"] != "replace")
            .cloned()
            .collect();
        return;
    }
    let mut patched = Vec::new();
    for change in changes {
        let found = items.iter().position(|item| item[key] == change[key]);
        if change["$patch"] == "delete" {
            found.map(|at| items.remove(at));
            continue;
        }
        let mut item = found.map_or(json!({}), |at| items[at].clone());
        merge(&mut item, change, path);
        patched.push(item);
    }
    let before = std::mem::take(items);
    *items = interleave(before, patched, |item| Some(item[key].clone()));
}

/// The order of the patch, in which what only the object has keeps its place before what followed it.
fn interleave(
    before: Vec<Value>,
    patched: Vec<Value>,
    key: impl Fn(&Value) -> Option<Value>,
) -> Vec<Value> {
    let keys: Vec<Option<Value>> = before.iter().map(&key).collect();
    let named: Vec<Option<Value>> = patched.iter().map(&key).collect();
    let mut rest: std::collections::VecDeque<(usize, Value)> = before
        .into_iter()
        .enumerate()
        .filter(|(at, _)| !named.contains(&keys[*at]))
        .collect();
    let mut result = Vec::new();
    for item in patched {
        if let Some(at) = keys.iter().position(|one| *one == key(&item)) {
            while rest.front().is_some_and(|(place, _)| *place < at)
                && let Some((_, first)) = rest.pop_front()
            {
                result.push(first);
            }
        }
        result.push(item);
    }
    result.extend(rest.into_iter().map(|(_, item)| item));
    result
}

fn order_elements(map: &mut Map<String, Value>, members: &Map<String, Value>, path: &[&str]) {
    for (key, order) in members {
        let Some(field) = key.strip_prefix("$setElementOrder/") else {
            continue;
        };
        let (Some(order), Some(items)) = (
            order.as_array(),
            map.get_mut(field).and_then(Value::as_array_mut),
        ) else {
            continue;
        };
        let full = [path, &[field]].concat();
        let position = |item: &Value| match lists::list_kind(&full, false) {
            ListKind::Map(keys) => order.iter().position(|one| one[keys[0]] == item[keys[0]]),
            _ => order.iter().position(|one| one == item),
        };
        // Items that the order does not name keep their place at the front.
        items.sort_by_key(|item| position(item).map_or(0, |at| at + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_merge_by_name_and_arguments_are_replaced() {
        let mut object = json!({"spec": {"containers": [
            {"name": "app", "image": "app:1", "args": ["a"], "env": [{"name": "A", "value": "1"}]},
            {"name": "side", "image": "side:1"},
        ]}});
        patch(
            &mut object,
            &json!({"spec": {"$setElementOrder/containers": [{"name": "side"}, {"name": "app"}], "containers": [
                {"name": "app", "image": "app:2", "args": ["b"], "env": [{"name": "B", "value": "2"}]},
            ]}}),
        );
        assert_eq!(
            object,
            json!({"spec": {"containers": [
                {"name": "side", "image": "side:1"},
                {"name": "app", "image": "app:2", "args": ["b"], "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]},
            ]}})
        );
    }

    #[test]
    fn directives_delete_and_replace() {
        let mut object = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}, "volumes": [{"name": "a"}, {"name": "b"}]}});
        patch(
            &mut object,
            &json!({"spec": {
                "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
                "volumes": [{"name": "a", "$patch": "delete"}],
            }}),
        );
        assert_eq!(
            object,
            json!({"spec": {"strategy": {"type": "Recreate"}, "volumes": [{"name": "b"}]}})
        );
    }
}
