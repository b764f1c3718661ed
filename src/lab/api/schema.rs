//! The structural schemas of CRDs: what is dropped, filled in and refused
//! (`apiextensions-apiserver/pkg/apiserver/schema`). Rules written in CEL are not evaluated.

use super::object;
use super::object::items;
use super::registry::Resource;
use super::server::State;
use super::status_error::Cause;
use regex::Regex;
use serde_json::Value;
use serde_json::json;

/// The schema of a custom resource in one version; none where the definition has none.
pub(super) fn of(state: &State, resource: &Resource, version: &str) -> Option<Value> {
    let spec = &state.definition(resource)?["spec"];
    items(spec, "versions")
        .find(|one| one["name"] == version)
        .map(|one| &one["schema"]["openAPIV3Schema"])
        .filter(|schema| schema.is_object())
        .cloned()
}

/// The schema by which a body is pruned and completed; none where the definition keeps whatever is written.
pub(super) fn of_decoding(state: &State, resource: &Resource, version: &str) -> Option<Value> {
    let definition = state.definition(resource)?;
    (definition["spec"]["preserveUnknownFields"] != true)
        .then(|| of(state, resource, version))
        .flatten()
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// Drops what the schema does not know, and gives the paths of it.
pub(super) fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    drop_unknown(object, schema, "", true, &mut unknown);
    unknown.sort();
    unknown
}

fn drop_unknown(
    value: &mut Value,
    schema: &Value,
    path: &str,
    is_object: bool,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::Object(map) => {
            map.retain(|key, member| {
                if is_object && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                    return true;
                }
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let known = match &schema["properties"][key] {
                    Value::Null => &schema["additionalProperties"],
                    property => property,
                };
                let embedded = known["x-kubernetes-embedded-resource"] == true;
                match known {
                    Value::Object(_) => drop_unknown(member, known, &below, embedded, unknown),
                    Value::Bool(true) => {}
                    _ if keeps_unknown(schema) => {}
                    _ => {
                        unknown.push(below);
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(list) if schema["items"].is_object() => {
            for (at, item) in list.iter_mut().enumerate() {
                drop_unknown(
                    item,
                    &schema["items"],
                    &format!("{path}[{at}]"),
                    false,
                    unknown,
                );
            }
        }
        _ => {}
    }
}

/// Fills in what is left out, after dropping nulls where none may be.
pub(super) fn complete(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, member| {
                let property = &schema["properties"][key];
                !(member.is_null() && property.is_object() && property["nullable"] != true)
            });
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                if !property["default"].is_null() && !map.contains_key(key) {
                    map.insert(key.clone(), property["default"].clone());
                }
            }
            for (key, member) in map {
                let known = match &schema["properties"][key] {
                    Value::Null => &schema["additionalProperties"],
                    property => property,
                };
                complete(member, known);
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|item| complete(item, &schema["items"])),
        _ => {}
    }
}

/// What is wrong with an object.
pub(super) fn check(object: &Value, schema: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    validate(object, schema, "", &mut causes);
    causes
}

fn is_valid(value: &Value, schema: &Value) -> bool {
    let mut causes = Vec::new();
    validate(value, schema, "", &mut causes);
    causes.is_empty()
}

/// The name of a value's type, as schemas say it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    let is = type_of(value);
    is == wanted || (wanted == "number" && is == "integer")
}

fn validate(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let shown = if path.is_empty() { "<nil>" } else { path };
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let wanted = schema["type"].as_str().unwrap_or_default();
    let either = schema["x-kubernetes-int-or-string"] == true;
    let fits = if either {
        has_type(value, "integer") || has_type(value, "string")
    } else {
        wanted.is_empty() || has_type(value, wanted)
    };
    if !fits {
        let wanted = if either { "integer,string" } else { wanted };
        let is = type_of(value);
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            message: format!(
                "Invalid value: \"{is}\": {path} in body must be of type {wanted}: \"{is}\""
            ),
            field: shown.to_owned(),
        });
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        causes.push(Cause {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                list.join(", ")
            ),
            field: shown.to_owned(),
        });
    }
    match value {
        Value::String(text) => check_text(value, text, schema, path, causes),
        Value::Number(number) => check_number(value, number, schema, path, causes),
        Value::Array(list) => check_list(list, schema, path, causes),
        Value::Object(_) => check_members(value, schema, path, causes),
        _ => {}
    }
    check_combinations(value, schema, path, causes);
}

fn check_text(value: &Value, text: &str, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if let Some(most) = schema["maxLength"].as_u64()
        && length > most
    {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} bytes"),
            field: path.to_owned(),
        });
    }
    if let Some(least) = schema["minLength"].as_u64()
        && length < least
    {
        let detail = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, value, &detail));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        let detail = format!("{path} in body should match '{pattern}'");
        causes.push(Cause::invalid(path, value, &detail));
    }
}

fn check_number(
    value: &Value,
    number: &serde_json::Number,
    schema: &Value,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    let number = number.as_f64().unwrap_or_default();
    for (key, words, is_wrong) in [
        (
            "minimum",
            "greater than or equal to",
            (|is, bound| is < bound) as fn(f64, f64) -> bool,
        ),
        ("maximum", "less than or equal to", |is, bound| is > bound),
    ] {
        if let Some(bound) = schema[key].as_f64()
            && is_wrong(number, bound)
        {
            let detail = format!("{path} in body should be {words} {}", schema[key]);
            causes.push(Cause::invalid(path, value, &detail));
        }
    }
}

fn check_list(list: &[Value], schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let count = u64::try_from(list.len()).unwrap_or(u64::MAX);
    if let Some(most) = schema["maxItems"].as_u64()
        && count > most
    {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            message: format!("Too many: {count}: must have at most {most} items"),
            field: path.to_owned(),
        });
    }
    if let Some(least) = schema["minItems"].as_u64()
        && count < least
    {
        let detail = format!("{path} in body should have at least {least} items");
        causes.push(Cause::invalid(path, &json!(count), &detail));
    }
    for (at, item) in list.iter().enumerate() {
        validate(item, &schema["items"], &format!("{path}[{at}]"), causes);
    }
}

fn check_members(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    for name in items(schema, "required").filter_map(Value::as_str) {
        if value.get(name).is_none() {
            causes.push(Cause::required(&below(name), ""));
        }
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let known = match &schema["properties"][key] {
            Value::Null => &schema["additionalProperties"],
            property => property,
        };
        if known.is_object() {
            validate(member, known, &below(key), causes);
        }
    }
}

fn check_combinations(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    // What is said of the whole has no field, and what the first alternative lacks comes with it.
    let mut refuse = |detail: String, more: Vec<Cause>| {
        causes.push(Cause::invalid("<nil>", &json!(""), &detail));
        causes.extend(more);
    };
    let first = |alternatives: &Vec<Value>| {
        let mut causes = Vec::new();
        if let Some(schema) = alternatives.first() {
            validate(value, schema, path, &mut causes);
        }
        causes
    };
    if let Some(all) = schema["oneOf"].as_array() {
        match all.iter().filter(|one| is_valid(value, one)).count() {
            1 => {}
            0 => {
                refuse(
                    format!(
                        "\"{path}\" must validate one and only one schema (oneOf). Found none valid"
                    ),
                    first(all),
                );
            }
            many => {
                refuse(
                    format!(
                        "\"{path}\" must validate one and only one schema (oneOf). Found {many} valid alternatives"
                    ),
                    Vec::new(),
                );
            }
        }
    }
    if let Some(any) = schema["anyOf"].as_array()
        && !any.iter().any(|one| is_valid(value, one))
    {
        refuse(
            format!("\"{path}\" must validate at least one schema (anyOf)"),
            first(any),
        );
    }
    if schema["not"].is_object() && is_valid(value, &schema["not"]) {
        refuse(
            format!("\"{path}\" must not validate the schema (not)"),
            Vec::new(),
        );
    }
    for one in items(schema, "allOf") {
        validate(value, one, path, causes);
    }
}

/// What a definition must have.
pub(super) fn check_definition(definition: &Value, causes: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let wanted = format!(
        "{}.{}",
        spec["names"]["plural"].as_str().unwrap_or_default(),
        spec["group"].as_str().unwrap_or_default()
    );
    if object::name(definition) != wanted {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid(
            "metadata.name",
            &definition["metadata"]["name"],
            detail,
        ));
    }
    // v1beta1 had one version, and could be without a schema.
    if definition["apiVersion"] != "apiextensions.k8s.io/v1" {
        return;
    }
    for (at, version) in items(spec, "versions").enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            causes.push(Cause::required(
                &format!("spec.versions[{at}].schema.openAPIV3Schema"),
                "",
            ));
        }
    }
    if items(spec, "versions")
        .filter(|one| one["storage"] == true)
        .count()
        != 1
    {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], detail));
        let detail = "must have at least one stored version";
        causes.push(Cause::invalid(
            "status.storedVersions",
            &Value::Null,
            detail,
        ));
    }
}
