//! The tree as JSON, for the schema.

use serde_json::Map;
use serde_json::Number;
use serde_json::Value as Json;

use super::Core;
use super::Node;
use super::Scalar;
use super::Value;

impl Node {
    /// The tree as JSON, scalars by the core schema. A number that JSON cannot hold is a string.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::Seq(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.key.text.clone(), entry.value.to_json()));
                Json::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

impl Scalar {
    /// The scalar as JSON, by the core schema. A number keeps its text where it would be written otherwise: `1.10` is
    /// more likely a version than 1.1.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let number = match self.core() {
            Core::Null => return Json::Null,
            Core::Bool(bool) => return bool.into(),
            Core::Int(int) => Some(Number::from(int)),
            Core::Float(float) => Number::from_f64(float),
            Core::Str => None,
        };
        match number {
            Some(number) if number.to_string() == self.text => Json::Number(number),
            _ => self.text.clone().into(),
        }
    }
}
