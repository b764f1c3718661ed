//! The engine on paused time, with scripted steps.

mod attempts;
mod ends;
mod gates;
mod order;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;

use super::fixture::{Bench, Scripted, close, deferred, needs, plan, role, secs, step, when, with};
use super::{Gatekeeper, Lease, Question, Reply, RunEnd, TokioClock};
use crate::check::{Role, Slot, Task, Why, Work};
use crate::event::{Act, EventKind, FailureClass, RunResult};
use crate::journal::Journal;
use crate::model::policy::{OnFailure, Timeout};
use crate::model::{Action, Outcome};
use crate::steps::{Done, StepContext, StepError};

fn result(ran: &super::fixture::Ran) -> RunResult {
    match &ran.outcome.end {
        RunEnd::Finished(result) => *result,
        RunEnd::Suspended(gates) => panic!("suspended at {gates:?}"),
    }
}

fn act(object: &str) -> Act {
    Act {
        verb: "patch".to_owned(),
        object: object.to_owned(),
        detail: String::new(),
        before: None,
    }
}

/// A step that changes `object`, taking its time.
async fn changes(context: StepContext, object: &str, secs: u64) -> Result<Done, StepError> {
    let change = async {
        tokio::time::sleep(Duration::from_secs(secs)).await;
        Ok::<_, StepError>(((), true))
    };
    context.act(act(object), change).await?;
    Ok(Done {
        changed: true,
        ..Done::default()
    })
}

async fn asks(context: StepContext, quorum: u32) -> Result<Done, StepError> {
    let decision = context.ask("go on?".to_owned(), quorum).await?;
    if decision.approved {
        Ok(Done::default())
    } else {
        Err(StepError::new(FailureClass::Rejected, "no"))
    }
}

/// 0 g (open), then the members, then the end.
fn group(open: Task, members: Vec<Task>) -> Vec<Task> {
    let inside: Vec<usize> = (1..=members.len()).collect();
    let members = members
        .into_iter()
        .map(|member| with(member, &[0], &Why::Inside));
    let mut tasks: Vec<Task> = std::iter::once(open).chain(members).collect();
    tasks.push(close("g", 0, &inside));
    tasks
}
