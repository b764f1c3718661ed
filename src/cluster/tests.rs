//! The cluster on the embedded API server: what it survives, and what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::{Cluster, ErrorClass, HttpRequest, Object, ObjectRef, Selector, Wait};
use crate::lab::api::{ApiServer, Effect, Fault, Listener, StatusError};

fn cluster(server: &ApiServer) -> Cluster {
    Cluster::from_service(server.service("plan"), false)
}

fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default" }, "data": { "key": value },
    })
}

/// Waits for the value `done` in the config map `a`; gives the reasons that were told.
async fn wait_for_done(cluster: &Cluster) -> Result<Vec<Vec<String>>, super::ClusterError> {
    let mut told = Vec::new();
    cluster
        .wait(
            "v1",
            "ConfigMap",
            Some("default"),
            &Selector::named("a"),
            |objects| match objects.first().map(|o| o.value()["data"]["key"].clone()) {
                Some(value) if value == "done" => Wait::Done(()),
                Some(value) => Wait::Not(vec![format!("it is {value}")]),
                None => Wait::Not(vec!["it is not there".to_owned()]),
            },
            |reasons| told.push(reasons),
        )
        .await?;
    Ok(told)
}

/// Runs a wait while the server's object goes through `values`, one each two minutes.
async fn wait_while(server: &ApiServer, values: &[&str]) -> Vec<Vec<String>> {
    let script = async {
        for value in values {
            // Paused time moves on only when all else has come to rest.
            tokio::time::sleep(Duration::from_secs(120)).await;
            server.seed(&config_map("a", value));
        }
        std::future::pending::<()>().await;
    };
    let cluster = cluster(server);
    tokio::select! {
        told = wait_for_done(&cluster) => told.expect("the wait ends well"),
        () = script => unreachable!("the script does not end"),
    }
}

fn verbs(server: &ApiServer, verb: &str) -> usize {
    let records = server.records();
    records.iter().filter(|record| record.verb == verb).count()
}

#[tokio::test(start_paused = true)]
async fn a_wait_lists_once_and_watches_on() {
    let server = ApiServer::default();
    let told = wait_while(&server, &["1", "2", "done"]).await;
    assert_eq!(
        told,
        [["it is not there"], ["it is \"1\""], ["it is \"2\""]]
            .map(|r| r.map(str::to_owned).to_vec())
    );
    assert_eq!(verbs(&server, "list"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_right_before_the_cut_is_judged() {
    let server = ApiServer::default();
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::CutWatch(1)).times(1));
    wait_while(&server, &["done"]).await;
    assert_eq!(
        verbs(&server, "list"),
        1,
        "it goes on from where the watch ended"
    );
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_do_not_flood_the_server() {
    let server = ApiServer::default();
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::CutWatch(0)));
    let cluster = cluster(&server);
    let waited = tokio::time::timeout(Duration::from_secs(60), wait_for_done(&cluster)).await;
    assert!(waited.is_err());
    assert!(verbs(&server, "watch") < 12, "{}", verbs(&server, "watch"));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_version_is_listed_again() {
    let server = ApiServer::default();
    server.add_fault(
        Fault::when(
            |r| r.verb == "watch",
            Effect::Fail(StatusError::new(410, "Expired", "too old resource version")),
        )
        .times(2),
    );
    wait_while(&server, &["1", "done"]).await;
    assert_eq!(verbs(&server, "list"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up() {
    let server = ApiServer::default();
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Silence).times(1));
    wait_while(&server, &["done"]).await;
    assert_eq!(verbs(&server, "watch"), 2);
    assert_eq!(verbs(&server, "list"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_and_waited_out() {
    let server = ApiServer::default();
    let down = StatusError::new(503, "ServiceUnavailable", "etcd is away");
    server.add_fault(
        Fault::when(
            |r| r.verb == "watch" || r.verb == "list",
            Effect::Fail(down),
        )
        .times(20),
    );
    let told = wait_while(&server, &["1", "2", "done"]).await;
    assert!(
        told.iter()
            .flatten()
            .any(|reason| reason.contains("etcd is away; trying again")),
        "{told:?}"
    );
    assert_eq!(
        told[0].len(),
        1,
        "nothing was seen, and nothing is said of it: {told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_not_waited_for() {
    let server = ApiServer::default();
    server.set_authorizer(|attributes| attributes.verb != "watch");
    let error = wait_for_done(&cluster(&server)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_asks_once() {
    let server = ApiServer::default();
    let cluster = Cluster::from_service(server.service("plan"), true);
    let error = wait_for_done(&cluster).await.unwrap_err();
    assert_eq!(error.message, "a dry run does not wait: it is not there");
    cluster
        .create(&Object::new(config_map("a", "done")))
        .await
        .unwrap();
    assert!(wait_for_done(&cluster).await.unwrap().is_empty());
    assert_eq!(verbs(&server, "watch"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_ends() {
    let server = ApiServer::default();
    server.add_fault(Fault::when(
        |r| r.verb == "get",
        Effect::Delay(Duration::from_secs(600)),
    ));
    let object = ObjectRef::namespaced("v1", "ConfigMap", "default", "a");
    let error = cluster(&server).get(&object).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient(None));
    assert_eq!(error.message, "no answer from in-process within 65 s");
}

#[tokio::test(start_paused = true)]
async fn a_long_list_begins_again_when_its_moment_is_forgotten() {
    let server = ApiServer::default();
    for number in 0..600 {
        server.seed(&config_map(&format!("c{number:03}"), "x"));
    }
    let expired = StatusError::new(410, "Expired", "the provided continue parameter is too old");
    server
        .add_fault(Fault::when(|r| r.query.contains("continue="), Effect::Fail(expired)).times(1));
    let found = cluster(&server)
        .list("v1", "ConfigMap", Some("default"), &Selector::default())
        .await
        .unwrap();
    assert_eq!(found.len(), 600);
    assert_eq!(found[599].name(), "c599");
}

fn namespace(name: &str) -> Object {
    Object::new(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
}

fn dry(server: &ApiServer) -> Cluster {
    Cluster::from_service(server.service("plan"), true)
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_builds_upon_what_it_would_have_made() {
    let server = ApiServer::default();
    let cluster = dry(&server);
    let mut inside = Object::new(config_map("a", "1"));
    inside.set_namespace("shop");
    let missing = cluster.apply(&inside, false).await.unwrap_err();
    assert!(missing.is_not_found(), "nothing would make the namespace");

    cluster.apply(&namespace("shop"), false).await.unwrap();
    cluster.apply(&inside, false).await.unwrap();
    let name = ObjectRef::from(&inside);
    let merge = json!({ "data": { "other": "2" } });
    cluster.merge_patch(&name, merge).await.unwrap();
    let operations = json!([
        { "op": "test", "path": "/data/key", "value": "1" },
        { "op": "remove", "path": "/data/key" },
    ]);
    cluster.json_patch(&name, operations.clone()).await.unwrap();
    let found = cluster.get(&name).await.unwrap().unwrap();
    assert_eq!(found.value()["data"], json!({ "other": "2" }));
    let error = cluster.json_patch(&name, operations).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);

    let verbs: Vec<&str> = cluster.take_changes().iter().map(|c| c.verb).collect();
    assert_eq!(verbs, ["apply", "apply", "patch", "patch"]);
    assert!(server.object("namespaces", "", "shop").is_none());
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_kind_to_come_are_modelled() {
    let server = ApiServer::default();
    let cluster = dry(&server);
    let object = Object::new(json!({
        "apiVersion": "example.org/v1", "kind": "Thing",
        "metadata": { "name": "a", "namespace": "default" },
    }));
    assert!(
        cluster
            .apply(&object, false)
            .await
            .unwrap_err()
            .is_not_found()
    );
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.example.org" },
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": { "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }],
        },
    });
    cluster
        .apply(&Object::new(definition), false)
        .await
        .unwrap();
    cluster.apply(&object, false).await.unwrap();
    let things = cluster
        .list("example.org/v1", "Thing", None, &Selector::default())
        .await;
    assert_eq!(things.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_does_not_hold_is_a_conflict() {
    let server = ApiServer::default();
    server.seed(&config_map("a", "1"));
    let name = ObjectRef::namespaced("v1", "ConfigMap", "default", "a");
    let operations = json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": "0" }]);
    let error = cluster(&server)
        .json_patch(&name, operations)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(error.message, "ConfigMap/default/a changed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn another_managers_field_is_named_and_can_be_taken_over() {
    let server = ApiServer::default();
    let cluster = cluster(&server);
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "default" },
        "data": { "key": "theirs" },
    });
    let path = "/api/v1/namespaces/default/configmaps/a?fieldManager=helm";
    server
        .request("helm", "PUT", path, (*server.seed(&theirs)).clone())
        .unwrap();
    let mine = Object::new(config_map("a", "mine"));
    let error = cluster.apply(&mine, false).await.unwrap_err();
    let ErrorClass::FieldManager(fields) = &error.class else {
        panic!("{error:?}");
    };
    assert_eq!(fields.len(), 1);
    assert!(fields[0].starts_with(".data.key: "), "{fields:?}");
    assert_eq!(&cluster.conflicts(&mine).await.unwrap(), fields);
    assert!(cluster.apply(&mine, true).await.unwrap().changed);
    assert!(
        !cluster.apply(&mine, false).await.unwrap().changed,
        "the second apply finds it done"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_that_writes_is_stopped_here() {
    let server = ApiServer::default();
    server.seed(&config_map("a", "1"));
    let cluster = dry(&server);
    let url = "/api/v1/namespaces/default/configmaps/a".to_owned();
    let error = cluster
        .call(http::Method::DELETE, url, None, None)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::ReadOnly);
    assert!(server.records().is_empty());
}

/// Listens on port 8080 of every pod, and says what it was asked and with what token; the first connections may be
/// closed after one answer.
#[derive(Default)]
struct Echo {
    connections: AtomicUsize,
    closing: usize,
}

impl Listener for Echo {
    fn connect(&self, _: &str, _: &str, port: u16, stream: tokio::io::DuplexStream) -> bool {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let keep_alive = number >= self.closing;
        if port == 8080 {
            let service =
                hyper::service::service_fn(|request: http::Request<Incoming>| async move {
                    let token = request.headers().get("authorization");
                    let text = format!("{} {token:?}", request.uri());
                    let code = if token.is_some() { 200 } else { 401 };
                    http::Response::builder()
                        .status(code)
                        .body(Full::new(Bytes::from(text)))
                });
            let serving = hyper::server::conn::http1::Builder::new()
                .keep_alive(keep_alive)
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move { serving.await.is_ok() });
        }
        port == 8080
    }
}

fn forwarding(echo: &Arc<Echo>) -> ApiServer {
    let server = ApiServer::default();
    server.seed(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
        "status": { "phase": "Running" },
    }));
    server.set_listener(Arc::clone(echo) as Arc<dyn Listener>);
    server
}

fn question(path: &str, bearer: Option<&str>) -> HttpRequest {
    HttpRequest {
        path: path.to_owned(),
        bearer: bearer.map(str::to_owned),
    }
}

#[tokio::test(start_paused = true)]
async fn questions_to_a_pod_share_a_connection() {
    let echo = Arc::<Echo>::default();
    let cluster = cluster(&forwarding(&echo));
    let denied = cluster
        .http("default", "p", 8080, &question("/debug?a=1", None))
        .await
        .unwrap();
    assert_eq!(
        (denied.status, denied.body.as_str()),
        (401, "/debug?a=1 None")
    );
    let allowed = cluster
        .http("default", "p", 8080, &question("/debug", Some("t")))
        .await
        .unwrap();
    assert_eq!(allowed.status, 200);
    assert!(allowed.body.contains("Bearer t"));
    assert_eq!(echo.connections.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    cluster
        .http("default", "p", 8080, &question("/debug", None))
        .await
        .unwrap();
    assert_eq!(
        echo.connections.load(Ordering::SeqCst),
        2,
        "an old connection is not trusted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_is_replaced() {
    let echo = Arc::new(Echo {
        closing: 2,
        ..Echo::default()
    });
    let cluster = cluster(&forwarding(&echo));
    for _ in 0..3 {
        let answer = cluster
            .http("default", "p", 8080, &question("/", None))
            .await;
        assert_eq!(answer.unwrap().status, 401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_nobody_listens_on_is_named() {
    let echo = Arc::<Echo>::default();
    let cluster = cluster(&forwarding(&echo));
    let error = cluster
        .http("default", "p", 1, &question("/", None))
        .await
        .unwrap_err();
    assert!(error.is_transient());
    assert!(
        error.message.starts_with("p:1 cannot be reached: ")
            && error.message.contains("connection refused"),
        "{error}"
    );
    let error = cluster
        .http("default", "gone", 1, &question("/", None))
        .await
        .unwrap_err();
    assert!(error.message.contains("\"gone\" not found"), "{error}");
}

#[test]
fn a_token_is_not_shown() {
    let shown = format!("{:?}", question("/", Some("secret")));
    assert!(!shown.contains("secret"), "{shown}");
}
