//! The server seen through `kube::Client`.

use super::*;
use futures::StreamExt as _;
use futures::TryStreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
        },
    })
}

fn pod(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a typed object")
}

fn status(result: Result<impl std::fmt::Debug, kube::Error>) -> (u16, String, String) {
    match result.expect_err("the server must refuse") {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("no status: {other:?}"),
    }
}

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
async fn lists_come_in_chunks_of_one_moment() {
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    for name in ["a", "b", "c"] {
        api.create(
            &PostParams::default(),
            &typed(pod(name, &json!({"app": name}))),
        )
        .await
        .expect("created");
    }
    let first = api
        .list(&ListParams::default().limit(2))
        .await
        .expect("listed");
    assert_eq!(
        (first.items.len(), first.metadata.remaining_item_count),
        (2, Some(1))
    );
    api.delete("c", &DeleteParams::default())
        .await
        .expect("deleted");
    let token = first.metadata.continue_.expect("more to come");
    let rest = api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .expect("listed");
    assert_eq!(rest.items[0].name_any(), "c");
    assert_eq!(
        rest.metadata.resource_version,
        first.metadata.resource_version
    );
    server.compact();
    let (code, reason, _) = status(
        api.list(&ListParams::default().continue_token(&token))
            .await,
    );
    assert_eq!((code, reason.as_str()), (410, "Expired"));
    let selected = api
        .list(&ListParams::default().labels("app in (a,x)"))
        .await
        .expect("listed");
    assert_eq!(selected.items.len(), 1);
    let selected = api
        .list(&ListParams::default().fields("status.phase!=Pending"))
        .await
        .expect("listed");
    assert_eq!(selected.items.len(), 0);
}

async fn next(
    stream: &mut (impl futures::Stream<Item = Result<WatchEvent<Pod>, kube::Error>> + Unpin),
) -> String {
    match stream.next().await {
        Some(Ok(WatchEvent::Added(pod))) => format!("added {}", pod.name_any()),
        Some(Ok(WatchEvent::Modified(pod))) => format!("modified {}", pod.name_any()),
        Some(Ok(WatchEvent::Deleted(pod))) => format!("deleted {}", pod.name_any()),
        Some(Ok(WatchEvent::Bookmark(bookmark))) => {
            format!("bookmark {:?}", bookmark.metadata.annotations.len())
        }
        Some(Ok(WatchEvent::Error(status))) => format!("error {}", status.code),
        Some(Err(error)) => format!("failed {error}"),
        None => "end".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_objects_enter_and_leave_its_selector() {
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    let mut events = Box::pin(
        api.watch(&WatchParams::default().labels("app=x").timeout(120), "0")
            .await
            .expect("watched"),
    );
    api.create(
        &PostParams::default(),
        &typed(pod("a", &json!({"app": "y"}))),
    )
    .await
    .expect("created");
    for app in ["x", "x", "y"] {
        let patch = json!({"metadata": {"labels": {"app": app}, "annotations": {"step": app.to_owned() + &server.records().len().to_string()}}});
        api.patch("a", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("patched");
    }
    let seen = [
        next(&mut events).await,
        next(&mut events).await,
        next(&mut events).await,
    ];
    assert_eq!(seen, ["added a", "modified a", "deleted a"]);
    assert_eq!(next(&mut events).await, "bookmark 0");
    server.compact();
    let mut late = Box::pin(
        api.watch(&WatchParams::default(), "2")
            .await
            .expect("a watch fails in its stream"),
    );
    assert_eq!(
        (
            next(&mut late).await.as_str(),
            next(&mut late).await.as_str()
        ),
        ("error 410", "end")
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_more_has_happened_to_than_is_kept_is_told_so() {
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    let mut stream = std::pin::pin!(
        api.watch(&WatchParams::default(), "0")
            .await
            .expect("watched"),
    );
    let namespace = |number: usize| {
        let labels = json!({"number": number.to_string()});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "busy", "labels": labels}})
    };
    server.seed(&pod("a", &json!({})));
    for number in 0..store::HISTORY {
        server.seed(&namespace(number));
    }
    assert_eq!(next(&mut stream).await, "error 410");
    assert_eq!(next(&mut stream).await, "end");
}

#[tokio::test(start_paused = true)]
async fn kubes_own_watcher_is_satisfied_in_both_modes() {
    use kube::runtime::watcher;
    let server = ApiServer::default();
    let api: Api<Pod> = Api::default_namespaced(server.client("test"));
    api.create(&PostParams::default(), &typed(pod("a", &json!({}))))
        .await
        .expect("created");
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let events: Vec<_> = watcher(api.clone(), config)
            .take(3)
            .try_collect()
            .await
            .expect("events");
        let kinds: Vec<&str> = events
            .iter()
            .map(|event| match event {
                watcher::Event::Init => "init",
                watcher::Event::InitApply(_) => "object",
                watcher::Event::InitDone => "done",
                _ => "more",
            })
            .collect();
        assert!(kinds.starts_with(&["init", "object"]), "{kinds:?}");
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

#[tokio::test(start_paused = true)]
async fn a_stored_definition_is_discovered_and_served() {
    let server = ApiServer::default();
    server.seed(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "envoyfilters.networking.istio.io"},
        "spec": {"group": "networking.istio.io", "scope": "Namespaced", "names": {"plural": "envoyfilters", "kind": "EnvoyFilter"},
            "versions": [{"name": "v1alpha3", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    }));
    let client = server.client("test");
    let kind = kube::core::GroupVersionKind::gvk("networking.istio.io", "v1alpha3", "EnvoyFilter");
    let (resource, _) = kube::discovery::pinned_kind(&client, &kind)
        .await
        .expect("discovered");
    let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    let filter = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "f"}, "spec": {"a": [1]}});
    api.patch("f", &PatchParams::apply("plan"), &Patch::Apply(&filter))
        .await
        .expect("applied");
    assert_eq!(
        api.get("f").await.expect("read").data["spec"],
        json!({"a": [1]})
    );
    let discovery = kube::Discovery::new(client)
        .run_aggregated()
        .await
        .expect("aggregated discovery");
    assert!(discovery.resolve_gvk(&kind).is_some());
}

struct Sidecar;

impl Admission for Sidecar {
    fn mutate(&self, webhook: &Value, mut object: Value) -> Result<Value, String> {
        if webhook["clientConfig"]["service"]["name"] == "istiod-gone" {
            return Err("no endpoints available for service \"istiod-gone\"".to_owned());
        }
        object["metadata"]["annotations"]["sidecar.istio.io/status"] = json!("{}");
        Ok(object)
    }
}

#[tokio::test(start_paused = true)]
async fn webhooks_match_by_namespace_and_fail_closed() {
    let server = ApiServer::default();
    server.set_admission(Arc::new(Sidecar));
    let hook = |service: &str, label: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": service},
            "webhooks": [{
                "name": "rev.namespace.sidecar-injector.istio.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"name": service, "namespace": "istio-system", "path": "/inject"}},
                "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
                "namespaceSelector": {"matchLabels": {"istio.io/rev": label}},
            }],
        })
    };
    server.seed(&hook("istiod", "canary"));
    server.seed(&hook("istiod-gone", "gone"));
    let client = server.client("test");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client);
    let label =
        |revision: &str| Patch::Merge(json!({"metadata": {"labels": {"istio.io/rev": revision}}}));

    let plain = pods
        .create(&PostParams::default(), &typed(pod("a", &json!({}))))
        .await
        .expect("created");
    assert!(plain.annotations().is_empty());
    namespaces
        .patch("default", &PatchParams::default(), &label("canary"))
        .await
        .expect("labelled");
    let injected = pods
        .create(&PostParams::default(), &typed(pod("b", &json!({}))))
        .await
        .expect("created");
    assert!(
        injected
            .annotations()
            .contains_key("sidecar.istio.io/status")
    );
    namespaces
        .patch("default", &PatchParams::default(), &label("gone"))
        .await
        .expect("labelled");
    let (code, _, message) = status(
        pods.create(&PostParams::default(), &typed(pod("c", &json!({}))))
            .await,
    );
    assert_eq!(code, 500);
    assert_eq!(
        message,
        "Internal error occurred: failed calling webhook \"rev.namespace.sidecar-injector.istio.io\": failed to call webhook: Post \"https://istiod-gone.istio-system.svc:443/inject?timeout=10s\": no endpoints available for service \"istiod-gone\""
    );
}

#[tokio::test(start_paused = true)]
async fn faults_strike_the_requests_they_name() {
    let server = ApiServer::default();
    server.add_fault(
        Fault::when(
            |record| record.verb == "list",
            Effect::Fail(StatusError::too_many_requests("slow down", 1)),
        )
        .times(1),
    );
    server.add_fault(Fault::when(
        |record| record.verb == "watch",
        Effect::CutWatch(1),
    ));
    let api: Api<Namespace> = Api::all(server.client("plan/0.1"));
    assert_eq!(status(api.list(&ListParams::default()).await).0, 429);
    assert_eq!(
        api.list(&ListParams::default())
            .await
            .expect("only once")
            .items
            .len(),
        4
    );
    let events: Vec<_> = api
        .watch(&WatchParams::default(), "0")
        .await
        .expect("watched")
        .try_collect()
        .await
        .expect("cut cleanly");
    assert_eq!(events.len(), 1);
    let codes: Vec<_> = server
        .records()
        .iter()
        .map(|record| (record.verb.clone(), record.agent.clone(), record.code))
        .collect();
    assert_eq!(codes[0], ("list".to_owned(), "plan/0.1".to_owned(), 429));
}

#[tokio::test(start_paused = true)]
async fn access_is_reviewed_and_refused() {
    use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
    let server = ApiServer::default();
    server.set_authorizer(|asked| asked.verb != "delete");
    let client = server.client("test");
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = |verb: &str| {
        typed(
            json!({"metadata": {}, "spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}}}),
        )
    };
    for (verb, allowed) in [("delete", false), ("get", true)] {
        let answer = reviews
            .create(&PostParams::default(), &review(verb))
            .await
            .expect("answered");
        assert_eq!(answer.status.map(|status| status.allowed), Some(allowed));
    }
    let pods: Api<Pod> = Api::default_namespaced(client);
    let refused = status(pods.delete("a", &DeleteParams::default()).await);
    assert_eq!(
        refused.2,
        "pods \"a\" is forbidden: User \"kubernetes-admin\" cannot delete resource \"pods\" in API group \"\" in the namespace \"default\""
    );
}

struct Echo;

impl Listener for Echo {
    fn connect(&self, _: &str, _: &str, port: u16, mut stream: tokio::io::DuplexStream) -> bool {
        tokio::spawn(async move {
            let mut buffer = [0; 5];
            stream.read_exact(&mut buffer).await?;
            stream.write_all(&buffer).await
        });
        port == 15014
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_forward_reaches_the_pods_listener() {
    let server = ApiServer::default();
    server.set_listener(Arc::new(Echo));
    let mut running = pod("a", &json!({}));
    running["status"] = json!({"phase": "Running"});
    server.seed(&running);
    let pods: Api<Pod> = Api::default_namespaced(server.client("test"));
    let mut forward = pods.portforward("a", &[15014]).await.expect("upgraded");
    let mut stream = forward.take_stream(15014).expect("the port");
    stream.write_all(b"hello").await.expect("sent");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.expect("echoed");
    assert_eq!(&answer, b"hello");
    let mut closed = pods.portforward("a", &[9]).await.expect("upgraded");
    let error = closed.take_error(9).expect("the channel").await;
    assert!(error.is_some_and(|text| text.contains("connection refused")));
}

#[tokio::test(start_paused = true)]
async fn only_metadata_is_sent_where_only_that_is_asked() {
    let api: Api<Namespace> = Api::all(ApiServer::default().client("test"));
    let partial = api.get_metadata("default").await.expect("read");
    assert_eq!(partial.name_any(), "default");
    assert_eq!(
        api.list_metadata(&ListParams::default())
            .await
            .expect("listed")
            .items
            .len(),
        4
    );
}

#[tokio::test(start_paused = true)]
async fn roles_and_bindings_decide_where_they_are_asked_to() {
    let server = ApiServer::default();
    server.evaluate_rbac();
    for object in [
        json!({"kind": "Role", "metadata": {"name": "reader", "namespace": "default"},
            "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/portforward"], "resourceNames": ["a"]}]}),
        json!({"kind": "RoleBinding", "metadata": {"name": "reader", "namespace": "default"},
            "subjects": [{"kind": "ServiceAccount", "name": "plan", "namespace": "ci"}], "roleRef": {"kind": "Role", "name": "reader"}}),
    ] {
        let mut object = object;
        object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        server.seed(&object);
    }
    let ask = |verb: &str, subresource: &str, name: &str, user: &str| {
        let asked = Attributes {
            user: User::named(user),
            verb: verb.to_owned(),
            resource: "pods".to_owned(),
            subresource: subresource.to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        };
        server.shared.allowed(&asked)
    };
    let plan = "system:serviceaccount:ci:plan";
    assert!(ask("get", "", "a", plan) && ask("get", "portforward", "a", plan));
    assert!(
        !ask("get", "", "b", plan)
            && !ask("delete", "", "a", plan)
            && !ask("get", "", "a", "other")
    );
    assert!(ask("delete", "", "a", "kubernetes-admin"));
}

#[tokio::test(start_paused = true)]
async fn kubectls_validation_finds_its_parameter() {
    let server = ApiServer::default();
    let client = server.client("test");
    let request = |path: &str| {
        http::Request::get(path)
            .body(Vec::new())
            .expect("a request")
    };
    let index: Value = client
        .request(request("/openapi/v3"))
        .await
        .expect("an index");
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .expect("listed")
        .to_owned();
    let document: Value = client.request(request(&url)).await.expect("a document");
    let patch =
        &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"]["kind"],
        "Deployment"
    );
    assert!(
        object::items(patch, "parameters").any(|parameter| parameter["name"] == "fieldValidation")
    );
    // What `kubectl explain deployment.spec.strategy.rollingUpdate` walks through.
    let schemas = &document["components"]["schemas"];
    let mut at = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        at["x-kubernetes-group-version-kind"][0]["kind"],
        "Deployment"
    );
    for field in ["spec", "strategy", "rollingUpdate"] {
        let property = &at["properties"][field];
        assert!(property["description"].is_string(), "{field}: {property}");
        let reference = [&property["$ref"], &property["allOf"][0]["$ref"]];
        let reference = reference
            .into_iter()
            .find_map(Value::as_str)
            .expect("a reference");
        let name = reference
            .strip_prefix("#/components/schemas/")
            .expect("local");
        at = &schemas[name];
    }
    assert!(
        at["properties"]["maxSurge"]["description"].is_string(),
        "{at}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_definition_brings_its_documentation_and_its_columns() {
    let server = ApiServer::default();
    let definition = |text: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "description": text, "properties": {"spec": {
                        "type": "object", "properties": {"size": {"type": "integer", "description": "How large."}}}}}},
                }],
            },
        })
    };
    server.seed(&definition("A widget."));
    server.seed(&json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"}, "spec": {"size": 3}}));
    let client = server.client("test");
    let get = async |path: &str, accept: &str| -> Value {
        let request = http::Request::get(path)
            .header("accept", accept)
            .body(Vec::new());
        client
            .request(request.expect("a request"))
            .await
            .expect("an answer")
    };
    let url = async || {
        let index = get("/openapi/v3", "application/json").await;
        index["paths"]["apis/example.com/v1"]["serverRelativeURL"]
            .as_str()
            .expect("listed")
            .to_owned()
    };
    let first = url().await;
    let document = get(&first, "application/json").await;
    let widget = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(widget["description"], "A widget.");
    assert_eq!(
        widget["properties"]["spec"]["properties"]["size"]["description"],
        "How large."
    );
    assert!(
        document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]
            .is_object()
    );
    // kubectl keeps a document for as long as its address is the same.
    server.seed(&definition("Another widget."));
    assert_ne!(url().await, first);

    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let path = "/apis/example.com/v1/namespaces/default/widgets";
    let table = get(path, accept).await;
    let titles: Vec<&Value> = object::items(&table, "columnDefinitions")
        .map(|one| &one["name"])
        .collect();
    assert_eq!(titles, ["Name", "Size"]);
    assert_eq!(table["rows"][0]["cells"], json!(["w", 3]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let whole = get(&format!("{path}?includeObject=Object"), accept).await;
    assert_eq!(whole["rows"][0]["object"]["spec"]["size"], 3);
}

async fn ask(
    client: &kube::Client,
    method: &str,
    path: &str,
    user: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("impersonate-user", user)
        .body(serde_json::to_vec(body).expect("json"))
        .expect("a request");
    client.request(request).await
}

#[tokio::test(start_paused = true)]
async fn a_user_learns_who_they_are_and_what_they_may_do() {
    let server = ApiServer::default();
    server.evaluate_rbac();
    let robot = "system:serviceaccount:default:robot";
    server.seed(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "default"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}));
    server.seed(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "r", "namespace": "default"},
        "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]}));
    let client = server.client("test");
    let review = |kind: &str| {
        (
            format!("/apis/authorization.k8s.io/v1/{}s", kind.to_lowercase()),
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind}),
        )
    };

    let (path, mut body) = review("SelfSubjectRulesReview");
    body["spec"] = json!({"namespace": "default"});
    let rules = ask(&client, "POST", &path, robot, &body)
        .await
        .expect("answered");
    assert!(
        object::items(&rules["status"], "resourceRules")
            .any(|rule| rule["resources"] == json!(["pods"])),
        "{rules}"
    );
    assert!(
        object::items(&rules["status"], "nonResourceRules")
            .any(|rule| rule["verbs"] == json!(["get"])),
        "{rules}"
    );

    for (url, allowed) in [("/api/v1", true), ("/healthz", true), ("/metrics", false)] {
        let (path, mut body) = review("SelfSubjectAccessReview");
        body["spec"] = json!({"nonResourceAttributes": {"path": url, "verb": "get"}});
        let answer = ask(&client, "POST", &path, robot, &body)
            .await
            .expect("answered");
        assert_eq!(answer["status"]["allowed"], allowed, "{url}");
    }

    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let who = ask(
        &client,
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        robot,
        &body,
    )
    .await
    .expect("answered");
    let info = json!({"username": robot, "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]});
    assert_eq!(who["status"]["userInfo"], info);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_says_so() {
    let server = ApiServer::default();
    server.seed(&pod("a", &json!({})));
    let client = server.client("test");
    for subresource in ["log", "exec", "attach", "proxy"] {
        let path = |name: &str| format!("/api/v1/namespaces/default/pods/{name}/{subresource}");
        let (code, _, message) =
            status(ask(&client, "GET", &path("a"), "kubernetes-admin", &Value::Null).await);
        assert_eq!(code, 400);
        assert!(message.contains("simulation"), "{message}");
        let missing =
            status(ask(&client, "GET", &path("b"), "kubernetes-admin", &Value::Null).await);
        assert_eq!(missing.0, 404);
    }
}

#[tokio::test]
async fn the_port_opens_for_its_tokens_alone() {
    let server = ApiServer::default();
    server.evaluate_rbac();
    let door = server.open(0).await.expect("a free port");
    let config: kube::config::Kubeconfig =
        serde_yaml::from_str(&door.kubeconfig()).expect("a kubeconfig");
    tokio::spawn(door.serve());
    let client = async |token: Option<&str>| {
        let mut config = config.clone();
        if let (Some(token), Some(user)) = (token, &mut config.auth_infos[0].auth_info) {
            user.token = Some(token.to_owned().into());
        }
        let config = kube::Config::from_custom_kubeconfig(
            config,
            &kube::config::KubeConfigOptions::default(),
        )
        .await;
        kube::Client::try_from(config.expect("a whole config")).expect("a client")
    };
    let admin = client(None).await;
    let pods: Api<Pod> = Api::default_namespaced(admin.clone());
    assert_eq!(
        pods.list(&ListParams::default())
            .await
            .expect("allowed")
            .items
            .len(),
        0
    );
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let body = json!({"metadata": {"name": "robot"}});
    ask(&admin, "POST", accounts, "kubernetes-admin", &body)
        .await
        .expect("created");
    let made = ask(
        &admin,
        "POST",
        &format!("{accounts}/robot/token"),
        "kubernetes-admin",
        &json!({}),
    )
    .await
    .expect("a token");
    let token = made["status"]["token"].as_str().expect("text").to_owned();

    let robot: Api<Pod> = Api::default_namespaced(client(Some(&token)).await);
    let (code, _, message) = status(robot.list(&ListParams::default()).await);
    assert_eq!(code, 403);
    assert!(
        message.contains("User \"system:serviceaccount:default:robot\" cannot list"),
        "{message}"
    );
    let (code, _, message) = status(
        ask(
            &client(Some(&token)).await,
            "GET",
            "/api/v1/namespaces/default/pods",
            "ann",
            &Value::Null,
        )
        .await,
    );
    assert_eq!(
        (
            code,
            message.contains("cannot impersonate resource \"users\"")
        ),
        (403, true),
        "{message}"
    );
    ask(
        &admin,
        "DELETE",
        &format!("{accounts}/robot"),
        "kubernetes-admin",
        &Value::Null,
    )
    .await
    .expect("deleted");
    for token in [token.as_str(), "guessed"] {
        let stranger: Api<Pod> = Api::default_namespaced(client(Some(token)).await);
        let (code, reason, _) = status(stranger.list(&ListParams::default()).await);
        assert_eq!((code, reason.as_str()), (401, "Unauthorized"));
    }
}
