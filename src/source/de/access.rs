//! Lists, maps, enums and spanned values, one child at a time.

use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::EnumAccess;
use serde::de::IntoDeserializer;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::VariantAccess;
use serde::de::Visitor;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::value::StrDeserializer;
use serde::de::value::U32Deserializer;
use serde::forward_to_deserialize_any;

use super::error::Error;
use super::error::not;
use super::spanned;
use crate::source::Entry;
use crate::source::Key;
use crate::source::Node;
use crate::source::Span;

pub(super) struct SeqNode<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqNode<'de> {
    pub(super) fn new(items: &'de [Node]) -> Self {
        Self(items.iter())
    }
}

impl<'de> SeqAccess<'de> for SeqNode<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0
            .next()
            .map(|item| seed.deserialize(item).map_err(|error| error.or_in(item)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

pub(super) struct MapNode<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapNode<'de> {
    pub(super) fn new(entries: &'de [Entry]) -> Self {
        Self {
            entries: entries.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for MapNode<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        self.current
            .map(|entry| {
                seed.deserialize(KeyNode(&entry.key))
                    .map_err(|error| error.or_at(entry.key.span))
            })
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.current else {
            return Err(serde::de::Error::custom(
                "a value was asked for before its key",
            ));
        };
        seed.deserialize(&entry.value)
            .map_err(|error| error.or_in_entry(entry))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A key: a string, whatever it looks like.
struct KeyNode<'de>(&'de Key);

impl<'de> Deserializer<'de> for KeyNode<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(&self.0.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == spanned::NAME {
            return visitor.visit_map(SpannedNode::new(self.0.span, self));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(
            self.0.text.as_str(),
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

/// `{variant: content}`.
pub(super) struct EnumNode<'de>(pub(super) &'de Entry);

impl<'de> EnumAccess<'de> for EnumNode<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let key = &self.0.key;
        let variant = seed
            .deserialize(BorrowedStrDeserializer::new(&key.text))
            .map_err(|error: Error| error.or_at(key.span))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for EnumNode<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        let value = &self.0.value;
        if value.is_null() {
            Ok(())
        } else {
            Err(not(value, "nothing"))
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&self.0.value)
            .map_err(|error| error.or_in_entry(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.0.value.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0
            .value
            .deserialize_struct("", fields, visitor)
            .map_err(|error| error.or_in_entry(self.0))
    }
}

/// The three numbers of a span, then the value: what [`Spanned`](super::Spanned) asks for.
pub(super) struct SpannedNode<D> {
    span: Span,
    value: Option<D>,
    next: usize,
}

impl<D> SpannedNode<D> {
    pub(super) fn new(span: Span, value: D) -> Self {
        Self {
            span,
            value: Some(value),
            next: 0,
        }
    }
}

impl<'de, D: Deserializer<'de, Error = Error>> MapAccess<'de> for SpannedNode<D> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let field = spanned::FIELDS.get(self.next);
        field
            .map(|field| seed.deserialize(StrDeserializer::new(field)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.next += 1;
        let number = match self.next {
            1 => self.span.file.0,
            2 => self.span.start,
            3 => self.span.end,
            _ => {
                let value = self.value.take();
                let value =
                    value.ok_or_else(|| serde::de::Error::custom("the value was taken before"))?;
                return seed.deserialize(value);
            }
        };
        seed.deserialize(U32Deserializer::new(number))
    }
}
