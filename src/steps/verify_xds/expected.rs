//! The proxies that must be connected: every live pod that has one, or that should have one.

use serde_json::Value;

use crate::cluster::{Cluster, Object};
use crate::mesh::injection::{Mesh, Namespace, Proxy, ProxyKind, Verdict};
use crate::mesh::proxies::{ExpectedProxy, Phase, ProxyId};
use crate::model::action::VerifyXds;
use crate::steps::context::StepError;
use crate::steps::survey;

/// The pods, each with why nothing is expected of it, where that is so.
pub(super) async fn proxies(
    step: &VerifyXds,
    cluster: &Cluster,
    pods: &[Object],
) -> Result<Vec<ExpectedProxy>, StepError> {
    let mesh = survey::injection(cluster).await?;
    let namespace = survey::namespace(cluster, &step.namespace)
        .await?
        .ok_or_else(|| StepError::failed(format!("there is no namespace {}", step.namespace)))?;
    let namespace = survey::injected_namespace(&namespace);
    Ok(pods
        .iter()
        .filter(|pod| pod.value()["metadata"].get("deletionTimestamp").is_none())
        .map(|pod| expect(pod, &mesh, &namespace))
        .collect())
}

fn expect(pod: &Object, mesh: &Mesh, namespace: &Namespace) -> ExpectedProxy {
    let phase = pod.value()["status"]["phase"].as_str().unwrap_or_default();
    ExpectedProxy {
        id: ProxyId::new(pod.name(), pod.namespace().unwrap_or_default()),
        workload: workload(pod),
        phase: Phase::parse(phase),
        skip: skip(pod.value(), mesh, namespace),
    }
}

/// A pod without a proxy is no concern only where nothing would give it one, and no label asks for one in vain.
fn skip(pod: &Value, mesh: &Mesh, namespace: &Namespace) -> Option<String> {
    match (Proxy::of(pod), mesh.verdict(namespace, pod)) {
        (Some(proxy), _) if proxy.kind == ProxyKind::Gateway => {
            Some("a gateway: it moves in a step of its own".to_owned())
        }
        (None, Verdict::NotInjected(reason)) if !reason.is_dangling() => Some(reason.to_string()),
        _ => None,
    }
}

/// The controller's name; a ReplicaSet's is cut to its Deployment's.
fn workload(pod: &Object) -> String {
    let owners = pod.value()["metadata"]["ownerReferences"].as_array();
    let Some(owner) = owners.and_then(|all| all.iter().find(|o| o["controller"] == true)) else {
        return format!("pod/{}", pod.name());
    };
    let kind = owner["kind"].as_str().unwrap_or_default();
    let name = owner["name"].as_str().unwrap_or_default();
    let hash = pod.value()["metadata"]["labels"]["pod-template-hash"].as_str();
    match hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-')) {
        Some(deployment) if kind == "ReplicaSet" => format!("deployment/{deployment}"),
        _ => format!("{}/{name}", kind.to_lowercase()),
    }
}
