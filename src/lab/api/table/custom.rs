//! The columns that a CRD asks for (`additionalPrinterColumns`).

use super::super::object::items;
use super::cell;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

/// A column of a custom resource.
pub(in super::super) struct Column {
    kind: String,
    path: Vec<Segment>,
    definition: Value,
}

/// A part of a JSON path, as much of the language as printer columns use.
#[derive(Debug, PartialEq)]
enum Segment {
    Field(String),
    Index(usize),
    All,
    /// `?(@.field=="value")`.
    Where(Vec<String>, String),
}

/// The columns of a version; where the CRD names none, its age.
pub(super) fn columns(definition: &Value, version: &str) -> Vec<Column> {
    let spec = &definition["spec"];
    let of_version = items(spec, "versions")
        .find(|one| one["name"] == version)
        .unwrap_or(&Value::Null);
    let mut columns: Vec<Column> = items(of_version, "additionalPrinterColumns")
        .map(Column::of)
        .collect();
    if columns.is_empty() {
        columns.push(Column::of(
            &json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}),
        ));
    }
    columns
}

impl Column {
    fn of(column: &Value) -> Self {
        let text = |key: &str| cell::text_or(&column[key], "").to_owned();
        Self {
            kind: text("type"),
            path: parse(&text("jsonPath")),
            definition: json!({
                "name": column["name"], "type": column["type"], "format": text("format"),
                "description": text("description"), "priority": cell::number(&column["priority"]),
            }),
        }
    }

    pub(super) fn definition(&self) -> Value {
        self.definition.clone()
    }

    /// The first thing that the path leads to, as the column's type wants it; null for nothing.
    pub(super) fn cell(&self, item: &Value, now: Timestamp) -> Value {
        let mut found = vec![item];
        for segment in &self.path {
            found = found
                .into_iter()
                .flat_map(|value| segment.step(value))
                .collect();
        }
        match (self.kind.as_str(), found.as_slice()) {
            ("date", [time, ..]) => json!(cell::since(time, now)),
            (_, [] | [Value::Null, ..]) => Value::Null,
            ("string", several) => {
                let plain =
                    |one: &&Value| one.as_str().map_or_else(|| one.to_string(), str::to_owned);
                json!(several.iter().map(plain).collect::<Vec<_>>().join(" "))
            }
            (_, [first, ..]) => (*first).clone(),
        }
    }
}

impl Segment {
    fn step<'value>(&self, value: &'value Value) -> Vec<&'value Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(at) => value.get(at).into_iter().collect(),
            Self::All => value.as_array().into_iter().flatten().collect(),
            Self::Where(path, wanted) => value
                .as_array()
                .into_iter()
                .flatten()
                .filter(|one| {
                    path.iter().fold(*one, |at, name| &at[name.as_str()]) == wanted.as_str()
                })
                .collect(),
        }
    }
}

/// Reads `.a.b[0].c[?(@.type=="Ready")].status`; an escaped dot belongs to the name.
fn parse(path: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some((inside, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            segments.push(bracket(inside));
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let mut name = String::new();
        let mut letters = rest.chars();
        while let Some(letter) = letters.clone().next() {
            if matches!(letter, '.' | '[') {
                break;
            }
            letters.next();
            match letter {
                '\\' => name.extend(letters.next()),
                letter => name.push(letter),
            }
        }
        rest = letters.as_str();
        if name.is_empty() {
            break;
        }
        segments.push(Segment::Field(name));
    }
    segments
}

fn bracket(inside: &str) -> Segment {
    let quoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let condition = inside
        .strip_prefix("?(@.")
        .and_then(|rest| rest.strip_suffix(')'));
    if let Some((path, value)) = condition.and_then(|text| text.split_once("==")) {
        let path = path.trim().split('.').map(str::to_owned).collect();
        return Segment::Where(path, quoted(value));
    }
    match inside.parse() {
        Ok(at) => Segment::Index(at),
        Err(_) if inside == "*" => Segment::All,
        Err(_) => Segment::Field(quoted(inside)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_printer_columns_are_followed() {
        let item = json!({
            "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {"a.b/c": "note"}},
            "spec": {"hosts": ["x", "y"], "size": 3},
            "status": {"conditions": [{"type": "Done", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        for (kind, path, wanted) in [
            ("integer", ".spec.size", json!(3)),
            ("string", ".spec.hosts", json!(r#"["x","y"]"#)),
            ("string", ".spec.hosts[1]", json!("y")),
            ("string", ".spec.hosts[*]", json!("x y")),
            (
                "string",
                r#".status.conditions[?(@.type=="Ready")].status"#,
                json!("True"),
            ),
            ("string", r".metadata.annotations.a\.b/c", json!("note")),
            ("date", ".metadata.creationTimestamp", json!("60s")),
            ("string", ".spec.nothing.below", Value::Null),
        ] {
            let column = Column::of(&json!({"name": "X", "type": kind, "jsonPath": path}));
            assert_eq!(column.cell(&item, now), wanted, "{path}");
        }
    }
}
