//! Parts of a plan: `--only`, `--from`, `--until`.

use super::checked::{Role, Why};
use super::expand::Draft;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::graph::Graph;
use crate::model::NodeId;

/// The part of a plan that is to run. Each names a step, a group, or one of its nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// This alone.
    pub only: Option<String>,
    /// This, and all that follows it.
    pub from: Option<String>,
    /// This, and all that it needs.
    pub until: Option<String>,
}

impl Slice {
    /// Whether it is the whole plan.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

/// What a slice takes: which tasks run, and which must prove done by their probes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) runs: Vec<bool>,
    pub(super) assumed: Vec<bool>,
}

/// Cuts. Reports names that are no step's, and outputs that would not be there.
pub(super) fn cut(tasks: &[Draft], slice: &Slice, out: &mut Diagnostics) -> Part {
    if slice.is_whole() {
        return Part {
            runs: vec![true; tasks.len()],
            assumed: vec![false; tasks.len()],
        };
    }
    let edges = tasks
        .iter()
        .enumerate()
        .flat_map(|(at, task)| task.needs.iter().map(move |need| (need.task, at)));
    let graph = Graph::new(tasks.len(), edges);
    let mut runs = vec![true; tasks.len()];
    let mut take = |flag: &str, name: &Option<String>, reach: &dyn Fn(&[usize]) -> Vec<bool>| {
        let Some(name) = name else {
            return;
        };
        let chosen = named(tasks, name);
        if chosen.is_empty() {
            let names = tasks
                .iter()
                .filter(|task| !matches!(task.role, Role::Open | Role::Wave))
                .map(|task| task.id.as_str());
            let problem = Diagnostic::new(
                Code::UnknownSliceStep,
                format!("`{flag} {name}`: there is no such step"),
            );
            out.push(match meant(name, names.clone()) {
                Some(help) => problem.help(help),
                None => problem.suggest(name, names),
            });
            return;
        }
        for (runs, reached) in runs.iter_mut().zip(reach(&chosen)) {
            *runs = *runs && reached;
        }
    };
    let alone = |named: &[usize]| {
        let mut only = vec![false; tasks.len()];
        for at in named {
            only[*at] = true;
        }
        only
    };
    take("--only", &slice.only, &alone);
    take("--from", &slice.from, &|named| graph.descendants(named));
    take("--until", &slice.until, &|named| graph.ancestors(named));
    around(tasks, &mut runs);
    let assumed = assumed(tasks, &runs);
    outputs(tasks, &runs, out);
    Part { runs, assumed }
}

/// The nodes of a step that runs for each item of a group, where the name leaves the item out.
pub(crate) fn items_of<'t>(name: &str, ids: impl Iterator<Item = &'t str>) -> Option<String> {
    listed(ids.filter(|id| *id != name && NodeId::new(*id).without_items() == name))
}

/// What a name stands for that is not the whole name of a node.
fn meant<'t>(name: &str, ids: impl Iterator<Item = &'t str> + Clone) -> Option<String> {
    if let Some(items) = items_of(name, ids.clone()) {
        return Some(format!("it runs for each item: {items}"));
    }
    if let Some(id) = ids.clone().find(|id| NodeId::new(*id).readable() == name) {
        return Some(format!("did you mean `{id}`?"));
    }
    let end = format!(".{name}");
    let inside = |id: &&str| id.ends_with(&end) || NodeId::new(*id).without_items().ends_with(&end);
    listed(ids.filter(inside)).map(|nodes| format!("it is inside a group: {nodes}"))
}

/// The first of some nodes, and how many more there are.
fn listed<'t>(mut nodes: impl Iterator<Item = &'t str>) -> Option<String> {
    const SHOWN: usize = 3;
    let shown: Vec<String> = nodes
        .by_ref()
        .take(SHOWN)
        .map(|id| format!("`{id}`"))
        .collect();
    let text = shown.join(", ");
    match nodes.count() {
        0 if shown.is_empty() => None,
        0 => Some(text),
        more => Some(format!("{text} and {more} more")),
    }
}

/// The tasks of a step or group, or of one node.
fn named(tasks: &[Draft], name: &str) -> Vec<usize> {
    let inside = |id: &str| {
        id.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', ':']))
    };
    (0..tasks.len())
        .filter(|at| inside(&tasks[*at].id))
        .collect()
}

/// The openings and ends of the groups that something runs in: without them nothing in there could start.
fn around(tasks: &[Draft], runs: &mut [bool]) {
    for at in (0..tasks.len()).rev() {
        if runs[at] {
            for need in tasks[at]
                .needs
                .iter()
                .filter(|need| need.why == Why::Inside)
            {
                runs[need.task] = true;
            }
        }
    }
    for at in 0..tasks.len() {
        if let Role::Close { members, .. } = &tasks[at].role
            && members.iter().any(|member| runs[*member])
        {
            runs[at] = true;
        }
    }
}

/// What those that run need and what does not run: the steps of it, whatever group they are in.
fn assumed(tasks: &[Draft], runs: &[bool]) -> Vec<bool> {
    let mut assumed = vec![false; tasks.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let own = |why: &Why| {
            !matches!(why, Why::Inside | Why::Member) || !matches!(task.role, Role::Close { .. })
        };
        if runs[at] {
            open.extend(
                task.needs
                    .iter()
                    .filter(|need| own(&need.why) && !runs[need.task])
                    .map(|need| need.task),
            );
        }
    }
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut assumed[at], true) {
            continue;
        }
        if let Role::Close { members, .. } = &tasks[at].role {
            open.extend(members.iter().filter(|member| !runs[**member]));
        }
        let around = tasks[at]
            .needs
            .iter()
            .filter(|need| need.why == Why::Inside && !runs[need.task]);
        open.extend(around.map(|need| need.task));
    }
    assumed
}

fn outputs(tasks: &[Draft], runs: &[bool], out: &mut Diagnostics) {
    for task in tasks
        .iter()
        .zip(runs)
        .filter(|(_, runs)| **runs)
        .map(|(task, _)| task)
    {
        for (read, span) in &task.reads {
            if !runs[*read] {
                let id = &tasks[*read].id;
                out.push(
                    Diagnostic::new(
                        Code::SliceCutsOutput,
                        format!("`{id}` is not part of the slice, and its result is used"),
                    )
                    .at(*span, "would not be known")
                    .help(format!("begin at `{id}`, or take a larger slice")),
                );
            }
        }
    }
}
