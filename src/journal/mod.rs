//! What survives a crash: an append-only file of events for each run, and the run's directory around it.

mod mailbox;
mod read;
mod replay;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use mailbox::decided;
pub use mailbox::{Answer, AnswerError, Mailbox};
pub use read::{ReadError, Recorded, parse};
pub use replay::{Earlier, Gate, NodeRecord, Phase, RunState};
pub use store::{
    Change, Manifest, RunDir, RunLock, STATE_DIR, StoreError, Stored, StoredFile, run_id,
};
pub use writer::{Journal, JournalError, Memory, Sink};
