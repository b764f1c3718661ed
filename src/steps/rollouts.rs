//! Waiting for rollouts: beside how far they have come, which of their pods hold them up, and why.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Mutex, PoisonError};

use super::context::StepContext;
use crate::cluster::{Cluster, ClusterError, Object, Selector, Wait, unready};
use crate::mesh::selector::{Labels, Selector as PodSelector, labels};

/// How many pods are named.
const NAMED: usize = 3;

/// What is known of the rollouts that are waited for.
#[derive(Default)]
struct Known {
    /// Why they have not ended.
    reasons: Vec<String>,
    /// Which pods are theirs.
    selectors: Vec<PodSelector>,
    /// The pods that hold something up, by their labels, and why.
    pods: Vec<(Labels, String)>,
}

impl Known {
    fn lines(&self) -> Vec<String> {
        let theirs = |(labels, _): &&(Labels, String)| {
            self.selectors
                .iter()
                .any(|selector| selector.matches(labels))
        };
        let pods: Vec<&String> = self
            .pods
            .iter()
            .filter(theirs)
            .map(|(_, why)| why)
            .collect();
        let mut lines = self.reasons.clone();
        lines.extend(pods.iter().take(NAMED).copied().cloned());
        if pods.len() > NAMED {
            let more = pods.len() - NAMED;
            lines.push(format!(
                "and {more} more {}",
                if more == 1 { "pod" } else { "pods" }
            ));
        }
        lines
    }
}

/// As [`Cluster::wait`] for workloads of a kind in a namespace. While it waits it tells of those that `concerns`
/// selects which pods hold them up; pods that only start are not named. Where the pods may not be watched, none are.
pub(super) async fn wait<T>(
    cluster: &Cluster,
    context: &StepContext,
    (api_version, kind, namespace): (&str, &str, Option<&str>),
    selector: &Selector,
    concerns: impl Fn(&Object) -> bool,
    mut judge: impl FnMut(&[Object]) -> Wait<T>,
) -> Result<T, ClusterError> {
    let known = Mutex::new(Known::default());
    let update = |change: &mut dyn FnMut(&mut Known)| {
        change(&mut known.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let tell = || {
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.reasons.is_empty() {
            context.waiting(known.lines());
        }
    };
    let rollouts = cluster.wait(
        api_version,
        kind,
        namespace,
        selector,
        |objects| {
            let ours = objects.iter().filter(|object| concerns(object));
            let selectors: Vec<PodSelector> = ours
                .map(|object| PodSelector::parse(&object.value()["spec"]["selector"]))
                .collect();
            update(&mut |known| known.selectors.clone_from(&selectors));
            judge(objects)
        },
        |reasons| {
            update(&mut |known| known.reasons.clone_from(&reasons));
            tell();
        },
    );
    let pods = async {
        let every = Selector::default();
        let look = |pods: &[Object]| {
            let ailing: Vec<(Labels, String)> = pods.iter().filter_map(ailing).collect();
            let lines = ailing.iter().map(|(_, why)| why.clone()).collect();
            update(&mut |known| known.pods.clone_from(&ailing));
            Wait::<Infallible>::Not(lines)
        };
        let _refused = cluster
            .wait("v1", "Pod", namespace, &every, look, |_| tell())
            .await;
        pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        ended = rollouts => ended,
        never = pods => match never {},
    }
}

/// A pod that holds something up: its labels, and why.
fn ailing(pod: &Object) -> Option<(Labels, String)> {
    let found = unready(pod).filter(|found| !found.starting)?;
    let why = format!("pod {}: {}", pod.name(), found.why);
    Some((labels(&pod.value()["metadata"]["labels"]), why))
}
