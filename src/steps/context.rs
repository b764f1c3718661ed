//! What a step is given, and what it gives back.

use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::event::{Act, ActResult, Failure, FailureClass, Outputs};
use crate::journal::Earlier;
use crate::model::{Action, NodeId, RunId};

/// Runs actions: the one thing that the engine knows of steps.
pub trait Execute: Send + Sync + 'static {
    /// One attempt. Observes, compares, acts, waits; a resumed step observes again.
    fn run<'a>(
        &'a self,
        action: &'a Action,
        context: &'a StepContext,
    ) -> BoxFuture<'a, Result<Done, StepError>>;

    /// Whether the action is done already, by what is seen; changes nothing.
    fn probe<'a>(
        &'a self,
        action: &'a Action,
        context: &'a StepContext,
    ) -> BoxFuture<'a, Result<Probe, StepError>>;
}

/// What a successful attempt gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    /// Whether it changed anything.
    pub changed: bool,
    /// One line for people.
    pub message: String,
    /// What other steps may use.
    pub outputs: Outputs,
}

/// What a look at the world says of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It is done, and how that is known.
    Done(String),
    /// It is not, and why.
    Open(Vec<String>),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .failure.message)]
pub struct StepError {
    /// What goes into the journal.
    pub failure: Failure,
    /// What the server asked to wait before the next attempt (429's Retry-After).
    pub retry_after: Option<Duration>,
    /// The gate waits for a person and nobody is there: the run may be suspended.
    pub suspend: bool,
    /// What was found all the same, for reports and for the steps that look at a failure.
    pub outputs: Box<Outputs>,
}

impl StepError {
    /// A failure of that class.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            failure: Failure {
                class,
                message: message.into(),
                details: Vec::new(),
                help: None,
            },
            retry_after: None,
            suspend: false,
            outputs: Box::default(),
        }
    }

    /// The step says no.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Failed, message)
    }

    /// May pass by itself.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Transient, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.failure.help = Some(help.into());
        self
    }

    /// Adds what was found.
    #[must_use]
    pub fn outputs(mut self, outputs: Outputs) -> Self {
        self.outputs = Box::new(outputs);
        self
    }

    /// Adds the objects behind it.
    #[must_use]
    pub fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.failure.details.extend(details);
        self
    }
}

/// What a running step tells the dispatcher.
#[derive(Debug)]
pub enum Report {
    /// Why it is not done yet.
    Waiting(Vec<String>),
    /// Something worth reading.
    Note(String),
    /// It is about to change something: answered when that is on the disk and the lease is certainly held, or with
    /// why not.
    Intent(Act, oneshot::Sender<Result<(), StepError>>),
    /// It changed it, or not.
    Result(Act, ActResult),
    /// It asks what time it is, by the run's clock.
    Now(oneshot::Sender<Timestamp>),
    /// It asks people for a decision; answered once.
    Ask {
        /// What is asked.
        message: String,
        /// How many must approve.
        quorum: u32,
        /// The answer, or that nobody is there.
        answer: oneshot::Sender<Result<Decision, StepError>>,
    },
}

/// A decision at a gate: written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the gate opens.
    pub approved: bool,
    /// Who decided.
    pub by: Vec<String>,
}

/// What a step is given.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The run.
    pub run: RunId,
    /// The node.
    pub node: NodeId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// What its earlier attempts, also those of earlier sessions, intended to change, and what stood there before.
    pub earlier: Vec<Earlier>,
    /// How many changes they made.
    pub changes: u32,
    /// When the step began, its first attempt's start also after a resume: soaks and windows count from here.
    pub began: Timestamp,
    /// When this attempt started, by the run's clock.
    pub now: Timestamp,
    /// When this attempt's time is up, on tokio's clock; the engine enforces it, a step may plan by it.
    pub deadline: Option<tokio::time::Instant>,
    /// Fires when no new change may begin; the current call ends.
    pub stop: CancellationToken,
    /// The way to the dispatcher.
    pub reports: mpsc::UnboundedSender<(NodeId, Report)>,
}

impl StepContext {
    /// Says why the step is not done yet. Repeating the same reasons costs nothing.
    pub fn waiting(&self, reasons: Vec<String>) {
        self.send(Report::Waiting(reasons));
    }

    /// Says something worth reading.
    pub fn note(&self, text: impl Into<String>) {
        self.send(Report::Note(text.into()));
    }

    /// Changes something: the intent is on the disk before, the result after.
    ///
    /// # Errors
    /// The change's own, or that it may not begin (lease lost, run stopping).
    pub async fn act<T, E>(
        &self,
        act: Act,
        change: impl Future<Output = Result<(T, bool), E>>,
    ) -> Result<T, StepError>
    where
        StepError: From<E>,
    {
        let (ready, is_ready) = oneshot::channel();
        self.send(Report::Intent(act.clone(), ready));
        is_ready.await.unwrap_or_else(|_| {
            Err(StepError::new(FailureClass::Interrupted, "the run is over"))
        })?;
        match change.await {
            Ok((value, changed)) => {
                let result = if changed {
                    ActResult::Changed
                } else {
                    ActResult::Unchanged
                };
                self.send(Report::Result(act, result));
                Ok(value)
            }
            Err(error) => {
                self.send(Report::Result(act, ActResult::Failed));
                Err(error.into())
            }
        }
    }

    /// The time, by the run's clock.
    pub async fn time(&self) -> Timestamp {
        let (answer, answered) = oneshot::channel();
        self.send(Report::Now(answer));
        // Where nobody listens any more, nothing follows from it either.
        answered.await.unwrap_or(self.now)
    }

    /// Asks people for a decision.
    ///
    /// # Errors
    /// That nobody is there to answer ([`StepError::suspend`]).
    pub async fn ask(&self, message: String, quorum: u32) -> Result<Decision, StepError> {
        let (answer, answered) = oneshot::channel();
        self.send(Report::Ask {
            message,
            quorum,
            answer,
        });
        answered
            .await
            .unwrap_or_else(|_| Err(StepError::new(FailureClass::Interrupted, "the run is over")))
    }

    fn send(&self, report: Report) {
        // A dispatcher that is gone no longer wants to know.
        let _gone = self.reports.send((self.node.clone(), report));
    }
}
