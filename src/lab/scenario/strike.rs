//! Faults put into effect: those that hit requests, and those that come at their time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::fault::{Effect, Fault, On, Verb};
use crate::lab::api::{self, ApiServer, Record, StatusError};
use crate::lab::istio;
use crate::model::glob;

/// Chance that comes from a seed: the same question gives the same answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// Whether it falls on the side that has this share.
    pub(super) fn falls(self, question: &str, share: f64) -> bool {
        let digest = Sha256::digest(format!("{}/{question}", self.0));
        let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        f64::from(number) < share * (f64::from(u32::MAX) + 1.0)
    }
}

/// The revisions whose control planes are held down.
#[derive(Debug, Clone, Default)]
pub(super) struct Down(Arc<Mutex<BTreeSet<String>>>);

impl Down {
    fn with<T>(&self, look: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this one is.
    pub(super) fn has(&self, revision: &str) -> bool {
        self.with(|down| down.contains(revision))
    }
}

/// What faults need of the lab.
#[derive(Clone)]
pub(super) struct World {
    pub(super) api: ApiServer,
    pub(super) dice: Dice,
    pub(super) down: Down,
    pub(super) crash: CancellationToken,
    /// When the cluster was up: faults count from here.
    pub(super) origin: Instant,
}

/// Puts a fault into effect; what comes at its time is a task that ends with its handle.
pub(super) fn arm(world: &World, number: usize, fault: &Fault) -> Option<AbortOnDropHandle<()>> {
    let requests = match &fault.effect {
        Effect::Compact | Effect::KillIstiod { .. } => false,
        Effect::CrashPlan => fault.on != On::default(),
        _ => true,
    };
    if requests {
        hit_requests(world, number, fault);
    }
    let timed = matches!(
        fault.effect,
        Effect::Compact | Effect::KillIstiod { .. } | Effect::LostServer
    ) || !requests;
    timed.then(|| {
        let come = come(world.clone(), fault.clone());
        AbortOnDropHandle::new(tokio::spawn(come))
    })
}

/// What comes at its time.
async fn come(world: World, fault: Fault) {
    let at = world.origin + fault.at.0;
    tokio::time::sleep_until(at).await;
    match &fault.effect {
        Effect::Compact => world.api.compact(),
        Effect::LostServer => world.api.disconnect(),
        Effect::CrashPlan => world.crash.cancel(),
        Effect::KillIstiod { revision } => {
            world.down.with(|down| down.insert(revision.clone()));
            kill(&world.api, revision);
            if let Some(lasts) = fault.lasts {
                tokio::time::sleep_until(at + lasts.0).await;
            }
            world.down.with(|down| down.remove(revision));
            // Those that came meanwhile wait for a readiness that was never to be.
            kill(&world.api, revision);
        }
        Effect::Answer { .. }
        | Effect::Lose
        | Effect::LoseAnswer
        | Effect::Delay(_)
        | Effect::CutWatch { .. }
        | Effect::Silence => {}
    }
}

fn kill(api: &ApiServer, revision: &str) {
    for pod in istio::replicas(api, revision) {
        let now = json!({"gracePeriodSeconds": 0});
        let sent = api
            .path(&pod)
            .and_then(|(_, path)| api.request("kubelet", "DELETE", &path, now));
        if let Err(error) = sent {
            tracing::debug!(%error, "an istiod was gone already");
        }
    }
}

fn hit_requests(world: &World, number: usize, fault: &Fault) {
    let effect = match &fault.effect {
        Effect::Answer {
            status,
            retry_after,
        } => api::Effect::Fail(answer(*status, retry_after.map(|span| span.0.as_secs()))),
        Effect::LoseAnswer => api::Effect::LoseAnswer,
        Effect::Delay(time) => api::Effect::Delay(time.0),
        Effect::CutWatch { events } => api::Effect::CutWatch(*events),
        Effect::Silence => api::Effect::Silence,
        // The request of one who dies may still be carried out.
        Effect::CrashPlan if world.dice.falls(&format!("crash/{number}"), 0.5) => {
            api::Effect::LoseAnswer
        }
        _ => api::Effect::Lose,
    };
    let watches = matches!(fault.effect, Effect::CutWatch { .. } | Effect::Silence);
    let crash = (fault.effect == Effect::CrashPlan).then(|| world.crash.clone());
    let begins = world.origin + fault.at.0;
    let ends = fault.lasts.map(|lasts| begins + lasts.0);
    let (on, chance, dice) = (fault.on.clone(), fault.chance, world.dice);
    let asked = AtomicU64::new(0);
    let applies = move |record: &Record| {
        let now = Instant::now();
        let inside = now >= begins && ends.is_none_or(|ends| now < ends);
        if !(inside && fits(&on, record) && (!watches || record.verb == "watch")) {
            return false;
        }
        let nth = asked.fetch_add(1, Ordering::Relaxed);
        let struck = dice.falls(&format!("fault/{number}/{nth}"), chance);
        if let (true, Some(crash)) = (struck, &crash) {
            crash.cancel();
        }
        struck
    };
    let mut armed = api::Fault::when(applies, effect);
    let once = (fault.effect == Effect::CrashPlan).then_some(1);
    if let Some(times) = fault.times.or(once) {
        armed = armed.times(times);
    }
    world.api.add_fault(armed);
}

fn fits(on: &On, record: &Record) -> bool {
    let named = |glob: &Option<String>, text: &str| {
        glob.as_ref().is_none_or(|glob| glob::matches(glob, text))
    };
    on.verb.is_none_or(|verb| verb.is(&record.verb))
        && named(&on.resource, &record.resource)
        && named(&on.namespace, &record.namespace)
        && named(&on.name, &record.name)
        && on
            .agent
            .as_ref()
            .is_none_or(|agent| record.agent.starts_with(agent.as_str()))
}

impl Verb {
    fn is(self, verb: &str) -> bool {
        match self {
            Self::Get => verb == "get",
            Self::List => verb == "list",
            Self::Watch => verb == "watch",
            Self::Create => verb == "create",
            Self::Update => verb == "update",
            Self::Patch => verb == "patch",
            Self::Delete => verb == "delete",
            Self::DeleteCollection => verb == "deletecollection",
            Self::Write => !matches!(verb, "get" | "list" | "watch"),
        }
    }
}

/// The failure of this status, in the real server's words.
fn answer(status: u16, retry_after: Option<u64>) -> StatusError {
    let seconds = retry_after.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
    let mut error = match status {
        400 => StatusError::bad_request("the server rejected our request for an unknown reason"),
        401 => StatusError::new(401, "Unauthorized", "Unauthorized"),
        403 => StatusError::new(403, "Forbidden", "forbidden: the lab's fault"),
        404 => StatusError::no_route(),
        409 => StatusError::new(
            409,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        410 => StatusError::expired("too old resource version"),
        429 => StatusError::too_many_requests(
            "the server has received too many requests and has asked us to try again later",
            seconds.unwrap_or(1),
        ),
        500 => StatusError::internal("etcdserver: leader changed"),
        503 => StatusError::new(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        504 => StatusError::new(
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        ),
        _ => StatusError::new(status, "", format!("the server answers {status}")),
    };
    error.retry_after = seconds.or(error.retry_after);
    error
}
