//! Definitions of custom resources, and their objects.

use super::refused;
use crate::truth::cases;
use crate::truth::samples::{definition, free};
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_definition_is_served,
    a_definition_prunes_and_completes,
    a_definition_refuses,
    a_definition_must_be_whole,
    a_custom_object_keeps_its_generation,
    a_custom_list,
);

async fn tunes(on: &Scene, group: &str, schema: Value) {
    on.given(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition(group, &schema),
    )
    .await;
    on.until(&format!("{group}/v1~tunes"), |list| {
        list["kind"] == "TuneList"
    })
    .await;
}

async fn a_definition_is_served(on: &Scene) {
    let group = "served.example.com";
    tunes(on, group, free()).await;
    on.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tunes.served.example.com")
        .await;
    let path = format!("{group}/v1~tunes");
    on.post(&path, json!({"apiVersion": "served.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": {"any": [1, "two"]}})).await;
    on.get(&format!("{path}/a")).await;
    on.get(&format!("{path}/none")).await;
    on.delete(&format!("{path}/a"), Value::Null).await;
}

fn schema() -> Value {
    json!({"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["host"], "properties": {
            "host": {"type": "string", "minLength": 2, "maxLength": 8, "pattern": "^[a-z]+$"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 80},
            "mode": {"type": "string", "enum": ["SLOW", "FAST"]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "either": {"x-kubernetes-int-or-string": true},
            "names": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer", "format": "int32", "default": 3}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "maybe": {"type": "string", "nullable": true},
            "one": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        }},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }})
}

async fn a_definition_prunes_and_completes(on: &Scene) {
    tunes(on, "pruned.example.com", schema()).await;
    let path = "pruned.example.com/v1~tunes";
    let tune = |name: &str, spec: Value| json!({"apiVersion": "pruned.example.com/v1", "kind": "Tune", "metadata": {"name": name}, "spec": spec});
    let odd = json!({"host": "abc", "extra": 1, "free": {"kept": {"deep": 1}}, "parts": [{"name": "x", "weight": 2}], "maybe": null, "labels": {"a": "b"}, "either": "50%"});
    on.post(path, tune("a", odd.clone())).await;
    on.post(&format!("{path}?fieldValidation=Strict"), tune("b", odd))
        .await;
    on.see(
        "PATCH",
        &format!("{path}/a"),
        MERGE,
        json!({"spec": {"extra": 2, "port": null, "mode": "FAST"}, "more": 1}),
        &["/spec", "/more", "/metadata/generation"],
    )
    .await;
}

async fn a_definition_refuses(on: &Scene) {
    tunes(on, "refused.example.com", schema()).await;
    let path = "refused.example.com/v1~tunes";
    let tune = |spec: Value| json!({"apiVersion": "refused.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": spec});
    for spec in [
        json!({}),
        json!({"host": 1}),
        json!({"host": "abc", "mode": "ODD"}),
        json!({"host": "abc", "port": 0}),
        json!({"host": "abc", "port": 70000}),
        json!({"host": "ABC"}),
        json!({"host": "a"}),
        json!({"host": "abcdefghijk"}),
        json!({"host": "abc", "names": ["a", "b", "c"]}),
        json!({"host": "abc", "names": "a"}),
        json!({"host": "abc", "parts": [{"size": "big"}]}),
        json!({"host": "abc", "labels": {"a": 1}}),
        json!({"host": "abc", "one": {}}),
        json!({"host": "abc", "one": {"a": "1", "b": "2"}}),
        json!({"host": "abc", "either": true}),
        json!("none"),
    ] {
        on.post(path, tune(spec)).await;
    }
    on.post(
        path,
        json!({"apiVersion": "refused.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}}),
    )
    .await;
    on.given(path, tune(json!({"host": "abc"}))).await;
    on.patch(MERGE, &format!("{path}/a"), json!({"spec": {"host": null}}))
        .await;
}

async fn a_definition_must_be_whole(on: &Scene) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let mut wrong = definition("whole.example.com", &free());
    wrong["metadata"]["name"] = json!("other.whole.example.com");
    on.post(path, wrong).await;
    let mut unstored = definition("whole.example.com", &free());
    unstored["spec"]["versions"][0]["storage"] = json!(false);
    refused(on, "POST", path, unstored).await;
    let mut bare = definition("whole.example.com", &free());
    bare["spec"]["versions"][0]["schema"] = Value::Null;
    on.post(path, bare).await;
}

async fn a_custom_object_keeps_its_generation(on: &Scene) {
    tunes(on, "counted.example.com", free()).await;
    let path = "counted.example.com/v1~tunes";
    on.given(path, json!({"apiVersion": "counted.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": {"a": 1}, "status": {"early": true}})).await;
    let own = format!("{path}/a");
    let places = ["/metadata/generation", "/spec", "/status"];
    on.see("GET", &own, "", Value::Null, &places).await;
    on.see(
        "PATCH",
        &own,
        MERGE,
        json!({"metadata": {"labels": {"a": "b"}}}),
        &places,
    )
    .await;
    on.see(
        "PATCH",
        &own,
        MERGE,
        json!({"spec": {"a": 2}, "status": {"a": 1}}),
        &places,
    )
    .await;
    on.see(
        "PATCH",
        &format!("{own}/status"),
        MERGE,
        json!({"spec": {"a": 3}, "status": {"a": 1}}),
        &places,
    )
    .await;
}

async fn a_custom_list(on: &Scene) {
    tunes(on, "listed.example.com", free()).await;
    let path = "listed.example.com/v1~tunes";
    for name in ["a", "b"] {
        on.given(path, json!({"apiVersion": "listed.example.com/v1", "kind": "Tune", "metadata": {"name": name, "labels": {"is": name}}})).await;
    }
    on.get(path).await;
    on.see(
        "GET",
        &format!("{path}?labelSelector=is%3Da"),
        "",
        Value::Null,
        &["/items/0/metadata/name", "/items/1"],
    )
    .await;
    on.get(&format!("{path}?fieldSelector=spec.a%3D1")).await;
    on.call("DELETE", path, "", Value::Null).await;
}
