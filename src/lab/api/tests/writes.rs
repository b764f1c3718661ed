//! Creates, patches, applies and deletes.

use super::*;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;

#[tokio::test(start_paused = true)]
async fn a_deployment_is_completed_counted_and_guarded() {
    let api: Api<Deployment> = Api::default_namespaced(ApiServer::default().client("test"));
    let made = api
        .create(&PostParams::default(), &typed(deployment("web")))
        .await
        .expect("created");
    assert_eq!(made.metadata.generation, Some(1));
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    assert_eq!(made.spec.as_ref().and_then(|spec| spec.replicas), Some(1));

    let again = status(
        api.create(&PostParams::default(), &typed(deployment("web")))
            .await,
    );
    assert_eq!(
        again,
        (
            409,
            "AlreadyExists".to_owned(),
            "deployments.apps \"web\" already exists".to_owned()
        )
    );

    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let labelled = api
        .patch("web", &PatchParams::default(), &Patch::Merge(&label))
        .await
        .expect("patched");
    assert_eq!(labelled.metadata.generation, Some(1));
    let scaled = api
        .patch(
            "web",
            &PatchParams::default(),
            &Patch::Merge(&json!({"spec": {"replicas": 3}})),
        )
        .await
        .expect("patched");
    assert_eq!(scaled.metadata.generation, Some(2));

    let stale = status(api.replace("web", &PostParams::default(), &made).await);
    assert_eq!((stale.0, stale.1.as_str()), (409, "Conflict"));
    assert!(stale.2.contains("the object has been modified; please apply your changes to the latest version and try again"));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_is_no_write() {
    let api: Api<Deployment> = Api::default_namespaced(ApiServer::default().client("test"));
    let made = api
        .create(&PostParams::default(), &typed(deployment("web")))
        .await
        .expect("created");
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:1"}]}}}});
    let same = api
        .patch("web", &PatchParams::default(), &Patch::Strategic(&patch))
        .await
        .expect("patched");
    assert_eq!(same.resource_version(), made.resource_version());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_and_stores_nothing() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::default_namespaced(server.client("test"));
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let shown = api
        .create(&dry, &typed(deployment("web")))
        .await
        .expect("would be created");
    assert!(shown.uid().is_some() && shown.resource_version().is_none());
    assert_eq!(api.get_opt("web").await.expect("read"), None);
    api.create(&PostParams::default(), &typed(deployment("web")))
        .await
        .expect("created");
    let revision = server.shared.state().store.revision();
    let patch = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    api.patch(
        "web",
        &patch,
        &Patch::Merge(&json!({"spec": {"replicas": 9}})),
    )
    .await
    .expect("would be patched");
    api.delete(
        "web",
        &DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        },
    )
    .await
    .expect("would be deleted");
    assert_eq!(server.shared.state().store.revision(), revision);
    assert_eq!(
        server
            .records()
            .iter()
            .filter(|record| record.dry_run)
            .count(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_test_of_a_json_patch_is_invalid() {
    let api: Api<Namespace> = Api::all(ApiServer::default().client("test"));
    let swap = |revision: &str| {
        let patch: json_patch_of::Operations = vec![
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": revision}),
            json!({"op": "add", "path": "/metadata/labels/istio.io~1rev", "value": "canary"}),
        ];
        patch
    };
    let namespace = api.get("default").await.expect("read");
    let current = namespace.resource_version().expect("stored");
    let (code, reason, _) = status(json_patch_of::send(&api, "default", &swap("1")).await);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    let patched = json_patch_of::send(&api, "default", &swap(&current))
        .await
        .expect("patched");
    assert_eq!(patched.labels()["istio.io/rev"], "canary");
}

/// JSON patches through the raw client, since kube's typed ones need another crate.
mod json_patch_of {
    use super::*;

    pub(super) type Operations = Vec<Value>;

    pub(super) async fn send(
        api: &Api<Namespace>,
        name: &str,
        operations: &Operations,
    ) -> Result<Namespace, kube::Error> {
        let request = http::Request::patch(format!("{}/{name}", api.resource_url()))
            .header("content-type", "application/json-patch+json")
            .body(serde_json::to_vec(operations).expect("json"))
            .expect("a request");
        api.clone().into_client().request(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn finalizers_hold_and_preconditions_guard() {
    let api: Api<ConfigMap> = Api::default_namespaced(ApiServer::default().client("test"));
    let map =
        json!({"metadata": {"name": "a", "finalizers": ["lab.test/hold"]}, "data": {"k": "v"}});
    api.create(&PostParams::default(), &typed(map))
        .await
        .expect("created");
    let other = DeleteParams::default().preconditions(kube::api::Preconditions {
        uid: Some("other".to_owned()),
        resource_version: None,
    });
    assert_eq!(status(api.delete("a", &other).await).0, 409);
    let held = api
        .delete("a", &DeleteParams::default())
        .await
        .expect("begun")
        .left()
        .expect("still there");
    assert!(held.metadata.deletion_timestamp.is_some());
    api.patch(
        "a",
        &PatchParams::default(),
        &Patch::Merge(&json!({"metadata": {"finalizers": null}})),
    )
    .await
    .expect("released");
    assert_eq!(api.get_opt("a").await.expect("read"), None);
}

#[tokio::test(start_paused = true)]
async fn applies_conflict_by_field_and_name_the_other_manager() {
    let api: Api<Deployment> = Api::default_namespaced(ApiServer::default().client("test"));
    api.create(
        &PostParams {
            field_manager: Some("kubectl-create".to_owned()),
            ..PostParams::default()
        },
        &typed(deployment("web")),
    )
    .await
    .expect("created");
    let mut config = deployment("web");
    config["spec"]["template"]["spec"]["containers"][0]["image"] = json!("app:2");
    let refused = status(
        api.patch("web", &PatchParams::apply("plan"), &Patch::Apply(&config))
            .await,
    );
    assert_eq!(
        refused.2,
        "Apply failed with 1 conflict: conflict with \"kubectl-create\" using apps/v1: .spec.template.spec.containers[name=\"app\"].image"
    );
    let forced = api
        .patch(
            "web",
            &PatchParams::apply("plan").force(),
            &Patch::Apply(&config),
        )
        .await
        .expect("forced");
    let managers: Vec<_> = forced
        .managed_fields()
        .iter()
        .filter_map(|entry| entry.manager.as_deref())
        .collect();
    assert_eq!(managers, ["plan", "kubectl-create"]);
    let again = api
        .patch("web", &PatchParams::apply("plan"), &Patch::Apply(&config))
        .await
        .expect("idempotent");
    assert_eq!(again.resource_version(), forced.resource_version());
}

#[tokio::test(start_paused = true)]
async fn namespaces_must_exist_and_selectors_must_match() {
    let server = ApiServer::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client("test"), "nowhere");
    let missing = status(
        api.create(
            &PostParams::default(),
            &typed(json!({"metadata": {"name": "a"}})),
        )
        .await,
    );
    assert_eq!(
        missing,
        (
            404,
            "NotFound".to_owned(),
            "namespaces \"nowhere\" not found".to_owned()
        )
    );
    let mut wrong = deployment("web");
    wrong["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    let api: Api<Deployment> = Api::default_namespaced(server.client("test"));
    let (code, reason, message) = status(api.create(&PostParams::default(), &typed(wrong)).await);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert!(
        message.starts_with("Deployment.apps \"web\" is invalid: spec.template.metadata.labels:"),
        "{message}"
    );
}
