//! The items of a group, and how waves cut them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Expander, Spot};
use crate::check::facts::symbol_of;
use crate::check::forms;
use crate::check::parsed::{ForEach, Items};
use crate::check::scope::Scope;
use crate::check::tree::{Branch, Tree};
use crate::check::words;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// One item: its name in a node's, and its value, where the list is known.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: Option<Arc<Json>>,
}

/// The items of a group.
#[derive(Debug)]
pub(super) struct Listed {
    /// One that stands for all where the list is not known.
    pub(super) items: Vec<Named>,
    pub(super) known: bool,
    /// What tells the list from others while it is not known.
    pub(super) of: String,
    /// Whether it is made of secrets.
    pub(super) secret: bool,
}

impl Expander<'_, '_> {
    pub(super) fn items(&mut self, for_each: &ForEach, spot: &Spot, path: &str) -> Listed {
        let (list, of) = match &for_each.items {
            Items::Broken => (None, path.to_owned()),
            Items::Query(query) => {
                let of = symbol_of(query, &spot.scope);
                if let Some(known) = self.known(query, &spot.scope) {
                    forms::selector(&known, self.out);
                }
                let found = self.looked_up.get(path);
                let list = found.map(|names| {
                    names
                        .iter()
                        .map(|name| named(name.clone(), Json::from(name.clone())))
                        .collect()
                });
                (list, of)
            }
            Items::List(tree) => (
                self.listed(tree, &spot.scope, for_each.span),
                symbol_of(tree, &spot.scope),
            ),
        };
        let known = list.is_some();
        self.done.partial |= !known;
        let all = || {
            vec![Named {
                name: "*".to_owned(),
                value: None,
            }]
        };
        let secret = match &for_each.items {
            Items::List(tree) => spot.scope.names_secrets(tree),
            Items::Query(_) | Items::Broken => false,
        };
        Listed {
            items: list.unwrap_or_else(all),
            known,
            of,
            secret,
        }
    }

    fn listed(&mut self, tree: &Tree, scope: &Scope, span: Span) -> Option<Vec<Named>> {
        let known = self.known(tree, scope)?;
        if self.late_list(&known, scope, span) {
            return None;
        }
        let Branch::Seq(items) = &known.value else {
            if !matches!(known.value, Branch::Template(_) | Branch::Broken(_)) {
                self.out.push(
                    Diagnostic::new(
                        Code::ExpressionType,
                        "`for_each` runs over a list, and this is none",
                    )
                    .at(span, "no list"),
                );
            }
            return None;
        };
        if scope.names_secrets(tree) && self.shows_secrets(items) {
            return None;
        }
        let mut named: Vec<Named> = Vec::with_capacity(items.len());
        let mut seen: HashMap<String, Span> = HashMap::with_capacity(items.len());
        for item in items {
            if matches!(item.value, Branch::Template(_) | Branch::Broken(_)) {
                return None;
            }
            words::unquoted_within(item, self.out);
            let Some(item_named) = self.item(item) else {
                continue;
            };
            if let Some(first) = seen.insert(item_named.name.clone(), item.span) {
                self.duplicate(&item_named.name, item.span, first);
            } else {
                named.push(item_named);
            }
        }
        Some(named)
    }

    /// Names of nodes are seen by everybody.
    fn shows_secrets(&mut self, items: &[Tree]) -> bool {
        let mask = self.secrets.mask();
        let name = |item: &'_ Tree| match &item.value {
            Branch::Map(_) => item.get("name").and_then(Tree::text).map(str::to_owned),
            _ => item.text().map(str::to_owned),
        };
        let secret = items
            .iter()
            .find(|item| name(item).is_some_and(|name| mask.text(&name) != name));
        self.out.extend(secret.map(|item| {
            Diagnostic::new(Code::BadItem, "a secret cannot be the name of an item")
                .at(item.span, "made of a sensitive input")
                .help("the names of items stand in graphs and journals: give the items a `name`, or do not mark the input `sensitive`")
        }));
        secret.is_some()
    }

    /// The whole graph is known before the first step: a list cannot be made of what steps give.
    fn late_list(&mut self, tree: &Tree, scope: &Scope, span: Span) -> bool {
        let late = scope.late(tree, "`for_each` cannot run over what a step gives");
        let is_late = late.is_some();
        self.out.extend(late.map(|problem| {
            problem
                .also(span, "all steps must be known before the first one starts")
                .help("use an input, or `{namespaces: {selector: …}}`")
        }));
        is_late
    }

    fn duplicate(&mut self, name: &str, span: Span, first: Span) {
        let problem = Diagnostic::new(
            Code::DuplicateItem,
            format!("the item `{name}` is given twice"),
        )
        .at(span, "again");
        self.out.push(if first == span {
            problem
        } else {
            problem.also(first, "first here")
        });
    }

    fn item(&mut self, item: &Tree) -> Option<Named> {
        let bad = |message: &str| {
            Diagnostic::new(Code::BadItem, message).at(item.span, "no name can be made of it")
        };
        let problem = match &item.value {
            Branch::Scalar(scalar) => {
                let value = scalar.to_json();
                if !value.is_null() && !scalar.text.is_empty() {
                    return Some(named(scalar.text.clone(), value));
                }
                bad("an item is empty")
            }
            Branch::Map(_) => match item.get("name").and_then(Tree::text) {
                Some(name) if !name.is_empty() => {
                    return Some(named(name.to_owned(), item.to_json()));
                }
                _ => bad("an item that is a map needs a `name`").help("add `name: …` to it"),
            },
            _ => bad("an item is a list").help("an item is a plain value, or a map with a `name`"),
        };
        self.out.push(problem);
        None
    }

    /// The ends of the waves, as numbers of items. Without waves there is one.
    pub(super) fn waves(&mut self, tree: Option<&Tree>, spot: &Spot, items: &Listed) -> Vec<usize> {
        let count = items.items.len();
        let one = vec![count];
        let Some(tree) = tree else {
            return one;
        };
        let Some(known) = self.known(tree, &spot.scope) else {
            return one;
        };
        let Branch::Seq(entries) = &known.value else {
            if !matches!(known.value, Branch::Template(_) | Branch::Broken(_)) {
                self.bad_wave(tree.span, "`waves` is a list, such as [1, 25%, 100%]");
            }
            return one;
        };
        if entries.is_empty() {
            self.bad_wave(tree.span, "`waves` is empty");
            return one;
        }
        let mut ends = Vec::with_capacity(entries.len());
        let mut before: Option<Wave> = None;
        let mut sound = true;
        for entry in entries {
            let Branch::Scalar(scalar) = &entry.value else {
                if matches!(entry.value, Branch::Seq(_) | Branch::Map(_)) {
                    self.bad_wave(
                        entry.span,
                        "a wave is a number of items or a percentage of them",
                    );
                }
                sound = false;
                continue;
            };
            let Some(wave) = Wave::parse(&scalar.text) else {
                self.bad_wave(
                    entry.span,
                    &format!(
                        "`{}` is neither a number of items nor a percentage up to 100%",
                        scalar.text
                    ),
                );
                sound = false;
                continue;
            };
            if before.is_some_and(|before| !wave.follows(before)) {
                self.bad_wave(
                    entry.span,
                    "the waves must not fall: each says up to how much of the items it goes",
                );
                sound = false;
            }
            before = Some(wave);
            ends.push(wave.end(count));
        }
        if !sound {
            return one;
        }
        self.reaches_all(
            before,
            entries.last().map_or(tree.span, |last| last.span),
            items,
        );
        let mut done = 0;
        ends.retain(|end| {
            let adds = *end > done;
            done = done.max(*end);
            adds
        });
        if done < count {
            ends.push(count);
        }
        ends
    }

    fn reaches_all(&mut self, last: Option<Wave>, span: Span, items: &Listed) {
        let left_out = match last {
            Some(Wave::Percent(percent)) => percent < 100,
            Some(Wave::Items(number)) => items.known && number < items.items.len(),
            None => false,
        };
        if left_out {
            self.bad_wave(span, "the last wave leaves items out");
        }
    }

    fn bad_wave(&mut self, span: Span, message: &str) {
        self.out.push(
            Diagnostic::new(Code::InvalidWaves, message)
                .at(span, "")
                .help("write for example `waves: [1, 25%, 100%]`"),
        );
    }
}

/// Up to how much of the items a wave goes.
#[derive(Debug, Clone, Copy)]
enum Wave {
    Items(usize),
    Percent(usize),
}

impl Wave {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim().parse().ok()?;
                (1..=100)
                    .contains(&percent)
                    .then_some(Self::Percent(percent))
            }
            None => text
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .map(Self::Items),
        }
    }

    /// How many items are done when it has ended; a percentage is rounded up.
    fn end(self, count: usize) -> usize {
        match self {
            Self::Items(number) => number.min(count),
            Self::Percent(percent) => (count * percent).div_ceil(100),
        }
    }

    /// Whether it can come after another; one that adds nothing is dropped. A number and a percentage can be compared with a list only.
    fn follows(self, before: Self) -> bool {
        match (before, self) {
            (Self::Items(before), Self::Items(own))
            | (Self::Percent(before), Self::Percent(own)) => before <= own,
            _ => true,
        }
    }
}

fn named(name: String, value: Json) -> Named {
    Named {
        name,
        value: Some(Arc::new(value)),
    }
}
