//! Runs a checked plan.
//!
//! One dispatcher owns the state. A single loop turns everything that can happen (a step's word, an attempt's end, a
//! timer, a signal, an answer at a gate, a journal that became durable) into one value, handles it, decides what
//! follows by the truth table (`decide`), and starts what may start (`schedule`). Steps run as tasks of their own and
//! talk to it by messages. All that happens becomes an event; the journal, the reports and a later resume see nothing
//! else.
//!
//! An attempt may look before its beginning is on the disk; an act may not begin before its intent is.

mod acts;
mod clock;
mod decide;
mod dispatch;
mod ends;
mod execute;
#[cfg(test)]
mod fixture;
mod forecast;
mod gates;
mod layout;
mod lease;
mod log;
mod restore;
mod retry;
mod schedule;
mod state;
#[cfg(test)]
mod tests;
mod unproven;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

pub use clock::{Clock, SystemClock, TokioClock};
pub(crate) use execute::proven;
pub use forecast::{Forecast, Foreseen};
pub use state::{Illegal, State, Step, next};

use crate::check::Checked;
use crate::event::{Origin, RunResult};
use crate::journal::{Journal, JournalError, Mailbox, RunState};
use crate::model::{NodeId, RunId, Span};
use crate::report::Reporter;
use crate::steps::{Execute, StepError};

/// Everything that a run needs.
pub struct Run {
    /// The run.
    pub id: RunId,
    /// The plan.
    pub checked: Arc<Checked>,
    /// What does the work.
    pub execute: Arc<dyn Execute>,
    /// Where the events are kept.
    pub journal: Journal,
    /// Where they are shown.
    pub reporters: Vec<Box<dyn Reporter>>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// How it is driven.
    pub options: Options,
    /// Who answers gates here; without one a run that waits for nothing else is suspended.
    pub gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// The lock of the cluster, where there is one.
    pub lease: Option<Arc<dyn Lease>>,
    /// What other processes say, where the run has a directory.
    pub mailbox: Option<Mailbox>,
    /// Where the run stood, when it is taken up again.
    pub resume: Option<RunState>,
}

/// How a run is driven.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many steps may run at once.
    pub concurrency: usize,
    /// After a failure, finish the branches that do not depend on it.
    pub keep_going: bool,
    /// The longest that the run may take; stronger than the plan's own.
    pub timeout: Option<Span>,
    /// Where jitter starts from.
    pub seed: u64,
    /// The gates approved beforehand.
    pub approve: Approve,
    /// Who runs it, where.
    pub origin: Origin,
    /// What `for_each` found in the cluster.
    pub looked_up: BTreeMap<String, Vec<String>>,
    /// The steps outside of a slice that must prove done instead of running.
    pub prove: BTreeSet<NodeId>,
    /// Where runs are kept, for the commands that reports tell.
    pub state_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 8,
            keep_going: false,
            timeout: None,
            seed: 0,
            approve: Approve::default(),
            origin: Origin::default(),
            looked_up: BTreeMap::new(),
            prove: BTreeSet::new(),
            state_dir: None,
        }
    }
}

/// The gates approved beforehand.
#[derive(Debug, Clone, Default)]
pub struct Approve {
    /// Each of them, in the name of who runs it.
    pub all: bool,
    /// By as many people as it takes, which the lab plays.
    pub simulated: bool,
    /// These, in the name of who runs it; by node or, for each item, by step: `migrate.accept` is also `migrate[shop].accept`.
    pub steps: BTreeSet<String>,
}

/// Answers gates where the run is: a person at the terminal.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Asks; `None` where nobody wants to answer now. Dropped when the answer comes from elsewhere.
    fn ask(&self, question: Question) -> BoxFuture<'static, Option<Reply>>;
}

/// What a gate asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The gate.
    pub node: NodeId,
    /// What is asked.
    pub message: String,
    /// How many must approve.
    pub quorum: u32,
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether the gate may open.
    pub approve: bool,
    /// Who said it.
    pub by: String,
}

/// The lock of a cluster.
pub trait Lease: Send + Sync + 'static {
    /// The holder: run, host and nonce.
    fn holder(&self) -> String;
    /// Whether it is certainly held at this moment; asked before every act.
    ///
    /// # Errors
    /// Why the act may not begin: transient where the lease may come back, failed where another holds it.
    fn certain(&self) -> Result<(), StepError>;
}

/// Speaks to a run from outside: signals, and answers at the terminal.
#[derive(Debug, Clone)]
pub struct Control(mpsc::UnboundedSender<Command>);

/// What a run hears.
#[derive(Debug)]
pub struct Orders {
    receiver: mpsc::UnboundedReceiver<Command>,
    /// Its own end of the way: answers from the terminal come by it, and it never closes.
    own: Control,
}

impl Orders {
    async fn next(&mut self) -> Command {
        match self.receiver.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }
}

/// An order.
#[derive(Debug)]
enum Command {
    Interrupt,
    Answer { node: NodeId, reply: Option<Reply> },
}

impl Control {
    /// The two ends of the way to a run.
    pub fn channel() -> (Self, Orders) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let own = Self(sender);
        (own.clone(), Orders { receiver, own })
    }

    /// SIGINT, SIGTERM or SIGHUP: once lets running calls end, twice abandons them.
    pub fn interrupt(&self) {
        self.send(Command::Interrupt);
    }

    fn send(&self, command: Command) {
        // A run that is over no longer listens.
        let _over = self.0.send(command);
    }
}

/// How a run ended, for now.
#[derive(Debug)]
pub struct RunOutcome {
    /// How.
    pub end: RunEnd,
    /// Where it stands.
    pub state: RunState,
    /// A report that could not be written; the run itself is as `end` says.
    pub report: std::io::Result<()>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// For good or ill.
    Finished(RunResult),
    /// It waits at gates; `plan resume` goes on.
    Suspended(Vec<NodeId>),
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A node moved as it must not: a bug.
    #[error("a bug in plan")]
    Illegal(#[from] Illegal),
    /// Nothing runs and nothing can: a bug.
    #[error("a bug in plan: {0} tasks can never start")]
    Stuck(usize),
}

/// Runs the plan to its end, or until it must wait for people.
///
/// # Errors
/// That the journal cannot be written, or a bug; then nothing further is changed.
pub async fn run(run: Run, orders: Orders) -> Result<RunOutcome, EngineError> {
    dispatch::Dispatcher::new(run, orders).run().await
}
