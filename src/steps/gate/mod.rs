//! `gate`: holds the run until something says go.
//!
//! Every gate ends in a decision that is written once, by the event of its end: `decision`, `by`, `value`.

mod command;
mod health;
mod prometheus;
mod web;
pub(super) mod window;

use std::time::Duration;

use serde_json::{Value, json};

use super::context::{Done, Probe, StepContext, StepError};
use super::simulated::Simulated;
use crate::cluster::Cluster;
use crate::event::{FailureClass, Outputs};
use crate::model::action::{Gate, GateCheck, Http};
use crate::model::duration::Span;

/// How long to wait before asking an endpoint again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a gate found when it last looked.
enum Look {
    /// It opens.
    Open(Value),
    /// It stays shut for good.
    Shut(String),
    /// Not yet, and why.
    NotYet(String),
}

/// Waits for the gate's decision.
///
/// # Errors
/// [`FailureClass::Rejected`] where the answer is no.
pub(super) async fn run(
    gate: &Gate,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    let check = gate
        .check()
        .ok_or_else(|| StepError::failed("a gate names exactly one thing to wait for"))?;
    match check {
        GateCheck::Approval(approval) => {
            let decision = context
                .ask(approval.message.clone(), approval.quorum)
                .await?;
            let by = decision.by.join(", ");
            if decision.approved {
                Ok(accepted(&by, Value::Null))
            } else {
                Err(rejected(&by, format!("rejected by {by}")))
            }
        }
        GateCheck::Soak(span) => {
            soak(span, context).await;
            Ok(accepted("time", json!(span.to_string())))
        }
        GateCheck::Http(http) => wait_http(http, context).await,
        GateCheck::Prometheus(query) => prometheus::run(query, context).await,
        GateCheck::Command(command) => command::run(command, context).await,
        GateCheck::Window(window) => window::run(window, context).await,
        GateCheck::Health(health) => health::run(health, cluster, context).await,
    }
}

/// Opens the gate as the lab does: approvals are asked for, its time passes and its cluster is looked at, but nothing
/// outside is asked or started. Where the scenario has an answer, that is the decision.
pub(super) async fn simulate(
    gate: &Gate,
    simulated: &Simulated,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    if let Some(answer) = (simulated.answer)(context.node.as_str())
        && gate.soak.is_none()
    {
        context.waiting(vec![format!("{} is asked", answer.by)]);
        tokio::time::sleep(answer.after).await;
        return if answer.opens {
            Ok(accepted(&answer.by, answer.value))
        } else {
            let why = answer
                .reason
                .map_or_else(String::new, |reason| format!(": {reason}"));
            let why = format!("rejected by {}{why}", answer.by);
            Err(rejected(&answer.by, why))
        };
    }
    match gate.check() {
        Some(GateCheck::Http(_) | GateCheck::Prometheus(_) | GateCheck::Command(_)) => {
            Ok(accepted("the lab", Value::Null))
        }
        _ => run(gate, cluster, context).await,
    }
}

/// What somebody or something outside decides is not known before it was asked; time and the cluster can be looked at.
pub(super) async fn probe(
    gate: &Gate,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Probe, StepError> {
    match gate.check() {
        Some(GateCheck::Soak(span)) if remaining(span, context).is_zero() => {
            Ok(Probe::Done(format!("{span} passed")))
        }
        Some(GateCheck::Window(window)) => Ok(window::probe(window, context.now)),
        Some(GateCheck::Health(health)) => health::probe(health, cluster).await,
        _ => Ok(Probe::Open(vec!["the gate has not been asked".to_owned()])),
    }
}

async fn soak(span: Span, context: &StepContext) {
    let left = remaining(span, context);
    if !left.is_zero() {
        context.waiting(vec![format!("soaking for {span}")]);
        tokio::time::sleep(left).await;
    }
}

/// What is left of a soak: it counts from the step's first start, also after a resume.
fn remaining(span: Span, context: &StepContext) -> Duration {
    let passed = context.now.duration_since(context.began).unsigned_abs();
    span.0.saturating_sub(passed)
}

/// Asks until the answer is right; the engine ends it when the time is up.
async fn wait_http(http: &Http, context: &StepContext) -> Result<Done, StepError> {
    loop {
        match look_http(http).await {
            Look::Open(value) => return Ok(accepted(&http.url, value)),
            Look::Shut(why) => return Err(rejected(&http.url, why)),
            Look::NotYet(why) => context.waiting(vec![why]),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn look_http(http: &Http) -> Look {
    match web::get(&http.url).await {
        Err(error) => Look::NotYet(format!("{}: {error}", http.url)),
        Ok(answer) if answer.status != http.status => Look::NotYet(format!(
            "{} answers {}, not {}",
            http.url, answer.status, http.status
        )),
        Ok(answer) => match &http.contains {
            Some(text) if !answer.body.contains(text) => {
                Look::NotYet(format!("{} does not contain `{text}`", http.url))
            }
            _ => Look::Open(json!(answer.status)),
        },
    }
}

fn accepted(by: &str, value: Value) -> Done {
    let mut outputs = Outputs::new();
    outputs.insert("decision".to_owned(), json!("accepted"));
    outputs.insert("by".to_owned(), json!(by));
    outputs.insert("value".to_owned(), value);
    Done {
        changed: false,
        message: format!("accepted by {by}"),
        outputs,
    }
}

fn rejected(by: &str, why: String) -> StepError {
    let mut outputs = Outputs::new();
    outputs.insert("decision".to_owned(), json!("rejected"));
    outputs.insert("by".to_owned(), json!(by));
    outputs.insert("value".to_owned(), Value::Null);
    StepError::new(FailureClass::Rejected, why).outputs(outputs)
}

/// The end of an approval that nobody gave in time.
pub fn unanswered(why: String) -> StepError {
    rejected("time", why)
}
