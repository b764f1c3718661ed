//! Kubernetes label selectors, as the API server evaluates them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Labels of an object, in a stable order.
pub type Labels = BTreeMap<String, String>;

/// One condition on one label key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The label is there, with one of these values.
    In(String, Vec<String>),
    /// The label is absent, or has none of these values.
    NotIn(String, Vec<String>),
    /// The label is there, whatever its value.
    Exists(String),
    /// The label is absent.
    DoesNotExist(String),
    /// An operator that Kubernetes does not know: never satisfied, so that nothing is assumed of it.
    Unknown(String),
}

impl Requirement {
    /// Whether labels satisfy the condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => !labels.get(key).is_some_and(|v| values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
            Self::Unknown(_) => false,
        }
    }

    /// The label key that it speaks of.
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key)
            | Self::Unknown(key) => key,
        }
    }

    fn parse(expression: &Value) -> Self {
        let key = text(&expression["key"]);
        let values = || {
            expression["values"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect::<Vec<_>>()
        };
        match expression["operator"].as_str() {
            Some("In") => Self::In(key, values()),
            Some("NotIn") => Self::NotIn(key, values()),
            Some("Exists") => Self::Exists(key),
            Some("DoesNotExist") => Self::DoesNotExist(key),
            _ => Self::Unknown(key),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::In(key, values) => json!({"key": key, "operator": "In", "values": values}),
            Self::NotIn(key, values) => json!({"key": key, "operator": "NotIn", "values": values}),
            Self::Exists(key) => json!({"key": key, "operator": "Exists"}),
            Self::DoesNotExist(key) => json!({"key": key, "operator": "DoesNotExist"}),
            Self::Unknown(key) => json!({"key": key, "operator": ""}),
        }
    }
}

/// A label selector: all of its requirements must hold; an empty one matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// A selector of these requirements.
    pub fn new(requirements: Vec<Requirement>) -> Self {
        Self { requirements }
    }

    /// Reads a `metav1.LabelSelector`; null is the empty selector.
    pub fn parse(selector: &Value) -> Self {
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let expressions = selector["matchExpressions"]
            .as_array()
            .into_iter()
            .flatten();
        Self {
            requirements: labels
                .map(|(key, value)| Requirement::In(key.clone(), vec![text(value)]))
                .chain(expressions.map(Requirement::parse))
                .collect(),
        }
    }

    /// As a `metav1.LabelSelector` of expressions.
    pub fn to_json(&self) -> Value {
        if self.requirements.is_empty() {
            return json!({});
        }
        let expressions: Vec<Value> = self.requirements.iter().map(Requirement::to_json).collect();
        json!({"matchExpressions": expressions})
    }

    /// Whether labels satisfy every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether it has no requirement, and so matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Its requirements.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

/// Reads an object's map of strings (`metadata.labels`, `metadata.annotations`); anything else is left out.
pub fn labels(map: &Value) -> Labels {
    map.as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn every_operator_on_absent_equal_and_other() {
        let cases = [
            (json!({"matchLabels": {"a": "1"}}), [false, true, false]),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "3"]}]}),
                [false, true, false],
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}),
                [true, false, true],
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
                [false, true, true],
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
                [true, false, false],
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "Near"}]}),
                [false, false, false],
            ),
            (json!({}), [true, true, true]),
            (Value::Null, [true, true, true]),
        ];
        for (selector, expected) in cases {
            let parsed = Selector::parse(&selector);
            let seen =
                [set(&[]), set(&[("a", "1")]), set(&[("a", "2")])].map(|l| parsed.matches(&l));
            assert_eq!(seen, expected, "{selector}");
            assert_eq!(
                Selector::parse(&parsed.to_json()),
                parsed,
                "{selector} survives its own JSON"
            );
        }
    }

    #[test]
    fn labels_and_expressions_are_all_required() {
        let selector = Selector::parse(&json!({
            "matchLabels": {"a": "1"},
            "matchExpressions": [{"key": "b", "operator": "Exists"}],
        }));
        assert!(selector.matches(&set(&[("a", "1"), ("b", "")])));
        assert!(!selector.matches(&set(&[("a", "1")])));
        assert!(!selector.matches(&set(&[("b", "")])));
    }
}
