//! The running istiods: who they are, and what they answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;

use super::context::StepError;
use super::survey::revision_of;
use crate::cluster::{Cluster, ClusterError, HttpAnswer, HttpRequest, Object, ObjectRef, Selector};
use crate::event::FailureClass;
use crate::mesh::istiod::Names;
use crate::mesh::proxies::{EndpointAnswer, Metrics, parse_connections, parse_syncz};
use crate::mesh::version::Version;

/// The port of istiod's debug and metrics endpoints.
pub(super) const MONITORING: u16 = 15014;
/// The port of istiod's `/ready`.
pub(super) const HTTP: u16 = 8080;
/// The audience of the tokens that istiod's debug endpoints take (`pilot/pkg/xds/debug.go`).
const AUDIENCE: &str = "istio-ca";
/// The longest that one request to an istiod may take: one that is stuck must not keep the others' answers back.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long such a token is good for, in seconds: longer than any one question.
const TOKEN_SECONDS: u32 = 600;

/// One replica of one revision's control plane.
#[derive(Debug, Clone)]
pub(super) struct Replica {
    /// The revision.
    pub(super) revision: String,
    /// The pod.
    pub(super) pod: String,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its service account, whose token its debug endpoints take.
    service_account: String,
}

/// Every running replica of every revision, by name.
pub(super) async fn replicas(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Vec<Replica>, ClusterError> {
    let istiods = Selector {
        labels: Some("app=istiod".to_owned()),
        ..Selector::default()
    };
    let pods = cluster
        .followed("v1", "Pod", Some(namespace), &istiods)
        .await?;
    Ok(pods
        .iter()
        .filter(|pod| is_running(pod))
        .map(Replica::of)
        .collect())
}

fn is_running(pod: &Object) -> bool {
    pod.value()["status"]["phase"] == "Running"
        && pod.value()["metadata"].get("deletionTimestamp").is_none()
}

impl Replica {
    fn of(pod: &Object) -> Self {
        let account = pod.value()["spec"]["serviceAccountName"].as_str();
        Self {
            revision: revision_of(pod),
            pod: pod.name().to_owned(),
            namespace: pod.namespace().unwrap_or_default().to_owned(),
            service_account: account.unwrap_or("default").to_owned(),
        }
    }

    /// Asks an endpoint; where that is refused, once more with a token. A pod that is gone may have a successor: that
    /// passes.
    ///
    /// istiod trusts its loopback, which a port-forward reaches; elsewhere it wants a token of a service account of
    /// its own namespace (`ENABLE_DEBUG_ENDPOINT_AUTH`, on since 1.29).
    pub(super) async fn ask(
        &self,
        cluster: &Cluster,
        port: u16,
        path: &str,
    ) -> Result<String, StepError> {
        let mut request = HttpRequest {
            path: path.to_owned(),
            bearer: None,
        };
        let mut answer = self.get(cluster, port, &request).await?;
        if answer.status == 401 {
            let token = cluster
                .token(
                    &self.namespace,
                    &self.service_account,
                    AUDIENCE,
                    TOKEN_SECONDS,
                )
                .await?;
            request.bearer = Some(token);
            answer = self.get(cluster, port, &request).await?;
        }
        match answer.status {
            200 => Ok(answer.body),
            401 | 403 => Err(StepError::failed(format!(
                "{} refuses {path}: {}",
                self.pod,
                answer.body.trim()
            ))
            .help("allow `create` on serviceaccounts/token and pods/portforward in the control plane's namespace")),
            status => Err(StepError::transient(format!("{} answers {status} to {path}", self.pod))),
        }
    }

    async fn get(
        &self,
        cluster: &Cluster,
        port: u16,
        request: &HttpRequest,
    ) -> Result<HttpAnswer, StepError> {
        let answer = cluster.http(&self.namespace, &self.pod, port, request);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.map_err(|_| {
            let (path, seconds) = (&request.path, PATIENCE.as_secs());
            StepError::transient(format!(
                "{} does not answer to {path} within {seconds} s",
                self.pod
            ))
        })?;
        answer.map_err(|error| {
            if error.is_not_found() {
                StepError::transient(error.message)
            } else {
                error.into()
            }
        })
    }

    /// Everything that it has to say of proxies.
    pub(super) async fn answer(&self, cluster: &Cluster) -> Result<EndpointAnswer, StepError> {
        let version = self.version(cluster).await?;
        let unreadable = |what: &str, error: &dyn std::fmt::Display| {
            StepError::failed(format!(
                "{} answers {what} in an unknown form: {error}",
                self.pod
            ))
        };
        let syncz = self.ask(cluster, MONITORING, "/debug/syncz").await?;
        let syncz = parse_syncz(&syncz).map_err(|e| unreadable("/debug/syncz", &e))?;
        let connections = if version.has_connections_endpoint() {
            let text = self.ask(cluster, MONITORING, "/debug/connections").await?;
            Some(parse_connections(&text).map_err(|e| unreadable("/debug/connections", &e))?)
        } else {
            None
        };
        let metrics = if version.syncz_has_errors() {
            None
        } else {
            let text = self.ask(cluster, MONITORING, "/metrics").await?;
            Some(Metrics::parse(&text).map_err(|e| unreadable("/metrics", &e))?)
        };
        Ok(EndpointAnswer {
            revision: self.revision.clone(),
            pod: self.pod.clone(),
            version: Some(version),
            syncz,
            connections,
            metrics,
        })
    }

    /// The version that the replica reports.
    pub(super) async fn version(&self, cluster: &Cluster) -> Result<Version, StepError> {
        let text = self.ask(cluster, MONITORING, "/version").await?;
        number(text.trim()).parse().map_err(|_| {
            StepError::failed(format!(
                "{} reports the version `{}`",
                self.pod,
                text.trim()
            ))
        })
    }
}

/// The version in `1.29.1-6991a379e1fc-Clean`: istiod adds its commit and the state of its tree
/// (`pkg/version/version.go`), which no expression should have to compare with.
fn number(text: &str) -> &str {
    text.rsplitn(3, '-').nth(2).unwrap_or(text)
}

/// Rounds of questions to every istiod: one request per endpoint, replica and round, however many steps want to know.
#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<BTreeMap<String, Arc<Round>>>);

/// What every replica of every revision said in one round.
pub(super) type Answers = Arc<Heard>;

/// One round: who answered what, and who did not.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What was answered.
    pub(super) answers: Vec<EndpointAnswer>,
    /// Who could not be asked, for a reason that may pass.
    pub(super) silent: Vec<Silent>,
}

/// A replica that could not be asked.
#[derive(Debug)]
pub(super) struct Silent {
    /// Its revision.
    pub(super) revision: String,
    /// Its pod.
    pub(super) pod: String,
    /// The reason that says so.
    pub(super) why: String,
}

/// The rounds in one namespace.
#[derive(Debug, Default)]
struct Round {
    /// How many have asked so far.
    asked: AtomicU64,
    /// The last round, and how many had asked when it began: it answers all of them.
    last: tokio::sync::Mutex<Option<(u64, Result<Answers, StepError>)>>,
}

impl Rounds {
    /// The answers of a round that begins after this call; of the same one for all who wait for it.
    pub(super) async fn next(
        &self,
        cluster: &Cluster,
        istio_namespace: &str,
    ) -> Result<Answers, StepError> {
        let round = {
            let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(rounds.entry(istio_namespace.to_owned()).or_default())
        };
        let ticket = round.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut last = round.last.lock().await;
        match &*last {
            Some((covers, answers)) if *covers >= ticket => answers.clone(),
            _ => {
                let covers = round.asked.load(Ordering::Relaxed);
                let answers = ask_all(cluster, istio_namespace).await;
                *last = Some((covers, answers.clone()));
                answers
            }
        }
    }
}

async fn ask_all(cluster: &Cluster, istio_namespace: &str) -> Result<Answers, StepError> {
    let replicas = replicas(cluster, istio_namespace).await?;
    let questions: Vec<_> = replicas
        .iter()
        .map(|replica| replica.answer(cluster))
        .collect();
    let mut heard = Heard::default();
    for (replica, answer) in replicas.iter().zip(join_all(questions).await) {
        match answer {
            Ok(answer) => heard.answers.push(answer),
            // What one does not tell is no reason to doubt what the others tell.
            Err(error) if error.failure.class == FailureClass::Transient => {
                heard.silent.push(Silent {
                    revision: replica.revision.clone(),
                    pod: replica.pod.clone(),
                    why: unreachable(replica, &error),
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Arc::new(heard))
}

/// The reason that says why a replica cannot be asked yet, for a wait.
pub(super) fn unreachable(replica: &Replica, error: &StepError) -> String {
    format!("{} cannot be asked: {error}", replica.pod)
}

/// The id that a revision's istiod gives its own cluster, by its Deployment's environment; 1.5 has none.
pub(super) async fn cluster_id(
    cluster: &Cluster,
    revision: &str,
    namespace: &str,
) -> Result<Option<String>, ClusterError> {
    let name = Names::new(revision, namespace).istiod();
    let deployment = ObjectRef::namespaced("apps/v1", "Deployment", namespace, &name);
    let Some(deployment) = cluster.followed_one(&deployment).await? else {
        return Ok(None);
    };
    let containers = &deployment.value()["spec"]["template"]["spec"]["containers"];
    Ok(containers
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|container| container["env"].as_array())
        .flatten()
        .find(|variable| variable["name"] == "CLUSTER_ID")
        .and_then(|variable| variable["value"].as_str())
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_istiod_adds_to_its_version_is_left_out() {
        assert_eq!(number("1.29.1-6991a379e1fc-Clean"), "1.29.1");
        assert_eq!(number("1.30.0-rc.1-6991a379e1fc-Modified"), "1.30.0-rc.1");
        assert_eq!(number("1.29.1"), "1.29.1");
    }
}
