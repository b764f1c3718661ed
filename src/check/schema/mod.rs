//! Values against the schemas of their types: every mistake at once, each at its key or value.
//!
//! The schemas are made from the types, as those that editors get, and `jsonschema` decides by them. It reads our trees
//! in place ([`view`]), and what it finds is told in the words of the language ([`findings`]).

mod findings;
mod view;

use std::sync::OnceLock;

use jsonschema::Validator;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use self::view::{Trees, TypeOf, View};
use super::tree::Tree;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::policy::{OnFailure, Retry, Timeout};
use crate::model::{self, Kind, duration, plan};
use crate::source::Span;
use crate::template::{Type, Types};

/// The format of durations: a pattern does not see a number that is too large.
const DURATION: &str = "duration of a plan";

/// A schema, ready to judge by.
pub(super) struct Schema {
    json: Json,
    validator: Validator<Trees>,
}

impl Schema {
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self::made(T::json_schema, |_| {})
    }

    fn made(
        make: impl FnOnce(&mut SchemaGenerator) -> schemars::Schema,
        change: impl FnOnce(&mut Json),
    ) -> Self {
        let mut generator = SchemaGenerator::default();
        let mut json = make(&mut generator).to_value();
        change(&mut json);
        let mut definitions = generator.take_definitions(true);
        for one in definitions.values_mut().chain([&mut json]) {
            if let Json::Object(map) = one
                && map.get("pattern").and_then(Json::as_str) == Some(duration::PATTERN)
            {
                map.remove("pattern");
                map.insert("format".to_owned(), DURATION.into());
            }
        }
        json["$defs"] = Json::Object(definitions);
        let options = jsonschema::options_for::<Trees>()
            .with_keyword("type", TypeOf::keyword)
            .with_format(DURATION, |text: &str| text.parse::<model::Span>().is_ok())
            .should_validate_formats(true);
        let validator = options.build(&json);
        let validator = validator.expect("a type has a sound schema");
        Self { json, validator }
    }

    /// The parameters of a kind; made once.
    pub(super) fn kind(kind: Kind) -> &'static Self {
        static KINDS: [OnceLock<Schema>; Kind::ALL.len()] =
            [const { OnceLock::new() }; Kind::ALL.len()];
        KINDS[kind as usize].get_or_init(|| {
            Self::made(
                |generator| kind.parameters(generator),
                |json| {
                    // A hop that is too long has a code of its own, and so has a revision that is none.
                    for (name, keyword) in [("max_hop", "maximum"), ("revision", "pattern")] {
                        if let Some(Json::Object(part)) = json["properties"].get_mut(name) {
                            part.remove(keyword);
                        }
                    }
                },
            )
        })
    }

    /// The keys of its map.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let properties = self.json.get("properties").and_then(Json::as_object);
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

/// Checks a value. `owner` is the key that it stands under; what is missing is told there. Returns whether it is sound.
/// Where the file is `truncated`, what is missing may stand in the part of it that could not be read.
pub(super) fn validate(
    schema: &Schema,
    tree: &Tree,
    owner: Span,
    types: &dyn Types,
    truncated: bool,
    out: &mut Diagnostics,
) -> bool {
    let value = &tree.value;
    if schema.validator.is_valid(View { value, types }) {
        return true;
    }
    let before = out.len();
    findings::tell(schema, tree, owner, types, truncated, out);
    !out.iter().skip(before).any(Diagnostic::is_error)
}
