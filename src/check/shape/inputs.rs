//! The declarations of inputs.

use super::Shaper;
use crate::check::parsed::Declared;
use crate::check::schema;
use crate::check::tree::Tree;
use crate::check::values::{self, Mismatch};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::plan::{Input, InputType};
use crate::source::{Entry, Node, Span};

impl Shaper<'_, '_> {
    pub(super) fn inputs(&mut self, node: &Node) {
        if !(node.is_map() || self.truncated && node.is_null()) {
            self.wrong("`inputs` is a map of declarations by their names", node);
        }
        for entry in node.as_map() {
            let named = self.variable(&entry.key, "an input");
            let declared = self.declaration(entry);
            if named || !entry.key.text.contains("${{") {
                self.inputs.insert(entry.key.text.clone(), declared);
            }
        }
    }

    fn declaration(&mut self, entry: &Entry) -> Declared {
        let key = entry.key.span;
        let Some(input) = self.read::<Input>(schema::input(), entry) else {
            return broken(key);
        };
        let mut declared = Declared {
            key,
            input,
            default: None,
            broken: false,
            pattern: None,
        };
        self.contradictions(&mut declared, &entry.value);
        if let Some(node) = entry.value.get("default")
            && !declared.broken
        {
            self.default(&mut declared, node, &entry.key.text);
        }
        declared
    }

    fn contradictions(&mut self, declared: &mut Declared, node: &Node) {
        let place = |name: &str| {
            node.entry(name)
                .map_or(declared.key, |entry| entry.value.span)
        };
        if declared.input.items.is_some() && declared.input.kind != InputType::List {
            let span = node
                .entry("items")
                .map_or(declared.key, |entry| entry.key.span);
            self.contradiction("`items` is for lists", span, "this is no list");
        }
        if matches!(declared.input.items, Some(InputType::List)) {
            self.contradiction(
                "a list of lists cannot be declared",
                place("items"),
                "not here",
            );
            declared.broken = true;
        }
        if let Some(pattern) = &declared.input.pattern {
            if !values::is_text(&declared.input) {
                let span = node
                    .entry("pattern")
                    .map_or(declared.key, |entry| entry.key.span);
                self.contradiction("`pattern` is for text", span, "this is no text");
            } else if let Ok(regex) = regex::Regex::new(pattern) {
                declared.pattern = Some(regex);
            } else {
                self.contradiction(
                    "the pattern is no regular expression",
                    place("pattern"),
                    "cannot be read",
                );
                declared.broken = true;
            }
        }
        if declared.input.options.as_ref().is_some_and(Vec::is_empty) {
            self.contradiction("`enum` allows nothing", place("enum"), "is empty");
            declared.broken = true;
        }
        if let Some(options) = node.get("enum").filter(|_| !declared.broken) {
            self.options(declared, options);
        }
    }

    /// Reads the values of `enum` as what they are compared with: by the type of the input.
    fn options(&mut self, declared: &mut Declared, node: &Node) {
        let mut options = Vec::new();
        for node in node.as_seq() {
            match values::option(&declared.input, &Tree::from_node(node), &mut self.out) {
                Ok(option) => options.push(option),
                Err(Mismatch { span, message }) => {
                    let message = format!("a value of `enum` does not fit its input: {message}");
                    self.contradiction(&message, span, "does not fit");
                    declared.broken = true;
                }
            }
        }
        declared.input.options = Some(options);
    }

    fn default(&mut self, declared: &mut Declared, node: &Node, name: &str) {
        if declared.input.sensitive {
            self.out.push(
                Diagnostic::new(
                    Code::SensitiveDefault,
                    format!("the sensitive input `{name}` has a `default`"),
                )
                .at(node.span, "a secret in the plan file")
                .help("remove it, and give the value by the environment or --inputs FILE"),
            );
            declared.broken = true;
            return;
        }
        match values::fit(declared, &Tree::from_node(node), &mut self.out) {
            Ok(value) => declared.default = Some(value),
            Err(Mismatch { span, message }) => {
                self.contradiction(
                    &format!("the default does not fit: {message}"),
                    span,
                    "does not fit",
                );
                declared.broken = true;
            }
        }
    }

    fn contradiction(&mut self, message: &str, span: Span, label: &str) {
        self.out
            .push(Diagnostic::new(Code::BadInputDeclaration, message).at(span, label));
    }
}

/// A declaration that could not be read: whatever uses it is not to blame.
fn broken(key: Span) -> Declared {
    Declared {
        key,
        input: Input {
            kind: InputType::String,
            items: None,
            default: None,
            options: None,
            pattern: None,
            description: None,
            sensitive: false,
        },
        default: None,
        broken: true,
        pattern: None,
    }
}
