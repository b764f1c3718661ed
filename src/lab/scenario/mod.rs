//! What a lab begins with, and what happens in it: a YAML file, or one of those that are built in.
//!
//! A scenario may leave open which version runs and which namespaces there are: then they are those of the plan that is
//! tried ([`Scenario::fit`]).

mod fault;
mod gate;
mod named;
mod open;
mod pod;
mod strike;
#[cfg(test)]
mod tests;
mod workload;

pub use fault::{Effect, Fault, On, Verb};
pub use gate::Gate;
pub use named::{NAMES, named};
pub use open::{Lab, OpenError};
pub use pod::{Behaviour, ProxyBehaviour, Which};
pub use workload::{Autoscaler, Budget, Update, Workload, WorkloadKind};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mesh::istiod::{DEFAULT, INJECTION_LABEL};
use crate::mesh::version::Version;
use crate::model::Span;

/// A scenario for the lab: what the cluster holds, how its pods and proxies behave, how gates are answered, and what
/// goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The version of Kubernetes, 1.21 to 1.35; default: 1.33, or 1.21 where an Istio below 1.10 runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kubernetes: Option<Version>,
    /// What runs of Istio.
    #[serde(default)]
    pub istio: Istio,
    /// The namespaces; where none is listed, those that the plan names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Namespace>,
    /// The labels of each namespace that lists none of its own; default: `istio-injection: enabled`.
    #[serde(default = "injected")]
    pub labels: BTreeMap<String, String>,
    /// The workloads of each namespace that lists none of its own; default: a small shop.
    #[serde(default = "shop", skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Workload>,
    /// How long things take.
    #[serde(default)]
    pub timing: Timing,
    /// Pods and proxies that behave in another way; of several that fit a pod the first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<Behaviour>,
    /// How gates are answered; those that fit none of these open at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What goes wrong, counted from when the cluster is up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// What runs of Istio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Istio {
    /// The control planes; default: one without a revision, of the version that the plan upgrades from.
    #[serde(default = "one_revision")]
    pub revisions: Vec<Revision>,
    /// Tags, each with the revision that it stands for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Default for Istio {
    fn default() -> Self {
        Self {
            revisions: one_revision(),
            tags: BTreeMap::new(),
        }
    }
}

/// A control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// Its name; `default` is an installation without a revision.
    #[serde(default = "default_revision")]
    pub name: String,
    /// Its version; default: the one that the plan upgrades from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub version: Option<Version>,
    /// How many replicas it has.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub replicas: u32,
}

/// A namespace, or several of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Its name; with a `count`, what the names begin with.
    pub name: String,
    /// How many there are, named `NAME-1` and so on; default: one, named as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub count: Option<u32>,
    /// Its labels; default: those of the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Its workloads; default: those of the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Vec<Workload>>,
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// How long a pod takes to become ready.
    pub pod_ready: Span,
    /// How long a pod takes to end.
    pub pod_stop: Span,
    /// How long a job's pod runs.
    pub job: Span,
    /// How long after its pod's start a proxy connects.
    pub proxy_connect: Span,
    /// How many new connections a control plane admits in a second.
    #[schemars(range(min = 1))]
    pub connections_per_second: u32,
    /// How many nodes there are.
    #[schemars(range(min = 1))]
    pub nodes: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            pod_ready: Span::from_secs(2),
            pod_stop: Span::from_secs(1),
            job: Span::from_secs(30),
            proxy_connect: Span::from_secs(1),
            // What istiod's PILOT_MAX_REQUESTS_PER_SECOND comes to.
            connections_per_second: 25,
            nodes: 3,
        }
    }
}

impl Scenario {
    /// A scenario that leaves everything open.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            kubernetes: None,
            istio: Istio::default(),
            namespaces: Vec::new(),
            labels: injected(),
            workloads: shop(),
            timing: Timing::default(),
            pods: Vec::new(),
            gates: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Fills in what the scenario leaves open: the version that runs, and the namespaces.
    #[must_use]
    pub fn fit<'a>(
        mut self,
        version: &Version,
        namespaces: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        for revision in &mut self.istio.revisions {
            revision.version.get_or_insert_with(|| version.clone());
        }
        if self.namespaces.is_empty() {
            let named = |name: &str| Namespace {
                name: name.to_owned(),
                count: None,
                labels: None,
                workloads: None,
            };
            self.namespaces = namespaces.into_iter().map(named).collect();
        }
        self
    }

    /// The JSON schema of a scenario file, draft 7.
    pub fn schema() -> serde_json::Value {
        crate::model::schema::file_schema::<Self>("scenario")
    }
}

impl Namespace {
    /// The names that it stands for.
    pub fn names(&self) -> Vec<String> {
        workload::numbered(&self.name, self.count)
    }
}

fn default_revision() -> String {
    DEFAULT.to_owned()
}

fn one() -> u32 {
    1
}

fn one_revision() -> Vec<Revision> {
    vec![Revision {
        name: default_revision(),
        version: None,
        replicas: 1,
    }]
}

fn injected() -> BTreeMap<String, String> {
    BTreeMap::from([(INJECTION_LABEL.to_owned(), "enabled".to_owned())])
}

fn shop() -> Vec<Workload> {
    [("catalog", 2), ("cart", 2), ("checkout", 1)]
        .map(|(name, replicas)| Workload {
            replicas,
            ..Workload::new(name)
        })
        .to_vec()
}
