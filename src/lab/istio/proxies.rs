//! The proxies: which istiod each one talks to, and what they have told each other.

use super::Behaviour;
use super::ProxyFault;
use super::Settings;
use super::istiod::Istiod;
use crate::lab::api::ApiServer;
use crate::lab::api::object;
use crate::mesh::injection::Proxy;
use crate::mesh::istiod::revision_of_address;
use crate::mesh::version::Version;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde_json::Value;
use sha2::Digest as _;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A proxy's connection to one istiod.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// `POD.NAMESPACE`.
    pub(super) proxy: String,
    /// The proxy's version.
    pub(super) version: String,
    pub(super) since: Timestamp,
    pub(super) address: String,
    pub(super) fault: Option<ProxyFault>,
    /// What its nonces are made of.
    seed: String,
}

impl Connection {
    /// The nonce of what was sent last for a type, as istiods of this version make them: a UUID, since 1.6 behind the
    /// version of the configuration, which today is a time and a counter.
    pub(super) fn nonce(&self, kind: &str, istiod: &Version) -> String {
        let bytes: [u8; 32] = Sha256::digest(format!("{}/{kind}", self.seed)).into();
        let mut first = [0; 16];
        first.copy_from_slice(&bytes[..16]);
        let uuid = uuid::Builder::from_random_bytes(first).into_uuid();
        if istiod.syncz_has_errors() {
            format!("{}/1{uuid}", self.since.strftime("%Y-%m-%dT%H:%M:%SZ"))
        } else if istiod.has_revisions() {
            format!("vbIEhTFtCx8={uuid}")
        } else {
            uuid.to_string()
        }
    }
}

/// The connections of one istiod replica, in the order in which they were made.
pub(super) fn of(api: &ApiServer, settings: &Settings, replica: &Istiod) -> Vec<Connection> {
    let mut replicas: BTreeMap<String, Vec<Istiod>> = BTreeMap::new();
    for istiod in Istiod::ready(api) {
        replicas
            .entry(istiod.revision.clone())
            .or_default()
            .push(istiod);
    }
    let mut candidates: Vec<(Timestamp, Arc<Value>, Proxy)> = api
        .objects("pods", "")
        .into_iter()
        .filter_map(|pod| Some((started(&pod)?, Proxy::of(&pod)?, pod)))
        .map(|(at, proxy, pod)| (at, pod, proxy))
        .collect();
    candidates.sort_by_key(|(at, pod, _)| (*at, object::meta(pod, "uid").to_owned()));
    let step = SignedDuration::from_millis(1000 / i64::from(settings.admitted_per_second.max(1)));
    let mut next_free = Timestamp::MIN;
    let mut connections = Vec::new();
    for (at, pod, proxy) in candidates {
        let Behaviour { connect, fault } = (settings.behaviour)(&pod);
        let delay = SignedDuration::try_from(connect).unwrap_or(SignedDuration::ZERO);
        if !revisions(&proxy, fault, &replicas).contains(&replica.revision) {
            continue;
        }
        let since = at.saturating_add(delay).unwrap_or(at).max(next_free);
        next_free = since.saturating_add(step).unwrap_or(since);
        let uid = object::meta(&pod, "uid");
        let all = replicas
            .get(&replica.revision)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mine = all.get(usize::from(Sha256::digest(uid)[3]) % all.len().max(1)) == Some(replica);
        if mine && since <= api.now() {
            connections.push(Connection {
                proxy: format!("{}.{}", object::name(&pod), object::namespace(&pod)),
                version: proxy
                    .version
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                since,
                address: format!(
                    "{}:40000",
                    pod["status"]["podIP"].as_str().unwrap_or_default()
                ),
                fault,
                seed: format!("{uid}/{}", replica.revision),
            });
        }
    }
    connections
}

/// When the pod started, if it runs.
fn started(pod: &Value) -> Option<Timestamp> {
    let runs = pod["status"]["phase"] == "Running" && !object::is_terminating(pod);
    runs.then(|| pod["status"]["startTime"].as_str()?.parse().ok())
        .flatten()
}

/// The revisions that a proxy is connected to.
fn revisions(
    proxy: &Proxy,
    fault: Option<ProxyFault>,
    replicas: &BTreeMap<String, Vec<Istiod>>,
) -> Vec<String> {
    let own = proxy
        .address
        .as_deref()
        .and_then(revision_of_address)
        .unwrap_or_default()
        .to_owned();
    let other = || replicas.keys().find(|revision| **revision != own).cloned();
    match fault {
        Some(ProxyFault::Absent) => Vec::new(),
        Some(ProxyFault::StayOld) => other().into_iter().collect(),
        Some(ProxyFault::Both) => other().into_iter().chain([own]).collect(),
        Some(ProxyFault::Nack | ProxyFault::NeverAck) | None => vec![own],
    }
}
