//! Disruption budgets.

use super::{caught_up, deploy, list, quiet, see};
use crate::truth::cases;
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_budget_counts,
    a_budget_of_percents,
    a_budget_without_pods,
    a_budget_holds_an_eviction,
);

const BUDGET: &str = "policy/v1~poddisruptionbudgets/budget";

async fn budget(on: &Scene, spec: Value) {
    let mut budget = json!({"metadata": {"name": "budget"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        budget["spec"][key] = value.clone();
    }
    on.given("policy/v1~poddisruptionbudgets", budget).await;
    on.until(BUDGET, caught_up).await;
    quiet(on).await;
    see(on, BUDGET).await;
}

async fn a_budget_counts(on: &Scene) {
    deploy(on, json!({"replicas": 3})).await;
    budget(on, json!({"minAvailable": 2})).await;
}

async fn a_budget_of_percents(on: &Scene) {
    deploy(on, json!({"replicas": 3})).await;
    budget(on, json!({"maxUnavailable": "50%"})).await;
}

async fn a_budget_without_pods(on: &Scene) {
    budget(on, json!({"minAvailable": 1})).await;
}

async fn a_budget_holds_an_eviction(on: &Scene) {
    deploy(on, json!({"replicas": 1})).await;
    budget(on, json!({"minAvailable": 1})).await;
    let name = list(on, "v1~pods").await[0]["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let answer = on
        .ask(
            "POST",
            &format!("v1~pods/{name}/eviction"),
            "",
            json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}),
        )
        .await;
    on.observe(
        "eviction",
        json!([answer.code, answer.body["message"], answer.body["details"]]),
    );
}
