//! From a scenario to a running lab.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::strike::{self, Dice, Down, World};
use super::{Gate, Scenario, pod};
use crate::lab::api::{ApiServer, Options, StatusError, object};
use crate::lab::controllers::{self, Readiness};
use crate::lab::istio::{self, UnknownIstio};
use crate::lab::snapshot;
use crate::mesh::injection::{Proxy, shape};
use crate::mesh::istiod::DEFAULT;
use crate::mesh::version::Version;
use crate::snapshot::Snapshot;

/// How long the start waits for the pods; a scenario may begin with some that are never ready.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same where somebody watches: what is not ready then is told instead.
const WATCHED: Duration = Duration::from_secs(15);
/// The versions of Kubernetes that the API server can stand for.
const KUBERNETES: std::ops::RangeInclusive<u32> = 21..=35;

/// Why a scenario cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It leaves open which Istio runs.
    #[error("the scenario names no version for the revision `{0}`")]
    NoVersion(String),
    /// The lab does not know that Istio.
    #[error(transparent)]
    Istio(#[from] UnknownIstio),
    /// The lab does not know that Kubernetes.
    #[error("the lab knows no Kubernetes {0}: only 1.21 to 1.35")]
    Kubernetes(Version),
    /// The lab does not know the Kubernetes of the snapshot.
    #[error("the lab knows Kubernetes from 1.21 on, and the snapshot is of `{0}`")]
    Old(String),
    /// A tag stands for nothing.
    #[error(
        "the tag `{tag}` stands for the revision `{revision}`, which the scenario does not have"
    )]
    Tag {
        /// The tag.
        tag: String,
        /// What it stands for.
        revision: String,
    },
    /// The API server does not take an object of it.
    #[error("the lab's API server refuses {what}: {why}")]
    Refused {
        /// `Deployment shop/cart`.
        what: String,
        /// Its words.
        why: StatusError,
    },
    /// The control planes do not come up.
    #[error("the control plane does not become available")]
    NotUp,
}

/// A running lab: its server, and the tasks behind it, which end with it.
pub struct Lab {
    /// The API server.
    pub api: ApiServer,
    /// How gates are answered.
    pub gates: Vec<Gate>,
    /// The namespaces whose workloads were not all ready when the start was no longer waited for.
    pub unready: Vec<String>,
    crash: CancellationToken,
    faults: Vec<AbortOnDropHandle<()>>,
    _tasks: Tasks,
}

/// The controllers and Istio.
type Tasks = [AbortOnDropHandle<()>; 2];

impl Lab {
    /// Returns when a fault says that `plan` dies.
    pub async fn crashed(&self) {
        self.crash.cancelled().await;
    }

    /// Ends all faults of requests, and all that have not come yet. A control plane that is held down stays so.
    pub fn end_faults(&mut self) {
        self.api.clear_faults();
        self.faults.clear();
    }
}

impl Scenario {
    /// Starts the cluster, waits until its pods are there, and puts the faults into effect. Uids, names and chances
    /// come from the seed.
    ///
    /// # Errors
    /// What the scenario asks for and the lab does not have.
    pub async fn open(&self, seed: u64) -> Result<Lab, OpenError> {
        self.begin(start(seed), seed, PATIENCE).await
    }

    /// Like [`Self::open`], in a cluster whose clock shows this time at the start, for somebody who does not want to
    /// wait long: see [`Lab::unready`].
    ///
    /// # Errors
    /// What the scenario asks for and the lab does not have.
    pub async fn open_at(&self, start: Timestamp, seed: u64) -> Result<Lab, OpenError> {
        self.begin(start, seed, WATCHED).await
    }

    async fn begin(
        &self,
        start: Timestamp,
        seed: u64,
        patience: Duration,
    ) -> Result<Lab, OpenError> {
        let versions = self.versions()?;
        let api = ApiServer::new(&Options {
            minor: self.minor(&versions)?,
            seed,
            start,
            ..Options::default()
        });
        let (dice, down) = (Dice(seed), Down::default());
        self.install(&api, &versions)?;
        let (controllers, mesh) = (self.controllers(dice, down.clone()), self.mesh(dice));
        let tasks = bring_up(&api, controllers, mesh);
        if !until(&api, PATIENCE, || is_up(&api, "istio-system")).await {
            return Err(OpenError::NotUp);
        }
        let mut names = Vec::new();
        for namespace in &self.namespaces {
            for name in namespace.names() {
                let workloads = namespace.workloads.as_ref().unwrap_or(&self.workloads);
                let objects = workloads.iter().flat_map(|one| one.objects(&name));
                objects.into_iter().try_for_each(|one| put(&api, &one))?;
                names.push(name);
            }
        }
        until(&api, patience, || {
            names.iter().all(|name| is_up(&api, name))
        })
        .await;
        names.retain(|name| !is_up(&api, name));
        let mut lab = self.arm(api, tasks, dice, down);
        lab.unready = names;
        Ok(lab)
    }

    /// Brings a snapshot to life. The cluster is that of the snapshot, with its pods and proxies as they were; from the
    /// scenario come the times and behaviours of what is made from now on, and the faults. To be called within a
    /// runtime.
    ///
    /// # Errors
    /// What the snapshot has and the lab does not.
    pub fn open_snapshot(&self, snapshot: &Snapshot, seed: u64) -> Result<Lab, OpenError> {
        let kubernetes = snapshot.kubernetes.parse::<Version>();
        let minor = match &kubernetes {
            Ok(version) if version.major() == 1 && version.minor() >= *KUBERNETES.start() => {
                version.minor().min(*KUBERNETES.end())
            }
            _ => return Err(OpenError::Old(snapshot.kubernetes.clone())),
        };
        let api = ApiServer::new(&Options {
            minor,
            version: Some(snapshot.kubernetes.clone()),
            // A snapshot may be of a lab with the same seed, whose uids are not to come again.
            seed: seed ^ snapshot.taken.as_microsecond().unsigned_abs(),
            start: snapshot.taken,
        });
        let (dice, down) = (Dice(seed), Down::default());
        let (mut controllers, mut mesh) = (self.controllers(dice, down.clone()), self.mesh(dice));
        snapshot::restore(&api, snapshot, &mut controllers, &mut mesh)?;
        let tasks = bring_up(&api, controllers, mesh);
        Ok(self.arm(api, tasks, dice, down))
    }

    /// Puts the faults into effect.
    fn arm(&self, api: ApiServer, tasks: Tasks, dice: Dice, down: Down) -> Lab {
        let world = World {
            api: api.clone(),
            dice,
            down,
            crash: CancellationToken::new(),
            origin: Instant::now(),
        };
        let faults = self.faults.iter().enumerate();
        let faults = faults.filter_map(|(number, fault)| strike::arm(&world, number, fault));
        Lab {
            api,
            gates: self.gates.clone(),
            unready: Vec::new(),
            faults: faults.collect(),
            crash: world.crash,
            _tasks: tasks,
        }
    }

    /// The version of each revision.
    fn versions(&self) -> Result<BTreeMap<&str, &Version>, OpenError> {
        let versions = self.istio.revisions.iter().map(|revision| {
            let version = revision.version.as_ref();
            let version = version.ok_or_else(|| OpenError::NoVersion(revision.name.clone()))?;
            istio::supports(version)?;
            Ok((revision.name.as_str(), version))
        });
        versions.collect()
    }

    fn minor(&self, istio: &BTreeMap<&str, &Version>) -> Result<u32, OpenError> {
        match &self.kubernetes {
            Some(version) if version.major() == 1 && KUBERNETES.contains(&version.minor()) => {
                Ok(version.minor())
            }
            Some(version) => Err(OpenError::Kubernetes(version.clone())),
            // 1.5 and 1.6 install webhooks of v1beta1, which Kubernetes serves up to 1.21.
            None if istio.values().all(|version| version.has_tags()) => Ok(33),
            None => Ok(21),
        }
    }

    /// Istio and the namespaces.
    fn install(
        &self,
        api: &ApiServer,
        versions: &BTreeMap<&str, &Version>,
    ) -> Result<(), OpenError> {
        if let Some(newest) = versions.values().max() {
            istio::base(newest)
                .iter()
                .try_for_each(|one| put(api, one))?;
        }
        for revision in &self.istio.revisions {
            for mut one in istio::control_plane(versions[revision.name.as_str()], &revision.name) {
                if one["kind"] == "Deployment" {
                    one["spec"]["replicas"] = json!(revision.replicas);
                }
                put(api, &one)?;
            }
        }
        for (tag, revision) in &self.istio.tags {
            let version = versions
                .get(revision.as_str())
                .ok_or_else(|| OpenError::Tag {
                    tag: tag.clone(),
                    revision: revision.clone(),
                })?;
            let objects = istio::tag(version, tag, revision);
            objects.iter().try_for_each(|one| put(api, one))?;
            let kind = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
            if tag == DEFAULT
                && let Some(plain) = api.object(kind, "", "istio-sidecar-injector")
            {
                let mut plain = Arc::unwrap_or_clone(plain);
                shape::deactivate(&mut plain);
                put(api, &plain)?;
            }
        }
        for namespace in &self.namespaces {
            let labels = namespace.labels.as_ref().unwrap_or(&self.labels);
            for name in namespace.names() {
                let one = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
                put(api, &one)?;
            }
        }
        Ok(())
    }

    fn controllers(&self, dice: Dice, down: Down) -> controllers::Settings {
        let (pods, usual) = (self.pods.clone(), self.timing.pod_ready.0);
        let ready: Readiness = Arc::new(move |one| {
            if istio::revision_of(one).is_some_and(|revision| down.has(&revision)) {
                return None;
            }
            match pod::of(&pods, dice, one) {
                Some(behaviour) if behaviour.never_ready => None,
                Some(behaviour) => Some(behaviour.ready_after.map_or(usual, |span| span.0)),
                None => Some(usual),
            }
        });
        let job = self.timing.job.0;
        controllers::Settings {
            ready,
            runs: Arc::new(move |pod| {
                let owners = object::items(&pod["metadata"], "ownerReferences");
                let of_a_job = owners.into_iter().any(|owner| owner["kind"] == "Job");
                // A sidecar that is no native one goes on when the job's own container has ended.
                let held = Proxy::of(pod).is_some_and(|proxy| !proxy.native);
                (of_a_job && !held).then_some(job)
            }),
            stop: self.timing.pod_stop.0,
            nodes: usize::try_from(self.timing.nodes).unwrap_or(usize::MAX),
            settled: BTreeSet::new(),
        }
    }

    fn mesh(&self, dice: Dice) -> istio::Settings {
        let (pods, usual) = (self.pods.clone(), self.timing.proxy_connect.0);
        istio::Settings {
            admitted_per_second: self.timing.connections_per_second,
            behaviour: Arc::new(move |one| {
                let found = pod::of(&pods, dice, one);
                istio::Behaviour {
                    connect: found
                        .and_then(|behaviour| behaviour.connect_after)
                        .map_or(usual, |span| span.0),
                    fault: found.and_then(|behaviour| behaviour.proxy).map(Into::into),
                }
            }),
            ..istio::Settings::default()
        }
    }
}

fn bring_up(api: &ApiServer, controllers: controllers::Settings, mesh: istio::Settings) -> Tasks {
    [
        controllers::start(api, controllers),
        istio::start(api, mesh),
    ]
    .map(AbortOnDropHandle::new)
}

fn put(api: &ApiServer, one: &Value) -> Result<(), OpenError> {
    match api.try_seed(one) {
        Ok(_) => Ok(()),
        Err(why) => Err(OpenError::Refused {
            what: format!(
                "{} {}/{}",
                one["kind"].as_str().unwrap_or_default(),
                object::namespace(one),
                object::name(one)
            ),
            why,
        }),
    }
}

/// When the lab's clock starts: a seed that is a time of these years, in seconds since 1970, is that time, so that a seed
/// drawn from the time of day shows the time of day; others start with 2026.
fn start(seed: u64) -> Timestamp {
    let years = 1_600_000_000..4_000_000_000;
    i64::try_from(seed)
        .ok()
        .filter(|second| years.contains(second))
        .and_then(|second| Timestamp::from_second(second).ok())
        .unwrap_or_else(|| Options::default().start)
}

/// Waits until it is so, looking after each change; says whether it came to be in time.
async fn until(api: &ApiServer, patience: Duration, holds: impl Fn() -> bool) -> bool {
    let mut news = api.revisions();
    let wait = async {
        while !holds() {
            if news.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(patience, wait).await.is_ok()
}

/// Whether every workload of a namespace has the pods that it wants, all of them ready.
fn is_up(api: &ApiServer, namespace: &str) -> bool {
    let all = |resource: &str, up: fn(&Value) -> bool| {
        api.objects(resource, namespace).iter().all(|one| up(one))
    };
    all("deployments.apps", |one| {
        one["status"]["availableReplicas"].as_u64().unwrap_or(0) == wanted(one)
    }) && all("statefulsets.apps", |one| {
        one["status"]["readyReplicas"].as_u64().unwrap_or(0) == wanted(one)
    }) && all("daemonsets.apps", |one| {
        let status = &one["status"];
        status["observedGeneration"] == one["metadata"]["generation"]
            && status["numberReady"] == status["desiredNumberScheduled"]
    }) && all("pods", |one| one["status"]["phase"] != "Pending")
}

fn wanted(workload: &Value) -> u64 {
    workload["spec"]["replicas"].as_u64().unwrap_or(1)
}
