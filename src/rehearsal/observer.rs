//! Looks at the cluster after every write, beside the run: what breaks, what is restarted, how long with fewer pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::intents::Intents;
use super::invariants::{self, Invariant, World, reference};
use crate::journal::Memory;
use crate::lab::api::{ApiServer, Change, Effect as Strike, Fault as Rule};
use crate::lab::scenario::{Effect, Fault};
use crate::mesh::istiod::{Names, SYSTEM_NAMESPACE};

/// How long after a control plane was let up again its webhooks may be without a target.
const RECOVERY: Duration = Duration::from_secs(30);
/// Where each kind of workload is kept.
const WORKLOADS: [&str; 3] = ["deployments.apps", "statefulsets.apps", "daemonsets.apps"];

/// Where the other objects are kept that rules are about.
const INJECTORS: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATORS: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";
const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
/// The `ConfigMap` with the root of trust of a namespace.
const ROOT: &str = "istio-ca-root-cert";

/// Something that was not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The rule.
    pub invariant: Invariant,
    /// What broke it.
    pub what: String,
    /// When, on the lab's clock.
    pub at: Timestamp,
    /// How many bytes the journal had by then: what led there.
    pub journal: usize,
}

/// What a run does to a workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// How often its pod template changed.
    pub restarts: u32,
    /// How long it had fewer available pods than it wants.
    pub reduced: Duration,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) breaches: Vec<Breach>,
    pub(super) workloads: BTreeMap<String, Story>,
    /// The template of each workload, and since when it lacks pods.
    last: BTreeMap<String, (Value, Option<Timestamp>)>,
    /// The workloads that were injected when it began.
    injected: BTreeSet<String>,
    /// The write up to which everything was looked at; nothing was yet.
    revision: Option<u64>,
    /// Whether faults held a control plane down at the last look.
    was_down: bool,
}

/// Watches a cluster until it is dropped.
pub(super) struct Observer {
    eye: Eye,
    intents: Arc<Intents>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Eye {
    api: ApiServer,
    ledger: Ledger,
    faults: Arc<[Fault]>,
    began: Timestamp,
}

/// Where it is written down.
#[derive(Clone)]
struct Ledger {
    seen: Arc<Mutex<Seen>>,
    journal: Memory,
}

impl Observer {
    /// Begins to watch. `faults` say which control planes are killed, and when, counted from now.
    pub(super) fn start(api: &ApiServer, journal: &Memory, faults: &[Fault]) -> Self {
        let eye = Eye {
            api: api.clone(),
            ledger: Ledger {
                seen: Arc::default(),
                journal: journal.clone(),
            },
            faults: faults.into(),
            began: api.now(),
        };
        eye.ledger.seen().injected = invariants::injected(&world(api));
        eye.look();
        let watching = eye.clone();
        let task = tokio::spawn(async move {
            let mut news = watching.api.revisions();
            while news.changed().await.is_ok() {
                watching.look();
            }
        });
        let observer = Self {
            intents: Arc::new(Intents::new(journal.clone())),
            eye,
            _task: AbortOnDropHandle::new(task),
        };
        observer.listen();
        observer
    }

    /// Hears every request; again after the faults were ended, which it is one of.
    pub(super) fn listen(&self) {
        // The server has the rule: with the server in it neither would ever be dropped.
        let server = self.eye.api.downgrade();
        let (intents, ledger) = (Arc::clone(&self.intents), self.eye.ledger.clone());
        let hears = move |record: &crate::lab::api::Record| {
            if let (Some(what), Some(server)) = (intents.judge(record), server.upgrade()) {
                ledger.breach(server.now(), Invariant::Intent, what);
            }
            false
        };
        self.eye.api.add_fault(Rule::when(hears, Strike::Lose));
    }

    /// The last look, and all that was seen.
    pub(super) fn finish(self) -> Seen {
        self.eye.look();
        let now = self.eye.api.now();
        let mut seen = std::mem::take(&mut *self.eye.ledger.seen());
        for (name, (_, since)) in &seen.last {
            if let (Some(since), Some(story)) = (since, seen.workloads.get_mut(name)) {
                story.reduced += between(*since, now);
            }
        }
        seen
    }
}

impl Eye {
    /// Looks at what was written since the last look, and at everything where that is what rules are about.
    fn look(&self) {
        let down = self.down();
        let (changes, again) = {
            let mut seen = self.ledger.seen();
            let since = seen.revision;
            let (revision, changes) = self.api.changes(since.unwrap_or(0));
            seen.revision = Some(revision);
            let again = seen.was_down || !down.is_empty();
            seen.was_down = !down.is_empty();
            (changes.filter(|_| since.is_some()), again)
        };
        let Some(changes) = changes else {
            let world = world(&self.api);
            self.judge(&world, &down);
            world.workloads.iter().for_each(|one| self.follow(one));
            return;
        };
        if again || changes.iter().any(decides) {
            self.judge(&world(&self.api), &down);
        } else {
            let pods = changes.iter().filter(|one| one.key.resource == "pods");
            let mut world = World {
                pods: pods.filter_map(|one| one.after.clone()).collect(),
                ..World::default()
            };
            if !world.pods.is_empty() {
                world.workloads = self.api.objects(WORKLOADS[0], "");
                self.told(invariants::check_pods(&world));
            }
        }
        let workloads = changes.iter().filter(|one| is_workload(&one.key.resource));
        for workload in workloads.filter_map(|one| one.after.as_ref()) {
            self.follow(workload);
        }
    }

    fn judge(&self, world: &World, down: &BTreeSet<String>) {
        let found = invariants::check(world, &self.ledger.seen().injected, down);
        self.told(found);
    }

    fn told(&self, found: invariants::Found) {
        for (invariant, what) in found {
            self.ledger.breach(self.api.now(), invariant, what);
        }
    }

    /// The Services of the control planes that faults have killed.
    fn down(&self) -> BTreeSet<String> {
        let passed = between(self.began, self.api.now());
        let killed = self.faults.iter().filter_map(|fault| match &fault.effect {
            Effect::KillIstiod { revision } => {
                let ends = fault.ends().unwrap_or(fault.at.0) + RECOVERY;
                let is_down = (fault.at.0..ends).contains(&passed);
                is_down.then(|| Names::new(revision, SYSTEM_NAMESPACE).istiod())
            }
            _ => None,
        });
        killed.collect()
    }

    fn follow(&self, workload: &Value) {
        let name = reference(workload);
        let template = &workload["spec"]["template"];
        let now = self.api.now();
        let lacks = lacks(workload);
        let restarts = {
            let mut seen = self.ledger.seen();
            let seen = &mut *seen;
            let Some((last, since)) = seen.last.get_mut(&name) else {
                let since = lacks.then_some(now);
                seen.last.insert(name, (template.clone(), since));
                return;
            };
            let story = seen.workloads.entry(name.clone()).or_default();
            if last != template {
                last.clone_from(template);
                story.restarts += 1;
            }
            match (*since, lacks) {
                (None, true) => *since = Some(now),
                (Some(from), false) => {
                    story.reduced += between(from, now);
                    *since = None;
                }
                _ => {}
            }
            story.restarts
        };
        if restarts > 1 {
            self.ledger.breach(
                self.api.now(),
                Invariant::OneRestart,
                format!("{name}: {restarts} times"),
            );
        }
    }
}

impl Ledger {
    /// The same breach is told once.
    fn breach(&self, at: Timestamp, invariant: Invariant, what: String) {
        let journal = self.journal.len();
        let mut seen = self.seen();
        let known = seen
            .breaches
            .iter()
            .any(|one| one.invariant == invariant && one.what == what);
        if !known {
            seen.breaches.push(Breach {
                invariant,
                what,
                at,
                journal,
            });
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_workload(resource: &str) -> bool {
    WORKLOADS.contains(&resource)
}

/// Whether a write may break more than the rules about its own pod: most only say how far something is.
fn decides(change: &Change) -> bool {
    let resource = change.key.resource.as_str();
    let part = |pointer: &str| {
        let of = |value: &Option<Arc<Value>>| value.as_ref()?.pointer(pointer).cloned();
        (of(&change.before), of(&change.after))
    };
    match resource {
        "endpoints" => {
            let (before, after) = part("/subsets/0/addresses");
            before.is_some() != after.is_some()
        }
        "configmaps" => change.key.name == ROOT,
        "namespaces" | "services" | INJECTORS | VALIDATORS | DEFINITIONS => true,
        _ if is_workload(resource) => {
            let (before, after) = part("/spec/template");
            before != after
        }
        _ => false,
    }
}

/// What the invariants are about.
pub(super) fn world(api: &ApiServer) -> World {
    let all = |resource: &str| api.objects(resource, "");
    let mut roots = all("configmaps");
    roots.retain(|map| map["metadata"]["name"] == ROOT);
    World {
        injectors: all(INJECTORS),
        validators: all(VALIDATORS),
        namespaces: all("namespaces"),
        workloads: WORKLOADS.into_iter().flat_map(all).collect(),
        pods: all("pods"),
        services: all("services"),
        endpoints: all("endpoints"),
        roots,
        definitions: all(DEFINITIONS),
    }
}

/// Whether fewer pods are available than the workload wants.
fn lacks(workload: &Value) -> bool {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (spec, status) = (&workload["spec"], &workload["status"]);
    if workload["kind"] == "DaemonSet" {
        return count(&status["numberAvailable"]) < count(&status["desiredNumberScheduled"]);
    }
    count(&status["availableReplicas"]) < spec["replicas"].as_u64().unwrap_or(1)
}

pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from).max(SignedDuration::ZERO)).unwrap_or_default()
}
