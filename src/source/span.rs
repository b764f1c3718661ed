//! Places in the text.

/// A file of a [`SourceMap`](super::SourceMap).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(super) u32);

impl FileId {
    /// The position of the file in its map, counted from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A stretch of a file, in bytes: `start` belongs to it, `end` does not. An empty span is a place between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`; an `end` before the start makes the span empty.
    #[must_use]
    pub fn at(file: FileId, start: usize, end: usize) -> Self {
        let offset = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self {
            file,
            start: offset(start),
            end: offset(end.max(start)),
        }
    }

    /// The smallest span that holds both. Of spans in two files it is the first.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// `len` bytes of this span, beginning `offset` bytes after its start; never beyond its end.
    /// For a part of a plain scalar, such as an expression in it.
    #[must_use]
    pub fn part(self, offset: usize, len: usize) -> Self {
        let end = self.end as usize;
        let start = (self.start as usize).saturating_add(offset).min(end);
        Self::at(self.file, start, start.saturating_add(len).min(end))
    }

    /// The bytes as a range, to index the file's text.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}
