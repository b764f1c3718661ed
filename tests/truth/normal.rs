//! What differs from run to run, replaced by what it stands for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").expect("a pattern")
});
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(10|127)\.\d+\.\d+\.\d+\b").expect("a pattern"));
static REVISION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(ResourceVersion in (?:the )?(?:precondition|record):? ?\(?|resource version: )\d+( \(\d+\))?").expect("a pattern")
});
/// A whole object in a message.
static OBJECT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"Invalid value: "\{.*\}": "#).expect("a pattern"));
static UID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
        .expect("a pattern")
});
/// The suffix of a volume that the server makes for each pod.
static ACCESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"kube-api-access-[a-z0-9]{5}").expect("a pattern"));

/// Replaces uids, revisions, generated names and hashes by numbered words, times and addresses by words.
pub(super) fn normalise(mut seen: Value) -> Value {
    let mut known = Known::default();
    known.collect(&seen);
    known.replace(&mut seen, "");
    sort(&mut seen);
    seen
}

#[derive(Default)]
struct Known {
    texts: BTreeMap<String, String>,
    revisions: BTreeMap<String, String>,
}

impl Known {
    fn learn(&mut self, text: &str, what: &str) {
        let number = self
            .texts
            .values()
            .filter(|word| word.starts_with(&format!("<{what} ")))
            .count()
            + 1;
        self.texts
            .entry(text.to_owned())
            .or_insert_with(|| format!("<{what} {number}>"));
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(map) => {
                let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
                if !text("uid").is_empty() {
                    self.learn(text("uid"), "uid");
                }
                let (prefix, name) = (text("generateName"), text("name"));
                if !prefix.is_empty() && name.len() == prefix.len() + 5 && name.starts_with(prefix)
                {
                    self.learn(name, "name");
                }
                for key in ["pod-template-hash", "controller-revision-hash"] {
                    let hash = text(key).rsplit('-').next().unwrap_or_default();
                    if !hash.is_empty() {
                        self.learn(hash, "hash");
                    }
                }
                let revision =
                    [text("resourceVersion"), text("/metadata/resourceVersion")].concat();
                if !revision.is_empty() {
                    let number = self.revisions.len() + 1;
                    self.revisions
                        .entry(revision)
                        .or_insert_with(|| format!("<revision {number}>"));
                }
                // The revision of a list or a bookmark is that of all writes, anybody's.
                for (key, member) in map {
                    if !(key == "metadata" && of_all(map)) {
                        self.collect(member);
                    }
                }
            }
            _ => {}
        }
    }

    fn replace(&self, value: &mut Value, key: &str) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item, key)),
            Value::Object(map) => {
                if of_all(map)
                    && map
                        .get("metadata")
                        .is_some_and(|metadata| metadata["resourceVersion"].is_string())
                {
                    map["metadata"]["resourceVersion"] = json!("<revision>");
                }
                for (key, member) in map {
                    self.replace(member, key);
                }
            }
            Value::String(text) => *text = self.text(text, key),
            _ => {}
        }
    }

    fn text(&self, text: &str, key: &str) -> String {
        match key {
            "resourceVersion" | "/metadata/resourceVersion" => {
                return self
                    .revisions
                    .get(text)
                    .cloned()
                    .unwrap_or_else(|| text.to_owned());
            }
            "continue" => return "<continue>".to_owned(),
            _ => {}
        }
        let mut text = text.to_owned();
        for (known, word) in &self.texts {
            text = text.replace(known, word);
        }
        for (pattern, word) in [
            (&TIME, "<time>"),
            (&ADDRESS, "<address>"),
            (&REVISION, "$1<number>"),
            (&ACCESS, "kube-api-access-<suffix>"),
            (&OBJECT, "Invalid value: <object>: "),
            (&UID, "<uid>"),
        ] {
            text = pattern.replace_all(&text, word).into_owned();
        }
        text
    }
}

fn of_all(map: &serde_json::Map<String, Value>) -> bool {
    map.get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"))
}

/// Members in the order of their names, since their order means nothing.
pub(super) fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Object(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort);
            // They come in the order of times that a slow run sets apart.
            for key in ["managedFields", "causes", "conditions"] {
                if let Some(Value::Array(items)) = map.get_mut(key) {
                    items.sort_by_key(ToString::to_string);
                }
            }
        }
        _ => {}
    }
}
