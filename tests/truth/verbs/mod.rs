//! Create, read, update, delete, and what is asked of objects besides.

mod access;
mod bodies;
mod completed;
mod custom;
mod deletes;
mod invalid;
mod lists;
mod subresources;
mod versions;
mod webhooks;

use crate::truth::samples::config;
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

/// The cases, by what they are about.
pub(super) const CASES: &[&[super::Case]] = &[
    bodies::CASES,
    completed::CASES,
    invalid::CASES,
    lists::CASES,
    deletes::CASES,
    subresources::CASES,
    access::CASES,
    custom::CASES,
    versions::CASES,
    webhooks::CASES,
];

/// Keeps that a request was refused, and for which fields, without the words.
pub(super) async fn refused(on: &Scene, method: &str, path: &str, body: Value) {
    let kind = if method == "PATCH" { MERGE } else { "" };
    let answer = on.ask(method, path, kind, body).await;
    let causes = answer.body["details"]["causes"].as_array();
    let fields: Vec<&Value> = causes
        .into_iter()
        .flatten()
        .map(|cause| &cause["field"])
        .collect();
    on.observe(
        "refused",
        json!([answer.code, answer.body["reason"], fields]),
    );
}

pub(super) async fn three(on: &Scene) {
    for name in ["a", "b", "c"] {
        on.given("v1~configmaps", config(name)).await;
    }
}

pub(super) fn names(list: &Value) -> Value {
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item["metadata"]["name"].clone())
        .collect()
}
