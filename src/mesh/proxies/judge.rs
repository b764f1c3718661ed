//! The verdict on each pod, from the answers of every istiod.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    EndpointAnswer, ExpectedProxy, Phase, PodVerdict, ProxyId, SyncEntry, Target, Verdict, XdsType,
};

/// One connection of one proxy, as one replica tells it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    id: &'a ProxyId,
    answer: &'a EndpointAnswer,
    entry: Option<&'a SyncEntry>,
    since: Option<Timestamp>,
}

/// Gives one verdict per expected pod, in their order. `answers` must hold every replica of every revision.
///
/// The worst that is true of a pod decides: MISSING, ERROR, BOTH, OLD, STALE, MOVED.
pub fn judge(
    expected: &[ExpectedProxy],
    answers: &[EndpointAnswer],
    target: &Target,
    now: Timestamp,
) -> Vec<PodVerdict> {
    let seen = unite(answers, target);
    expected
        .iter()
        .map(|pod| {
            let seen = seen.get(&pod.id).map_or(&[][..], Vec::as_slice);
            let (verdict, detail) = judge_one(pod, seen, target, now);
            PodVerdict {
                id: pod.id.clone(),
                workload: pod.workload.clone(),
                verdict,
                detail,
                settling: verdict == Verdict::Both && just_reconnected(seen, target, now).is_some(),
            }
        })
        .collect()
}

/// Every connection by proxy.
fn unite<'a>(
    answers: &'a [EndpointAnswer],
    target: &Target,
) -> BTreeMap<&'a ProxyId, Vec<Seen<'a>>> {
    let mut all: BTreeMap<&ProxyId, Vec<Seen<'_>>> = BTreeMap::new();
    for answer in answers {
        for seen in pair(answer).filter(|seen| !is_elsewhere(seen, target)) {
            all.entry(seen.id).or_default().push(seen);
        }
    }
    all
}

/// The entries and connections of one replica, together where they are of the same proxy. Neither list is ordered by
/// time; of several the older entry goes with the older connection. What has no counterpart stands alone.
fn pair(answer: &EndpointAnswer) -> impl Iterator<Item = Seen<'_>> {
    let mut proxies: BTreeMap<&ProxyId, (Vec<&SyncEntry>, Vec<Option<Timestamp>>)> =
        BTreeMap::new();
    for entry in &answer.syncz {
        proxies.entry(&entry.id).or_default().0.push(entry);
    }
    for connection in answer.connections.iter().flatten() {
        proxies
            .entry(&connection.id)
            .or_default()
            .1
            .push(connection.connected_at);
    }
    proxies
        .into_iter()
        .flat_map(move |(id, (mut entries, mut times))| {
            entries
                .sort_by_key(|entry| entry.types.values().filter_map(|state| state.sent_at).min());
            times.sort();
            // From the newest on, so that the newest of both meet.
            (0..entries.len().max(times.len())).map(move |back| {
                let nth_back = |length: usize| length.checked_sub(back + 1);
                Seen {
                    id,
                    answer,
                    entry: nth_back(entries.len()).map(|i| entries[i]),
                    since: nth_back(times.len()).and_then(|i| times[i]),
                }
            })
        })
}

/// Whether a connection is of a pod of the same name in another cluster.
fn is_elsewhere(seen: &Seen<'_>, target: &Target) -> bool {
    let cluster = seen.entry.and_then(|entry| entry.cluster.as_ref());
    target
        .cluster
        .as_ref()
        .is_some_and(|own| cluster.is_some_and(|cluster| cluster != own))
}

fn judge_one(
    pod: &ExpectedProxy,
    seen: &[Seen<'_>],
    target: &Target,
    now: Timestamp,
) -> (Verdict, String) {
    if let Some(reason) = &pod.skip {
        return (Verdict::Skipped, reason.clone());
    }
    match pod.phase {
        Phase::Ended => return (Verdict::Skipped, "the pod has ended".to_owned()),
        Phase::Pending if seen.is_empty() => {
            return (Verdict::Missing, "the pod has not started yet".to_owned());
        }
        Phase::Pending | Phase::Running => {}
    }
    let current = settled(seen, target, now);
    if current.is_empty() {
        return (Verdict::Missing, unlisted(target));
    }
    if let Some(detail) = current.iter().find_map(|s| rejection(s)) {
        return (Verdict::Error, detail);
    }
    let (here, elsewhere): (Vec<Seen<'_>>, Vec<Seen<'_>>) = current
        .into_iter()
        .partition(|s| s.answer.revision == target.revision);
    match (here.first(), elsewhere.first()) {
        (None, Some(other)) => return (Verdict::Old, format!("connected to {}", place(other))),
        // Also the newest connection of all makes no other one undone: what is left behind goes away by itself, or stays.
        (Some(_), _) => {
            if let Some(other) = seen.iter().find(|s| s.answer.revision != target.revision) {
                return (
                    Verdict::Both,
                    format!("still connected to {} as well", place(other)),
                );
            }
        }
        _ => {}
    }
    if let Some(detail) = here.iter().find_map(|s| other_version(s, target)) {
        return (Verdict::Old, detail);
    }
    if let Some(detail) = here.iter().find_map(|s| unanswered(s, target, now)) {
        return (Verdict::Stale, detail);
    }
    let on = here.first().map(place).unwrap_or_default();
    (Verdict::Moved, format!("connected to {on}"))
}

/// The connections by which a proxy's state is told. Shortly after it reconnected the old connection is still listed:
/// within the settle window only the newest counts.
fn settled<'a>(seen: &[Seen<'a>], target: &Target, now: Timestamp) -> Vec<Seen<'a>> {
    just_reconnected(seen, target, now).map_or_else(|| seen.to_vec(), |newest| vec![newest])
}

/// The newest of several connections, where it is so new that the others may be what is left of it.
fn just_reconnected<'a>(seen: &[Seen<'a>], target: &Target, now: Timestamp) -> Option<Seen<'a>> {
    let (since, newest) = seen
        .iter()
        .filter_map(|s| Some((s.since?, s)))
        .max_by_key(|(since, _)| *since)?;
    (seen.len() > 1 && age(now, since) < target.settle).then_some(*newest)
}

/// Why a proxy counts as connected to no istiod.
fn unlisted(target: &Target) -> String {
    if target.silent.is_empty() {
        return "connected to no istiod".to_owned();
    }
    let silent = target.silent.join(", ");
    format!("connected to no istiod that answers; no answer from {silent}")
}

/// Why a proxy rejects its configuration: as syncz tells it, or else, where it looks like a missing answer there, as the
/// counters do.
fn rejection(seen: &Seen<'_>) -> Option<String> {
    let entry = seen.entry?;
    if let Some((kind, state)) = entry
        .types
        .iter()
        .find(|(_, state)| !state.error.is_empty())
    {
        return Some(format!(
            "{kind} of {} rejected: {}",
            place(seen),
            state.error.trim()
        ));
    }
    let (kind, count, reason) = seen.answer.counted_rejection(entry)?;
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    };
    Some(format!(
        "{kind} of {} unanswered, and {count} rejections counted{reason}",
        place(seen)
    ))
}

fn other_version(seen: &Seen<'_>, target: &Target) -> Option<String> {
    let wanted = target.version.as_ref()?;
    match seen.entry?.version.as_ref() {
        Some(version) if wanted.covers(version) => None,
        Some(version) => Some(format!("version {version} instead of {wanted}")),
        None => Some(format!("its version is unknown, {wanted} is expected")),
    }
}

/// What is missing before a proxy counts as served: clusters and listeners accepted, nothing else unanswered for too
/// long. A type that was never sent is not watched.
fn unanswered(seen: &Seen<'_>, target: &Target, now: Timestamp) -> Option<String> {
    let on = place(seen);
    let Some(entry) = seen.entry else {
        return Some(format!(
            "connected to {on}, which does not list what it has accepted"
        ));
    };
    for kind in [XdsType::Cds, XdsType::Lds] {
        if entry
            .types
            .get(&kind)
            .is_none_or(|state| state.sent.is_empty())
        {
            return Some(format!("{kind} not sent yet by {on}"));
        }
    }
    entry
        .types
        .iter()
        .filter(|(_, state)| state.is_pending())
        .find_map(|(kind, state)| {
            let essential = matches!(kind, XdsType::Cds | XdsType::Lds);
            let Some(at) = state.sent_at else {
                return Some(format!("{kind} of {on} unanswered"));
            };
            // Since when, not for how long: a reason that stays the same is told once.
            (essential || age(now, at) >= target.stale_after)
                .then(|| format!("{kind} of {on} unanswered since {at:.0}"))
        })
}

fn place(seen: &Seen<'_>) -> String {
    format!("{} ({})", seen.answer.revision, seen.answer.pod)
}

/// How long ago; nothing for what lies in the future, since istiod's clock is not ours.
fn age(now: Timestamp, then: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}
