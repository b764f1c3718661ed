//! The lock of a cluster: one Lease for each Istio namespace.
//!
//! It lives in `kube-system`, which every cluster has, also before Istio's own namespace exists. A mutation starts only
//! while the lease is certainly held: its own clock says so, with a margin, whatever the server's clock says.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::object::{Object, ObjectRef};

const NAMESPACE: &str = "kube-system";
/// How long a lease lasts without being renewed.
const DURATION: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(8);
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
    /// `dead` is asked whether the holder is certainly gone (a predecessor on this host whose file lock is free); an
    /// expired lease is taken over in any case. `now` is the run's clock.
    ///
    /// # Errors
    /// [`LeaseError::Held`] where somebody else holds it.
    pub async fn acquire(
        cluster: &Cluster,
        istio_namespace: &str,
        holder: Holder,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        dead: impl Fn(&str) -> bool,
    ) -> Result<Self, LeaseError> {
        let name = format!("plan-{istio_namespace}");
        let reference = ObjectRef::namespaced("coordination.k8s.io/v1", "Lease", NAMESPACE, &name);
        let started = Instant::now();
        match cluster.get(&reference).await? {
            None => create(cluster, &name, &holder, now()).await?,
            Some(found) => take_over(cluster, found, &holder, now(), dead).await?,
        }
        let held_until = Arc::new(Mutex::new(started + DURATION));
        let renewal = tokio::spawn(renew(
            cluster.clone(),
            reference,
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

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn create(
    cluster: &Cluster,
    name: &str,
    holder: &Holder,
    now: Timestamp,
) -> Result<(), LeaseError> {
    let lease = Object::new(json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "holderIdentity": holder.to_string(),
            "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": micro(now),
            "renewTime": micro(now),
            "leaseTransitions": 0,
        },
    }));
    match cluster.create(&lease).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::AlreadyExists => Err(LeaseError::Held {
            holder: "a run that started at the same moment".to_owned(),
            renewed: "just now".to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}

async fn take_over(
    cluster: &Cluster,
    found: Object,
    holder: &Holder,
    now: Timestamp,
    dead: impl Fn(&str) -> bool,
) -> Result<(), LeaseError> {
    let spec = &found.value()["spec"];
    let owner = spec["holderIdentity"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let renewed = spec["renewTime"].as_str().unwrap_or_default().to_owned();
    let lasts = spec["leaseDurationSeconds"].as_i64().unwrap_or(0);
    let expired = renewed
        .parse::<Timestamp>()
        .map_or(true, |at| now.as_second() - at.as_second() > lasts);
    if !owner.is_empty() && !expired && !dead(&owner) {
        return Err(LeaseError::Held {
            holder: owner,
            renewed,
        });
    }
    let transitions = spec["leaseTransitions"].as_i64().unwrap_or(0) + 1;
    let mut value = found.into_value();
    value["spec"] = json!({
        "holderIdentity": holder.to_string(),
        "leaseDurationSeconds": DURATION.as_secs(),
        "acquireTime": micro(now),
        "renewTime": micro(now),
        "leaseTransitions": transitions,
    });
    match cluster.replace(&Object::new(value)).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::Conflict => Err(LeaseError::Held {
            holder: "a run that was quicker".to_owned(),
            renewed,
        }),
        Err(error) => Err(error.into()),
    }
}

async fn renew(
    cluster: Cluster,
    reference: ObjectRef,
    holder: Holder,
    held_until: Arc<Mutex<Instant>>,
    now: impl Fn() -> Timestamp + Send,
) {
    let identity = holder.to_string();
    loop {
        tokio::time::sleep(RENEW).await;
        let started = Instant::now();
        let Ok(Some(found)) = cluster.get(&reference).await else {
            continue;
        };
        if found.value()["spec"]["holderIdentity"] != identity {
            // Lost: it can only run out from here.
            return;
        }
        let mut value = found.into_value();
        value["spec"]["renewTime"] = json!(micro(now()));
        if cluster.replace(&Object::new(value)).await.is_ok() {
            *held_until.lock().unwrap_or_else(PoisonError::into_inner) = started + DURATION;
        }
    }
}

/// Kubernetes' `MicroTime`.
fn micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
