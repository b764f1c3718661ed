//! The dispatcher: the only owner of a run's state, and its one loop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::decide::{End, Facts};
use super::execute::{self, Ended, Limits};
use super::gates::Waiting;
use super::layout::Layout;
use super::log::Log;
use super::schedule::Schedule;
use super::state::{State, Step, next};
use super::unproven::Unproven;
use super::{Command, EngineError, Orders, Run, RunEnd, RunOutcome};
use crate::check::{Checked, Role, Task, Work};
use crate::event::{Act, EventKind, Mask, RunResult};
use crate::model::{Action, NodeId, Outcome};
use crate::steps::{Decision, Report, StepContext, StepError};

/// How often other processes' wishes are looked for.
const LOOK: Duration = Duration::from_millis(500);

/// The state of a run.
pub(super) struct Dispatcher {
    pub(super) checked: Arc<Checked>,
    pub(super) run: Parts,
    pub(super) log: Log,
    pub(super) layout: Layout,
    pub(super) facts: Facts,
    pub(super) states: Vec<State>,
    pub(super) schedule: Schedule,
    /// What conditions said before a resume.
    pub(super) decided: Vec<Option<bool>>,
    /// How groups ended before a resume.
    pub(super) recorded: Vec<Option<Outcome>>,
    pub(super) live: BTreeMap<usize, Live>,
    pub(super) gates: BTreeMap<usize, Waiting>,
    pub(super) held: VecDeque<(u64, Held)>,
    /// Why nothing new starts.
    pub(super) stop: Option<String>,
    /// The groups in which nothing new starts, and why.
    pub(super) stopped: BTreeMap<usize, String>,
    /// Why the run ends early.
    pub(super) halt: Option<RunResult>,
    pub(super) interrupts: u32,
    /// Tasks that have ended and whose followers do not know yet.
    pub(super) ended: VecDeque<usize>,
    pub(super) remaining: usize,
    pub(super) unproven: Unproven,
    /// The step that each task had to wait for the longest.
    pub(super) causes: Vec<Option<usize>>,
    pub(super) seed: u64,
    timers: BTreeSet<(Instant, Timer)>,
    attempts: JoinSet<(usize, Ended)>,
    reports: mpsc::UnboundedReceiver<(NodeId, Report)>,
    reporting: mpsc::UnboundedSender<(NodeId, Report)>,
    orders: Orders,
    look: Option<Interval>,
}

/// What the run was given and the dispatcher only reads.
pub(super) struct Parts {
    pub(super) id: crate::model::RunId,
    pub(super) execute: Arc<dyn crate::steps::Execute>,
    pub(super) options: super::Options,
    pub(super) gatekeeper: Option<Arc<dyn super::Gatekeeper>>,
    pub(super) lease: Option<Arc<dyn super::Lease>>,
    pub(super) mailbox: Option<crate::journal::Mailbox>,
    /// For answers from the terminal.
    pub(super) control: super::Control,
}

/// A step that has begun and not ended.
pub(super) struct Live {
    pub(super) action: Arc<Action>,
    /// The number of its attempt.
    pub(super) attempt: u32,
    /// The attempts of this session.
    pub(super) tries: u32,
    pub(super) began: Timestamp,
    pub(super) first: Instant,
    /// When the whole step must have ended.
    pub(super) total: Option<Instant>,
    /// The changes that are under way.
    pub(super) acts: Vec<Act>,
    pub(super) reasons: Vec<String>,
    /// The group's time was up.
    pub(super) cut: bool,
    pub(super) soft: CancellationToken,
    pub(super) abandon: CancellationToken,
}

/// What waits for the disk.
pub(super) enum Held {
    /// A change may begin.
    Intent(usize, Act, oneshot::Sender<Result<(), StepError>>),
    /// A gate is decided.
    Decision(
        usize,
        Decision,
        oneshot::Sender<Result<Decision, StepError>>,
    ),
}

/// What time brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next attempt of a step.
    Retry(usize),
    /// The time of a group is up.
    Group(usize),
    /// The time of the run is up.
    Run,
}

/// The one thing that happens next.
enum Happening {
    Durable(u64),
    Order(Command),
    Said(NodeId, Report),
    Ended(usize, Ended),
    Time(Timer),
    Look,
}

impl Dispatcher {
    pub(super) fn new(run: Run, orders: Orders) -> Self {
        let tasks = run.checked.tasks();
        let (reporting, reports) = mpsc::unbounded_channel();
        let look = run.mailbox.as_ref().map(|_| {
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            look
        });
        let mut state = run.resume.unwrap_or_default();
        state.state_dir.clone_from(&run.options.state_dir);
        Self {
            layout: Layout::new(tasks),
            facts: Facts::new(run.id.clone(), tasks.len()),
            states: vec![State::Pending; tasks.len()],
            schedule: Schedule::new(tasks, run.options.concurrency),
            decided: vec![None; tasks.len()],
            recorded: vec![None; tasks.len()],
            live: BTreeMap::new(),
            gates: BTreeMap::new(),
            held: VecDeque::new(),
            stop: None,
            stopped: BTreeMap::new(),
            halt: None,
            interrupts: 0,
            ended: VecDeque::new(),
            remaining: tasks.len(),
            unproven: Unproven::default(),
            causes: vec![None; tasks.len()],
            seed: run.options.seed,
            timers: BTreeSet::new(),
            attempts: JoinSet::new(),
            reports,
            reporting,
            look,
            log: Log {
                mask: Mask::new(run.checked.secrets()),
                journal: run.journal,
                state,
                reporters: run.reporters,
                clock: run.clock,
            },
            checked: run.checked,
            run: Parts {
                id: run.id,
                execute: run.execute,
                options: run.options,
                gatekeeper: run.gatekeeper,
                lease: run.lease,
                mailbox: run.mailbox,
                control: orders.own.clone(),
            },
            orders,
        }
    }

    /// The loop: decide what follows, start what may, wait for what happens next.
    pub(super) async fn run(mut self) -> Result<RunOutcome, EngineError> {
        self.begin()?;
        loop {
            self.advance()?;
            if let Some(end) = self.finished()? {
                return self.close(end).await;
            }
            let happening = self.happening().await?;
            self.handle(happening)?;
        }
    }

    async fn happening(&mut self) -> Result<Happening, EngineError> {
        let timer = self.timers.first().copied();
        let time = async {
            match timer {
                Some((at, _)) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let look = async {
            match &mut self.look {
                Some(look) => look.tick().await,
                None => std::future::pending().await,
            }
        };
        // In this order: the disk, so that a group is always under way; then the steps' words before their ends.
        Ok(tokio::select! {
            biased;
            durable = self.log.journal.durable() => Happening::Durable(durable?),
            order = self.orders.next() => Happening::Order(order),
            Some((node, report)) = self.reports.recv() => Happening::Said(node, report),
            Some(Ok((task, ended))) = self.attempts.join_next() => Happening::Ended(task, ended),
            () = time => {
                self.timers.pop_first();
                Happening::Time(timer.map_or(Timer::Run, |(_, timer)| timer))
            }
            _ = look => Happening::Look,
        })
    }

    fn handle(&mut self, happening: Happening) -> Result<(), EngineError> {
        match happening {
            Happening::Durable(seq) => self.durable(seq),
            Happening::Order(Command::Interrupt) => self.interrupt(),
            Happening::Order(Command::Answer { node, reply }) => self.replied(&node, reply),
            Happening::Said(node, report) => self.said(&node, report),
            Happening::Ended(task, ended) => self.attempt_ended(task, ended),
            Happening::Time(Timer::Retry(task)) => {
                self.schedule.ready(task);
                Ok(())
            }
            Happening::Time(Timer::Group(group)) => self.group_timed_out(group),
            Happening::Time(Timer::Run) => self.run_timed_out(),
            Happening::Look => self.look(),
        }
    }

    /// Tells the followers of what ended, and starts what may start.
    fn advance(&mut self) -> Result<(), EngineError> {
        if self.log.journal.is_settled() {
            // What rests on events of an earlier session is on the disk already; no further group will say so.
            self.durable(u64::MAX)?;
        }
        loop {
            while let Some(task) = self.ended.pop_front() {
                // A task ends once, so its followers are told once.
                for follower in std::mem::take(&mut self.layout.followers[task]) {
                    self.layout.open[follower] -= 1;
                    if self.layout.open[follower] == 0 {
                        self.decide(follower)?;
                    }
                }
            }
            if self.halt.is_some() {
                return Ok(());
            }
            let checked = Arc::clone(&self.checked);
            match self.schedule.pop(checked.tasks()) {
                Some(task) => self.start(task)?,
                None if self.ended.is_empty() => return Ok(()),
                None => {}
            }
        }
    }

    /// Decides a task whose needs have all ended.
    pub(super) fn decide(&mut self, task: usize) -> Result<(), EngineError> {
        if self.states[task] != State::Pending || self.halt.is_some() {
            return Ok(());
        }
        let checked = Arc::clone(&self.checked);
        let it = &checked.tasks()[task];
        self.causes[task] = self.cause(it);
        let stopped = self.stopped(task);
        let decided = self.decided[task];
        let verdict = self
            .facts
            .decide(&checked, &self.layout, task, stopped.as_deref(), decided);
        if let Some(run) = verdict.when {
            let node = it.id.clone();
            self.log.emit(EventKind::WhenDecided { node, run })?;
        }
        match (verdict.end, &it.role) {
            (Some(end), _) => self.end(task, end, None),
            (None, Role::Step(_)) => {
                self.step(task, Step::Decide)?;
                self.schedule.ready(task);
                Ok(())
            }
            (None, role) => {
                if let (Role::Open, Some(total)) = (role, it.timeout.total) {
                    self.timer(total.0, Timer::Group(task));
                }
                self.end(task, End::new(Outcome::Succeeded, ""), None)
            }
        }
    }

    /// The step that a task had to wait for the longest, also through groups.
    fn cause(&self, it: &Task) -> Option<usize> {
        let tasks = self.checked.tasks();
        let record = |task: usize| self.log.state.nodes.get(&tasks[task].id);
        let ran = |task: usize| {
            matches!(tasks[task].role, Role::Step(_))
                && record(task).is_some_and(|node| node.began.is_some())
        };
        let steps = it.needs.iter().filter_map(|need| {
            if ran(need.task) {
                Some(need.task)
            } else {
                self.causes[need.task]
            }
        });
        steps.max_by_key(|step| record(*step).and_then(|node| node.ended))
    }

    /// Why a task may not start any more.
    fn stopped(&self, task: usize) -> Option<String> {
        let group = || {
            self.layout
                .groups(task)
                .find_map(|group| self.stopped.get(&group))
        };
        self.stop.as_ref().or_else(group).cloned()
    }

    /// Starts a step that found room: its first attempt, or the next.
    fn start(&mut self, task: usize) -> Result<(), EngineError> {
        match self.states[task] {
            State::Ready => self.start_first(task),
            State::Backoff => self.attempt(task),
            // It ended while it waited for room.
            _ => {
                self.schedule.leave();
                Ok(())
            }
        }
    }

    fn start_first(&mut self, task: usize) -> Result<(), EngineError> {
        let stopped = self.stopped(task).filter(|_| !self.facts.is_exempt(task));
        if let Some(why) = stopped {
            self.schedule.leave();
            return self.end(task, End::new(Outcome::NotRun, why), None);
        }
        let checked = Arc::clone(&self.checked);
        let it = &checked.tasks()[task];
        let action = match self.action(it) {
            Ok(action) => Arc::new(action),
            Err(error) => {
                self.schedule.leave();
                let message = error.failure.message.clone();
                let end = End::new(Outcome::Failed, message);
                return self.end(task, end, Some(error.failure));
            }
        };
        let record = self.log.state.nodes.get(&it.id);
        let now = self.log.clock.now();
        let began = record
            .filter(|record| record.outcome.is_none())
            .and_then(|record| record.began)
            .unwrap_or(now);
        let first = Instant::now();
        let live = Live {
            attempt: record.map_or(0, |record| record.attempts),
            total: execute::total(it.timeout, &action, now, began).map(|total| first + total),
            action,
            tries: 0,
            began,
            first,
            acts: Vec::new(),
            reasons: Vec::new(),
            cut: false,
            soft: CancellationToken::new(),
            abandon: CancellationToken::new(),
        };
        self.live.insert(task, live);
        self.attempt(task)
    }

    fn attempt(&mut self, task: usize) -> Result<(), EngineError> {
        self.step(task, Step::Start)?;
        let it = &self.checked.tasks()[task];
        let Some(live) = self.live.get_mut(&task) else {
            return Ok(());
        };
        live.attempt += 1;
        live.tries += 1;
        live.reasons.clear();
        let limits = Limits {
            attempt: it
                .timeout
                .attempt
                .filter(|_| !execute::waits(&live.action))
                .map(|span| Instant::now() + span.0),
            total: live.total,
        };
        let what = if self.run.options.prove.contains(&it.id) {
            execute::Task::Prove
        } else {
            execute::Task::Run
        };
        let before = self.log.state.nodes.get(&it.id);
        let context = StepContext {
            run: self.run.id.clone(),
            node: it.id.clone(),
            attempt: live.attempt,
            earlier: before
                .map(|record| record.earlier.clone())
                .unwrap_or_default(),
            changes: before.map_or(0, |record| record.acts),
            began: live.began,
            now: self.log.clock.now(),
            deadline: limits.first(),
            stop: live.soft.clone(),
            reports: self.reporting.clone(),
        };
        let work = execute::attempt(
            Arc::clone(&self.run.execute),
            what,
            Arc::clone(&live.action),
            context,
            limits,
            live.abandon.clone(),
        );
        let after = self.causes[task].map(|cause| self.checked.tasks()[cause].id.clone());
        self.log.emit(EventKind::AttemptStarted {
            node: it.id.clone(),
            attempt: live.attempt,
            after: after.filter(|_| live.tries == 1),
        })?;
        self.attempts.spawn(async move { (task, work.await) });
        Ok(())
    }

    /// The parameters of a step, with what others gave.
    fn action(&self, task: &Task) -> Result<Action, StepError> {
        match &task.role {
            Role::Step(Work::Ready(action)) => Ok((**action).clone()),
            Role::Step(Work::Deferred(kind, with)) => {
                let value = self
                    .facts
                    .value(task, with)
                    .map_err(|error| StepError::failed(error.to_string()))?;
                kind.decode(value)
                    .map_err(|error| StepError::failed(format!("{}: {error}", task.place)))
            }
            Role::Open | Role::Wave | Role::Close { .. } => {
                Err(StepError::failed("a bug in plan: this is no step"))
            }
        }
    }

    /// Moves a node along its table.
    pub(super) fn step(&mut self, task: usize, step: Step) -> Result<(), EngineError> {
        self.states[task] = next(self.states[task], step)?;
        Ok(())
    }

    pub(super) fn timer(&mut self, after: Duration, timer: Timer) {
        self.timers.insert((Instant::now() + after, timer));
    }

    /// Whether no attempt is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Ends the run: the last word is on the disk before anybody is told.
    async fn close(mut self, end: RunEnd) -> Result<RunOutcome, EngineError> {
        self.attempts.abort_all();
        self.log.journal.settle().await?;
        let report = self.log.finish();
        Ok(RunOutcome {
            end,
            state: self.log.state,
            report,
        })
    }
}
