//! What is asked of the server, and what is known without.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, ErrorClass, Object, ObjectRef, Selector, Wait};
use crate::lab::api::{ApiServer, Effect, Fault, StatusError};

fn cluster(server: &ApiServer) -> Cluster {
    Cluster::from_service(server.service("plan"), false)
}

/// Puts a pod into a namespace, which is made for it.
fn seed_pod(server: &ApiServer, place: &str, name: &str) {
    server.seed(&namespace(place, &json!({})));
    server.seed(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": place, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "command": ["long"] }], "volumes": [] },
        "status": { "phase": "Running", "podIP": "10.0.0.1" },
    }));
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
}

async fn pods(cluster: &Cluster, namespace: &str) -> Vec<String> {
    let found = cluster
        .followed("v1", "Pod", Some(namespace), &Selector::default())
        .await
        .expect("pods");
    found.iter().map(|pod| pod.name().to_owned()).collect()
}

async fn color(cluster: &Cluster) -> Value {
    let shop = ObjectRef::cluster("v1", "Namespace", "shop");
    let found = cluster.followed_one(&shop).await.expect("an answer");
    found.expect("the namespace").value()["metadata"]["labels"]["color"].clone()
}

async fn paint(cluster: &Cluster, color: &str) {
    let shop = ObjectRef::cluster("v1", "Namespace", "shop");
    let labels = json!({ "metadata": { "labels": { "color": color } } });
    cluster.merge_patch(&shop, labels).await.expect("a patch");
}

/// The requests with that verb, by path.
fn asked(server: &ApiServer, verb: &str) -> Vec<String> {
    let records = server.records();
    let asked = records.iter().filter(|record| record.verb == verb);
    asked.map(|record| record.path.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_read_often_is_listed_once() {
    let server = ApiServer::default();
    seed_pod(&server, "shop", "a");
    seed_pod(&server, "shop", "b");
    server.clear_records();
    let cluster = cluster(&server);
    for _ in 0..10 {
        assert_eq!(pods(&cluster, "shop").await, ["a", "b"]);
    }
    let selector = Selector::labelled("app=b");
    let found = cluster.followed("v1", "Pod", Some("shop"), &selector).await;
    let found = found.expect("pods");
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].value()["spec"],
        json!({
            "serviceAccountName": "default",
            "containers": [{ "name": "app", "image": "app:1" }],
        }),
        "nothing is kept that nobody reads"
    );
    assert_eq!(asked(&server, "list"), ["/api/v1/namespaces/shop/pods"]);
    assert_eq!(asked(&server, "get"), [""; 0]);
    assert_eq!(pods(&cluster.live(), "shop").await, ["a", "b"]);
    assert_eq!(asked(&server, "list").len(), 2, "who must be certain asks");
}

#[tokio::test(start_paused = true)]
async fn of_many_namespaces_the_whole_cluster_is_followed() {
    let server = ApiServer::default();
    let names: Vec<String> = (0..20).map(|number| format!("n{number:02}")).collect();
    for name in &names {
        seed_pod(&server, name, &format!("in-{name}"));
    }
    server.clear_records();
    let cluster = cluster(&server);
    for _ in 0..2 {
        for name in &names {
            assert_eq!(pods(&cluster, name).await, [format!("in-{name}")]);
        }
    }
    let lists = asked(&server, "list");
    assert_eq!(lists.len(), super::NARROW + 1, "{lists:?}");
    assert_eq!(lists.last().map(String::as_str), Some("/api/v1/pods"));
}

#[tokio::test(start_paused = true)]
async fn news_are_followed() {
    let server = ApiServer::default();
    server.seed(&namespace("shop", &json!({ "color": "red" })));
    let cluster = cluster(&server);
    assert_eq!(color(&cluster).await, "red");
    server.seed(&namespace("shop", &json!({ "color": "green" })));
    cluster
        .wait(
            "v1",
            "Namespace",
            None,
            &Selector::named("shop"),
            |found| {
                if found[0].value()["metadata"]["labels"]["color"] == "green" {
                    Wait::Done(())
                } else {
                    Wait::Not(Vec::new())
                }
            },
            |_| {},
        )
        .await
        .expect("green");
    assert_eq!(color(&cluster).await, "green");
    assert_eq!(asked(&server, "list").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_read_although_the_watch_is_silent() {
    let server = ApiServer::default();
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Silence));
    server.seed(&namespace("shop", &json!({ "color": "red" })));
    let cluster = cluster(&server);
    assert_eq!(color(&cluster).await, "red");
    for value in ["green", "blue"] {
        paint(&cluster, value).await;
        assert_eq!(color(&cluster).await, value);
    }
    assert_eq!(asked(&server, "list").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_while_the_list_is_on_its_way_is_not_forgotten() {
    let server = ApiServer::default();
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Silence));
    server.seed(&namespace("shop", &json!({ "color": "red" })));
    let slow = Effect::Delay(Duration::from_secs(5));
    server.add_fault(Fault::when(|r| r.verb == "list", slow).times(1));
    let cluster = cluster(&server);
    let (found, ()) = tokio::join!(color(&cluster), paint(&cluster, "green"));
    assert_eq!(found, "green");
    assert_eq!(color(&cluster).await, "green");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_makes_it_look_again() {
    let server = ApiServer::default();
    server.seed(&namespace("shop", &json!({ "color": "red" })));
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Silence));
    let cluster = cluster(&server);
    assert_eq!(color(&cluster).await, "red");
    let shop = ObjectRef::cluster("v1", "Namespace", "shop");
    let known = cluster.followed_one(&shop).await.unwrap().unwrap();
    server.seed(&namespace("shop", &json!({ "color": "green" })));
    assert_eq!(color(&cluster).await, "red", "the watch says nothing");
    let operations = json!([
        { "op": "test", "path": "/metadata/resourceVersion", "value": known.resource_version() },
        { "op": "add", "path": "/metadata/labels/color", "value": "blue" },
    ]);
    let error = cluster.json_patch(&shop, operations).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(color(&cluster).await, "green");
}

#[tokio::test(start_paused = true)]
async fn while_a_watch_is_in_trouble_the_server_is_asked() {
    let server = ApiServer::default();
    server.seed(&namespace("shop", &json!({ "color": "red" })));
    let down = StatusError::new(503, "ServiceUnavailable", "etcd is away");
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Fail(down)));
    let cluster = cluster(&server);
    assert_eq!(color(&cluster).await, "red");
    // Until the first watch has failed the list is fresh.
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.seed(&namespace("shop", &json!({ "color": "green" })));
    assert_eq!(color(&cluster).await, "green");
    server.clear_faults();
    tokio::time::sleep(Duration::from_secs(120)).await;
    server.clear_records();
    assert_eq!(color(&cluster).await, "green");
    assert_eq!(asked(&server, "get"), [""; 0], "all is well again");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_asks_the_server_unless_the_watch_speaks() {
    let server = ApiServer::default();
    seed_pod(&server, "shop", "a");
    let cluster = cluster(&server);
    let judged = async || {
        let every = Selector::default();
        let found = cluster
            .followed_of_late("v1", "Pod", Some("shop"), &every)
            .await
            .expect("pods");
        found.len()
    };
    assert_eq!(judged().await, 1);
    assert_eq!(asked(&server, "list").len(), 1, "the list was just made");
    for pods in 2..10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        seed_pod(&server, "shop", &format!("p{pods}"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(judged().await, pods);
    }
    assert_eq!(asked(&server, "list").len(), 1, "the watch tells");
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Silence));
    server.disconnect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    seed_pod(&server, "shop", "b");
    assert_eq!(pods(&cluster, "shop").await.len(), 9, "the watch is dead");
    assert_eq!(judged().await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_version_is_listed_again_and_what_is_gone_is_gone() {
    let server = ApiServer::default();
    seed_pod(&server, "shop", "a");
    seed_pod(&server, "shop", "b");
    let cluster = cluster(&server);
    assert_eq!(pods(&cluster, "shop").await, ["a", "b"]);
    let expired = StatusError::new(410, "Expired", "too old resource version");
    server.add_fault(Fault::when(|r| r.verb == "watch", Effect::Fail(expired)).times(1));
    let path = "/api/v1/namespaces/shop/pods/a?gracePeriodSeconds=0";
    server
        .request("kubectl", "DELETE", path, Value::Null)
        .expect("a deletion");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(pods(&cluster, "shop").await, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_see_the_whole_cluster_follows_what_he_may() {
    let server = ApiServer::default();
    let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
    for name in &names {
        seed_pod(&server, name, "p");
    }
    server.set_authorizer(|asked| !asked.namespace.is_empty());
    server.clear_records();
    let cluster = cluster(&server);
    for _ in 0..3 {
        for name in &names {
            assert_eq!(pods(&cluster, name).await, ["p"]);
        }
    }
    let lists = asked(&server, "list");
    let refused = lists.iter().filter(|path| *path == "/api/v1/pods").count();
    assert_eq!(refused, 1, "{lists:?}");
    // Those that were followed before the attempt are listed once more.
    assert_eq!(lists.len(), names.len() + super::NARROW + 1, "{lists:?}");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_watch_asks_each_time() {
    let server = ApiServer::default();
    seed_pod(&server, "shop", "a");
    server.set_authorizer(|asked| asked.verb != "watch");
    let cluster = cluster(&server);
    assert_eq!(pods(&cluster, "shop").await, ["a"]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    seed_pod(&server, "shop", "b");
    assert_eq!(pods(&cluster, "shop").await, ["a", "b"]);

    server.set_authorizer(|_| false);
    let denied = cluster
        .followed("v1", "Pod", Some("shop"), &Selector::default())
        .await;
    assert_eq!(denied.unwrap_err().class, ErrorClass::Denied);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_is_no_longer_followed() {
    let server = ApiServer::default();
    seed_pod(&server, "shop", "a");
    let cluster = cluster(&server);
    assert_eq!(pods(&cluster, "shop").await, ["a"]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let watches = asked(&server, "watch").len();
    assert!(watches <= 2, "{watches} watches in an idle hour");
    seed_pod(&server, "shop", "b");
    assert_eq!(pods(&cluster, "shop").await, ["a", "b"]);
    drop(cluster);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let after = asked(&server, "watch").len();
    assert_eq!(after, watches + 1, "it ends with the last cluster");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_reads_what_it_would_have_made() {
    let server = ApiServer::default();
    server.seed(&namespace("shop", &json!({ "color": "red" })));
    let cluster = Cluster::from_service(server.service("plan"), true);
    assert_eq!(color(&cluster).await, "red");
    paint(&cluster, "green").await;
    assert_eq!(color(&cluster).await, "green");
    let labelled = Selector::labelled("color=green");
    let found: Vec<Object> = cluster
        .followed("v1", "Namespace", None, &labelled)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    let stored = server.object("namespaces", "", "shop").unwrap();
    assert_eq!(stored["metadata"]["labels"]["color"], "red");
}
