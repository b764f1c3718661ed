//! What other processes tell a run: answers to gates and the wish to cancel, as files that are made once.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::replay::RunState;
use crate::model::NodeId;

/// The mailbox in a run's directory.
#[derive(Debug, Clone)]
pub struct Mailbox {
    dir: PathBuf,
}

/// One person's answer to one opening of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The gate.
    pub node: NodeId,
    /// Which opening of it, from 1: an answer is not taken for a later question.
    pub opening: u32,
    /// Whether it says go.
    pub approve: bool,
    /// Who says it.
    pub by: String,
}

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No such gate waits.
    #[error("`{node}` is no gate that waits; {open}")]
    NotOpen {
        /// What was named.
        node: NodeId,
        /// What does wait, for people.
        open: String,
    },
    /// Its time is over.
    #[error("the time of `{node}` was up at {until}: it is rejected when the run goes on")]
    Late {
        /// The gate.
        node: NodeId,
        /// When it was up.
        until: Timestamp,
    },
    /// The same person has answered.
    #[error("{by} has answered `{node}` already")]
    Twice {
        /// The gate.
        node: NodeId,
        /// Who.
        by: String,
    },
    /// The gate has all the answers that it needs.
    #[error("`{node}` is decided already: {how}")]
    Decided {
        /// The gate.
        node: NodeId,
        /// How, and by whom.
        how: String,
    },
    /// Nobody answers.
    #[error("an answer needs a name")]
    Nobody,
    /// The disk said no.
    #[error("the answer cannot be stored in {}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Mailbox {
    pub(super) fn new(run: &Path) -> Self {
        Self {
            dir: run.join("mail"),
        }
    }

    /// Answers the gate that is open by `state`. Once for each person and opening: compare-and-set.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn answer(
        &self,
        state: &RunState,
        node: &NodeId,
        approve: bool,
        by: &str,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        let by = by.trim();
        if by.is_empty() {
            return Err(AnswerError::Nobody);
        }
        let unstored = |source| AnswerError::Io {
            path: self.dir.clone(),
            source,
        };
        let twice = || AnswerError::Twice {
            node: node.clone(),
            by: by.to_owned(),
        };
        let record = state.nodes.get(node);
        let Some((record, gate)) = record.and_then(|node| Some((node, node.gate.as_ref()?))) else {
            return Err(AnswerError::NotOpen {
                node: node.clone(),
                open: waiting(state),
            });
        };
        // One answer after the other: each sees those before it.
        let _turn = self.turn().map_err(unstored)?;
        let mut gate = gate.clone();
        for answer in self.answers(node, record.openings) {
            gate.answers.entry(answer.by).or_insert(answer.approve);
        }
        if gate.answers.contains_key(by) {
            return Err(twice());
        }
        if let Some((approved, by)) = gate.decision() {
            let how = decided(approved, &by.join(", "));
            let node = node.clone();
            return Err(AnswerError::Decided { node, how });
        }
        if let Some(until) = gate.until.filter(|until| *until < now) {
            return Err(AnswerError::Late {
                node: node.clone(),
                until,
            });
        }
        let answer = Answer {
            node: node.clone(),
            opening: record.openings,
            approve,
            by: by.to_owned(),
        };
        let bytes = serde_json::to_vec(&answer).map_err(|e| unstored(e.into()))?;
        let name = format!("{}{}.json", prefix(node, record.openings), short(by));
        match self.put(&name, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(twice()),
            other => other.map_err(unstored),
        }
    }

    /// The answers to that opening of the gate, in the order of their files' names.
    pub fn answers(&self, node: &NodeId, opening: u32) -> Vec<Answer> {
        let Ok(entries) = fs_err::read_dir(&self.dir) else {
            return Vec::new();
        };
        let prefix = prefix(node, opening);
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| name_of(path).is_some_and(|name| name.starts_with(&prefix)))
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        let read = |path| serde_json::from_slice(&fs_err::read(path).ok()?).ok();
        paths.into_iter().filter_map(read).collect()
    }

    /// Adds the answers that the run has not heard yet to where it stands.
    pub fn read_into(&self, state: &mut RunState) {
        for (node, record) in &mut state.nodes {
            let Some(gate) = &mut record.gate else {
                continue;
            };
            for answer in self.answers(node, record.openings) {
                gate.answers.entry(answer.by).or_insert(answer.approve);
            }
        }
    }

    /// Asks the run to stop.
    ///
    /// # Errors
    /// The file system's; asking twice is none.
    pub fn cancel(&self, by: &str) -> io::Result<()> {
        match self.put("cancel", by.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Who asked the run to stop.
    pub fn cancelled(&self) -> Option<String> {
        fs_err::read_to_string(self.dir.join("cancel")).ok()
    }

    /// Forgets a wish to stop: a run that is taken up again starts without it.
    ///
    /// # Errors
    /// The file system's.
    pub fn clear_cancel(&self) -> io::Result<()> {
        match fs_err::remove_file(self.dir.join("cancel")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The right to look at the answers and add one, for as long as it lives.
    fn turn(&self) -> io::Result<std::fs::File> {
        fs_err::create_dir_all(&self.dir)?;
        let path = self.dir.join("turn");
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?
            .into_file();
        file.lock()?;
        Ok(file)
    }

    /// Makes a file with all its bytes at once, or fails where it is there already.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs_err::create_dir_all(&self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(self.dir.join(name))
            .map_err(|error| error.error)?;
        Ok(())
    }
}

/// How a gate was decided.
pub(crate) fn decided(approved: bool, by: &str) -> String {
    let word = if approved { "accepted" } else { "rejected" };
    format!("{word} by {by}")
}

fn waiting(state: &RunState) -> String {
    let open: Vec<String> = state
        .open_gates()
        .map(|(id, _)| format!("`{id}`"))
        .collect();
    if open.is_empty() {
        "none waits".to_owned()
    } else {
        format!("waiting: {}", open.join(", "))
    }
}

fn prefix(node: &NodeId, opening: u32) -> String {
    format!("{}-{opening}-", short(node.as_str()))
}

/// A file name for any text.
fn short(text: &str) -> String {
    hex(&Sha256::digest(text)[..8])
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _infallible = write!(out, "{byte:02x}");
    }
    out
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
