//! `verify-xds`: asks every istiod replica of every revision who is connected, and judges each proxy.
//!
//! One request per endpoint, replica and round, however many proxies there are. Only istiod's own list is the truth:
//! labels and annotations say what was meant.

mod envoy;
mod expected;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::context::{Done, Probe, StepContext, StepError};
use super::istiods::{Heard, Rounds, cluster_id, replicas};
use super::label_ns::resolve;
use super::survey;
use crate::cluster::{Cluster, Selector};
use crate::event::{FailureClass, Outputs};
use crate::mesh::proxies::{
    EndpointAnswer, ExpectedProxy, PodVerdict, Target, Verdict, judge, summarise,
};
use crate::mesh::version::Version;
use crate::model::action::{VerifyXds, Via};
use crate::model::counted;

/// How long between two rounds of questions; nothing can be watched there.
const ROUND: Duration = Duration::from_secs(1);

/// Asks in rounds until every proxy moved, or the time to settle is over.
pub(super) async fn run(
    step: &VerifyXds,
    cluster: &Cluster,
    rounds: &Rounds,
    context: &StepContext,
) -> Result<Done, StepError> {
    Box::pin(prepare(step, cluster)).await;
    let revision = resolve(&survey::injection(cluster).await?, &step.revision)?;
    let started = Instant::now();
    loop {
        let waited = started.elapsed();
        let now = later(context.now, waited);
        let settles = |judged: &Judged| is_final(judged, waited, step);
        let judged = match round(step, cluster, rounds, &revision, now, settles).await {
            // An istiod that is just being replaced: whoever is there then answers the next round.
            Err(error)
                if error.failure.class == FailureClass::Transient && waited < step.settle.0 =>
            {
                context.waiting(vec![error.to_string()]);
                tokio::time::sleep(ROUND).await;
                continue;
            }
            judged => judged?,
        };
        if settles(&judged) {
            if judged.open().next().is_some() {
                return Err(failed(step, &judged));
            }
            for silent in &judged.silent {
                context.note(format!("{silent}; who is on it as well is not known"));
            }
            return Ok(done(step, &judged.verdicts));
        }
        context.waiting(judged.reasons());
        tokio::time::sleep(ROUND).await;
    }
}

/// What one round of questions gave.
struct Judged {
    verdicts: Vec<PodVerdict>,
    /// Why some istiods could not be asked.
    silent: Vec<String>,
}

impl Judged {
    fn open(&self) -> impl Iterator<Item = &PodVerdict> {
        self.verdicts.iter().filter(|v| !v.verdict.is_done())
    }

    /// Why it is not all as it should be.
    fn reasons(&self) -> Vec<String> {
        let silent = self.silent.iter().cloned();
        silent.chain(self.open().map(line)).collect()
    }
}

/// Begins to follow at once all that the verdicts are about: one after the other, each would take its time.
async fn prepare(step: &VerifyXds, cluster: &Cluster) {
    let every = Selector::default();
    let _looked_at_later = futures::join!(
        survey::injection(cluster),
        survey::namespace(cluster, &step.namespace),
        survey::versions(cluster, &step.istio_namespace),
        replicas(cluster, &step.istio_namespace),
        cluster.followed("v1", "Pod", Some(&step.namespace), &every),
    );
}

/// Done means: one round finds every proxy moved.
pub(super) async fn probe(
    step: &VerifyXds,
    cluster: &Cluster,
    rounds: &Rounds,
    context: &StepContext,
) -> Result<Probe, StepError> {
    let revision = resolve(&survey::injection(cluster).await?, &step.revision)?;
    let judged = round(step, cluster, rounds, &revision, context.now, |_| true).await?;
    let open = judged.reasons();
    Ok(if open.is_empty() {
        Probe::Done(format!(
            "every proxy of {} is on {}",
            step.namespace, step.revision
        ))
    } else {
        Probe::Open(open)
    })
}

/// Whether waiting longer is not needed, or cannot help: each proxy had its time to connect, to leave, and to acknowledge,
/// and each istiod its time to answer.
fn is_final(judged: &Judged, waited: Duration, step: &VerifyXds) -> bool {
    let verdicts = &judged.verdicts;
    let mut patience = step.settle.0;
    if verdicts.iter().any(|v| v.verdict == Verdict::Stale) {
        patience = patience.max(step.stale_after.0);
    }
    if verdicts.iter().any(|v| v.settling) {
        // One that reconnects again and again would settle never.
        patience = patience.max(step.settle.0.saturating_mul(2));
    }
    waited >= patience || (judged.silent.is_empty() && judged.open().next().is_none())
}

/// One round of questions. Verdicts that settle the matter are not left to a memory that may be old: they are given
/// again for the pods as they are.
async fn round(
    step: &VerifyXds,
    cluster: &Cluster,
    rounds: &Rounds,
    revision: &str,
    now: Timestamp,
    settles: impl Fn(&Judged) -> bool,
) -> Result<Judged, StepError> {
    let (here, every) = (Some(step.namespace.as_str()), Selector::default());
    if step.via == Via::Envoy {
        let pods = cluster.followed_of_late("v1", "Pod", here, &every).await?;
        let pods = expected::proxies(step, cluster, &pods).await?;
        let verdicts = envoy::round(step, cluster, revision, &pods).await?;
        let silent = Vec::new();
        return Ok(Judged { verdicts, silent });
    }
    let heard = rounds.next(cluster, &step.istio_namespace).await?;
    let answers = heard.answers.as_slice();
    let target = target(step, cluster, revision, &heard).await?;
    let judged = |pods: &[ExpectedProxy]| Judged {
        verdicts: judge(pods, answers, &target, now),
        silent: heard.silent.iter().map(|one| one.why.clone()).collect(),
    };
    // Read after the answers: a pod that is too new for them is missing, and not overlooked.
    let pods = cluster.followed("v1", "Pod", here, &every).await?;
    let pods = expected::proxies(step, cluster, &pods).await?;
    let first = judged(&pods);
    if !settles(&first) {
        return Ok(first);
    }
    let pods = if has_unknown(step, revision, answers, &pods) {
        cluster.list("v1", "Pod", here, &every).await?
    } else {
        cluster.followed_of_late("v1", "Pod", here, &every).await?
    };
    let pods = expected::proxies(step, cluster, &pods).await?;
    Ok(judged(&pods))
}

/// Where the proxies should be, as far as the istiods that answer know it.
async fn target(
    step: &VerifyXds,
    cluster: &Cluster,
    revision: &str,
    heard: &Heard,
) -> Result<Target, StepError> {
    let answers = heard.answers.iter().any(|one| one.revision == revision);
    if !answers && !heard.silent.iter().any(|one| one.revision == revision) {
        return Err(StepError::transient(format!(
            "no running istiod of revision {revision}"
        )));
    }
    Ok(Target {
        revision: revision.to_owned(),
        version: if answers {
            Some(version(step, revision, &heard.answers)?)
        } else {
            // No proxy is seen there, of whatever version.
            None
        },
        cluster: cluster_id(cluster, revision, &step.istio_namespace).await?,
        settle: step.settle.0,
        stale_after: step.stale_after.0,
        silent: heard
            .silent
            .iter()
            .map(|one| format!("{} ({})", one.pod, one.revision))
            .collect(),
    })
}

/// Whether the new istiod lists a proxy of the namespace whose pod is not known here: then what is remembered may be old.
fn has_unknown(
    step: &VerifyXds,
    revision: &str,
    answers: &[EndpointAnswer],
    pods: &[ExpectedProxy],
) -> bool {
    answers
        .iter()
        .filter(|answer| answer.revision == revision)
        .flat_map(|answer| &answer.syncz)
        .any(|entry| {
            entry.id.namespace == step.namespace && !pods.iter().any(|pod| pod.id == entry.id)
        })
}

fn version(
    step: &VerifyXds,
    revision: &str,
    answers: &[EndpointAnswer],
) -> Result<Version, StepError> {
    if let Some(version) = &step.version {
        return version
            .parse()
            .map_err(|_| StepError::failed(format!("`{version}` is no version")));
    }
    answers
        .iter()
        .find(|answer| answer.revision == revision)
        .and_then(|answer| answer.version.clone())
        .ok_or_else(|| {
            StepError::transient(format!("no istiod of revision {revision} told its version"))
        })
}

fn line(verdict: &PodVerdict) -> String {
    format!("{:<7} {}  {}", verdict.verdict, verdict.id, verdict.detail)
}

fn failed(step: &VerifyXds, judged: &Judged) -> StepError {
    let open: Vec<&PodVerdict> = judged.open().collect();
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            (
                verdict,
                open.iter().filter(|v| v.verdict == verdict).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    StepError::failed(format!(
        "{} of {} in {} are not on {}: {}",
        open.len(),
        counted(judged.verdicts.len(), "proxy"),
        step.namespace,
        step.revision,
        counts.join(", ")
    ))
    .details(
        open.iter()
            .map(|v| line(v))
            .chain(judged.silent.iter().cloned()),
    )
    .help("`plan explain verify-xds` says what each verdict means; nothing further has run")
    .outputs(outputs(&judged.verdicts))
}

fn moved(verdicts: &[PodVerdict]) -> usize {
    let moved = verdicts.iter().filter(|v| v.verdict == Verdict::Moved);
    moved.count()
}

fn outputs(verdicts: &[PodVerdict]) -> Outputs {
    let each: Vec<_> = verdicts
        .iter()
        .map(|v| json!({ "pod": v.id.to_string(), "workload": v.workload, "verdict": v.verdict, "detail": v.detail }))
        .collect();
    let mut outputs = Outputs::new();
    outputs.insert("moved".to_owned(), json!(moved(verdicts)));
    outputs.insert("verdicts".to_owned(), json!(each));
    outputs
}

fn done(step: &VerifyXds, verdicts: &[PodVerdict]) -> Done {
    let workloads = summarise(verdicts).len();
    Done {
        changed: false,
        message: format!(
            "{} of {} on {}",
            counted(moved(verdicts), "proxy"),
            counted(workloads, "workload"),
            step.revision
        ),
        outputs: outputs(verdicts),
    }
}

/// The run's clock, moved on by what has passed since.
fn later(now: Timestamp, passed: Duration) -> Timestamp {
    now.checked_add(passed).unwrap_or(now)
}
