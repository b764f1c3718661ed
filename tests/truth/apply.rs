//! Server-side apply, and who owns what.

use super::cases;
use super::samples::{config, definition, workload};
use super::scene::{APPLY, MERGE, STRATEGIC, Scene};
use serde_json::{Value, json};

cases!(
    an_apply_makes_what_is_not_there,
    an_apply_needs_a_manager,
    an_apply_of_yaml,
    an_apply_without_a_kind,
    an_apply_again_changes_nothing,
    an_apply_drops_what_it_no_longer_names,
    an_apply_leaves_what_others_set,
    an_apply_meets_an_update,
    an_apply_conflicts_once,
    an_apply_conflicts_often,
    an_apply_conflicts_with_two_managers,
    an_apply_forces,
    an_apply_of_the_same_value_shares,
    a_shared_field_goes_with_its_last_owner,
    an_apply_of_a_list_by_key,
    an_apply_of_a_set,
    an_apply_of_an_atomic_list,
    an_apply_of_an_atomic_map,
    an_apply_of_ports,
    a_dry_run_of_an_apply,
    an_apply_with_a_revision,
    an_apply_with_a_uid,
    an_apply_with_managed_fields,
    an_apply_of_the_status,
    an_apply_of_a_scale,
    an_apply_leaves_the_status,
    an_apply_of_a_namespace,
    an_apply_of_a_custom_object,
    an_apply_of_an_invalid_object,
    an_apply_of_an_unknown_field,
    a_force_without_an_apply,
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

const CONFIG: &str = "v1~configmaps/a";
const WEB: &str = "apps/v1~deployments/web";

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

fn web(spec: &Value) -> Value {
    let mut deployment = workload("web");
    deployment["apiVersion"] = json!("apps/v1");
    deployment["kind"] = json!("Deployment");
    for (key, value) in spec.as_object().into_iter().flatten() {
        deployment["spec"][key] = value.clone();
    }
    deployment
}

/// Keeps the whole answer, managed fields included.
async fn whole(on: &Scene, method: &str, path: &str, kind: &str, body: Value) {
    let answer = on.ask(method, path, kind, body).await;
    on.observe(
        &format!("{method} {path}"),
        json!({"code": answer.code, "body": answer.body}),
    );
}

async fn apply(on: &Scene, path: &str, manager: &str, body: Value) {
    let separator = if path.contains('?') { '&' } else { '?' };
    whole(
        on,
        "PATCH",
        &format!("{path}{separator}fieldManager={manager}"),
        APPLY,
        body,
    )
    .await;
}

async fn an_apply_makes_what_is_not_there(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, WEB, "one", web(&json!({}))).await;
}

async fn an_apply_needs_a_manager(on: &Scene) {
    whole(on, "PATCH", CONFIG, APPLY, map(json!({}))).await;
}

async fn an_apply_of_yaml(on: &Scene) {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: \"on\"\n  b: |\n    1\n\n";
    apply(on, CONFIG, "one", json!(text)).await;
    let answer = on
        .ask(
            "PATCH",
            "v1~configmaps/a?fieldManager=one",
            APPLY,
            json!("a: ["),
        )
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

async fn an_apply_without_a_kind(on: &Scene) {
    apply(
        on,
        CONFIG,
        "one",
        json!({"metadata": {"name": "a"}, "data": {}}),
    )
    .await;
    apply(
        on,
        CONFIG,
        "one",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
    )
    .await;
    apply(
        on,
        CONFIG,
        "one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}),
    )
    .await;
}

async fn an_apply_again_changes_nothing(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
}

async fn an_apply_drops_what_it_no_longer_names(on: &Scene) {
    apply(on, CONFIG, "one", map(json!({"a": "1", "b": "2"}))).await;
    apply(on, CONFIG, "one", map(json!({"b": "2"}))).await;
    apply(
        on,
        CONFIG,
        "one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn an_apply_leaves_what_others_set(on: &Scene) {
    on.given("v1~configmaps?fieldManager=other", config("a"))
        .await;
    apply(on, CONFIG, "one", map(json!({"b": "2"}))).await;
    apply(on, CONFIG, "one", map(json!({}))).await;
}

async fn an_apply_meets_an_update(on: &Scene) {
    on.given(
        "apps/v1~deployments?fieldManager=kubectl",
        web(&json!({"replicas": 1})),
    )
    .await;
    apply(on, WEB, "one", web(&json!({"replicas": 1}))).await;
    apply(on, WEB, "one", web(&json!({"replicas": 2}))).await;
}

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

async fn an_apply_of_a_list_by_key(on: &Scene) {
    let with = |containers: Value| {
        web(
            &json!({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}}),
        )
    };
    apply(on, WEB, "one", with(json!([{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}]))).await;
    apply(on, WEB, "two", with(json!([{"name": "c", "image": "c:1"}]))).await;
    apply(on, WEB, "one", with(json!([{"name": "b", "image": "b:2"}]))).await;
}

async fn an_apply_of_a_set(on: &Scene) {
    let with = |finalizers: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": finalizers}});
    apply(
        on,
        CONFIG,
        "one",
        with(json!(["example.com/a", "example.com/b"])),
    )
    .await;
    apply(on, CONFIG, "two", with(json!(["example.com/c"]))).await;
    apply(on, CONFIG, "one", with(json!(["example.com/b"]))).await;
}

async fn an_apply_of_an_atomic_list(on: &Scene) {
    let with = |keys: &[&str]| {
        let tolerations: Vec<Value> = keys
            .iter()
            .map(|key| json!({"key": key, "operator": "Exists"}))
            .collect();
        web(
            &json!({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1", "args": keys}], "tolerations": tolerations}}}),
        )
    };
    apply(on, WEB, "one", with(&["a", "b"])).await;
    apply(on, WEB, "two", with(&["c"])).await;
    apply(on, WEB, "one", with(&["b"])).await;
}

async fn an_apply_of_an_atomic_map(on: &Scene) {
    let service = |selector: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"selector": selector, "ports": [{"port": 80}]}});
    apply(
        on,
        "v1~services/a",
        "one",
        service(json!({"app": "a", "x": "y"})),
    )
    .await;
    apply(on, "v1~services/a", "one", service(json!({"app": "a"}))).await;
    apply(on, "v1~services/a", "two", service(json!({"app": "b"}))).await;
}

async fn an_apply_of_ports(on: &Scene) {
    let with = |ports: Value| {
        web(
            &json!({"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1", "ports": ports}]}}}),
        )
    };
    apply(
        on,
        WEB,
        "one",
        with(json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}])),
    )
    .await;
    apply(
        on,
        WEB,
        "one",
        with(json!([{"containerPort": 80, "name": "http"}])),
    )
    .await;
}

async fn a_dry_run_of_an_apply(on: &Scene) {
    apply(
        on,
        "v1~configmaps/a?dryRun=All",
        "one",
        map(json!({"a": "1"})),
    )
    .await;
    on.get(CONFIG).await;
    apply(on, CONFIG, "one", map(json!({"a": "1"}))).await;
    apply(
        on,
        "v1~configmaps/a?dryRun=All",
        "one",
        map(json!({"a": "2"})),
    )
    .await;
    apply(
        on,
        "v1~configmaps/a?dryRun=All",
        "two",
        map(json!({"a": "2"})),
    )
    .await;
    on.get(CONFIG).await;
}

async fn an_apply_with_a_revision(on: &Scene) {
    let with = |revision: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": revision}, "data": {"a": "2"}});
    apply(on, CONFIG, "one", with(json!("1"))).await;
    let made = on
        .given("v1~configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    apply(on, CONFIG, "one", with(json!("1"))).await;
    apply(
        on,
        CONFIG,
        "one",
        with(made["metadata"]["resourceVersion"].clone()),
    )
    .await;
}

async fn an_apply_with_a_uid(on: &Scene) {
    let with = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "11111111-2222-4333-8444-555555555555"}});
    apply(on, CONFIG, "one", with.clone()).await;
    on.given("v1~configmaps", json!({"metadata": {"name": "a"}}))
        .await;
    apply(on, CONFIG, "one", with).await;
}

async fn an_apply_with_managed_fields(on: &Scene) {
    let with = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{"manager": "x", "operation": "Apply", "apiVersion": "v1"}]}});
    apply(on, CONFIG, "one", with).await;
}

async fn an_apply_of_the_status(on: &Scene) {
    on.given("apps/v1~deployments", web(&json!({}))).await;
    let status = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": {"replicas": 2, "conditions": [{"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": "2026-01-01T00:00:00Z"}]}});
    apply(on, "apps/v1~deployments/web/status", "one", status.clone()).await;
    apply(on, "apps/v1~deployments/none/status", "one", json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "none"}, "status": {}})).await;
}

async fn an_apply_of_a_scale(on: &Scene) {
    apply(on, WEB, "one", web(&json!({"replicas": 1}))).await;
    whole(
        on,
        "PUT",
        "apps/v1~deployments/web/scale?fieldManager=scaler",
        "",
        json!({"metadata": {"name": "web"}, "spec": {"replicas": 3}}),
    )
    .await;
    whole(on, "GET", WEB, "", Value::Null).await;
    apply(on, WEB, "one", web(&json!({"replicas": 1}))).await;
}

async fn an_apply_leaves_the_status(on: &Scene) {
    let mut with = web(&json!({}));
    with["status"] = json!({"replicas": 9});
    apply(on, WEB, "one", with).await;
}

async fn an_apply_of_a_namespace(on: &Scene) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    let with = |labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": on.namespace(), "labels": labels}});
    apply(on, &path, "one", with(json!({"istio.io/rev": "canary"}))).await;
    apply(on, &path, "two", with(json!({"istio.io/rev": "stable"}))).await;
    apply(on, &path, "one", with(json!({}))).await;
}

async fn an_apply_of_a_custom_object(on: &Scene) {
    let hosts = json!({"type": "array", "items": {"type": "string"}});
    let map = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}, "c": {"type": "integer"}}});
    let typed = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"hosts": hosts, "map": map}}}});
    on.given(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        definition("applied.example.com", &typed),
    )
    .await;
    let path = "applied.example.com/v1~tunes";
    on.until(path, |list| list["kind"] == "TuneList").await;
    let own = format!("{path}/a");
    let tune = |spec: Value| json!({"apiVersion": "applied.example.com/v1", "kind": "Tune", "metadata": {"name": "a"}, "spec": spec});
    apply(
        on,
        &own,
        "one",
        tune(json!({"hosts": ["a"], "map": {"a": {"b": 1}}})),
    )
    .await;
    apply(on, &own, "two", tune(json!({"hosts": ["b"]}))).await;
    apply(on, &own, "two", tune(json!({"map": {"c": 1}}))).await;
    apply(on, &own, "one", tune(json!({"hosts": ["a", "b"]}))).await;
}

async fn an_apply_of_an_invalid_object(on: &Scene) {
    apply(on, WEB, "one", json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1}})).await;
    apply(
        on,
        "v1~configmaps/No_Name",
        "one",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "No_Name"}}),
    )
    .await;
}

async fn an_apply_of_an_unknown_field(on: &Scene) {
    let answer = on.ask("PATCH", "v1~configmaps/a?fieldManager=one", APPLY, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "colour": "red"})).await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

async fn a_force_without_an_apply(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.patch(
        MERGE,
        "v1~configmaps/a?force=true",
        json!({"data": {"a": "2"}}),
    )
    .await;
}

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
        super::samples::service("a"),
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
    let mut pod = super::samples::pod("a");
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
