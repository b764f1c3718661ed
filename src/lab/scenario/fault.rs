//! What goes wrong in a scenario, as the file says it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Span;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FaultFile", into = "FaultFile")]
pub struct Fault {
    /// When it begins, counted from when the cluster is up.
    pub at: Span,
    /// How long it lasts; `None`: to the end.
    pub lasts: Option<Span>,
    /// How many requests it hits at most.
    pub times: Option<u32>,
    /// The share of the requests that it hits, by the seed.
    pub chance: f64,
    /// Which requests it hits.
    pub on: On,
    /// What it does.
    pub effect: Effect,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The request is answered with this HTTP status; a 429 says when to come again.
    Answer {
        /// The status.
        status: u16,
        /// The `Retry-After`, whole seconds.
        retry_after: Option<Span>,
    },
    /// The connection is lost before the answer, and nothing is done.
    Lose,
    /// The connection is lost before the answer, and the request is carried out.
    LoseAnswer,
    /// The answer takes this time.
    Delay(Span),
    /// A watch ends after this many events.
    CutWatch {
        /// The events that it still tells.
        events: usize,
    },
    /// A watch says nothing, not even bookmarks.
    Silence,
    /// The server forgets its history: watches and chunked lists from before get a 410.
    Compact,
    /// The whole server is gone: requests are lost, running watches end.
    LostServer,
    /// The pods of a control plane die and, while it lasts, do not become ready again.
    KillIstiod {
        /// Its revision.
        revision: String,
    },
    /// `plan` itself dies: at its time, or with the first request that `on` names.
    CrashPlan,
}

/// Which requests; a request must fit all that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// The verb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// The resource in the plural: `pods`, `deployments`; with `*` for any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The namespace, with `*` for any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name, with `*` for any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who asks: the beginning of the `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// A verb of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// One object.
    Get,
    /// A collection.
    List,
    /// A stream of changes.
    Watch,
    /// A new object, also one under another: an eviction, a token, a port-forward.
    Create,
    /// A whole object replaced.
    Update,
    /// An object changed in part, or applied.
    Patch,
    /// An object deleted.
    Delete,
    /// A collection deleted.
    DeleteCollection,
    /// Whatever changes something.
    Write,
}

impl Fault {
    /// A fault from this time on, for all requests and to the end.
    pub fn new(at: Span, effect: Effect) -> Self {
        Self {
            at,
            lasts: None,
            times: None,
            chance: 1.0,
            on: On::default(),
            effect,
        }
    }

    /// When it is over; `None`: never by itself.
    pub fn ends(&self) -> Option<Duration> {
        match (&self.effect, self.lasts) {
            (Effect::Compact, _) | (Effect::KillIstiod { .. }, None) => Some(self.at.0),
            (_, lasts) => lasts.map(|lasts| self.at.0 + lasts.0),
        }
    }
}

/// A fault as the file has it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultFile {
    /// When it begins, counted from when the cluster is up; default: at once.
    #[serde(default = "at_once")]
    at: Span,
    /// How long it lasts; default: to the end.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    lasts: Option<Span>,
    /// How many requests it hits at most; default: all that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    times: Option<u32>,
    /// The share of the requests that it hits, by the seed; default: all.
    #[serde(default = "always")]
    #[schemars(range(min = 0.0, max = 1.0))]
    chance: f64,
    /// Which requests it hits; default: all.
    #[serde(default)]
    on: On,
    /// What it does.
    effect: EffectName,
    /// With `answer`: the HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    status: Option<u16>,
    /// With `answer`: when to come again, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Span>,
    /// With `delay`: how long the answer takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay: Option<Span>,
    /// With `cut-watch`: how many events are still told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<usize>,
    /// With `kill-istiod`: the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum EffectName {
    /// The request is answered with `status`.
    Answer,
    /// The connection is lost before the answer, and nothing is done.
    Lose,
    /// The connection is lost before the answer, and the request is carried out.
    LoseAnswer,
    /// The answer takes `delay`.
    Delay,
    /// A watch ends after so many `events`.
    CutWatch,
    /// A watch says nothing.
    Silence,
    /// The server forgets its history: a 410 for who goes on from before.
    Compact,
    /// The whole server is gone while it lasts.
    LostServer,
    /// The pods of the control plane `revision` die.
    KillIstiod,
    /// `plan` itself dies.
    CrashPlan,
}

fn at_once() -> Span {
    Span::from_secs(0)
}

fn always() -> f64 {
    1.0
}

impl TryFrom<FaultFile> for Fault {
    type Error = String;

    fn try_from(file: FaultFile) -> Result<Self, String> {
        let name = serde_json::to_value(file.effect).unwrap_or_default();
        let name = name.as_str().unwrap_or_default();
        let needs = |key: &str| format!("the effect `{name}` needs `{key}`");
        let given = [
            ("status", file.status.is_some()),
            ("retry_after", file.retry_after.is_some()),
            ("delay", file.delay.is_some()),
            ("events", file.events.is_some()),
            ("revision", file.revision.is_some()),
        ];
        let (own, effect): (&[&str], Effect) = match file.effect {
            EffectName::Answer => (
                &["status", "retry_after"],
                Effect::Answer {
                    status: file.status.ok_or_else(|| needs("status"))?,
                    retry_after: file.retry_after,
                },
            ),
            EffectName::Lose => (&[], Effect::Lose),
            EffectName::LoseAnswer => (&[], Effect::LoseAnswer),
            EffectName::Delay => (
                &["delay"],
                Effect::Delay(file.delay.ok_or_else(|| needs("delay"))?),
            ),
            EffectName::CutWatch => (
                &["events"],
                Effect::CutWatch {
                    events: file.events.unwrap_or(0),
                },
            ),
            EffectName::Silence => (&[], Effect::Silence),
            EffectName::Compact => (&[], Effect::Compact),
            EffectName::LostServer => (&[], Effect::LostServer),
            EffectName::KillIstiod => (
                &["revision"],
                Effect::KillIstiod {
                    revision: file.revision.ok_or_else(|| needs("revision"))?,
                },
            ),
            EffectName::CrashPlan => (&[], Effect::CrashPlan),
        };
        if let Some((key, _)) = given
            .iter()
            .find(|(key, given)| *given && !own.contains(key))
        {
            return Err(format!("the effect `{name}` has no `{key}`"));
        }
        Ok(Self {
            at: file.at,
            lasts: file.lasts,
            times: file.times,
            chance: file.chance,
            on: file.on,
            effect,
        })
    }
}

impl From<Fault> for FaultFile {
    fn from(fault: Fault) -> Self {
        let mut file = Self {
            at: fault.at,
            lasts: fault.lasts,
            times: fault.times,
            chance: fault.chance,
            on: fault.on,
            effect: EffectName::Lose,
            status: None,
            retry_after: None,
            delay: None,
            events: None,
            revision: None,
        };
        file.effect = match fault.effect {
            Effect::Answer {
                status,
                retry_after,
            } => {
                file.status = Some(status);
                file.retry_after = retry_after;
                EffectName::Answer
            }
            Effect::Lose => EffectName::Lose,
            Effect::LoseAnswer => EffectName::LoseAnswer,
            Effect::Delay(delay) => {
                file.delay = Some(delay);
                EffectName::Delay
            }
            Effect::CutWatch { events } => {
                file.events = Some(events);
                EffectName::CutWatch
            }
            Effect::Silence => EffectName::Silence,
            Effect::Compact => EffectName::Compact,
            Effect::LostServer => EffectName::LostServer,
            Effect::KillIstiod { revision } => {
                file.revision = Some(revision);
                EffectName::KillIstiod
            }
            Effect::CrashPlan => EffectName::CrashPlan,
        };
        file
    }
}

impl JsonSchema for Fault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        FaultFile::json_schema(generator)
    }
}
