//! `restart`: restarts the workloads whose pods are not what the injector would give now, and waits for each rollout.

mod pace;
pub(super) mod workloads;

use serde_json::{Value, json};

use super::context::{Done, Probe, StepContext, StepError};
use super::label_ns::resolve;
use super::survey;
use crate::cluster::{Cluster, ObjectRef};
use crate::event::{Act, Outputs};
use crate::model::action::Restart;
use crate::model::counted;
use workloads::{Fate, Injection, Workload};

/// The annotation on the pod template. Its value is derived from run and step, so that a resumed step finds its own
/// restart and does not restart twice.
pub(super) const ANNOTATION: &str = "plan/restarted-by";

/// Restarts what has not moved, then waits until every rollout has ended and every pod is what it should be.
pub(super) async fn run(
    step: &Restart,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    // Only a step that began before can find its own mark.
    let again = context.attempt > 1;
    let all = observe(step, cluster, again).await?;
    report_left_alone(&all, context);
    let mark = format!("{}/{}", context.run, context.node);
    let is_due = |w: &&Workload| w.fate == Fate::Restart || again && w.is_marked(&mark);
    let due: Vec<&Workload> = all.iter().filter(is_due).collect();
    let names: Vec<String> = due.iter().map(|w| w.object.to_string()).collect();
    if cluster.is_dry_run() {
        // Rollouts do not come about: what would be restarted is all there is to say.
        for workload in &due {
            self::mark(cluster, context, &workload.object, &mark).await?;
        }
        for held in pace::held(cluster, &step.namespace, &due).await? {
            context.note(format!("a restart would wait: {held}"));
        }
        return Ok(done(step, &all, &names, "would be restarted"));
    }
    pace::restart(step, cluster, context, &due, &mark).await?;
    let mut open = remaining(step, cluster).await?;
    if !open.is_empty() {
        // What is remembered may be old: only the server's word is good enough to fail.
        open = remaining(step, &cluster.live()).await?;
    }
    if !open.is_empty() {
        return Err(StepError::failed(format!(
            "{} of {} in {} did not move although the rollouts ended",
            open.len(),
            counted(all.len(), "workload"),
            step.namespace
        ))
        .details(open)
        .help("compare the pods with `plan explain restart`; a pinned proxy or a webhook changed meanwhile may be the cause"));
    }
    Ok(done(step, &all, &names, "restarted"))
}

/// Done means: nothing is left that a restart would change.
pub(super) async fn probe(step: &Restart, cluster: &Cluster) -> Result<Probe, StepError> {
    let open = remaining(step, cluster).await?;
    Ok(if open.is_empty() {
        Probe::Done(format!("every workload of {} has moved", step.namespace))
    } else {
        Probe::Open(open)
    })
}

/// Every workload of the namespace that the step is about, with what it needs; `every`: also those without pods.
async fn observe(
    step: &Restart,
    cluster: &Cluster,
    every: bool,
) -> Result<Vec<Workload>, StepError> {
    let mesh = survey::injection(cluster).await?;
    let namespace = survey::namespace(cluster, &step.namespace)
        .await?
        .ok_or_else(|| StepError::failed(format!("there is no namespace {}", step.namespace)))?;
    let namespace = survey::injected_namespace(&namespace);
    let wanted = match &step.revision {
        Some(name) => Some(resolve(&mesh, name)?),
        None => None,
    };
    if let Some(wanted) = &wanted {
        let verdict = survey::plain_pod(&mesh, &namespace);
        if verdict.revision().is_some_and(|given| given != wanted) {
            return Err(StepError::failed(format!(
                "a restart in namespace {} would give the sidecar of another revision than {wanted}: {verdict}",
                step.namespace
            ))
            .help("label the namespace first (label-ns)"));
        }
    }
    let versions = survey::versions(cluster, &step.istio_namespace).await?;
    let injection = Injection {
        mesh: &mesh,
        namespace: &namespace,
        versions: &versions,
    };
    let all = workloads::observe(step, cluster, &injection, every).await?;
    keeps_sidecars(&all, wanted.as_deref())?;
    Ok(all)
}

/// The workloads that a restart would still change, one line each.
async fn remaining(step: &Restart, cluster: &Cluster) -> Result<Vec<String>, StepError> {
    let all = observe(step, cluster, false).await?;
    Ok(all
        .iter()
        .filter(|w| w.fate == Fate::Restart)
        .map(|w| format!("{}: {}", w.object, w.reason))
        .collect())
}

fn report_left_alone(all: &[Workload], context: &StepContext) {
    for Workload {
        object,
        fate,
        reason,
        ..
    } in all
    {
        match fate {
            Fate::Unrestartable => context.note(format!("{object} cannot be restarted: {reason}")),
            Fate::Gateway => context.note(format!("{object} is left alone: {reason}")),
            Fate::Restart | Fate::Skip => {}
        }
    }
}

/// A restart that takes sidecars away without anybody having chosen so does harm that nothing would tell of.
fn keeps_sidecars(all: &[Workload], wanted: Option<&str>) -> Result<(), StepError> {
    let losing: Vec<String> = all
        .iter()
        .filter(|w| w.fate == Fate::Restart)
        .filter(|w| w.dangling || wanted.is_some_and(|wanted| w.gives.as_deref() != Some(wanted)))
        .map(|w| format!("{}: {}", w.object, w.reason))
        .collect();
    if losing.is_empty() {
        return Ok(());
    }
    let given = wanted.map_or_else(
        || "a sidecar".to_owned(),
        |name| format!("the sidecar of {name}"),
    );
    Err(StepError::failed(format!(
        "after a restart {} would not have {given}",
        counted(losing.len(), "workload")
    ))
    .details(losing)
    .help("label the namespace first (label-ns), or correct the label"))
}

/// The one act of the step: the template's annotation.
pub(super) async fn mark(
    cluster: &Cluster,
    context: &StepContext,
    object: &ObjectRef,
    value: &str,
) -> Result<(), StepError> {
    let patch = json!({
        "spec": { "template": { "metadata": { "annotations": { ANNOTATION: value } } } }
    });
    let act = Act {
        verb: "patch".to_owned(),
        object: object.to_string(),
        detail: format!("restart: {ANNOTATION}={value}"),
        before: None,
    };
    context
        .act(act, async {
            cluster.merge_patch(object, patch).await.map(|_| ((), true))
        })
        .await
}

/// Why nothing was restarted.
fn nothing(step: &Restart, all: usize, stay: usize) -> String {
    let namespace = &step.namespace;
    match (all, &step.selector) {
        (0, Some(selector)) => format!("nothing in {namespace} is selected by {selector}"),
        (0, None) => format!("nothing to restart in {namespace}: there are no pods"),
        _ if stay > 0 => format!(
            "nothing to restart in {namespace}: {} should move, and cannot be restarted",
            counted(stay, "workload")
        ),
        _ => format!("nothing to restart in {namespace}: all has moved"),
    }
}

/// The workloads of a namespace that would have to move, and cannot be restarted.
pub(super) async fn staying(
    cluster: &Cluster,
    namespace: &str,
    istio_namespace: &str,
) -> Result<Vec<ObjectRef>, StepError> {
    let step = Restart {
        namespace: namespace.to_owned(),
        selector: None,
        revision: None,
        kinds: None,
        max_concurrent: None,
        per_minute: None,
        istio_namespace: istio_namespace.to_owned(),
    };
    let all = observe(&step, cluster, false).await?;
    let stay = all.into_iter().filter(|w| w.fate == Fate::Unrestartable);
    Ok(stay.map(|w| w.object).collect())
}

fn done(step: &Restart, all: &[Workload], restarted: &[String], word: &str) -> Done {
    let listed = |fates: &[Fate]| -> Value {
        all.iter()
            .filter(|w| fates.contains(&w.fate) && !restarted.contains(&w.object.to_string()))
            .map(|w| json!({ "object": w.object.to_string(), "reason": w.reason }))
            .collect()
    };
    let mut outputs = Outputs::new();
    outputs.insert("restarted".to_owned(), json!(restarted));
    outputs.insert("skipped".to_owned(), listed(&[Fate::Skip, Fate::Gateway]));
    outputs.insert("unrestartable".to_owned(), listed(&[Fate::Unrestartable]));
    let stay = all.iter().filter(|w| w.fate == Fate::Unrestartable).count();
    let message = if restarted.is_empty() {
        nothing(step, all.len(), stay)
    } else {
        format!(
            "{} of {} {word}",
            restarted.len(),
            counted(all.len(), "workload")
        )
    };
    Done {
        changed: !restarted.is_empty(),
        message,
        outputs,
    }
}
