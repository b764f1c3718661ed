//! Server-side apply: merge by fields, with owners.

use super::fields;
use super::lists;
use super::lists::ListKind;
use super::managers;
use super::managers::Entry;
use super::managers::Writer;
use crate::lab::api::object;
use crate::lab::api::status_error::StatusError;
use crate::lab::api::versions;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;

/// Applies a configuration to the live object (null where there is none).
pub fn apply(
    live: &Value,
    config: &Value,
    writer: &Writer,
    force: bool,
    ignore_status: bool,
) -> Result<Value, StatusError> {
    let mut config = config.clone();
    for field in [
        "managedFields",
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "generation",
    ] {
        object::metadata_mut(&mut config).shift_remove(field);
    }
    if ignore_status {
        object::remove(&mut config, "status");
    }
    let mut set = fields::of(&config, writer.custom);
    set.strip();
    for field in writer.resets {
        set.strip_field(field);
    }

    let mut merged = if live.is_null() {
        json!({})
    } else {
        live.clone()
    };
    merge(&mut merged, &config, &mut Vec::new(), writer.custom);

    let mut entries = managers::read(live);
    let (changed, _) = managers::changes(live, &merged, writer);
    let lost: Vec<(usize, fields::FieldSet)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !entry.is_of(writer))
        .map(|(at, entry)| {
            if entry.is_in_version_of(writer) {
                return (at, entry.set.intersection(&changed));
            }
            let (changed, _) = managers::changes_for(entry, live, &merged, writer);
            (at, entry.set.intersection(&changed))
        })
        .filter(|(_, both)| !both.is_empty())
        .collect();
    if !(lost.is_empty() || force || are_client_side(live, writer, &lost)) {
        return Err(conflict(&entries, &lost));
    }
    for (at, both) in lost {
        entries[at].set.subtract(&both);
    }

    // What this applier owned and no longer names goes, unless someone else owns it too.
    if let Some(own) = entries.iter().find(|entry| entry.is_of(writer)) {
        let mut gone = own.set.clone();
        // What was applied in another version is looked for, and removed, in that one.
        let other = !own.is_in_version_of(writer);
        if other {
            gone.subtract(&fields::of(&own.version_of(&config), writer.custom));
        } else {
            gone.subtract(&set);
        }
        for other in entries.iter().filter(|entry| !entry.is_of(writer)) {
            gone.subtract(&other.set);
        }
        if !gone.is_empty() && other {
            let mut old = own.version_of(&merged);
            gone.remove_from(&mut old, writer.custom);
            merged = versions::convert(old, &writer.api_version);
        } else if !gone.is_empty() {
            gone.remove_from(&mut merged, writer.custom);
        }
    }
    renew_last_applied(&mut merged, &config, writer);
    let mut writer = writer.clone();
    if without_books(live) == without_books(&merged) {
        writer.time.clear();
    }
    managers::own(&mut entries, &writer, set);
    managers::write(&mut merged, &entries);
    Ok(merged)
}

/// Whether all that is lost was applied by `kubectl apply` itself, which now applies on the server's side
/// (`managedfields/internal/lastappliedmanager.go`).
fn are_client_side(live: &Value, writer: &Writer, lost: &[(usize, fields::FieldSet)]) -> bool {
    let annotation =
        &live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    let applied = annotation
        .as_str()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
        .map(|config| fields::of(&config, writer.custom));
    writer.manager == "kubectl"
        && applied.is_some_and(|applied| {
            lost.iter().all(|(_, both)| {
                let mut others = both.clone();
                others.subtract(&applied);
                others.is_empty()
            })
        })
}

fn without_books(object: &Value) -> Value {
    let mut object = object.clone();
    if object.is_object() {
        object::metadata_mut(&mut object).shift_remove("managedFields");
        object::drop_empty(&mut object);
    }
    object
}

/// What kubectl's own apply wrote down is kept right, for a client that goes back to it.
fn renew_last_applied(object: &mut Value, config: &Value, writer: &Writer) {
    const KEY: &str = "kubectl.kubernetes.io/last-applied-configuration";
    if writer.manager != "kubectl" || !object["metadata"]["annotations"][KEY].is_string() {
        return;
    }
    let mut text = config.clone();
    text.sort_all_objects();
    object["metadata"]["annotations"][KEY] = json!(format!("{text}\n"));
}

fn merge<'path>(live: &mut Value, config: &'path Value, path: &mut Vec<&'path str>, custom: bool) {
    match config {
        Value::Object(members) if !lists::map_is_atomic(path, custom) => {
            if !live.is_object() {
                *live = json!({});
            }
            let Value::Object(map) = live else { return };
            for (key, member) in members {
                path.push(key);
                merge(
                    map.entry(key.clone()).or_insert(Value::Null),
                    member,
                    path,
                    custom,
                );
                path.pop();
            }
        }
        Value::Array(items) => merge_list(live, items, path, custom),
        other => *live = other.clone(),
    }
}

fn merge_list<'path>(
    live: &mut Value,
    items: &'path [Value],
    path: &mut Vec<&'path str>,
    custom: bool,
) {
    if !live.is_array() {
        *live = json!([]);
    }
    let Value::Array(list) = live else { return };
    match lists::list_kind(path, custom) {
        ListKind::Atomic => *list = items.to_vec(),
        ListKind::Set => {
            for item in items {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
        }
        ListKind::Map(keys) => {
            for item in items {
                let key = lists::key_of(item, keys);
                match list.iter_mut().find(|one| lists::key_of(one, keys) == key) {
                    Some(found) => merge(found, item, path, custom),
                    None => list.push(item.clone()),
                }
            }
        }
    }
}

fn conflict(entries: &[Entry], lost: &[(usize, fields::FieldSet)]) -> StatusError {
    let mut causes = Vec::new();
    let mut by_manager: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, both) in lost {
        let manager = entries[*at].describe();
        for path in both.paths() {
            causes.push(json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path}));
            by_manager.entry(manager.clone()).or_default().push(path);
        }
    }
    let text = if let [only] = causes.as_slice() {
        format!(
            "Apply failed with 1 conflict: {}: {}",
            only["message"].as_str().unwrap_or_default(),
            only["field"].as_str().unwrap_or_default()
        )
    } else {
        let groups: Vec<String> = by_manager
            .iter()
            .map(|(manager, paths)| {
                let lines: Vec<String> = paths.iter().map(|path| format!("- {path}")).collect();
                format!("conflicts with {manager}:\n{}", lines.join("\n"))
            })
            .collect();
        format!(
            "Apply failed with {} conflicts: {}",
            causes.len(),
            groups.join("\n")
        )
    };
    let mut error = StatusError::new(409, "Conflict", text);
    error.status["details"] = json!({"causes": causes});
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(manager: &str) -> Writer {
        Writer {
            manager: manager.to_owned(),
            operation: "Apply",
            api_version: "apps/v1".to_owned(),
            subresource: String::new(),
            time: "2026-01-01T00:00:00Z".to_owned(),
            resets: &["status"],
            custom: false,
        }
    }

    fn config(body: &Value) -> Value {
        let mut object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        object["spec"] = body.clone();
        object
    }

    #[test]
    fn a_field_of_another_applier_conflicts_until_forced() {
        let live = apply(
            &Value::Null,
            &config(&json!({"replicas": 1})),
            &writer("one"),
            false,
            true,
        )
        .expect("created");
        let other = config(&json!({"replicas": 2}));
        let error = apply(&live, &other, &writer("two"), false, true).expect_err("owned by one");
        assert_eq!(
            error.message(),
            "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"
        );
        assert_eq!(
            error.status["details"]["causes"][0]["reason"],
            "FieldManagerConflict"
        );

        let forced = apply(&live, &other, &writer("two"), true, true).expect("forced");
        assert_eq!(forced["spec"]["replicas"], 2);
        let managers: Vec<&Value> = object::items(&forced["metadata"], "managedFields")
            .map(|entry| &entry["manager"])
            .collect();
        assert_eq!(managers, ["two"]);
    }

    #[test]
    fn kubectl_takes_over_what_it_applied_on_the_clients_side() {
        let body = config(&json!({"replicas": 1, "paused": true}));
        let mut live = apply(&Value::Null, &body, &writer("before"), false, true).expect("created");
        let other = config(&json!({"replicas": 2}));
        let paused = config(&json!({"paused": false}));
        let last = json!({"spec": {"replicas": 1}}).to_string();
        live["metadata"]["annotations"] =
            json!({"kubectl.kubernetes.io/last-applied-configuration": last});
        apply(&live, &other, &writer("plan"), false, true).expect_err("plan is not kubectl");
        apply(&live, &paused, &writer("kubectl"), false, true).expect_err("never applied");
        let taken = apply(&live, &other, &writer("kubectl"), false, true).expect("taken over");
        assert_eq!(taken["spec"]["replicas"], 2);
    }

    #[test]
    fn equal_values_are_shared_and_go_with_the_last_owner() {
        let body = config(&json!({"replicas": 1, "paused": true}));
        let without = config(&json!({"paused": true}));
        let live = apply(&Value::Null, &body, &writer("one"), false, true).expect("created");
        let live = apply(&live, &body, &writer("two"), false, true).expect("shared");
        let live = apply(&live, &without, &writer("one"), false, true).expect("one lets go");
        assert_eq!(live["spec"]["replicas"], 1);
        let live = apply(&live, &without, &writer("two"), false, true).expect("two lets go");
        assert_eq!(live["spec"], json!({"paused": true}));
    }

    #[test]
    fn an_item_no_longer_applied_is_removed_by_its_key() {
        let pods = |names: &[&str]| {
            let containers: Vec<Value> = names
                .iter()
                .map(|name| json!({"name": name, "image": "x"}))
                .collect();
            config(&json!({"template": {"spec": {"containers": containers}}}))
        };
        let live = apply(
            &Value::Null,
            &pods(&["a", "b"]),
            &writer("one"),
            false,
            true,
        )
        .expect("created");
        let live = apply(&live, &pods(&["b"]), &writer("one"), false, true).expect("applied");
        assert_eq!(
            live["spec"]["template"]["spec"]["containers"],
            json!([{"name": "b", "image": "x"}])
        );
    }
}
