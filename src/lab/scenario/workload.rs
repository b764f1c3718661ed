//! The workloads of a scenario, and the objects that they are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::lab::api::object;
use crate::model::Span;

/// A workload, or several of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name, also the pods' label `app`; with a `count`, what the names begin with.
    pub name: String,
    /// How many there are, named `NAME-1` and so on; default: one, named as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub count: Option<u32>,
    /// What it is.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// How many pods it has; a daemon set has one for each node, a pod is one.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Further labels of its pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of its pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How new pods replace old ones; default: that of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// Of a stateful set: pods below this number stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Of a deployment: how many pods may be there beyond `replicas`, a number or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<String>,
    /// How many pods may be missing during an update, a number or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<String>,
    /// Whether a deployment's rollout is paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// After how long without progress a deployment's rollout counts as failed; default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
    /// Its disruption budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Its autoscaler, which is there and scales nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
}

/// What a workload is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
    /// A Job, whose pods run to completion.
    Job,
    /// A pod that nothing owns.
    Pod,
}

/// How new pods replace old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Update {
    /// One after the other.
    RollingUpdate,
    /// All old ones end first; a deployment's alone.
    Recreate,
    /// Whenever somebody deletes an old one; not a deployment's.
    OnDelete,
}

/// A disruption budget: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How many pods must stay, a number or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<String>,
    /// How many pods may be missing, a number or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<String>,
}

/// An autoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Autoscaler {
    /// The fewest pods.
    pub min: u32,
    /// The most pods.
    pub max: u32,
}

fn one() -> u32 {
    1
}

impl Workload {
    /// A deployment of one pod.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            count: None,
            kind: WorkloadKind::Deployment,
            replicas: 1,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            update: None,
            partition: None,
            max_surge: None,
            max_unavailable: None,
            paused: false,
            progress_deadline: None,
            budget: None,
            autoscaler: None,
        }
    }

    /// The objects in a namespace: for each of its names the workload, and what belongs to it.
    pub(super) fn objects(&self, namespace: &str) -> Vec<Value> {
        numbered(&self.name, self.count)
            .iter()
            .flat_map(|name| self.one(namespace, name))
            .collect()
    }

    fn one(&self, namespace: &str, name: &str) -> Vec<Value> {
        let metadata = json!({"name": name, "namespace": namespace, "labels": {"app": name}});
        let mut all = vec![self.workload(&metadata, name)];
        if let Some(budget) = &self.budget {
            let mut spec = json!({
                "selector": {"matchLabels": {"app": name}},
                "minAvailable": budget.min_available.as_deref().map(amount),
                "maxUnavailable": budget.max_unavailable.as_deref().map(amount),
            });
            object::drop_nulls(&mut spec);
            all.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}));
        }
        if let Some(autoscaler) = &self.autoscaler {
            all.push(json!({
                "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": metadata,
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": self.kind, "name": name},
                    "minReplicas": autoscaler.min, "maxReplicas": autoscaler.max,
                },
            }));
        }
        all
    }

    fn workload(&self, metadata: &Value, name: &str) -> Value {
        let mut labels = json!(self.labels);
        labels["app"] = json!(name);
        let pod = json!({
            "metadata": {"labels": labels, "annotations": self.annotations},
            "spec": {"containers": [{"name": "app", "image": format!("shop/{}:1", self.name)}]},
        });
        let selector = json!({"matchLabels": {"app": name}});
        let (version, spec) = match self.kind {
            WorkloadKind::Pod => {
                let mut metadata = metadata.clone();
                metadata["labels"] = pod["metadata"]["labels"].clone();
                metadata["annotations"] = pod["metadata"]["annotations"].clone();
                return json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]});
            }
            WorkloadKind::Deployment => (
                "apps/v1",
                json!({
                    "replicas": self.replicas, "selector": selector, "template": pod, "strategy": self.strategy(),
                    "paused": self.paused.then_some(true),
                    "progressDeadlineSeconds": self.progress_deadline.map(|span| span.0.as_secs()),
                }),
            ),
            WorkloadKind::StatefulSet => (
                "apps/v1",
                json!({"replicas": self.replicas, "selector": selector, "template": pod, "serviceName": name, "updateStrategy": self.strategy()}),
            ),
            WorkloadKind::DaemonSet => (
                "apps/v1",
                json!({"selector": selector, "template": pod, "updateStrategy": self.strategy()}),
            ),
            WorkloadKind::Job => {
                let mut pod = pod;
                pod["spec"]["restartPolicy"] = json!("Never");
                (
                    "batch/v1",
                    json!({"completions": self.replicas, "parallelism": self.replicas, "template": pod}),
                )
            }
        };
        let mut made =
            json!({"apiVersion": version, "kind": self.kind, "metadata": metadata, "spec": spec});
        object::drop_nulls(&mut made);
        made
    }

    fn strategy(&self) -> Value {
        let mut rolling = json!({
            "partition": self.partition,
            "maxSurge": self.max_surge.as_deref().map(amount),
            "maxUnavailable": self.max_unavailable.as_deref().map(amount),
        });
        object::drop_nulls(&mut rolling);
        let parameters = (rolling != json!({})).then_some(rolling);
        let mut strategy = json!({"type": self.update, "rollingUpdate": parameters});
        object::drop_nulls(&mut strategy);
        if strategy.get("rollingUpdate").is_some() && self.update.is_none() {
            strategy["type"] = json!(Update::RollingUpdate);
        }
        if strategy == json!({}) {
            Value::Null
        } else {
            strategy
        }
    }
}

/// A number, or a percentage as it is.
fn amount(text: &str) -> Value {
    text.parse::<u32>()
        .map_or_else(|_| json!(text), |number| json!(number))
}

/// `NAME`, or with a count `NAME-1` and so on, all of the same width.
pub(super) fn numbered(name: &str, count: Option<u32>) -> Vec<String> {
    let Some(count) = count else {
        return vec![name.to_owned()];
    };
    let width = count.to_string().len();
    (1..=count)
        .map(|number| format!("{name}-{number:0width$}"))
        .collect()
}
