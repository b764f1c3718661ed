//! The writer: events in, bytes on the disk, in groups.
//!
//! While one group is being written and synced, the next one gathers; so the cost of a sync is shared by all that wait
//! for it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::event::Event;

/// Where a journal's bytes go. When `write` returns they survive a crash.
pub trait Sink: Send + 'static {
    /// Appends and makes durable.
    ///
    /// # Errors
    /// A full disk, or any other failure: nothing may be relied upon then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A journal that nobody needs after the process, such as a rehearsal's.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    /// What was written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.after(0)
    }

    /// What was written after so many bytes.
    pub fn after(&self, bytes: usize) -> Vec<u8> {
        self.with(|all| all.get(bytes..).unwrap_or_default().to_vec())
    }

    /// How many bytes were written so far.
    pub fn len(&self) -> usize {
        self.with(|all| all.len())
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|all| all.extend_from_slice(bytes));
        Ok(())
    }
}

/// Why the journal cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk said no.
    #[error("cannot write the journal; nothing further is changed")]
    Write(#[source] io::Error),
    /// The writer died.
    #[error("the journal's writer died; nothing further is changed")]
    Writer(#[source] tokio::task::JoinError),
    /// An event that is no JSON.
    #[error("cannot write an event as JSON")]
    Encode(#[source] serde_json::Error),
}

/// A sink after a write, and what came of it.
type Written = (Box<dyn Sink>, io::Result<()>);

/// The journal of one run: appends in order, and says up to which event all is durable.
pub struct Journal {
    sink: Option<Box<dyn Sink>>,
    gathered: Vec<u8>,
    gathered_to: u64,
    writing: Option<JoinHandle<Written>>,
    writing_to: u64,
    way: Way,
}

/// Where the writing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// On the blocking pool, which also keeps a paused clock from running ahead of the disk.
    Aside,
    /// By whoever waits for it; `true` once others have had their turn since the group began.
    InTurn(bool),
}

impl Journal {
    /// A journal that writes to `sink`, while the run goes on.
    pub fn new(sink: impl Sink) -> Self {
        Self {
            sink: Some(Box::new(sink)),
            gathered: Vec::new(),
            gathered_to: 0,
            writing: None,
            writing_to: 0,
            way: Way::Aside,
        }
    }

    /// Writes in the loop of the run itself: all that follows comes in the same order each time. For labs.
    #[must_use]
    pub fn in_turn(self) -> Self {
        Self {
            way: Way::InTurn(false),
            ..self
        }
    }

    /// Appends an event; it is not durable yet.
    ///
    /// # Errors
    /// [`JournalError::Encode`].
    pub fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        serde_json::to_writer(&mut self.gathered, event).map_err(JournalError::Encode)?;
        self.gathered.push(b'\n');
        self.gathered_to = event.seq;
        Ok(())
    }

    /// Whether everything that was appended is durable.
    pub fn is_settled(&self) -> bool {
        self.gathered.is_empty() && self.writing.is_none()
    }

    /// Waits for the next group to be durable and says up to which event; waits for ever where there is none. May be
    /// dropped and called again at any time.
    ///
    /// # Errors
    /// The sink's. After one nothing is written any more.
    pub async fn durable(&mut self) -> Result<u64, JournalError> {
        if let Way::InTurn(_) = self.way {
            return self.in_this_turn().await;
        }
        self.begin();
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let ended = writing.await;
        self.writing = None;
        let (sink, result) = ended.map_err(JournalError::Writer)?;
        result.map_err(JournalError::Write)?;
        self.sink = Some(sink);
        let durable = self.writing_to;
        self.begin();
        Ok(durable)
    }

    async fn in_this_turn(&mut self) -> Result<u64, JournalError> {
        let Some(sink) = self.sink.as_mut().filter(|_| !self.gathered.is_empty()) else {
            return std::future::pending().await;
        };
        // A disk is not done at once either: what happens meanwhile joins the group, and a crash meanwhile loses it.
        if self.way == Way::InTurn(false) {
            self.way = Way::InTurn(true);
            tokio::task::yield_now().await;
        }
        self.way = Way::InTurn(false);
        let result = sink.write(&std::mem::take(&mut self.gathered));
        if result.is_err() {
            self.sink = None;
        }
        result.map_err(JournalError::Write)?;
        Ok(self.gathered_to)
    }

    /// Waits until everything is durable.
    ///
    /// # Errors
    /// The sink's.
    pub async fn settle(&mut self) -> Result<(), JournalError> {
        while !self.is_settled() {
            self.durable().await?;
        }
        Ok(())
    }

    /// Starts to write what was gathered, unless a group is under way or the sink has failed.
    fn begin(&mut self) {
        if self.writing.is_some() || self.gathered.is_empty() {
            return;
        }
        let Some(mut sink) = self.sink.take() else {
            return;
        };
        let bytes = std::mem::take(&mut self.gathered);
        self.writing_to = self.gathered_to;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let result = sink.write(&bytes);
            (sink, result)
        }));
    }
}
