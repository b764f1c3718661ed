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
use std::sync::Mutex;
use std::sync::PoisonError;

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

/// A pod whose proxy may be connected.
#[derive(Debug)]
struct Candidate {
    started: Timestamp,
    pod: Arc<Value>,
    proxy: Proxy,
    /// Which replica of a revision it goes to, as a number that is taken modulo their count.
    draw: u8,
}

/// All candidates in the order in which they come, read once for each state of the server.
#[derive(Debug, Default)]
pub(super) struct Roll(Mutex<(u64, Arc<[Candidate]>)>);

impl Roll {
    fn at_present(&self, api: &ApiServer) -> Arc<[Candidate]> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = api.revision();
        if last.0 != revision {
            let mut all: Vec<Candidate> = api
                .objects("pods", "")
                .into_iter()
                .filter_map(|pod| {
                    Some(Candidate {
                        started: started(&pod)?,
                        proxy: Proxy::of(&pod)?,
                        draw: Sha256::digest(object::meta(&pod, "uid"))[3],
                        pod,
                    })
                })
                .collect();
            all.sort_by(|one, other| {
                let (uid, other_uid) = (
                    object::meta(&one.pod, "uid"),
                    object::meta(&other.pod, "uid"),
                );
                (one.started, uid).cmp(&(other.started, other_uid))
            });
            *last = (revision, all.into());
        }
        Arc::clone(&last.1)
    }
}

/// The connections of one istiod replica, in the order in which they were made.
pub(super) fn of(
    api: &ApiServer,
    settings: &Settings,
    roll: &Roll,
    replica: &Istiod,
) -> Vec<Connection> {
    let mut replicas: BTreeMap<String, Vec<Istiod>> = BTreeMap::new();
    for istiod in Istiod::ready(api) {
        replicas
            .entry(istiod.revision.clone())
            .or_default()
            .push(istiod);
    }
    let step = SignedDuration::from_millis(1000 / i64::from(settings.admitted_per_second.max(1)));
    let mut next_free = Timestamp::MIN;
    let mut connections = Vec::new();
    for candidate in &*roll.at_present(api) {
        let Candidate {
            started: at,
            pod,
            proxy,
            draw,
        } = candidate;
        let Behaviour { connect, fault } = (settings.behaviour)(pod);
        let delay = SignedDuration::try_from(connect).unwrap_or(SignedDuration::ZERO);
        if !revisions(proxy, fault, &replicas).contains(&replica.revision) {
            continue;
        }
        let since = at.saturating_add(delay).unwrap_or(*at).max(next_free);
        next_free = since.saturating_add(step).unwrap_or(since);
        let all = replicas
            .get(&replica.revision)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mine = all.get(usize::from(*draw) % all.len().max(1)) == Some(replica);
        if mine && since <= api.now() {
            connections.push(Connection {
                proxy: format!("{}.{}", object::name(pod), object::namespace(pod)),
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
                seed: format!("{}/{}", object::meta(pod, "uid"), replica.revision),
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
