//! The tree to a type.
//!
//! A plain scalar keeps its source text and takes the type that its place asks for: where a string is wanted, `1.10`,
//! `no` and `on` are strings. Only where anything goes ([`serde::Deserializer::deserialize_any`]) does the YAML 1.2 core
//! schema decide. A quoted scalar is never a number or a bool.

mod access;
mod error;
mod spanned;

use serde::de::DeserializeOwned;
use serde::de::Deserializer;
use serde::de::IntoDeserializer;
use serde::de::Visitor;
use serde::forward_to_deserialize_any;

use self::access::EnumNode;
use self::access::MapNode;
use self::access::SeqNode;
use self::access::SpannedNode;
pub use self::error::Error;
pub use self::spanned::Spanned;
use super::Core;
use super::Node;
use super::Scalar;
use super::Style;
use super::Value;

/// Reads a type from a node.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, Error> {
    T::deserialize(node)
}

impl Node {
    /// The scalar with the core type that a visitor of that type wants, or what it is instead.
    fn scalar_or_any<'de, V: Visitor<'de>>(
        &'de self,
        visitor: V,
        visit: impl FnOnce(V, &'de Scalar) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        match &self.value {
            Value::Scalar(scalar) => visit(visitor, scalar),
            Value::Seq(_) | Value::Map(_) => self.deserialize_any(visitor),
        }
        .map_err(|error| error.or_in(self))
    }

    fn float<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Error> {
        self.scalar_or_any(visitor, |visitor, scalar| match scalar.core() {
            #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
            Core::Int(int) => visitor.visit_f64(int as f64),
            Core::Float(float) => visitor.visit_f64(float),
            _ => any(scalar, visitor),
        })
    }

    fn text<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Error> {
        self.scalar_or_any(visitor, |visitor, scalar| match scalar.core() {
            Core::Null => visitor.visit_unit(),
            _ => visitor.visit_borrowed_str(&scalar.text),
        })
    }
}

/// A scalar by the core schema, as [`Scalar::to_json`] says.
fn any<'de, V: Visitor<'de>>(scalar: &'de Scalar, visitor: V) -> Result<V::Value, Error> {
    match scalar.core() {
        Core::Int(_) | Core::Float(_) if scalar.to_json().is_string() => {
            visitor.visit_borrowed_str(&scalar.text)
        }
        Core::Null => visitor.visit_unit(),
        Core::Bool(bool) => visitor.visit_bool(bool),
        // As a JSON reader would: a visitor may know one of the two only.
        Core::Int(int) => match u64::try_from(int) {
            Ok(int) => visitor.visit_u64(int),
            Err(_) => visitor.visit_i64(int),
        },
        Core::Float(float) => visitor.visit_f64(float),
        Core::Str => visitor.visit_borrowed_str(&scalar.text),
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Scalar(scalar) => any(scalar, visitor),
            Value::Seq(items) => visitor.visit_seq(SeqNode::new(items)),
            Value::Map(entries) => visitor.visit_map(MapNode::new(entries)),
        }
        .map_err(|error| error.or_in(self))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.float(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
        .map_err(|error| error.or_in(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| error.or_in(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == spanned::NAME {
            return visitor
                .visit_map(SpannedNode::new(self.span, self))
                .map_err(|error| error.or_in(self));
        }
        // Serde would read a list as the fields in their order.
        if !self.is_map() {
            return Err(error::not(self, "a map"));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.value {
            Value::Scalar(scalar)
                if scalar.core() != Core::Null || scalar.style != Style::Plain =>
            {
                visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(
                    scalar.text.as_str(),
                ))
            }
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(EnumNode(&entries[0])),
            _ => Err(error::not(self, "a name, or a map with one key")),
        }
        .map_err(|error| error.or_in(self))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 bytes byte_buf unit unit_struct seq tuple tuple_struct map
        ignored_any
    }
}

#[cfg(test)]
mod tests;
