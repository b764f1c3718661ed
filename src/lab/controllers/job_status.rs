//! A Job's status: counts, conditions, and whether it is over.

use super::events::Kind;
use super::job::Progress;
use super::pass::Pass;
use super::pass::count;
use super::pass::is_ready;
use super::pass::set_condition;
use crate::lab::api::object;
use crate::lab::api::object::items;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// The minors of Kubernetes from which on a status has these.
const READY: u32 = 24;
const UNCOUNTED: u32 = 26;
const TERMINATING: u32 = 31;

/// How a Job ends: what it is on the way to, what it is then, and why.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    target: &'static str,
    end: &'static str,
    reason: &'static str,
    message: &'static str,
}

const REACHED: Verdict = Verdict {
    target: "SuccessCriteriaMet",
    end: "Complete",
    reason: "CompletionsReached",
    message: "Reached expected number of succeeded pods",
};
const TOO_OFTEN: Verdict = Verdict {
    target: "FailureTarget",
    end: "Failed",
    reason: "BackoffLimitExceeded",
    message: "Job has reached the specified backoff limit",
};
const TOO_LATE: Verdict = Verdict {
    target: "FailureTarget",
    end: "Failed",
    reason: "DeadlineExceeded",
    message: "Job was active longer than specified deadline",
};

fn has(job: &Value, kind: &str, reason: Option<&str>) -> bool {
    items(&job["status"], "conditions").any(|one| {
        one["type"] == kind
            && one["status"] == "True"
            && reason.is_none_or(|reason| one["reason"] == reason)
    })
}

/// Whether nothing more becomes of it.
pub(super) fn is_finished(job: &Value) -> bool {
    has(job, "Complete", None) || has(job, "Failed", None)
}

/// Since when it is finished.
pub(super) fn finished_at(job: &Value) -> Option<Timestamp> {
    items(&job["status"], "conditions")
        .find(|one| one["type"] == "Complete" || one["type"] == "Failed")?["lastTransitionTime"]
        .as_str()?
        .parse()
        .ok()
}

/// How many pods must end well; one where nothing is said, as for those who share a queue.
pub(super) fn wanted(job: &Value) -> usize {
    job["spec"]["completions"]
        .as_u64()
        .map_or(1, |_| count(&job["spec"]["completions"]))
}

/// What the Job comes to, once that is clear.
pub(super) fn verdict(pass: &mut Pass<'_>, job: &Value, progress: &Progress) -> Option<Verdict> {
    let known = [TOO_OFTEN, TOO_LATE];
    if let Some(known) = known
        .into_iter()
        .find(|one| has(job, one.target, Some(one.reason)))
    {
        return Some(known);
    }
    let limit = job["spec"]["backoffLimit"].as_u64().unwrap_or(6);
    if u64::try_from(progress.failed).is_ok_and(|failed| failed > limit) {
        return Some(TOO_OFTEN);
    }
    if is_too_late(pass, job) {
        return Some(TOO_LATE);
    }
    let queue = job["spec"]["completions"].is_null();
    let reached = progress.succeeded >= wanted(job) && (!queue || progress.active.is_empty());
    reached.then_some(REACHED)
}

fn is_too_late(pass: &mut Pass<'_>, job: &Value) -> bool {
    let since = job["status"]["startTime"].as_str();
    let since = since.and_then(|text| text.parse::<Timestamp>().ok());
    let deadline = job["spec"]["activeDeadlineSeconds"].as_i64();
    let Some((deadline, since)) = deadline.zip(since) else {
        return false;
    };
    if job["spec"]["suspend"] == true {
        return false;
    }
    let left = deadline - pass.timestamp().duration_since(since).as_secs();
    if left > 0 {
        pass.wake_after(Duration::from_secs(left.unsigned_abs()));
    }
    left <= 0
}

/// The status that follows.
pub(super) fn status(
    pass: &Pass<'_>,
    job: &Value,
    progress: &Progress,
    verdict: Option<Verdict>,
) -> Value {
    let (old, now, minor) = (&job["status"], pass.time(), pass.api.minor());
    let mut conditions: Vec<Value> = items(old, "conditions").cloned().collect();
    let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
        let same = |one: &&Value| one["type"] == kind && one["status"] == status;
        if !conditions.iter().any(|one| same(&one)) {
            let condition = json!({"type": kind, "status": status, "lastProbeTime": now, "reason": reason, "message": message});
            set_condition(&mut conditions, condition, &now);
        }
    };
    let suspended = job["spec"]["suspend"] == true;
    let was_suspended = has(job, "Suspended", None);
    let mut finished = false;
    if let Some(verdict) = verdict {
        if minor >= TERMINATING {
            set(verdict.target, "True", verdict.reason, verdict.message);
        }
        finished = minor < TERMINATING || (progress.active.is_empty() && progress.terminating == 0);
        if finished {
            set(verdict.end, "True", verdict.reason, verdict.message);
        }
    } else if suspended {
        set("Suspended", "True", "JobSuspended", "Job suspended");
    } else if was_suspended {
        set("Suspended", "False", "JobResumed", "Job resumed");
    }
    let gone = suspended || verdict.is_some();
    let active = if gone { 0 } else { progress.active.len() };
    let ready = progress.active.iter().filter(|pod| is_ready(pod)).count();
    let started = match &old["startTime"] {
        Value::Null if suspended => Value::Null,
        Value::Null => json!(now),
        _ if was_suspended && !suspended => json!(now),
        since => since.clone(),
    };
    let positive = |count: usize| (count > 0).then_some(count);
    let mut status = json!({
        "startTime": started, "active": positive(active), "succeeded": positive(progress.succeeded), "failed": positive(progress.failed),
        "ready": (minor >= READY).then_some(if gone { 0 } else { ready }),
        "terminating": (minor >= TERMINATING).then_some(progress.terminating),
        "uncountedTerminatedPods": (minor >= UNCOUNTED).then(|| json!({})),
        "completedIndexes": progress.indexes.as_ref().filter(|done| !done.is_empty()).map(write),
        "conditions": (!conditions.is_empty()).then_some(conditions),
        "completionTime": (finished && verdict.is_some_and(|one| one.end == REACHED.end)).then_some(now),
    });
    object::drop_nulls(&mut status);
    status
}

/// Tells of what a status says for the first time.
pub(super) fn tell(pass: &Pass<'_>, job: &Value, status: &Value) {
    for condition in items(status, "conditions") {
        let kind = condition["type"].as_str().unwrap_or_default();
        let text = |key: &str| condition[key].as_str().unwrap_or_default();
        let is_new = items(&job["status"], "conditions")
            .all(|one| one["type"] != kind || one["status"] != condition["status"]);
        match (kind, text("status")) {
            _ if !is_new => {}
            ("Complete", "True") => pass.tell(job, Kind::Normal, "Completed", "Job completed"),
            ("Failed", "True") => {
                pass.tell(job, Kind::Warning, text("reason"), text("message"));
            }
            ("Suspended", "True") => pass.tell(job, Kind::Normal, "Suspended", text("message")),
            ("Suspended", "False") => pass.tell(job, Kind::Normal, "Resumed", text("message")),
            _ => {}
        }
    }
}

/// Reads `0-2,4`.
pub(super) fn parse(text: &str) -> BTreeSet<usize> {
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
        })
        .flatten()
        .collect()
}

/// Writes `0-2,4`: three in a row and more become a range.
fn write(done: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in done {
        match runs.last_mut().filter(|(_, last)| last + 1 == *number) {
            Some((_, last)) => *last = *number,
            None => runs.push((*number, *number)),
        }
    }
    let text = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    text.collect::<Vec<_>>().join(",")
}
