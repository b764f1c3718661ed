//! Create, read, update, delete, and what is asked of objects besides.

use super::cases;
use super::samples::{config, definition, free, pod, service, workload};
use super::scene::{JSON, MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_config_map_is_created_read_and_deleted,
    a_name_is_taken_once,
    a_generated_name,
    a_name_is_required,
    a_name_must_be_a_name,
    a_label_must_be_a_label,
    a_label_key_must_be_a_name,
    an_annotation_key_must_be_a_name,
    what_is_not_there_is_not_found,
    what_is_not_served_has_no_page,
    a_namespace_must_be_there,
    a_namespace_that_ends_takes_nothing_new,
    a_body_of_another_kind,
    a_body_without_a_kind,
    a_body_of_another_version,
    a_body_that_is_no_json,
    a_body_of_another_namespace,
    a_body_of_another_name,
    a_dry_run_of_each_verb,
    a_dry_run_must_be_all,
    an_update_needs_the_last_revision,
    an_update_without_a_revision,
    an_update_that_changes_nothing,
    an_update_of_what_is_not_there,
    an_update_with_another_uid,
    a_generation_counts_the_specification,
    a_deployment_is_completed,
    a_stateful_set_is_completed,
    a_daemon_set_is_completed,
    a_replica_set_is_completed,
    a_job_is_completed,
    a_cron_job_is_completed,
    a_pod_is_completed,
    a_pod_with_everything,
    a_pod_needs_its_account,
    a_service_is_completed,
    a_secret_is_completed,
    a_budget_is_completed,
    a_webhook_configuration_is_completed,
    a_namespace_is_completed,
    a_lease,
    an_autoscaler,
    a_deployment_without_a_selector,
    a_selector_that_does_not_match,
    a_selector_stays,
    a_pod_without_containers,
    a_container_without_a_name,
    two_containers_of_one_name,
    a_negative_number_of_replicas,
    a_pod_stays_as_it_is,
    a_service_without_ports,
    an_immutable_config_map,
    a_webhook_without_a_name,
    a_list_by_labels,
    a_list_by_fields,
    a_list_in_chunks,
    a_list_of_all_namespaces,
    a_list_of_metadata_only,
    a_list_of_something_empty,
    a_selector_that_cannot_be_read,
    a_field_that_cannot_be_selected,
    a_delete_with_preconditions,
    a_delete_in_the_foreground,
    a_delete_that_orphans,
    a_delete_waits_for_finalizers,
    a_delete_of_what_is_not_there,
    a_delete_with_an_unknown_policy,
    a_delete_of_a_collection,
    a_terminating_object_takes_no_new_finalizers,
    a_pod_ends_gracefully,
    a_status_is_its_own,
    a_scale,
    a_scale_with_a_stale_revision,
    a_token,
    an_eviction,
    an_eviction_against_a_budget,
    a_review_of_oneself,
    a_review_of_somebody_else,
    a_review_of_nothing,
    a_stranger_is_forbidden,
    a_role_gives_what_it_says,
    a_name_in_a_role,
    a_verb_that_is_not_served,
    an_unknown_field_is_dropped,
    an_unknown_field_in_strict_mode,
    an_unknown_field_in_warn_mode,
    a_field_of_the_wrong_type,
    a_definition_is_served,
    a_definition_prunes_and_completes,
    a_definition_refuses,
    a_definition_must_be_whole,
    a_custom_object_keeps_its_generation,
    a_custom_list,
);

/// Keeps that a request was refused, and for which fields, without the words.
async fn refused(on: &Scene, method: &str, path: &str, body: Value) {
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

async fn a_config_map_is_created_read_and_deleted(on: &Scene) {
    on.post("v1~configmaps", config("a")).await;
    on.get("v1~configmaps/a").await;
    on.delete("v1~configmaps/a", Value::Null).await;
    on.get("v1~configmaps/a").await;
}

async fn a_name_is_taken_once(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.post("v1~configmaps", config("a")).await;
    on.given("apps/v1~deployments", workload("web")).await;
    on.post("apps/v1~deployments", workload("web")).await;
}

async fn a_generated_name(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"generateName": "made-"}}),
    )
    .await;
}

async fn a_name_is_required(on: &Scene) {
    on.post("v1~configmaps", json!({"metadata": {}})).await;
}

async fn a_name_must_be_a_name(on: &Scene) {
    on.post("v1~configmaps", config("No_Name")).await;
    on.post("v1~services", service("1-name")).await;
    on.post("v1~services", service("with.dots")).await;
    on.post(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "with.dots"}}),
    )
    .await;
}

async fn a_label_must_be_a_label(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"app": "no label"}}}),
    )
    .await;
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"app": "x".repeat(64)}}}),
    )
    .await;
}

async fn a_label_key_must_be_a_name(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "labels": {"no key": "a"}}}),
    )
    .await;
}

async fn an_annotation_key_must_be_a_name(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "annotations": {"a/b/c": "a"}}}),
    )
    .await;
}

async fn what_is_not_there_is_not_found(on: &Scene) {
    on.get("v1~configmaps/none").await;
    on.get("apps/v1~deployments/none").await;
    on.get("apps/v1~deployments/none/scale").await;
    on.get("/api/v1/namespaces/none").await;
    on.patch(MERGE, "v1~configmaps/none", json!({})).await;
}

async fn what_is_not_served_has_no_page(on: &Scene) {
    on.get("/apis/none.example.com/v1/things").await;
    on.get("/apis/apps/v9/deployments").await;
    on.get("apps/v1~things").await;
    on.get("v1~configmaps/a/scale").await;
}

async fn a_namespace_must_be_there(on: &Scene) {
    on.post("/api/v1/namespaces/none/configmaps", config("a"))
        .await;
    on.get("/api/v1/namespaces/none/configmaps/a").await;
    on.see(
        "GET",
        "/api/v1/namespaces/none/configmaps",
        "",
        Value::Null,
        &["/items"],
    )
    .await;
}

async fn a_namespace_that_ends_takes_nothing_new(on: &Scene) {
    let path = format!("/api/v1/namespaces/{}", on.namespace());
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}),
    )
    .await;
    on.delete(&path, Value::Null).await;
    on.get(&path).await;
    on.delete(&path, Value::Null).await;
    on.post("v1~configmaps", config("late")).await;
}

async fn a_body_of_another_kind(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
    )
    .await;
    on.post(
        "apps/v1~deployments",
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn a_body_without_a_kind(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"apiVersion": "v1", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn a_body_of_another_version(on: &Scene) {
    on.post(
        "apps/v1~deployments",
        json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}}),
    )
    .await;
}

async fn a_body_that_is_no_json(on: &Scene) {
    // The rest of the message is Go's.
    refused(
        on,
        "POST",
        "v1~configmaps",
        json!("{\"metadata\": nothing}"),
    )
    .await;
}

async fn a_body_of_another_namespace(on: &Scene) {
    on.post(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "namespace": "default"}}),
    )
    .await;
}

async fn a_body_of_another_name(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.put("v1~configmaps/a", config("b")).await;
}

async fn a_dry_run_of_each_verb(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.post("v1~configmaps?dryRun=All", config("b")).await;
    on.get("v1~configmaps/b").await;
    on.put(
        "v1~configmaps/a?dryRun=All",
        json!({"metadata": {"name": "a"}, "data": {"a": "2"}}),
    )
    .await;
    on.patch(
        MERGE,
        "v1~configmaps/a?dryRun=All",
        json!({"data": {"a": "3"}}),
    )
    .await;
    on.delete("v1~configmaps/a?dryRun=All", Value::Null).await;
    on.delete("v1~configmaps/a", json!({"dryRun": ["All"]}))
        .await;
    on.get("v1~configmaps/a").await;
}

async fn a_dry_run_must_be_all(on: &Scene) {
    on.post("v1~configmaps?dryRun=some", config("b")).await;
    on.delete("v1~configmaps/a?dryRun=some", Value::Null).await;
}

async fn an_update_needs_the_last_revision(on: &Scene) {
    let first = on.given("v1~configmaps", config("a")).await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"a": "2"}}))
        .await;
    on.put("v1~configmaps/a", first).await;
}

async fn an_update_without_a_revision(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.put(
        "v1~configmaps/a",
        json!({"metadata": {"name": "a"}, "data": {"b": "2"}}),
    )
    .await;
    let lease = json!({"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}});
    on.given("coordination.k8s.io/v1~leases", lease.clone())
        .await;
    on.put("coordination.k8s.io/v1~leases/a", lease).await;
}

async fn an_update_that_changes_nothing(on: &Scene) {
    let made = on.post("v1~configmaps", config("a")).await;
    on.put("v1~configmaps/a", made).await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"a": "1"}}))
        .await;
}

async fn an_update_of_what_is_not_there(on: &Scene) {
    on.put("v1~configmaps/none", config("none")).await;
    on.put("apps/v1~deployments/none", workload("none")).await;
}

async fn an_update_with_another_uid(on: &Scene) {
    let mut made = on.given("v1~configmaps", config("a")).await;
    made["metadata"]["uid"] = json!("11111111-2222-4333-8444-555555555555");
    on.put("v1~configmaps/a", made).await;
}

async fn a_generation_counts_the_specification(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    let path = "apps/v1~deployments/web";
    let places = ["/metadata/generation", "/spec/replicas"];
    for change in [
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"spec": {"replicas": 3}}),
        json!({"spec": {"replicas": 3}}),
        json!({"status": {"replicas": 3}}),
    ] {
        on.see("PATCH", path, MERGE, change, &places).await;
    }
    on.see(
        "PATCH",
        "apps/v1~deployments/web/status",
        MERGE,
        json!({"status": {"replicas": 3}}),
        &["/metadata/generation", "/status"],
    )
    .await;
}

async fn a_deployment_is_completed(on: &Scene) {
    on.post("apps/v1~deployments", workload("web")).await;
    let mut other = workload("other");
    other["spec"]["strategy"] = json!({"type": "Recreate"});
    on.see(
        "POST",
        "apps/v1~deployments",
        "",
        other,
        &["/spec/strategy"],
    )
    .await;
}

async fn a_stateful_set_is_completed(on: &Scene) {
    let mut set = workload("db");
    set["spec"]["serviceName"] = json!("db");
    on.post("apps/v1~statefulsets", set).await;
    let mut other = workload("other");
    other["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    on.see(
        "POST",
        "apps/v1~statefulsets",
        "",
        other,
        &["/spec/updateStrategy", "/spec/serviceName"],
    )
    .await;
}

async fn a_daemon_set_is_completed(on: &Scene) {
    on.post("apps/v1~daemonsets", workload("agent")).await;
}

async fn a_replica_set_is_completed(on: &Scene) {
    on.post("apps/v1~replicasets", workload("web")).await;
}

async fn a_job_is_completed(on: &Scene) {
    let job = json!({"metadata": {"name": "once"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]}}}});
    on.post("batch/v1~jobs", job).await;
}

async fn a_cron_job_is_completed(on: &Scene) {
    let job = json!({"template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "app", "image": "app"}]}}});
    on.post("batch/v1~cronjobs", json!({"metadata": {"name": "often"}, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}}})).await;
}

async fn a_pod_is_completed(on: &Scene) {
    on.account().await;
    on.post("v1~pods", pod("a")).await;
}

async fn a_pod_with_everything(on: &Scene) {
    on.account().await;
    let mut pod = pod("a");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod["spec"]["initContainers"] = json!([{"name": "init", "image": "app"}, {"name": "side", "image": "app:latest", "restartPolicy": "Always"}]);
    pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "B", "value": ""}]);
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"port": 80}});
    pod["spec"]["containers"][0]["livenessProbe"] =
        json!({"tcpSocket": {"port": 80}, "periodSeconds": 3});
    pod["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1", "memory": "64Mi"}});
    pod["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["true"]}}});
    pod["spec"]["volumes"] = json!([{"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}}, {"name": "e"}, {"name": "h", "hostPath": {"path": "/x"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}, {"name": "d", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}]);
    on.post("v1~pods", pod).await;
}

async fn a_pod_needs_its_account(on: &Scene) {
    let mut pod = pod("a");
    on.post("v1~pods", pod.clone()).await;
    pod["spec"]["serviceAccountName"] = json!("robot");
    on.post("v1~pods", pod).await;
}

async fn a_service_is_completed(on: &Scene) {
    on.post("v1~services", service("a")).await;
    on.post("v1~services", json!({"metadata": {"name": "none"}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}})).await;
    on.post("v1~services", json!({"metadata": {"name": "out"}, "spec": {"type": "ExternalName", "externalName": "example.com"}})).await;
}

async fn a_secret_is_completed(on: &Scene) {
    on.post("v1~secrets", json!({"metadata": {"name": "a"}, "stringData": {"key": "value"}, "data": {"other": "dmFsdWU="}})).await;
}

async fn a_budget_is_completed(on: &Scene) {
    let path = "policy/v1~poddisruptionbudgets";
    on.post(path, json!({"metadata": {"name": "a"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})).await;
    refused(
        on,
        "POST",
        path,
        json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "maxUnavailable": "50%"}}),
    )
    .await;
}

async fn a_webhook_configuration_is_completed(on: &Scene) {
    let hook = json!({
        "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "hook", "namespace": "default", "path": "/hook"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["nothings"]}],
    });
    for resource in [
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
    ] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{resource}");
        on.post(
            &path,
            json!({"metadata": {"name": "truth-completed"}, "webhooks": [hook]}),
        )
        .await;
    }
}

async fn a_namespace_is_completed(on: &Scene) {
    on.post(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "truth-completed"}}),
    )
    .await;
    on.see(
        "PATCH",
        "/api/v1/namespaces/truth-completed",
        MERGE,
        json!({"metadata": {"labels": {"kubernetes.io/metadata.name": null, "a": "b"}}}),
        &["/metadata/labels"],
    )
    .await;
}

async fn a_lease(on: &Scene) {
    let spec = json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.500000Z", "leaseTransitions": 0});
    on.post(
        "coordination.k8s.io/v1~leases",
        json!({"metadata": {"name": "a"}, "spec": spec}),
    )
    .await;
    on.post(
        "coordination.k8s.io/v1~leases",
        json!({"metadata": {"name": "b"}, "spec": {"leaseDurationSeconds": 0}}),
    )
    .await;
}

async fn an_autoscaler(on: &Scene) {
    let spec = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3});
    on.see(
        "POST",
        "autoscaling/v2~horizontalpodautoscalers",
        "",
        json!({"metadata": {"name": "a"}, "spec": spec}),
        &[
            "/spec/minReplicas",
            "/spec/maxReplicas",
            "/spec/scaleTargetRef",
        ],
    )
    .await;
}

async fn a_deployment_without_a_selector(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["selector"] = Value::Null;
    on.post("apps/v1~deployments", deployment).await;
    on.post("apps/v1~deployments", json!({"metadata": {"name": "web"}}))
        .await;
}

async fn a_selector_that_does_not_match(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    on.post("apps/v1~deployments", deployment.clone()).await;
    on.post("apps/v1~statefulsets", deployment.clone()).await;
    on.post("apps/v1~daemonsets", deployment).await;
}

async fn a_selector_stays(on: &Scene) {
    let mut deployment = workload("web");
    on.given("apps/v1~deployments", deployment.clone()).await;
    deployment["spec"]["selector"]["matchLabels"]["more"] = json!("one");
    deployment["spec"]["template"]["metadata"]["labels"]["more"] = json!("one");
    on.put("apps/v1~deployments/web", deployment.clone()).await;
    let set = workload("db");
    on.given("apps/v1~statefulsets", set.clone()).await;
    on.patch(
        MERGE,
        "apps/v1~statefulsets/db",
        json!({"spec": {"serviceName": "other"}}),
    )
    .await;
}

async fn a_pod_without_containers(on: &Scene) {
    on.account().await;
    on.post(
        "v1~pods",
        json!({"metadata": {"name": "a"}, "spec": {"containers": []}}),
    )
    .await;
    on.post("apps/v1~deployments", json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}}}})).await;
}

async fn a_container_without_a_name(on: &Scene) {
    on.account().await;
    on.post(
        "v1~pods",
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"image": "app:1"}]}}),
    )
    .await;
    on.post(
        "v1~pods",
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app"}]}}),
    )
    .await;
}

async fn two_containers_of_one_name(on: &Scene) {
    on.account().await;
    on.post("v1~pods", json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "a"}, {"name": "app", "image": "b"}]}})).await;
}

async fn a_negative_number_of_replicas(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["replicas"] = json!(-1);
    on.post("apps/v1~deployments", deployment).await;
}

async fn a_pod_stays_as_it_is(on: &Scene) {
    on.account().await;
    on.given("v1~pods", pod("a")).await;
    let image = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}]);
    on.see(
        "PATCH",
        "v1~pods/a",
        JSON,
        image,
        &["/spec/containers/0/image"],
    )
    .await;
    // The message quotes the whole specification.
    refused(
        on,
        "PATCH",
        "v1~pods/a",
        json!({"spec": {"restartPolicy": "Never"}}),
    )
    .await;
}

async fn a_service_without_ports(on: &Scene) {
    on.post(
        "v1~services",
        json!({"metadata": {"name": "a"}, "spec": {"selector": {"app": "a"}}}),
    )
    .await;
}

async fn an_immutable_config_map(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a"}, "immutable": true, "data": {"a": "1"}}),
    )
    .await;
    on.patch(MERGE, "v1~configmaps/a", json!({"data": {"a": "2"}}))
        .await;
}

async fn a_webhook_without_a_name(on: &Scene) {
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    on.post(path, json!({"metadata": {"name": "truth-nameless"}, "webhooks": [{"clientConfig": {"url": "https://example.com"}}]})).await;
    on.post(path, json!({"metadata": {"name": "truth-nameless"}, "webhooks": [{"name": "a.b", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {}}]})).await;
}

async fn three(on: &Scene) {
    for name in ["a", "b", "c"] {
        on.given("v1~configmaps", config(name)).await;
    }
}

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

fn names(list: &Value) -> Value {
    list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item["metadata"]["name"].clone())
        .collect()
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

async fn a_delete_with_preconditions(on: &Scene) {
    let made = on.given("v1~configmaps", config("a")).await;
    on.delete(
        "v1~configmaps/a",
        json!({"preconditions": {"resourceVersion": "1"}}),
    )
    .await;
    on.delete(
        "v1~configmaps/a",
        json!({"preconditions": {"uid": "11111111-2222-4333-8444-555555555555"}}),
    )
    .await;
    on.delete("v1~configmaps/a", json!({"preconditions": {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}})).await;
}

async fn a_delete_in_the_foreground(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.delete(
        "apps/v1~deployments/web",
        json!({"propagationPolicy": "Foreground"}),
    )
    .await;
    on.get("apps/v1~deployments/web").await;
}

async fn a_delete_that_orphans(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.delete(
        "apps/v1~deployments/web?propagationPolicy=Orphan",
        Value::Null,
    )
    .await;
    on.given("apps/v1~deployments", workload("old")).await;
    on.delete("apps/v1~deployments/old", json!({"orphanDependents": true}))
        .await;
}

async fn a_delete_waits_for_finalizers(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/one", "example.com/two"]}}),
    )
    .await;
    on.delete("v1~configmaps/a", Value::Null).await;
    on.delete("v1~configmaps/a", Value::Null).await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"finalizers": ["example.com/two"]}}),
    )
    .await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    on.get("v1~configmaps/a").await;
}

async fn a_delete_of_what_is_not_there(on: &Scene) {
    on.delete("v1~configmaps/none", Value::Null).await;
    on.delete("/api/v1/namespaces/none", Value::Null).await;
}

async fn a_delete_with_an_unknown_policy(on: &Scene) {
    on.given("v1~configmaps", config("a")).await;
    on.delete("v1~configmaps/a", json!({"propagationPolicy": "Sideways"}))
        .await;
    on.delete(
        "v1~configmaps/a",
        json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
    )
    .await;
}

async fn a_delete_of_a_collection(on: &Scene) {
    three(on).await;
    on.delete("v1~configmaps?labelSelector=app%20in%20(a,b)", Value::Null)
        .await;
    let left = on.ask("GET", "v1~configmaps", "", Value::Null).await;
    on.observe("left", names(&left.body));
    on.delete("/api/v1/namespaces", Value::Null).await;
}

async fn a_terminating_object_takes_no_new_finalizers(on: &Scene) {
    on.given(
        "v1~configmaps",
        json!({"metadata": {"name": "a", "finalizers": ["example.com/one"]}}),
    )
    .await;
    on.ask("DELETE", "v1~configmaps/a", "", Value::Null).await;
    on.patch(
        MERGE,
        "v1~configmaps/a",
        json!({"metadata": {"finalizers": ["example.com/one", "example.com/new"]}}),
    )
    .await;
    on.see(
        "PATCH",
        "v1~configmaps/a",
        MERGE,
        json!({"metadata": {"labels": {"still": "writable"}}}),
        &["/metadata/labels"],
    )
    .await;
}

async fn a_pod_ends_gracefully(on: &Scene) {
    on.account().await;
    let places = [
        "/kind",
        "/metadata/deletionTimestamp",
        "/metadata/deletionGracePeriodSeconds",
        "/metadata/generation",
        "/status/phase",
    ];
    on.given("v1~pods", pod("waiting")).await;
    on.see("DELETE", "v1~pods/waiting", "", Value::Null, &places)
        .await;
    let mut bound = pod("placed");
    bound["spec"]["nodeName"] = json!("nowhere");
    on.given("v1~pods", bound).await;
    on.see("DELETE", "v1~pods/placed", "", Value::Null, &places)
        .await;
    on.see(
        "DELETE",
        "v1~pods/placed",
        "",
        json!({"gracePeriodSeconds": 5}),
        &places,
    )
    .await;
    on.see(
        "DELETE",
        "v1~pods/placed",
        "",
        json!({"gracePeriodSeconds": 0}),
        &places,
    )
    .await;
    on.see("GET", "v1~pods/placed", "", Value::Null, &places)
        .await;
}

async fn a_status_is_its_own(on: &Scene) {
    let mut deployment = on.given("apps/v1~deployments", workload("web")).await;
    deployment["status"] = json!({"replicas": 1, "observedGeneration": 1});
    deployment["spec"]["replicas"] = json!(7);
    let places = ["/spec/replicas", "/status"];
    on.see(
        "PUT",
        "apps/v1~deployments/web/status",
        "",
        deployment.clone(),
        &places,
    )
    .await;
    deployment["metadata"]["resourceVersion"] = Value::Null;
    deployment["status"] = json!({"replicas": 9});
    on.see("PUT", "apps/v1~deployments/web", "", deployment, &places)
        .await;
    on.see(
        "GET",
        "apps/v1~deployments/web/status",
        "",
        Value::Null,
        &places,
    )
    .await;
}

async fn a_scale(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.get("apps/v1~deployments/web/scale").await;
    on.put("apps/v1~deployments/web/scale", json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}})).await;
    on.patch(
        MERGE,
        "apps/v1~deployments/web/scale",
        json!({"spec": {"replicas": 2}}),
    )
    .await;
    on.patch(
        MERGE,
        "apps/v1~deployments/web/scale",
        json!({"spec": {"replicas": -2}}),
    )
    .await;
    on.see(
        "GET",
        "apps/v1~deployments/web",
        "",
        Value::Null,
        &["/spec/replicas", "/metadata/generation"],
    )
    .await;
}

async fn a_scale_with_a_stale_revision(on: &Scene) {
    on.given("apps/v1~deployments", workload("web")).await;
    on.put(
        "apps/v1~deployments/web/scale",
        json!({"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 4}}),
    )
    .await;
}

async fn a_token(on: &Scene) {
    on.account().await;
    let request = |spec: Value| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let path = "v1~serviceaccounts/default/token";
    let places = [
        "/kind",
        "/apiVersion",
        "/spec",
        "/status/expirationTimestamp",
        "/metadata/name",
    ];
    on.see(
        "POST",
        path,
        "",
        request(json!({"audiences": ["istio-ca"], "expirationSeconds": 3600})),
        &places,
    )
    .await;
    on.see(
        "POST",
        path,
        "",
        request(json!({"audiences": ["istio-ca"]})),
        &places,
    )
    .await;
    on.post(path, request(json!({"expirationSeconds": 10})))
        .await;
    on.post("v1~serviceaccounts/none/token", request(json!({})))
        .await;
}

fn eviction(name: &str) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}})
}

async fn an_eviction(on: &Scene) {
    on.account().await;
    on.given("v1~pods", pod("a")).await;
    on.post("v1~pods/a/eviction?dryRun=All", eviction("a"))
        .await;
    on.post("v1~pods/a/eviction", eviction("b")).await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
}

async fn an_eviction_against_a_budget(on: &Scene) {
    on.account().await;
    let mut running = pod("a");
    running["spec"]["nodeName"] = json!("nowhere");
    on.given("v1~pods", running).await;
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    on.ask("PATCH", "v1~pods/a/status", MERGE, ready).await;
    on.given("policy/v1~poddisruptionbudgets", json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})).await;
    let status = json!({"observedGeneration": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0});
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b/status",
        MERGE,
        json!({"status": status}),
    )
    .await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
    on.ask(
        "PATCH",
        "policy/v1~poddisruptionbudgets/b/status",
        MERGE,
        json!({"status": {"disruptionsAllowed": 1, "currentHealthy": 2}}),
    )
    .await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
    let places = ["/status/disruptionsAllowed", "/status/disruptedPods"];
    on.see(
        "GET",
        "policy/v1~poddisruptionbudgets/b",
        "",
        Value::Null,
        &places,
    )
    .await;
    on.given("policy/v1~poddisruptionbudgets", json!({"metadata": {"name": "c"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})).await;
    on.post("v1~pods/a/eviction", eviction("a")).await;
}

fn review(kind: &str, spec: Value) -> Value {
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec})
}

async fn a_review_of_oneself(on: &Scene) {
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let spec = json!({"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}});
    on.see(
        "POST",
        path,
        "",
        review("SelfSubjectAccessReview", spec.clone()),
        &["/kind", "/spec", "/status/allowed"],
    )
    .await;
    on.see(
        "POST",
        path,
        "user:nobody",
        review("SelfSubjectAccessReview", spec),
        &["/kind", "/spec", "/status/allowed"],
    )
    .await;
}

async fn a_review_of_somebody_else(on: &Scene) {
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let spec = json!({"user": "nobody", "resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}});
    on.see(
        "POST",
        path,
        "",
        review("SubjectAccessReview", spec),
        &["/spec", "/status"],
    )
    .await;
    let spec = json!({"user": "anybody", "groups": ["system:masters"], "resourceAttributes": {"verb": "delete", "resource": "pods"}});
    on.see(
        "POST",
        path,
        "",
        review("SubjectAccessReview", spec),
        &["/spec", "/status/allowed"],
    )
    .await;
    let spec = json!({"resourceAttributes": {"verb": "delete", "resource": "pods"}});
    on.post(path, review("SubjectAccessReview", spec)).await;
}

async fn a_review_of_nothing(on: &Scene) {
    on.post(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        review("SelfSubjectAccessReview", json!({})),
    )
    .await;
}

async fn a_stranger_is_forbidden(on: &Scene) {
    let user = "user:nobody";
    on.call("GET", "v1~configmaps/a", user, Value::Null).await;
    on.call("GET", "v1~configmaps", user, Value::Null).await;
    on.call("POST", "apps/v1~deployments", user, workload("web"))
        .await;
    on.call("DELETE", "v1~configmaps", user, Value::Null).await;
    on.call("PATCH", "apps/v1~deployments/web/scale", user, json!({}))
        .await;
    on.call("GET", "/api/v1/namespaces", user, Value::Null)
        .await;
    on.call("GET", "/api/v1/namespaces/default", user, Value::Null)
        .await;
    on.call("GET", "/api/v1/pods?watch=true", user, Value::Null)
        .await;
    on.call(
        "GET",
        "v1~configmaps/a",
        "user:system:serviceaccount:default:robot",
        Value::Null,
    )
    .await;
}

async fn role(on: &Scene, rules: Value) {
    on.given(
        "rbac.authorization.k8s.io/v1~roles",
        json!({"metadata": {"name": "reader"}, "rules": rules}),
    )
    .await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "robot"}, {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "reader"}]);
    let reference =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"});
    let mut subjects = subjects;
    subjects[0]["namespace"] = json!(on.namespace());
    on.given(
        "rbac.authorization.k8s.io/v1~rolebindings",
        json!({"metadata": {"name": "readers"}, "subjects": subjects, "roleRef": reference}),
    )
    .await;
    // The authorizer of a real server learns of it a moment later.
    for _ in 0..600 {
        let answer = on.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "", review("SubjectAccessReview", json!({"user": "reader",
            "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": on.namespace(), "name": "a"}}))).await;
        if answer.body["status"]["allowed"] == true {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn a_role_gives_what_it_says(on: &Scene) {
    role(on, json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}, {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["*"]}])).await;
    on.given("v1~configmaps", config("a")).await;
    on.given("apps/v1~deployments", workload("web")).await;
    let robot = format!("user:system:serviceaccount:{}:robot", on.namespace());
    for user in ["user:reader", robot.as_str()] {
        on.see("GET", "v1~configmaps/a", user, Value::Null, &["/data"])
            .await;
        on.see("GET", "v1~configmaps", user, Value::Null, &["/kind"])
            .await;
        on.call("DELETE", "v1~configmaps/a", user, Value::Null)
            .await;
        on.see(
            "GET",
            "apps/v1~deployments/web/scale",
            user,
            Value::Null,
            &["/kind"],
        )
        .await;
        on.call("GET", "apps/v1~deployments/web", user, Value::Null)
            .await;
        on.call("GET", "/api/v1/configmaps", user, Value::Null)
            .await;
    }
}

async fn a_name_in_a_role(on: &Scene) {
    role(on, json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get", "list", "create"]}])).await;
    three(on).await;
    let user = "user:reader";
    on.see("GET", "v1~configmaps/a", user, Value::Null, &["/data"])
        .await;
    on.call("GET", "v1~configmaps/b", user, Value::Null).await;
    on.call("GET", "v1~configmaps", user, Value::Null).await;
    on.see(
        "GET",
        "v1~configmaps?fieldSelector=metadata.name%3Da",
        user,
        Value::Null,
        &["/kind"],
    )
    .await;
    on.call("POST", "v1~configmaps", user, config("a")).await;
}

async fn a_verb_that_is_not_served(on: &Scene) {
    on.put("v1~configmaps", config("a")).await;
    on.post("v1~configmaps/a", config("a")).await;
    on.get("v1~pods/a/eviction").await;
    on.get("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        .await;
}

fn odd(name: &str) -> Value {
    let mut deployment = workload(name);
    deployment["spec"]["colour"] = json!("red");
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = json!("Always");
    deployment
}

async fn an_unknown_field_is_dropped(on: &Scene) {
    let places = ["/spec/colour", "/spec/template/spec/containers"];
    on.see(
        "POST",
        "apps/v1~deployments?fieldValidation=Ignore",
        "",
        odd("web"),
        &places,
    )
    .await;
    on.see(
        "PATCH",
        "apps/v1~deployments/web?fieldValidation=Ignore",
        MERGE,
        json!({"spec": {"colour": "blue"}}),
        &places,
    )
    .await;
}

async fn an_unknown_field_in_strict_mode(on: &Scene) {
    on.post("apps/v1~deployments?fieldValidation=Strict", odd("web"))
        .await;
    on.given("apps/v1~deployments", workload("web")).await;
    on.put("apps/v1~deployments/web?fieldValidation=Strict", odd("web"))
        .await;
    on.patch(
        MERGE,
        "apps/v1~deployments/web?fieldValidation=Strict",
        json!({"spec": {"colour": "blue"}}),
    )
    .await;
    on.see(
        "PATCH",
        "apps/v1~deployments/web?fieldValidation=Strict",
        MERGE,
        json!({"spec": {"replicas": 2}}),
        &["/spec/replicas"],
    )
    .await;
    on.post("v1~configmaps?fieldValidation=Loose", config("a"))
        .await;
}

async fn an_unknown_field_in_warn_mode(on: &Scene) {
    on.see(
        "POST",
        "apps/v1~deployments?fieldValidation=Warn",
        "",
        odd("web"),
        &["/spec/colour"],
    )
    .await;
    on.see(
        "POST",
        "apps/v1~deployments",
        "",
        odd("other"),
        &["/spec/colour"],
    )
    .await;
    on.see(
        "PATCH",
        "apps/v1~deployments/web",
        MERGE,
        json!({"spec": {"colour": "blue"}}),
        &["/spec/colour"],
    )
    .await;
}

async fn a_field_of_the_wrong_type(on: &Scene) {
    let mut deployment = workload("web");
    deployment["spec"]["replicas"] = json!("three");
    let answer = on.ask("POST", "apps/v1~deployments", "", deployment).await;
    // The rest of the message is Go's.
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
    on.given("apps/v1~deployments", workload("web")).await;
    let answer = on
        .ask(
            "PATCH",
            "apps/v1~deployments/web",
            MERGE,
            json!({"spec": {"replicas": "three"}}),
        )
        .await;
    on.observe("refused", json!([answer.code, answer.body["reason"]]));
}

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
