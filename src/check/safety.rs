//! What is unsafe on a mesh, though the language allows it.
//!
//! Revisions and namespaces are compared by their values, and where those are not known by the expressions that give
//! them, followed through the inputs of sub-plans and the items of groups.

use std::collections::{BTreeMap, HashMap};

use super::expand::{Callers, Draft, Expanded};
use super::facts::{Facts, Symbol, Version};
use super::parsed::Allowed;
use super::versions;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::mesh::version::{HopError, hop};
use crate::source::Span;

/// How many namespaces may be restarted at once without a word.
const HANDFUL: usize = 5;
/// The hops that Istio supports for a revision-based upgrade.
const MAX_HOP: u32 = 2;

/// Runs the checks.
pub(super) fn check(expanded: &Expanded, out: &mut Diagnostics) {
    let mut found = Found {
        allowed: &expanded.allowed,
        used: vec![false; expanded.allowed.len()],
        out,
    };
    for task in expanded.tasks.iter().chain(&expanded.unseen) {
        found.alone(task);
    }
    found.labels(&expanded.tasks);
    found.restarts(&expanded.tasks);
    found.in_place(&expanded.tasks);
    for (at, problem) in versions::check(&expanded.tasks) {
        found.tell(&expanded.tasks[at], problem);
    }
    found.unused(expanded);
}

struct Found<'a> {
    allowed: &'a [Allowed],
    used: Vec<bool>,
    out: &'a mut Diagnostics,
}

impl Found<'_> {
    /// Tells of a problem, unless the step says why it is none.
    fn tell(&mut self, task: &Draft, problem: Diagnostic) {
        let mut problem = task.callers.named(problem);
        for &at in task.allow.iter().rev() {
            if self.allowed[at].code == problem.code {
                self.used[at] = true;
                problem
                    .allowed
                    .get_or_insert_with(|| self.allowed[at].reason.clone());
            }
        }
        self.out.push(problem);
    }

    /// What a task tells by itself.
    fn alone(&mut self, task: &Draft) {
        match &task.facts {
            Facts::Precheck {
                from,
                to,
                max_hop,
                max_hop_span,
                ..
            } => {
                let (from, to) = (from.as_ref(), to.as_ref());
                self.hop(from, to, *max_hop, *max_hop_span, &task.callers);
            }
            Facts::Gate {
                what: Some(what),
                bounded: false,
            } => {
                let problem = Diagnostic::new(
                    Code::GateWithoutTimeout,
                    format!("a gate of `{what}` without a `timeout`"),
                )
                .at(task.span, "would wait for ever")
                .help("add a `timeout`, such as `timeout: 24h`");
                self.tell(task, problem);
            }
            Facts::Opens { at_once, span } if *at_once > HANDFUL => {
                let problem = Diagnostic::new(
                    Code::RestartAllAtOnce,
                    format!("{at_once} items are restarted at once"),
                )
                .at(*span, "without waves")
                .help("add `waves: [1, 25%, 100%]` to the group");
                self.tell(task, problem);
            }
            _ => {}
        }
    }

    fn hop(
        &mut self,
        from: Option<&Version>,
        to: Option<&Version>,
        max_hop: Option<u32>,
        span: Option<Span>,
        callers: &Callers,
    ) {
        let far = max_hop.filter(|hops| *hops > MAX_HOP);
        if let (Some(span), Some(max_hop)) = (span, far) {
            self.out.push(
                callers.named(
                    Diagnostic::new(
                        Code::MaxHopTooLarge,
                        format!("`max_hop: {max_hop}` is more than Istio supports"),
                    )
                    .at(span, "at most 2, for a revision-based upgrade")
                    .help("go by way of the versions between"),
                ),
            );
        }
        let known = |version: Option<&Version>| version.and_then(Version::known);
        let (Some(old), Some(new), Some(to)) = (known(from), known(to), to) else {
            return;
        };
        // Of a limit that is not known or wrong itself, nothing is too far.
        let limit = max_hop.filter(|hops| *hops <= MAX_HOP).unwrap_or(u32::MAX);
        let Err(error) = hop(&old, &new, limit) else {
            return;
        };
        let code = match &error {
            HopError::Downgrade { .. } => Code::Downgrade,
            _ => Code::SkippedMinor,
        };
        let mut problem = Diagnostic::new(code, error.to_string()).at(to.span, "too far");
        if code == Code::Downgrade {
            problem = problem.at(to.span, "older");
        }
        if let Some(from) = from {
            problem = problem.also(from.span, "from here");
        }
        self.out.push(callers.named(problem));
    }

    /// A label needs a path from a `wait-ready` of its revision.
    fn labels(&mut self, tasks: &[Draft]) {
        let wanted = tasks
            .iter()
            .enumerate()
            .filter_map(|(at, task)| match &task.facts {
                Facts::Label {
                    revision: Symbol::Any,
                } => None,
                Facts::Label { revision } => Some((at, revision.clone())),
                _ => None,
            });
        let gives = |task: &Draft, keys: &HashMap<&Symbol, u64>| match &task.facts {
            Facts::Anything
            | Facts::Ready {
                revision: Symbol::Any,
                ..
            } => u64::MAX,
            _ if task.tainted => u64::MAX,
            Facts::Ready { revision, .. } => keys.get(revision).copied().unwrap_or(0),
            _ => 0,
        };
        for at in unmet(tasks, wanted.collect(), Direction::Before, gives) {
            let task = &tasks[at];
            let Facts::Label { revision } = &task.facts else {
                continue;
            };
            let problem = Diagnostic::new(
                Code::LabelNotReady,
                format!(
                    "nothing before this step waits until {} is ready",
                    worded(revision)
                ),
            )
            .at(task.span, "would point the namespace at it")
            .help("let it, or its group, need a `wait-ready` of that revision");
            self.tell(task, problem);
        }
    }

    /// A restart needs a `verify-xds` after it.
    fn restarts(&mut self, tasks: &[Draft]) {
        // Verifying a revision also verifies the namespace.
        let key = |namespace: &Symbol, revision: Option<&Symbol>| {
            let part = |symbol: &Symbol| match symbol {
                Symbol::Known(text) => format!("={text}"),
                Symbol::Expression(text) => format!("~{text}"),
                Symbol::Any => String::new(),
            };
            let revision = revision.map(part).unwrap_or_default();
            Symbol::Known(format!("{}/{revision}", part(namespace)))
        };
        let wanted = tasks
            .iter()
            .enumerate()
            .filter_map(|(at, task)| match &task.facts {
                Facts::Restart {
                    namespace: Symbol::Any,
                    ..
                }
                | Facts::Restart {
                    revision: Some(Symbol::Any),
                    ..
                } => None,
                Facts::Restart {
                    namespace,
                    revision,
                } => Some((at, key(namespace, revision.as_ref()))),
                _ => None,
            });
        // A verify whose needs are not all known may come after anything.
        let loose: Vec<(Symbol, Symbol)> = tasks
            .iter()
            .filter(|task| task.tainted)
            .filter_map(|task| match &task.facts {
                Facts::Verify {
                    namespace,
                    revision,
                } => Some((key(namespace, Some(revision)), key(namespace, None))),
                _ => None,
            })
            .collect();
        let gives = |task: &Draft, keys: &HashMap<&Symbol, u64>| match &task.facts {
            Facts::Anything => u64::MAX,
            Facts::Verify {
                namespace,
                revision,
            } if [namespace, revision].contains(&&Symbol::Any) => u64::MAX,
            Facts::Verify {
                namespace,
                revision,
            } => [key(namespace, Some(revision)), key(namespace, None)]
                .iter()
                .filter_map(|key| keys.get(key))
                .sum(),
            _ => 0,
        };
        for at in unmet(tasks, wanted.collect(), Direction::After, gives) {
            let task = &tasks[at];
            let Facts::Restart {
                namespace,
                revision,
            } = &task.facts
            else {
                continue;
            };
            let own = key(namespace, revision.as_ref());
            if loose
                .iter()
                .any(|(exact, any)| *exact == own || *any == own)
            {
                continue;
            }
            let problem = Diagnostic::new(
                Code::RestartUnverified,
                "no later step verifies what this restart moved",
            )
            .at(task.span, "restarts workloads")
            .help("add a `verify-xds` of the same namespace and revision that needs it");
            self.tell(task, problem);
        }
    }

    /// An install under the name of the revision that runs.
    fn in_place(&mut self, tasks: &[Draft]) {
        let mut guarded = vec![false; tasks.len()];
        for (at, task) in tasks.iter().enumerate() {
            let before = task.needs.iter().any(|need| guarded[need.task]);
            guarded[at] = before
                || matches!(
                    task.facts,
                    Facts::Precheck { hard: true, .. } | Facts::Anything
                );
            let Facts::Install {
                revision: Symbol::Known(revision),
                ..
            } = &task.facts
            else {
                continue;
            };
            if revision != "default" {
                continue;
            }
            let (message, help) = if before {
                (
                    "an in-place upgrade: there is no old control plane to go back to",
                    "install a revision of its own beside the old one, or `allow` it with the reason",
                )
            } else {
                (
                    "an in-place upgrade, and no precheck before it can stop it",
                    "let it need a `precheck`, or install a revision of its own beside the old one",
                )
            };
            let problem = Diagnostic::new(Code::InPlaceUpgrade, message)
                .at(task.span, "replaces the control plane that runs")
                .help(help);
            self.tell(task, problem);
        }
    }

    fn unused(&mut self, expanded: &Expanded) {
        let broken = |task: &Draft| task.tainted || matches!(task.facts, Facts::Anything);
        let any_broken = expanded.tasks.iter().any(broken);
        let mut unsure = vec![false; self.allowed.len()];
        for task in expanded.tasks.iter().filter(|task| broken(task)) {
            for &at in task.allow.iter() {
                unsure[at] = true;
            }
        }
        for (at, allowed) in self.allowed.iter().enumerate() {
            let code = allowed.code;
            // What a step could not say for itself may come with a list that is not known, or a step that was not read.
            let unsure = match code {
                Code::RestartAllAtOnce => expanded.partial,
                Code::GateWithoutTimeout => unsure[at],
                _ => any_broken,
            };
            if !self.used[at] && !unsure {
                self.out.push(
                    Diagnostic::new(
                        Code::UnusedAllow,
                        format!("{code} is allowed here, and does not occur"),
                    )
                    .at(allowed.span, code.title())
                    .help("remove the `allow`"),
                );
            }
        }
    }
}

/// Where a check looks.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    /// At what a task needs.
    Before,
    /// At what needs a task.
    After,
}

/// The tasks that want something which no task before or after them gives. Wishes are looked at 64 at a time, each in
/// one walk over the graph.
fn unmet(
    tasks: &[Draft],
    wanted: Vec<(usize, Symbol)>,
    direction: Direction,
    gives: impl Fn(&Draft, &HashMap<&Symbol, u64>) -> u64,
) -> Vec<usize> {
    let mut by_wish: BTreeMap<String, (Symbol, Vec<usize>)> = BTreeMap::new();
    for (at, symbol) in wanted {
        by_wish
            .entry(format!("{symbol:?}"))
            .or_insert_with(|| (symbol, Vec::new()))
            .1
            .push(at);
    }
    let wishes: Vec<(Symbol, Vec<usize>)> = by_wish.into_values().collect();
    let mut unmet = Vec::new();
    for chunk in wishes.chunks(64) {
        let keys: HashMap<&Symbol, u64> = chunk
            .iter()
            .zip(0..)
            .map(|((symbol, _), bit)| (symbol, 1_u64 << bit))
            .collect();
        let mut seen = vec![0_u64; tasks.len()];
        match direction {
            Direction::Before => {
                for (at, task) in tasks.iter().enumerate() {
                    let inherited = task
                        .needs
                        .iter()
                        .fold(0, |mask, need| mask | seen[need.task]);
                    seen[at] = inherited | gives(task, &keys);
                }
            }
            Direction::After => {
                for (at, task) in tasks.iter().enumerate().rev() {
                    let mask = seen[at] | gives(task, &keys);
                    seen[at] = mask;
                    for need in &task.needs {
                        seen[need.task] |= mask;
                    }
                }
            }
        }
        for (symbol, wishing) in chunk {
            unmet.extend(wishing.iter().filter(|at| seen[**at] & keys[symbol] == 0));
        }
    }
    unmet.sort_unstable();
    unmet
}

fn worded(revision: &Symbol) -> String {
    match revision {
        Symbol::Known(name) => format!("revision `{name}`"),
        Symbol::Expression(_) | Symbol::Any => "that revision".to_owned(),
    }
}
