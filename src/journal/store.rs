//! The directories of runs: `runs/<run-id>/` below the state directory.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::mailbox::{Mailbox, hex};
use super::read::{ReadError, Recorded, parse};
use super::replay::RunState;
use super::writer::{Journal, Sink};
use crate::event::Origin;
use crate::model::RunId;

const JOURNAL: &str = "journal.jsonl";
const MANIFEST: &str = "manifest.json";
const LOCK: &str = "lock";
const FILES: &str = "plan";

/// The directory of one run.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    id: RunId,
}

/// Everything that a run needs to be resumed as it was.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stored {
    /// What is known about the files and the run.
    pub manifest: Manifest,
    /// The plan, its sub-plans and the files that it names.
    pub files: Vec<StoredFile>,
}

/// What is written beside the stored files.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// The plan's file, as one of the stored paths.
    pub root: String,
    /// The directory that the paths are relative to, on the host where the run began.
    pub base: PathBuf,
    /// The inputs, never the sensitive ones.
    pub inputs: Map<String, Value>,
    /// Who began it, where.
    pub origin: Origin,
    /// The version of `plan`.
    pub tool: String,
    /// What else the command line wants back at a resume: slice, context, and the like.
    pub options: Map<String, Value>,
    /// SHA-256 of each stored file, by its path; filled in when stored.
    pub digests: Map<String, Value>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its path below [`Manifest::base`], with `/`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What happened to a file since the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path below [`Manifest::base`].
    pub path: String,
    /// What is in it now; `None` where it is gone.
    pub now: Option<Vec<u8>>,
    /// What was in it.
    pub then: Vec<u8>,
}

/// Why a run's directory is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There are no runs at all.
    #[error("there are no runs in {}", .0.display())]
    NoRuns(PathBuf),
    /// No run has that name.
    #[error("no run `{run}`: there {}", listed(.runs))]
    Unknown {
        /// What was typed.
        run: String,
        /// The runs that there are, the newest first.
        runs: Vec<RunId>,
    },
    /// Several runs begin so.
    #[error("`{prefix}` is not unique: there {}", listed(.runs))]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// What it could be.
        runs: Vec<RunId>,
    },
    /// Another run has that name.
    #[error("there is a run `{0}` already")]
    Taken(RunId),
    /// Another process has it.
    #[error("the run is held by {0}")]
    Held(String),
    /// A path that leads out of the run's directory.
    #[error("`{0}` is no path below the plan's directory")]
    Path(String),
    /// The manifest cannot be read.
    #[error("cannot read the run's manifest")]
    Manifest(#[source] serde_json::Error),
    /// The journal is there and cannot be read.
    #[error("{error} ({})", .path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// What is wrong in it.
        error: ReadError,
    },
    /// There is no journal.
    #[error(transparent)]
    Journal(#[from] ReadError),
}

/// The right to write a run's journal: as long as it lives, no other process has it.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Where runs are kept if nobody says otherwise.
pub const STATE_DIR: &str = ".plan";

/// A run's name, sortable by its start: `20261123-125501-upgrade-1.6-7f3a`.
pub fn run_id(now: Timestamp, plan: &str, random: u16) -> RunId {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let slug: String = plan
        .chars()
        .map(|c| if keep(c) { c.to_ascii_lowercase() } else { '-' })
        .take(32)
        .collect();
    let time = now.strftime("%Y%m%d-%H%M%S");
    RunId::new(format!("{time}-{slug}-{random:04x}"))
}

impl RunDir {
    /// Makes the directory of a new run and stores what it needs.
    ///
    /// # Errors
    /// The file system's, an id that is taken, or a stored path that leads elsewhere.
    pub fn create(state_dir: &Path, id: &RunId, stored: &Stored) -> Result<Self, StoreError> {
        let runs = state_dir.join("runs");
        fs_err::create_dir_all(&runs)?;
        let ignore = state_dir.join(".gitignore");
        if !ignore.exists() {
            fs_err::write(ignore, "*\n")?;
        }
        let path = runs.join(id.as_str());
        fs_err::create_dir(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Taken(id.clone()),
            _ => error.into(),
        })?;
        let mut manifest = stored.manifest.clone();
        for file in &stored.files {
            let to = path.join(FILES).join(below(&file.path)?);
            if let Some(parent) = to.parent() {
                fs_err::create_dir_all(parent)?;
            }
            write_synced(&to, &file.bytes)?;
            let digest = Value::from(hex(&Sha256::digest(&file.bytes)));
            manifest.digests.insert(file.path.clone(), digest);
        }
        let text = serde_json::to_vec_pretty(&manifest).map_err(StoreError::Manifest)?;
        write_synced(&path.join(MANIFEST), &text)?;
        for directory in [&path, &runs] {
            fs_err::File::open(directory)?.sync_all()?;
        }
        let id = id.clone();
        Ok(Self { path, id })
    }

    /// The run whose id begins so; the newest where `prefix` is `None`.
    ///
    /// # Errors
    /// That there is none, or that there are several.
    pub fn find(state_dir: &Path, prefix: Option<&str>) -> Result<Self, StoreError> {
        let mut runs = Self::list(state_dir)?;
        let Some(prefix) = prefix else {
            let newest = runs.into_iter().next();
            return newest.ok_or_else(|| StoreError::NoRuns(state_dir.to_path_buf()));
        };
        if let Some(exact) = runs.iter().position(|run| run.id.as_str() == prefix) {
            return Ok(runs.swap_remove(exact));
        }
        let ids = |runs: &[Self]| runs.iter().map(|run| run.id.clone()).collect();
        let all = ids(&runs);
        runs.retain(|run| run.id.as_str().starts_with(prefix));
        match runs.as_slice() {
            [] => Err(StoreError::Unknown {
                run: prefix.to_owned(),
                runs: all,
            }),
            [only] => Ok(only.clone()),
            several => Err(StoreError::Ambiguous {
                prefix: prefix.to_owned(),
                runs: ids(several),
            }),
        }
    }

    /// All runs, the newest first, by when they were really begun: a lab's time is its own.
    ///
    /// # Errors
    /// The file system's; a state directory that is not there holds none.
    pub fn list(state_dir: &Path) -> Result<Vec<Self>, StoreError> {
        let entries = match fs_err::read_dir(state_dir.join("runs")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str())
                && let Ok(manifest) = fs_err::metadata(path.join(MANIFEST))
            {
                let id = RunId::new(name);
                runs.push((manifest.modified()?, Self { path, id }));
            }
        }
        runs.sort_by(|(at, a), (later, b)| (later, &b.id).cmp(&(at, &a.id)));
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// The run.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What other processes tell it.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::new(&self.path)
    }

    /// Takes the lock, for as long as the answer lives.
    ///
    /// # Errors
    /// [`StoreError::Held`] with what the holder wrote about itself.
    pub fn lock(&self, holder: &str) -> Result<RunLock, StoreError> {
        let mut file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.path.join(LOCK))?
            .into_file();
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(holder.as_bytes())?;
                Ok(RunLock { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                file.read_to_string(&mut by)?;
                Err(StoreError::Held(by))
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Whether a process holds the run at this moment.
    pub fn is_held(&self) -> bool {
        let shared =
            fs_err::File::open(self.path.join(LOCK)).map(|file| file.file().try_lock_shared());
        matches!(shared, Ok(Err(TryLockError::WouldBlock)))
    }

    /// Reads the journal.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self) -> Result<Recorded, StoreError> {
        match fs_err::read(self.path.join(JOURNAL)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ReadError::Empty.into()),
            bytes => parse(&bytes?).map_err(|error| match error {
                ReadError::Empty => error.into(),
                _ => StoreError::Unreadable {
                    path: self.path.join(JOURNAL),
                    error,
                },
            }),
        }
    }

    /// Whether its journal has a first word.
    pub fn has_begun(&self) -> bool {
        !matches!(self.read(), Err(StoreError::Journal(ReadError::Empty)))
    }

    /// Where the run stands. One whose process died before its first word has begun nothing.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn state(&self) -> Result<RunState, StoreError> {
        let mut state = match self.read() {
            Ok(recorded) => recorded.state(),
            Err(StoreError::Journal(ReadError::Empty)) => {
                let mut state = RunState::default();
                state.run = Some(self.id.clone());
                state.origin = self.stored()?.manifest.origin;
                state
            }
            Err(error) => return Err(error),
        };
        let state_dir = self.path.parent().and_then(Path::parent);
        state.state_dir = state_dir.map(Path::to_path_buf);
        Ok(state)
    }

    /// Opens the journal to append to it; a torn last line is cut off.
    ///
    /// # Errors
    /// The file system's, or that what is there cannot be read.
    pub fn journal(&self, lock: RunLock) -> Result<Journal, StoreError> {
        let whole = match self.read() {
            Err(StoreError::Journal(ReadError::Empty)) => 0,
            read => read?.whole,
        };
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path.join(JOURNAL))?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
        fs_err::File::open(&self.path)?.sync_all()?;
        Ok(Journal::new(Disk { file, _lock: lock }))
    }

    /// What was stored when the run began.
    ///
    /// # Errors
    /// The file system's, or a manifest that cannot be read.
    pub fn stored(&self) -> Result<Stored, StoreError> {
        let text = fs_err::read(self.path.join(MANIFEST))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(StoreError::Manifest)?;
        let mut files = Vec::new();
        for path in manifest.digests.keys() {
            let bytes = fs_err::read(self.path.join(FILES).join(below(path)?))?;
            let path = path.clone();
            files.push(StoredFile { path, bytes });
        }
        Ok(Stored { manifest, files })
    }

    /// The stored copy of the plan's file, to be read instead of the original.
    ///
    /// # Errors
    /// A manifest that cannot be read.
    pub fn plan_file(&self) -> Result<PathBuf, StoreError> {
        let root = self.stored()?.manifest.root;
        Ok(self.path.join(FILES).join(below(&root)?))
    }

    /// The stored files that are not as they were; `read` gives what is in a file now.
    ///
    /// # Errors
    /// See [`Self::stored`].
    pub fn changed_files(
        &self,
        read: impl Fn(&Path) -> Option<Vec<u8>>,
    ) -> Result<Vec<Change>, StoreError> {
        let stored = self.stored()?;
        let base = &stored.manifest.base;
        let changes = stored.files.into_iter().filter_map(|file| {
            let now = read(&base.join(&file.path));
            (now.as_ref() != Some(&file.bytes)).then_some(Change {
                path: file.path,
                now,
                then: file.bytes,
            })
        });
        Ok(changes.collect())
    }
}

/// The file, and the lock that goes with it.
struct Disk {
    file: fs_err::File,
    _lock: RunLock,
}

impl Sink for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

/// `are` these runs, or none.
fn listed(runs: &[RunId]) -> String {
    const MOST: usize = 5;
    let names: Vec<&str> = runs.iter().take(MOST).map(RunId::as_str).collect();
    let names = names.join(", ");
    match runs.len() {
        0 => "are none".to_owned(),
        1 => format!("is {names}"),
        all if all > MOST => format!("are {names} and {} more", all - MOST),
        _ => format!("are {names}"),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs_err::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A relative path that stays below where it starts.
fn below(path: &str) -> Result<&Path, StoreError> {
    let inside = Path::new(path);
    let plain = |part| matches!(part, Component::Normal(_));
    if !path.is_empty() && inside.components().all(plain) {
        Ok(inside)
    } else {
        Err(StoreError::Path(path.to_owned()))
    }
}
