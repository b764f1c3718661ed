//! Label and field selectors, in the text form of queries and the structured form of objects.

use super::object;
use super::status_error::StatusError;
use serde_json::Value;

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// All conditions must hold; an empty selector matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h,!i`.
    pub fn parse(text: &str) -> Result<Self, StatusError> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if !part.is_empty() {
                let requirement = requirement(part).ok_or_else(|| {
                    let mut words = part.split_whitespace().skip(1);
                    let (second, third) = (words.next().unwrap_or_default(), words.next());
                    StatusError::bad_request(match third {
                        Some(third) if matches!(second, "in" | "notin") => {
                            format!("unable to parse requirement: found '{third}' expected: '('")
                        }
                        _ => format!(
                            "unable to parse requirement: found '{second}', expected: in, notin, =, ==, !=, gt, lt"
                        ),
                    })
                })?;
                requirements.push(requirement);
            }
        }
        Ok(Self(requirements))
    }

    /// Reads `{matchLabels, matchExpressions}`; null matches nothing in the API, so callers decide about it.
    pub fn from_object(selector: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            requirements.push(Requirement {
                key: key.clone(),
                test: Test::In(vec![text(value)]),
            });
        }
        for expression in object::items(selector, "matchExpressions") {
            let values = || object::items(expression, "values").map(text).collect();
            let test = match expression["operator"].as_str() {
                Some("In") => Test::In(values()),
                Some("NotIn") => Test::NotIn(values()),
                Some("Exists") => Test::Exists,
                _ => Test::DoesNotExist,
            };
            requirements.push(Requirement {
                key: text(&expression["key"]),
                test,
            });
        }
        Self(requirements)
    }

    /// Whether the labels (a JSON map or null) satisfy each condition.
    pub fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = labels.get(key).and_then(Value::as_str);
            match test {
                Test::In(values) => {
                    value.is_some_and(|value| values.iter().any(|one| one == value))
                }
                Test::NotIn(values) => {
                    value.is_none_or(|value| values.iter().all(|one| one != value))
                }
                Test::Exists => value.is_some(),
                Test::DoesNotExist => value.is_none(),
            }
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let make = |key: &str, test| {
        (!key.trim().is_empty()).then(|| Requirement {
            key: key.trim().to_owned(),
            test,
        })
    };
    if let Some((head, list)) = part.split_once('(') {
        let values = list
            .strip_suffix(')')?
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => make(key, Test::In(values)),
            "notin" => make(key, Test::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return make(key, Test::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = part.split_once('=') {
        return make(
            key,
            Test::In(vec![value.trim_start_matches('=').trim().to_owned()]),
        );
    }
    match part.strip_prefix('!') {
        Some(key) => make(key, Test::DoesNotExist),
        None if part.contains(char::is_whitespace) => None,
        None => make(part, Test::Exists),
    }
}

/// Conditions on fields: `metadata.name=x,status.phase!=Failed`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(String, bool, String)>);

/// The fields besides name and namespace that a resource can be selected by.
fn selectable(resource: &str) -> &'static [&'static str] {
    match resource {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "replicasets" => &["status.replicas"],
        "jobs" => &["status.successful"],
        _ => &[],
    }
}

impl FieldSelector {
    /// Reads the text; a field that the resource does not offer is refused as the server does.
    pub fn parse(text: &str, resource: &str, custom: bool) -> Result<Self, StatusError> {
        let mut conditions = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else {
                let (field, value) = part.split_once('=').ok_or_else(|| {
                    StatusError::bad_request(format!(
                        "invalid selector: '{text}'; can't understand '{part}'"
                    ))
                })?;
                (field, true, value.trim_start_matches('='))
            };
            if !matches!(field, "metadata.name" | "metadata.namespace")
                && !selectable(resource).contains(&field)
            {
                return Err(StatusError::bad_request(
                    if selectable(resource).is_empty() && !custom {
                        format!(
                            "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                        )
                    } else {
                        format!("field label not supported: {field}")
                    },
                ));
            }
            conditions.push((field.to_owned(), equal, value.to_owned()));
        }
        Ok(Self(conditions))
    }

    /// Whether the object satisfies each condition; an absent field counts as empty.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, wanted)| {
            let found = field.split('.').fold(object, |value, key| &value[key]);
            let found = match found {
                Value::String(text) => text.clone(),
                Value::Null if field == "spec.unschedulable" || field == "spec.hostNetwork" => {
                    "false".to_owned()
                }
                Value::Null => String::new(),
                other => other.to_string(),
            };
            (found == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_operator_decides_as_the_server_does() {
        let labels = json!({"app": "shop", "tier": "web"});
        for (selector, expected) in [
            ("app=shop", true),
            ("app==shop,tier=web", true),
            ("app!=shop", false),
            ("none!=x", true),
            ("app in (shop, bar)", true),
            ("app notin (shop,bar)", false),
            ("tier", true),
            ("!tier", false),
            ("!gone", true),
            ("", true),
        ] {
            assert_eq!(
                LabelSelector::parse(selector)
                    .expect(selector)
                    .matches(&labels),
                expected,
                "{selector}"
            );
        }
        assert_eq!(
            LabelSelector::parse("a b").expect_err("two words").code(),
            400
        );
    }

    #[test]
    fn an_unknown_field_is_a_bad_request() {
        let error =
            FieldSelector::parse("spec.foo=bar", "pods", false).expect_err("not selectable");
        assert!(
            error
                .message()
                .ends_with("field label not supported: spec.foo"),
            "{error}"
        );
    }
}
