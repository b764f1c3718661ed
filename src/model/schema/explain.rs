//! The page on a step kind: what `plan explain KIND` shows.

use std::fmt::Write as _;

use serde_json::Value;

use super::parameters;
use crate::model::{Kind, duration};

/// The page on a kind, in Markdown: purpose, parameters, outputs, an example; from the same source as the schema.
pub fn explain_kind(kind: Kind) -> String {
    let schema = parameters(kind);
    let mut page = format!("# {}\n\n{}\n", kind.as_str(), text(&schema, "description"));
    page.push_str("\n## Parameters\n\n");
    bullets(&mut page, &schema, 0);
    page.push_str("\nA value may be a template: `${{ inputs.NAME }}`.\n\n## Outputs\n\n");
    for (name, what) in kind.outputs() {
        line(&mut page, 0, &format!("`{name}`: {what}"));
    }
    let _ = write!(page, "\n## Example\n\n```yaml\n{}```\n", example(kind));
    page
}

fn bullets(page: &mut String, schema: &Value, depth: usize) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let required = schema["required"].as_array();
    for (name, part) in properties {
        let wanted = required.is_some_and(|names| names.iter().any(|one| one == name));
        let mut said = vec![kind_of(part)];
        if wanted {
            said.push("required".to_owned());
        }
        if let Some(default) = default_of(part) {
            said.push(format!("default {default}"));
        }
        let description = text(part, "description");
        line(
            page,
            depth,
            &format!("`{name}` ({}): {description}", said.join("; ")),
        );
        if let (Some(values), Some(told)) =
            (part["enum"].as_array(), part["enumDescriptions"].as_array())
        {
            for (value, told) in values.iter().zip(told) {
                line(
                    page,
                    depth + 1,
                    &format!("`{}`: {}", plain(value), plain(told)),
                );
            }
        }
        bullets(page, part, depth + 1);
        bullets(page, &part["items"], depth + 1);
    }
}

fn line(page: &mut String, depth: usize, said: &str) {
    let _ = writeln!(page, "{:indent$}- {said}", "", indent = 2 * depth);
}

/// The type in words.
fn kind_of(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(plain).collect::<Vec<_>>().join(", ");
    }
    if schema["pattern"] == duration::PATTERN {
        return "duration".to_owned();
    }
    let word = |name: &Value| match name.as_str() {
        Some("array") => match &schema["items"] {
            items if items.is_object() => format!("list of {}", kind_of(items)),
            _ => "list".to_owned(),
        },
        Some("object") => "map".to_owned(),
        Some("boolean") => "bool".to_owned(),
        Some(name) => name.to_owned(),
        None => "any value".to_owned(),
    };
    match &schema["type"] {
        Value::Array(names) => names.iter().map(word).collect::<Vec<_>>().join(" or "),
        name => word(name),
    }
}

/// The default, where there is one that says something.
fn default_of(schema: &Value) -> Option<String> {
    let default = schema.get("default")?;
    let empty = default.as_array().is_some_and(Vec::is_empty)
        || default.as_object().is_some_and(serde_json::Map::is_empty);
    (!empty).then(|| format!("`{}`", plain(default)))
}

fn text<'s>(schema: &'s Value, key: &str) -> &'s str {
    schema[key].as_str().unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A step of the kind.
pub(super) const fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Precheck => {
            "uses: precheck
with:
  from: \"1.28.2\"
  to: \"1.29.1\"
  fail_on: [matrix, pdb]
"
        }
        Kind::InstallRevision => {
            "uses: install-revision
with:
  revision: 1-29-1
  version: \"1.29.1\"
  source: istioctl
  set:
    values.pilot.autoscaleMin: 2
  take_over: [CustomResourceDefinition/*]
"
        }
        Kind::WaitReady => {
            "uses: wait-ready
with:
  revision: 1-29-1
  version: \"1.29.1\"
"
        }
        Kind::LabelNs => {
            "uses: label-ns
with:
  namespaces: { selector: istio-injection=enabled, exclude: [legacy] }
  revision: 1-29-1
"
        }
        Kind::Restart => {
            "uses: restart
with:
  namespace: shop
  revision: 1-29-1
  kinds: [Deployment, StatefulSet]
  max_concurrent: 4
"
        }
        Kind::VerifyXds => {
            "uses: verify-xds
with:
  namespace: shop
  revision: 1-29-1
  settle: 1m
"
        }
        Kind::Gate => {
            "uses: gate
timeout: 24h
with:
  approval: { message: Accept the upgrade?, quorum: 2 }
"
        }
    }
}
