//! One verdict per workload: that of its worst pod.

use std::collections::BTreeMap;

use super::{PodVerdict, Verdict};

/// The verdict on a workload in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadVerdict {
    /// The namespace.
    pub namespace: String,
    /// The workload: `deployment/api`.
    pub workload: String,
    /// The verdict of its worst pod; skipped only when every pod is.
    pub verdict: Verdict,
    /// How many pods have which verdict, the worst first.
    pub counts: BTreeMap<Verdict, usize>,
    /// Why, of the first of its worst pods.
    pub detail: String,
}

/// Gathers the verdicts by workload, ordered by namespace and name.
pub fn summarise(pods: &[PodVerdict]) -> Vec<WorkloadVerdict> {
    let mut workloads: BTreeMap<(&str, &str), Vec<&PodVerdict>> = BTreeMap::new();
    for pod in pods {
        workloads
            .entry((&pod.id.namespace, &pod.workload))
            .or_default()
            .push(pod);
    }
    workloads
        .into_iter()
        .filter_map(|((namespace, workload), pods)| {
            // The first of the worst, since `min_by_key` keeps the first of equals.
            let worst = pods.iter().min_by_key(|pod| pod.verdict)?;
            let mut counts = BTreeMap::new();
            for pod in &pods {
                *counts.entry(pod.verdict).or_insert(0) += 1;
            }
            Some(WorkloadVerdict {
                namespace: namespace.to_owned(),
                workload: workload.to_owned(),
                verdict: worst.verdict,
                counts,
                detail: worst.detail.clone(),
            })
        })
        .collect()
}
