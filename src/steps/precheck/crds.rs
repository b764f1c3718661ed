//! Custom resources that are stored in a version which the target does not serve.

use super::finding::Report;
use crate::cluster::{Cluster, Selector};
use crate::mesh::support::serves_resource;
use crate::mesh::version::Version;
use crate::steps::context::StepError;

/// Compares every Istio CRD's stored versions with what the target's CRDs serve.
pub(super) async fn check(
    to: &Version,
    cluster: &Cluster,
    report: &mut Report,
) -> Result<(), StepError> {
    let before = report.count();
    let crds = cluster
        .list(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            None,
            &Selector::default(),
        )
        .await?;
    for crd in crds {
        let group = crd.value()["spec"]["group"].as_str().unwrap_or_default();
        if !group.ends_with(".istio.io") {
            continue;
        }
        for stored in crd.value()["status"]["storedVersions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let stored = stored.as_str().unwrap_or_default();
            if !serves_resource(to, group, stored) {
                report.fail(
                    "stored-version",
                    &format!("CustomResourceDefinition/{}", crd.name()),
                    format!("objects are stored as {stored}, which Istio {to} does not serve"),
                    "migrate the objects to a version that both know, then drop it from status.storedVersions",
                );
            }
        }
    }
    if report.count() == before {
        report.pass(
            "crds",
            "CRDs",
            format!("every stored version is served by {to}"),
        );
    }
    Ok(())
}
