//! Who owns what.

use super::{CONFIG, apply, map, whole};
use crate::truth::cases;
use crate::truth::samples::{config, workload};
use crate::truth::scene::{MERGE, STRATEGIC, Scene};
use serde_json::{Value, json};

cases!(
    an_owner_by_creation,
    an_owner_by_patch,
    an_owner_by_subresource,
    an_owner_by_removal,
    a_manager_from_the_agent,
    the_books_can_be_cleared,
    the_books_of_a_webhook_configuration,
    the_books_of_a_pod,
    an_update_takes_from_an_apply,
    an_apply_takes_over_from_a_client_side_apply,
);

async fn an_owner_by_creation(on: &Scene) {
    whole(
        on,
        "POST",
        "apps/v1~deployments?fieldManager=maker",
        "",
        workload("web"),
    )
    .await;
    whole(
        on,
        "POST",
        "v1~services?fieldManager=maker",
        "",
        crate::truth::samples::service("a"),
    )
    .await;
}

async fn an_owner_by_patch(on: &Scene) {
    on.given("apps/v1~deployments?fieldManager=maker", workload("web"))
        .await;
    whole(
        on,
        "PATCH",
        "apps/v1~deployments/web?fieldManager=patcher",
        MERGE,
        json!({"spec": {"replicas": 2}, "metadata": {"labels": {"a": "b"}}}),
    )
    .await;
    whole(on, "PATCH", "apps/v1~deployments/web?fieldManager=patcher", STRATEGIC, json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}}})).await;
}

async fn an_owner_by_subresource(on: &Scene) {
    on.given("apps/v1~deployments?fieldManager=maker", workload("web"))
        .await;
    whole(
        on,
        "PATCH",
        "apps/v1~deployments/web/status?fieldManager=maker",
        MERGE,
        json!({"status": {"replicas": 1}}),
    )
    .await;
}

async fn an_owner_by_removal(on: &Scene) {
    on.given("v1~configmaps?fieldManager=maker", config("a"))
        .await;
    whole(
        on,
        "PATCH",
        "v1~configmaps/a?fieldManager=remover",
        MERGE,
        json!({"data": {"a": null}}),
    )
    .await;
    whole(
        on,
        "PATCH",
        "v1~configmaps/a?fieldManager=remover",
        MERGE,
        json!({"metadata": {"labels": null}}),
    )
    .await;
}

async fn a_manager_from_the_agent(on: &Scene) {
    whole(on, "POST", "v1~configmaps", "", config("a")).await;
    whole(
        on,
        "PUT",
        "v1~configmaps/a?fieldManager=",
        "",
        json!({"metadata": {"name": "a"}, "data": {"b": "1"}}),
    )
    .await;
}

async fn the_books_can_be_cleared(on: &Scene) {
    on.given("v1~configmaps?fieldManager=maker", config("a"))
        .await;
    whole(
        on,
        "PATCH",
        "v1~configmaps/a?fieldManager=two",
        MERGE,
        json!({"metadata": {"managedFields": [{}]}, "data": {"b": "1"}}),
    )
    .await;
    whole(
        on,
        "PATCH",
        "v1~configmaps/a?fieldManager=two",
        MERGE,
        json!({"data": {"b": "2"}}),
    )
    .await;
}

async fn the_books_of_a_webhook_configuration(on: &Scene) {
    let hook = |name: &str| {
        json!({"name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"service": {"name": "hook", "namespace": "default"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["nothings"]}]})
    };
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/truth-books";
    let with = |hooks: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "truth-books"}, "webhooks": hooks});
    apply(
        on,
        path,
        "one",
        with(json!([hook("a.example.com"), hook("b.example.com")])),
    )
    .await;
    whole(
        on,
        "PATCH",
        &format!("{path}?fieldManager=istiod"),
        STRATEGIC,
        json!({"webhooks": [{"name": "a.example.com", "failurePolicy": "Ignore"}]}),
    )
    .await;
    apply(on, path, "one", with(json!([hook("a.example.com")]))).await;
}

async fn the_books_of_a_pod(on: &Scene) {
    on.account().await;
    let mut pod = crate::truth::samples::pod("a");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod["spec"]["volumes"] =
        json!([{"name": "c", "configMap": {"name": "c"}}, {"name": "e", "emptyDir": {}}]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "c", "mountPath": "/c"}]);
    pod["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "10m"}});
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"port": 80}});
    whole(on, "POST", "v1~pods?fieldManager=maker", "", pod).await;
}

async fn an_update_takes_from_an_apply(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1", "b": "1"}))).await;
    whole(
        on,
        "PUT",
        "v1~configmaps/a?fieldManager=two",
        "",
        json!({"metadata": {"name": "a"}, "data": {"a": "2"}}),
    )
    .await;
    apply(on, CONFIG, "one", map(json!({"a": "1", "b": "1"}))).await;
}

async fn an_apply_takes_over_from_a_client_side_apply(on: &Scene) {
    let mut first = config("a");
    first["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\"labels\":{\"app\":\"a\"},\"name\":\"a\"}}\n"});
    on.given(
        "v1~configmaps?fieldManager=kubectl-client-side-apply",
        first,
    )
    .await;
    apply(on, CONFIG, "kubectl", map(json!({"b": "2"}))).await;
}
