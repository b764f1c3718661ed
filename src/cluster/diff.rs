//! A change as people review it: the object before and after, without what the server counts and notes.

use serde_json::{Map, Value};
use similar::TextDiff;

use super::object::{Object, ObjectRef};

/// What would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The object.
    pub object: ObjectRef,
    /// As it is; `None` where it is not there.
    pub before: Option<Value>,
    /// As it would be; `None` where it would be gone.
    pub after: Option<Value>,
    /// The JSON pointers of the fields in `after` whose values the server will draw: they hold [`DRAWN`](super::DRAWN).
    pub drawn: Vec<String>,
    /// `apply`, `patch`, `create`.
    pub verb: &'static str,
    /// Whether `after` was computed here, since the server does not know what earlier steps would have made.
    pub modelled: bool,
}

/// The fields of `metadata` that the server writes.
const SERVERS: [&str; 6] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
];

/// The object without what the server writes.
pub(super) fn content(object: &Object) -> Value {
    clean(object.value())
}

fn clean(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("status");
        if map.get("kind").is_some_and(|kind| kind == "Secret") {
            mask(map);
        }
        if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SERVERS {
                metadata.shift_remove(field);
            }
        }
    }
    value.sort_all_objects();
    value
}

/// A Secret's values are never shown; that they differ is.
fn mask(secret: &mut Map<String, Value>) {
    for field in ["data", "stringData"] {
        for (_, value) in secret
            .get_mut(field)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            use sha2::{Digest as _, Sha256};
            let hash = Sha256::digest(value.to_string().as_bytes());
            *value = Value::from(format!(
                "(masked, {:02x}{:02x}{:02x})",
                hash[0], hash[1], hash[2]
            ));
        }
    }
}

/// The change as a unified diff of YAML.
pub fn unified(change: &Change) -> String {
    let text = |side: &Option<Value>| {
        side.as_ref().map_or_else(String::new, |value| {
            serde_yaml::to_string(&clean(value)).unwrap_or_else(|error| format!("({error})\n"))
        })
    };
    let (before, after) = (text(&change.before), text(&change.after));
    let name = change.object.to_string();
    TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(3)
        .header(&format!("{name} (live)"), &format!("{name} (after)"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_changes_is_shown_and_secrets_are_masked() {
        let object = ObjectRef::namespaced("v1", "Secret", "a", "b");
        let secret = |data: &str, version: &str| json!({ "kind": "Secret", "metadata": { "name": "b", "resourceVersion": version }, "data": { "k": data } });
        let change = |before, after| Change {
            object: object.clone(),
            before: Some(before),
            after: Some(after),
            drawn: Vec::new(),
            verb: "apply",
            modelled: false,
        };
        let shown = unified(&change(secret("c2VjcmV0", "1"), secret("b3RoZXI=", "2")));
        assert!(
            shown.contains("masked")
                && !shown.contains("c2Vj")
                && !shown.contains("resourceVersion"),
            "{shown}"
        );
        assert_eq!(unified(&change(secret("x", "1"), secret("x", "2"))), "");
    }
}
