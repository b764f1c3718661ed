//! Which workloads there are, what their pods have, and what becomes of each.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ANNOTATION;
use crate::cluster::{Cluster, Object, ObjectRef, Selector};
use crate::mesh::injection::{Mesh, Namespace, Proxy, ProxyKind, Verdict, is_gateway};
use crate::mesh::version::Version;
use crate::model::action::{Restart, WorkloadKind};
use crate::steps::context::StepError;

/// What becomes of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is restarted.
    Restart,
    /// It is left alone, rightly.
    Skip,
    /// It is left alone too: it moves in a step of its own.
    Gateway,
    /// It would need a restart that no rollout can give.
    Unrestartable,
}

/// A workload, or a pod without one.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    /// What it is.
    pub(super) object: ObjectRef,
    /// What becomes of it.
    pub(super) fate: Fate,
    /// Why.
    pub(super) reason: String,
    /// The revision whose sidecar its next pods get; `None` without one.
    pub(super) gives: Option<String>,
    /// Its next pods would start without a sidecar, although a label asks for one.
    pub(super) dangling: bool,
    /// Its pods.
    pub(super) pods: Vec<Pod>,
    /// How many pods it is to have, where it says so itself.
    pub(super) replicas: Option<usize>,
    /// Its pod template's metadata: budgets select by its labels, a restart marks its annotations.
    pub(super) template: Value,
    /// How many pods a rollout takes down at once, before new ones are ready.
    pub(super) unavailable: usize,
}

impl Workload {
    /// Whether it was restarted with this mark, and can be.
    pub(super) fn is_marked(&self, mark: &str) -> bool {
        matches!(self.fate, Fate::Restart | Fate::Skip)
            && self.template["annotations"][ANNOTATION] == mark
    }
}

/// A pod of a workload.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    /// What tells it from another one of the same name.
    pub(super) uid: String,
    /// The mark of the restart that it came with.
    pub(super) mark: Option<String>,
}

impl Pod {
    fn of(pod: &Object) -> Self {
        let mark = pod.value()["metadata"]["annotations"][ANNOTATION].as_str();
        Self {
            uid: uid(pod).to_owned(),
            mark: mark.map(str::to_owned),
        }
    }
}

/// Why gateways are left alone.
const GATEWAY: &str = "a gateway: it moves in a step of its own";

const KINDS: [(WorkloadKind, &str); 3] = [
    (WorkloadKind::Deployment, "Deployment"),
    (WorkloadKind::StatefulSet, "StatefulSet"),
    (WorkloadKind::DaemonSet, "DaemonSet"),
];

/// What the injectors do, and for which versions they stand.
pub(super) struct Injection<'a> {
    /// The injectors.
    pub(super) mesh: &'a Mesh,
    /// The namespace that the pods are in.
    pub(super) namespace: &'a Namespace,
    /// The version of each revision's control plane: a proxy of another one is due as well (upgrade in place).
    pub(super) versions: &'a BTreeMap<String, Version>,
}

/// Reads the workloads and pods of a namespace, and decides about each. `every` reads also those that have no pods: in the
/// middle of a rollout a workload may have none.
pub(super) async fn observe(
    step: &Restart,
    cluster: &Cluster,
    injection: &Injection<'_>,
    every: bool,
) -> Result<Vec<Workload>, StepError> {
    let selector = Selector {
        labels: step.selector.clone(),
        ..Selector::default()
    };
    let here = Some(step.namespace.as_str());
    let mut pods = owned_pods(cluster, &step.namespace).await?;
    let mut all = Vec::new();
    for (kind, name) in KINDS {
        let wanted = step
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind));
        // Workloads without pods need no restart, and no request.
        if !wanted || !(every || pods.keys().any(|owner| owner.kind == name)) {
            pods.retain(|owner, _| owner.kind != name);
            continue;
        }
        for object in cluster.followed("apps/v1", name, here, &selector).await? {
            let own = pods.remove(&Owner::of(&object)).unwrap_or_default();
            all.push(decide(&object, &own, injection));
        }
    }
    if step.kinds.is_none() {
        // What is left may belong to workloads that a selector leaves out; of other pods it selects by their own labels.
        if step.selector.is_some() {
            let selected = cluster.followed("v1", "Pod", here, &selector).await?;
            let selected: BTreeSet<&str> = selected.iter().map(uid).collect();
            pods.retain(|owner, own| {
                own.retain(|pod| selected.contains(uid(pod)));
                !own.is_empty() && KINDS.iter().all(|(_, name)| owner.kind != *name)
            });
        }
        for (owner, own) in pods {
            all.extend(decide_foreign(&owner, &own, injection));
        }
    }
    Ok(all)
}

/// Who controls a pod in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    api_version: String,
    kind: String,
    name: String,
}

impl Owner {
    fn of(object: &Object) -> Self {
        Self {
            api_version: object.api_version().to_owned(),
            kind: object.kind().to_owned(),
            name: object.name().to_owned(),
        }
    }

    /// The Deployment that made this ReplicaSet of a pod, by its name: `DEPLOYMENT-HASH`.
    fn deployment(&self, pod: &Object) -> Option<Self> {
        let hash = pod.value()["metadata"]["labels"]["pod-template-hash"].as_str()?;
        Some(Self {
            api_version: self.api_version.clone(),
            kind: "Deployment".to_owned(),
            name: self.name.strip_suffix(hash)?.strip_suffix('-')?.to_owned(),
        })
    }

    fn from_controller(object: &Object) -> Option<Self> {
        let owners = object.value()["metadata"]["ownerReferences"].as_array()?;
        let owner = owners.iter().find(|o| o["controller"] == true)?;
        let text = |key: &str| owner[key].as_str().map(str::to_owned);
        Some(Self {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
            name: text("name")?,
        })
    }
}

/// The live pods of the namespace by who controls them: through ReplicaSets up to Deployments.
async fn owned_pods(
    cluster: &Cluster,
    namespace: &str,
) -> Result<BTreeMap<Owner, Vec<Object>>, StepError> {
    let here = Some(namespace);
    let any = Selector::default();
    let deployments = cluster
        .followed("apps/v1", "Deployment", here, &any)
        .await?;
    let deployments: BTreeSet<Owner> = deployments.iter().map(Owner::of).collect();
    let mut above: Option<BTreeMap<Owner, Owner>> = None;
    let mut owned: BTreeMap<Owner, Vec<Object>> = BTreeMap::new();
    for pod in cluster.followed("v1", "Pod", here, &any).await? {
        if !is_live(&pod) {
            continue;
        }
        let direct = Owner::from_controller(&pod).unwrap_or_else(|| Owner::of(&pod));
        let top = if direct.kind != "ReplicaSet" {
            direct
        } else if let Some(deployment) = direct.deployment(&pod).filter(|d| deployments.contains(d))
        {
            deployment
        } else {
            // No Deployment made it: only the ReplicaSets themselves tell whose they are.
            let above = match &mut above {
                Some(above) => above,
                none => none.insert(owners_of_sets(cluster, namespace).await?),
            };
            above.get(&direct).cloned().unwrap_or(direct)
        };
        owned.entry(top).or_default().push(pod);
    }
    Ok(owned)
}

async fn owners_of_sets(
    cluster: &Cluster,
    namespace: &str,
) -> Result<BTreeMap<Owner, Owner>, StepError> {
    let sets = cluster
        .followed(
            "apps/v1",
            "ReplicaSet",
            Some(namespace),
            &Selector::default(),
        )
        .await?;
    Ok(sets
        .iter()
        .filter_map(|set| Some((Owner::of(set), Owner::from_controller(set)?)))
        .collect())
}

/// Ended pods keep their old annotations for ever (sail-operator#839), and pods on their way out are no concern.
pub(super) fn is_live(pod: &Object) -> bool {
    let phase = pod.value()["status"]["phase"].as_str().unwrap_or_default();
    !matches!(phase, "Succeeded" | "Failed")
        && pod.value()["metadata"].get("deletionTimestamp").is_none()
}

/// What tells a pod from another one of the same name.
pub(super) fn uid(pod: &Object) -> &str {
    pod.value()["metadata"]["uid"].as_str().unwrap_or_default()
}

fn decide(object: &Object, pods: &[Object], injection: &Injection<'_>) -> Workload {
    let spec = &object.value()["spec"];
    let template = &spec["template"];
    let (fate, reason) = fate(object, template, pods, injection);
    let next = injection.mesh.verdict(injection.namespace, template);
    Workload {
        object: ObjectRef::from(object),
        fate,
        reason,
        gives: next.revision().map(str::to_owned),
        dangling: matches!(&next, Verdict::NotInjected(reason) if reason.is_dangling()),
        pods: pods.iter().map(Pod::of).collect(),
        replicas: spec["replicas"]
            .as_u64()
            .and_then(|replicas| usize::try_from(replicas).ok()),
        template: template["metadata"].clone(),
        unavailable: unavailable(object),
    }
}

fn fate(
    object: &Object,
    template: &Value,
    pods: &[Object],
    injection: &Injection<'_>,
) -> (Fate, String) {
    if is_gateway(template) {
        return (Fate::Gateway, GATEWAY.to_owned());
    }
    if object.value()["spec"]["replicas"] == 0 || pods.is_empty() {
        return (
            Fate::Skip,
            "no pods: new ones get what the injector gives".to_owned(),
        );
    }
    if let Some(pod) = pods
        .iter()
        .find(|pod| stays_baked_in(template, pod, injection))
    {
        let reason = "its template holds its own sidecar, which no injector replaces";
        let pod = pod.name();
        return (
            Fate::Unrestartable,
            format!("{reason}: so that of {pod} stays"),
        );
    }
    let Some(change) = change(template, pods, injection) else {
        let now = injection.mesh.verdict(injection.namespace, template);
        return (Fate::Skip, format!("as it should be: {now}"));
    };
    match obstacle(object) {
        Some(obstacle) => (Fate::Unrestartable, format!("{obstacle}; {change}")),
        None => (Fate::Restart, change),
    }
}

/// Whether a pod has another proxy than the injector would give, and a restart gives it the same once more.
fn stays_baked_in(template: &Value, pod: &Object, injection: &Injection<'_>) -> bool {
    let effect = injection
        .mesh
        .effect(injection.namespace, template, pod.value());
    let has = effect
        .has
        .as_ref()
        .and_then(|proxy| proxy.revision.as_deref());
    effect.baked_in && effect.now.revision().is_some_and(|now| has != Some(now))
}

/// What a restart would change, from the first pod that would change.
fn change(template: &Value, pods: &[Object], injection: &Injection<'_>) -> Option<String> {
    pods.iter().find_map(|pod| {
        let effect = injection
            .mesh
            .effect(injection.namespace, template, pod.value());
        let version = effect
            .now
            .revision()
            .and_then(|revision| injection.versions.get(revision));
        effect.changes(version).then(|| {
            let has = effect.has.as_ref().map_or_else(
                || "no sidecar".to_owned(),
                |proxy| {
                    let version = proxy
                        .version
                        .as_ref()
                        .map_or_else(String::new, |v| format!(" ({v})"));
                    format!(
                        "revision {}{version}",
                        proxy.revision.as_deref().unwrap_or("unknown")
                    )
                },
            );
            format!("{} has {has}, a new pod gets {}", pod.name(), effect.now)
        })
    })
}

/// Why a rollout of this workload would not replace its pods.
fn obstacle(object: &Object) -> Option<String> {
    let spec = &object.value()["spec"];
    if spec["paused"] == true {
        return Some("its rollout is paused".to_owned());
    }
    if spec["updateStrategy"]["type"] == "OnDelete" {
        return Some(
            "its updateStrategy is OnDelete: delete its pods one after the other".to_owned(),
        );
    }
    match spec["updateStrategy"]["rollingUpdate"]["partition"].as_u64() {
        Some(partition) if partition > 0 => Some(format!(
            "its partition {partition} keeps the first {partition} pods as they are"
        )),
        _ => None,
    }
}

/// Pods whose controller no rollout restarts: one entry for each controller, or for the pod itself.
fn decide_foreign(owner: &Owner, pods: &[Object], injection: &Injection<'_>) -> Option<Workload> {
    let first = pods.first()?;
    let change = pods
        .iter()
        .find_map(|pod| change(pod.value(), std::slice::from_ref(pod), injection));
    let (fate, reason) = match change {
        _ if is_gateway(first.value()) => (Fate::Gateway, GATEWAY.to_owned()),
        Some(change) => (Fate::Unrestartable, format!("{}; {change}", foreign(owner))),
        None => (Fate::Skip, "as it should be".to_owned()),
    };
    Some(Workload {
        object: ObjectRef {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            namespace: Some(first.namespace().unwrap_or_default().to_owned()),
            name: owner.name.clone(),
        },
        fate,
        reason,
        gives: None,
        dangling: false,
        pods: pods.iter().map(Pod::of).collect(),
        replicas: None,
        template: Value::Null,
        unavailable: 0,
    })
}

/// How many pods the rollout may take down before new ones are ready (percentages of a Deployment round down).
fn unavailable(object: &Object) -> usize {
    let spec = &object.value()["spec"];
    let replicas = spec["replicas"].as_u64().unwrap_or(1);
    let limit = match object.kind() {
        "Deployment" if spec["strategy"]["type"] == "Recreate" => return usize::MAX,
        "Deployment" => &spec["strategy"]["rollingUpdate"]["maxUnavailable"],
        "DaemonSet" => &spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"],
        _ => return 1,
    };
    let count = match limit {
        Value::Number(n) => n.as_u64().unwrap_or(1),
        Value::String(text) => text
            .strip_suffix('%')
            .and_then(|n| n.parse::<u64>().ok())
            .map_or(1, |percent| replicas * percent / 100),
        _ if object.kind() == "Deployment" => replicas / 4,
        _ => 1,
    };
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A workload with proxies that no rollout would restart, and why.
pub(in crate::steps) struct Obstacle {
    /// The workload, or pod.
    pub(in crate::steps) object: ObjectRef,
    /// Why.
    pub(in crate::steps) reason: String,
}

/// What a restart in this namespace would leave alone although it has proxies.
pub(in crate::steps) async fn obstacles(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Vec<Obstacle>, StepError> {
    let mut found = Vec::new();
    let mut pods = owned_pods(cluster, namespace).await?;
    pods.retain(|_, own| own.iter().any(|pod| has_sidecar(pod.value())));
    for (_, kind) in KINDS {
        if !pods.keys().any(|owner| owner.kind == kind) {
            continue;
        }
        for object in cluster
            .followed("apps/v1", kind, Some(namespace), &Selector::default())
            .await?
        {
            if pods.remove(&Owner::of(&object)).is_some()
                && let Some(reason) = obstacle(&object)
            {
                found.push(Obstacle {
                    object: ObjectRef::from(&object),
                    reason,
                });
            }
        }
    }
    found.extend(pods.into_keys().map(|owner| Obstacle {
        reason: foreign(&owner).to_owned(),
        object: ObjectRef::namespaced(&owner.api_version, &owner.kind, namespace, &owner.name),
    }));
    Ok(found)
}

fn has_sidecar(pod: &Value) -> bool {
    Proxy::of(pod).is_some_and(|proxy| proxy.kind == ProxyKind::Sidecar)
}

/// Why a rollout restarts none of the pods of this controller.
fn foreign(owner: &Owner) -> &'static str {
    match owner.kind.as_str() {
        "Pod" => "a bare pod: nothing makes it again",
        "ReplicaSet" => "a ReplicaSet without a Deployment: delete its pods",
        "Job" => "a Job: its pods run to their end",
        _ => "a controller that `plan` does not know how to restart",
    }
}
