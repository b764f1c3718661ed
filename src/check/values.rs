//! Values of inputs: what fits a declaration, and where values come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use super::parsed::{Declared, Plan};
use super::secrets::Secrets;
use super::tree::{Branch, Tree};
use super::words;
use super::{Given, Purpose};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::mesh::version::Version;
use crate::model;
use crate::model::id::is_dns_label;
use crate::model::plan::{Input, InputType};
use crate::source::{Core, Node, Scalar, SourceMap, Span, Style, load};

/// Why a value does not fit.
#[derive(Debug, PartialEq)]
pub(super) struct Mismatch {
    pub(super) span: Span,
    pub(super) message: String,
}

/// The value of an input from a tree that is fully known.
pub(super) fn fit(
    declared: &Declared,
    tree: &Tree,
    out: &mut Diagnostics,
) -> Result<Json, Mismatch> {
    let value = typed(declared.input.kind, declared.input.items, tree, out)?;
    let span = tree.span;
    allowed(&declared.input, declared.pattern.as_ref(), &value)
        .map_err(|message| Mismatch { span, message })?;
    Ok(value)
}

/// One of the values that the `enum` of an input allows: of a list, for its items.
pub(super) fn option(input: &Input, tree: &Tree, out: &mut Diagnostics) -> Result<Json, Mismatch> {
    match (input.kind, input.items) {
        (InputType::List, None) if matches!(tree.value, Branch::Map(_)) => Ok(tree.to_json()),
        (InputType::List, items) => typed(items.unwrap_or(InputType::String), None, tree, out),
        (kind, _) => typed(kind, None, tree, out),
    }
}

/// Whether the value of an input, or each item of its list, is a text.
pub(super) fn is_text(input: &Input) -> bool {
    let kind = match input.kind {
        InputType::List => input.items.unwrap_or(InputType::String),
        kind => kind,
    };
    match kind {
        InputType::Number | InputType::Bool | InputType::List | InputType::Map => false,
        InputType::String
        | InputType::Version
        | InputType::Revision
        | InputType::Namespace
        | InputType::Duration => true,
    }
}

fn typed(
    kind: InputType,
    items: Option<InputType>,
    tree: &Tree,
    out: &mut Diagnostics,
) -> Result<Json, Mismatch> {
    let wrong = |wanted: &str| {
        Err(Mismatch {
            span: tree.span,
            message: format!("it is not {wanted}"),
        })
    };
    match (kind, &tree.value) {
        (InputType::List, Branch::Seq(list)) => {
            let item = |one: &Tree| match items {
                None if matches!(one.value, Branch::Map(_)) => Ok(untyped(one, out)),
                _ => typed(items.unwrap_or(InputType::String), None, one, out),
            };
            list.iter()
                .map(item)
                .collect::<Result<Vec<_>, _>>()
                .map(Json::Array)
        }
        (InputType::Map, Branch::Map(_)) => Ok(untyped(tree, out)),
        (InputType::List, _) => wrong("a list"),
        (InputType::Map, _) => wrong("a map"),
        (_, Branch::Scalar(scalar)) => {
            if !matches!(kind, InputType::Number | InputType::Bool) {
                out.extend(words::unquoted(scalar, tree.span));
            }
            scalar_value(kind, scalar).map_err(|message| Mismatch {
                span: tree.span,
                message,
            })
        }
        _ => wrong(article(kind)),
    }
}

/// A value whose place asks for no type.
fn untyped(tree: &Tree, out: &mut Diagnostics) -> Json {
    words::unquoted_within(tree, out);
    tree.to_json()
}

fn scalar_value(kind: InputType, scalar: &Scalar) -> Result<Json, String> {
    let text = scalar.text.as_str();
    let good = match kind {
        InputType::Number => {
            let number = match scalar.core() {
                Core::Int(int) => Some(int.into()),
                Core::Float(float) => Number::from_f64(float),
                _ => None,
            };
            return match number {
                Some(number) => Ok(Json::Number(number)),
                None if is_quoted(scalar) => {
                    Err(format!("\"{text}\" is a text: leave the quotes out"))
                }
                None => Err(format!("`{text}` is not a number")),
            };
        }
        InputType::Bool => {
            return match scalar.core() {
                Core::Bool(bool) => Ok(Json::Bool(bool)),
                _ if is_quoted(scalar) => {
                    Err(format!("\"{text}\" is a text: leave the quotes out"))
                }
                _ => Err(format!("`{text}` is not `true` or `false`")),
            };
        }
        InputType::String => scalar.core() != Core::Null,
        InputType::Version => text.parse::<Version>().is_ok(),
        InputType::Revision | InputType::Namespace => is_dns_label(text),
        InputType::Duration => text.parse::<model::Span>().is_ok(),
        InputType::List | InputType::Map => false,
    };
    if good {
        Ok(Json::String(text.to_owned()))
    } else {
        Err(format!("`{text}` is not {}", article(kind)))
    }
}

/// Whether it would be a number or a bool but for its quotes.
fn is_quoted(scalar: &Scalar) -> bool {
    let bare = Scalar::new(scalar.text.clone(), Style::Plain);
    let meant = matches!(bare.core(), Core::Int(_) | Core::Float(_) | Core::Bool(_));
    scalar.style != Style::Plain && meant
}

fn article(kind: InputType) -> &'static str {
    match kind {
        InputType::String => "a text",
        InputType::Number => "a number",
        InputType::Bool => "`true` or `false`",
        InputType::List => "a list",
        InputType::Map => "a map",
        InputType::Version => "a version, such as 1.29.1",
        InputType::Revision => "a revision (a DNS label: small letters, digits and `-`)",
        InputType::Namespace => "the name of a namespace (a DNS label)",
        InputType::Duration => "a duration, such as 90s or 10m",
    }
}

/// `enum` and `pattern`; of a list, each item.
fn allowed(input: &Input, pattern: Option<&regex::Regex>, value: &Json) -> Result<(), String> {
    if let Json::Array(items) = value {
        return items
            .iter()
            .try_for_each(|item| allowed(input, pattern, item));
    }
    if let Some(options) = &input.options
        && !options.iter().any(|option| same(option, value))
    {
        let names: Vec<String> = options
            .iter()
            .map(|option| format!("`{}`", plain(option)))
            .collect();
        return Err(format!(
            "`{}` is none of {}",
            plain(value),
            names.join(", ")
        ));
    }
    match (pattern, value) {
        (Some(pattern), Json::String(text)) if !pattern.is_match(text) => {
            Err(format!("`{text}` does not match `{}`", pattern.as_str()))
        }
        _ => Ok(()),
    }
}

/// Whether an option, read without a type, is the value.
fn same(option: &Json, value: &Json) -> bool {
    // `1e3` and `1000` are one number.
    let numbers = option.as_f64().zip(value.as_f64());
    numbers.is_some_and(|(one, other)| one.total_cmp(&other).is_eq())
        || plain(option) == plain(value)
}

/// A value as text, strings without quotes.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value of `--set`, or of the environment: a list is `a,b` or JSON, a map is JSON, text is taken as it stands.
fn from_text(
    declared: &Declared,
    text: &str,
    span: Span,
    out: &mut Diagnostics,
) -> Result<Json, String> {
    let kind = declared.input.kind;
    let json = |start: char| -> Option<Result<Json, String>> {
        text.trim_start()
            .starts_with(start)
            .then(|| serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}")))
    };
    let tree = match kind {
        InputType::List => match json('[') {
            Some(value) => Tree::from_json(&value?, span),
            None if text.is_empty() => Tree::from_json(&Json::Array(Vec::new()), span),
            None => {
                let item = |text: &str| Tree {
                    span,
                    value: Branch::Scalar(Scalar::new(text.trim(), Style::Plain)),
                };
                Tree {
                    span,
                    value: Branch::Seq(text.split(',').map(item).collect()),
                }
            }
        },
        InputType::Map => match json('{') {
            Some(value) => Tree::from_json(&value?, span),
            None => return Err("it is no JSON map: write {\"key\": \"value\"}".to_owned()),
        },
        InputType::Number | InputType::Bool => Tree {
            span,
            value: Branch::Scalar(Scalar::new(text, Style::Plain)),
        },
        _ => Tree::from_json(&Json::String(text.to_owned()), span),
    };
    // What a shell passes has no quotes to miss.
    let mut unheard = Diagnostics::new();
    let fitted = fit(declared, &tree, &mut unheard).map_err(|mismatch| mismatch.message);
    out.extend(unheard.into_iter().filter(Diagnostic::is_error));
    fitted
}

/// The values of the root plan's inputs, and those of them that are secret.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// `None`: it has no value, or not one that fits.
    pub(super) known: BTreeMap<String, Option<Json>>,
    pub(super) secrets: Arc<Secrets>,
}

/// Collects the values, the strongest source last.
pub(super) fn collect(
    plan: &Plan,
    given: &Given,
    purpose: Purpose,
    sources: &mut SourceMap,
    out: &mut Diagnostics,
) -> Values {
    let mut collector = Collector {
        plan,
        values: BTreeMap::new(),
        out,
    };
    for (name, declared) in &plan.inputs {
        let default = declared.default.clone();
        collector
            .values
            .insert(name.clone(), default.map_or(Source::None, Source::Value));
    }
    for (name, value) in &given.fleet {
        collector.text(name, &plain(value), "the fleet file");
    }
    for (path, bytes) in &given.files {
        collector.file(path, bytes, sources);
    }
    for (name, value) in &given.env {
        if plan
            .inputs
            .get(name)
            .is_some_and(|declared| declared.input.sensitive)
        {
            collector.text(name, value, "the environment");
        }
    }
    for (name, value) in &given.set {
        collector.set(name, value);
    }
    collector.finish(purpose)
}

enum Source {
    None,
    Value(Json),
    /// Given, but not fit; told already.
    Bad,
}

struct Collector<'a> {
    plan: &'a Plan,
    values: BTreeMap<String, Source>,
    out: &'a mut Diagnostics,
}

impl Collector<'_> {
    fn declared(&mut self, name: &str, at: Option<Span>, whence: &str) -> Option<&Declared> {
        let plan = self.plan;
        let found = plan.inputs.get(name);
        if found.is_none() && !plan.truncated {
            let problem = Diagnostic::new(
                Code::UndeclaredInput,
                format!("{whence} gives a value for `{name}`, which the plan does not declare"),
            )
            .suggest(name, plan.inputs.keys().map(String::as_str));
            self.out.push(match at {
                Some(span) => problem.at(span, "unknown"),
                None => problem,
            });
        }
        found
    }

    fn text(&mut self, name: &str, text: &str, whence: &str) {
        let span = Span::at(self.plan.file, 0, 0);
        let mut out = Diagnostics::new();
        let Some(declared) = self.declared(name, None, whence) else {
            return;
        };
        let fitted = from_text(declared, text, span, &mut out);
        let secret = declared.input.sensitive;
        let value = match fitted {
            Ok(value) => Source::Value(value),
            Err(message) => {
                let message = if secret {
                    "the value does not fit its type"
                } else {
                    &message
                };
                self.out.push(Diagnostic::new(
                    Code::BadInputValue,
                    format!("{whence} gives a value for `{name}` that does not fit: {message}"),
                ));
                Source::Bad
            }
        };
        self.values.insert(name.to_owned(), value);
    }

    fn set(&mut self, name: &str, text: &str) {
        if self
            .plan
            .inputs
            .get(name)
            .is_some_and(|declared| declared.input.sensitive)
        {
            self.out.push(
                Diagnostic::new(
                    Code::BadInputValue,
                    format!("`--set` cannot give the sensitive input `{name}`"),
                )
                .help(format!(
                    "a command line is seen by others: use PLAN_INPUT_{} or --inputs FILE",
                    name.to_uppercase()
                )),
            );
            self.values.insert(name.to_owned(), Source::Bad);
            return;
        }
        self.text(name, text, "`--set`");
    }

    fn file(&mut self, path: &str, bytes: &[u8], sources: &mut SourceMap) {
        let (_, node) = load(sources, path, bytes, self.out);
        let Some(node) = node.filter(|node| !node.is_null()) else {
            return;
        };
        if !node.is_map() {
            self.out.push(
                Diagnostic::new(
                    Code::WrongType,
                    format!("an inputs file is a map, found {}", node.kind()),
                )
                .at(node.head(), "of names and values"),
            );
        }
        for entry in node.as_map() {
            let name = &entry.key.text;
            let Some(_) = self.declared(name, Some(entry.key.span), "the file") else {
                continue;
            };
            let value = self.node(name, &entry.value);
            self.values.insert(name.clone(), value);
        }
    }

    fn node(&mut self, name: &str, node: &Node) -> Source {
        let Some(declared) = self.plan.inputs.get(name) else {
            return Source::Bad;
        };
        // A value is never a template: what stands in it is text.
        let tree = Tree::from_node(node);
        match fit(declared, &tree, self.out) {
            Ok(value) => Source::Value(value),
            Err(mismatch) => {
                let message = if declared.input.sensitive {
                    "the value does not fit".to_owned()
                } else {
                    mismatch.message
                };
                self.out.push(
                    Diagnostic::new(
                        Code::BadInputValue,
                        format!("the value of `{name}` does not fit: {message}"),
                    )
                    .at(mismatch.span, "given here")
                    .also(declared.key, "declared here"),
                );
                Source::Bad
            }
        }
    }

    fn finish(self, purpose: Purpose) -> Values {
        let mut values = Values::default();
        for (name, source) in self.values {
            let Some(declared) = self.plan.inputs.get(&name) else {
                continue;
            };
            let value = match source {
                Source::Value(value) => Some(value),
                Source::Bad => None,
                Source::None => {
                    if purpose.needs_values() && !declared.broken {
                        self.out.push(
                            Diagnostic::new(
                                Code::InputWithoutValue,
                                format!("the input `{name}` has no value"),
                            )
                            .at(declared.key, "required")
                            .help(how_to_give(&name, declared)),
                        );
                    }
                    None
                }
            };
            if let Some(value) = value.as_ref().filter(|_| declared.input.sensitive) {
                values.secrets.hear(value);
            }
            values.known.insert(name, value);
        }
        values
    }
}

fn how_to_give(name: &str, declared: &Declared) -> String {
    if declared.input.sensitive {
        format!(
            "set PLAN_INPUT_{}, or give it by --inputs FILE",
            name.to_uppercase()
        )
    } else {
        format!("give it with `--set {name}=…` or --inputs FILE, or declare a `default`")
    }
}

/// The inputs for the journal: without the sensitive ones.
pub(super) fn public(plan: &Plan, values: &Values) -> Map<String, Json> {
    let shown = values.known.iter().filter(|(name, _)| {
        plan.inputs
            .get(*name)
            .is_some_and(|declared| !declared.input.sensitive)
    });
    shown
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect()
}
