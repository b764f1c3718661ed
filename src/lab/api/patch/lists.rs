//! How lists and maps of the built-in types merge: the markers of the Kubernetes API types
//! (`listType`, `listMapKey`, `mapType`, `patchMergeKey`), for the fields that matter here.

use serde_json::Value;

/// How two lists become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// The new one replaces the old one.
    Atomic,
    /// Values, each once.
    Set,
    /// Objects identified by these members.
    Map(&'static [&'static str]),
}

/// The list at a path of field names (list items add none), for built-in types.
/// Custom resources carry no markers here, so that only metadata is known of them.
pub fn list_kind(path: &[&str], custom: bool) -> ListKind {
    let field = path.last().copied().unwrap_or_default();
    let parent = path.len().checked_sub(2).map_or("", |at| path[at]);
    if custom && path.first() != Some(&"metadata") {
        return ListKind::Atomic;
    }
    match (parent, field) {
        ("metadata", "finalizers") => ListKind::Set,
        ("metadata", "ownerReferences") => ListKind::Map(&["uid"]),
        (
            _,
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "volumes"
            | "env"
            | "imagePullSecrets",
        )
        | ("", "webhooks" | "secrets") => ListKind::Map(&["name"]),
        (_, "volumeMounts") => ListKind::Map(&["mountPath"]),
        (_, "volumeDevices") => ListKind::Map(&["devicePath"]),
        ("containers" | "initContainers", "ports") => ListKind::Map(&["containerPort", "protocol"]),
        ("spec", "ports") => ListKind::Map(&["port", "protocol"]),
        ("status", "conditions" | "addresses") => ListKind::Map(&["type"]),
        ("status", "podIPs" | "hostIPs") | ("spec", "hostAliases") => ListKind::Map(&["ip"]),
        ("spec", "topologySpreadConstraints") => {
            ListKind::Map(&["topologyKey", "whenUnsatisfiable"])
        }
        _ => ListKind::Atomic,
    }
}

/// Whether a map is owned and replaced as a whole: selectors and references.
pub fn map_is_atomic(path: &[&str], custom: bool) -> bool {
    !custom
        && matches!(
            path.last().copied().unwrap_or_default(),
            "selector"
                | "nodeSelector"
                | "namespaceSelector"
                | "objectSelector"
                | "labelSelector"
                | "podSelector"
                | "fieldRef"
                | "resourceFieldRef"
                | "secretKeyRef"
                | "configMapKeyRef"
                | "roleRef"
        )
}

/// The member values that identify an item; the protocol of a port is TCP where absent.
pub fn key_of(item: &Value, keys: &[&str]) -> Vec<Value> {
    keys.iter()
        .map(|key| match (&item[*key], *key) {
            (Value::Null, "protocol") => Value::from("TCP"),
            (value, _) => value.clone(),
        })
        .collect()
}
