//! Groups: their opening and end, and what runs for each item.

use std::rc::Rc;
use std::sync::Arc;

use super::items::{Listed, Named};
use super::{DraftNeed, Expander, MAX_TASKS, Site, Spot, join};
use crate::check::checked::{Deferred, Role, Slot, Why};
use crate::check::facts::Facts;
use crate::check::parsed::{Body, ForEach, Steps};
use crate::check::scope::Item;
use crate::model::{Kind, NodeId};

impl Expander<'_, '_> {
    /// The opening of a group: it has the group's needs and condition.
    pub(super) fn open(&mut self, site: Site<'_>, name: &str, spot: &Spot) -> usize {
        let mut draft = self.draft(site, name, spot, true, Role::Open);
        draft.id = format!("{name}:open");
        draft.timeout = match site.step.body {
            // The step's own, for each item.
            Body::Kind(..) => draft.timeout,
            _ => self.own_timeout(site, spot).unwrap_or_default(),
        };
        self.push(draft)
    }

    /// The end of a group.
    pub(super) fn close(
        &mut self,
        site: Site<'_>,
        name: &str,
        spot: &Spot,
        open: usize,
        members: Vec<usize>,
        outputs: Vec<(String, Deferred)>,
    ) -> usize {
        let span = site.step.key.span;
        let inside = DraftNeed {
            task: open,
            why: Why::Inside,
            span,
        };
        let member = |task: &usize| DraftNeed {
            task: *task,
            why: Why::Member,
            span,
        };
        let needs = std::iter::once(inside)
            .chain(members.iter().map(member))
            .collect();
        let mut draft = self.draft(site, name, spot, false, Role::Close { members, outputs });
        draft.needs = needs;
        self.push(draft)
    }

    /// A group with items, or a step that runs for each.
    pub(super) fn each(
        &mut self,
        site: Site<'_>,
        for_each: &ForEach,
        name: &str,
        spot: &Spot,
    ) -> usize {
        let path = join(&spot.path, &site.step.key.text);
        let open = self.open(site, name, spot);
        let mut items = self.items(for_each, spot, &path);
        let count = if items.known { items.items.len() } else { 0 };
        let waved = matches!(&site.step.body, Body::Group(group) if group.waves.is_some());
        if self.full && items.items.len() > 1 {
            items = all(items);
        }
        let start = self.done.tasks.len();
        let (mut members, mut cut) = self.unroll(site, for_each, name, spot, open, &items);
        if self.done.tasks.len() > MAX_TASKS && items.items.len() > 1 {
            self.overflow(for_each.span);
            self.done.tasks.truncate(start);
            items = all(items);
            (members, cut) = self.unroll(site, for_each, name, spot, open, &items);
        }
        // The list may have been cut short, which makes it no smaller.
        cut |= waved && !items.known;
        self.at_once(start, open, cut, count, site, for_each);
        self.close(site, name, spot, open, members, Vec::new())
    }

    /// All waves of a group; gives the members and whether they are cut into waves.
    fn unroll(
        &mut self,
        site: Site<'_>,
        for_each: &ForEach,
        name: &str,
        spot: &Spot,
        open: usize,
        items: &Listed,
    ) -> (Vec<usize>, bool) {
        let group = match &site.step.body {
            Body::Group(group) => Some(group),
            _ => None,
        };
        let waves = self.waves(group.and_then(|group| group.waves.as_ref()), spot, items);
        let mut inside = Self::inside(spot, name, &site.step.key.text, open);
        let mut members = Vec::new();
        let mut from = 0;
        for (number, &to) in waves.iter().enumerate() {
            let mut wave = Vec::new();
            for (at, item) in items.items.iter().enumerate().take(to).skip(from) {
                wave.extend(self.item_of(site, for_each, name, &inside, items, (at, item)));
                if self.done.tasks.len() > MAX_TASKS && items.items.len() > 1 {
                    return (members, false);
                }
            }
            from = to;
            members.extend(&wave);
            let between = group.and_then(|group| group.between.as_ref());
            let last = number + 1 == waves.len();
            // Where the list is not known there may be more waves, and what is between them is to be seen.
            if last && (items.known || between.is_none()) {
                if let Some(between) = between.filter(|_| waves.len() == 1) {
                    self.unseen(site, name, &inside, between);
                }
                break;
            }
            let number = if last {
                "*".to_owned()
            } else {
                (number + 1).to_string()
            };
            if let Some(between) = between {
                let ended =
                    self.barrier(site, &format!("{name}:between[{number}]"), &inside, &wave);
                let mut spot = inside.clone();
                spot.barrier = Some(ended);
                spot.prefix = format!("{name}.between[{number}]");
                spot.path = join(&inside.path, "between");
                wave = self.steps(between, &spot, Some(site.frame));
                members.extend(&wave);
            }
            if last {
                break;
            }
            // Named by the wave that it ends.
            let next = self.barrier(site, &format!("{name}:wave[{number}]"), &inside, &wave);
            inside.barrier = Some(next);
        }
        (members, waves.len() > 1)
    }

    /// Looks at what never runs between waves, since there is one only.
    fn unseen(&mut self, site: Site<'_>, name: &str, inside: &Spot, between: &Steps) {
        let mut spot = inside.clone();
        spot.prefix = format!("{name}.between[1]");
        spot.path = join(&inside.path, "between");
        let start = self.done.tasks.len();
        self.steps(between, &spot, Some(site.frame));
        let tasks = self.done.tasks.drain(start..);
        self.done.unseen.extend(tasks);
    }

    /// One item: the group's steps, or the step itself.
    fn item_of(
        &mut self,
        site: Site<'_>,
        for_each: &ForEach,
        name: &str,
        inside: &Spot,
        items: &Listed,
        (at, item): (usize, &Named),
    ) -> Vec<usize> {
        let mut spot = inside.clone();
        let mut scope = (*inside.scope).clone();
        if let Some(variable) = &for_each.variable {
            scope.items.push(Item {
                variable: variable.text.clone(),
                value: item.value.clone(),
                of: items.of.clone(),
                secret: items.secret,
            });
        }
        spot.scope = Arc::new(scope);
        let named = NodeId::new(name).item(&item.name);
        named.as_str().clone_into(&mut spot.prefix);
        match &site.step.body {
            Body::Group(group) => {
                spot.slot = group
                    .max_parallel
                    .zip(spot.open)
                    .map(|(limit, group)| Slot {
                        group,
                        item: at,
                        limit,
                    });
                self.steps(&group.steps, &spot, Some(site.frame))
            }
            _ => vec![self.body(site, named.as_str(), &spot, false)],
        }
    }

    /// What must have ended well before what follows may start.
    fn barrier(&mut self, site: Site<'_>, name: &str, inside: &Spot, wave: &[usize]) -> usize {
        let mut draft = self.draft(site, name, inside, false, Role::Wave);
        draft.slot = None;
        let span = site.step.key.span;
        draft.needs.extend(wave.iter().map(|task| DraftNeed {
            task: *task,
            why: Why::Wave,
            span,
        }));
        self.push(draft)
    }

    /// Marks a group that restarts many namespaces at once, on its first restart.
    fn at_once(
        &mut self,
        start: usize,
        open: usize,
        cut: bool,
        count: usize,
        site: Site<'_>,
        for_each: &ForEach,
    ) {
        let limit = match &site.step.body {
            Body::Group(group) => group.max_parallel.unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let restart = self.done.tasks[start..]
            .iter()
            .find(|task| task.kind == Some(Kind::Restart));
        let Some(allow) = restart.map(|task| Rc::clone(&task.allow)) else {
            return;
        };
        let facts = count.min(limit);
        let opening = &mut self.done.tasks[open];
        opening.facts = if cut {
            Facts::None
        } else {
            Facts::Opens {
                at_once: facts,
                span: for_each.span,
            }
        };
        opening.allow = allow;
    }
}

/// One item that stands for all.
fn all(items: Listed) -> Listed {
    Listed {
        items: vec![Named {
            name: "*".to_owned(),
            value: None,
        }],
        known: false,
        secret: items.secret,
        of: items.of,
    }
}
