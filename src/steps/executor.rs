//! From an action to its step: the one place that knows every kind.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};

use super::context::{Done, Execute, Probe, StepContext, StepError};
use super::install_revision::Workspace;
use super::istiods::Rounds;
use super::{gate, install_revision, label_ns, precheck, restart, verify_xds, wait_ready};
use crate::cluster::Cluster;
use crate::model::Action;

/// Runs steps against a cluster.
#[derive(Debug, Clone)]
pub struct Steps {
    cluster: Cluster,
    workspace: Workspace,
    rounds: Arc<Rounds>,
}

impl Steps {
    /// Steps against this cluster, with files and programs from this workspace.
    pub fn new(cluster: Cluster, workspace: Workspace) -> Self {
        Self {
            cluster,
            workspace,
            rounds: Arc::default(),
        }
    }

    /// The cluster that they work on.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster for one attempt, which says there why it asks something again.
    fn patient(&self, context: &StepContext) -> Cluster {
        let context = context.clone();
        self.cluster.patient(move |why| context.waiting(vec![why]))
    }
}

impl Execute for Steps {
    fn run<'a>(
        &'a self,
        action: &'a Action,
        context: &'a StepContext,
    ) -> BoxFuture<'a, Result<Done, StepError>> {
        let cluster = self.patient(context);
        async move {
            let cluster = &cluster;
            match action {
                Action::Precheck(step) => precheck::run(step, cluster, context).await,
                Action::InstallRevision(step) => {
                    install_revision::run(step, cluster, &self.workspace, context).await
                }
                Action::WaitReady(step) => wait_ready::run(step, cluster, context).await,
                Action::LabelNs(step) => label_ns::run(step, cluster, context).await,
                Action::Restart(step) => restart::run(step, cluster, context).await,
                Action::VerifyXds(step) => {
                    verify_xds::run(step, cluster, &self.rounds, context).await
                }
                Action::Gate(step) => match &self.workspace.simulated {
                    Some(simulated) => gate::simulate(step, simulated, cluster, context).await,
                    None => gate::run(step, cluster, context).await,
                },
            }
        }
        .boxed()
    }

    fn probe<'a>(
        &'a self,
        action: &'a Action,
        context: &'a StepContext,
    ) -> BoxFuture<'a, Result<Probe, StepError>> {
        let cluster = self.patient(context);
        async move {
            let cluster = &cluster;
            match action {
                Action::Precheck(step) => precheck::probe(step, cluster, context).await,
                Action::InstallRevision(step) => {
                    install_revision::probe(step, cluster, &self.workspace, context).await
                }
                Action::WaitReady(step) => wait_ready::probe(step, cluster).await,
                Action::LabelNs(step) => label_ns::probe(step, cluster).await,
                Action::Restart(step) => restart::probe(step, cluster).await,
                Action::VerifyXds(step) => {
                    verify_xds::probe(step, cluster, &self.rounds, context).await
                }
                Action::Gate(step) => gate::probe(step, cluster, context).await,
            }
        }
        .boxed()
    }
}
