//! `precheck`: looks, without changing anything, for what would make the upgrade fail or hurt.
//!
//! `istioctl x precheck` knows neither the target version nor the webhooks, tags, budgets and workloads
//! (`istioctl/pkg/precheck/precheck.go`).

pub(in crate::steps) mod access;
mod crds;
mod finding;
mod injectors;
mod versions;
mod workloads;

use std::collections::BTreeSet;

use serde_json::json;

use super::context::{Done, Probe, StepContext, StepError};
use super::survey;
use crate::cluster::Cluster;
use crate::event::Outputs;
use crate::mesh::istiod::{INJECTION_LABEL, REVISION_LABEL};
use crate::mesh::version::Version;
use crate::model::action::Precheck;
use finding::{Grade, Report};

/// Makes every check, and fails where one of them fails.
pub(super) async fn run(
    step: &Precheck,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    let wait = Some(context).filter(|_| !cluster.is_dry_run());
    let report = check(step, cluster, context, wait).await?;
    let table = report.table();
    context.note(table.join("\n"));
    let verdict = report.worst();
    let summary = report.summary();
    let mut outputs = Outputs::new();
    outputs.insert("verdict".to_owned(), json!(verdict));
    outputs.insert("findings".to_owned(), json!(report.findings()));
    if verdict == Grade::Fail {
        return Err(StepError::failed(format!(
            "the precheck found what must be mended first: {summary}"
        ))
        .details(report.open())
        .help("mend what is marked FAIL; a warning fails only where `fail_on` names it")
        .outputs(outputs));
    }
    Ok(Done {
        changed: false,
        message: summary,
        outputs,
    })
}

/// A precheck is done when it passes now.
pub(super) async fn probe(
    step: &Precheck,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Probe, StepError> {
    let report = check(step, cluster, context, None).await?;
    Ok(if report.worst() == Grade::Fail {
        Probe::Open(report.open())
    } else {
        Probe::Done(report.summary())
    })
}

async fn check(
    step: &Precheck,
    cluster: &Cluster,
    context: &StepContext,
    wait: Option<&StepContext>,
) -> Result<Report, StepError> {
    let from = parse(&step.from)?;
    let to = parse(&step.to)?;
    let mut report = Report::new(&step.fail_on);
    versions::check(step, &from, &to, cluster, context.now, &mut report).await?;
    access::check(step, cluster, &mut report).await?;
    crds::check(&to, cluster, &mut report).await?;
    injectors::check(step, cluster, wait, &mut report).await?;
    for namespace in namespaces(step, cluster).await? {
        workloads::check(&namespace, cluster, &mut report).await?;
    }
    Ok(report)
}

fn parse(version: &str) -> Result<Version, StepError> {
    version
        .parse()
        .map_err(|_| StepError::failed(format!("`{version}` is no version")))
}

/// The namespaces named, or all in which something is injected, or is meant to be: by a label of theirs, of a pod, or by
/// an injector that takes all.
async fn namespaces(step: &Precheck, cluster: &Cluster) -> Result<Vec<String>, StepError> {
    if let Some(names) = &step.namespaces {
        return Ok(names.clone());
    }
    let mesh = survey::injection(cluster).await?;
    let all = survey::namespaces(cluster).await?;
    let labelled = all.values().filter(|namespace| {
        let has = |label: &&str| namespace.labels().contains_key(*label);
        [INJECTION_LABEL, REVISION_LABEL].iter().any(has)
            || survey::plain_pod(&mesh, namespace).revision().is_some()
    });
    let mut names: BTreeSet<String> = labelled.map(|one| one.name.clone()).collect();
    for (object, pod) in survey::asking(cluster).await? {
        let namespace = object.namespace.as_ref().and_then(|own| all.get(own));
        names.extend(
            namespace
                .filter(|own| mesh.verdict(own, &pod).revision().is_some())
                .map(|own| own.name.clone()),
        );
    }
    Ok(names.into_iter().collect())
}
