//! From flags to a cluster that answers, and to its locks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::args::ClusterArgs;
use super::error::CliError;
use super::exit::Exit;
use super::scenario::Beginning;
use super::source::Source;
use crate::check::{ClusterFacts, Loaded};
use crate::cluster::{Cluster, ConnectOptions, LeaseError, Leases};
use crate::lab::scenario::Lab;
use crate::model::RunId;

/// Starts a lab for a plan.
pub(super) async fn lab(
    beginning: &Beginning,
    seed: u64,
    dry_run: bool,
) -> Result<(Lab, Cluster, ClusterFacts), CliError> {
    let lab = beginning.open(None, seed).await?;
    say!(
        "lab: {}, simulated in this process; --seed {seed} repeats it",
        beginning.inventory()
    );
    let agent = if dry_run { "plan-dry-run" } else { "plan" };
    let cluster = Cluster::from_service(lab.api.service(agent), dry_run);
    let version = cluster
        .server_version()
        .await
        .map_err(|error| CliError::new(Exit::Bug, "the lab does not answer").because(&error))?;
    let facts = ClusterFacts {
        name: "lab".to_owned(),
        labels: BTreeMap::new(),
        version,
    };
    Ok((lab, cluster, facts))
}

/// Connects, and asks for the version: a cluster that cannot be reached is told before anything else.
pub(super) async fn connect(
    args: &ClusterArgs,
    dry_run: bool,
) -> Result<(Cluster, ClusterFacts), CliError> {
    let options = ConnectOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        impersonate: args.impersonate.clone(),
        dry_run,
    };
    let unreachable = |error: crate::cluster::ClusterError| {
        let told =
            CliError::new(Exit::Unreachable, "the cluster cannot be reached").because(&error);
        match error.help {
            Some(help) => told.help(help),
            None => {
                told.help("is the context right, and the API server's address reachable from here?")
            }
        }
    };
    let mut cluster = Cluster::connect(&options).await.map_err(unreachable)?;
    let version = cluster.server_version().await.map_err(unreachable)?;
    if !dry_run {
        cluster.identify().await;
    }
    let facts = ClusterFacts {
        name: cluster.context().unwrap_or("in-cluster").to_owned(),
        labels: BTreeMap::new(),
        version,
    };
    Ok((cluster, facts))
}

/// The one look at the cluster that `for_each` may ask for, before the run.
pub(super) async fn look_up(
    loaded: &Loaded,
    cluster: &Cluster,
) -> Result<BTreeMap<String, Vec<String>>, CliError> {
    let mut found = BTreeMap::new();
    for lookup in loaded.lookups() {
        let names = cluster
            .namespaces(&lookup.query.selector, &lookup.query.exclude)
            .await
            .map_err(|error| {
                CliError::new(
                    Exit::Unreachable,
                    format!("{}: its namespaces cannot be listed", lookup.node),
                )
                .because(&error)
            })?;
        found.insert(lookup.node.clone(), names);
    }
    Ok(found)
}

/// Takes the lock of every Istio namespace that the run touches.
pub(super) async fn lock(
    cluster: &Cluster,
    namespaces: &BTreeSet<String>,
    run: &RunId,
    source: &Source,
    state_dir: &Path,
) -> Result<Leases, CliError> {
    let holder = source.holder(run);
    let host = holder.host.clone();
    // The caller has this run's directory to itself: what an earlier process of the run left behind is nobody's.
    let dead = |owner: &str| {
        owner.split('/').take(2).eq([run.as_str(), &host])
            || super::origin::is_dead(owner, &host, state_dir)
    };
    let clock = source.clock();
    let now = move || clock.now();
    let last = Mutex::new(String::new());
    let told = |text: String| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            say!("{text}");
            *last = text;
        }
    };
    Leases::acquire(cluster, namespaces, holder, now, dead, told)
        .await
        .map_err(|(namespace, error)| locked(&namespace, &error))
}

fn locked(namespace: &str, error: &LeaseError) -> CliError {
    match error {
        LeaseError::Held { holder, renewed } => {
            let run = holder.split('/').next().unwrap_or(holder);
            CliError::new(
                Exit::Locked,
                format!("{namespace} is locked by {holder}, renewed {renewed}"),
            )
            .help(format!(
                "wait for it, or end it with `plan cancel {run}`; a dead run's lock ends by itself"
            ))
        }
        LeaseError::Cluster(cluster) => {
            CliError::new(Exit::Unreachable, "the cluster's lock cannot be taken").because(cluster)
        }
    }
}
