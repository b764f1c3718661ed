//! The resolved plan, as YAML.

use serde_json::{Map, Value, json};

use super::checked::{Checked, Role, Task, Work};
use crate::event::Mask;

/// Every expanded step with its values, needs, times and retries. What is known during the run only stands there as
/// its `${{ }}`; secrets are masked.
#[must_use]
pub fn render(checked: &Checked) -> String {
    let mut steps = Map::new();
    for task in checked.tasks() {
        if let Some(step) = step(checked, task) {
            steps.insert(task.id.to_string(), step);
        }
    }
    let mut plan = json!({
        "name": checked.name(),
        "digest": checked.digest(),
        "inputs": checked.inputs(),
        "steps": steps,
    });
    if let Some(timeout) = checked.timeout() {
        plan["timeout"] = json!(timeout);
    }
    Mask::new(checked.secrets()).value(&mut plan);
    serde_yaml::to_string(&plan).unwrap_or_default()
}

fn step(checked: &Checked, task: &Task) -> Option<Value> {
    let mut step = match &task.role {
        Role::Step(Work::Ready(action)) => serde_json::to_value(action).ok()?,
        Role::Step(Work::Deferred(kind, with)) => {
            let with = serde_json::from_str(&with.text).unwrap_or(Value::String(with.text.clone()));
            json!({ "uses": kind.as_str(), "with": with })
        }
        Role::Open => json!({ "opens": true }),
        Role::Wave => json!({ "barrier": true }),
        Role::Close { members, outputs } => {
            let members: Vec<String> = members
                .iter()
                .map(|at| checked.tasks()[*at].id.to_string())
                .collect();
            let outputs: Map<String, Value> = outputs
                .iter()
                .map(|(name, value)| (name.clone(), value.text.clone().into()))
                .collect();
            let mut end = json!({ "ends": members });
            if !outputs.is_empty() {
                end["outputs"] = Value::Object(outputs);
            }
            end
        }
    };
    without_nulls(&mut step);
    let needs: Vec<String> = task
        .needs
        .iter()
        .map(|need| checked.tasks()[need.task].id.to_string())
        .collect();
    if !needs.is_empty() && !matches!(task.role, Role::Close { .. }) {
        step["needs"] = json!(needs);
    }
    if let Some(when) = &task.when {
        step["when"] = json!(when.expression.text);
    }
    if task.timeout.total.is_some() || task.timeout.attempt.is_some() {
        let mut timeout = json!(task.timeout);
        without_nulls(&mut timeout);
        step["timeout"] = timeout;
    }
    if matches!(task.role, Role::Step(_)) {
        let mut retry = json!(task.retry);
        without_nulls(&mut retry);
        if retry != json!({}) {
            step["retry"] = retry;
        }
        step["on_failure"] = json!(task.on_failure);
    }
    if checked.prove().contains(&task.id) {
        step["must_be_done"] = json!(true);
    }
    Some(step)
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(without_nulls);
    }
}
