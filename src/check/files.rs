//! The files of a plan: itself, its sub-plans, and what its steps name.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::parsed::Plan;
use super::shape::Shaper;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::{SourceMap, Span, load};

/// How many plan files a plan may consist of.
pub const MAX_FILES: usize = 1_000;
/// How deep sub-plans may use each other.
pub const MAX_DEPTH: usize = 32;

/// Reads files: from the disk, or from the copy that a run keeps.
pub trait ReadFile {
    /// The bytes of a file.
    ///
    /// # Errors
    /// That it is not there, or cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The path with links resolved.
    ///
    /// # Errors
    /// That it is not there.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
}

/// Reads the plans, each once.
pub(super) struct Loader<'r> {
    reader: &'r dyn ReadFile,
    /// The directory of the root plan, links resolved: everything is below it.
    root: PathBuf,
    /// The same directory as it was typed.
    shown: PathBuf,
    pub(super) sources: SourceMap,
    pub(super) plans: Vec<Option<Plan>>,
    by_path: HashMap<PathBuf, usize>,
    /// The plans that are being read, outermost first.
    stack: Vec<PathBuf>,
    /// By the path below the root.
    pub(super) stored: BTreeMap<String, Vec<u8>>,
    pub(super) next_steps: usize,
}

impl<'r> Loader<'r> {
    /// Reads a plan with its sub-plans. The root is the first of the plans; it is absent where it cannot be read.
    pub(super) fn load(path: &Path, reader: &'r dyn ReadFile, out: &mut Diagnostics) -> Self {
        let shown = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let mut loader = Self {
            reader,
            root: PathBuf::new(),
            shown,
            sources: SourceMap::new(),
            plans: Vec::new(),
            by_path: HashMap::new(),
            stack: Vec::new(),
            stored: BTreeMap::new(),
            next_steps: 0,
        };
        let found = reader
            .canonical(path)
            .and_then(|full| Ok((reader.read(path)?, full)));
        match found {
            Ok((bytes, full)) => {
                loader.root = full.parent().unwrap_or(Path::new("/")).to_path_buf();
                loader.plan(&full, &bytes, out);
            }
            Err(error) => out.push(Diagnostic::new(
                Code::FileNotFound,
                format!("the plan {} cannot be read: {error}", path.display()),
            )),
        }
        loader
    }

    /// The directory of the root plan.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The number of the next `steps` map.
    pub(super) fn number(&mut self) -> usize {
        self.next_steps += 1;
        self.next_steps - 1
    }

    fn plan(&mut self, full: &Path, bytes: &[u8], out: &mut Diagnostics) -> usize {
        let number = self.plans.len();
        self.plans.push(None);
        self.by_path.insert(full.to_path_buf(), number);
        self.stack.push(full.to_path_buf());
        let below = full.strip_prefix(&self.root).unwrap_or(full).to_path_buf();
        let shown = self.shown.join(&below).to_string_lossy().into_owned();
        self.stored.insert(slashes(&below), bytes.to_vec());
        let mut own = Diagnostics::new();
        let (file, node) = load(&mut self.sources, &shown, bytes, &mut own);
        let truncated = own.is_truncated();
        let dir = full.parent().unwrap_or(Path::new("/")).to_path_buf();
        let empty = own.is_empty() && node.as_ref().is_none_or(crate::source::Node::is_null);
        if empty {
            own.push(
                Diagnostic::new(Code::MissingKey, "the file is empty")
                    .at(Span::at(file, 0, 0), "no plan here")
                    .help("`plan new` writes one"),
            );
        } else if let Some(node) = node {
            let (plan, problems) = Shaper::new(self, dir, truncated).plan(&node, file);
            own.extend(problems);
            super::unused::unused_inputs(&plan, &node, &mut own);
            self.plans[number] = Some(plan);
        }
        out.extend(own);
        self.stack.pop();
        number
    }

    /// The sub-plan that a step uses.
    pub(super) fn sub_plan(
        &mut self,
        dir: &Path,
        text: &str,
        span: Span,
        out: &mut Diagnostics,
    ) -> Option<usize> {
        let path = lexical(&dir.join(text));
        if !path.starts_with(&self.root) {
            out.push(outside(text, span, "sub-plan"));
            return None;
        }
        let full = match self.reader.canonical(&path) {
            Ok(full) => full,
            Err(error) => return not_found(text, &error, span, out),
        };
        if !full.starts_with(&self.root) {
            out.push(outside(text, span, "sub-plan"));
            return None;
        }
        if let Some(at) = self.stack.iter().position(|open| *open == full) {
            self.cycle(at, span, out);
            return None;
        }
        if let Some(number) = self.by_path.get(&full) {
            return Some(*number);
        }
        if self.plans.len() >= MAX_FILES || self.stack.len() >= MAX_DEPTH {
            let message = format!(
                "more than {MAX_FILES} plan files, or sub-plans nested deeper than {MAX_DEPTH}"
            );
            out.push(Diagnostic::new(Code::PlanTooLarge, message).at(span, "one too many"));
            return None;
        }
        match self.reader.read(&full) {
            Ok(bytes) => Some(self.plan(&full, &bytes, out)),
            Err(error) => not_found(text, &error, span, out),
        }
    }

    fn cycle(&self, at: usize, span: Span, out: &mut Diagnostics) {
        let name = |path: &PathBuf| slashes(path.strip_prefix(&self.root).unwrap_or(path));
        let mut round: Vec<String> = self.stack[at..].iter().map(name).collect();
        round.push(name(&self.stack[at]));
        out.push(
            Diagnostic::new(
                Code::SubPlanCycle,
                format!("sub-plans use each other: {}", round.join(" → ")),
            )
            .at(span, "closes the circle"),
        );
    }

    /// Reads a file that a step names, so that the digest covers it and a resume has it.
    pub(super) fn store(&mut self, dir: &Path, text: &str, span: Span, out: &mut Diagnostics) {
        let path = lexical(&dir.join(text));
        let Ok(below) = path.strip_prefix(&self.root) else {
            return out.push(outside(text, span, "file"));
        };
        let key = slashes(below);
        if self.stored.contains_key(&key) {
            return;
        }
        let found = self.reader.canonical(&path);
        if found
            .as_ref()
            .is_ok_and(|full| !full.starts_with(&self.root))
        {
            return out.push(outside(text, span, "file"));
        }
        match found.and_then(|full| self.reader.read(&full)) {
            Ok(bytes) => {
                self.stored.insert(key, bytes);
            }
            Err(error) => out.push(
                Diagnostic::new(
                    Code::FileNotFound,
                    format!("{text} cannot be read: {}", reason(&error)),
                )
                .at(span, "named here")
                .help("the path is relative to the plan file"),
            ),
        }
    }

    /// SHA-256 over the names and contents of all files.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, bytes) in &self.stored {
            for part in [name.as_bytes(), bytes.as_slice()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        let mut text = "sha256:".to_owned();
        for byte in hash.finalize() {
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }
}

/// `file:line:col` of a place.
pub(super) fn place(sources: &SourceMap, span: Span) -> String {
    sources.place(span).to_string()
}

/// A run keeps a copy of what it reads, and only what is below the plan's directory was reviewed with it.
fn outside(text: &str, span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(
        Code::FileOutside,
        format!("{text} is outside the root plan's directory"),
    )
    .at(span, "leads out of it")
    .help(format!(
        "move the {what} below the directory of the plan that is run"
    ))
}

fn not_found(text: &str, error: &io::Error, span: Span, out: &mut Diagnostics) -> Option<usize> {
    out.push(
        Diagnostic::new(
            Code::SubPlanNotFound,
            format!("{text} cannot be read: {}", reason(error)),
        )
        .at(span, "used here")
        .help("the path is relative to the file that names it"),
    );
    None
}

/// The error without the path, which is named already.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        kind => kind.to_string(),
    }
}

/// The path without `.` and `..`, links not looked at.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

/// A path with `/`, on every system.
fn slashes(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
