//! Inputs that nothing uses.

use std::collections::HashSet;

use super::parsed::Plan;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::{Node, Value};

/// Warns of inputs that no text of the plan names. By text, so that a mistake elsewhere does not make more of them.
pub(super) fn unused_inputs(plan: &Plan, root: &Node, out: &mut Diagnostics) {
    if plan.truncated || plan.inputs.is_empty() {
        return;
    }
    let mut used = HashSet::new();
    for entry in root.as_map() {
        if !matches!(entry.key.text.as_str(), "inputs" | "description" | "name") {
            mentioned(&entry.value, &mut used);
        }
    }
    for (name, declared) in &plan.inputs {
        if !used.contains(name.as_str()) && !declared.broken {
            out.push(
                Diagnostic::new(
                    Code::UnusedInput,
                    format!("the input `{name}` is never used"),
                )
                .at(declared.key, "no expression reads it")
                .help(format!(
                    "use it as `${{{{ inputs.{name} }}}}`, or remove it"
                )),
            );
        }
    }
}

fn mentioned<'n>(node: &'n Node, used: &mut HashSet<&'n str>) {
    match &node.value {
        Value::Scalar(scalar) => {
            for (at, found) in scalar.text.match_indices("inputs") {
                let rest = scalar.text[at + found.len()..]
                    .trim_start_matches(|c: char| ".[ '\"".contains(c));
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                used.insert(&rest[..end]);
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| mentioned(item, used)),
        Value::Map(entries) => entries
            .iter()
            .for_each(|entry| mentioned(&entry.value, used)),
    }
}
