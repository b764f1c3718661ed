//! What makes a lab begin as another cluster was.
//!
//! Every object is there with its uid, its owner and its status, and nothing is mended at the start: pods go on as
//! they were, proxies are connected as their istiods told. From there on the lab behaves as it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::api::{ApiServer, Attributes, object};
use super::istio::{Behaviour, ProxyFault};
use super::scenario::OpenError;
use super::{controllers, istio};
use crate::mesh::injection::Proxy;
use crate::mesh::istiod::revision_of_address;
use crate::snapshot::{Access, Answer, Istiod, Reception, Snapshot};

/// Stores what the snapshot has, and adapts the settings to it.
///
/// # Errors
/// That an object is of a kind that the lab does not serve.
pub(super) fn restore(
    api: &ApiServer,
    snapshot: &Snapshot,
    controllers: &mut controllers::Settings,
    mesh: &mut istio::Settings,
) -> Result<(), OpenError> {
    for one in &snapshot.objects {
        api.restore(one).map_err(|why| OpenError::Refused {
            what: format!(
                "{} {}",
                one["kind"].as_str().unwrap_or_default(),
                object::name(one)
            ),
            why,
        })?;
    }
    let denied: Vec<Access> = snapshot
        .access
        .iter()
        .filter(|access| !access.allowed)
        .cloned()
        .collect();
    if !denied.is_empty() {
        api.set_authorizer(move |asked| !denied.iter().any(|access| is_of(access, asked)));
    }
    let pods = api.objects("pods", "");
    let uid = |pod: &Value| object::meta(pod, "uid").to_owned();
    controllers.nodes = 0;
    controllers.settled = pods.iter().map(|pod| uid(pod)).collect();
    let recorded: BTreeMap<String, Option<ProxyFault>> = pods
        .iter()
        .map(|pod| (uid(pod), fault(pod, &snapshot.istiods)))
        .collect();
    let later = Arc::clone(&mesh.behaviour);
    mesh.behaviour = Arc::new(move |pod| match recorded.get(object::meta(pod, "uid")) {
        Some(fault) => Behaviour {
            connect: Duration::ZERO,
            fault: *fault,
        },
        None => later(pod),
    });
    if let Some(bundle) = ca_bundle(api, &snapshot.istio_namespace) {
        mesh.ca_bundle = bundle;
    }
    Ok(())
}

/// Whether a review was about exactly this.
fn is_of(access: &Access, asked: &Attributes) -> bool {
    access.verb == asked.verb
        && access.group == asked.group
        && access.resource == asked.resource
        && access.subresource == asked.subresource
        && access.namespace == asked.namespace
}

/// The root of trust that the webhooks of this control plane have.
fn ca_bundle(api: &ApiServer, istio_namespace: &str) -> Option<String> {
    let configurations = api.objects(
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "",
    );
    configurations
        .iter()
        .flat_map(|configuration| object::items(configuration, "webhooks"))
        .map(|webhook| &webhook["clientConfig"])
        .filter(|client| client["service"]["namespace"] == istio_namespace)
        .filter_map(|client| client["caBundle"].as_str())
        .find(|bundle| !bundle.is_empty())
        .map(str::to_owned)
}

/// How a pod's proxy differs from one that is connected to its own istiod and takes everything.
fn fault(pod: &Value, istiods: &[Istiod]) -> Option<ProxyFault> {
    let proxy = Proxy::of(pod)?;
    let own = revision_of_address(proxy.address.as_deref()?)?.to_owned();
    let id = format!("{}.{}", object::name(pod), object::namespace(pod));
    let mut connected: BTreeSet<&str> = BTreeSet::new();
    let mut worst = Reception::Synced;
    for istiod in istiods {
        match &istiod.answer {
            // Who is connected there is unknown.
            Answer::Unasked(_) => return None,
            Answer::Proxies(proxies) => {
                if let Some(reception) = proxies.get(&id) {
                    connected.insert(&istiod.revision);
                    worst = worst.max(*reception);
                }
            }
        }
    }
    match (connected.contains(own.as_str()), connected.len(), worst) {
        (_, 0, _) => Some(ProxyFault::Absent),
        (true, 1, Reception::Rejected) => Some(ProxyFault::Nack),
        (true, 1, Reception::Unanswered) => Some(ProxyFault::NeverAck),
        (true, 1, Reception::Synced) => None,
        (true, ..) => Some(ProxyFault::Both),
        (false, ..) => Some(ProxyFault::StayOld),
    }
}
