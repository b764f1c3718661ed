//! The rule that the intent is in the journal before the act: every write of `plan` that the server hears of is held
//! against what the journal has at that moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::event::{Event, EventKind};
use crate::journal::Memory;
use crate::lab::api::Record;

/// Writes that are none of a step's: the lock, and questions that the API asks as creations.
const QUESTIONS: [&str; 3] = ["leases", "selfsubjectaccessreviews", "serviceaccounts"];

/// What a journal says is under way.
pub(super) struct Intents {
    journal: Memory,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// How many bytes of the journal were read.
    bytes: usize,
    /// By `Kind/namespace/name`.
    open: BTreeMap<String, i32>,
}

impl Intents {
    pub(super) fn new(journal: Memory) -> Self {
        Self {
            journal,
            read: Mutex::default(),
        }
    }

    /// What is wrong with a request.
    pub(super) fn judge(&self, record: &Record) -> Option<String> {
        let writes = matches!(record.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        let is_act = writes
            && record.agent.starts_with("plan")
            && !record.dry_run
            && !QUESTIONS.contains(&record.resource.as_str());
        if !is_act || self.is_intended(record) {
            return None;
        }
        Some(format!(
            "{} {} without an intent in the journal",
            record.verb, record.path
        ))
    }

    fn is_intended(&self, record: &Record) -> bool {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.journal.after(read.bytes);
        for line in new.split(|byte| *byte == b'\n') {
            let Ok(event) = serde_json::from_slice::<Event>(line) else {
                continue;
            };
            match event.event {
                EventKind::ActIntended { act, .. } => {
                    *read.open.entry(act.object).or_default() += 1;
                }
                EventKind::ActDone { act, .. } => {
                    *read.open.entry(act.object).or_default() -= 1;
                }
                // What was under way died with its process.
                EventKind::RunResumed { .. } => read.open.clear(),
                _ => {}
            }
        }
        read.bytes += new.len();
        let mut wanted = String::new();
        for part in [&record.namespace, &record.name] {
            if !part.is_empty() {
                wanted.push('/');
                wanted.push_str(part);
            }
        }
        read.open
            .iter()
            .any(|(object, open)| *open > 0 && object.ends_with(&wanted))
    }
}
