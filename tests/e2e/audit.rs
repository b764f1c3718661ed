//! What the API server saw, by user agent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::e2e::bed::Bed;

/// One request that was answered.
#[derive(Debug)]
pub(crate) struct Request(Value);

/// A mark in the log: what comes after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(usize);

/// The end of the log as it is.
pub(crate) fn mark(bed: &Bed) -> Mark {
    Mark(text(bed).len())
}

/// The requests since a mark whose user agent begins so. A watch is one, although it is logged twice.
pub(crate) fn requests(bed: &Bed, since: Mark, agent: &str) -> Vec<Request> {
    let mut seen = BTreeSet::new();
    text(bed)[since.0..]
        .lines()
        .filter(|line| line.contains(agent))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(Request)
        .filter(|request| {
            request.text("/userAgent").starts_with(agent)
                && seen.insert(request.text("/auditID").to_owned())
        })
        .collect()
}

fn text(bed: &Bed) -> String {
    let bytes = fs_err::read(bed.audit_log()).expect("the audit log");
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Request {
    fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn verb(&self) -> &str {
        self.text("/verb")
    }

    pub(crate) fn resource(&self) -> &str {
        self.text("/objectRef/resource")
    }

    pub(crate) fn subresource(&self) -> &str {
        self.text("/objectRef/subresource")
    }

    pub(crate) fn name(&self) -> &str {
        self.text("/objectRef/name")
    }

    /// Whether nothing of it was stored.
    pub(crate) fn is_dry(&self) -> bool {
        self.text("/requestURI")
            .split(['?', '&'])
            .any(|part| part == "dryRun=All")
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.verb(), "get" | "list" | "watch")
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.0["responseStatus"]["code"]
            .as_u64()
            .is_some_and(|code| code < 300)
    }

    pub(crate) fn sent(&self) -> &Value {
        &self.0["requestObject"]
    }

    /// The object as it was then.
    pub(crate) fn answered(&self) -> &Value {
        &self.0["responseObject"]
    }

    /// The webhook configurations that changed the object.
    pub(crate) fn mutated_by(&self) -> BTreeSet<String> {
        let annotations = self.0["annotations"].as_object();
        annotations
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.starts_with("mutation.webhook.admission.k8s.io/"))
            .filter_map(|(_, text)| serde_json::from_str::<Value>(text.as_str()?).ok())
            .filter(|webhook| webhook["mutated"] == true)
            .filter_map(|webhook| Some(webhook["configuration"].as_str()?.to_owned()))
            .collect()
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.verb(), self.text("/requestURI"))
    }
}

/// Those that changed the cluster, but for the lock that every run takes.
pub(crate) fn changes(requests: Vec<Request>) -> Vec<Request> {
    let asks = |request: &Request| {
        matches!(
            request.resource(),
            "selfsubjectaccessreviews" | "leases" | "tokenreviews"
        ) || matches!(request.subresource(), "token" | "portforward")
    };
    requests
        .into_iter()
        .filter(|request| !request.is_read() && !request.is_dry() && !asks(request))
        .collect()
}

/// A field of an object: `KIND/NAMESPACE/NAME` and its JSON pointer.
pub(crate) type Field = (String, String);

/// The values of fields.
pub(crate) type Fields = BTreeMap<Field, Value>;

/// What the server counts and notes is no change.
const SERVERS: [&str; 6] = [
    "/metadata/managedFields",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/uid",
    "/metadata/creationTimestamp",
    "/status",
];

/// The fields in which an object differs from what it was, with their new values; `null` where one is gone.
pub(crate) fn differences(before: &Value, after: &Value) -> Fields {
    let (old, new) = (flat(before), flat(after));
    let name = identity(after);
    let mut fields = Fields::new();
    for (pointer, value) in &new {
        if old.get(pointer) != Some(value) {
            fields.insert((name.clone(), pointer.clone()), value.clone());
        }
    }
    for pointer in old.keys().filter(|pointer| !new.contains_key(*pointer)) {
        fields.insert((name.clone(), pointer.clone()), Value::Null);
    }
    fields
}

/// `KIND/NAMESPACE/NAME`.
pub(crate) fn identity(object: &Value) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!(
        "{}/{}/{}",
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name")
    )
}

fn flat(object: &Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    flatten(object, String::new(), &mut leaves);
    leaves
}

fn flatten(value: &Value, pointer: String, leaves: &mut BTreeMap<String, Value>) {
    if SERVERS.contains(&pointer.as_str()) {
        return;
    }
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                flatten(value, format!("{pointer}/{key}"), leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                flatten(value, format!("{pointer}/{index}"), leaves);
            }
        }
        Value::Null => {}
        leaf => {
            leaves.insert(pointer, leaf.clone());
        }
    }
}
