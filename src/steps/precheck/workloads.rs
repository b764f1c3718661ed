//! The workloads of one namespace: what no rollout restarts, what is not healthy now, what no budget lets go.

use super::finding::Report;
use crate::cluster::rollout::{Rollout, rollout};
use crate::cluster::{Cluster, ObjectRef, Selector};
use crate::mesh::injection::{baked_in, is_gateway, pins};
use crate::mesh::istiod::{INJECTION_LABEL, REVISION_LABEL};
use crate::steps::context::StepError;
use crate::steps::restart::workloads::{Obstacle, obstacles};
use crate::steps::survey;

/// Looks at one namespace.
pub(super) async fn check(
    namespace: &str,
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), StepError> {
    let before = report.count();
    for Obstacle { object, reason } in obstacles(cluster, namespace).await? {
        report.warn(
            "unrestartable",
            &object.to_string(),
            reason,
            "move its pods by hand; the restart step lists it and leaves it alone",
        );
    }
    rollouts(namespace, cluster, report).await?;
    templates(namespace, cluster, report).await?;
    budgets(namespace, cluster, report).await?;
    if report.count() == before {
        report.pass(
            "workloads",
            &format!("Namespace/{namespace}"),
            "every workload can be restarted",
        );
    }
    Ok(())
}

async fn rollouts(
    namespace: &str,
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), StepError> {
    for kind in survey::TEMPLATED {
        for object in cluster
            .followed("apps/v1", kind, Some(namespace), &Selector::default())
            .await?
        {
            let reason = match rollout(&object) {
                Rollout::Done | Rollout::Never(_) => continue,
                Rollout::NotYet(why) => why.join("; "),
                Rollout::Stuck(why) => why,
            };
            report.warn(
                "rollout",
                &ObjectRef::from(&object).to_string(),
                reason,
                "let it end well before the upgrade adds to it",
            );
        }
    }
    Ok(())
}

/// What a pod template says of its proxy, and what comes of it.
async fn templates(
    namespace: &str,
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), StepError> {
    let Some(labelled) = survey::namespace(cluster, namespace).await? else {
        return Ok(());
    };
    let labels = survey::injected_namespace(&labelled).labels().clone();
    let decider = [INJECTION_LABEL, REVISION_LABEL]
        .into_iter()
        .find(|label| labels.contains_key(*label));
    for kind in survey::TEMPLATED {
        for object in cluster
            .followed("apps/v1", kind, Some(namespace), &Selector::default())
            .await?
        {
            let name = ObjectRef::from(&object).to_string();
            let template = &object.value()["spec"]["template"];
            if baked_in(template) {
                report.warn(
                    "unrestartable",
                    &name,
                    "its template brings its own sidecar, which no injector replaces",
                    "take the sidecar out of the template (istioctl kube-inject), or bring it up to date there",
                );
            }
            for pin in pins(template) {
                report.warn(
                    "pinned",
                    &name,
                    format!("{pin} keeps its proxies where they are, whoever injects them"),
                    "remove the annotation, or move it along with the upgrade",
                );
            }
            let own = template["metadata"]["labels"][REVISION_LABEL].as_str();
            if let (Some(decider), Some(own)) = (decider, own)
                && labels.get(decider).map(String::as_str) != Some(own)
                && !is_gateway(template)
            {
                report.warn(
                    "ineffective-label",
                    &name,
                    format!("the label {REVISION_LABEL} of its pods is ignored: the namespace has {decider}"),
                    "move the whole namespace, or take the namespace's label away",
                );
            }
        }
    }
    Ok(())
}

async fn budgets(namespace: &str, cluster: &Cluster, report: &mut Report) -> Result<(), StepError> {
    let budgets = cluster
        .followed(
            "policy/v1",
            "PodDisruptionBudget",
            Some(namespace),
            &Selector::default(),
        )
        .await?;
    for budget in budgets {
        let status = &budget.value()["status"];
        if status["disruptionsAllowed"] == 0 && status["expectedPods"] != 0 {
            report.warn(
                "pdb",
                &ObjectRef::from(&budget).to_string(),
                "allows no disruption",
                "add a replica or loosen it: nodes cannot be drained, and the restart waits for it",
            );
        }
    }
    Ok(())
}
