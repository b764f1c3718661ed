//! Reading a journal back: whole lines only, in order, of a format that is understood.

use serde_json::Value;

use super::replay::RunState;
use crate::event::{Event, FORMAT};

/// A journal as it was read.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// How many bytes of the file are whole lines; what follows was torn by a crash.
    pub whole: usize,
}

impl Recorded {
    /// Where the run stood.
    pub fn state(&self) -> RunState {
        let mut state = RunState::default();
        for event in &self.events {
            state.apply(event);
        }
        state
    }
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It holds nothing, so no step was begun.
    #[error("the journal is empty: the run never began")]
    Empty,
    /// A newer `plan` wrote it.
    #[error("the journal has format {found}, this `plan` reads {FORMAT}: use a newer `plan`")]
    TooNew {
        /// The format it has.
        found: String,
    },
    /// A line in the middle is broken.
    #[error("line {line} of the journal is broken: {error}")]
    Broken {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A line is missing or doubled.
    #[error("line {line} of the journal has number {found}")]
    Order {
        /// Its number, from 1.
        line: usize,
        /// The number it claims.
        found: u64,
    },
}

/// Reads a journal. A last line that is torn is left out.
///
/// # Errors
/// See [`ReadError`].
pub fn parse(bytes: &[u8]) -> Result<Recorded, ReadError> {
    let mut events = Vec::new();
    let mut whole = 0;
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let number = events.len() + 1;
        if number == 1 {
            check_format(line)?;
        }
        let torn = !line.ends_with(b"\n");
        match serde_json::from_slice::<Event>(line) {
            Ok(event) if !torn => {
                if event.seq != number as u64 {
                    let found = event.seq;
                    return Err(ReadError::Order {
                        line: number,
                        found,
                    });
                }
                events.push(event);
                whole += line.len();
            }
            Err(error) if !torn && lines.peek().is_some() => {
                return Err(ReadError::Broken {
                    line: number,
                    error,
                });
            }
            _ => break,
        }
    }
    if events.is_empty() {
        return Err(ReadError::Empty);
    }
    Ok(Recorded { events, whole })
}

/// A format with another major is refused before its lines are looked at: they may mean something else.
fn check_format(line: &[u8]) -> Result<(), ReadError> {
    let Ok(first) = serde_json::from_slice::<Value>(line) else {
        return Ok(());
    };
    let found = first["event"]["format"].as_str().unwrap_or(FORMAT);
    if found.split('.').next() == FORMAT.split('.').next() {
        Ok(())
    } else {
        let found = found.to_owned();
        Err(ReadError::TooNew { found })
    }
}
