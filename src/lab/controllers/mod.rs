//! The controllers of a cluster and its nodes, simulated.
//!
//! One loop looks at what has changed, and at what depends on it, and moves each object one step, until nothing moves; then
//! it sleeps until something is written or a time comes. Its times are tokio's, so that paused time makes a rollout take no time at all.

mod budget;
mod daemon_set;
mod deployment;
mod deployment_status;
mod endpoints;
mod events;
mod garbage;
mod job;
mod job_status;
mod kubelet;
mod memory;
mod namespaces;
mod pass;
mod proportion;
mod replica_set;
mod revision;
mod scheduler;
mod stateful_set;
#[cfg(test)]
mod tests;

use super::api::ApiServer;
use super::api::object;
use memory::Memory;
use pass::Pass;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Says after which time a pod is ready, counted from when its node sees it; none: never.
pub type Readiness = Arc<dyn Fn(&Value) -> Option<Duration> + Send + Sync>;

/// Says after which time a ready pod has run to its end; none: it runs for ever.
pub type Running = Arc<dyn Fn(&Value) -> Option<Duration> + Send + Sync>;

/// How fast the simulated nodes are, and how many.
#[derive(Clone)]
pub struct Settings {
    /// When a pod becomes ready.
    pub ready: Readiness,
    /// When a pod has run to its end.
    pub runs: Running,
    /// How long a pod takes to end.
    pub stop: Duration,
    /// How many nodes are added to those that are there.
    pub nodes: usize,
    /// Pods, by uid, that their nodes leave as they are until they end: what was going on before the lab began goes on.
    pub settled: BTreeSet<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ready: Arc::new(|_| Some(Duration::from_secs(2))),
            runs: Arc::new(|pod| {
                let of_a_job = object::items(&pod["metadata"], "ownerReferences")
                    .any(|owner| owner["kind"] == "Job");
                of_a_job.then_some(Duration::from_secs(30))
            }),
            stop: Duration::from_secs(1),
            nodes: 3,
            settled: BTreeSet::new(),
        }
    }
}

/// How long changes gather before the controllers look.
const PAUSE: Duration = Duration::from_millis(10);

/// Starts the controllers; they run until the handle is aborted or dropped by the runtime.
pub fn start(api: &ApiServer, settings: Settings) -> JoinHandle<()> {
    for number in 1..=settings.nodes {
        kubelet::register(api, number);
    }
    let api = api.clone();
    tokio::spawn(async move { run(&api, &settings).await })
}

async fn run(api: &ApiServer, settings: &Settings) {
    let mut news = api.revisions();
    let mut memory = Memory::default();
    loop {
        news.mark_unchanged();
        let wake = reconcile(api, settings, &mut memory);
        tokio::select! {
            changed = news.changed() => {
                if changed.is_err() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
            () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
        }
    }
}

/// One look; gives the time of the next that is needed without a change.
fn reconcile(api: &ApiServer, settings: &Settings, memory: &mut Memory) -> Option<Instant> {
    let mut pass = Pass::new(api, settings, memory);
    namespaces::reconcile(&mut pass);
    garbage::reconcile(&mut pass);
    deployment::reconcile(&mut pass);
    replica_set::reconcile(&mut pass);
    stateful_set::reconcile(&mut pass);
    daemon_set::reconcile(&mut pass);
    job::reconcile(&mut pass);
    kubelet::reconcile(&mut pass);
    endpoints::reconcile(&mut pass);
    budget::reconcile(&mut pass);
    memory.next()
}
