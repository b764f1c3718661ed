//! What an applied configuration may not say twice: items of lists whose items have keys.

use super::lists;
use super::lists::ListKind;
use serde_json::Value;

/// Says which items are there twice, as the library of the API server does: `.spec.ports: duplicate entries for key […]`.
pub fn find<'path>(
    value: &'path Value,
    path: &mut Vec<&'path str>,
    custom: bool,
) -> Option<String> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, member)| {
            path.push(key);
            let found = find(member, path, custom);
            path.pop();
            found
        }),
        Value::Array(items) => {
            let keys: Vec<String> = match lists::list_kind(path, custom) {
                ListKind::Atomic => return None,
                ListKind::Set => items.iter().map(|item| format!("={item}")).collect(),
                ListKind::Map(names) => items.iter().map(|item| written(item, names)).collect(),
            };
            let twice = keys
                .iter()
                .enumerate()
                .find(|(at, key)| keys[..*at].contains(key));
            match twice {
                Some((_, key)) => Some(format!(
                    ".{}: duplicate entries for key [{key}]",
                    path.join(".")
                )),
                None => items.iter().find_map(|item| find(item, path, custom)),
            }
        }
        _ => None,
    }
}

fn written(item: &Value, names: &[&str]) -> String {
    let values = lists::key_of(item, names);
    let parts = names.iter().zip(values);
    let parts: Vec<String> = parts
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join(",")
}
