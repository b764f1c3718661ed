//! `metadata.managedFields`: who owns which fields.

use super::fields;
use super::fields::FieldSet;
use crate::lab::api::object;
use crate::lab::api::versions;
use serde_json::Value;
use serde_json::json;

/// Who writes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: &'static str,
    /// The version that the request speaks.
    pub api_version: String,
    /// Empty for the object itself.
    pub subresource: String,
    /// When, as `metav1.Time`.
    pub time: String,
    /// Top fields that this kind of write resets, and so never owns.
    pub resets: &'static [&'static str],
    /// Whether the object is of a custom resource.
    pub custom: bool,
}

/// One entry of `managedFields`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// All but the fields.
    pub head: Value,
    /// The fields owned.
    pub set: FieldSet,
}

impl Entry {
    fn new(writer: &Writer, set: FieldSet) -> Self {
        let mut head = json!({
            "manager": writer.manager, "operation": writer.operation, "apiVersion": writer.api_version,
            "fieldsType": "FieldsV1",
        });
        // The scale handler keeps no time.
        if writer.subresource != "scale" && !writer.time.is_empty() {
            head["time"] = json!(writer.time);
        }
        if !writer.subresource.is_empty() {
            head["subresource"] = json!(writer.subresource);
        }
        Self { head, set }
    }

    /// Whether this is the writer's own entry.
    pub fn is_of(&self, writer: &Writer) -> bool {
        self.head["manager"] == writer.manager.as_str()
            && self.head["operation"] == writer.operation
            // Who applies is the same in every version.
            && (writer.operation == "Apply" || self.is_in_version_of(writer))
            && self.head["subresource"].as_str().unwrap_or_default() == writer.subresource
    }

    /// Whether its fields are named as in the writer's version.
    pub fn is_in_version_of(&self, writer: &Writer) -> bool {
        self.head["apiVersion"] == writer.api_version.as_str()
    }

    /// An object in the version of this entry.
    pub fn version_of(&self, value: &Value) -> Value {
        let version = self.head["apiVersion"].as_str().unwrap_or_default();
        versions::convert(value.clone(), version)
    }

    /// As conflicts name it.
    pub fn describe(&self) -> String {
        let head = &self.head;
        let subresource = head["subresource"]
            .as_str()
            .map(|name| format!(" with subresource \"{name}\""))
            .unwrap_or_default();
        let version = head["apiVersion"].as_str().unwrap_or_default();
        let rest = if head["operation"] == "Update" {
            format!(" using {version}")
        } else {
            String::new()
        };
        format!("{}{subresource}{rest}", head["manager"])
    }
}

/// Reads the entries of an object.
pub fn read(value: &Value) -> Vec<Entry> {
    object::items(&value["metadata"], "managedFields")
        .map(|entry| {
            let members = entry.as_object().into_iter().flatten();
            let head = members.filter(|(key, _)| *key != "fieldsV1");
            Entry {
                head: head
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
                set: FieldSet::from_json(&entry["fieldsV1"]),
            }
        })
        .collect()
}

/// Writes the entries that own anything.
pub fn write(value: &mut Value, entries: &[Entry]) {
    let mut owning: Vec<&Entry> = entries
        .iter()
        .filter(|entry| !entry.set.is_empty())
        .collect();
    let text = |entry: &Entry, key: &str| entry.head[key].as_str().unwrap_or_default().to_owned();
    // Appliers first, then by time and name.
    owning.sort_by_key(|entry| {
        ["operation", "time", "manager", "apiVersion"].map(|key| text(entry, key))
    });
    let list: Vec<Value> = owning
        .into_iter()
        .map(|entry| {
            let mut json = entry.head.clone();
            json["fieldsV1"] = entry.set.to_json();
            json
        })
        .collect();
    // Empty, not absent: an object without them keeps those that it had.
    object::set_meta(value, "managedFields", Value::Array(list));
}

/// Gives the writer's own entry new fields; its time moves only when they differ.
///
/// A writer without a time changed nothing: its entry keeps the time that it has.
pub fn own(entries: &mut Vec<Entry>, writer: &Writer, set: FieldSet) {
    match entries.iter_mut().find(|entry| entry.is_of(writer)) {
        Some(entry) if entry.set == set && entry.is_in_version_of(writer) => {}
        Some(entry) if writer.time.is_empty() => {
            entry.head["apiVersion"] = json!(writer.api_version);
            entry.set = set;
        }
        Some(entry) => *entry = Entry::new(writer, set),
        None => entries.push(Entry::new(writer, set)),
    }
}

/// What a write set and what it removed, of the fields that it may own.
pub fn changes(before: &Value, after: &Value, writer: &Writer) -> (FieldSet, FieldSet) {
    let (mut set, mut removed) = fields::difference(before, after, writer.custom);
    for fields in [&mut set, &mut removed] {
        fields.strip();
        for field in writer.resets {
            fields.strip_field(field);
        }
    }
    (set, removed)
}

/// The same in the version of an entry.
pub fn changes_for(
    entry: &Entry,
    before: &Value,
    after: &Value,
    writer: &Writer,
) -> (FieldSet, FieldSet) {
    let version = |value: &Value| match value {
        Value::Null => Value::Null,
        value => entry.version_of(value),
    };
    changes(&version(before), &version(after), writer)
}

/// Keeps the books of a write that is no apply: what it set is the writer's, what it changed or removed is nobody
/// else's any more.
pub fn track_update(before: &Value, after: &mut Value, writer: &Writer) {
    let mut entries = read(before);
    let (set, removed) = changes(before, after, writer);
    if !(set.is_empty() && removed.is_empty()) {
        for entry in entries.iter_mut().filter(|entry| !entry.is_of(writer)) {
            let own = (!entry.is_in_version_of(writer))
                .then(|| changes_for(entry, before, after, writer));
            let (set, removed) = own
                .as_ref()
                .map_or((&set, &removed), |(set, removed)| (set, removed));
            entry.set.subtract(set);
            entry.set.subtract(removed);
        }
        let mut mine = entries
            .iter()
            .find(|entry| entry.is_of(writer))
            .map(|entry| entry.set.clone())
            .unwrap_or_default();
        mine.subtract(&removed);
        mine.union(&set);
        let time_moves = !set.is_empty() || entries.iter().any(|entry| entry.is_of(writer));
        if time_moves {
            entries.retain(|entry| !entry.is_of(writer));
            entries.push(Entry::new(writer, mine));
        }
    }
    write(after, &entries);
}
