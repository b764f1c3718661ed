//! Sets of fields as `managedFields` writes them (`structured-merge-diff`'s `FieldsV1`).

use super::lists;
use super::lists::ListKind;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;

/// A tree of path elements (`f:NAME`, `k:{…}`, `v:…`), each of which may be a member itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    member: bool,
    children: BTreeMap<String, Self>,
}

impl FieldSet {
    /// Reads `fieldsV1`.
    pub fn from_json(fields: &Value) -> Self {
        let mut set = Self::default();
        for (key, child) in fields.as_object().into_iter().flatten() {
            if key == "." {
                set.member = true;
            } else {
                set.children.insert(key.clone(), Self::from_json(child));
            }
        }
        set.member |= set.children.is_empty();
        set
    }

    /// Writes `fieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), json!({}));
        }
        map.extend(
            self.children
                .iter()
                .map(|(key, child)| (key.clone(), child.to_json())),
        );
        Value::Object(map)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Self::is_empty)
    }

    /// Adds all members of the other.
    pub fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (key, child) in &other.children {
            self.children.entry(key.clone()).or_default().union(child);
        }
    }

    /// Takes out all members of the other.
    pub fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (key, child) in &other.children {
            if let Some(mine) = self.children.get_mut(key) {
                mine.subtract(child);
            }
        }
        self.children.retain(|_, child| !child.is_empty());
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut result = Self {
            member: self.member && other.member,
            children: BTreeMap::new(),
        };
        for (key, child) in &self.children {
            if let Some(theirs) = other.children.get(key) {
                let both = child.intersection(theirs);
                if !both.is_empty() {
                    result.children.insert(key.clone(), both);
                }
            }
        }
        result
    }

    /// The members as paths: `.spec.containers[name="app"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    /// The members of a level come before what lies below them, as in the server's own order.
    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        for (key, child) in &self.children {
            if child.member {
                paths.push(format!("{prefix}{}", readable(key)));
            }
        }
        for (key, child) in &self.children {
            child.collect(&format!("{prefix}{}", readable(key)), paths);
        }
    }

    fn insert(&mut self, path: &[String]) {
        match path {
            [] => self.member = true,
            [head, rest @ ..] => self.children.entry(head.clone()).or_default().insert(rest),
        }
    }

    fn drop_path(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [head, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*head) {
                    child.drop_path(rest);
                }
            }
        }
    }

    /// Takes out what no manager owns: identity, and what the server sets.
    pub fn strip(&mut self) {
        for path in [["f:apiVersion"], ["f:kind"]] {
            self.drop_path(&path);
        }
        for field in [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
        ] {
            self.drop_path(&["f:metadata", &format!("f:{field}")]);
        }
        self.children.retain(|_, child| !child.is_empty());
    }

    /// Takes out a whole top field, such as the status that the main resource resets.
    pub fn strip_field(&mut self, field: &str) {
        self.drop_path(&[&format!("f:{field}")]);
    }

    /// Removes from an object each member (and what lies below it), emptied keyed items included.
    pub fn remove_from(&self, object: &mut Value, custom: bool) {
        remove(self, object, &mut Vec::new(), custom);
    }
}

fn readable(element: &str) -> String {
    if let Some(field) = element.strip_prefix("f:") {
        return format!(".{field}");
    }
    if let Some(keys) = element.strip_prefix("k:") {
        let keys: Value = serde_json::from_str(keys).unwrap_or_default();
        let parts: Vec<String> = keys
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        return format!("[{}]", parts.join(","));
    }
    format!("[={}]", element.trim_start_matches("v:"))
}

/// The path element of an item of a keyed list.
pub fn key_element(item: &Value, keys: &[&str]) -> String {
    let members: Map<String, Value> = keys
        .iter()
        .map(|key| (*key).to_owned())
        .zip(lists::key_of(item, keys))
        .collect();
    format!("k:{}", Value::Object(members))
}

/// All fields of an object that an applier owns by naming them.
pub fn of(object: &Value, custom: bool) -> FieldSet {
    let mut set = FieldSet::default();
    walk(object, &mut Vec::new(), &mut Vec::new(), custom, &mut set);
    set
}

fn walk<'path>(
    value: &'path Value,
    names: &mut Vec<&'path str>,
    path: &mut Vec<String>,
    custom: bool,
    set: &mut FieldSet,
) {
    match value {
        Value::Object(map) if !(map.is_empty() || lists::map_is_atomic(names, custom)) => {
            for (key, member) in map {
                names.push(key);
                path.push(format!("f:{key}"));
                walk(member, names, path, custom, set);
                path.pop();
                names.pop();
            }
        }
        Value::Array(items) => match lists::list_kind(names, custom) {
            ListKind::Atomic => set.insert(path),
            ListKind::Set => items
                .iter()
                .for_each(|item| set.insert(&[&path[..], &[format!("v:{item}")]].concat())),
            ListKind::Map(keys) => {
                for item in items {
                    path.push(key_element(item, keys));
                    set.insert(path);
                    walk(item, names, path, custom, set);
                    path.pop();
                }
            }
        },
        _ if path.is_empty() => {}
        _ => set.insert(path),
    }
}

/// The fields that a write set (changed or added) and those that it removed.
pub fn difference(before: &Value, after: &Value, custom: bool) -> (FieldSet, FieldSet) {
    let (mut set, mut removed) = (FieldSet::default(), FieldSet::default());
    compare(
        before,
        after,
        &mut Vec::new(),
        &mut Vec::new(),
        custom,
        &mut set,
    );
    compare(
        after,
        before,
        &mut Vec::new(),
        &mut Vec::new(),
        custom,
        &mut removed,
    );
    // What differs on both sides was changed, not removed.
    removed.subtract(&set);
    (set, removed)
}

/// Inserts what `after` has and `before` has not, or has otherwise; the two are not equal.
fn compare<'path>(
    before: &Value,
    after: &'path Value,
    names: &mut Vec<&'path str>,
    path: &mut Vec<String>,
    custom: bool,
    set: &mut FieldSet,
) {
    match after {
        Value::Object(map) if !(map.is_empty() || lists::map_is_atomic(names, custom)) => {
            if before.is_null() && !path.is_empty() && is_free_map(names) {
                set.insert(path);
            }
            for (key, member) in map {
                let was = &before[key.as_str()];
                if was == member {
                    continue;
                }
                names.push(key);
                path.push(format!("f:{key}"));
                compare(was, member, names, path, custom, set);
                path.pop();
                names.pop();
            }
        }
        Value::Array(items) => compare_list(before, items, names, path, custom, set),
        _ => set.insert(path),
    }
}

fn compare_list<'path>(
    before: &Value,
    items: &'path [Value],
    names: &mut Vec<&'path str>,
    path: &mut Vec<String>,
    custom: bool,
    set: &mut FieldSet,
) {
    let old = before.as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = lists::list_kind(names, custom);
    // Only `containers` can never be null.
    if before.is_null() && kind != ListKind::Atomic && names.last() != Some(&"containers") {
        set.insert(path);
    }
    match kind {
        ListKind::Atomic => set.insert(path),
        ListKind::Set => {
            for item in items.iter().filter(|item| !old.contains(item)) {
                set.insert(&[&path[..], &[format!("v:{item}")]].concat());
            }
        }
        ListKind::Map(keys) => {
            for item in items {
                let element = key_element(item, keys);
                let was = old.iter().find(|one| key_element(one, keys) == element);
                if was == Some(item) {
                    continue;
                }
                path.push(element);
                if was.is_none() {
                    set.insert(path);
                }
                compare(was.unwrap_or(&Value::Null), item, names, path, custom, set);
                path.pop();
            }
        }
    }
}

/// What may be null in the typed object is a member itself when a write makes it; plain structs are not.
fn is_free_map(names: &[&str]) -> bool {
    matches!(
        names.last().copied(),
        Some(
            "labels"
                | "annotations"
                | "data"
                | "limits"
                | "requests"
                | "resources"
                | "rollingUpdate"
                | "valueFrom"
                | "configMap"
                | "secret"
                | "projected"
                | "readinessProbe"
                | "livenessProbe"
                | "startupProbe"
                | "httpGet"
                | "affinity"
                | "nodeAffinity"
                | "securityContext"
                | "service"
                | "clientConfig"
                | "persistentVolumeClaimRetentionPolicy"
        )
    )
}

fn remove<'set>(set: &'set FieldSet, value: &mut Value, names: &mut Vec<&'set str>, custom: bool) {
    for (element, child) in &set.children {
        if let Some(field) = element.strip_prefix("f:") {
            names.push(field);
            remove_field(child, value, field, names, custom);
            names.pop();
        } else if let Some(items) = value.as_array_mut() {
            remove_item(element, child, items, names, custom);
        }
    }
}

fn remove_field<'set>(
    child: &'set FieldSet,
    value: &mut Value,
    field: &str,
    names: &mut Vec<&'set str>,
    custom: bool,
) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    if child.children.is_empty() {
        map.shift_remove(field);
        return;
    }
    if let Some(member) = map.get_mut(field) {
        remove(child, member, names, custom);
        let empty = member.as_object().is_some_and(Map::is_empty)
            || member.as_array().is_some_and(Vec::is_empty);
        if empty {
            map.shift_remove(field);
        }
    }
}

fn remove_item<'set>(
    element: &str,
    child: &'set FieldSet,
    items: &mut Vec<Value>,
    names: &mut Vec<&'set str>,
    custom: bool,
) {
    let element_of = |item: &Value| match lists::list_kind(names, custom) {
        ListKind::Map(keys) => key_element(item, keys),
        _ => format!("v:{item}"),
    };
    let Some(at) = items.iter().position(|item| element_of(item) == element) else {
        return;
    };
    if child.member {
        items.remove(at);
    } else {
        remove(child, &mut items[at], names, custom);
    }
}
