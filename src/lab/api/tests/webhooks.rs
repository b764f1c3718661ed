//! Webhooks that are called.

use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt as _;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

struct Sidecar;

impl Admission for Sidecar {
    fn mutate(&self, webhook: &Value, mut object: Value) -> Result<Value, String> {
        if webhook["clientConfig"]["service"]["name"] == "istiod-gone" {
            return Err("no endpoints available for service \"istiod-gone\"".to_owned());
        }
        object["metadata"]["annotations"]["sidecar.istio.io/status"] = json!("{}");
        Ok(object)
    }

    fn validate(&self, webhook: &Value) -> Result<(), String> {
        self.mutate(webhook, json!({"metadata": {"annotations": {}}}))
            .map(|_| ())
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
async fn validating_webhooks_see_what_is_made_and_changed() {
    let server = ApiServer::default();
    server.set_admission(Arc::new(Sidecar));
    let client = server.client("test");
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let labelled = |name: &str, checked: bool| {
        let labels = json!({"checked": checked.to_string()});
        typed(json!({"metadata": {"name": name, "labels": labels}}))
    };
    let create = PostParams::default();
    maps.create(&create, &labelled("before", true))
        .await
        .expect("nobody is asked");
    server.seed(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "gone"},
        "webhooks": [{
            "name": "gone.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "istiod-gone", "namespace": "istio-system", "path": "/validate"}},
            "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
            "objectSelector": {"matchLabels": {"checked": "true"}},
        }],
    }));
    maps.create(&create, &labelled("a", false))
        .await
        .expect("not selected");
    let why = "Internal error occurred: failed calling webhook \"gone.example.com\": failed to call webhook: Post \"https://istiod-gone.istio-system.svc:443/validate?timeout=10s\": no endpoints available for service \"istiod-gone\"";
    let refused = status(maps.create(&create, &labelled("b", true)).await);
    assert_eq!((refused.0, refused.2.as_str()), (500, why));
    let patch = Patch::Merge(json!({"data": {"a": "1"}}));
    let refused = status(maps.patch("before", &PatchParams::default(), &patch).await);
    assert_eq!(refused.2, why);
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .expect("not selected");
}

/// Writes to the object that it is asked about, once.
struct Meddler(ApiServer, AtomicBool, &'static str);

impl Admission for Meddler {
    fn mutate(&self, _: &Value, object: Value) -> Result<Value, String> {
        Ok(object)
    }

    fn validate(&self, _: &Value) -> Result<(), String> {
        if !self.1.swap(true, Ordering::Relaxed) {
            self.0.seed(&json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {self.2: "1"},
            }));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_named_revision_conflicts_with_who_writes_in_between() {
    let apply = PatchParams::apply("test").force();
    let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"own": "1"}});
    for (exists, parameters, patch) in [
        (true, PatchParams::default(), Patch::Merge(own.clone())),
        (true, PatchParams::default(), Patch::Strategic(own.clone())),
        (true, apply.clone(), Patch::Apply(own.clone())),
        (false, apply, Patch::Apply(own.clone())),
    ] {
        let server = ApiServer::default();
        let maps: Api<ConfigMap> = Api::default_namespaced(server.client("test"));
        if exists {
            maps.create(
                &PostParams::default(),
                &typed(json!({"metadata": {"name": "a"}})),
            )
            .await
            .expect("created");
        }
        server.seed(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "slow"},
            "webhooks": [{
                "name": "slow.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"name": "istiod", "namespace": "istio-system", "path": "/validate"}},
                "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
            }],
        }));
        let meddles = |key| Arc::new(Meddler(server.clone(), AtomicBool::new(false), key));
        server.set_admission(meddles("theirs"));
        let data = maps
            .patch("a", &parameters, &patch)
            .await
            .expect("patched")
            .data;
        let both = [("own", "1"), ("theirs", "1")].map(|(key, value)| (key.into(), value.into()));
        assert_eq!(data, Some(both.into()), "{patch:?}");

        server.set_admission(meddles("again"));
        let mut next = maps.get("a").await.expect("there");
        next.data = Some([("late".to_owned(), "1".to_owned())].into());
        let refused = status(maps.replace("a", &PostParams::default(), &next).await);
        assert_eq!((refused.0, refused.1.as_str()), (409, "Conflict"));
    }
}
