//! The lock of a cluster: one Lease for each Istio namespace.
//!
//! It lives in `kube-system`, which every cluster has, also before Istio's own namespace exists. A mutation starts only
//! while the lease is certainly held: its own clock says so, with a margin, whatever the server's clock says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::object::{Object, ObjectRef};

/// Where it lives.
pub const NAMESPACE: &str = "kube-system";
/// How long a lease lasts without being renewed.
const DURATION: Duration = Duration::from_secs(45);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// After what time a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long it is tried to take one, where the server does not say yes or no.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a lease is looked at that a lost process of the same run may have left.
const LOOK: Duration = Duration::from_secs(5);
/// How long a lease that seems expired is watched before it is taken: a holder that lives renews it meanwhile, however
/// wrong its clock or ours may be.
const DOUBT: Duration = Duration::from_secs(20);
/// How long before its end it no longer counts as certainly held.
const MARGIN: Duration = Duration::from_secs(8);

/// Who holds a lease: the run, its host, and a nonce that tells processes apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// The host.
    pub host: String,
    /// Drawn anew by every process.
    pub nonce: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.host, self.nonce)
    }
}

/// Why a lease is not held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else holds it.
    #[error("locked by {holder}, renewed {renewed}")]
    Held {
        /// Who: `run/host/nonce`.
        holder: String,
        /// When it was last renewed.
        renewed: String,
    },
    /// The cluster did not say.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// A held lease. It is renewed in the background until it is released or dropped.
#[derive(Debug)]
pub struct Lease {
    cluster: Cluster,
    name: String,
    holder: Holder,
    held_until: Arc<Mutex<Instant>>,
    renewal: tokio::task::JoinHandle<()>,
}

impl Lease {
    /// Takes the lease of an Istio namespace.
    ///
    /// `dead` is asked whether the holder is certainly gone (a predecessor on this host whose file lock is free): its
    /// lease is taken at once. An expired one is taken when nobody renews it for a while, and one that an earlier process
    /// of the same run holds on another host is watched until it expires, or is renewed. `now` is the run's clock; `told`
    /// hears what is waited for.
    ///
    /// # Errors
    /// [`LeaseError::Held`] where somebody else holds it.
    pub async fn acquire(
        cluster: &Cluster,
        istio_namespace: &str,
        holder: Holder,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        dead: impl Fn(&str) -> bool,
        told: impl Fn(String),
    ) -> Result<Self, LeaseError> {
        let name = format!("plan-{istio_namespace}");
        let reference = ObjectRef::namespaced("coordination.k8s.io/v1", "Lease", NAMESPACE, &name);
        let patient_until = Instant::now() + PATIENCE;
        let mut seen = None;
        let (started, held) = loop {
            match take(cluster, &reference, &holder, &now, &dead, &told).await {
                Err(LeaseError::Cluster(error)) if passes(&error) => {
                    let pause = match error.class {
                        ErrorClass::Transient(asked) => asked.unwrap_or_default().max(AGAIN),
                        _ => AGAIN,
                    };
                    if Instant::now() + pause > patient_until {
                        return Err(error.into());
                    }
                    if error.is_transient() {
                        told(format!("the API server: {error}; trying again"));
                    }
                    tokio::time::sleep(pause).await;
                }
                // One that lives renews it.
                Err(LeaseError::Held {
                    holder: owner,
                    renewed,
                }) if owner.split('/').next() == Some(holder.run.as_str())
                    && *seen.get_or_insert_with(|| renewed.clone()) == renewed =>
                {
                    told(left_behind(&owner));
                    tokio::time::sleep(LOOK).await;
                }
                taken => break taken?,
            }
        };
        let held_until = Arc::new(Mutex::new(started + DURATION));
        let renewal = tokio::spawn(renew(
            cluster.clone(),
            held,
            holder.clone(),
            Arc::clone(&held_until),
            now,
        ));
        Ok(Self {
            cluster: cluster.clone(),
            name,
            holder,
            held_until,
            renewal,
        })
    }

    /// Who holds it.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Whether it is certainly held now, and for a while to come.
    pub fn is_certain(&self) -> bool {
        let until = *self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Instant::now() + MARGIN < until
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The cluster's; the lease then ends by itself.
    pub async fn release(self) -> Result<(), ClusterError> {
        self.renewal.abort();
        let reference =
            ObjectRef::namespaced("coordination.k8s.io/v1", "Lease", NAMESPACE, &self.name);
        let Some(found) = self.cluster.get(&reference).await? else {
            return Ok(());
        };
        if found.value()["spec"]["holderIdentity"] != self.holder.to_string() {
            return Ok(());
        }
        let mut value = found.into_value();
        value["spec"]["holderIdentity"] = json!("");
        value["spec"]["leaseDurationSeconds"] = json!(1);
        match self.cluster.replace(&Object::new(value)).await {
            // Somebody took it between the look and the word: it is given back already.
            Err(error) if error.class == ErrorClass::Conflict => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The leases of all Istio namespaces that a run touches.
#[derive(Debug)]
pub struct Leases {
    holder: Holder,
    all: Vec<Lease>,
}

impl Leases {
    /// Takes them all, in the order of the names; see [`Lease::acquire`].
    ///
    /// # Errors
    /// The first that is not to be had, by its namespace. Those that were taken before it run out.
    pub async fn acquire(
        cluster: &Cluster,
        namespaces: &BTreeSet<String>,
        holder: Holder,
        now: impl Fn() -> Timestamp + Clone + Send + Sync + 'static,
        dead: impl Fn(&str) -> bool,
        told: impl Fn(String),
    ) -> Result<Self, (String, LeaseError)> {
        let mut all = Vec::new();
        for namespace in namespaces {
            let holder = holder.clone();
            let taken = Lease::acquire(cluster, namespace, holder, now.clone(), &dead, &told).await;
            all.push(taken.map_err(|error| (namespace.clone(), error))?);
        }
        Ok(Self { holder, all })
    }

    /// Who holds them.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Whether all are certainly held.
    pub fn are_certain(&self) -> bool {
        self.all.iter().all(Lease::is_certain)
    }

    /// Gives them back. One that cannot be given back ends by itself.
    pub async fn release(self) {
        for lease in self.all {
            let _ends_by_itself = lease.release().await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// A lease that nobody has held yet.
fn fresh(name: &str, holder: &Holder, now: Timestamp) -> Object {
    Object::new(json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": spec(holder, now, 0),
    }))
}

/// A lease that passes to a new holder.
fn taken(free: Object, holder: &Holder, now: Timestamp) -> Object {
    let transitions = free.value()["spec"]["leaseTransitions"]
        .as_i64()
        .unwrap_or(0);
    let mut value = free.into_value();
    value["spec"] = spec(holder, now, transitions + 1);
    Object::new(value)
}

fn spec(holder: &Holder, now: Timestamp, transitions: i64) -> Value {
    json!({
        "holderIdentity": holder.to_string(),
        "leaseDurationSeconds": DURATION.as_secs(),
        "acquireTime": micro(now),
        "renewTime": micro(now),
        "leaseTransitions": transitions,
    })
}

/// One attempt: looks, and writes what makes it ours. Gives when the writing began.
async fn take(
    cluster: &Cluster,
    reference: &ObjectRef,
    holder: &Holder,
    now: &impl Fn() -> Timestamp,
    dead: impl Fn(&str) -> bool,
    told: impl Fn(String),
) -> Result<(Instant, Object), LeaseError> {
    // An earlier attempt whose answer was lost may have taken it.
    let mine = holder.to_string();
    let dead = |owner: &str| owner == mine || dead(owner);
    let wanted = match cluster.get(reference).await? {
        None => fresh(&reference.name, holder, now()),
        Some(found) => taken(free(cluster, found, now, dead, told).await?, holder, now()),
    };
    let started = Instant::now();
    // Created, or replaced in the version that was seen: who comes second is told so, and looks again who was first.
    let written = if wanted.resource_version().is_empty() {
        cluster.create(&wanted).await?
    } else {
        cluster.replace(&wanted).await?
    };
    Ok((started, written))
}

/// Whether the next attempt may say something else.
fn passes(error: &ClusterError) -> bool {
    let raced = matches!(
        error.class,
        ErrorClass::AlreadyExists | ErrorClass::Conflict
    );
    error.is_transient() || raced
}

/// The lease, where it is free: given back, its holder dead, or expired and left alone.
async fn free(
    cluster: &Cluster,
    found: Object,
    now: &impl Fn() -> Timestamp,
    dead: impl Fn(&str) -> bool,
    told: impl Fn(String),
) -> Result<Object, LeaseError> {
    let owner = holder_of(&found).to_owned();
    if owner.is_empty() || dead(&owner) {
        return Ok(found);
    }
    if !is_expired(&found, now()) {
        return Err(held(&found));
    }
    told(left_behind(&owner));
    tokio::time::sleep(DOUBT).await;
    match cluster.get(&ObjectRef::from(&found)).await? {
        Some(later) if later.resource_version() == found.resource_version() => Ok(later),
        Some(later) if holder_of(&later).is_empty() => Ok(later),
        Some(later) => Err(held(&later)),
        // Deleted by hand: the next attempt creates it.
        None => Err(held(&found)),
    }
}

fn left_behind(owner: &str) -> String {
    format!("waiting for the lock that {owner}, which seems to be gone, left on the cluster")
}

fn holder_of(lease: &Object) -> &str {
    lease.value()["spec"]["holderIdentity"]
        .as_str()
        .unwrap_or_default()
}

fn held(lease: &Object) -> LeaseError {
    LeaseError::Held {
        holder: holder_of(lease).to_owned(),
        renewed: lease.value()["spec"]["renewTime"]
            .as_str()
            .unwrap_or("at an unknown time")
            .to_owned(),
    }
}

/// Whether it has expired, by our own clock.
fn is_expired(lease: &Object, now: Timestamp) -> bool {
    let spec = &lease.value()["spec"];
    let lasts = spec["leaseDurationSeconds"].as_i64().unwrap_or(0);
    spec["renewTime"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .is_none_or(|renewed| now.as_second() - renewed.as_second() > lasts)
}

async fn renew(
    cluster: Cluster,
    mut lease: Object,
    holder: Holder,
    held_until: Arc<Mutex<Instant>>,
    now: impl Fn() -> Timestamp + Send,
) {
    let mut pause = RENEW;
    loop {
        tokio::time::sleep(pause).await;
        let started = Instant::now();
        let mut value = lease.value().clone();
        value["spec"]["renewTime"] = json!(micro(now()));
        match cluster.replace(&Object::new(value)).await {
            Ok(renewed) => {
                lease = renewed;
                pause = RENEW;
                *held_until.lock().unwrap_or_else(PoisonError::into_inner) = started + DURATION;
                continue;
            }
            Err(error) => tracing::warn!(%error, "the lease is not renewed"),
        }
        pause = AGAIN;
        match cluster.get(&ObjectRef::from(&lease)).await {
            // Somebody wrote to it, maybe this run in a request that got no answer.
            Ok(Some(found)) if holder_of(&found) == holder.to_string() => lease = found,
            // Lost: it can only run out from here.
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

/// Kubernetes' `MicroTime`.
fn micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::api::{ApiServer, Effect, Fault, StatusError};

    fn holder(run: &str) -> Holder {
        Holder {
            run: run.to_owned(),
            host: "host".to_owned(),
            nonce: "1".to_owned(),
        }
    }

    /// Acquires as `run`, whose clock is wrong by so many seconds.
    async fn acquire(
        server: &ApiServer,
        run: &str,
        wrong: i64,
        dead: bool,
    ) -> Result<Lease, LeaseError> {
        let cluster = Cluster::from_service(server.service("plan"), false);
        let clock = server.clone();
        let now = move || clock.now() + jiff::SignedDuration::from_secs(wrong);
        Lease::acquire(&cluster, "istio-system", holder(run), now, |_| dead, |_| {}).await
    }

    fn owner(server: &ApiServer) -> String {
        let lease = server.object("leases.coordination.k8s.io", NAMESPACE, "plan-istio-system");
        lease.unwrap()["spec"]["holderIdentity"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn is_held(outcome: &Result<Lease, LeaseError>, by: &str) -> bool {
        matches!(outcome, Err(LeaseError::Held { holder, .. }) if holder == by)
    }

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_holds_it_renews_it_and_gives_it_back() {
        let server = ApiServer::default();
        let first = acquire(&server, "a", 0, false).await.unwrap();
        assert!(first.is_certain());
        pass(300).await;
        assert!(first.is_certain());
        assert!(is_held(&acquire(&server, "b", 0, false).await, "a/host/1"));
        first.release().await.unwrap();
        let second = acquire(&server, "b", 0, false).await.unwrap();
        assert_eq!(owner(&server), second.holder().to_string());
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_of_the_dead_passes_on() {
        let server = ApiServer::default();
        drop(acquire(&server, "a", 0, false).await.unwrap());
        let before = server.now();
        drop(acquire(&server, "b", 0, true).await.unwrap());
        assert_eq!(server.now(), before, "a proof of death needs no waiting");
        assert!(is_held(&acquire(&server, "c", 0, false).await, "b/host/1"));
        pass(46).await;
        let third = acquire(&server, "c", 0, false).await.unwrap();
        assert!(third.is_certain());
        assert_eq!(owner(&server), "c/host/1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_robs_nobody() {
        let server = ApiServer::default();
        let first = acquire(&server, "a", 0, false).await.unwrap();
        assert!(is_held(
            &acquire(&server, "b", 3600, false).await,
            "a/host/1"
        ));
        assert!(first.is_certain());
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_that_come_at_once_gets_it() {
        let server = ApiServer::default();
        let (a, b) = tokio::join!(
            acquire(&server, "a", 0, false),
            acquire(&server, "b", 0, false)
        );
        assert!(a.is_ok() != b.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_renewal_it_is_not_certain_and_comes_back() {
        let server = ApiServer::default();
        let lease = acquire(&server, "a", 0, false).await.unwrap();
        let away = StatusError::new(503, "ServiceUnavailable", "away");
        server.add_fault(Fault::when(|_| true, Effect::Fail(away)));
        pass(36).await;
        assert!(lease.is_certain());
        pass(2).await;
        assert!(!lease.is_certain(), "its last renewal is too long ago");
        server.clear_faults();
        pass(5).await;
        assert!(lease.is_certain());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_taken_although_answers_are_lost() {
        for effect in [Effect::Lose, Effect::LoseAnswer] {
            let server = ApiServer::default();
            server.add_fault(Fault::when(|_| true, effect).times(3));
            let first = acquire(&server, "a", 0, false).await.unwrap();
            assert_eq!(owner(&server), first.holder().to_string());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_at_the_start_is_waited_out_for_a_while() {
        let away = || Effect::Fail(StatusError::new(503, "ServiceUnavailable", "away"));
        let server = ApiServer::default();
        server.add_fault(Fault::when(|_| true, away()).times(40));
        let first = acquire(&server, "a", 0, false).await.unwrap();
        assert!(first.is_certain());
        let server = ApiServer::default();
        server.add_fault(Fault::when(|_| true, away()));
        let began = Instant::now();
        let error = acquire(&server, "a", 0, false).await.unwrap_err();
        assert!(matches!(error, LeaseError::Cluster(_)), "{error}");
        assert!(began.elapsed() <= PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_lost_process_of_the_same_run_left_is_waited_for() {
        let elsewhere = Holder {
            host: "elsewhere".to_owned(),
            ..holder("a")
        };
        let server = ApiServer::default();
        let cluster = Cluster::from_service(server.service("plan"), false);
        let clock = server.clone();
        let left = Lease::acquire(
            &cluster,
            "istio-system",
            elsewhere,
            move || clock.now(),
            |_| false,
            |_| {},
        )
        .await
        .unwrap();
        let living = acquire(&server, "a", 0, false).await;
        assert!(is_held(&living, "a/elsewhere/1"), "it renews: {living:?}");
        drop(left);
        let taken = acquire(&server, "a", 0, false).await.unwrap();
        assert_eq!(owner(&server), taken.holder().to_string());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_was_taken_is_lost() {
        let server = ApiServer::default();
        let lease = acquire(&server, "a", 0, false).await.unwrap();
        let thief = acquire(&server, "b", 0, true).await.unwrap();
        pass(40).await;
        assert!(!lease.is_certain() && thief.is_certain());
        lease.release().await.unwrap();
        assert_eq!(owner(&server), "b/host/1", "what is lost is not given back");
    }
}
