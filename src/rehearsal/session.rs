//! One rehearsal: runs, crashes and resumes until the plan has ended well, or it is clear that it does not.

use std::sync::Arc;
use std::time::Duration;

use super::observer::{Observer, Seen, between};
use super::{Rehearsal, Rehearsed};
use crate::cluster::{Cluster, Holder, Leases};
use crate::engine::{self, Clock as _, Control, Options, Run, RunEnd, TokioClock};
use crate::event::RunResult;
use crate::journal::{Journal, Memory, Phase, ReadError, RunState, parse, run_id};
use crate::lab::scenario::{Fault, Lab, OpenError};
use crate::model::RunId;
use crate::steps::Steps;

/// How long after the last fault people wait before they take a run up again: what was killed comes back.
const CALM: Duration = Duration::from_secs(60);

/// A world, and the run that is tried on it.
pub(super) struct Stage<'a> {
    rehearsal: &'a Rehearsal,
    seed: u64,
    drawn: Vec<Fault>,
    pub(super) lab: Lab,
    clock: TokioClock,
    id: RunId,
    journal: Memory,
    observer: Observer,
    /// When all faults are over, on the lab's time since it was up.
    calm: Duration,
    crashed: bool,
    helped: Vec<(String, usize)>,
    sessions: u32,
}

/// How one process of a run ended.
enum Ended {
    /// As a run does.
    Run(RunEnd, String),
    /// It died.
    Crashed,
    /// It could not begin, or go on.
    Refused(String),
}

impl<'a> Stage<'a> {
    /// Opens the world.
    ///
    /// # Errors
    /// The lab cannot be opened.
    pub(super) async fn open(
        rehearsal: &'a Rehearsal,
        seed: u64,
        drawn: Vec<Fault>,
    ) -> Result<Self, OpenError> {
        let mut scenario = rehearsal.scenario.clone();
        scenario.faults.extend(drawn.iter().cloned());
        let lab = match &rehearsal.snapshot {
            Some(snapshot) => scenario.open_snapshot(snapshot, seed)?,
            None => scenario.open(seed).await?,
        };
        let clock = TokioClock::starting_at(lab.api.now());
        let random = u16::try_from(seed & 0xffff).unwrap_or_default();
        let journal = Memory::default();
        let calm = scenario.faults.iter().filter_map(Fault::ends).max();
        Ok(Self {
            rehearsal,
            seed,
            drawn,
            clock,
            id: run_id(clock.now(), rehearsal.checked.name(), random),
            observer: Observer::start(&lab.api, &journal, &scenario.faults),
            journal,
            lab,
            calm: calm.unwrap_or_default() + CALM,
            crashed: false,
            helped: Vec::new(),
            sessions: 0,
        })
    }

    /// Runs, and takes up again what ended early: at once after a crash; else as people would, once, when it is calm.
    pub(super) async fn perform(mut self) -> Rehearsed {
        let began = self.clock.now();
        let failure = loop {
            let why = match self.session().await {
                Ended::Run(RunEnd::Finished(RunResult::Succeeded), _) => break None,
                Ended::Crashed => {
                    self.crashed = true;
                    continue;
                }
                Ended::Run(RunEnd::Finished(RunResult::Rejected), why) => break Some(why),
                Ended::Run(_, why) | Ended::Refused(why) => why,
            };
            // After that nothing is in the way any more.
            if self.is_calm() {
                break Some(why);
            }
            self.helped.push((why, self.journal.len()));
            self.wait_for_calm(began).await;
        };
        self.finish(failure)
    }

    fn is_calm(&self) -> bool {
        self.calm.is_zero()
    }

    async fn wait_for_calm(&mut self, began: jiff::Timestamp) {
        let left = self.calm.saturating_sub(between(began, self.clock.now()));
        tokio::time::sleep(left.max(CALM)).await;
        self.lab.end_faults();
        self.observer.listen();
        self.calm = Duration::ZERO;
    }

    /// One process, from its start to its end or death.
    async fn session(&mut self) -> Ended {
        self.sessions += 1;
        let work = self.work();
        if self.crashed {
            return work.await;
        }
        tokio::select! {
            biased;
            () = self.lab.crashed() => Ended::Crashed,
            ended = work => ended,
        }
    }

    async fn work(&self) -> Ended {
        let resume = match parse(&self.journal.bytes()) {
            Ok(recorded) => Some(recorded.state()),
            Err(ReadError::Empty) => None,
            Err(error) => return Ended::Refused(error.to_string()),
        };
        if let Some(state) = &resume
            && state.phase == Phase::Ended(RunResult::Succeeded)
        {
            let end = RunEnd::Finished(RunResult::Succeeded);
            return Ended::Run(end, state.message.clone());
        }
        let cluster = Cluster::from_service(self.lab.api.service("plan"), false);
        let leases = match self.lock(&cluster).await {
            Ok(leases) => Arc::new(leases),
            Err(why) => return Ended::Refused(why),
        };
        let (_control, orders) = Control::channel();
        let outcome = engine::run(self.a_run(cluster, &leases, resume), orders).await;
        if let Ok(leases) = Arc::try_unwrap(leases) {
            leases.release().await;
        }
        match outcome {
            Ok(outcome) => Ended::Run(outcome.end, why(&outcome.state)),
            Err(error) => Ended::Refused(error.to_string()),
        }
    }

    /// The lock: what this run's own dead predecessor holds is taken at once on its host, and waited out on another.
    async fn lock(&self, cluster: &Cluster) -> Result<Leases, String> {
        let moves = self.seed.is_multiple_of(4);
        let host = if moves && self.sessions > 1 {
            "lab-2"
        } else {
            "lab-1"
        };
        let holder = Holder {
            run: self.id.to_string(),
            host: host.to_owned(),
            nonce: format!("{:x}-{}", self.seed, self.sessions),
        };
        let mine = [self.id.to_string(), host.to_owned()];
        let dead = |owner: &str| owner.split('/').take(2).eq(mine.iter().map(String::as_str));
        let clock = self.clock;
        let namespaces = &self.rehearsal.namespaces;
        let now = move || clock.now();
        Leases::acquire(cluster, namespaces, holder, now, dead, |_| {})
            .await
            .map_err(|(_, error)| error.to_string())
    }

    fn a_run(&self, cluster: Cluster, leases: &Arc<Leases>, resume: Option<RunState>) -> Run {
        let workspace = self.rehearsal.workspace.clone();
        Run {
            id: self.id.clone(),
            checked: Arc::clone(&self.rehearsal.checked),
            execute: Arc::new(Steps::new(cluster, workspace)),
            journal: Journal::new(self.journal.clone()).in_turn(),
            reporters: Vec::new(),
            clock: Arc::new(self.clock),
            options: Options {
                seed: self.seed,
                ..self.rehearsal.options.clone()
            },
            gatekeeper: None,
            lease: Some(Arc::clone(leases) as Arc<dyn engine::Lease>),
            mailbox: None,
            resume,
        }
    }

    fn finish(self, failure: Option<String>) -> Rehearsed {
        let Seen {
            breaches,
            workloads,
            ..
        } = self.observer.finish();
        let journal = self.journal.bytes();
        Rehearsed {
            seed: self.seed,
            faults: self.drawn,
            failure,
            crashed: self.crashed,
            helped: self.helped,
            took: super::summary::took(&journal),
            breaches,
            workloads,
            journal,
        }
    }
}

/// Why a run did not end well: its first step that failed, and the words of it.
fn why(state: &RunState) -> String {
    let failed = state.steps().find_map(|(id, node)| {
        let error = node.error.as_ref()?;
        let failed = node.outcome.is_some_and(|outcome| !outcome.satisfies());
        failed.then(|| format!("{id}: {}", error.message))
    });
    failed.unwrap_or_else(|| state.message.clone())
}
