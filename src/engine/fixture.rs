//! Plans and steps for tests: tasks by hand, and an executor that follows a script.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Control, Options, Orders, Run, RunOutcome, TokioClock};
use crate::check::{
    Checked, Deferred, EvalError, Evaluate, Need, Results, Role, Task, When, Why, Work,
};
use crate::event::Event;
use crate::journal::{Journal, Memory, RunState, parse};
use crate::model::action::Gate;
use crate::model::policy::{OnFailure, Retry, Timeout};
use crate::model::{Action, NodeId, Outcome, RunId, Span};
use crate::steps::{Done, Execute, Probe, StepContext, StepError};

/// A step of that name without needs.
pub(super) fn step(id: &str) -> Task {
    let gate =
        serde_json::from_value::<Gate>(serde_json::json!({"command": {"argv": ["true"]}})).unwrap();
    Task {
        id: NodeId::new(id),
        role: Role::Step(Work::Ready(Box::new(Action::Gate(gate)))),
        needs: Vec::new(),
        when: None,
        timeout: Timeout::default(),
        retry: Retry::default(),
        on_failure: OnFailure::Stop,
        slot: None,
        place: format!("plan.yaml:{id}"),
    }
}

pub(super) fn needs(task: Task, needs: &[usize]) -> Task {
    with(task, needs, &Why::Needs)
}

pub(super) fn with(mut task: Task, needs: &[usize], why: &Why) -> Task {
    let need = |task: &usize| Need {
        task: *task,
        why: why.clone(),
    };
    task.needs.extend(needs.iter().map(need));
    task
}

pub(super) fn role(id: &str, role: Role) -> Task {
    Task { role, ..step(id) }
}

pub(super) fn close(id: &str, open: usize, members: &[usize]) -> Task {
    let end = Role::Close {
        members: members.to_vec(),
        outputs: Vec::new(),
    };
    let task = with(role(id, end), &[open], &Why::Inside);
    with(task, members, &Why::Member)
}

struct Closure<F>(F);

impl<F> Evaluate for Closure<F>
where
    F: Fn(&dyn Results) -> Result<Value, EvalError> + Send + Sync,
{
    fn evaluate(&self, results: &dyn Results) -> Result<Value, EvalError> {
        (self.0)(results)
    }
}

pub(super) fn deferred(
    text: &str,
    value: impl Fn(&dyn Results) -> Value + Send + Sync + 'static,
) -> Deferred {
    Deferred {
        text: text.to_owned(),
        value: Arc::new(Closure(move |results: &dyn Results| Ok(value(results)))),
    }
}

/// `when: <text>`, by what the text calls.
pub(super) fn when(
    text: &str,
    handles: &[usize],
    value: impl Fn(&dyn Results) -> bool + Send + Sync + 'static,
) -> When {
    When {
        expression: deferred(text, move |results| Value::Bool(value(results))),
        always: text.contains("always()"),
        failure: text.contains("failure()"),
        handles: handles.to_vec(),
    }
}

pub(super) fn plan(tasks: Vec<Task>) -> Checked {
    Checked {
        name: "test".to_owned(),
        digest: "sha256:0".to_owned(),
        timeout: None,
        inputs: Map::new(),
        secrets: Vec::new(),
        prove: BTreeSet::new(),
        files: BTreeMap::new(),
        warnings: Vec::new(),
        tasks,
    }
}

/// What a step does, by its name and attempt.
pub(super) type Script =
    dyn Fn(StepContext) -> BoxFuture<'static, Result<Done, StepError>> + Send + Sync;

/// Follows a script for the steps that have one; all others succeed at once.
#[derive(Clone, Default)]
pub(super) struct Scripted {
    scripts: BTreeMap<String, Arc<Script>>,
    pub(super) started: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(super) fn on<F, R>(mut self, node: &str, script: F) -> Self
    where
        F: Fn(StepContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Done, StepError>> + Send + 'static,
    {
        let script = move |context| script(context).boxed();
        self.scripts.insert(node.to_owned(), Arc::new(script));
        self
    }

    pub(super) fn fails(self, node: &str) -> Self {
        self.on(node, async |_| Err(StepError::failed("no")))
    }

    pub(super) fn takes(self, node: &str, secs: u64) -> Self {
        self.on(node, move |_| async move {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            Ok(Done::default())
        })
    }

    pub(super) fn starts(&self) -> Vec<String> {
        self.started.lock().unwrap().clone()
    }
}

impl Execute for Scripted {
    fn run<'a>(
        &'a self,
        _: &'a Action,
        context: &'a StepContext,
    ) -> BoxFuture<'a, Result<Done, StepError>> {
        let node = context.node.as_str();
        self.started.lock().unwrap().push(node.to_owned());
        match self.scripts.get(node) {
            Some(script) => script(context.clone()),
            None => async { Ok(Done::default()) }.boxed(),
        }
    }

    fn probe<'a>(
        &'a self,
        _: &'a Action,
        context: &'a StepContext,
    ) -> BoxFuture<'a, Result<Probe, StepError>> {
        let probe = if context.node.as_str().contains("open") {
            Probe::Open(vec!["not yet".to_owned()])
        } else {
            Probe::Done("seen".to_owned())
        };
        async { Ok(probe) }.boxed()
    }
}

/// A run to be.
pub(super) struct Bench {
    pub(super) run: Run,
    pub(super) memory: Memory,
    pub(super) control: Control,
    orders: Orders,
}

/// What a run came to.
pub(super) struct Ran {
    pub(super) outcome: RunOutcome,
    pub(super) bytes: Vec<u8>,
}

impl Bench {
    pub(super) fn new(tasks: Vec<Task>, steps: Scripted) -> Self {
        Self::of(plan(tasks), steps)
    }

    pub(super) fn of(checked: Checked, steps: Scripted) -> Self {
        let memory = Memory::default();
        let (control, orders) = Control::channel();
        let mut options = Options::default();
        options.origin.user = "ann".to_owned();
        let run = Run {
            id: RunId::new("r1"),
            checked: Arc::new(checked),
            execute: Arc::new(steps),
            journal: Journal::new(memory.clone()),
            reporters: Vec::new(),
            clock: Arc::new(TokioClock::starting_at(
                "2026-11-23T12:00:00Z".parse().unwrap(),
            )),
            options,
            gatekeeper: None,
            lease: None,
            mailbox: None,
            resume: None,
        };
        Self {
            run,
            memory,
            control,
            orders,
        }
    }

    /// Takes up what the journal says.
    pub(super) fn resume(mut self, journal: &[u8]) -> Self {
        self.run.resume = Some(parse(journal).unwrap().state());
        self
    }

    pub(super) async fn go(self) -> Ran {
        let outcome = super::run(self.run, self.orders).await.unwrap();
        Ran {
            outcome,
            bytes: self.memory.bytes(),
        }
    }
}

impl Ran {
    pub(super) fn state(&self) -> &RunState {
        &self.outcome.state
    }

    /// `name=outcome` for each node that ended, in the order of the file.
    pub(super) fn outcomes(&self) -> String {
        let one = |(id, outcome): (&NodeId, Outcome)| format!("{id}={outcome}");
        self.state()
            .nodes
            .iter()
            .filter_map(|(id, node)| Some(one((id, node.outcome?))))
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

pub(super) fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}
