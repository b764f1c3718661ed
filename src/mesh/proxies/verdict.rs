//! What is asked of [`judge`](super::judge), and what it answers.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Connection, Metrics, ProxyId, SyncEntry, XdsType};
use crate::mesh::version::Version;

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not started yet.
    Pending,
    /// Started.
    Running,
    /// Over, well or badly: it keeps its annotations, but has no proxy any more.
    Ended,
}

impl Phase {
    /// Reads `status.phase`; an unknown one is not started.
    pub fn parse(phase: &str) -> Self {
        match phase {
            "Running" => Self::Running,
            "Succeeded" | "Failed" => Self::Ended,
            _ => Self::Pending,
        }
    }
}

/// A pod whose proxy is expected to be connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedProxy {
    /// The pod.
    pub id: ProxyId,
    /// What owns it, for people: `deployment/api`.
    pub workload: String,
    /// Its phase.
    pub phase: Phase,
    /// Why nothing is expected of it after all: no proxy, the host's network, somebody else's business.
    pub skip: Option<String>,
}

/// What one replica of one istiod answered in one round.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointAnswer {
    /// The revision of the control plane.
    pub revision: String,
    /// The replica's pod.
    pub pod: String,
    /// Its version, where it told.
    pub version: Option<Version>,
    /// Its `/debug/syncz`.
    pub syncz: Vec<SyncEntry>,
    /// Its `/debug/connections`, where the version has it.
    pub connections: Option<Vec<Connection>>,
    /// Its `/metrics`, needed only where syncz does not tell errors.
    pub metrics: Option<Metrics>,
}

impl EndpointAnswer {
    /// Whether a proxy rejects what it is sent on a connection: as syncz tells it, or else by the counters.
    pub fn is_rejected(&self, entry: &SyncEntry) -> bool {
        entry.types.values().any(|state| !state.error.is_empty())
            || self.counted_rejection(entry).is_some()
    }

    /// What looks like a missing answer where syncz knows no errors, and is a rejection by the counters: of which type,
    /// how many, and why.
    pub(super) fn counted_rejection<'a>(
        &self,
        entry: &'a SyncEntry,
    ) -> Option<(&'a XdsType, f64, String)> {
        if entry.knows_errors {
            return None;
        }
        let (kind, _) = entry.types.iter().find(|(_, state)| state.is_pending())?;
        let (count, reason) = self.metrics.as_ref()?.rejects_of(&entry.id)?;
        Some((kind, count, reason))
    }
}

/// Where the proxies should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The revision of the control plane (never a tag).
    pub revision: String,
    /// The version that the proxies must have.
    pub version: Option<Version>,
    /// The cluster that the pods run in: connections of pods of the same name elsewhere are not theirs.
    pub cluster: Option<String>,
    /// For how long after a reconnection an older connection may still be listed.
    pub settle: Duration,
    /// For how long a proxy may leave a configuration unanswered.
    pub stale_after: Duration,
    /// The istiods that could not be asked: who is connected to them is not known.
    pub silent: Vec<String>,
}

/// The verdict on a pod or workload, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Connected to no istiod.
    Missing,
    /// Rejects its configuration.
    Error,
    /// Connected to the target and to another revision.
    Both,
    /// On another revision, or of another version.
    Old,
    /// Leaves its configuration unanswered.
    Stale,
    /// Where it should be.
    Moved,
    /// Nothing is expected of it.
    Skipped,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Error,
        Self::Both,
        Self::Old,
        Self::Stale,
        Self::Moved,
        Self::Skipped,
    ];

    /// Whether there is nothing left to wait for.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Moved | Self::Skipped)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missing => "MISSING",
            Self::Error => "ERROR",
            Self::Both => "BOTH",
            Self::Old => "OLD",
            Self::Stale => "STALE",
            Self::Moved => "MOVED",
            Self::Skipped => "SKIPPED",
        })
    }
}

/// The verdict on one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodVerdict {
    /// The pod.
    pub id: ProxyId,
    /// What owns it.
    pub workload: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, for people.
    pub detail: String,
    /// Whether it is on both only because it has just reconnected, as far as can be told: that passes, or stays.
    pub settling: bool,
}
