//! What starts now: a pure choice from what is ready, under limits, in the order of the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Slot, Task};

/// The tasks that could start, and the room there is.
#[derive(Debug)]
pub(super) struct Schedule {
    room: usize,
    running: usize,
    ready: BTreeSet<usize>,
    groups: BTreeMap<usize, Items>,
}

/// The items of one group with a limit.
#[derive(Debug, Default)]
struct Items {
    /// The items that are under way.
    taken: BTreeSet<usize>,
    /// How many tasks of an item have not ended.
    left: BTreeMap<usize, usize>,
    /// Tasks that are ready while their item has no share, by item.
    parked: BTreeMap<usize, BTreeSet<usize>>,
}

impl Schedule {
    /// An empty schedule for these tasks.
    pub(super) fn new(tasks: &[Task], concurrency: usize) -> Self {
        let mut groups: BTreeMap<usize, Items> = BTreeMap::new();
        for slot in tasks.iter().filter_map(|task| task.slot.as_ref()) {
            let items = groups.entry(slot.group).or_default();
            *items.left.entry(slot.item).or_default() += 1;
        }
        Self {
            room: concurrency.max(1),
            running: 0,
            ready: BTreeSet::new(),
            groups,
        }
    }

    /// The task could start.
    pub(super) fn ready(&mut self, task: usize) {
        self.ready.insert(task);
    }

    /// The next task to start, if one may. Its place is taken.
    pub(super) fn pop(&mut self, tasks: &[Task]) -> Option<usize> {
        while self.running < self.room {
            let task = self.ready.pop_first()?;
            if self.share(task, tasks[task].slot.as_ref()) {
                self.running += 1;
                return Some(task);
            }
        }
        None
    }

    /// A running task gives its place back: it ended, or it waits for people.
    pub(super) fn leave(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// A task that waited for people goes on, whatever room there is.
    pub(super) fn enter(&mut self) {
        self.running += 1;
    }

    /// A task ended: with the last of its item, the item's share is free.
    pub(super) fn ended(&mut self, slot: Option<&Slot>) {
        let Some(slot) = slot else { return };
        let Some(items) = self.groups.get_mut(&slot.group) else {
            return;
        };
        let Some(left) = items.left.get_mut(&slot.item) else {
            return;
        };
        *left = left.saturating_sub(1);
        if *left == 0 && items.taken.remove(&slot.item) {
            // One share is free: one item of those that wait may try.
            if let Some((_, mut tasks)) = items.parked.pop_first() {
                self.ready.append(&mut tasks);
            }
        }
    }

    /// Whether nothing could start even if there were room.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Takes the item's share, or parks the task.
    fn share(&mut self, task: usize, slot: Option<&Slot>) -> bool {
        let Some(slot) = slot else { return true };
        let items = self.groups.entry(slot.group).or_default();
        if items.taken.contains(&slot.item) || items.taken.len() < slot.limit.max(1) {
            items.taken.insert(slot.item);
            return true;
        }
        items.parked.entry(slot.item).or_default().insert(task);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixture::step;

    fn tasks(slots: &[Option<(usize, usize)>]) -> Vec<Task> {
        let slot = |&(item, limit): &(usize, usize)| Slot {
            group: 0,
            item,
            limit,
        };
        slots
            .iter()
            .map(|s| Task {
                slot: s.as_ref().map(slot),
                ..step("a")
            })
            .collect()
    }

    fn all(schedule: &mut Schedule, tasks: &[Task]) -> Vec<usize> {
        std::iter::from_fn(|| schedule.pop(tasks)).collect()
    }

    #[test]
    fn the_order_of_the_file_and_the_room_decide() {
        let tasks = tasks(&[None, None, None]);
        let mut schedule = Schedule::new(&tasks, 2);
        for task in [2, 0, 1] {
            schedule.ready(task);
        }
        assert_eq!(all(&mut schedule, &tasks), [0, 1]);
        schedule.leave();
        assert_eq!(all(&mut schedule, &tasks), [2]);
    }

    #[test]
    fn an_item_keeps_its_share_until_its_last_task() {
        // Item 0: tasks 0, 1; item 1: tasks 2, 3; one item at once.
        let tasks = tasks(&[Some((0, 1)), Some((0, 1)), Some((1, 1)), Some((1, 1))]);
        let mut schedule = Schedule::new(&tasks, 9);
        for task in [0, 2, 3] {
            schedule.ready(task);
        }
        assert_eq!(all(&mut schedule, &tasks), [0]);
        schedule.leave();
        schedule.ended(tasks[0].slot.as_ref());
        schedule.ready(1);
        assert_eq!(all(&mut schedule, &tasks), [1]);
        schedule.leave();
        schedule.ended(tasks[1].slot.as_ref());
        assert_eq!(all(&mut schedule, &tasks), [2, 3]);
    }
}
