//! Deployments: a `ReplicaSet` for each template, and the way from the old ones to the new one
//! (`pkg/controller/deployment`).

use super::deployment_status;
use super::pass::Pass;
use super::pass::count;
use super::pass::has_ended;
use super::pass::owner_reference;
use super::pass::share;
use super::proportion;
use super::revision;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MOST: &str = "deployment.kubernetes.io/max-replicas";

/// The `ReplicaSets` of a Deployment.
pub(super) struct Sets {
    /// That of the current template.
    pub(super) new: Option<Arc<Value>>,
    /// The others, the oldest first.
    pub(super) old: Vec<Arc<Value>>,
}

impl Sets {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    /// The highest number of an older template; 0 where there is none.
    fn highest(&self) -> u64 {
        self.old
            .iter()
            .map(|set| revision_of(set))
            .max()
            .unwrap_or(0)
    }

    fn sum(&self, field: impl Fn(&Value) -> &Value) -> usize {
        self.all().map(|set| count(field(set))).sum()
    }
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("deployments.apps", |pass, deployment| {
        if pass.claim(deployment, "replicasets.apps", |_| true) {
            return;
        }
        let sets = sort(deployment, pass.controlled(deployment, "replicasets.apps"));
        if !object::is_terminating(deployment) {
            roll(pass, deployment, &sets);
        }
        deployment_status::update(pass, deployment, &sets);
    });
}

fn sort(deployment: &Value, mut sets: Vec<Arc<Value>>) -> Sets {
    sets.sort_by_key(|set| revision_of(set));
    let template = &deployment["spec"]["template"];
    let hash = revision::hash(template);
    // Sets that another cluster made have names of its own: there the template tells.
    let at = sets
        .iter()
        .position(|set| object::labels(set)[HASH] == hash.as_str())
        .or_else(|| {
            sets.iter().rposition(|set| {
                let mut own = set["spec"]["template"].clone();
                object::remove(&mut own["metadata"]["labels"], HASH);
                revision::is_same(&own, template)
            })
        });
    let new = at.map(|at| sets.remove(at));
    Sets { new, old: sets }
}

fn revision_of(set: &Value) -> u64 {
    set["metadata"]["annotations"][REVISION]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn roll(pass: &mut Pass<'_>, deployment: &Value, sets: &Sets) {
    let replicas = count(&deployment["spec"]["replicas"]);
    if let Some(new) = &sets.new {
        number(pass, deployment, new, sets);
    }
    let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
    if deployment["spec"]["paused"] == true || was_scaled(sets, replicas) {
        proportion::scale(pass, deployment, sets, replicas);
    } else if recreate {
        recreate_all(pass, deployment, sets, replicas);
    } else if let Some(new) = &sets.new {
        rolling_update(pass, deployment, new, sets, replicas);
    } else {
        create_set(pass, deployment, sets);
    }
    let status = &deployment["status"];
    let complete = ["updatedReplicas", "replicas", "availableReplicas"]
        .iter()
        .all(|key| count(&status[*key]) == replicas)
        && status["observedGeneration"] == deployment["metadata"]["generation"];
    if complete || deployment["spec"]["paused"] == true {
        clean_up(pass, deployment, sets);
    }
}

/// Whether a set with pods was last scaled for another number than is wanted now.
fn was_scaled(sets: &Sets, replicas: usize) -> bool {
    sets.all()
        .filter(|set| count(&set["spec"]["replicas"]) > 0)
        .filter_map(|set| set["metadata"]["annotations"][DESIRED].as_str())
        .any(|desired| desired != replicas.to_string())
}

fn create_set(pass: &Pass<'_>, deployment: &Value, sets: &Sets) {
    let hash = revision::hash(&deployment["spec"]["template"]);
    let mut template = deployment["spec"]["template"].clone();
    revision::label(&mut template, HASH, &hash);
    let mut selector = deployment["spec"]["selector"].clone();
    object::default_to(&mut selector, "matchLabels", json!({}));
    selector["matchLabels"][HASH] = json!(hash);
    let replicas = count(&deployment["spec"]["replicas"]);
    let room =
        ceiling(deployment, replicas).saturating_sub(sets.sum(|set| &set["spec"]["replicas"]));
    let mut annotations = copied(deployment);
    annotations[REVISION] = json!((sets.highest() + 1).to_string());
    annotations[DESIRED] = json!(replicas.to_string());
    annotations[MOST] = json!(ceiling(deployment, replicas).to_string());
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", object::name(deployment)), "namespace": object::namespace(deployment),
            "labels": template["metadata"]["labels"], "annotations": annotations, "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": replicas.min(room), "minReadySeconds": deployment["spec"]["minReadySeconds"], "selector": selector, "template": template},
    });
    match pass.create(set) {
        Ok(set) if replicas.min(room) > 0 => {
            pass.tell_scaling(deployment, object::name(&set), 0, replicas.min(room));
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "a ReplicaSet was not created"),
    }
}

/// The annotations that a Deployment hands on to its sets.
fn copied(deployment: &Value) -> Value {
    let own = deployment["metadata"]["annotations"].as_object();
    let handed_on = |key: &str| {
        !key.starts_with("deployment.kubernetes.io/")
            && !matches!(
                key,
                "kubectl.kubernetes.io/last-applied-configuration"
                    | "deprecated.deployment.rollback.to"
            )
    };
    own.into_iter()
        .flatten()
        .filter(|(key, _)| handed_on(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// How many pods there may be during a rollout.
pub(super) fn ceiling(deployment: &Value, replicas: usize) -> usize {
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] == "Recreate" {
        replicas
    } else {
        replicas + share(&strategy["rollingUpdate"]["maxSurge"], replicas, true)
    }
}

pub(super) fn max_unavailable(deployment: &Value, replicas: usize) -> usize {
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let unavailable = share(&rolling["maxUnavailable"], replicas, false);
    if unavailable == 0 && share(&rolling["maxSurge"], replicas, true) == 0 {
        1
    } else {
        unavailable
    }
}

/// Keeps the revision numbers: the current template always has the highest, and remembers those it had.
fn number(pass: &Pass<'_>, deployment: &Value, new: &Value, sets: &Sets) {
    let mut next = new.clone();
    object::default_to(&mut next["metadata"], "annotations", json!({}));
    let annotations = &mut next["metadata"]["annotations"];
    for (key, value) in copied(deployment).as_object().into_iter().flatten() {
        annotations[key] = value.clone();
    }
    let (before, wanted) = (revision_of(new), sets.highest() + 1);
    if before < wanted {
        annotations[REVISION] = json!(wanted.to_string());
        if before > 0 {
            let earlier = annotations[HISTORY].as_str().filter(|had| !had.is_empty());
            let earlier = earlier.map_or_else(String::new, |had| format!("{had},"));
            annotations[HISTORY] = json!(format!("{earlier}{before}"));
        }
    }
    if new["spec"]["minReadySeconds"] != deployment["spec"]["minReadySeconds"] {
        next["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"].clone();
        object::drop_nulls(&mut next["spec"]);
    }
    pass.update(new, &next);
    let current = before.max(wanted).to_string();
    if deployment["metadata"]["annotations"][REVISION] != current.as_str() {
        let patch = json!({"metadata": {"annotations": {REVISION: current}}});
        pass.send("PATCH", deployment, "", patch);
    }
}

/// Gives a set its size, and writes down what its Deployment wants.
pub(super) fn scale(pass: &Pass<'_>, deployment: &Value, set: &Value, size: usize) {
    let replicas = count(&deployment["spec"]["replicas"]);
    let (desired, most) = (
        replicas.to_string(),
        ceiling(deployment, replicas).to_string(),
    );
    let annotations = &set["metadata"]["annotations"];
    let is_noted = annotations[DESIRED] == desired.as_str() && annotations[MOST] == most.as_str();
    let before = count(&set["spec"]["replicas"]);
    if before != size || !is_noted {
        let patch = json!({"metadata": {"annotations": {DESIRED: desired, MOST: most}}, "spec": {"replicas": size}});
        if pass.send("PATCH", set, "", patch) && before != size {
            pass.tell_scaling(deployment, object::name(set), before, size);
        }
    }
}

/// The new pods come when the last of the old ones is gone.
fn recreate_all(pass: &mut Pass<'_>, deployment: &Value, sets: &Sets, replicas: usize) {
    let active = || {
        sets.old
            .iter()
            .filter(|set| count(&set["spec"]["replicas"]) > 0)
    };
    if active().next().is_some() {
        active().for_each(|set| scale(pass, deployment, set, 0));
        return;
    }
    let lives = |pod: &Arc<Value>| !has_ended(pod);
    if sets
        .old
        .iter()
        .any(|set| count(&set["status"]["replicas"]) > 0 || pass.pods_of(set).iter().any(lives))
    {
        return;
    }
    match &sets.new {
        Some(new) if count(&new["spec"]["replicas"]) == replicas => {}
        Some(new) => scale(pass, deployment, new, replicas),
        None => create_set(pass, deployment, sets),
    }
}

fn rolling_update(pass: &Pass<'_>, deployment: &Value, new: &Value, sets: &Sets, replicas: usize) {
    let total = sets.sum(|set| &set["spec"]["replicas"]);
    let mine = count(&new["spec"]["replicas"]);
    if mine > replicas {
        scale(pass, deployment, new, replicas);
        return;
    }
    let room = ceiling(deployment, replicas).saturating_sub(total);
    let up = room.min(replicas - mine);
    if up > 0 {
        scale(pass, deployment, new, mine + up);
        return;
    }
    let least = replicas.saturating_sub(max_unavailable(deployment, replicas));
    let new_unavailable = mine.saturating_sub(count(&new["status"]["availableReplicas"]));
    let mut down = total.saturating_sub(least + new_unavailable);
    // First the pods that are not available anyway, then as many available ones as may be missed.
    let mut spare = sets
        .sum(|set| &set["status"]["availableReplicas"])
        .saturating_sub(least);
    for set in &sets.old {
        let size = count(&set["spec"]["replicas"]);
        let broken = size
            .saturating_sub(count(&set["status"]["availableReplicas"]))
            .min(down);
        let healthy = (size - broken).min(spare).min(down - broken);
        down -= broken + healthy;
        spare -= healthy;
        if broken + healthy > 0 {
            scale(pass, deployment, set, size - broken - healthy);
        }
    }
}

/// Deletes empty sets beyond the history limit.
fn clean_up(pass: &Pass<'_>, deployment: &Value, sets: &Sets) {
    let limit = deployment["spec"]["revisionHistoryLimit"]
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(10);
    let empty = |set: &&Arc<Value>| {
        count(&set["spec"]["replicas"]) == 0
            && count(&set["status"]["replicas"]) == 0
            && !object::is_terminating(set)
    };
    let idle: Vec<&Arc<Value>> = sets.old.iter().filter(empty).collect();
    for set in idle.iter().take(idle.len().saturating_sub(limit)) {
        pass.delete(set, json!({}));
    }
}
