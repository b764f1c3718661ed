//! A mesh on paused time.

use super::*;
use crate::lab::api::Options;
use crate::lab::controllers;
use crate::mesh::injection::Proxy;
use crate::mesh::proxies::parse_syncz;
use crate::mesh::version::Version;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::json;

struct Lab {
    api: ApiServer,
    _tasks: [JoinHandle<()>; 2],
}

impl Lab {
    async fn new(settings: Settings, revisions: &[(&str, &str)]) -> Self {
        let api = ApiServer::new(&Options::default());
        let tasks = [
            controllers::start(&api, controllers::Settings::default()),
            start(&api, settings),
        ];
        for (version, revision) in revisions {
            let version: Version = version.parse().expect("a version");
            base(&version)
                .iter()
                .chain(&control_plane(&version, revision))
                .for_each(|object| {
                    api.seed(object);
                });
        }
        let lab = Self { api, _tasks: tasks };
        let wanted = revisions.len();
        lab.until(|api| trusted(api) == wanted).await;
        lab
    }

    async fn until(&self, holds: impl Fn(&ApiServer) -> bool) {
        let mut news = self.api.revisions();
        let waited = async {
            while !holds(&self.api) {
                news.changed().await.expect("the server lives");
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(3600), waited).await;
        let pods = self.api.objects("pods", "");
        assert!(waited.is_ok(), "not within an hour: {pods:#?}");
    }

    async fn deploy(&self, labels: Value) -> Arc<Value> {
        self.api.seed(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}));
        self.api.seed(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}},
        }));
        self.until(|api| {
            api.objects("pods", "shop")
                .iter()
                .any(|pod| pod["status"]["phase"] == "Running")
        })
        .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Arc::clone(&self.api.objects("pods", "shop")[0])
    }

    async fn ask(&self, revision: &str, port: u16, path: &str) -> (u16, String) {
        let istiod = Istiod::ready(&self.api)
            .into_iter()
            .find(|istiod| istiod.revision == revision)
            .expect("it runs");
        let pods: Api<Pod> = Api::namespaced(self.api.client("test"), &istiod.namespace);
        let mut forward = pods
            .portforward(&istiod.pod, &[port])
            .await
            .expect("upgraded");
        let stream = forward.take_stream(port).expect("the port");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("http");
        let driver = tokio::spawn(connection);
        let request = http::Request::get(path)
            .header("host", "lab")
            .body(String::new())
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let code = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        driver.abort();
        (code, String::from_utf8_lossy(&body).into_owned())
    }
}

/// How many injectors have their certificates.
fn trusted(api: &ApiServer) -> usize {
    let all = api.objects(
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "",
    );
    all.iter()
        .filter(|one| one["webhooks"][0]["clientConfig"]["caBundle"].is_string())
        .count()
}

#[tokio::test(start_paused = true)]
async fn each_version_leaves_its_own_marks_and_lists_its_proxies() {
    for (version, revision, labels) in [
        ("1.5.10", "default", json!({"istio-injection": "enabled"})),
        ("1.6.14", "canary", json!({"istio.io/rev": "canary"})),
        ("1.29.1", "canary", json!({"istio.io/rev": "canary"})),
    ] {
        let lab = Lab::new(Settings::default(), &[(version, revision)]).await;
        let pod = lab.deploy(labels).await;
        let proxy = Proxy::of(&pod).expect("injected");
        assert_eq!(proxy.revision.as_deref(), Some(revision), "{version}");
        assert_eq!(
            proxy.version.map(|found| found.to_string()).as_deref(),
            Some(version)
        );

        let (_, told) = lab.ask(revision, debug::MONITORING, "/version").await;
        assert_eq!(told, format!("{version}-unknown-unknown"));
        assert_eq!(lab.ask(revision, debug::HTTP, "/ready").await.0, 200);
        let (_, answer) = lab.ask(revision, debug::MONITORING, "/debug/syncz").await;
        let entries = parse_syncz(&answer).expect("a list");
        assert_eq!(entries.len(), 1, "{version}: {answer}");
        assert!(
            entries[0]
                .types
                .values()
                .all(crate::mesh::proxies::TypeState::is_synced)
        );
        let connections = lab
            .ask(revision, debug::MONITORING, "/debug/connections")
            .await
            .0;
        assert_eq!(connections, if version == "1.29.1" { 200 } else { 404 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_with_a_fault_is_seen_as_a_real_one_would_be() {
    for (fault, old, new, text) in [
        (ProxyFault::Nack, 0, 1, "lastError"),
        (ProxyFault::NeverAck, 0, 1, "\"cluster_acked\":\"\""),
        (ProxyFault::StayOld, 1, 0, ""),
        (ProxyFault::Both, 1, 1, ""),
        (ProxyFault::Absent, 0, 0, ""),
    ] {
        let settings = Settings {
            behaviour: Arc::new(move |_| Behaviour {
                fault: Some(fault),
                ..Behaviour::default()
            }),
            ..Settings::default()
        };
        let lab = Lab::new(settings, &[("1.28.2", "default"), ("1.29.1", "canary")]).await;
        lab.deploy(json!({"istio.io/rev": "canary"})).await;
        let before = lab
            .ask("default", debug::MONITORING, "/debug/syncz")
            .await
            .1;
        let after = lab.ask("canary", debug::MONITORING, "/debug/syncz").await.1;
        let count = |answer: &str| parse_syncz(answer).expect("a list").len();
        assert_eq!((count(&before), count(&after)), (old, new), "{fault:?}");
        assert!(after.contains(text), "{fault:?}: {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_live_istiod_pods_are_refused_with_the_real_words() {
    let lab = Lab::new(Settings::default(), &[("1.29.1", "canary")]).await;
    lab.api.seed(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"istio.io/rev": "canary"}}}));
    let scale = json!({"spec": {"replicas": 0}});
    lab.api
        .request(
            "test",
            "PATCH",
            "/apis/apps/v1/namespaces/istio-system/deployments/istiod-canary",
            scale,
        )
        .expect("scaled");
    lab.until(|api| Istiod::behind(api, "istio-system", "istiod-canary").is_none())
        .await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}});
    let refused = lab
        .api
        .request("test", "POST", "/api/v1/namespaces/shop/pods", pod)
        .expect_err("no istiod");
    assert!(
        refused
            .message()
            .ends_with("no endpoints available for service \"istiod-canary\""),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn validators_fail_closed_once_their_istiod_answers() {
    let lab = Lab::new(Settings::default(), &[("1.29.1", "canary")]).await;
    lab.until(|api| {
        let found = api.object(
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            "",
            "istio-validator-canary-istio-system",
        );
        found.is_some_and(|found| found["webhooks"][0]["failurePolicy"] == "Fail")
    })
    .await;
    assert!(
        lab.api
            .object("configmaps", "default", "istio-ca-root-cert")
            .is_some()
    );
}
