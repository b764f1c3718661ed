//! How fast workloads are restarted: so many rollouts at once, so many pods a minute, never against a budget.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::workloads::{Workload, is_live, uid};
use super::{ANNOTATION, mark};
use crate::cluster::rollout::{Rollout, rollout};
use crate::cluster::{Cluster, Object, ObjectRef, Selector, Wait};
use crate::mesh::selector::{Selector as Labels, labels};
use crate::model::action::Restart;
use crate::steps::context::{StepContext, StepError};
use crate::steps::rollouts;

/// How long the watch of the pods may be behind that of the workloads: much, on a server that has much to tell.
const LAG: Duration = Duration::from_secs(60);
/// How long after the last old pod all new ones are seen: they were there before it went, but for those that take its
/// place. There may be fewer than before, and nothing tells so.
const REST: Duration = Duration::from_secs(3);

/// Restarts each workload that is due, in order but for those that must wait for a budget, and waits for all rollouts:
/// also for those that an earlier attempt of the step has begun.
pub(super) async fn restart(
    step: &Restart,
    cluster: &Cluster,
    context: &StepContext,
    due: &[&Workload],
    value: &str,
) -> Result<(), StepError> {
    let limit = step
        .max_concurrent
        .map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let guards = guards(cluster, &step.namespace).await?;
    let mut pace = Pace::new(step.per_minute);
    let (begun, queue): (Vec<&Workload>, Vec<&Workload>) =
        due.iter().copied().partition(|w| w.is_marked(value));
    let mut active: BTreeSet<ObjectRef> = begun.iter().map(|w| w.object.clone()).collect();
    let mut queue = VecDeque::from(queue);
    while !queue.is_empty() {
        while active.len() >= limit {
            ended(cluster, context, &mut active, Until::One).await?;
        }
        // What holds back limits the damage: the first rollout that fails ends it.
        let workload = tokio::select! {
            biased;
            failed = others(cluster, &active, None, Until::Failed) => return failed.map(drop),
            found = async {
                pace.ready(context).await;
                next(cluster, context, &guards, &mut queue).await
            } => found?,
        };
        let Some(workload) = workload else {
            break;
        };
        pace.spend(workload.pods.len());
        mark(cluster, context, &workload.object, value).await?;
        active.insert(workload.object.clone());
    }
    while !active.is_empty() {
        ended(cluster, context, &mut active, Until::All).await?;
    }
    replaced(cluster, &step.namespace, due, value).await;
    Ok(())
}

/// Waits until the pods that were there before the restart are seen to be gone, and as many new ones to be there: the
/// watches of two kinds do not tell in step. Whether it is so is looked at later.
async fn replaced(cluster: &Cluster, namespace: &str, due: &[&Workload], mark: &str) {
    // An earlier attempt may have begun the restart: what came with its mark is not old.
    let old: BTreeSet<&str> = due
        .iter()
        .flat_map(|workload| &workload.pods)
        .filter(|pod| pod.mark.as_deref() != Some(mark))
        .map(|pod| pod.uid.as_str())
        .collect();
    // In the middle of a rollout there may be more than there will be.
    let wanted: usize = due
        .iter()
        .map(|workload| {
            workload
                .pods
                .len()
                .min(workload.replicas.unwrap_or(usize::MAX))
        })
        .sum();
    let is_new = |pod: &&Object| pod.value()["metadata"]["annotations"][ANNOTATION] == mark;
    let gone = |live: &[&Object]| !live.iter().any(|pod| old.contains(uid(pod)));
    let there = |live: &[&Object]| live.iter().filter(|pod| is_new(pod)).count() >= wanted;
    // Neither too long a wait nor a refused watch says anything: what counts is the look that follows.
    if seen(cluster, namespace, LAG, gone).await {
        seen(cluster, namespace, REST, there).await;
    }
}

/// Whether the live pods of a namespace were seen to be so in time.
async fn seen(
    cluster: &Cluster,
    namespace: &str,
    time: Duration,
    so: impl Fn(&[&Object]) -> bool,
) -> bool {
    let judge = |pods: &[Object]| {
        let live: Vec<&Object> = pods.iter().filter(|pod| is_live(pod)).collect();
        if so(&live) {
            Wait::Done(())
        } else {
            Wait::Not(Vec::new())
        }
    };
    let every = Selector::default();
    let seen = cluster.wait("v1", "Pod", Some(namespace), &every, judge, |_| {});
    matches!(tokio::time::timeout(time, seen).await, Ok(Ok(())))
}

/// The namespace's disruption budgets.
async fn budgets(cluster: &Cluster, namespace: &str) -> Result<Vec<Object>, StepError> {
    let every = Selector::default();
    let found = cluster.followed("policy/v1", "PodDisruptionBudget", Some(namespace), &every);
    Ok(found.await?)
}

/// The selectors of the namespace's disruption budgets.
async fn guards(cluster: &Cluster, namespace: &str) -> Result<Vec<Labels>, StepError> {
    let budgets = budgets(cluster, namespace).await?;
    let selectors = budgets
        .iter()
        .map(|b| Labels::parse(&b.value()["spec"]["selector"]));
    Ok(selectors.collect())
}

/// How many rollouts are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// One: the next may start.
    One,
    /// All of a kind.
    All,
    /// None: only one that can never end counts.
    Failed,
}

impl Until {
    /// What is waited for of other kinds meanwhile.
    fn of_others(self) -> Self {
        match self {
            Self::One => Self::One,
            Self::All | Self::Failed => Self::Failed,
        }
    }
}

fn does_not_roll_out(why: String) -> StepError {
    StepError::failed(why)
        .help("look at the workload's events and pods; the step can be resumed once it rolls out")
}

fn kind_of(object: &ObjectRef) -> (&str, &str, Option<&str>) {
    (
        &object.api_version,
        &object.kind,
        object.namespace.as_deref(),
    )
}

/// Waits until one of the active rollouts, or all of a kind, have ended, and removes those that have.
async fn ended(
    cluster: &Cluster,
    context: &StepContext,
    active: &mut BTreeSet<ObjectRef>,
    until: Until,
) -> Result<(), StepError> {
    let Some(first) = active.first().cloned() else {
        return Ok(());
    };
    let same = of_kind(active, &first.kind);
    let concerns = |object: &Object| same.contains(&ObjectRef::from(object));
    let judge = |objects: &[Object]| judge(objects, &same, until);
    let every = Selector::default();
    let wait = rollouts::wait(cluster, context, kind_of(&first), &every, concerns, judge);
    let finished = tokio::select! {
        biased;
        finished = wait => finished?.map_err(does_not_roll_out)?,
        others = others(cluster, active, Some(&first.kind), until.of_others()) => others?,
    };
    for object in finished {
        active.remove(&object);
    }
    Ok(())
}

/// What becomes of the rollouts of all kinds but one, without a word. It waits for ever where there are none.
async fn others(
    cluster: &Cluster,
    active: &BTreeSet<ObjectRef>,
    but: Option<&str>,
    until: Until,
) -> Result<Vec<ObjectRef>, StepError> {
    let kinds: BTreeSet<(&str, &str, Option<&str>)> = active
        .iter()
        .filter(|object| Some(object.kind.as_str()) != but)
        .map(kind_of)
        .collect();
    let watches = kinds.into_iter().map(|of| {
        let same = of_kind(active, of.1);
        Box::pin(async move {
            let every = Selector::default();
            let judge = |objects: &[Object]| judge(objects, &same, until);
            let ended = cluster.wait(of.0, of.1, of.2, &every, judge, |_| {}).await;
            ended?.map_err(does_not_roll_out)
        })
    });
    let watches: Vec<_> = watches.collect();
    if watches.is_empty() {
        return std::future::pending().await;
    }
    futures::future::select_all(watches).await.0
}

fn of_kind(active: &BTreeSet<ObjectRef>, kind: &str) -> BTreeSet<ObjectRef> {
    let same = active.iter().filter(|object| object.kind == kind);
    same.cloned().collect()
}

/// The rollouts that have ended, as soon as there are as many as are waited for.
fn judge(
    objects: &[Object],
    active: &BTreeSet<ObjectRef>,
    until: Until,
) -> Wait<Result<Vec<ObjectRef>, String>> {
    let mut finished = Vec::new();
    let mut reasons = Vec::new();
    for object in objects {
        let name = ObjectRef::from(object);
        if !active.contains(&name) {
            continue;
        }
        match rollout(object) {
            Rollout::Done => finished.push(name),
            Rollout::NotYet(why) => {
                reasons.extend(why.into_iter().map(|why| format!("{name}: {why}")));
            }
            Rollout::Stuck(why) | Rollout::Never(why) => {
                return Wait::Done(Err(format!("{name} does not roll out: {why}")));
            }
        }
    }
    let gone = active
        .iter()
        .filter(|name| !objects.iter().any(|o| ObjectRef::from(o) == **name));
    finished.extend(gone.cloned());
    let enough = match until {
        Until::One => !finished.is_empty(),
        Until::All => !finished.is_empty() && reasons.is_empty(),
        Until::Failed => false,
    };
    if enough {
        Wait::Done(Ok(finished))
    } else {
        Wait::Not(reasons)
    }
}

/// What a restart would wait for now, for a dry run.
pub(super) async fn held(
    cluster: &Cluster,
    namespace: &str,
    due: &[&Workload],
) -> Result<Vec<String>, StepError> {
    let budgets = budgets(cluster, namespace).await?;
    let held = due.iter().filter(|workload| workload.unavailable > 0);
    Ok(held.flat_map(|workload| shut(workload, &budgets)).collect())
}

/// Takes the first workload out of the queue that may be disrupted now, and waits where none may: those whose rollout
/// takes pods away while their disruption budgets allow none.
///
/// Rollouts do not ask budgets by themselves (they delete pods, they do not evict them).
async fn next<'due>(
    cluster: &Cluster,
    context: &StepContext,
    guards: &[Labels],
    queue: &mut VecDeque<&'due Workload>,
) -> Result<Option<&'due Workload>, StepError> {
    let Some(first) = queue.front() else {
        return Ok(None);
    };
    let guarded = |workload: &Workload| {
        let pod = labels(&workload.template["labels"]);
        workload.unavailable > 0 && guards.iter().any(|guard| guard.matches(&pod))
    };
    if !guarded(first) {
        return Ok(queue.pop_front());
    }
    let judge = |budgets: &[Object]| {
        let mut reasons = Vec::new();
        for (at, workload) in queue.iter().enumerate() {
            let shut = shut(workload, budgets);
            if shut.is_empty() || !guarded(workload) {
                return Wait::Done(at);
            }
            reasons.extend(shut);
        }
        Wait::Not(reasons)
    };
    let at = cluster
        .wait(
            "policy/v1",
            "PodDisruptionBudget",
            first.object.namespace.as_deref(),
            &Selector::default(),
            judge,
            |reasons| context.waiting(reasons),
        )
        .await?;
    Ok(queue.remove(at))
}

/// The budgets over a workload's pods that allow no disruption, as reasons to wait.
fn shut(workload: &Workload, budgets: &[Object]) -> Vec<String> {
    let pod = labels(&workload.template["labels"]);
    let shut = budgets.iter().filter(|budget| {
        Labels::parse(&budget.value()["spec"]["selector"]).matches(&pod)
            && budget.value()["status"]["disruptionsAllowed"] == 0
    });
    let reason = |budget: &Object| {
        let name = budget.name();
        format!(
            "{}: the budget {name} allows no disruption",
            workload.object
        )
    };
    shut.map(reason).collect()
}

/// So many pods a minute: each restart is paid for with the time that its pods are worth.
struct Pace {
    per_pod: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(per_minute: Option<u32>) -> Self {
        Self {
            per_pod: per_minute.map(|n| Duration::from_secs(60) / n.max(1)),
            next: Instant::now(),
        }
    }

    /// Waits until what was restarted is paid for.
    async fn ready(&self, context: &StepContext) {
        if self.per_pod.is_some() && self.next > Instant::now() {
            context.waiting(vec![
                "holding back: so many pods a minute are restarted".to_owned(),
            ]);
            tokio::time::sleep_until(self.next).await;
        }
    }

    fn spend(&mut self, pods: usize) {
        if let Some(per_pod) = self.per_pod {
            let cost = per_pod.saturating_mul(u32::try_from(pods).unwrap_or(u32::MAX));
            self.next = self.next.max(Instant::now()) + cost;
        }
    }
}
