//! Problems as data, and how they are shown.
//!
//! A check makes [`Diagnostic`]s and pushes them to [`Diagnostics`]; [`render`] shows them in one of the formats.
//! A new code is one row of the table in `code.rs` and one page in `explain/`.

mod code;
mod render;
pub mod suggest;

pub use self::code::Code;
pub use self::code::Severity;
pub use self::render::Format;
pub use self::render::Look;
pub use self::render::render;
use crate::source::Span;

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is said there; may be empty.
    pub message: String,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of problem.
    pub code: Code,
    /// How bad. That of the code, unless something raised or lowered it.
    pub severity: Severity,
    /// The one sentence that must be shown, whatever the format. Lowercase, no full stop.
    pub message: String,
    /// Where.
    pub primary: Option<Label>,
    /// What else has to do with it: "first defined here".
    pub secondary: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The expanded node it speaks of (`migrate[shop].verify`), where the place alone does not tell.
    pub node: Option<String>,
    /// The reason that the plan's `allow` gives. An allowed diagnostic is shown, and counts for nothing.
    pub allowed: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without a place, of the severity of its code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            help: None,
            node: None,
            allowed: None,
        }
    }

    /// Where it is, and what is said there.
    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.primary = Some(Label {
            span,
            message: label.into(),
        });
        self
    }

    /// Where it is, unless that is known more exactly.
    #[must_use]
    pub fn or_at(self, span: Span) -> Self {
        if self.primary.is_some() {
            self
        } else {
            self.at(span, "")
        }
    }

    /// Another place that has to do with it.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push(Label {
            span,
            message: label.into(),
        });
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do, where nothing better is known.
    #[must_use]
    pub fn or_help(self, help: impl Into<String>) -> Self {
        if self.help.is_some() {
            self
        } else {
            self.help(help)
        }
    }

    /// "did you mean `…`?", where one of the candidates is close to the name. Leaves a help that is there.
    #[must_use]
    pub fn suggest<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match suggest::closest(name, candidates) {
            Some(closest) if self.help.is_none() => self.help(format!("did you mean `{closest}`?")),
            _ => self,
        }
    }

    /// The expanded node it speaks of.
    #[must_use]
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// `error`, `warning` or `allowed`.
    #[must_use]
    pub fn level(&self) -> &'static str {
        if self.allowed.is_some() {
            "allowed"
        } else {
            self.severity.as_str()
        }
    }

    /// Whether it counts as an error: of that severity, and not allowed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error && self.allowed.is_none()
    }

    /// Whether it counts as a warning: of that severity, and not allowed.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.severity == Severity::Warning && self.allowed.is_none()
    }
}

/// The diagnostics of a check.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// In the order in which they came, or after [`Diagnostics::sort_dedup`] in that of the files.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// As [`Diagnostics::iter`], to mark some as allowed or to change their severity.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Diagnostic> {
        self.0.iter_mut()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves only those for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.0.retain(keep);
    }

    /// Sorts by file, offset, code and message, those without a place first, and removes what is said twice.
    pub fn sort_dedup(&mut self) {
        self.0.sort_by(|a, b| {
            let place =
                |diagnostic: &Diagnostic| diagnostic.primary.as_ref().map(|label| label.span);
            (place(a), a.code, &a.message, &a.node).cmp(&(place(b), b.code, &b.message, &b.node))
        });
        self.0.dedup();
    }

    /// The diagnostics, sorted, each once.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.sort_dedup();
        self.0
    }

    /// Whether one of them is an error that is not allowed.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.iter().any(Diagnostic::is_error)
    }

    /// How many errors, without those that are allowed.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.iter().filter(|one| one.is_error()).count()
    }

    /// How many warnings, without those that are allowed.
    #[must_use]
    pub fn warning_count(&self) -> usize {
        self.iter().filter(|one| one.is_warning()).count()
    }

    /// Whether a tree was cut off by an error in the text: what seems to be missing in it may stand behind the error,
    /// so a check should not call it missing.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.iter().any(|one| one.code.truncates())
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: T) {
        self.0.extend(diagnostics);
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(diagnostics: T) -> Self {
        Self(diagnostics.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    #[test]
    fn sorted_by_place_then_code_and_each_once() {
        let mut files = SourceMap::new();
        let first = files.add("a.yaml", "a: 1\n");
        let second = files.add("b.yaml", "b: 1\n");
        let new = |code, file, at| Diagnostic::new(code, "m").at(Span::at(file, at, at + 1), "");
        let diagnostics: Diagnostics = [
            new(Code::UnknownKey, second, 0),
            new(Code::UnknownKey, first, 3),
            new(Code::UnknownKey, first, 0),
            new(Code::DuplicateKey, first, 0),
            new(Code::UnknownKey, first, 0),
            Diagnostic::new(Code::Cycle, "m"),
        ]
        .into_iter()
        .collect();
        let seen: Vec<_> = diagnostics
            .into_sorted()
            .into_iter()
            .map(|one| {
                (
                    one.code,
                    one.primary
                        .map(|label| (label.span.file.index(), label.span.start)),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (Code::Cycle, None),
                (Code::DuplicateKey, Some((0, 0))),
                (Code::UnknownKey, Some((0, 0))),
                (Code::UnknownKey, Some((0, 3))),
                (Code::UnknownKey, Some((1, 0))),
            ]
        );
    }

    #[test]
    fn what_is_allowed_counts_for_nothing() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.push(Diagnostic::new(Code::RestartUnverified, "m"));
        diagnostics.push(Diagnostic::new(Code::InPlaceUpgrade, "m"));
        assert_eq!(
            (diagnostics.error_count(), diagnostics.warning_count()),
            (1, 1)
        );
        for one in diagnostics.iter_mut() {
            one.allowed = Some("a reason".to_owned());
        }
        assert_eq!(
            (diagnostics.error_count(), diagnostics.warning_count()),
            (0, 0)
        );
        assert!(!diagnostics.has_errors());
    }
}
