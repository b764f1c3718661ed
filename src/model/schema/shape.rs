//! Schemas as the types give them, made fit for people: without alternatives that hide what is wrong.

use serde_json::{Map, Value, json};

use crate::model::id::DNS_LABEL;

/// Makes one schema of alternatives that differ by type, a plain `enum` of named constants, and takes out `null`: an
/// optional value is left out, not empty.
pub(super) fn tidy(mut schema: Value) -> Value {
    let Value::Object(map) = &mut schema else {
        return schema;
    };
    for key in ["format", "title", "$schema"] {
        map.remove(key);
    }
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    for key in ["properties", "definitions"] {
        if let Some(Value::Object(parts)) = map.get_mut(key) {
            parts
                .values_mut()
                .for_each(|part| *part = tidy(part.take()));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(part) = map.get_mut(key) {
            *part = tidy(part.take());
        }
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            map.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(parts)) = map.get_mut(key) {
            let parts = parts.iter_mut().map(|part| tidy(part.take())).collect();
            alternatives(map, key, parts);
        }
    }
    schema
}

/// Replaces alternatives by what says the same without them.
fn alternatives(map: &mut Map<String, Value>, key: &str, mut parts: Vec<Value>) {
    parts.retain(|part| part["type"] != "null");
    let constants: Option<Vec<_>> = parts
        .iter()
        .map(|part| part.get("const").cloned())
        .collect();
    if let Some(values) = constants {
        map.remove(key);
        let told: Vec<_> = parts
            .iter()
            .map(|part| part["description"].clone())
            .collect();
        map.insert("type".to_owned(), json!("string"));
        map.insert("enum".to_owned(), Value::Array(values));
        if told.iter().all(Value::is_string) {
            map.insert("enumDescriptions".to_owned(), Value::Array(told));
        }
        return;
    }
    let types: Vec<_> = parts.iter().flat_map(|part| names(&part["type"])).collect();
    let apart = parts.iter().all(|part| part.get("type").is_some())
        && types
            .iter()
            .enumerate()
            .all(|(at, name)| !types[..at].contains(name));
    if !apart {
        map.insert(key.to_owned(), Value::Array(parts));
        return;
    }
    // Every keyword but these speaks of one type only, so the alternatives can share one schema.
    map.remove(key);
    for part in parts {
        let Value::Object(part) = part else { continue };
        for (name, value) in part {
            map.entry(name).or_insert(value);
        }
    }
    map.insert(
        "type".to_owned(),
        if types.len() == 1 {
            json!(types[0])
        } else {
            json!(types)
        },
    );
}

/// The types that a `type` names.
fn names(types: &Value) -> Vec<String> {
    match types {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// Lets a value, and all within it, be a template. What has the wrong type is then judged by what it should be, not by
/// an alternative.
pub(super) fn allow_templates(schema: &mut Value) {
    allow_inside(schema);
    let Value::Object(map) = schema else { return };
    // A form of its own is no form of a template.
    if widen(map) && !map.contains_key("pattern") || map.is_empty() || !map.contains_key("type") {
        return;
    }
    let mut outer = Map::new();
    for key in ["description", "default"] {
        if let Some(value) = map.shift_remove(key) {
            outer.insert(key.to_owned(), value);
        }
    }
    let inner = std::mem::take(map);
    outer.insert(
        "if".to_owned(),
        json!({ "type": "string", "pattern": r"\$\{\{" }),
    );
    outer.insert("then".to_owned(), json!(true));
    outer.insert("else".to_owned(), Value::Object(inner));
    *map = outer;
}

/// Lets all values within this one be templates.
pub(super) fn allow_inside(schema: &mut Value) {
    each_part(schema, &allow_templates);
}

/// Lets a number or a bool stand where text is wanted: YAML takes an unquoted `1.10` for a number.
pub(super) fn widen_text(schema: &mut Value) {
    each_part(schema, &widen_text);
    if let Value::Object(map) = schema {
        widen(map);
    }
}

/// Widens free text, and says whether that is what the schema is.
fn widen(map: &mut Map<String, Value>) -> bool {
    let label = map.get("pattern").is_some_and(|form| form == DNS_LABEL);
    let free = map.get("type").is_some_and(|name| name == "string")
        && !["enum", "const", "anyOf"]
            .iter()
            .any(|key| map.contains_key(*key))
        && (label || !map.contains_key("pattern"));
    if free {
        map.insert("type".to_owned(), json!(["string", "number", "boolean"]));
    }
    free || map.get("type") == Some(&json!(["string", "number", "boolean"]))
}

/// The schemas of the values within a value.
fn each_part(schema: &mut Value, change: &dyn Fn(&mut Value)) {
    let Value::Object(map) = schema else { return };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(change);
    }
    for key in ["items", "additionalProperties", "else"] {
        if let Some(part @ Value::Object(_)) = map.get_mut(key) {
            change(part);
        }
    }
}
