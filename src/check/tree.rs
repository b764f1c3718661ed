//! The part of a plan that may hold templates: parsed once, evaluated as often as the plan expands.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::{Core, Entry, Key, Node, Scalar, Span, Style, Value};
use crate::template::{Evaluated, Lookup, Reference, Template, is_template};

/// A value whose scalars may be templates.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// Where it stands.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Branch,
}

/// What a [`Tree`] is.
#[derive(Debug, Clone)]
pub(crate) enum Branch {
    /// Text without expressions.
    Scalar(Scalar),
    /// Text with expressions.
    Template(Arc<Template>),
    /// Something that a diagnostic speaks of already, with the names in it.
    Broken(Vec<Reference>),
    /// A list.
    Seq(Vec<Tree>),
    /// A map.
    Map(Vec<(Key, Tree)>),
}

impl Tree {
    /// Parses the templates of a node.
    pub(crate) fn parse(node: &Node, out: &mut Diagnostics) -> Self {
        let value = match &node.value {
            Value::Scalar(scalar) if is_template(&scalar.text) => {
                match Template::parse(scalar, node.span) {
                    Ok(template) => Branch::Template(Arc::new(template)),
                    Err(flawed) => {
                        out.extend(flawed.problems);
                        Branch::Broken(flawed.references)
                    }
                }
            }
            Value::Scalar(scalar) => Branch::Scalar(scalar.clone()),
            Value::Seq(items) => {
                Branch::Seq(items.iter().map(|item| Self::parse(item, out)).collect())
            }
            Value::Map(entries) => {
                let pair = |entry: &Entry| {
                    no_template(&entry.key.text, entry.key.span, "a key", out);
                    (entry.key.clone(), Self::parse(&entry.value, out))
                };
                Branch::Map(entries.iter().map(pair).collect())
            }
        };
        Self {
            span: node.span,
            value,
        }
    }

    /// The tree of a node whose text is never a template.
    pub(crate) fn from_node(node: &Node) -> Self {
        let value = match &node.value {
            Value::Scalar(scalar) => Branch::Scalar(scalar.clone()),
            Value::Seq(items) => Branch::Seq(items.iter().map(Self::from_node).collect()),
            Value::Map(entries) => {
                let pair = |entry: &Entry| (entry.key.clone(), Self::from_node(&entry.value));
                Branch::Map(entries.iter().map(pair).collect())
            }
        };
        Self {
            span: node.span,
            value,
        }
    }

    /// A value that an expression gave, at the place of the expression.
    pub(crate) fn from_json(json: &Json, span: Span) -> Self {
        let plain = |text: String| Branch::Scalar(Scalar::new(text, Style::Plain));
        let value = match json {
            Json::Null => plain(String::new()),
            Json::Bool(bool) => plain(bool.to_string()),
            Json::Number(number) => plain(number.to_string()),
            Json::String(text) => Branch::Scalar(Scalar::new(text, Style::Quoted)),
            Json::Array(items) => {
                Branch::Seq(items.iter().map(|i| Self::from_json(i, span)).collect())
            }
            Json::Object(map) => {
                let pair = |(key, value): (&String, &Json)| {
                    let text = key.clone();
                    (Key { text, span }, Self::from_json(value, span))
                };
                Branch::Map(map.iter().map(pair).collect())
            }
        };
        Self { span, value }
    }

    /// The value with every template replaced that has a value; those that have none yet stay.
    pub(crate) fn eval(&self, lookup: &dyn Lookup) -> Result<Self, Box<Diagnostic>> {
        let value = match &self.value {
            Branch::Template(template) => {
                return Ok(match template.eval(lookup)? {
                    Evaluated::Known(json) => Self::from_json(&json, self.span),
                    Evaluated::Unknown(_) => self.clone(),
                });
            }
            Branch::Seq(items) => {
                let items = items.iter().map(|item| item.eval(lookup));
                Branch::Seq(items.collect::<Result<_, _>>()?)
            }
            Branch::Map(pairs) => {
                let mut known = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let found = value.eval(lookup)?;
                    // What an expression makes nothing of is not given.
                    if !(matches!(value.value, Branch::Template(_)) && found.is_null()) {
                        known.push((key.clone(), found));
                    }
                }
                Branch::Map(known)
            }
            other => other.clone(),
        };
        Ok(Self {
            span: self.span,
            value,
        })
    }

    /// The tree as the deserializer reads it; `None` where something in it has no value.
    pub(crate) fn node(&self) -> Option<Node> {
        let value = match &self.value {
            Branch::Scalar(scalar) => Value::Scalar(scalar.clone()),
            Branch::Template(_) | Branch::Broken(_) => return None,
            Branch::Seq(items) => Value::Seq(items.iter().map(Self::node).collect::<Option<_>>()?),
            Branch::Map(pairs) => {
                let entry = |(key, value): &(Key, Self)| {
                    let (key, value) = (key.clone(), value.node()?);
                    Some(Entry { key, value })
                };
                Value::Map(pairs.iter().map(entry).collect::<Option<_>>()?)
            }
        };
        let span = self.span;
        Some(Node { span, value })
    }

    fn is_null(&self) -> bool {
        matches!(&self.value, Branch::Scalar(scalar) if scalar.core() == Core::Null)
    }

    /// The tree as JSON, templates as their text.
    pub(crate) fn to_json(&self) -> Json {
        self.value.to_json()
    }

    /// Calls `f` for each template.
    pub(crate) fn templates<'a>(&'a self, f: &mut impl FnMut(&'a Template)) {
        match &self.value {
            Branch::Template(template) => f(template),
            Branch::Seq(items) => items.iter().for_each(|item| item.templates(f)),
            Branch::Map(pairs) => pairs.iter().for_each(|(_, value)| value.templates(f)),
            Branch::Scalar(_) | Branch::Broken(_) => {}
        }
    }

    /// Calls `f` for each name in what is broken.
    pub(crate) fn broken_names<'a>(&'a self, f: &mut impl FnMut(&'a Reference)) {
        match &self.value {
            Branch::Broken(names) => names.iter().for_each(f),
            Branch::Seq(items) => items.iter().for_each(|item| item.broken_names(f)),
            Branch::Map(pairs) => pairs.iter().for_each(|(_, value)| value.broken_names(f)),
            Branch::Scalar(_) | Branch::Template(_) => {}
        }
    }

    /// Whether it holds no template, and nothing broken.
    pub(crate) fn is_literal(&self) -> bool {
        match &self.value {
            Branch::Scalar(_) => true,
            Branch::Template(_) | Branch::Broken(_) => false,
            Branch::Seq(items) => items.iter().all(Self::is_literal),
            Branch::Map(pairs) => pairs.iter().all(|(_, value)| value.is_literal()),
        }
    }

    /// Whether something in it is broken.
    pub(crate) fn is_broken(&self) -> bool {
        match &self.value {
            Branch::Scalar(_) | Branch::Template(_) => false,
            Branch::Broken(_) => true,
            Branch::Seq(items) => items.iter().any(Self::is_broken),
            Branch::Map(pairs) => pairs.iter().any(|(_, value)| value.is_broken()),
        }
    }

    /// The references of all its templates.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let mut all = Vec::new();
        self.templates(&mut |template| all.extend_from_slice(template.references()));
        all
    }

    /// The value of a key.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.pairs()
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, value)| value)
    }

    /// The pairs of a map; none for anything else.
    pub(crate) fn pairs(&self) -> &[(Key, Self)] {
        match &self.value {
            Branch::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Branch::Seq(items) => items,
            _ => &[],
        }
    }

    /// The scalar without expressions.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Branch::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar without expressions.
    pub(crate) fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }
}

impl Branch {
    /// The value as JSON, templates as their text.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Scalar(scalar) => scalar.to_json(),
            Self::Template(template) => Json::String(template.text().to_owned()),
            Self::Broken(_) => Json::Null,
            Self::Seq(items) => items.iter().map(Tree::to_json).collect(),
            Self::Map(pairs) => {
                let pair = |(key, value): &(Key, Tree)| (key.text.clone(), value.to_json());
                Json::Object(pairs.iter().map(pair).collect())
            }
        }
    }
}

/// Reports a template where none may stand, and says whether there is one.
pub(super) fn no_template(text: &str, span: Span, what: &str, out: &mut Diagnostics) -> bool {
    let found = is_template(text);
    if found {
        out.push(
            Diagnostic::new(
                Code::TemplateNotAllowed,
                format!("{what} cannot hold an expression"),
            )
            .at(span, "must be known when the plan is read")
            .help("expressions are allowed in a step's `with`, `when`, `for_each`, `waves` and `timeout`"),
        );
    }
    found
}
