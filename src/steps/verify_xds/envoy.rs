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
        settling: false,
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

/// An endpoint of `xds-grpc`.
struct Host {
    name: String,
    /// Whether Envoy has a connection to it, healthy or not.
    connected: bool,
}

impl Host {
    fn read(host: &Value) -> Option<Self> {
        let stats = host["stats"].as_array().into_iter().flatten();
        let mut active = stats.filter(|stat| stat["name"] == "cx_active");
        Some(Self {
            name: host["hostname"].as_str()?.to_owned(),
            // A gauge at zero is written without its value.
            connected: active.all(|stat| !matches!(stat["value"].as_str(), None | Some("0"))),
        })
    }
}

/// The endpoints of `xds-grpc`.
fn hosts(answer: &str) -> Option<Vec<Host>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let clusters = answer["cluster_statuses"].as_array()?;
    let Some(xds) = clusters
        .iter()
        .find(|cluster| cluster["name"] == "xds-grpc")
    else {
        return Some(Vec::new());
    };
    let hosts = xds["host_statuses"].as_array().into_iter().flatten();
    Some(hosts.filter_map(Host::read).collect())
}

fn verdict(hosts: &[Host], wanted: &str) -> (Verdict, String) {
    let is_wanted = |host: &&&str| {
        host.strip_prefix(wanted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let named = |connected: bool| -> Vec<&str> {
        let hosts = hosts.iter().filter(|host| host.connected == connected);
        hosts.map(|host| host.name.as_str()).collect()
    };
    let (dialled, in_vain) = (named(true), named(false));
    let here = dialled.iter().filter(is_wanted).count();
    match (here, dialled.len()) {
        (_, 0) if in_vain.is_empty() => (
            Verdict::Missing,
            "its Envoy has no endpoint of xds-grpc: since 1.8 the agent stands between, use `via: istiod`".to_owned(),
        ),
        (_, 0) => (Verdict::Missing, format!("its Envoy dials {} in vain", in_vain.join(", "))),
        (0, _) => (Verdict::Old, format!("its Envoy dials {}", dialled.join(", "))),
        (n, all) if n < all => (Verdict::Both, format!("its Envoy dials {}", dialled.join(", "))),
        _ => (Verdict::Moved, format!("its Envoy dials {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(hosts: &[&str]) -> Verdict {
        let host = |name: &&str| Host {
            name: (*name).to_owned(),
            connected: true,
        };
        let hosts: Vec<Host> = hosts.iter().map(host).collect();
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
        let read = |answer: &str| -> Option<Vec<(String, bool)>> {
            let hosts = hosts(answer)?.into_iter();
            Some(hosts.map(|host| (host.name, host.connected)).collect())
        };
        let answer = r#"{"cluster_statuses":[{"name":"other"},{"name":"xds-grpc","host_statuses":[
            {"hostname":"a"}, {"hostname":"b","stats":[{"name":"cx_total","value":"1"},{"type":"GAUGE","name":"cx_active"}]},
            {"hostname":"c","stats":[{"type":"GAUGE","name":"cx_active","value":"1"}]}]}]}"#;
        let named = |name: &str, connected| (name.to_owned(), connected);
        assert_eq!(
            read(answer),
            Some(vec![named("a", true), named("b", false), named("c", true)])
        );
        assert_eq!(read(r#"{"cluster_statuses":[]}"#), Some(vec![]));
        assert_eq!(read("no json"), None);
    }

    #[test]
    fn who_dials_in_vain_is_missing() {
        let hosts = [Host {
            name: "istiod-canary.istio-system.svc".to_owned(),
            connected: false,
        }];
        let (verdict, why) = verdict(&hosts, "istiod-canary.istio-system.svc");
        assert_eq!(verdict, Verdict::Missing);
        assert_eq!(
            why,
            "its Envoy dials istiod-canary.istio-system.svc in vain"
        );
    }
}
