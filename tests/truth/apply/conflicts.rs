//! What two appliers make of each other.

use super::{CONFIG, WEB, apply, map, web};
use crate::truth::cases;
use crate::truth::scene::{APPLY, MERGE, Scene};
use serde_json::json;

cases!(
    an_apply_conflicts_once,
    an_apply_conflicts_often,
    an_apply_conflicts_with_two_managers,
    an_apply_forces,
    an_apply_of_the_same_value_shares,
    a_shared_field_goes_with_its_last_owner,
);

async fn an_apply_conflicts_once(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, CONFIG, "two", map(json!({"a": "2"}))).await;
}

async fn an_apply_conflicts_often(on: &Scene) {
    apply(on, WEB, "one", web(&json!({"replicas": 1, "paused": true}))).await;
    let mut other = web(&json!({"replicas": 2, "paused": false}));
    other["spec"]["template"]["spec"]["containers"][0]["image"] = json!("app:2");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("web2");
    apply(on, WEB, "two", other).await;
}

async fn an_apply_conflicts_with_two_managers(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, CONFIG, "two", map(json!({"b": "1"}))).await;
    on.ask(
        "PATCH",
        "v1~configmaps/a?fieldManager=three",
        MERGE,
        json!({"data": {"c": "1"}}),
    )
    .await;
    apply(
        on,
        CONFIG,
        "four",
        map(json!({"a": "2", "b": "2", "c": "2"})),
    )
    .await;
}

async fn an_apply_forces(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1", "b": "1"}))).await;
    apply(
        on,
        "v1~configmaps/a?force=true",
        "two",
        map(json!({"a": "2"})),
    )
    .await;
    apply(on, CONFIG, "one", map(json!({"b": "1"}))).await;
}

async fn an_apply_of_the_same_value_shares(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, CONFIG, "two", map(json!({"a": "1"}))).await;
}

async fn a_shared_field_goes_with_its_last_owner(on: &Scene) {
    for manager in ["one", "two"] {
        on.ask(
            "PATCH",
            &format!("v1~configmaps/a?fieldManager={manager}"),
            APPLY,
            map(json!({"a": "1"})),
        )
        .await;
    }
    apply(on, CONFIG, "one", map(json!({}))).await;
    apply(on, CONFIG, "two", map(json!({}))).await;
}
