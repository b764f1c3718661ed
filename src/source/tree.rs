//! Parser events to the tree, under limits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;

use granit_parser::{Event, ScalarStyle, Span as Place, StructureStyle, Tag};

use super::anchors::{Anchors, MAX_ALIAS_BYTES, MAX_ALIAS_NODES, OverBudget};
use super::{Entry, FileId, Key, Node, Scalar, Span, Style, Value};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};

/// How deep lists and maps may be nested. It also makes recursion over the tree safe.
pub const MAX_DEPTH: usize = 64;
/// How many values a file may have.
pub const MAX_NODES: usize = 1_000_000;
/// How many problems of one file's YAML are told. Who has more has another problem.
const MAX_PROBLEMS: usize = 100;
/// From how many entries on a map is searched by hash.
const HASHED_FROM: usize = 16;

/// A list or map that is being read.
struct Frame {
    span: Span,
    flow: bool,
    anchor: usize,
    content: Content,
}

enum Content {
    Seq(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The key whose value comes next.
        key: Option<Slot>,
        /// Where each key is in `entries`; empty while the map is small.
        index: HashMap<String, usize>,
    },
}

/// What becomes of the value that comes next.
enum Slot {
    Keep(Key),
    Drop,
}

/// Takes the events of one file.
pub(super) struct Builder<'a> {
    file: FileId,
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
    problems: usize,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    anchors: Anchors,
    nodes: usize,
    /// Where lists and maps grow before it is known how long they are.
    spare: (Vec<Vec<Node>>, Vec<Vec<Entry>>),
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: FileId, text: &'a str, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            file,
            text,
            diagnostics,
            problems: 0,
            stack: Vec::new(),
            root: None,
            documents: 0,
            anchors: Anchors::default(),
            nodes: 0,
            spare: (Vec::new(), Vec::new()),
        }
    }

    /// Reports a problem, unless there were too many already.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.problems += 1;
        if self.problems <= MAX_PROBLEMS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Takes one event. A break ends the reading.
    pub(super) fn event(&mut self, event: Event<'_>, place: Place) -> ControlFlow<()> {
        let span = self.span(place);
        match event {
            Event::DocumentStart(..) => return self.document(span),
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), place);
                return self.scalar(text, style, anchor, span);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), place);
                let items = self.spare.0.pop().unwrap_or_default();
                return self.open(Content::Seq(items), style, anchor, span);
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), place);
                let content = Content::Map {
                    entries: self.spare.1.pop().unwrap_or_default(),
                    key: None,
                    index: HashMap::new(),
                };
                return self.open(content, style, anchor, span);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(span),
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::UnresolvedAlias(name) => {
                let message = format!("no anchor `&{name}` is defined before this alias");
                self.report(
                    Diagnostic::new(Code::UnknownAnchor, message).at(span, "unknown anchor"),
                );
                self.skip();
            }
            // The enum is open; the rest is the frame of the stream, and comments.
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// The tree; after a break, as much of it as was complete.
    pub(super) fn finish(mut self) -> Option<Node> {
        if self.root.is_some() || self.stack.is_empty() {
            let nothing = || Node {
                span: Span::at(self.file, 0, 0),
                value: Value::Scalar(Scalar::new("", Style::Plain)),
            };
            return self.root.or_else(|| (self.problems == 0).then(nothing));
        }
        let Frame {
            span,
            content: Content::Map {
                mut entries, key, ..
            },
            ..
        } = self.stack.swap_remove(0)
        else {
            return None;
        };
        if key.is_none() {
            // The error stands behind the last entry, and may be about how it goes on.
            entries.pop();
        }
        Some(Node {
            span: entries
                .last()
                .map_or(span, |last| span.join(last.value.span)),
            value: Value::Map(entries),
        })
    }

    fn span(&self, place: Place) -> Span {
        let range = place.byte_range().unwrap_or_default();
        Span::at(self.file, range.start, range.end)
    }

    fn document(&mut self, span: Span) -> ControlFlow<()> {
        self.documents += 1;
        if self.documents == 1 {
            return ControlFlow::Continue(());
        }
        let message = "a second YAML document begins; a plan is one document";
        self.report(
            Diagnostic::new(Code::SeveralDocuments, message)
                .at(span, "not read from here on")
                .help("put the second plan into a file of its own"),
        );
        ControlFlow::Break(())
    }

    fn tag(&mut self, tag: Option<&Tag>, place: Place) {
        if tag.is_none() {
            return;
        }
        let span = place
            .tag_span()
            .map_or_else(|| self.span(place), |tag| self.span(tag));
        let written = self.text.get(span.range()).unwrap_or_default();
        let message = format!("the tag `{written}` is not supported");
        self.report(
            Diagnostic::new(Code::Tag, message)
                .at(span, "")
                .help("remove it: a value takes the type that its place asks for; quote it to make it a string"),
        );
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        span: Span,
    ) -> ControlFlow<()> {
        self.count(span)?;
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        // The parser says `~` for what is not there at all.
        let text = if style == Style::Plain && span.start == span.end {
            Cow::Borrowed("")
        } else {
            text
        };
        if self.expects_key() {
            self.key(text.into_owned(), style, span);
            return ControlFlow::Continue(());
        }
        let span = self.trim(span, style, &text);
        let written = self.text.get(span.range()).unwrap_or_default();
        let scalar = Scalar::new(text, style).written(written);
        let node = Node {
            span,
            value: Value::Scalar(scalar),
        };
        self.complete(node, anchor)
    }

    /// The span of a scalar without what follows it; of an empty value, the place behind its key.
    fn trim(&self, span: Span, style: Style, text: &str) -> Span {
        if style == Style::Plain && text.is_empty() {
            if let Some(Frame {
                content:
                    Content::Map {
                        key: Some(Slot::Keep(key)),
                        ..
                    },
                ..
            }) = self.stack.last()
            {
                let end = key.span.end as usize;
                return Span::at(self.file, end, end);
            }
            return Span {
                end: span.start,
                ..span
            };
        }
        let written = self.text.get(span.range()).unwrap_or_default();
        Span::at(
            self.file,
            span.start as usize,
            span.start as usize + written.trim_end().len(),
        )
    }

    fn open(
        &mut self,
        content: Content,
        style: StructureStyle,
        anchor: usize,
        span: Span,
    ) -> ControlFlow<()> {
        self.count(span)?;
        if self.stack.len() >= MAX_DEPTH {
            self.report(too_deep(span));
            return ControlFlow::Break(());
        }
        self.stack.push(Frame {
            span,
            flow: style == StructureStyle::Flow,
            anchor,
            content,
        });
        ControlFlow::Continue(())
    }

    fn close(&mut self, end: Span) -> ControlFlow<()> {
        let Some(frame) = self.stack.pop() else {
            return ControlFlow::Continue(());
        };
        let (last, value) = match frame.content {
            Content::Seq(mut items) => {
                let last = items.last().map(|item| item.span);
                let mut exact = Vec::with_capacity(items.len());
                exact.append(&mut items);
                self.spare.0.push(items);
                (last, Value::Seq(exact))
            }
            Content::Map { mut entries, .. } => {
                let last = entries.last();
                let last = last.map(|entry| entry.key.span.join(entry.value.span));
                let mut exact = Vec::with_capacity(entries.len());
                exact.append(&mut entries);
                self.spare.1.push(entries);
                (last, Value::Map(exact))
            }
        };
        // A block has no bracket that ends it: its end event stands where the next thing begins.
        let end = if frame.flow { Some(end) } else { last };
        let span = end.map_or(frame.span, |end| Span {
            end: end.end.max(frame.span.start),
            ..frame.span
        });
        self.complete(Node { span, value }, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> ControlFlow<()> {
        if self.expects_key() {
            self.not_a_key(span, "an alias");
            return ControlFlow::Continue(());
        }
        let Some(height) = self.anchors.height(anchor) else {
            let message = "an alias inside the value that its anchor names";
            self.report(
                Diagnostic::new(Code::UnknownAnchor, message).at(span, "would contain itself"),
            );
            self.skip();
            return ControlFlow::Continue(());
        };
        if self.stack.len() + height > MAX_DEPTH {
            self.report(too_deep(span));
            return ControlFlow::Break(());
        }
        match self.anchors.copy(anchor) {
            Ok(node) => node.into_iter().for_each(|node| self.place(node)),
            Err(OverBudget) => return self.over_budget(span),
        }
        ControlFlow::Continue(())
    }

    /// A node is complete: remembers it under its anchor, and puts it where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> ControlFlow<()> {
        if anchor != 0 && self.anchors.define(anchor, &node).is_err() {
            return self.over_budget(node.span);
        }
        self.place(node);
        ControlFlow::Continue(())
    }

    fn place(&mut self, node: Node) {
        if self.expects_key() {
            self.not_a_key(node.span, node.kind());
            return;
        }
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::Seq(items)) => items.push(node),
            Some(Content::Map {
                entries,
                key,
                index,
            }) => {
                if let Some(Slot::Keep(key)) = key.take() {
                    if !index.is_empty() {
                        index.insert(key.text.clone(), entries.len());
                    }
                    entries.push(Entry { key, value: node });
                }
            }
        }
    }

    /// Leaves out a value that cannot be had.
    fn skip(&mut self) {
        if self.expects_key() {
            self.next_value(Slot::Drop);
        } else if let Some(Frame {
            content: Content::Map { key, .. },
            ..
        }) = self.stack.last_mut()
        {
            *key = None;
        }
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Frame {
                content: Content::Map { key: None, .. },
                ..
            })
        )
    }

    fn next_value(&mut self, slot: Slot) {
        if let Some(Frame {
            content: Content::Map { key, .. },
            ..
        }) = self.stack.last_mut()
        {
            *key = Some(slot);
        }
    }

    fn not_a_key(&mut self, span: Span, what: &str) {
        let message = format!("{what} cannot be a key");
        let braces = self.text[span.range()].starts_with('{')
            && self.text[..span.range().start].ends_with('{');
        let help = if braces {
            "an expression begins with a dollar, and stands in quotes: \"${{ … }}\""
        } else {
            "write the name out; quote a value that begins with `[`, `{` or `*`"
        };
        self.report(
            Diagnostic::new(Code::KeyNotScalar, message)
                .at(span, "")
                .help(help),
        );
        self.next_value(Slot::Drop);
    }

    fn key(&mut self, text: String, style: Style, span: Span) {
        if style == Style::Plain && text == "<<" {
            self.report(
                Diagnostic::new(Code::MergeKey, "the merge key `<<` is not supported")
                    .at(span, "")
                    .help("write the keys out, or put what is shared under `defaults`"),
            );
            return self.next_value(Slot::Drop);
        }
        if style == Style::Plain && text.is_empty() {
            return self.not_a_key(span, "an empty name");
        }
        let first = self.find(&text);
        if let Some(first) = first {
            self.report(
                Diagnostic::new(
                    Code::DuplicateKey,
                    format!("the key `{text}` is given twice"),
                )
                .at(span, "given again here")
                .also(first, "first defined here")
                .help("remove or rename one of the two"),
            );
            return self.next_value(Slot::Drop);
        }
        self.next_value(Slot::Keep(Key { text, span }));
    }

    /// Where the map that is being read has this key already.
    fn find(&mut self, text: &str) -> Option<Span> {
        let Some(Content::Map { entries, index, .. }) =
            self.stack.last_mut().map(|frame| &mut frame.content)
        else {
            return None;
        };
        if entries.len() < HASHED_FROM {
            let found = entries.iter().find(|entry| entry.key.text == text);
            return found.map(|entry| entry.key.span);
        }
        if index.is_empty() {
            let keys = entries.iter().enumerate();
            *index = keys
                .map(|(at, entry)| (entry.key.text.clone(), at))
                .collect();
        }
        index.get(text).map(|&at| entries[at].key.span)
    }

    fn count(&mut self, span: Span) -> ControlFlow<()> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return ControlFlow::Continue(());
        }
        let message = format!("the file has more than {MAX_NODES} values");
        self.report(
            Diagnostic::new(Code::TooManyNodes, message)
                .at(span, "one too many")
                .help("split the plan into sub-plans"),
        );
        ControlFlow::Break(())
    }

    fn over_budget(&mut self, span: Span) -> ControlFlow<()> {
        let message = format!(
            "the anchors and aliases stand for more than {MAX_ALIAS_NODES} values or {} MiB",
            MAX_ALIAS_BYTES / (1024 * 1024)
        );
        self.report(Diagnostic::new(Code::AliasBudget, message).at(span, "beyond the budget here"));
        ControlFlow::Break(())
    }
}

/// The problem of a nesting beyond [`MAX_DEPTH`].
pub(super) fn too_deep(span: Span) -> Diagnostic {
    let message = format!("lists and maps are nested more than {MAX_DEPTH} deep");
    Diagnostic::new(Code::TooDeep, message).at(
        Span {
            end: span.start,
            ..span
        },
        "too deep here",
    )
}
