//! What a slice needs and leaves out must be done, whatever the plan says of its failure.

use std::collections::BTreeSet;

use super::state::is_failure;
use crate::check::{Role, Task};
use crate::model::{NodeId, Outcome};

/// What had to prove done and is not, with the groups around it.
#[derive(Debug, Default)]
pub(super) struct Unproven(BTreeSet<usize>);

impl Unproven {
    /// Hears how a task ended; `prove` are those that had to prove done.
    pub(super) fn hear(
        &mut self,
        task: usize,
        it: &Task,
        outcome: Outcome,
        prove: &BTreeSet<NodeId>,
    ) {
        let had_to = match &it.role {
            Role::Close { members, .. } => members.iter().any(|member| self.contains(*member)),
            _ => prove.contains(&it.id),
        };
        if had_to && is_failure(outcome) {
            self.0.insert(task);
        }
    }

    pub(super) fn contains(&self, task: usize) -> bool {
        self.0.contains(&task)
    }
}
