//! What many rehearsals say together.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::observer::between;
use super::{Rehearsed, Story};
use crate::event::Event;
use crate::journal::{RunState, parse};
use crate::lab::scenario::Fault;
use crate::report;

/// How many of the last lines of a journal show what led somewhere.
const TRACE: usize = 12;

/// What many rehearsals of a plan say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The plan.
    pub plan: String,
    /// How many there were.
    pub rehearsals: usize,
    /// How many ended well, with nothing broken.
    pub well: usize,
    /// In how many `plan` died.
    pub crashed: usize,
    /// In how many people had to take the run up again, beside that.
    pub helped: usize,
    /// How half of them last at most.
    #[serde(rename = "median_seconds", serialize_with = "seconds")]
    pub median: Duration,
    /// How 95 of 100 last at most.
    #[serde(rename = "p95_seconds", serialize_with = "seconds")]
    pub p95: Duration,
    /// Why people had to help.
    pub help: Vec<Group>,
    /// Why some did not end well.
    pub failures: Vec<Group>,
    /// What was broken on the way.
    pub breaches: Vec<Group>,
    /// What happens to each workload that is restarted.
    pub workloads: BTreeMap<String, Effect>,
}

/// Rehearsals to which the same happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What happened.
    pub what: String,
    /// How often.
    pub count: usize,
    /// The first seed that shows it.
    pub seed: u64,
    /// What was drawn for that seed, as a scenario has it.
    pub faults: Vec<Fault>,
    /// The last events that lead there.
    pub trace: Vec<String>,
}

/// What happens to a workload.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// How often it is restarted, at most.
    pub restarts: u32,
    /// How half of the rehearsals leave it with fewer pods at most.
    #[serde(rename = "reduced_median_seconds", serialize_with = "seconds")]
    pub median: Duration,
    /// The longest that it had fewer pods.
    #[serde(rename = "reduced_longest_seconds", serialize_with = "seconds")]
    pub longest: Duration,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Summary {
    /// Sums up.
    pub fn of(plan: &str, all: &[Rehearsed]) -> Self {
        let count = |is: fn(&Rehearsed) -> bool| all.iter().filter(|one| is(one)).count();
        let times: Vec<Duration> = all.iter().map(|one| one.took).collect();
        let whole = |one: &Rehearsed| one.journal.len();
        Self {
            plan: plan.to_owned(),
            rehearsals: all.len(),
            well: count(Rehearsed::is_well),
            crashed: count(|one| one.crashed),
            helped: count(|one| !one.helped.is_empty()),
            median: share(&times, 50),
            p95: share(&times, 95),
            help: grouped(all.iter().flat_map(|one| {
                let why = one.helped.iter();
                why.map(move |(why, journal)| (one, why.clone(), *journal))
            })),
            failures: grouped(all.iter().filter_map(|one| {
                let why = one.failure.clone()?;
                Some((one, why, whole(one)))
            })),
            breaches: grouped(all.iter().flat_map(|one| {
                let all = one.breaches.iter();
                all.map(move |breach| {
                    let what = format!("{}: {}", breach.invariant.rule(), breach.what);
                    (one, what, breach.journal)
                })
            })),
            workloads: effects(all),
        }
    }
}

/// Groups by what happened, the most frequent first; a rehearsal counts once in each group.
fn grouped<'a>(happened: impl Iterator<Item = (&'a Rehearsed, String, usize)>) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for (one, what, journal) in happened {
        if last.insert(what.clone(), one.seed) == Some(one.seed) {
            continue;
        }
        let group = groups.entry(what).or_insert_with_key(|what| Group {
            what: what.clone(),
            count: 0,
            seed: one.seed,
            faults: one.faults.clone(),
            trace: trace(&one.journal[..journal.min(one.journal.len())]),
        });
        group.count += 1;
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn effects(all: &[Rehearsed]) -> BTreeMap<String, Effect> {
    let mut stories: BTreeMap<&str, Vec<&Story>> = BTreeMap::new();
    for (name, story) in all.iter().flat_map(|one| &one.workloads) {
        if story.restarts > 0 {
            stories.entry(name).or_default().push(story);
        }
    }
    let effect = |stories: &[&Story]| {
        let reduced: Vec<Duration> = stories.iter().map(|story| story.reduced).collect();
        Effect {
            restarts: stories
                .iter()
                .map(|story| story.restarts)
                .max()
                .unwrap_or(0),
            median: share(&reduced, 50),
            longest: share(&reduced, 100),
        }
    };
    stories
        .into_iter()
        .map(|(name, stories)| (name.to_owned(), effect(&stories)))
        .collect()
}

/// What so many of 100 stay below, or are.
fn share(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// The last lines of a journal, as the reports have them.
fn trace(journal: &[u8]) -> Vec<String> {
    let mut state = RunState::default();
    let mut lines = Vec::new();
    for event in events(journal) {
        state.apply(&event);
        lines.extend(report::lines(&event, &state));
    }
    lines.split_off(lines.len().saturating_sub(TRACE))
}

/// When each event happened, counted from the first.
pub(super) fn moments(journal: &[u8]) -> Vec<Duration> {
    let events = events(journal);
    let Some(first) = events.first().map(|event| event.at) else {
        return Vec::new();
    };
    events
        .iter()
        .map(|event| between(first, event.at))
        .collect()
}

/// The time from the first event to the last.
pub(super) fn took(journal: &[u8]) -> Duration {
    moments(journal).last().copied().unwrap_or_default()
}

fn events(journal: &[u8]) -> Vec<Event> {
    parse(journal).map_or_else(|_| Vec::new(), |recorded| recorded.events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_sorted_times() {
        let times: Vec<Duration> = (1..=20).rev().map(Duration::from_secs).collect();
        assert_eq!(share(&times, 50), Duration::from_secs(10));
        assert_eq!(share(&times, 95), Duration::from_secs(19));
        assert_eq!(share(&times, 100), Duration::from_secs(20));
        assert_eq!(share(&[], 50), Duration::ZERO);
    }
}
