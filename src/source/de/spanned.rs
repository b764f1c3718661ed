//! A value that remembers its place.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;
use serde::de::MapAccess;
use serde::de::Visitor;

use crate::source::FileId;
use crate::source::Span;

/// The struct that is asked for; our deserializer knows it, and no other does.
pub(super) const NAME: &str = "$plan::Spanned";
/// Its fields, in the order in which they are given.
pub(super) const FIELDS: &[&str] = &["$file", "$start", "$end", "$value"];

/// A value, or a key of a map, and its place. Can only be read from a [`Node`](crate::source::Node); is written as the
/// value alone. Two are equal when their values are.
#[derive(Debug, Clone, Copy)]
pub struct Spanned<T> {
    /// The place.
    pub span: Span,
    /// The value.
    pub value: T,
}

impl<T> Spanned<T> {
    /// The value at a place.
    #[must_use]
    pub fn new(span: Span, value: T) -> Self {
        Self { span, value }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Spanned<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(NAME, FIELDS, SpannedVisitor(PhantomData))
    }
}

struct SpannedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
    type Value = Spanned<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a plan file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let file = number(&mut map, 0)?;
        let start = number(&mut map, 1)?;
        let end = number(&mut map, 2)?;
        expect(&mut map, 3)?;
        let value = map.next_value()?;
        let file = FileId(file);
        Ok(Spanned::new(Span { file, start, end }, value))
    }
}

fn number<'de, A: MapAccess<'de>>(map: &mut A, field: usize) -> Result<u32, A::Error> {
    expect(map, field)?;
    map.next_value()
}

fn expect<'de, A: MapAccess<'de>>(map: &mut A, field: usize) -> Result<(), A::Error> {
    match map.next_key::<String>()? {
        Some(key) if key == FIELDS[field] => Ok(()),
        _ => Err(de::Error::missing_field(FIELDS[field])),
    }
}
