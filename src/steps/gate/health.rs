//! The gate that the workloads of a namespace open: each rollout complete, each pod ready.

use serde_json::json;

use super::accepted;
use crate::cluster::rollout::{Rollout, rollout};
use crate::cluster::{Cluster, Object, ObjectRef, Selector, Wait, unready};
use crate::model::action::Health;
use crate::steps::context::{Done, Probe, StepContext, StepError};

/// What is looked at: what replaces pods, and the pods.
const KINDS: [(&str, &str); 4] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "Pod"),
];

/// Waits for each kind; and again, until all are healthy at one look.
pub(super) async fn run(
    health: &Health,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    // What is waited for must be as fresh as what is looked at, else neither ends.
    let cluster = &cluster.live();
    let namespace = health.namespace.as_str();
    let name = ObjectRef::cluster("v1", "Namespace", namespace);
    if cluster.get(&name).await?.is_none() {
        return Err(StepError::failed(format!(
            "there is no namespace {namespace}"
        )));
    }
    while !look(namespace, cluster).await?.is_empty() {
        for (api_version, kind) in KINDS {
            let judge = |objects: &[Object]| {
                let why = ailing(objects);
                if why.is_empty() {
                    Wait::Done(())
                } else {
                    Wait::Not(why)
                }
            };
            let told = |reasons| context.waiting(reasons);
            let all = Selector::default();
            cluster
                .wait(api_version, kind, Some(namespace), &all, judge, told)
                .await?;
        }
    }
    Ok(accepted(
        &format!("the health of {namespace}"),
        json!(namespace),
    ))
}

/// Whether all are healthy now.
pub(super) async fn probe(health: &Health, cluster: &Cluster) -> Result<Probe, StepError> {
    let why = look(&health.namespace, cluster).await?;
    Ok(if why.is_empty() {
        Probe::Done(format!("the workloads of {} are healthy", health.namespace))
    } else {
        Probe::Open(why)
    })
}

async fn look(namespace: &str, cluster: &Cluster) -> Result<Vec<String>, StepError> {
    let mut why = Vec::new();
    for (api_version, kind) in KINDS {
        let all = Selector::default();
        let objects = cluster
            .list(api_version, kind, Some(namespace), &all)
            .await?;
        why.extend(ailing(&objects));
    }
    Ok(why)
}

/// What is wrong with each.
fn ailing(objects: &[Object]) -> Vec<String> {
    let line = |object: &Object| {
        let why = if object.kind() == "Pod" {
            unready(object)?.why
        } else {
            match rollout(object) {
                Rollout::NotYet(why) => why.join(", "),
                Rollout::Stuck(why) => why,
                // What replaces no pods by itself is as healthy as they are.
                Rollout::Done | Rollout::Never(_) => return None,
            }
        };
        Some(format!("{}/{}: {why}", object.kind(), object.name()))
    };
    objects.iter().filter_map(line).collect()
}
