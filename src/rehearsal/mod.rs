//! Rehearsals: the same plan again and again, each time in a fresh lab with a seed of its own, and what came of it.
//!
//! A rehearsal goes the way of a real run: a lease, a journal (in memory), the steps, the engine. What is drawn for it
//! (faults, the moment at which `plan` dies) comes from its seed, so that a seed shows the same rehearsal again, to the
//! byte of its journal. All the while an observer looks at the cluster and holds it against the invariants.

mod faults;
mod intents;
pub mod invariants;
mod observer;
mod report;
mod session;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use faults::Class;
pub use observer::{Breach, Story};
pub use report::text;
pub use summary::{Group, Summary};

use crate::check::{Checked, Role, Work};
use crate::engine::Options;
use crate::lab::scenario::{Fault, OpenError, Scenario};
use crate::model::Action;
use crate::snapshot::Snapshot;
use crate::steps::Workspace;
use session::Stage;

/// What is rehearsed.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The plan.
    pub checked: Arc<Checked>,
    /// The world that it is tried on.
    pub scenario: Scenario,
    /// The cluster that takes the place of what the scenario describes.
    pub snapshot: Option<Snapshot>,
    /// What stands in for programs and files.
    pub workspace: Workspace,
    /// How the runs are driven; their seed is the rehearsal's.
    pub options: Options,
    /// The Istio namespaces whose locks a run takes.
    pub namespaces: BTreeSet<String>,
    /// Which faults are drawn, beside those of the scenario.
    pub faults: Vec<Class>,
}

/// What came of one rehearsal.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// Its seed.
    pub seed: u64,
    /// What was drawn.
    pub faults: Vec<Fault>,
    /// Why it did not end well.
    pub failure: Option<String>,
    /// Whether `plan` died.
    pub crashed: bool,
    /// Why people had to take it up again, each time that they had to, and how many bytes the journal had by then.
    pub helped: Vec<(String, usize)>,
    /// How long it took on the lab's clock, from the first event to the last.
    pub took: Duration,
    /// What was not as it must be.
    pub breaches: Vec<Breach>,
    /// What it did to each workload, by `Kind/namespace/name`.
    pub workloads: BTreeMap<String, Story>,
    /// Its journal.
    pub journal: Vec<u8>,
}

impl Rehearsed {
    /// Without a journal that nobody needs: there may be thousands.
    fn slim(mut self) -> Self {
        if self.is_well() && self.helped.is_empty() {
            self.journal = Vec::new();
        }
        self
    }

    /// Whether it ended well, and nothing was broken on the way.
    pub fn is_well(&self) -> bool {
        self.failure.is_none() && self.breaches.is_empty()
    }
}

impl Rehearsal {
    /// Rehearses once for each seed, on as many threads as there are processors; the results come in the order of the
    /// seeds. Only those that did not go well by themselves keep their journals.
    ///
    /// # Errors
    /// The lab cannot be opened.
    pub fn run_all(&self, seeds: &[u64]) -> Result<Vec<Rehearsed>, OpenError> {
        let moments = self.moments()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push(self.run_with(*seed, &moments).map(Rehearsed::slim));
            }
            done
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let parts: Vec<Vec<Result<Rehearsed, OpenError>>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.min(seeds.len()))
                .map(|_| scope.spawn(work))
                .collect();
            // A panic in one is a panic here.
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        let mut all = parts.into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
        let place: BTreeMap<u64, usize> =
            seeds.iter().enumerate().map(|(at, s)| (*s, at)).collect();
        all.sort_by_key(|done| place[&done.seed]);
        Ok(all)
    }

    /// Rehearses once.
    ///
    /// # Errors
    /// The lab cannot be opened.
    pub fn run(&self, seed: u64) -> Result<Rehearsed, OpenError> {
        self.run_with(seed, &self.moments()?)
    }

    /// When something happens in a run without faults: around these moments faults are drawn.
    fn moments(&self) -> Result<Vec<Duration>, OpenError> {
        if self.faults.is_empty() {
            return Ok(Vec::new());
        }
        let calm = on_paused_time(Stage::open(self, 0, Vec::new()), Stage::perform)?;
        Ok(summary::moments(&calm.journal))
    }

    /// The control planes that there are, and those that the plan installs.
    fn revisions(&self) -> Vec<String> {
        let there = self.scenario.istio.revisions.iter();
        let mut all: Vec<String> = match &self.snapshot {
            Some(snapshot) => {
                let istiods = snapshot.istiods.iter();
                istiods.map(|one| one.revision.clone()).collect()
            }
            None => there.map(|one| one.name.clone()).collect(),
        };
        for task in self.checked.tasks() {
            if let Role::Step(Work::Ready(action)) = &task.role
                && let Action::InstallRevision(step) = &**action
            {
                all.push(step.revision.clone());
            }
        }
        all
    }

    fn run_with(&self, seed: u64, moments: &[Duration]) -> Result<Rehearsed, OpenError> {
        let drawn = faults::draw(&self.faults, seed, moments, &self.revisions());
        on_paused_time(Stage::open(self, seed, drawn), Stage::perform)
    }
}

/// Runs on one thread and on time that passes when nothing else is left to do.
fn on_paused_time<S, T, E>(
    open: impl Future<Output = Result<S, E>>,
    perform: impl AsyncFnOnce(S) -> T,
) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(async { Ok(perform(open.await?).await) }),
        Err(error) => panic!("no runtime for a rehearsal: {error}"),
    }
}
