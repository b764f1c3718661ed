//! The shape of a plan file: what editors are told of it. The checks read the tree itself, for its places.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::duration::Span;
use super::plan::{Allow, ClusterItems, Defaults, Inputs, Output};
use super::policy::{OnFailure, Retry, Timeout};

/// A plan: steps that upgrade Istio, in an order given by what they need.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
pub(super) struct PlanFile {
    /// The version of the plan language: 1.
    #[schemars(schema_with = "language")]
    version: (),
    /// The name of the plan, in reports and in the list of runs.
    #[schemars(length(min = 1))]
    name: String,
    /// What the plan does, for people.
    description: Option<String>,
    /// The inputs, by name: values that are given for each run.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9_]*$" }))]
    inputs: Option<Inputs>,
    /// What a plan that uses this one as a step can read from it, by name.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9_-]*$" }))]
    outputs: Option<IndexMap<String, Output>>,
    /// What steps take where they say nothing themselves.
    defaults: Option<Defaults>,
    /// The longest that a run may take; the time at a gate where it is suspended does not count.
    timeout: Option<Span>,
    /// The steps and groups, by id. A step starts when what it needs has ended; ties go by the order here.
    #[schemars(schema_with = "steps")]
    steps: (),
}

/// A step, a group of steps, or the use of another plan.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
pub(super) struct StepFile {
    /// What the step does: a kind, or the path of another plan, which starts with `./` or `../`.
    #[schemars(default, schema_with = "uses")]
    uses: Option<()>,
    /// The parameters of the kind, or the inputs of the other plan.
    #[schemars(default, schema_with = "with")]
    with: Option<()>,
    /// The steps of the same map that must have ended before this one starts.
    #[schemars(default, schema_with = "needs")]
    needs: Option<()>,
    /// An expression that must be true for the step to run; it is skipped otherwise.
    #[schemars(default, schema_with = "when")]
    when: Option<()>,
    /// How long the step may take: `10m` with its retries, or `{attempt: 2m, total: 10m}`.
    timeout: Option<Timeout>,
    /// Whether and how a failed attempt is tried again.
    retry: Option<Retry>,
    /// What follows its failure; default stop.
    on_failure: Option<OnFailure>,
    /// The checks of the mesh that the step is excused from, each with a reason.
    allow: Option<Vec<Allow>>,
    /// What it runs once for each of: a list, an expression that gives one, or a look at the cluster before the run.
    #[schemars(default, schema_with = "for_each")]
    for_each: Option<()>,
    /// The name under which expressions know the item.
    #[serde(rename = "as")]
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"))]
    variable: Option<String>,
    /// The steps of a group, in place of `uses`.
    #[schemars(default, schema_with = "steps")]
    steps: Option<()>,
    /// How many items each wave reaches in all: counts or percentages, the last one 100%.
    #[schemars(default, schema_with = "waves")]
    waves: Option<()>,
    /// What runs once after each wave but the last.
    between: Option<Between>,
    /// How many items may be under way at once.
    #[schemars(range(min = 1))]
    max_parallel: Option<u32>,
}

/// Steps between two waves.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema alone")]
struct Between {
    /// The steps, by id.
    #[schemars(schema_with = "steps")]
    steps: (),
}

fn language(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "const": 1 })
}

fn steps(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": { "pattern": "^[a-z][a-z0-9_-]*$" },
        "additionalProperties": { "$ref": "#/definitions/step" },
    })
}

fn uses(_: &mut SchemaGenerator) -> Schema {
    let kinds = super::Kind::ALL.map(super::Kind::as_str);
    json_schema!({
        "type": "string",
        "anyOf": [{ "enum": kinds }, { "pattern": r"^\.\.?/" }],
    })
}

fn with(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

fn needs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "uniqueItems": true,
        "items": { "type": "string", "pattern": "^[a-z][a-z0-9_-]*$" },
    })
}

fn when(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "boolean"] })
}

fn for_each(generator: &mut SchemaGenerator) -> Schema {
    let cluster = ClusterItems::json_schema(generator);
    json_schema!({
        "anyOf": [
            { "type": "array", "items": { "type": ["string", "number", "boolean", "object"] } },
            cluster,
        ],
    })
}

fn waves(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "items": { "type": ["integer", "string"], "minimum": 1, "pattern": r"^[1-9][0-9]*%$" },
    })
}
