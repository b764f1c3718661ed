//! The tree of a file to a [`Plan`]: keys, types and forms, with every mistake told at its place.

mod envelope;
mod inputs;
mod step;

use std::collections::HashMap;
use std::path::PathBuf;

use super::files::Loader;
use super::parsed::{Declared, Plan, Step, Steps};
use super::schema::{self, NoTypes, Schema};
use super::times;
use super::tree::{Tree, no_template};
use crate::check::words;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::model::id::is_step_id;
use crate::model::plan::{Defaults, InputType, PLAN_KEYS};
use crate::model::policy::{Attempts, Retry};
use crate::source::de::from_node;
use crate::source::{Entry, FileId, Key, Node, Scalar, Span, Style, Value};
use crate::template::{Type, Types, WORDS};

use indexmap::IndexMap;

/// Reads one file's tree.
pub(super) struct Shaper<'l, 'r> {
    pub(super) loader: &'l mut Loader<'r>,
    pub(super) out: Diagnostics,
    pub(super) dir: PathBuf,
    pub(super) truncated: bool,
    inputs: IndexMap<String, Declared>,
    default_timeout: Option<Tree>,
    default_retry: Retry,
    default_attempts: Option<Span>,
}

/// The types of the inputs, for the expressions of a file.
pub(super) struct InputTypes<'a>(pub(super) &'a IndexMap<String, Declared>);

impl Types for InputTypes<'_> {
    fn type_of(&self, root: &str, key: &[String]) -> Type {
        match (root, key) {
            ("inputs", [name]) => self.0.get(name).map_or(Type::Unknown, |declared| {
                if declared.broken {
                    Type::Unknown
                } else {
                    input_type(declared.input.kind)
                }
            }),
            ("cluster", [part]) if part == "labels" => Type::Map,
            ("cluster", [part]) if part == "name" => Type::String,
            ("run", _) => Type::String,
            ("steps", [_, part]) if part == "outcome" => Type::Outcome,
            _ => Type::Unknown,
        }
    }
}

/// The type that an input has in an expression.
pub(super) fn input_type(kind: InputType) -> Type {
    match kind {
        InputType::String | InputType::Revision | InputType::Namespace | InputType::Duration => {
            Type::String
        }
        InputType::Number => Type::Number,
        InputType::Bool => Type::Bool,
        InputType::List => Type::List,
        InputType::Map => Type::Map,
        InputType::Version => Type::Version,
    }
}

impl<'l, 'r> Shaper<'l, 'r> {
    pub(super) fn new(loader: &'l mut Loader<'r>, dir: PathBuf, truncated: bool) -> Self {
        Self {
            loader,
            out: Diagnostics::new(),
            dir,
            truncated,
            inputs: IndexMap::new(),
            default_timeout: None,
            default_retry: Retry::default(),
            default_attempts: None,
        }
    }

    /// Reads a plan.
    pub(super) fn plan(mut self, node: &Node, file: FileId) -> (Plan, Diagnostics) {
        let start = Span::at(file, 0, 0);
        if !node.is_map() && !self.truncated {
            self.wrong("a plan is a map", node);
        }
        let fields = fields(node, &PLAN_KEYS, &mut self.out);
        let owner = if node.is_map() { node.head() } else { start };
        for name in ["version", "name", "steps"] {
            if !fields.contains_key(name) && node.is_map() && !self.truncated {
                self.out.push(words::missing(name, owner));
            }
        }
        if let Some(entry) = fields.get("version") {
            self.version(&entry.value);
        }
        let name = fields.get("name").and_then(|entry| self.name(&entry.value));
        if let Some(entry) = fields.get("description") {
            self.word(&entry.value, "the description");
        }
        if let Some(entry) = fields.get("inputs") {
            self.inputs(&entry.value);
        }
        if let Some(entry) = fields.get("defaults") {
            self.defaults(entry);
        }
        let timeout = fields
            .get("timeout")
            .map(|entry| self.templated(schema::duration(), entry));
        if let Some(timeout) = &timeout {
            times::timeout(timeout, &mut self.out);
        }
        let steps = match fields.get("steps") {
            Some(entry) => self.steps(entry),
            None => Steps {
                id: self.loader.number(),
                ..Steps::default()
            },
        };
        let outputs = fields
            .get("outputs")
            .map(|entry| self.outputs(&entry.value))
            .unwrap_or_default();
        let plan = Plan {
            file,
            dir: self.dir,
            name: name.unwrap_or_default(),
            inputs: self.inputs,
            outputs,
            default_timeout: self.default_timeout,
            timeout,
            steps,
            truncated: self.truncated,
        };
        (plan, self.out)
    }

    fn version(&mut self, node: &Node) {
        let quoted = |scalar: &Scalar| scalar.style != Style::Plain && !scalar.text.is_empty();
        if node.as_scalar().is_some_and(quoted) {
            return self.wrong("the version is a number", node);
        }
        match node.as_str() {
            Some("1") => {}
            Some(text) if !text.is_empty() => self.out.push(
                Diagnostic::new(
                    Code::UnsupportedVersion,
                    format!("version `{text}` of the language is not supported"),
                )
                .at(node.span, "unknown to this `plan`")
                .help("write `version: 1`"),
            ),
            _ => self.wrong("the version is a number", node),
        }
    }

    fn defaults(&mut self, entry: &Entry) {
        let inner = &entry.value;
        // Of all defaults the timeout alone may hold expressions: the rest is read without it.
        let mut rest = entry.clone();
        if let Value::Map(entries) = &mut rest.value.value {
            entries.retain(|entry| entry.key.text != "timeout");
        }
        if let Some(defaults) = self.read::<Defaults>(schema::defaults(), &rest) {
            self.default_retry = defaults.retry.unwrap_or_default();
        }
        self.default_timeout = inner
            .entry("timeout")
            .map(|entry| self.templated(schema::timeout(), entry));
        if let Some(timeout) = &self.default_timeout {
            times::timeout(timeout, &mut self.out);
        }
        if let Some(retry) = inner.get("retry") {
            times::backoff(&self.default_retry, retry, &mut self.out);
        }
        let attempts = inner.pointer("/retry/attempts");
        self.default_attempts = attempts.map(|(_, node)| node.span);
    }

    /// An unlimited retry needs a budget: told where a step says so itself, else where the defaults do.
    fn unlimited(&mut self, retry: &Retry, own: Option<Span>) {
        let Some(place) = own.or(self.default_attempts) else {
            return;
        };
        if retry.attempts == Some(Attempts::Unlimited) && retry.budget.is_none() {
            self.out.push(
                Diagnostic::new(
                    Code::UnlimitedRetry,
                    "`attempts: unlimited` without a `budget`",
                )
                .at(place, "would try for ever")
                .help("add `budget: 15m` to the retry"),
            );
        }
    }

    /// The steps of a `steps` map.
    pub(super) fn steps(&mut self, entry: &Entry) -> Steps {
        let node = &entry.value;
        let id = self.loader.number();
        if !node.is_map() {
            if !(self.truncated && node.is_null()) {
                self.wrong("`steps` is a map of steps by their ids", node);
            }
        } else if node.as_map().is_empty() && !self.truncated {
            self.out.push(
                Diagnostic::new(Code::BadValue, "there are no steps")
                    .at(entry.key.span, "is empty"),
            );
        }
        let mut steps = Steps {
            id,
            list: Vec::with_capacity(node.as_map().len()),
            index: HashMap::with_capacity(node.as_map().len()),
        };
        for entry in node.as_map() {
            let step = self.step(entry);
            steps.index.insert(step.key.text.clone(), steps.list.len());
            steps.list.push(step);
        }
        steps
    }

    fn step(&mut self, entry: &Entry) -> Step {
        let Key { text, span } = &entry.key;
        if !no_template(text, *span, "the id of a step", &mut self.out) && !is_step_id(text) {
            self.out.push(
                Diagnostic::new(Code::BadId, format!("`{text}` is no id of a step"))
                    .at(*span, "not an id")
                    .help(
                        "an id is a small letter, followed by small letters, digits, `-` and `_`",
                    ),
            );
        }
        step::Reader::new(self, entry).read()
    }

    fn outputs(&mut self, node: &Node) -> Vec<(Key, Tree)> {
        if !node.is_map() {
            self.wrong("`outputs` is a map", node);
        }
        let mut outputs = Vec::new();
        for entry in node.as_map() {
            self.variable(&entry.key, "an output");
            // A template that stands alone would pass for a map of which nothing is known yet.
            if !(entry.value.is_map() || self.truncated && entry.value.is_null()) {
                self.wrong("an output is a map: `{ value: … }`", &entry.value);
                continue;
            }
            let tree = Tree::parse(&entry.value, &mut self.out);
            let types = InputTypes(&self.inputs);
            if schema::validate(
                schema::output(),
                &tree,
                entry.key.span,
                &types,
                self.truncated,
                &mut self.out,
            ) && let Some(value) = tree.get("value")
            {
                outputs.push((entry.key.clone(), value.clone()));
            }
        }
        outputs
    }

    /// Whether a name has the form of an input, output or `as` variable.
    fn variable(&mut self, key: &Key, what: &str) -> bool {
        if no_template(&key.text, key.span, "a name", &mut self.out) {
            return false;
        }
        let good = crate::model::id::is_variable(&key.text);
        // The output of a step stands behind a dot, where any name can.
        if what != "an output" && WORDS.contains(&key.text.as_str()) {
            let message = format!("`{}` is a word of the expression language", key.text);
            self.out.push(
                Diagnostic::new(Code::BadId, message)
                    .at(key.span, "cannot be a name")
                    .help("choose another name"),
            );
            return false;
        }
        if !good {
            let message = format!("`{}` is no name of {what}", key.text);
            self.out.push(
                Diagnostic::new(Code::BadId, message)
                    .at(key.span, "not a name")
                    .help("a name is a small letter, followed by small letters, digits and `_`"),
            );
        }
        good
    }

    /// The name of the plan: in the names of runs, in reports and on the terminal.
    fn name(&mut self, node: &Node) -> Option<String> {
        let name = self.word(node, "the name")?;
        let wrong = if name.trim().is_empty() {
            "the name of the plan is empty"
        } else if name.contains(char::is_control) {
            "the name of the plan holds a control character"
        } else {
            return Some(name);
        };
        self.out
            .push(Diagnostic::new(Code::BadValue, wrong).at(node.span, "no name"));
        None
    }

    /// A text without expressions.
    fn word(&mut self, node: &Node, what: &str) -> Option<String> {
        let Some(scalar) = node.as_scalar().filter(|_| !node.is_null()) else {
            self.wrong(&format!("{what} is a text"), node);
            return None;
        };
        self.out.extend(words::unquoted(scalar, node.span));
        (!no_template(&scalar.text, node.span, what, &mut self.out)).then(|| scalar.text.clone())
    }

    /// A value without expressions, checked against its schema.
    fn read<T: serde::de::DeserializeOwned>(
        &mut self,
        schema: &'static Schema,
        entry: &Entry,
    ) -> Option<T> {
        let tree = self.literal(&entry.value)?;
        if !schema::validate(
            schema,
            &tree,
            entry.key.span,
            &NoTypes,
            self.truncated,
            &mut self.out,
        ) {
            return None;
        }
        match from_node(&entry.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.out
                    .push(Diagnostic::from(error).or_at(entry.value.span));
                None
            }
        }
    }

    /// A value that may hold expressions, checked against its schema as far as it is known.
    fn templated(&mut self, schema: &'static Schema, entry: &Entry) -> Tree {
        let tree = Tree::parse(&entry.value, &mut self.out);
        schema::validate(
            schema,
            &tree,
            entry.key.span,
            &InputTypes(&self.inputs),
            self.truncated,
            &mut self.out,
        );
        tree
    }

    /// A tree that may hold no expression.
    fn literal(&mut self, node: &Node) -> Option<Tree> {
        let mut unheard = Diagnostics::new();
        let tree = Tree::parse(node, &mut unheard);
        let mut places = Vec::new();
        tree.templates(&mut |template| places.push((template.text().to_owned(), template.span())));
        for (text, span) in &places {
            no_template(text, *span, "this value", &mut self.out);
        }
        (places.is_empty() && !tree.is_broken()).then_some(tree)
    }

    fn wrong(&mut self, message: &str, node: &Node) {
        let found = node.kind();
        self.out.push(
            Diagnostic::new(Code::WrongType, format!("{message}, found {found}"))
                .at(node.head(), format!("this is {found}")),
        );
    }
}

/// The entries of a map by their keys: of so few that a walk over them is the fastest way.
struct Fields<'n>(Vec<(&'static str, &'n Entry)>);

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<&'n Entry> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, entry)| *entry)
    }

    fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// The entries of a map by their keys. A misspelt key is told, and taken for what was probably meant.
fn fields<'n>(node: &'n Node, known: &[&'static str], out: &mut Diagnostics) -> Fields<'n> {
    let mut fields = Fields(Vec::with_capacity(known.len().min(node.as_map().len())));
    let mut unknown = Vec::new();
    for entry in node.as_map() {
        match known.iter().find(|name| **name == entry.key.text) {
            Some(name) => fields.0.push((*name, entry)),
            None => unknown.push(entry),
        }
    }
    for entry in unknown {
        let Key { text, span } = &entry.key;
        out.push(words::unknown_key(text, *span, known));
        if let Some(meant) = suggest::closest(text, known.iter().copied())
            && let Some(name) = known.iter().find(|name| **name == meant)
            && !fields.contains_key(name)
        {
            fields.0.push((*name, entry));
        }
    }
    fields
}
