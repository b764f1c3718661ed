//! The shape of a plan, computed once: who follows whom, and which group a task is in.

use std::collections::HashMap;

use crate::check::{Role, Task, Why};
use crate::model::NodeId;
use crate::model::policy::OnFailure;

/// The shape of a plan.
#[derive(Debug)]
pub(super) struct Layout {
    /// The tasks that need a task.
    pub(super) followers: Vec<Vec<usize>>,
    /// How many needs of a task have not ended.
    pub(super) open: Vec<usize>,
    /// The opening of the group that a task is in.
    parent: Vec<Option<usize>>,
    /// The steps by name.
    steps: HashMap<NodeId, usize>,
}

impl Layout {
    pub(super) fn new(tasks: &[Task]) -> Self {
        let mut layout = Self {
            followers: vec![Vec::new(); tasks.len()],
            open: vec![0; tasks.len()],
            parent: vec![None; tasks.len()],
            steps: HashMap::new(),
        };
        for (position, task) in tasks.iter().enumerate() {
            for need in &task.needs {
                // A task may be needed for several reasons; it ends once.
                if layout.followers[need.task].last() != Some(&position) {
                    layout.followers[need.task].push(position);
                    layout.open[position] += 1;
                }
                if need.why == Why::Inside {
                    layout.parent[position] = Some(need.task);
                }
            }
            if matches!(task.role, Role::Step(_)) {
                layout.steps.insert(task.id.clone(), position);
            }
        }
        layout
    }

    /// The groups that a task is in, the innermost first, as positions of their openings.
    pub(super) fn groups(&self, task: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.parent[task], |group| self.parent[*group])
    }

    /// The policy of a task; a group's is that of its opening.
    pub(super) fn policy(&self, tasks: &[Task], task: usize) -> OnFailure {
        let of = match tasks[task].role {
            Role::Close { .. } => self.groups(task).next().unwrap_or(task),
            _ => task,
        };
        tasks[of].on_failure
    }

    /// The step of that name.
    pub(super) fn step(&self, node: &NodeId) -> Option<usize> {
        self.steps.get(node).copied()
    }
}
