//! One step or group.

use super::{Fields, InputTypes, Shaper, fields};
use crate::check::parsed::{Body, ForEach, Group, Items, Step};
use crate::check::schema::{self, Schema};
use crate::check::tree::{Branch, Tree, no_template};
use crate::check::words;
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::model::Kind;
use crate::model::action::GATE_CHECKS;
use crate::model::plan::Uses;
use crate::source::{Core, Entry, Key, Node, Scalar, Span};
use crate::template::{ROOTS, Reference, Type};

/// The keys of a step.
const STEP_KEYS: [&str; 14] = [
    "uses",
    "with",
    "needs",
    "when",
    "timeout",
    "retry",
    "on_failure",
    "allow",
    "for_each",
    "as",
    "steps",
    "waves",
    "between",
    "max_parallel",
];
/// Those that only a group has.
const GROUP_KEYS: [&str; 3] = ["waves", "between", "max_parallel"];

/// Reads one step.
pub(super) struct Reader<'s, 'n, 'l, 'r> {
    pub(super) shaper: &'s mut Shaper<'l, 'r>,
    pub(super) key: &'n Key,
    pub(super) fields: Fields<'n>,
    /// It is no map, and that was told: nothing is missing in it.
    hollow: bool,
    /// The names in a `when` that is broken.
    pub(super) broken_names: Vec<Reference>,
}

impl<'s, 'n, 'l, 'r> Reader<'s, 'n, 'l, 'r> {
    pub(super) fn new(shaper: &'s mut Shaper<'l, 'r>, entry: &'n Entry) -> Self {
        let cut_off = shaper.truncated && entry.value.is_null();
        if !entry.value.is_map() && !cut_off {
            shaper.wrong("a step is a map", &entry.value);
        }
        let fields = fields(&entry.value, &STEP_KEYS, &mut shaper.out);
        Self {
            shaper,
            key: &entry.key,
            fields,
            hollow: !entry.value.is_map(),
            broken_names: Vec::new(),
        }
    }

    pub(super) fn read(mut self) -> Step {
        let body = self.body();
        let for_each = self.for_each();
        let is_kind = matches!(body, Body::Kind(..) | Body::Unknown(_));
        let on_failure = self.on_failure();
        Step {
            key: self.key.clone(),
            for_each,
            needs: self.needs(),
            when: self.when(),
            timeout: self.timeout(),
            retry: self.retry(is_kind),
            on_failure,
            allow: self.allow(),
            broken_names: self.broken_names,
            body,
        }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.shaper.out.push(diagnostic);
    }

    fn body(&mut self) -> Body {
        match (self.fields.get("uses"), self.fields.get("steps")) {
            (Some(uses), steps) => {
                if let Some(steps) = steps {
                    self.conflict(
                        steps,
                        "a step has `uses`, a group has `steps`: not both",
                        uses.key.span,
                    );
                }
                for name in GROUP_KEYS {
                    if let Some(entry) = self.fields.get(name).filter(|_| steps.is_none()) {
                        self.conflict(
                            entry,
                            &format!("`{name}` is for groups, and this is a step"),
                            uses.key.span,
                        );
                    }
                }
                self.uses(uses)
            }
            (None, Some(steps)) => {
                if let Some(with) = self.fields.get("with") {
                    self.conflict(with, "a group has no `with`", steps.key.span);
                }
                Body::Group(Box::new(self.group(steps)))
            }
            (None, None) => {
                if !self.shaper.truncated && !self.hollow {
                    self.push(
                        words::missing("uses", self.key.span)
                            .help("a step has `uses`, a group has `steps`"),
                    );
                }
                self.unknown(self.fields.get("with"))
            }
        }
    }

    /// What the step does is not known: the names in its parameters are looked at all the same.
    fn unknown(&mut self, with: Option<&Entry>) -> Body {
        Body::Unknown(with.map(|with| Tree::parse(&with.value, &mut self.shaper.out)))
    }

    fn conflict(&mut self, entry: &Entry, message: &str, other: Span) {
        self.push(
            Diagnostic::new(Code::ConflictingKeys, message)
                .at(entry.key.span, "cannot stand here")
                .also(other, "because of this"),
        );
    }

    fn uses(&mut self, entry: &Entry) -> Body {
        let Some(text) = self.shaper.word(&entry.value, "`uses`") else {
            return self.unknown(self.fields.get("with"));
        };
        let with = self.fields.get("with");
        match Uses::parse(&text) {
            Some(Uses::Kind(kind)) => self.with(kind, with),
            Some(Uses::SubPlan(path)) => {
                let tree = with.map(|with| Tree::parse(&with.value, &mut self.shaper.out));
                if let Some(with) = with.filter(|with| !with.value.is_map()) {
                    self.shaper.wrong("`with` is a map", &with.value);
                }
                let dir = self.shaper.dir.clone();
                let plan = self.shaper.loader.sub_plan(
                    &dir,
                    &path,
                    entry.value.span,
                    &mut self.shaper.out,
                );
                Body::SubPlan {
                    plan,
                    with: tree.unwrap_or_else(|| empty(entry.value.span)),
                }
            }
            None => self.unknown_kind(&text, entry, with),
        }
    }

    fn unknown_kind(&mut self, text: &str, entry: &Entry, with: Option<&Entry>) -> Body {
        let names = Kind::ALL.map(Kind::as_str);
        let mut problem =
            Diagnostic::new(Code::UnknownKind, format!("there is no step kind `{text}`"))
                .at(entry.value.span, "unknown");
        problem = problem.help(match suggest::slip(text, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if text.contains('/') || text.contains(".y") => {
                format!("a sub-plan's path begins with `./`: `./{text}`")
            }
            None => format!("there are {}", words::quoted(&names)),
        });
        self.push(problem);
        self.unknown(with)
    }

    /// The parameters of a kind.
    fn with(&mut self, kind: Kind, entry: Option<&Entry>) -> Body {
        let owner = entry.map_or(self.key.span, |entry| entry.key.span);
        let tree = match entry {
            Some(entry) if !entry.value.is_null() => {
                Tree::parse(&entry.value, &mut self.shaper.out)
            }
            _ => empty(owner),
        };
        let Shaper {
            inputs,
            out,
            truncated,
            ..
        } = &mut *self.shaper;
        let before = out.len();
        schema::validate(
            Schema::kind(kind),
            &tree,
            owner,
            &InputTypes(inputs),
            *truncated,
            out,
        );
        match kind {
            Kind::Gate => self.exactly_one(&tree, &GATE_CHECKS, owner),
            Kind::LabelNs => self.exactly_one(&tree, &["namespace", "namespaces"], owner),
            _ => {}
        }
        let sound = !tree.is_broken()
            && !self
                .shaper
                .out
                .iter()
                .skip(before)
                .any(Diagnostic::is_error);
        Body::Kind(kind, tree, sound)
    }

    fn exactly_one(&mut self, tree: &Tree, names: &[&str], owner: Span) {
        let there: Vec<&(Key, Tree)> = tree
            .pairs()
            .iter()
            .filter(|(key, _)| names.contains(&key.text.as_str()))
            .collect();
        let known: Vec<&str> = Schema::kind(Kind::Gate)
            .keys()
            .chain(Schema::kind(Kind::LabelNs).keys())
            .collect();
        let misspelt = tree
            .pairs()
            .iter()
            .any(|(key, _)| !known.contains(&key.text.as_str()));
        match there.as_slice() {
            [_] => {}
            [] if misspelt || self.shaper.truncated || !matches!(tree.value, Branch::Map(_)) => {}
            [] => self.push(
                Diagnostic::new(
                    Code::ConflictingKeys,
                    format!("exactly one of {} is needed", words::quoted(names)),
                )
                .at(owner, "names none of them"),
            ),
            [(first, _), (second, _), ..] => {
                let message = format!("`{}` and `{}` exclude each other", first.text, second.text);
                self.push(
                    Diagnostic::new(Code::ConflictingKeys, message)
                        .at(second.span, "one too many")
                        .also(first.span, "the first one")
                        .help("make two steps of it, the second of which needs the first"),
                );
            }
        }
    }

    fn group(&mut self, steps: &Entry) -> Group {
        let inner = self.shaper.steps(steps);
        let waves = self
            .fields
            .get("waves")
            .map(|entry| Tree::parse(&entry.value, &mut self.shaper.out));
        let between = self
            .fields
            .get("between")
            .and_then(|entry| self.between(entry));
        let max_parallel = self
            .fields
            .get("max_parallel")
            .and_then(|entry| self.max_parallel(&entry.value));
        if !self.fields.contains_key("for_each") && !self.shaper.truncated {
            if let Some(entry) = self.fields.get("waves") {
                self.push(
                    Diagnostic::new(Code::InvalidWaves, "`waves` without `for_each`")
                        .at(entry.key.span, "there are no items to cut")
                        .help("add `for_each` and `as`, or remove the waves"),
                );
            }
            if let Some(entry) = self.fields.get("max_parallel") {
                self.conflict(entry, "`max_parallel` without `for_each`", self.key.span);
            }
        }
        Group {
            steps: inner,
            waves,
            between,
            max_parallel,
        }
    }

    fn between(&mut self, entry: &Entry) -> Option<crate::check::parsed::Steps> {
        if !self.fields.contains_key("waves") && !self.shaper.truncated {
            self.push(
                Diagnostic::new(Code::BetweenWithoutWaves, "`between` without `waves`")
                    .at(entry.key.span, "would never run")
                    .help("add `waves: [1, 100%]` or the like"),
            );
        }
        let inner = fields(&entry.value, &["steps"], &mut self.shaper.out);
        let Some(steps) = inner.get("steps") else {
            if entry.value.is_map() {
                // Another name stands where the one key should.
                if !self.shaper.truncated && entry.value.as_map().is_empty() {
                    self.push(words::missing("steps", entry.key.span));
                }
            } else {
                self.shaper
                    .wrong("`between` is a map with `steps`", &entry.value);
            }
            return None;
        };
        Some(self.shaper.steps(steps))
    }

    fn max_parallel(&mut self, node: &Node) -> Option<usize> {
        let text = node.as_str().unwrap_or_default();
        if no_template(text, node.span, "`max_parallel`", &mut self.shaper.out) {
            return None;
        }
        let number = match node.as_scalar().map(Scalar::core) {
            Some(Core::Int(number)) => usize::try_from(number).ok().filter(|number| *number > 0),
            _ => None,
        };
        if number.is_none() {
            self.push(
                Diagnostic::new(
                    Code::BadValue,
                    "`max_parallel` is a whole number of at least 1",
                )
                .at(node.span, "not such a number"),
            );
        }
        number
    }

    fn for_each(&mut self) -> Option<ForEach> {
        let variable = self.fields.get("as");
        let Some(entry) = self.fields.get("for_each") else {
            if let Some(entry) = variable.filter(|_| !self.shaper.truncated) {
                self.conflict(entry, "`as` without `for_each`", self.key.span);
            }
            return None;
        };
        if variable.is_none() && !self.shaper.truncated {
            self.push(
                words::missing("as", entry.key.span).help("name the item, such as `as: namespace`"),
            );
        }
        let variable = variable.and_then(|entry| self.variable(&entry.value));
        Some(ForEach {
            span: entry.value.span,
            items: self.items(entry),
            variable,
        })
    }

    fn variable(&mut self, node: &Node) -> Option<Key> {
        let text = self.shaper.word(node, "`as`")?;
        let key = Key {
            text,
            span: node.span,
        };
        if ROOTS.contains(&key.text.as_str()) {
            self.push(
                Diagnostic::new(
                    Code::ShadowedName,
                    format!("`{}` is the name of a context", key.text),
                )
                .at(key.span, "would hide it")
                .help("choose another name for the item"),
            );
            return None;
        }
        self.shaper.variable(&key, "an item").then_some(key)
    }

    fn items(&mut self, entry: &Entry) -> Items {
        let node = &entry.value;
        let mut tree = Tree::parse(node, &mut self.shaper.out);
        if node.is_map() {
            let Shaper {
                inputs,
                out,
                truncated,
                ..
            } = &mut *self.shaper;
            let types = InputTypes(inputs);
            if !schema::validate(
                schema::cluster_items(),
                &tree,
                entry.key.span,
                &types,
                *truncated,
                out,
            ) {
                return Items::Broken;
            }
            match tree.get("namespaces").cloned() {
                Some(inner) if matches!(inner.value, Branch::Map(_)) => return Items::Query(inner),
                Some(inner) => tree = inner,
                None => return Items::Broken,
            }
        }
        match &tree.value {
            Branch::Seq(_) | Branch::Broken(_) => Items::List(tree),
            Branch::Template(template) => {
                let (inferred, _) = template.infer(&InputTypes(&self.shaper.inputs));
                if !matches!(inferred, Type::List | Type::Unknown) {
                    self.push(
                        Diagnostic::new(
                            Code::ExpressionType,
                            format!("`for_each` runs over a list, found {inferred}"),
                        )
                        .at(template.span(), format!("this is {inferred}")),
                    );
                    return Items::Broken;
                }
                Items::List(tree)
            }
            Branch::Scalar(_) | Branch::Map(_) => {
                self.shaper.wrong(
                    "`for_each` runs over a list, or over `{namespaces: {selector: …}}`",
                    node,
                );
                Items::Broken
            }
        }
    }
}

fn empty(span: Span) -> Tree {
    Tree {
        span,
        value: Branch::Map(Vec::new()),
    }
}
