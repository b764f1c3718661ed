//! Watches: what they tell, where they begin and how they end.

use super::cases;
use super::samples::{config, definition, free, pod};
use super::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_watch_tells_of_each_change,
    a_watch_from_a_revision,
    a_watch_without_a_revision_begins_with_what_is,
    a_watch_from_zero_begins_with_what_is,
    a_watch_of_one_object,
    a_watch_of_the_old_path,
    a_watch_with_a_label_selector,
    a_watch_with_a_field_selector,
    a_watch_with_initial_events,
    a_watch_with_initial_events_of_nothing,
    a_watch_with_initial_events_and_no_match,
    a_watch_of_metadata_only,
    a_watch_from_too_long_ago,
    a_watch_from_the_future_of_nonsense,
    a_watch_ends_at_its_timeout,
    a_watch_resumes_where_another_ended,
    a_watch_sees_finalizers_go,
    a_watch_sees_no_dry_run,
    a_watch_of_custom_objects,
    a_watch_of_all_namespaces,
    a_watch_of_what_is_not_served,
    a_watch_with_a_bad_selector,
);

async fn revision(on: &Scene) -> String {
    let list = on.ask("GET", "v1~configmaps", "", Value::Null).await;
    list.body["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn change(on: &Scene, name: &str, value: &str) {
    on.ask(
        "PATCH",
        &format!("v1~configmaps/{name}"),
        MERGE,
        json!({"data": {"a": value}}),
    )
    .await;
}

async fn a_watch_tells_of_each_change(on: &Scene) {
    let from = revision(on).await;
    let mut events = on.watch_from("v1~configmaps?watch=true", &from).await;
    on.given("v1~configmaps", config("a")).await;
    events.whole().await;
    change(on, "a", "2").await;
    events.whole().await;
    on.ask("DELETE", "v1~configmaps/a", "", Value::Null).await;
    events.whole().await;
}

async fn a_watch_from_a_revision(on: &Scene) {
    on.given("v1~configmaps", config("before")).await;
    let from = revision(on).await;
    on.given("v1~configmaps", config("a")).await;
    change(on, "a", "2").await;
    let mut events = on.watch_from("v1~configmaps?watch=1", &from).await;
    for _ in 0..2 {
        events.next(&["/data"]).await;
    }
}

async fn a_watch_without_a_revision_begins_with_what_is(on: &Scene) {
    for name in ["a", "b"] {
        on.given("v1~configmaps", config(name)).await;
    }
    change(on, "a", "2").await;
    let mut events = on.watch("v1~configmaps?watch=true").await;
    for _ in 0..2 {
        events.next(&["/data"]).await;
    }
    change(on, "b", "3").await;
    events.next(&["/data"]).await;
}

async fn a_watch_from_zero_begins_with_what_is(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let mut events = on.watch("v1~configmaps?watch=true&resourceVersion=0").await;
    events.next(&["/data", "/kind", "/apiVersion"]).await;
}

async fn a_watch_of_one_object(on: &Scene) {
    let from = revision(on).await;
    let mut events = on
        .watch_from(
            "v1~configmaps?watch=true&fieldSelector=metadata.name%3Db",
            &from,
        )
        .await;
    for name in ["a", "b"] {
        on.given("v1~configmaps", config(name)).await;
    }
    events.next(&[]).await;
}

async fn a_watch_of_the_old_path(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let path = format!("/api/v1/watch/namespaces/{}/configmaps", on.namespace());
    let mut events = on.watch(&path).await;
    events.next(&[]).await;
    let mut events = on.watch(&format!("{path}/a")).await;
    events.next(&[]).await;
}

async fn a_watch_with_a_label_selector(on: &Scene) {
    let from = revision(on).await;
    let mut events = on
        .watch_from("v1~configmaps?watch=true&labelSelector=colour%3Dred", &from)
        .await;
    on.given("v1~configmaps", config("a")).await;
    for colour in ["red", "red", "blue", "red"] {
        on.ask(
            "PATCH",
            "v1~configmaps/a",
            MERGE,
            json!({"metadata": {"labels": {"colour": colour}, "annotations": {"then": colour}}}),
        )
        .await;
    }
    change(on, "a", "5").await;
    on.ask("DELETE", "v1~configmaps/a", "", Value::Null).await;
    for _ in 0..5 {
        events
            .next(&["/metadata/labels", "/data", "/metadata/resourceVersion"])
            .await;
    }
}

async fn a_watch_with_a_field_selector(on: &Scene) {
    on.account().await;
    let from = revision(on).await;
    let mut events = on
        .watch_from(
            "v1~pods?watch=true&fieldSelector=status.phase%3DRunning",
            &from,
        )
        .await;
    on.given("v1~pods", pod("a")).await;
    for phase in ["Running", "Failed"] {
        on.ask(
            "PATCH",
            "v1~pods/a/status",
            MERGE,
            json!({"status": {"phase": phase}}),
        )
        .await;
    }
    for _ in 0..2 {
        events.next(&["/status/phase"]).await;
    }
}

const INITIAL: &str =
    "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

async fn a_watch_with_initial_events(on: &Scene) {
    for name in ["a", "b"] {
        on.given("v1~configmaps", config(name)).await;
    }
    let mut events = on.watch(&format!("v1~configmaps?{INITIAL}")).await;
    for _ in 0..2 {
        events.next(&["/data"]).await;
    }
    events
        .next(&[
            "/kind",
            "/apiVersion",
            "/metadata/annotations",
            "/metadata/creationTimestamp",
        ])
        .await;
    change(on, "a", "2").await;
    events.next(&["/data"]).await;
}

async fn a_watch_with_initial_events_of_nothing(on: &Scene) {
    let mut events = on.watch(&format!("apps/v1~deployments?{INITIAL}")).await;
    events
        .next(&["/kind", "/apiVersion", "/metadata/annotations"])
        .await;
}

async fn a_watch_with_initial_events_and_no_match(on: &Scene) {
    on.get("v1~configmaps?watch=true&sendInitialEvents=true")
        .await;
    on.get("v1~configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1").await;
    on.get("v1~configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
        .await;
    on.get("v1~configmaps?watch=true&resourceVersionMatch=NotOlderThan")
        .await;
}

async fn a_watch_of_metadata_only(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let mut events = on
        .watch_as(
            "v1~configmaps?watch=true",
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        )
        .await;
    events
        .next(&["/kind", "/apiVersion", "/data", "/metadata/labels"])
        .await;
}

async fn a_watch_from_too_long_ago(on: &Scene) {
    // What is remembered of a new resource begins with it; of the others, with the server, which may be as new.
    on.given(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition("late.example.com", &free()),
    )
    .await;
    let path = "late.example.com/v1~tunes";
    on.until(path, |list| list["kind"] == "TuneList").await;
    let mut events = on
        .watch(&format!("{path}?watch=true&resourceVersion=1"))
        .await;
    let event = events.read().await;
    on.observe(
        "event",
        json!([
            event["type"],
            event["object"]["code"],
            event["object"]["reason"],
            event["object"]["kind"]
        ]),
    );
}

async fn a_watch_from_the_future_of_nonsense(on: &Scene) {
    on.get("v1~configmaps?watch=true&resourceVersion=soon")
        .await;
    on.get("v1~configmaps?resourceVersion=soon").await;
    on.get("v1~configmaps?resourceVersion=1&resourceVersionMatch=Roughly")
        .await;
    on.get("v1~configmaps?resourceVersionMatch=Exact").await;
}

async fn a_watch_ends_at_its_timeout(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let mut events = on.watch("v1~configmaps?watch=true&timeoutSeconds=1").await;
    events.next(&[]).await;
    events.next(&[]).await;
    on.get("v1~configmaps?watch=true&timeoutSeconds=soon").await;
}

async fn a_watch_resumes_where_another_ended(on: &Scene) {
    let made = on.given("v1~configmaps", config("a")).await;
    let from = made["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    change(on, "a", "2").await;
    let mut events = on.watch_from("v1~configmaps?watch=true", &from).await;
    let seen = events.next(&["/data"]).await;
    drop(events);
    on.given("v1~configmaps", config("b")).await;
    on.ask("DELETE", "v1~configmaps/a", "", Value::Null).await;
    let from = seen["object"]["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let mut events = on.watch_from("v1~configmaps?watch=true", from).await;
    for _ in 0..2 {
        events.next(&["/data"]).await;
    }
}

async fn a_watch_sees_finalizers_go(on: &Scene) {
    let from = revision(on).await;
    let mut events = on.watch_from("v1~configmaps?watch=true", &from).await;
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/a"]}}),
    )
    .await;
    on.ask("DELETE", "v1~configmaps/a", "", Value::Null).await;
    on.ask(
        "PATCH",
        "v1~configmaps/a",
        MERGE,
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    for _ in 0..3 {
        events
            .next(&[
                "/metadata/deletionTimestamp",
                "/metadata/finalizers",
                "/metadata/resourceVersion",
            ])
            .await;
    }
}

async fn a_watch_sees_no_dry_run(on: &Scene) {
    let from = revision(on).await;
    let mut events = on.watch_from("v1~configmaps?watch=true", &from).await;
    on.ask("POST", "v1~configmaps?dryRun=All", "", config("a"))
        .await;
    on.given("v1~configmaps", config("b")).await;
    change(on, "b", "1").await;
    change(on, "b", "2").await;
    for _ in 0..2 {
        events.next(&["/data"]).await;
    }
}

async fn a_watch_of_custom_objects(on: &Scene) {
    on.given(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition("watched.example.com", &free()),
    )
    .await;
    let path = "watched.example.com/v1~tunes";
    on.until(path, |list| list["kind"] == "TuneList").await;
    let mut events = on.watch(&format!("{path}?{INITIAL}")).await;
    events
        .next(&["/kind", "/apiVersion", "/metadata/annotations"])
        .await;
    on.given(path, json!({"apiVersion": "watched.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": {"a": 1}})).await;
    events.next(&["/kind", "/spec"]).await;
}

async fn a_watch_of_all_namespaces(on: &Scene) {
    let label = on.namespace().to_owned();
    let mut events = on
        .watch(&format!(
            "/api/v1/configmaps?watch=true&labelSelector=place%3D{label}"
        ))
        .await;
    on.given(
        "/api/v1/namespaces/default/configmaps",
        json!({"metadata": {"name": "truth-watched", "labels": {"place": label}}}),
    )
    .await;
    events.next(&["/metadata/namespace"]).await;
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"place": label}}}),
    )
    .await;
    events.next(&["/metadata/namespace"]).await;
}

async fn a_watch_of_what_is_not_served(on: &Scene) {
    on.get("apps/v1~things?watch=true").await;
}

async fn a_watch_with_a_bad_selector(on: &Scene) {
    on.get("v1~configmaps?watch=true&labelSelector=a%20b%20c")
        .await;
    on.get("v1~configmaps?watch=true&fieldSelector=data.a%3D1")
        .await;
}
