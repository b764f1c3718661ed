//! Lists and what is selected.

use super::{names, refused, three};
use crate::truth::cases;
use crate::truth::samples::{config, pod};
use crate::truth::scene::Scene;
use serde_json::{Value, json};

cases!(
    a_list_by_labels,
    a_list_by_fields,
    a_list_in_chunks,
    a_list_of_all_namespaces,
    a_list_of_metadata_only,
    a_list_of_something_empty,
    a_selector_that_cannot_be_read,
    a_field_that_cannot_be_selected,
);

async fn a_list_by_labels(on: &Scene) {
    three(on).await;
    on.get("v1~configmaps?labelSelector=app%3Da").await;
    for selector in [
        "app%20in%20(a,b)",
        "app!%3Da",
        "!app",
        "app",
        "app%20notin%20(a,x),app",
        "app%3D%3Da",
    ] {
        let found = on
            .ask(
                "GET",
                &format!("v1~configmaps?labelSelector={selector}"),
                "",
                Value::Null,
            )
            .await;
        on.observe(selector, names(&found.body));
    }
}

async fn a_list_by_fields(on: &Scene) {
    on.account().await;
    three(on).await;
    for name in ["p", "q"] {
        on.given("v1~pods", pod(name)).await;
    }
    for path in [
        "v1~configmaps?fieldSelector=metadata.name%3Da",
        "v1~configmaps?fieldSelector=metadata.name!%3Da",
        "v1~pods?fieldSelector=status.phase%3DPending",
        "v1~pods?fieldSelector=status.phase%3DRunning",
        "v1~pods?fieldSelector=spec.nodeName%3D",
        "v1~pods?fieldSelector=spec.restartPolicy%3DAlways,metadata.name%3Dp",
        "v1~pods?fieldSelector=spec.serviceAccountName%3Ddefault",
    ] {
        let found = on.ask("GET", path, "", Value::Null).await;
        on.observe(path, names(&found.body));
    }
}

async fn a_list_in_chunks(on: &Scene) {
    three(on).await;
    let first = on.get("v1~configmaps?limit=2").await;
    on.ask("DELETE", "v1~configmaps/c", "", Value::Null).await;
    let token = first["metadata"]["continue"].as_str().unwrap_or_default();
    let rest = on
        .ask(
            "GET",
            &format!("v1~configmaps?limit=2&continue={token}"),
            "",
            Value::Null,
        )
        .await;
    on.observe(
        "the rest",
        json!([
            names(&rest.body),
            rest.body["metadata"]["continue"],
            rest.body["metadata"]["remainingItemCount"]
        ]),
    );
    refused(
        on,
        "GET",
        "v1~configmaps?limit=2&continue=nonsense",
        Value::Null,
    )
    .await;
    on.get("v1~configmaps?limit=few").await;
}

async fn a_list_of_all_namespaces(on: &Scene) {
    let label = on.namespace().to_owned();
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"place": label}}}),
    )
    .await;
    on.given(
        "/api/v1/namespaces/default/configmaps",
        json!({"metadata": {"name": "truth-all", "labels": {"place": label}}}),
    )
    .await;
    on.get(&format!("/api/v1/configmaps?labelSelector=place%3D{label}"))
        .await;
    on.post("/api/v1/configmaps", config("a")).await;
}

async fn a_list_of_metadata_only(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    for (path, list) in [("v1~configmaps", "List"), ("v1~configmaps/a", "")] {
        let accept =
            format!("accept:application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1");
        on.call("GET", path, &accept, Value::Null).await;
    }
}

async fn a_list_of_something_empty(on: &Scene) {
    on.get("v1~configmaps?labelSelector=app%3Dnone").await;
    on.get("apps/v1~deployments").await;
}

async fn a_selector_that_cannot_be_read(on: &Scene) {
    on.get("v1~configmaps?labelSelector=a%20b%20c").await;
    on.get("v1~configmaps?labelSelector=a%20in%20b").await;
}

async fn a_field_that_cannot_be_selected(on: &Scene) {
    on.get("v1~configmaps?fieldSelector=data.a%3D1").await;
    on.get("v1~pods?fieldSelector=spec.color%3Dred").await;
    on.get("v1~pods?fieldSelector=nonsense").await;
}
