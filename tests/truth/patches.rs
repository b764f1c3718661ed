//! JSON, merge and strategic merge patches.

use super::cases;
use super::samples::{config, definition, free, service, workload};
use super::scene::{JSON, MERGE, STRATEGIC, Scene};
use serde_json::{Value, json};

cases!(
    a_json_patch_of_each_operation,
    a_json_patch_moves_and_copies,
    a_json_patch_in_lists,
    a_json_test_that_fails,
    a_json_patch_of_what_is_not_there,
    a_json_patch_that_adds_nothing,
    a_json_patch_without_an_operation,
    a_json_patch_that_is_no_list,
    a_json_patch_of_escaped_keys,
    a_merge_patch_merges_maps_and_replaces_lists,
    a_merge_patch_removes_with_null,
    a_merge_patch_makes_what_is_not_there,
    a_merge_patch_that_is_no_object,
    a_strategic_patch_merges_containers_by_name,
    a_strategic_patch_deletes_an_item,
    a_strategic_patch_replaces_a_list,
    a_strategic_patch_replaces_a_map,
    a_strategic_patch_retains_keys,
    a_strategic_patch_of_ports_and_environment,
    a_strategic_patch_of_finalizers,
    a_strategic_patch_deletes_from_a_list_of_values,
    a_strategic_patch_of_a_custom_object,
    a_patch_of_an_unknown_type,
    a_patch_with_a_stale_revision,
    a_patch_with_another_uid,
    a_patch_with_another_name,
    a_patch_of_the_status,
    a_patch_of_the_kind,
    a_patch_swaps_labels_at_once,
    a_restart_annotation,
    a_patch_of_a_service,
);

const WEB: &str = "apps/v1~deployments/web";

async fn web(on: &Scene) {
    let mut deployment = workload("web");
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    container["ports"] = json!([{"containerPort": 80, "name": "http"}]);
    container["env"] = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    deployment["spec"]["template"]["spec"]["tolerations"] =
        json!([{"key": "a", "operator": "Exists"}]);
    deployment["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "fast", "zone": "a"});
    on.given("apps/v1~deployments", deployment).await;
}

const SPEC: &[&str] = &[
    "/spec/template",
    "/spec/strategy",
    "/spec/replicas",
    "/metadata/generation",
];

async fn a_json_patch_of_each_operation(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let operations = json!([
        {"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/b", "value": "2"}, {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "remove", "path": "/metadata/labels/app"}, {"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}},
    ]);
    on.patch(JSON, "v1~configmaps/a", operations).await;
}

async fn a_json_patch_moves_and_copies(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(JSON, "v1~configmaps/a", json!([{"op": "copy", "from": "/data/a", "path": "/data/b"}, {"op": "move", "from": "/data/a", "path": "/data/c"}])).await;
}

async fn a_json_patch_in_lists(on: &Scene) {
    web(on).await;
    let path = "/spec/template/spec/containers/0/env";
    let places = ["/spec/template/spec/containers/0/env"];
    for operation in [
        json!({"op": "add", "path": format!("{path}/0"), "value": {"name": "first"}}),
        json!({"op": "add", "path": format!("{path}/-"), "value": {"name": "last"}}),
        json!({"op": "remove", "path": format!("{path}/1")}),
        json!({"op": "replace", "path": format!("{path}/0/name"), "value": "one"}),
        json!({"op": "add", "path": format!("{path}/9"), "value": {"name": "far"}}),
        json!({"op": "remove", "path": format!("{path}/9")}),
        json!({"op": "remove", "path": format!("{path}/-1")}),
    ] {
        on.see("PATCH", WEB, JSON, json!([operation]), &places)
            .await;
    }
}

async fn a_json_test_that_fails(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    for value in [json!("2"), json!(1), Value::Null] {
        on.patch(
            JSON,
            "v1~configmaps/a",
            json!([{"op": "test", "path": "/data/a", "value": value}]),
        )
        .await;
    }
    on.patch(
        JSON,
        "v1~configmaps/a",
        json!([{"op": "test", "path": "/data/none", "value": "1"}]),
    )
    .await;
    on.see(
        "PATCH",
        "v1~configmaps/a",
        JSON,
        json!([{"op": "test", "path": "/data/none", "value": null}]),
        &["/data"],
    )
    .await;
}

async fn a_json_patch_of_what_is_not_there(on: &Scene) {
    on.given("v1~configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    for operation in [
        json!({"op": "remove", "path": "/data/none"}),
        json!({"op": "replace", "path": "/data/none", "value": "1"}),
        json!({"op": "add", "path": "/metadata/labels/app", "value": "a"}),
        json!({"op": "move", "from": "/data/none", "path": "/data/b"}),
        json!({"op": "copy", "from": "/data/none", "path": "/data/b"}),
    ] {
        on.patch(JSON, "v1~configmaps/a", json!([operation])).await;
    }
}

async fn a_json_patch_that_adds_nothing(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    for patch in [
        json!([{"op": "add", "path": "/data/b"}]),
        json!([{"op": "add", "path": "/metadata/annotations"}]),
        json!([{"op": "replace", "path": "/data/a"}]),
        json!([{"op": "add", "path": "/data/b", "value": null}]),
    ] {
        on.patch(JSON, "v1~configmaps/a", patch).await;
    }
}

async fn a_json_patch_without_an_operation(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(
        JSON,
        "v1~configmaps/a",
        json!([{"op": "turn", "path": "/data/b", "value": "1"}]),
    )
    .await;
    on.patch(
        JSON,
        "v1~configmaps/a",
        json!([{"path": "/data/b", "value": "1"}]),
    )
    .await;
    on.patch(
        JSON,
        "v1~configmaps/a",
        json!([{"op": "move", "path": "/data/b"}]),
    )
    .await;
}

async fn a_json_patch_that_is_no_list(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let answer = on
        .ask(
            "PATCH",
            "v1~configmaps/a",
            JSON,
            json!({"data": {"a": "2"}}),
        )
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

async fn a_json_patch_of_escaped_keys(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.see("PATCH", "v1~configmaps/a", JSON, json!([{"op": "add", "path": "/metadata/labels/istio.io~1rev", "value": "canary"}, {"op": "add", "path": "/data/a~0b", "value": "1"}]), &["/metadata/labels", "/data"]).await;
}

async fn a_merge_patch_merges_maps_and_replaces_lists(on: &Scene) {
    web(on).await;
    on.see("PATCH", WEB, MERGE, json!({"spec": {"template": {"metadata": {"labels": {"more": "1"}}, "spec": {"containers": [{"name": "other", "image": "b:1"}]}}}}), SPEC).await;
}

async fn a_merge_patch_removes_with_null(on: &Scene) {
    web(on).await;
    on.see("PATCH", WEB, MERGE, json!({"spec": {"strategy": null, "replicas": null, "template": {"spec": {"nodeSelector": {"zone": null}, "tolerations": null}}}}), SPEC).await;
}

async fn a_merge_patch_makes_what_is_not_there(on: &Scene) {
    on.given("v1~configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"annotations": {"a": "b", "c": null}}, "data": {"a": null, "b": "1"}}),
    )
    .await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {}}))
        .await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"b": null}}))
        .await;
}

async fn a_merge_patch_that_is_no_object(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    let answer = on.ask("PATCH", "v1~configmaps/a", MERGE, json!([1])).await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
    let answer = on
        .ask("PATCH", "v1~configmaps/a", MERGE, json!("{broken"))
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

async fn a_strategic_patch_merges_containers_by_name(on: &Scene) {
    web(on).await;
    let containers =
        json!([{"name": "app", "image": "app:2"}, {"name": "side", "image": "side:1"}]);
    on.see(
        "PATCH",
        WEB,
        STRATEGIC,
        json!({"spec": {"template": {"spec": {"containers": containers}}}}),
        SPEC,
    )
    .await;
}

async fn a_strategic_patch_deletes_an_item(on: &Scene) {
    web(on).await;
    on.see("PATCH", WEB, STRATEGIC, json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "A", "$patch": "delete"}]}]}}}}), SPEC).await;
}

async fn a_strategic_patch_replaces_a_list(on: &Scene) {
    web(on).await;
    on.see("PATCH", WEB, STRATEGIC, json!({"spec": {"template": {"spec": {"containers": [{"$patch": "replace"}, {"name": "new", "image": "new:1"}]}}}}), SPEC).await;
    on.see("PATCH", WEB, STRATEGIC, json!({"spec": {"template": {"spec": {"tolerations": [{"key": "b", "operator": "Exists"}]}}}}), SPEC).await;
}

async fn a_strategic_patch_replaces_a_map(on: &Scene) {
    web(on).await;
    on.see("PATCH", WEB, STRATEGIC, json!({"spec": {"template": {"spec": {"nodeSelector": {"$patch": "replace", "only": "one"}}}}}), SPEC).await;
    on.see(
        "PATCH",
        WEB,
        STRATEGIC,
        json!({"spec": {"template": {"spec": {"nodeSelector": {"$patch": "delete"}}}}}),
        SPEC,
    )
    .await;
}

async fn a_strategic_patch_retains_keys(on: &Scene) {
    web(on).await;
    on.see(
        "PATCH",
        WEB,
        STRATEGIC,
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        SPEC,
    )
    .await;
}

async fn a_strategic_patch_of_ports_and_environment(on: &Scene) {
    web(on).await;
    let container = json!({"name": "app", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}], "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]});
    on.see(
        "PATCH",
        WEB,
        STRATEGIC,
        json!({"spec": {"template": {"spec": {"containers": [container]}}}}),
        SPEC,
    )
    .await;
}

async fn a_strategic_patch_of_finalizers(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/a"]}}),
    )
    .await;
    on.see(
        "PATCH",
        "v1~configmaps/a",
        STRATEGIC,
        json!({"metadata": {"finalizers": ["example.com/b"]}}),
        &["/metadata/finalizers"],
    )
    .await;
}

async fn a_strategic_patch_deletes_from_a_list_of_values(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/a", "example.com/b"]}}),
    )
    .await;
    on.see(
        "PATCH",
        "v1~configmaps/a",
        STRATEGIC,
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}),
        &["/metadata/finalizers"],
    )
    .await;
    on.see("PATCH", "v1~configmaps/a", STRATEGIC, json!({"metadata": {"$setElementOrder/finalizers": ["example.com/c", "example.com/b"], "finalizers": ["example.com/c"]}}), &["/metadata/finalizers"]).await;
}

async fn a_strategic_patch_of_a_custom_object(on: &Scene) {
    on.given(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition("strategic.example.com", &free()),
    )
    .await;
    let path = "strategic.example.com/v1~tunes";
    on.until(path, |list| list["kind"] == "TuneList").await;
    on.given(path, json!({"apiVersion": "strategic.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": {"list": [{"name": "a"}]}})).await;
    let own = format!("{path}/a");
    on.patch(STRATEGIC, &own, json!({"spec": {"a": 1}})).await;
    on.patch(MERGE, &own, json!({"spec": {"list": [{"name": "b"}]}}))
        .await;
    on.patch(
        JSON,
        &own,
        json!([{"op": "add", "path": "/spec/list/-", "value": {"name": "c"}}]),
    )
    .await;
}

async fn a_patch_of_an_unknown_type(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(
        "application/json",
        "v1~configmaps/a",
        json!({"data": {"a": "2"}}),
    )
    .await;
    on.patch("text/plain", "v1~configmaps/a", json!({"data": {"a": "2"}}))
        .await;
}

async fn a_patch_with_a_stale_revision(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    for kind in [MERGE, STRATEGIC] {
        on.patch(
            kind,
            "v1~configmaps/a",
            json!({"metadata": {"resourceVersion": "1"}, "data": {"a": "2"}}),
        )
        .await;
    }
    on.patch(
        JSON,
        "v1~configmaps/a",
        json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}]),
    )
    .await;
}

async fn a_patch_with_another_uid(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"uid": "11111111-2222-4333-8444-555555555555"}}),
    )
    .await;
}

async fn a_patch_with_another_name(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(MERGE, "v1~configmaps/a", json!({"metadata": {"name": "b"}}))
        .await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"namespace": "default"}}),
    )
    .await;
}

async fn a_patch_of_the_status(on: &Scene) {
    web(on).await;
    let own = "apps/v1~deployments/web/status";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": "2026-01-01T00:00:00Z"});
    for kind in ["Available", "Progressing"] {
        on.see(
            "PATCH",
            own,
            STRATEGIC,
            json!({"status": {"conditions": [condition(kind)]}}),
            &["/status"],
        )
        .await;
    }
    let metadata = json!({"labels": {"via": "status"}, "annotations": {"via": "status"}});
    on.see(
        "PATCH",
        own,
        MERGE,
        json!({"status": {"conditions": null}, "metadata": metadata}),
        &["/status", "/metadata/labels", "/metadata/annotations"],
    )
    .await;
}

async fn a_patch_of_the_kind(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    // The message quotes the whole object.
    let answer = on
        .ask(
            "PATCH",
            "v1~configmaps/a",
            MERGE,
            json!({"apiVersion": "v2"}),
        )
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

async fn a_patch_swaps_labels_at_once(on: &Scene) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    on.see(
        "PATCH",
        &path,
        MERGE,
        json!({"metadata": {"labels": {"istio-injection": "enabled"}}}),
        &["/metadata/labels"],
    )
    .await;
    on.see(
        "PATCH",
        &path,
        MERGE,
        json!({"metadata": {"labels": {"istio-injection": null, "istio.io/rev": "canary"}}}),
        &["/metadata/labels"],
    )
    .await;
    on.see("PATCH", &path, JSON, json!([{"op": "test", "path": "/metadata/labels/istio.io~1rev", "value": "other"}, {"op": "remove", "path": "/metadata/labels/istio.io~1rev"}]), &["/metadata/labels"]).await;
}

async fn a_restart_annotation(on: &Scene) {
    web(on).await;
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    on.see(
        "PATCH",
        WEB,
        STRATEGIC,
        patch.clone(),
        &["/metadata/generation", "/spec/template/metadata"],
    )
    .await;
    on.see(
        "PATCH",
        WEB,
        STRATEGIC,
        patch,
        &["/metadata/generation", "/spec/template/metadata"],
    )
    .await;
}

async fn a_patch_of_a_service(on: &Scene) {
    on.given("v1~services", service("a")).await;
    on.see("PATCH", "v1~services/a", STRATEGIC, json!({"spec": {"selector": {"version": "2"}, "ports": [{"port": 81, "name": "more"}, {"port": 80, "name": "first"}]}}), &["/spec/selector", "/spec/ports"]).await;
    on.patch(
        MERGE,
        "v1~services/a",
        json!({"spec": {"clusterIP": "10.96.0.77"}}),
    )
    .await;
}
