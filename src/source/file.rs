//! Files, and byte offsets as lines and columns.

use std::fmt;
use std::sync::Arc;

use super::FileId;
use super::Span;

/// One file: its path as shown to the user, and its text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    path: String,
    text: Arc<str>,
    /// Offset of the first byte of each line.
    lines: Vec<u32>,
}

impl SourceFile {
    fn new(path: String, text: &str) -> Self {
        // A byte order mark is no content; without it, offsets and columns are those of the text.
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(text).into();
        let starts = text
            .bytes()
            .zip(1u32..)
            .filter_map(|(byte, next)| (byte == b'\n').then_some(next));
        let lines = std::iter::once(0).chain(starts).collect();
        Self { path, text, lines }
    }

    /// The path as shown to the user.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text, without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Line and column of a byte offset, both from 1; the column counts characters. An offset beyond the end, or
    /// inside a character, is moved back to the nearest place.
    #[must_use]
    pub fn line_col(&self, offset: u32) -> (usize, usize) {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self
            .lines
            .partition_point(|&start| start as usize <= offset)
            .max(1);
        let start = self.lines[line - 1] as usize;
        (line, self.text[start..offset].chars().count() + 1)
    }

    /// The text of a line (from 1), without its line break. Empty where there is no such line.
    #[must_use]
    pub fn line_text(&self, line: usize) -> &str {
        let Some(&start) = line.checked_sub(1).and_then(|index| self.lines.get(index)) else {
            return "";
        };
        let end = self
            .lines
            .get(line)
            .map_or(self.text.len(), |&next| next as usize);
        self.text[start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// The text under a span of this file. Empty where the span does not fit.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }
}

/// All files of one check, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// A map without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, `path` as it is to be shown.
    ///
    /// # Panics
    /// With more than 4 billion files.
    pub fn add(&mut self, path: impl Into<String>, text: &str) -> FileId {
        let id = u32::try_from(self.files.len()).expect("fewer files than u32::MAX");
        self.files.push(SourceFile::new(path.into(), text));
        FileId(id)
    }

    /// The file of an id that this map gave out.
    ///
    /// # Panics
    /// For an id of another map.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.index()]
    }

    /// The beginning of a span, as `file:line:col`.
    ///
    /// # Panics
    /// For a span of another map.
    #[must_use]
    pub fn place(&self, span: Span) -> Place<'_> {
        Place {
            file: self.file(span.file),
            offset: span.start,
        }
    }

    /// The files in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(&self.files)
    }
}

/// A place in a file; shown as `file:line:col`, which is worked out only then.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    file: &'a SourceFile,
    offset: u32,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.file.line_col(self.offset);
        write!(f, "{}:{line}:{column}", self.file.path())
    }
}

impl serde::Serialize for Place<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
