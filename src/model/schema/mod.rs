//! JSON schemas of the plan file, for editors and for the checks, and the pages on step kinds: made from the types.

mod explain;
mod shape;

pub use explain::explain_kind;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Kind;
use super::file::{PlanFile, StepFile};

/// The schema of a plan file: draft 7, which is what editors read.
pub fn plan_schema() -> Value {
    let mut generator = generator();
    let mut plan = shape::tidy(PlanFile::json_schema(&mut generator).to_value());
    allow_in(&mut plan, &["timeout"]);
    allow_in(&mut plan["properties"]["defaults"], &["timeout"]);
    shape::widen_text(&mut plan);
    if let Some(value) = plan.pointer_mut("/properties/outputs/additionalProperties/properties") {
        value["value"]["examples"] = json!(["${{ steps.ready.outputs.pods }}"]);
    }
    let mut definitions = Map::new();
    definitions.insert("step".to_owned(), step_schema(&mut generator));
    for kind in Kind::ALL {
        definitions.insert(kind.as_str().to_owned(), kind_schema(kind));
    }
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("title".to_owned(), json!("plan"));
    if let Value::Object(plan) = plan {
        schema.extend(plan);
    }
    schema.insert("definitions".to_owned(), Value::Object(definitions));
    Value::Object(schema)
}

/// The schema of another file, without templates: draft 7.
pub fn file_schema<T: JsonSchema>(title: &str) -> Value {
    let mut made = shape::tidy(T::json_schema(&mut generator()).to_value());
    shape::widen_text(&mut made);
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("title".to_owned(), json!(title));
    if let Value::Object(made) = made {
        schema.extend(made);
    }
    Value::Object(schema)
}

/// The schema of a kind's `with`: complete in itself, and every value may be a template.
pub fn kind_schema(kind: Kind) -> Value {
    let mut schema = parameters(kind);
    shape::allow_inside(&mut schema);
    if kind == Kind::Gate {
        schema["oneOf"] = super::action::GATE_CHECKS
            .iter()
            .map(|check| json!({ "required": [check] }))
            .collect();
    }
    schema
}

/// The schema of a kind's parameters, once templates are resolved.
fn parameters(kind: Kind) -> Value {
    shape::tidy(kind.parameters(&mut generator()).to_value())
}

/// The schema of a step, a group or a sub-plan: which it is says what `with` may hold.
fn step_schema(generator: &mut SchemaGenerator) -> Value {
    let mut step = shape::tidy(StepFile::json_schema(generator).to_value());
    allow_in(&mut step, &["timeout", "for_each", "waves"]);
    shape::widen_text(&mut step);
    let kinds = Kind::ALL.map(|kind| {
        json!({
            "if": { "required": ["uses"], "properties": { "uses": { "const": kind.as_str() } } },
            "then": {
                "required": if needs_with(kind) { vec!["with"] } else { vec![] },
                "properties": { "with": { "$ref": format!("#/definitions/{}", kind.as_str()) } },
            },
        })
    });
    step["allOf"] = Value::from(kinds.to_vec());
    step["if"] = json!({ "required": ["steps"] });
    step["then"] = json!({ "properties": { "uses": false, "with": false, "retry": false } });
    step["else"] = json!({
        "required": ["uses"],
        "properties": { "waves": false, "between": false, "max_parallel": false },
    });
    step
}

/// Whether a kind has a parameter that must be given.
fn needs_with(kind: Kind) -> bool {
    kind == Kind::Gate || parameters(kind).get("required").is_some()
}

/// Lets these properties, and all within them, be templates.
fn allow_in(schema: &mut Value, names: &[&str]) {
    for name in names {
        shape::allow_templates(&mut schema["properties"][*name]);
    }
}

/// Everything in place: the checks point into the schema, and a reader need not follow references.
fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.into_generator()
}

#[cfg(test)]
mod tests;
