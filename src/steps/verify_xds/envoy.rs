//! `via: envoy`: the check of 1.6, in which Envoy dials istiod itself.
//!
//! The endpoints of the cluster `xds-grpc` in the proxy's own admin name the istiod. Since 1.8 that cluster is the
//! agent's socket, and tells nothing (`pkg/istio-agent`).

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use crate::cluster::{Cluster, HttpRequest};
use crate::mesh::istiod::Names;
use crate::mesh::proxies::{ExpectedProxy, Phase, PodVerdict, Verdict};
use crate::model::action::VerifyXds;
use crate::steps::context::StepError;

/// The port of Envoy's admin.
const ADMIN: u16 = 15000;
/// How many proxies are asked at once.
const AT_ONCE: usize = 16;

/// Asks every proxy once.
pub(super) async fn round(
    step: &VerifyXds,
    cluster: &Cluster,
    revision: &str,
    pods: &[ExpectedProxy],
) -> Result<Vec<PodVerdict>, StepError> {
    let names = Names::new(revision, &step.istio_namespace);
    let wanted = format!("{}.{}.svc", names.istiod(), step.istio_namespace);
    // Collected first: a lazy stream of borrowing futures is not provably `Send`.
    let questions: Vec<_> = pods
        .iter()
        .map(|pod| judge(cluster, pod, &wanted))
        .collect();
    stream::iter(questions)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn judge(
    cluster: &Cluster,
    pod: &ExpectedProxy,
    wanted: &str,
) -> Result<PodVerdict, StepError> {
    let (verdict, detail) = match (&pod.skip, pod.phase) {
        (Some(reason), _) => (Verdict::Skipped, reason.clone()),
        (None, Phase::Ended) => (Verdict::Skipped, "the pod has ended".to_owned()),
        (None, Phase::Pending) => (Verdict::Missing, "the pod has not started".to_owned()),
        (None, Phase::Running) => ask(cluster, pod, wanted).await?,
    };
    Ok(PodVerdict {
        id: pod.id.clone(),
        workload: pod.workload.clone(),
        verdict,
        detail,
    })
}

async fn ask(
    cluster: &Cluster,
    pod: &ExpectedProxy,
    wanted: &str,
) -> Result<(Verdict, String), StepError> {
    let request = HttpRequest {
        path: "/clusters?format=json".to_owned(),
        bearer: None,
    };
    let answer = match cluster
        .http(&pod.id.namespace, &pod.id.pod, ADMIN, &request)
        .await
    {
        Ok(answer) if answer.status == 200 => answer.body,
        Ok(answer) => {
            return Ok((
                Verdict::Missing,
                format!("its Envoy answers {}", answer.status),
            ));
        }
        Err(error) => {
            return Ok((
                Verdict::Missing,
                format!("its Envoy cannot be asked: {error}"),
            ));
        }
    };
    let hosts = hosts(&answer).ok_or_else(|| {
        StepError::failed(format!(
            "the Envoy of {} answers in an unknown form",
            pod.id
        ))
    })?;
    Ok(verdict(&hosts, wanted))
}

/// The hostnames of the endpoints of `xds-grpc`, healthy or not.
fn hosts(answer: &str) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let clusters = answer["cluster_statuses"].as_array()?;
    let Some(xds) = clusters
        .iter()
        .find(|cluster| cluster["name"] == "xds-grpc")
    else {
        return Some(Vec::new());
    };
    let hosts = xds["host_statuses"].as_array().into_iter().flatten();
    Some(
        hosts
            .filter_map(|host| host["hostname"].as_str())
            .map(str::to_owned)
            .collect(),
    )
}

fn verdict(hosts: &[String], wanted: &str) -> (Verdict, String) {
    let is_wanted = |host: &&String| {
        host.as_str() == wanted
            || host
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    let here = hosts.iter().filter(is_wanted).count();
    match (here, hosts.len()) {
        (_, 0) => (
            Verdict::Missing,
            "its Envoy has no endpoint of xds-grpc: since 1.8 the agent stands between, use `via: istiod`".to_owned(),
        ),
        (0, _) => (Verdict::Old, format!("its Envoy dials {}", hosts.join(", "))),
        (n, all) if n < all => (Verdict::Both, format!("its Envoy dials {}", hosts.join(", "))),
        _ => (Verdict::Moved, format!("its Envoy dials {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(hosts: &[&str]) -> Verdict {
        let hosts: Vec<String> = hosts.iter().map(|&h| h.to_owned()).collect();
        verdict(&hosts, "istiod-canary.istio-system.svc").0
    }

    #[test]
    fn the_whole_name_counts() {
        assert_eq!(judge(&["istiod-canary.istio-system.svc"]), Verdict::Moved);
        assert_eq!(
            judge(&["istiod-canary.istio-system.svc.cluster.local"]),
            Verdict::Moved
        );
        assert_eq!(judge(&["istiod.istio-system.svc"]), Verdict::Old);
        assert_eq!(judge(&["istiod-canary.istio-system.svc2"]), Verdict::Old);
        assert_eq!(
            judge(&["istiod.istio-system.svc", "istiod-canary.istio-system.svc"]),
            Verdict::Both
        );
        assert_eq!(judge(&[]), Verdict::Missing);
    }

    #[test]
    fn endpoints_are_read() {
        let answer = r#"{"cluster_statuses":[{"name":"other"},{"name":"xds-grpc","host_statuses":[{"hostname":"istiod.istio-system.svc"}]}]}"#;
        assert_eq!(
            hosts(answer),
            Some(vec!["istiod.istio-system.svc".to_owned()])
        );
        assert_eq!(hosts(r#"{"cluster_statuses":[]}"#), Some(vec![]));
        assert_eq!(hosts("no json"), None);
    }
}
