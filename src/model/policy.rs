//! What a step does about time and failure.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::duration::Span;

/// How long a step may take: `10m` for the whole with its retries, or `{attempt: 2m, total: 10m}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeout {
    /// The longest that one attempt may take.
    pub attempt: Option<Span>,
    /// The longest that the step may take, retries and their delays included.
    pub total: Option<Span>,
}

impl Serialize for Timeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.attempt, self.total) {
            (None, Some(total)) => total.serialize(serializer),
            _ => TimeoutParts {
                attempt: self.attempt,
                total: self.total,
            }
            .serialize(serializer),
        }
    }
}

/// The long form of a timeout.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
struct TimeoutParts {
    /// The longest that one attempt may take.
    attempt: Option<Span>,
    /// The longest that the whole step may take, retries included.
    total: Option<Span>,
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Timeout;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `10m`, or `{attempt: 2m, total: 10m}`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timeout, E> {
                let total = text.parse().map_err(E::custom)?;
                Ok(Timeout {
                    attempt: None,
                    total: Some(total),
                })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Timeout, A::Error> {
                let parts = TimeoutParts::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Timeout {
                    attempt: parts.attempt,
                    total: parts.total,
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Timeout {
    fn schema_name() -> Cow<'static, str> {
        "Timeout".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let span = generator.subschema_for::<Span>();
        let parts = TimeoutParts::json_schema(generator);
        json_schema!({
            "description": "How long the step may take: a duration for the whole with its retries, or {attempt, total}.",
            "anyOf": [span, parts],
        })
    }
}

/// How many attempts: a count that includes the first, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// At most so many, the first included.
    Count(u32),
    /// As many as the budget allows.
    Unlimited,
}

impl Serialize for Attempts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(n) => serializer.serialize_u32(*n),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for Attempts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Attempts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count of at least 1, or `unlimited`")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Attempts, E> {
                match u32::try_from(n) {
                    Ok(n) if n > 0 => Ok(Attempts::Count(n)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(n), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Attempts, E> {
                u64::try_from(n)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
                    .and_then(|n| self.visit_u64(n))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Attempts, E> {
                match text {
                    "unlimited" => Ok(Attempts::Unlimited),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Attempts {
    fn schema_name() -> Cow<'static, str> {
        "Attempts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How many attempts, the first included; `unlimited` needs a budget.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^unlimited$" }],
        })
    }
}

/// Whether the delay before a retry is drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Between nothing and the delay.
    #[default]
    Full,
    /// The delay as computed.
    None,
}

/// The delays between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The delay before the second attempt; default 1s.
    pub initial: Option<Span>,
    /// What each further delay is multiplied by; default 2.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub factor: Option<f32>,
    /// The longest delay; default 30s.
    pub max: Option<Span>,
    /// Whether delays are drawn at random; default full.
    pub jitter: Option<Jitter>,
}

/// Which failures are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// Connections, an attempt's timeout, 429, 5xx, a resourceVersion conflict.
    Transient,
    /// A step that said it failed.
    Failed,
}

/// Whether and how a failed attempt is tried again. `defaults` merge field by field.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How many attempts, the first included; default 3.
    pub attempts: Option<Attempts>,
    /// The delays between attempts.
    pub backoff: Option<Backoff>,
    /// Which failures are tried again; default: transient ones.
    #[schemars(length(min = 1))]
    pub on: Option<Vec<RetryOn>>,
    /// The longest time all attempts and delays together may take before no further one starts.
    pub budget: Option<Span>,
}

impl Retry {
    /// This policy, with what it leaves open taken from `defaults`, field by field.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        let backoff = match (self.backoff, defaults.backoff) {
            (Some(own), Some(base)) => Some(Backoff {
                initial: own.initial.or(base.initial),
                factor: own.factor.or(base.factor),
                max: own.max.or(base.max),
                jitter: own.jitter.or(base.jitter),
            }),
            (own, base) => own.or(base),
        };
        Self {
            attempts: self.attempts.or(defaults.attempts),
            backoff,
            on: self.on.clone().or_else(|| defaults.on.clone()),
            budget: self.budget.or(defaults.budget),
        }
    }
}

/// What follows a step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing new starts in this run; running steps end.
    #[default]
    Stop,
    /// Recorded as failed; dependants go on as after success.
    Continue,
    /// Stop, then take back what the run did.
    Rollback,
}
