//! The hop, Kubernetes, and the ends of life.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::finding::Report;
use crate::cluster::Cluster;
use crate::mesh::support::{KubernetesVerdict, end_of_life, kubernetes_verdict};
use crate::mesh::version::{Version, hop};
use crate::model::action::Precheck;
use crate::steps::context::StepError;
use crate::steps::survey;

/// Compares the versions with each other, with the live ones, with Kubernetes, and with the calendar.
pub(super) async fn check(
    step: &Precheck,
    from: &Version,
    to: &Version,
    cluster: &Cluster,
    now: Timestamp,
    report: &mut Report,
) -> Result<(), StepError> {
    check_hop("the plan", from, to, step.max_hop, report);
    let live = survey::versions(cluster, &step.istio_namespace).await?;
    if live.is_empty() {
        report.fail(
            "from",
            &step.istio_namespace,
            "there is no istiod",
            "name the control plane's namespace with `istio_namespace`",
        );
    } else if !live
        .values()
        .any(|version| from.covers(version) || to.covers(version))
    {
        let found: Vec<String> = live.iter().map(|(r, v)| format!("{r} {v}")).collect();
        report.fail(
            "from",
            &step.istio_namespace,
            format!(
                "no control plane is of version {from}: {}",
                found.join(", ")
            ),
            "set `from` to what runs",
        );
    }
    for (revision, version) in &live {
        check_hop(
            &format!("revision {revision}"),
            version,
            to,
            step.max_hop,
            report,
        );
    }
    check_kubernetes(to, cluster, report).await?;
    check_end_of_life(to, now, report);
    Ok(())
}

fn check_hop(what: &str, from: &Version, to: &Version, max_hop: u32, report: &mut Report) {
    match hop(from, to, max_hop) {
        Ok(()) => report.pass("hop", what, format!("{from} to {to}")),
        Err(error) => report.fail(
            "hop",
            what,
            error.to_string(),
            "upgrade step by step; Istio allows one minor in place and two for a revision",
        ),
    }
}

async fn check_kubernetes(
    to: &Version,
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), StepError> {
    let text = cluster.server_version().await?;
    let object = format!("Kubernetes {text}");
    let Ok(kubernetes) = text.parse::<Version>() else {
        report.warn(
            "matrix",
            &object,
            "a version that nothing is known of",
            "compare Istio's support table",
        );
        return Ok(());
    };
    match kubernetes_verdict(to, &kubernetes) {
        KubernetesVerdict::Fine => {
            report.pass("matrix", &object, format!("documented for Istio {to}"));
        }
        KubernetesVerdict::BelowCodeMinimum { minimum } => report.fail(
            "kubernetes",
            &object,
            format!("Istio {to} does not start before Kubernetes 1.{minimum}"),
            "upgrade Kubernetes first",
        ),
        KubernetesVerdict::OutsideDocumented { from, to: last } => report.warn(
            "matrix",
            &object,
            format!("Istio {to} documents Kubernetes 1.{from} to 1.{last}"),
            "test before you trust it, or fail on it with `fail_on: [matrix]`",
        ),
        KubernetesVerdict::Unknown => report.warn(
            "matrix",
            &object,
            format!("nothing is known of Istio {to}"),
            "compare Istio's support table",
        ),
    }
    Ok(())
}

fn check_end_of_life(to: &Version, now: Timestamp, report: &mut Report) {
    let object = format!("Istio {to}");
    let today = now.to_zoned(TimeZone::UTC).date();
    match end_of_life(to) {
        Some(end) if end.is_past(today) => report.warn(
            "eol",
            &object,
            format!("past its end of life ({end})"),
            "plan the next hop as well",
        ),
        Some(end) => report.pass("eol", &object, format!("maintained until {end}")),
        None => report.pass("eol", &object, "no end is announced"),
    }
}
