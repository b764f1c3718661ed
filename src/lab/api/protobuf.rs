//! Kubernetes' protobuf, for the small messages that kubectl sends in no other form (`auth can-i`, `create`, `drain`): a reader over tables of field numbers (`generated.proto`).

mod fields;

use fields::Field;
use fields::Type;
use fields::fields;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// What stands before each message.
const MAGIC: &[u8] = b"k8s\0";

/// Reads a body; none where it is of a kind that is not known here, or broken.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    const TYPE: &[Field] = &[(1, "apiVersion", Type::Text), (2, "kind", Type::Text)];
    let mut envelope = Reader(body.strip_prefix(MAGIC)?);
    let (mut types, mut raw) = (json!({}), &[][..]);
    while let Some((number, wire)) = envelope.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => types = message(bytes, TYPE)?,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = message(raw, &fields(types["kind"].as_str()?)?)?;
    object["apiVersion"] = types["apiVersion"].take();
    object["kind"] = types["kind"].take();
    Some(object)
}

/// A field that the table does not have is an error: nothing gets lost in silence.
fn message(bytes: &[u8], fields: &[Field]) -> Option<Value> {
    let mut reader = Reader(bytes);
    let mut object = Map::new();
    while let Some((number, wire)) = reader.next()? {
        let (_, name, kind) = fields.iter().find(|(one, _, _)| *one == number)?;
        field(&mut object, name, *kind, &wire)?;
    }
    Some(Value::Object(object))
}

fn field(object: &mut Map<String, Value>, name: &str, kind: Type, wire: &Wire<'_>) -> Option<()> {
    match (kind, wire) {
        (Type::Ignored, _)
        | (Type::Count | Type::Flag, Wire::Number(0))
        | (Type::Text, Wire::Bytes([])) => {}
        (Type::Number | Type::Count, Wire::Number(value)) => {
            object.insert(name.to_owned(), json!(value.cast_signed()));
        }
        (Type::Flag, Wire::Number(_)) => {
            object.insert(name.to_owned(), json!(true));
        }
        (Type::Message(inner), Wire::Bytes(bytes)) => {
            object.insert(name.to_owned(), message(bytes, inner)?);
        }
        (Type::Text, Wire::Bytes(bytes)) => {
            object.insert(name.to_owned(), text(bytes)?);
        }
        (Type::Texts, Wire::Bytes(bytes)) => push(object, name, text(bytes)?)?,
        (Type::Messages(inner), Wire::Bytes(bytes)) => push(object, name, message(bytes, inner)?)?,
        (Type::Inline(inner), Wire::Bytes(bytes)) => {
            object.extend(message(bytes, inner)?.as_object()?.clone());
        }
        (Type::Amount, Wire::Bytes(bytes)) => {
            object.insert(name.to_owned(), amount(bytes)?);
        }
        (Type::Either, Wire::Bytes(bytes)) => {
            let read = message(bytes, EITHER)?;
            let chosen = if read["type"] == 1 {
                &read["text"]
            } else {
                &read["number"]
            };
            object.insert(name.to_owned(), chosen.clone());
        }
        (Type::Map | Type::Data | Type::Amounts, Wire::Bytes(bytes)) => {
            let (key, value) = entry(bytes)?;
            let value = match kind {
                Type::Data => json!(super::base64::encode(value)),
                Type::Amounts => amount(value)?,
                _ => text(value)?,
            };
            object
                .entry(name)
                .or_insert_with(|| json!({}))
                .as_object_mut()?
                .insert(key, value);
        }
        _ => return None,
    }
    Some(())
}

/// `intstr.IntOrString`.
const EITHER: &[Field] = &[
    (1, "type", Type::Number),
    (2, "number", Type::Number),
    (3, "text", Type::Text),
];

/// `resource.Quantity`.
fn amount(bytes: &[u8]) -> Option<Value> {
    let mut read = message(bytes, &[(1, "text", Type::Text)])?;
    Some(read["text"].take())
}

fn text(bytes: &[u8]) -> Option<Value> {
    Some(json!(std::str::from_utf8(bytes).ok()?))
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) -> Option<()> {
    let list = object.entry(name).or_insert_with(|| json!([]));
    list.as_array_mut()?.push(value);
    Some(())
}

/// A map's entry: key and value.
fn entry(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (mut reader, mut key, mut value) = (Reader(bytes), String::new(), &[][..]);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.clone_into(&mut key),
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => return None,
        }
    }
    Some((key, value))
}

enum Wire<'body> {
    Number(u64),
    Bytes(&'body [u8]),
}

struct Reader<'body>(&'body [u8]);

impl<'body> Reader<'body> {
    /// The next field; the inner none at the end, the outer where the bytes are broken.
    #[expect(
        clippy::option_option,
        reason = "the end and broken bytes are two things"
    )]
    fn next(&mut self) -> Option<Option<(u64, Wire<'body>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Bytes(self.take(4)?),
            _ => return None,
        };
        Some(Some((tag >> 3, wire)))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'body [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_review_is_read_and_broken_bytes_are_not() {
        let mut body = MAGIC.to_vec();
        body.extend(b"\x0a\x33\x0a\x18authorization.k8s.io/v1\0\x12\x17SelfSubjectAccessReview");
        body.extend(b"\x12\x12\x12\x10\x0a\x0e\x12\x06create\x2a\x04pods");
        let read = decode(&body).expect("a review");
        assert_eq!(
            read["spec"],
            json!({"resourceAttributes": {"verb": "create", "resource": "pods"}})
        );
        assert!(decode(&body[..body.len() - 1]).is_none());
    }
}
