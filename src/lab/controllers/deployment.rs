//! Deployments: a `ReplicaSet` for each template, and the way from the old ones to the new one
//! (`pkg/controller/deployment`).

use super::deployment_status;
use super::pass::Pass;
use super::pass::count;
use super::pass::owner_reference;
use super::pass::share;
use super::revision;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";

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

    fn sum(&self, field: impl Fn(&Value) -> &Value) -> usize {
        self.all().map(|set| count(field(set))).sum()
    }
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    pass.each("deployments.apps", |pass, deployment| {
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
    let paused = deployment["spec"]["paused"] == true;
    let replicas = count(&deployment["spec"]["replicas"]);
    annotate(pass, deployment, sets);
    let Some(new) = &sets.new else {
        if paused {
            scale_paused(pass, sets, replicas);
        } else {
            create_set(pass, deployment, sets);
        }
        return;
    };
    if paused {
        scale_paused(pass, sets, replicas);
        return;
    }
    number(pass, deployment, new, sets);
    if deployment["spec"]["strategy"]["type"] == "Recreate" {
        recreate(pass, new, sets, replicas);
    } else {
        rolling_update(pass, deployment, new, sets, replicas);
    }
    clean_up(pass, deployment, sets);
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
    let recreate = deployment["spec"]["strategy"]["type"] == "Recreate"
        && sets.old.iter().any(|set| !pass.pods_of(set).is_empty());
    let first = if recreate { 0 } else { replicas.min(room) };
    let next = sets
        .old
        .iter()
        .map(|set| revision_of(set))
        .max()
        .unwrap_or(0)
        + 1;
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", object::name(deployment)), "namespace": object::namespace(deployment),
            "labels": template["metadata"]["labels"], "annotations": {REVISION: next.to_string(), DESIRED: replicas.to_string(), MOST: ceiling(deployment, replicas).to_string()},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": first, "minReadySeconds": deployment["spec"]["minReadySeconds"], "selector": selector, "template": template},
    });
    if let Err(error) = pass.create(set) {
        tracing::debug!(%error, "a ReplicaSet was not created");
    }
}

/// Each set with pods says what its Deployment wants.
fn annotate(pass: &Pass<'_>, deployment: &Value, sets: &Sets) {
    let replicas = count(&deployment["spec"]["replicas"]);
    let wanted = [
        (DESIRED, replicas.to_string()),
        (MOST, ceiling(deployment, replicas).to_string()),
    ];
    for set in sets.all().filter(|set| count(&set["spec"]["replicas"]) > 0) {
        let annotations = &set["metadata"]["annotations"];
        if wanted
            .iter()
            .any(|(key, value)| annotations[*key] != value.as_str())
        {
            let patch =
                json!({"metadata": {"annotations": {DESIRED: wanted[0].1, MOST: wanted[1].1}}});
            pass.send("PATCH", set, "", patch);
        }
    }
}

/// How many pods there may be during a rollout.
fn ceiling(deployment: &Value, replicas: usize) -> usize {
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] == "Recreate" {
        replicas
    } else {
        replicas + share(&strategy["rollingUpdate"]["maxSurge"], replicas, true)
    }
}

fn max_unavailable(deployment: &Value, replicas: usize) -> usize {
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let unavailable = share(&rolling["maxUnavailable"], replicas, false);
    if unavailable == 0 && share(&rolling["maxSurge"], replicas, true) == 0 {
        1
    } else {
        unavailable
    }
}

/// Keeps the revision numbers: the current template always has the highest.
fn number(pass: &Pass<'_>, deployment: &Value, new: &Value, sets: &Sets) {
    let highest = sets
        .old
        .iter()
        .map(|set| revision_of(set))
        .max()
        .unwrap_or(0);
    let mut current = revision_of(new);
    if current <= highest {
        current = highest + 1;
        let mut next = new.clone();
        object::default_to(&mut next["metadata"], "annotations", json!({}));
        next["metadata"]["annotations"][REVISION] = json!(current.to_string());
        pass.update(new, &next);
    }
    if deployment["metadata"]["annotations"][REVISION] != current.to_string().as_str() {
        let patch = json!({"metadata": {"annotations": {REVISION: current.to_string()}}});
        pass.send("PATCH", deployment, "", patch);
    }
}

fn scale(pass: &Pass<'_>, set: &Value, replicas: usize) {
    if count(&set["spec"]["replicas"]) != replicas {
        pass.send("PATCH", set, "", json!({"spec": {"replicas": replicas}}));
    }
}

/// A paused Deployment does not roll, but follows its replicas with the set that has pods.
fn scale_paused(pass: &Pass<'_>, sets: &Sets, replicas: usize) {
    let running: Vec<&Arc<Value>> = sets
        .all()
        .filter(|set| count(&set["spec"]["replicas"]) > 0)
        .collect();
    if let [only] = running.as_slice() {
        scale(pass, only, replicas);
    }
}

fn recreate(pass: &Pass<'_>, new: &Value, sets: &Sets, replicas: usize) {
    sets.old.iter().for_each(|set| scale(pass, set, 0));
    if sets.old.iter().all(|set| pass.pods_of(set).is_empty()) {
        scale(pass, new, replicas);
    }
}

fn rolling_update(pass: &Pass<'_>, deployment: &Value, new: &Value, sets: &Sets, replicas: usize) {
    let total = sets.sum(|set| &set["spec"]["replicas"]);
    let mine = count(&new["spec"]["replicas"]);
    if mine > replicas {
        scale(pass, new, replicas);
        return;
    }
    let room = ceiling(deployment, replicas).saturating_sub(total);
    let up = room.min(replicas - mine);
    if up > 0 {
        scale(pass, new, mine + up);
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
        scale(pass, set, size - broken - healthy);
    }
}

/// Deletes empty sets beyond the history limit once the rollout is complete.
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
