//! Consumers of a run's events: they see what the journal sees, and nothing else.

mod json;
mod junit;
mod markdown;
mod paced;
mod progress;
mod screen;
pub mod status;
pub mod summary;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::io;

pub use json::Json;
pub use junit::Junit;
pub use markdown::Markdown;
pub use paced::Paced;
pub use progress::Progress;
pub use screen::{Asking, Screen};
pub(crate) use summary::quoted;
pub use summary::{command, next};
pub use text::Text;
pub(crate) use words::{lines, outcome, plain, span};

use crate::event::Event;
use crate::journal::RunState;

/// Shows a run. What cannot be written never stops the run; the end tells.
pub trait Reporter: Send {
    /// Something happened; `state` has taken it in.
    fn event(&mut self, event: &Event, state: &RunState);

    /// The run ended, or is suspended.
    ///
    /// # Errors
    /// The first failure to write, now or before.
    fn finish(&mut self, state: &RunState) -> io::Result<()>;
}

/// Where a report goes.
pub type Out = Box<dyn io::Write + Send>;
