//! What a check gives: the executable plan, and its picture.

use std::collections::BTreeSet;

use super::checked::{Checked, Need, Role, Slot, Task, Why};
use super::expand::{Draft, DraftNeed, Expanded};
use super::files::{Loader, place};
use super::parsed::Plan;
use super::scope::World;
use super::slice::Part;
use super::values::{self, Values};
use crate::diagnostic::Diagnostics;
use crate::graph::{Drawing, Edge, Node};
use crate::model::NodeId;
use crate::source::SourceMap;

/// The executable plan. Only for a plan without errors.
pub(super) fn checked(
    root: &Plan,
    values: &Values,
    expanded: Expanded,
    part: &Part,
    loader: &Loader<'_>,
    world: &World,
    diagnostics: &Diagnostics,
) -> Checked {
    let (shown, positions) = kept(part);
    let mut prove = BTreeSet::new();
    let mut tasks = Vec::with_capacity(shown.len());
    for (at, draft) in expanded
        .tasks
        .into_iter()
        .enumerate()
        .filter(|(at, _)| positions[*at].is_some())
    {
        let mut task = task(draft, &positions, &world.sources);
        if !part.runs[at] {
            // Its condition was decided by what is not here.
            task.when = None;
            if matches!(task.role, Role::Step(_)) {
                prove.insert(task.id.clone());
            }
        }
        tasks.push(task);
    }
    // Set by nobody else: a plan is checked once.
    let _first = world.positions.set(positions);
    Checked {
        name: root.name.clone(),
        digest: loader.digest(),
        timeout: expanded.timeout,
        inputs: values::public(root, values),
        secrets: values.secrets.texts(),
        tasks,
        prove,
        files: loader.stored.clone(),
        warnings: diagnostics
            .iter()
            .map(|one| format!("{}[{}]: {}", one.level(), one.code, one.message))
            .collect(),
    }
}

/// The tasks that are part of a slice, and where each of all tasks went among them.
fn kept(part: &Part) -> (Vec<usize>, Vec<Option<usize>>) {
    let kept = part.runs.iter().zip(&part.assumed);
    let mut next = 0..;
    let positions: Vec<Option<usize>> = kept
        .map(|(runs, assumed)| (*runs || *assumed).then(|| next.next()).flatten())
        .collect();
    let shown = (0..positions.len()).filter(|at| positions[*at].is_some());
    (shown.collect(), positions)
}

fn task(draft: Draft, positions: &[Option<usize>], sources: &SourceMap) -> Task {
    let moved = |task: usize| positions[task];
    let role = match draft.role {
        Role::Close { members, outputs } => Role::Close {
            members: members.into_iter().filter_map(moved).collect(),
            outputs,
        },
        role => role,
    };
    let need = |DraftNeed { task, why, .. }: DraftNeed| moved(task).map(|task| Need { task, why });
    let when = draft.when.map(|mut when| {
        when.handles = when.handles.into_iter().filter_map(moved).collect();
        when
    });
    let slot = draft
        .slot
        .and_then(|slot| moved(slot.group).map(|group| Slot { group, ..slot }));
    Task {
        id: NodeId::new(draft.id),
        role,
        needs: draft.needs.into_iter().filter_map(need).collect(),
        when,
        timeout: draft.timeout,
        retry: draft.retry,
        on_failure: draft.on_failure,
        slot,
        place: place(sources, draft.span),
    }
}

/// The graph, for people.
pub(super) fn drawing(name: &str, tasks: &[Draft], part: &Part, sources: &SourceMap) -> Drawing {
    let (shown, positions) = kept(part);
    let node = |at: usize| {
        let task = &tasks[at];
        Node {
            id: task.id.clone(),
            kind: match (&task.role, task.kind) {
                (_, Some(kind)) => kind.as_str(),
                (Role::Open, _) => "group",
                (Role::Close { .. }, _) => "end",
                _ => "wave",
            },
            groups: Vec::clone(&task.groups),
            span: task.span,
            when: task.when.as_ref().map(|when| when.expression.text.clone()),
            assumed: task.kind.is_some() && !part.runs[at],
        }
    };
    let mut edges = Vec::new();
    for (to, &at) in shown.iter().enumerate() {
        for need in &tasks[at].needs {
            if let Some(from) = positions[need.task] {
                edges.push(Edge {
                    from,
                    to,
                    why: reason(&need.why),
                    span: need.span,
                });
            }
        }
    }
    Drawing {
        name: name.to_owned(),
        nodes: shown.iter().map(|at| node(*at)).collect(),
        edges,
        sources: sources.clone(),
    }
}

/// Why an edge is there.
fn reason(why: &Why) -> &'static str {
    match why {
        Why::Needs => "needs",
        Why::Reference => "a reference to its outputs",
        Why::Inside => "inside",
        Why::Wave => "wave",
        Why::Member => "end of the group",
    }
}
