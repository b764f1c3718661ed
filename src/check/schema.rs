//! Values against the schemas of their types: every mistake at once, each at its key or value.
//!
//! The schemas are those that editors get. They are walked here rather than by a validator of JSON, because a template
//! may stand for a value that is not known yet, and because a plain scalar takes the type that its place asks for.

use std::sync::OnceLock;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use super::tree::{Branch, Tree};
use super::words;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::model::policy::{OnFailure, Retry, Timeout};
use crate::model::{self, Kind, plan};
use crate::source::{Core, Scalar, Span};
use crate::template::{Template, Type, Types};

/// A schema with the definitions that it refers to.
#[derive(Debug)]
pub(super) struct Schema {
    root: Json,
    definitions: Map<String, Json>,
}

impl Schema {
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self::made(T::json_schema)
    }

    fn made(make: impl FnOnce(&mut SchemaGenerator) -> schemars::Schema) -> Self {
        let mut generator = SchemaGenerator::default();
        let root = make(&mut generator).to_value();
        let definitions = generator.take_definitions(true);
        Self { root, definitions }
    }

    /// The parameters of a kind; made once.
    pub(super) fn kind(kind: Kind) -> &'static Self {
        static KINDS: [OnceLock<Schema>; Kind::ALL.len()] =
            [const { OnceLock::new() }; Kind::ALL.len()];
        KINDS[kind as usize].get_or_init(|| {
            let mut schema = Self::made(|generator| kind.parameters(generator));
            // A hop that is too long has a code of its own.
            if let Some(Json::Object(hop)) = schema.root.pointer_mut("/properties/max_hop") {
                hop.remove("maximum");
            }
            schema
        })
    }

    /// The keys of its map.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let properties = self.root.get("properties").and_then(Json::as_object);
        properties
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
    }
}

macro_rules! schemas {
    ($($name:ident: $type:ty,)+) => {
        $(pub(super) fn $name() -> &'static Schema {
            static SCHEMA: OnceLock<Schema> = OnceLock::new();
            SCHEMA.get_or_init(Schema::of::<$type>)
        })+
    };
}

schemas! {
    input: plan::Input,
    defaults: plan::Defaults,
    allow: plan::Allow,
    cluster_items: plan::ClusterItems,
    output: plan::Output,
    retry: Retry,
    timeout: Timeout,
    on_failure: OnFailure,
    duration: model::Span,
}

/// Types of which nothing is known, for places without expressions.
pub(super) struct NoTypes;

impl Types for NoTypes {
    fn type_of(&self, _: &str, _: &[String]) -> Type {
        Type::Unknown
    }
}

/// One validation.
pub(super) struct Validation<'a> {
    schema: &'a Schema,
    types: &'a dyn Types,
    out: &'a mut Diagnostics,
    /// What is missing may stand in the part of the file that could not be read.
    truncated: bool,
}

/// Checks a value. `owner` is the key that it stands under; what is missing is told there. Returns whether it is sound.
pub(super) fn validate(
    schema: &Schema,
    tree: &Tree,
    owner: Span,
    types: &dyn Types,
    truncated: bool,
    out: &mut Diagnostics,
) -> bool {
    let before = out.len();
    Validation {
        schema,
        types,
        out,
        truncated,
    }
    .check(&schema.root, tree, owner);
    !out.iter().skip(before).any(Diagnostic::is_error)
}

impl<'a> Validation<'a> {
    fn check(&mut self, schema: &'a Json, tree: &Tree, owner: Span) {
        if let Some(name) = schema.get("$ref").and_then(Json::as_str) {
            let name = name.rsplit('/').next().unwrap_or_default();
            let Some(definition) = self.schema.definitions.get(name) else {
                return;
            };
            if name == "Duration" {
                return self.duration(tree);
            }
            return self.check(definition, tree, owner);
        }
        match &tree.value {
            Branch::Broken => return,
            Branch::Template(template) => return self.template(schema, template),
            Branch::Scalar(_) | Branch::Seq(_) | Branch::Map(_) => {}
        }
        if let Some(branches) = branches(schema) {
            return self.one_of(branches, tree, owner);
        }
        let types = types_of(schema);
        if types.is_empty() {
            return;
        }
        match &tree.value {
            Branch::Map(_) if types.contains(&"object") => self.map(schema, tree, owner),
            Branch::Seq(items) if types.contains(&"array") => {
                self.list(schema, items, tree.span, owner);
            }
            Branch::Scalar(scalar) => self.scalar(schema, &types, scalar, tree.span),
            _ => self.wrong_type(&wanted(&types), tree),
        }
    }

    fn map(&mut self, schema: &'a Json, tree: &Tree, owner: Span) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let additional = schema.get("additionalProperties");
        let mut meant = Vec::new();
        for (key, value) in tree.pairs() {
            if let Some(inner) = properties.and_then(|all| all.get(&key.text)) {
                self.check(inner, value, key.span);
            } else if additional == Some(&Json::Bool(false)) {
                let known = properties.into_iter().flat_map(Map::keys);
                let known: Vec<&str> = known.map(String::as_str).collect();
                self.out
                    .push(words::unknown_key(&key.text, key.span, &known));
                let free = known
                    .iter()
                    .copied()
                    .filter(|name| tree.get(name).is_none());
                if let Some(name) = suggest::closest(&key.text, free) {
                    meant.push(name);
                    if let Some(inner) = properties.and_then(|all| all.get(name)) {
                        self.check(inner, value, key.span);
                    }
                }
            } else if let Some(inner) = additional {
                self.check(inner, value, key.span);
            }
        }
        let required = schema.get("required").and_then(Json::as_array);
        for name in required.into_iter().flatten().filter_map(Json::as_str) {
            if tree.get(name).is_none() && !meant.contains(&name) && !self.truncated {
                self.out.push(words::missing(name, owner));
            }
        }
    }

    fn list(&mut self, schema: &'a Json, items: &[Tree], span: Span, owner: Span) {
        if let Some(inner) = schema.get("items") {
            for item in items {
                self.check(inner, item, owner);
            }
        }
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            self.bad(span, "the list is empty", None);
        }
    }

    fn scalar(&mut self, schema: &Json, types: &[&str], scalar: &Scalar, span: Span) {
        let core = scalar.core();
        if core == Core::Null && types.contains(&"null") {
            return;
        }
        if types.contains(&"string") && core != Core::Null {
            return self.string(schema, scalar, span);
        }
        let fits = match core {
            Core::Bool(_) => types.contains(&"boolean"),
            Core::Int(_) => types.contains(&"integer") || types.contains(&"number"),
            Core::Float(_) => types.contains(&"number"),
            Core::Null | Core::Str => false,
        };
        if !fits {
            let found = found(scalar);
            let wanted = wanted(types);
            let problem =
                Diagnostic::new(Code::WrongType, format!("expected {wanted}, found {found}"));
            return self.out.push(problem.at(span, format!("this is {found}")));
        }
        #[expect(clippy::cast_precision_loss, reason = "limits are small")]
        let number = match core {
            Core::Int(int) => int as f64,
            Core::Float(float) => float,
            _ => return,
        };
        let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            self.bad(span, &format!("`{}` is below {least}", scalar.text), None);
        }
        if let Some(most) = limit("maximum").filter(|most| number > *most) {
            self.bad(span, &format!("`{}` is above {most}", scalar.text), None);
        }
    }

    fn string(&mut self, schema: &Json, scalar: &Scalar, span: Span) {
        let text = &scalar.text;
        if let Some(names) = schema.get("enum").and_then(Json::as_array) {
            let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
            return self.name_of(text, span, &names);
        }
        words::unquoted(scalar, span, self.out);
        let Some(pattern) = schema.get("pattern").and_then(Json::as_str) else {
            return;
        };
        if pattern == DURATION_PATTERN {
            self.duration_text(text, span);
        } else if regex::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text)) {
            let help = format!("it must match `{pattern}`");
            self.bad(
                span,
                &format!("`{text}` does not have the form of such a value"),
                Some(help),
            );
        }
    }

    fn duration(&mut self, tree: &Tree) {
        match &tree.value {
            Branch::Scalar(scalar) => self.duration_text(&scalar.text, tree.span),
            Branch::Template(template) => self.types_allow(template, &["string"]),
            Branch::Broken => {}
            Branch::Seq(_) | Branch::Map(_) => self.wrong_type("a duration", tree),
        }
    }

    fn duration_text(&mut self, text: &str, span: Span) {
        if let Err(error) = text.parse::<model::Span>() {
            self.bad(span, &error.to_string(), None);
        }
    }

    /// Alternatives: names, or shapes of which the one that the value has is taken.
    fn one_of(&mut self, branches: &'a [Json], tree: &Tree, owner: Span) {
        let branches: Vec<&'a Json> = branches.iter().map(|one| self.resolved(one)).collect();
        if let Branch::Scalar(scalar) = &tree.value {
            let null = |one: &&&Json| types_of(one) == ["null"];
            if scalar.core() == Core::Null && branches.iter().any(|one| null(&one)) {
                return;
            }
            let names: Vec<&str> = branches
                .iter()
                .filter_map(|one| one.get("const")?.as_str())
                .collect();
            let shapes: Vec<&Json> = branches
                .iter()
                .copied()
                .filter(|one| one.get("const").is_none() && accepts(one, scalar))
                .collect();
            if names.contains(&scalar.text.as_str()) {
                return;
            }
            if let Some(shape) = shapes.first() {
                return self.check(shape, tree, owner);
            }
            if !names.is_empty() {
                return self.name_of(&scalar.text, tree.span, &names);
            }
        }
        let wanted_type = match tree.value {
            Branch::Map(_) => "object",
            Branch::Seq(_) => "array",
            _ => "",
        };
        let fitting = branches
            .iter()
            .copied()
            .find(|one| types_of(one).contains(&wanted_type) || self::branches(one).is_some());
        if let Some(fitting) = fitting {
            return self.check(fitting, tree, owner);
        }
        let wanted = branches
            .iter()
            .flat_map(|one| types_of(one))
            .filter(|name| *name != "null");
        let wanted: Vec<&str> = wanted.collect();
        self.wrong_type(&self::wanted(&wanted), tree);
    }

    fn resolved(&self, schema: &'a Json) -> &'a Json {
        let name = schema.get("$ref").and_then(Json::as_str);
        let name = name.and_then(|name| name.rsplit('/').next());
        name.and_then(|name| self.schema.definitions.get(name))
            .unwrap_or(schema)
    }

    fn template(&mut self, schema: &'a Json, template: &Template) {
        let types = match branches(schema) {
            Some(branches) => branches
                .iter()
                .flat_map(|one| {
                    let one = self.resolved(one);
                    if one.get("const").is_some() {
                        vec!["string"]
                    } else {
                        types_of(one)
                    }
                })
                .collect(),
            None => types_of(schema),
        };
        self.types_allow(template, &types);
    }

    /// Whether an expression can be of one of the types that a place asks for. Its own mistakes are told elsewhere.
    fn types_allow(&mut self, template: &Template, types: &[&str]) {
        let (inferred, _) = template.infer(self.types);
        let has = |name: &str| types.contains(&name);
        let fits = types.is_empty()
            || match inferred {
                Type::Unknown => true,
                Type::Bool => has("boolean") || has("string"),
                Type::Number => has("integer") || has("number") || has("string"),
                Type::String | Type::Version | Type::Outcome => has("string"),
                Type::List => has("array"),
                Type::Map => has("object"),
            };
        if !fits {
            let message = format!(
                "expected {}, found an expression that is {inferred}",
                wanted(types)
            );
            self.out.push(
                Diagnostic::new(Code::ExpressionType, message)
                    .at(template.span(), format!("this is {inferred}")),
            );
        }
    }

    fn name_of(&mut self, text: &str, span: Span, names: &[&str]) {
        if names.contains(&text) {
            return;
        }
        let problem = Diagnostic::new(Code::BadValue, format!("unknown value `{text}`"))
            .at(span, "not one of the values allowed here")
            .suggest(text, names.iter().copied());
        self.out.push(match problem.help {
            Some(_) => problem,
            None => problem.help(format!("allowed are {}", words::quoted(names))),
        });
    }

    fn wrong_type(&mut self, wanted: &str, tree: &Tree) {
        let found = match &tree.value {
            Branch::Seq(_) => "a list",
            Branch::Map(_) => "a map",
            Branch::Scalar(scalar) => found(scalar),
            Branch::Template(_) | Branch::Broken => return,
        };
        self.out.push(
            Diagnostic::new(Code::WrongType, format!("expected {wanted}, found {found}"))
                .at(head(tree), format!("this is {found}")),
        );
    }

    fn bad(&mut self, span: Span, message: &str, help: Option<String>) {
        let mut problem = Diagnostic::new(Code::BadValue, message).at(span, "");
        problem.help = help;
        self.out.push(problem);
    }
}

const DURATION_PATTERN: &str = r"^\s*([0-9]+(ms|s|m|h|d))+\s*$";

/// Where to point at a value: the first line of a map or list, else all of it.
fn head(tree: &Tree) -> Span {
    match &tree.value {
        Branch::Map(pairs) => pairs.first().map_or(tree.span, |(key, _)| key.span),
        Branch::Seq(items) => items.first().map_or(tree.span, head),
        _ => tree.span,
    }
}

fn branches(schema: &Json) -> Option<&[Json]> {
    let list = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
    list.as_array().map(Vec::as_slice)
}

/// Whether a scalar has a type that the schema knows.
fn accepts(schema: &Json, scalar: &Scalar) -> bool {
    let types = types_of(schema);
    match scalar.core() {
        Core::Null => types.contains(&"null"),
        Core::Bool(_) => types.contains(&"boolean") || types.contains(&"string"),
        Core::Int(_) | Core::Float(_) => ["integer", "number", "string"]
            .iter()
            .any(|name| types.contains(name)),
        Core::Str => types.contains(&"string"),
    }
}

fn types_of(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one.as_str()],
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn wanted(types: &[&str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for name in types {
        let word = match *name {
            "object" => "a map",
            "array" => "a list",
            "string" => "a string",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            _ => continue,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" or ")
}

fn found(scalar: &Scalar) -> &'static str {
    match scalar.core() {
        Core::Null => "nothing",
        Core::Bool(_) => "a bool",
        Core::Int(_) | Core::Float(_) => "a number",
        Core::Str => "a string",
    }
}
