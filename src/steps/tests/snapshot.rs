//! A snapshot of a lab, and the lab that it comes to life in.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Mesh;
use super::upgrade::{migration, on};
use crate::cluster::Cluster;
use crate::lab::scenario::{Lab, Scenario};
use crate::model::Kind;
use crate::snapshot::{Answer, Keep, Reception, Snapshot};
use crate::steps::snapshot::take;

async fn shop(version: &str) -> Lab {
    let version = version.parse().unwrap();
    let scenario = Scenario::new("shop").fit(&version, ["pay", "shop"]);
    let lab = scenario.open(0).await.unwrap();
    // Until the proxies are connected, and the control plane has done its duties.
    tokio::time::sleep(Duration::from_secs(10)).await;
    lab
}

fn open(snapshot: &Snapshot, seed: u64) -> Lab {
    Scenario::new("snapshot")
        .open_snapshot(snapshot, seed)
        .unwrap()
}

async fn taken(lab: &Lab, at: Timestamp, keep: &[Keep]) -> Snapshot {
    let cluster = Cluster::from_service(lab.api.service("plan"), false);
    let keep: BTreeSet<Keep> = keep.iter().copied().collect();
    take(&cluster, "istio-system", &keep, at).await.unwrap()
}

/// The objects without what is each server's own count.
fn objects(snapshot: &Snapshot) -> Vec<Value> {
    let mut objects = snapshot.objects.clone();
    for object in &mut objects {
        object["metadata"]
            .as_object_mut()
            .unwrap()
            .shift_remove("resourceVersion");
    }
    objects
}

fn workload(kind: &str, name: &str, spec: &Value) -> Value {
    let labels = json!({ "app": name });
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": labels }, "serviceName": name,
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{
                "name": "app", "image": "app:1", "args": ["--password", "hunter2"],
                "env": [{ "name": "API_TOKEN", "value": "hunter2" }],
            }] } },
        },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

#[tokio::test(start_paused = true)]
async fn a_lab_from_a_snapshot_is_the_same_cluster_and_mends_nothing() {
    for version in ["1.5.10", "1.28.2"] {
        let lab = shop(version).await;
        // One that is stuck, one of each other kind, one that no controller here knows, and one without any.
        let odd = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "ship", "uid": "u-1", "controller": true });
        for object in [
            workload("StatefulSet", "db", &json!({})),
            workload("DaemonSet", "log", &json!({})),
            workload("Deployment", "paused", &json!({ "paused": true })),
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "ship-1", "namespace": "shop", "ownerReferences": [odd] },
                "spec": { "containers": [{ "name": "app", "image": "app:1" }] } }),
            json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "db", "namespace": "shop" },
                "spec": { "maxUnavailable": 0, "selector": { "matchLabels": { "app": "db" } } } }),
        ] {
            lab.api.seed(&object);
        }
        for (name, labels) in [
            ("stats-filter-1.6", json!({ "istio.io/rev": "default" })),
            ("own", json!({})),
        ] {
            lab.api.seed(&json!({ "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
                "metadata": { "name": name, "namespace": "istio-system", "labels": labels }, "spec": {} }));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let first = taken(&lab, at, &[]).await;
        let file = first.to_bytes().unwrap();
        assert_eq!(file, taken(&lab, at, &[]).await.to_bytes().unwrap());
        let read = Snapshot::from_bytes(&file).unwrap();
        assert_eq!(read, first);
        let filters = first
            .objects
            .iter()
            .filter(|one| one["kind"] == "EnvoyFilter");
        let filters: Vec<&Value> = filters.map(|one| &one["metadata"]["name"]).collect();
        assert_eq!(filters, ["stats-filter-1.6"], "what Istio's charts install");

        let again = open(&read, 1);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let second = taken(&again, at, &[]).await;
        for (one, other) in objects(&first).iter().zip(objects(&second)) {
            assert_eq!(*one, other, "{version}");
        }
        assert_eq!(first.objects.len(), second.objects.len(), "{version}");
        assert_eq!(first.istiods, second.istiods, "{version}");
        assert_eq!(first.access, second.access);
        assert_eq!(first.kubernetes, second.kubernetes);

        let precheck = json!({ "from": version, "to": version, "namespaces": ["pay", "shop"] });
        let (one, other) = (on(&lab), on(&again));
        one.run(Kind::Precheck, precheck.clone()).await.unwrap();
        other.run(Kind::Precheck, precheck).await.unwrap();
        let findings = one.said();
        assert_eq!(findings, other.said());
        let text = findings.join("\n");
        for found in ["ship", "paused", "PodDisruptionBudget/shop/db"] {
            assert!(text.contains(found), "{found} is not in {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lab_from_a_snapshot_upgrades_as_the_cluster_would() {
    let lab = shop("1.28.2").await;
    let snapshot = taken(&lab, lab.api.now(), &[]).await;
    drop(lab);
    let lab = open(&snapshot, 7);
    let mesh = on(&lab);
    for (kind, with) in migration("1.29.1") {
        let done = mesh.run(kind, with).await;
        done.unwrap_or_else(|error| panic!("{}: {error:#?}", kind.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lab_from_a_snapshot_of_an_upgraded_mesh_has_nothing_to_do() {
    for (from, to) in [("1.28.2", "1.29.1"), ("1.5.10", "1.6.14")] {
        let lab = shop(from).await;
        let mesh = on(&lab);
        for (kind, with) in migration(to) {
            mesh.run(kind, with).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let snapshot = taken(&lab, lab.api.now(), &[]).await;
        let lab = open(&snapshot, 7);
        let mesh = on(&lab);
        for (kind, with) in migration(to) {
            let again = mesh.run(kind, with).await.unwrap();
            assert!(!again.changed, "{to} {}: {}", kind.as_str(), again.message);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn proxies_are_connected_as_they_were() {
    let lab = shop("1.28.2").await;
    let mut snapshot = taken(&lab, lab.api.now(), &[]).await;
    drop(lab);
    let Answer::Proxies(proxies) = &mut snapshot.istiods[0].answer else {
        panic!("{:?}", snapshot.istiods);
    };
    assert_eq!(proxies.len(), 10);
    let names: Vec<String> = proxies.keys().cloned().collect();
    proxies.insert(names[0].clone(), Reception::Rejected);
    proxies.insert(names[1].clone(), Reception::Unanswered);
    proxies.remove(&names[2]);
    let lab = open(&snapshot, 0);
    let again = taken(&lab, lab.api.now(), &[]).await;
    assert_eq!(again.istiods, snapshot.istiods);
}

#[tokio::test(start_paused = true)]
async fn what_the_user_may_not_do_is_refused_in_the_lab_as_well() {
    let lab = shop("1.28.2").await;
    let mut snapshot = taken(&lab, lab.api.now(), &[]).await;
    drop(lab);
    for access in &mut snapshot.access {
        access.allowed = access.verb != "patch" || access.resource != "statefulsets";
    }
    let lab = open(&snapshot, 0);
    let error = on(&lab)
        .run(
            Kind::Precheck,
            json!({ "from": "1.28.2", "to": "1.29.1", "namespaces": ["shop"] }),
        )
        .await
        .unwrap_err();
    assert!(
        error.failure.details.join("\n").contains(
            "FAIL access permissions: may not patch statefulsets.apps in every namespace"
        ),
        "{error:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_that_may_be_secret_is_in_the_file_unless_asked_for() {
    let lab = shop("1.28.2").await;
    lab.api.seed(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "istio-system" }, "data": { "k": "aHVudGVyMg==" },
    }));
    lab.api.seed(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "other", "namespace": "istio-system" }, "data": { "k": "hunter2" },
    }));
    lab.api.seed(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "istio", "namespace": "istio-system" },
        "data": { "mesh": "rootNamespace: istio-system\ndefaultConfig:\n  tracing:\n    lightstep: { address: a, accessToken: hunter2 }\n    zipkin:\n      accessToken: hunter2\n" },
    }));
    let mut secretive = workload("Deployment", "web", &json!({}));
    let pod = json!({
        "sidecar.istio.io/inject": "true", "vendor.test/key": "hunter2",
        "proxy.istio.io/config": "tracing: {lightstep: {accessToken: hunter2}}\ndiscoveryAddress: istiod.istio-system.svc:15012\n",
    });
    secretive["spec"]["template"]["metadata"]["annotations"] = pod;
    let container = &mut secretive["spec"]["template"]["spec"]["containers"][0];
    container["command"] = json!(["run", "hunter2"]);
    container["readinessProbe"] = json!({ "exec": { "command": ["check", "hunter2"] } });
    container["lifecycle"] = json!({ "preStop": { "exec": { "command": ["stop", "hunter2"] } } });
    secretive["spec"]["template"]["spec"]["volumes"] =
        json!([{ "name": "v", "flexVolume": { "driver": "d", "options": { "key": "hunter2" } } }]);
    secretive["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/last-applied-configuration": "{\"hunter2\":1}" });
    lab.api.seed(&secretive);
    lab.api.seed(&workload("StatefulSet", "db", &json!({})));
    tokio::time::sleep(Duration::from_secs(60)).await;

    let text = |snapshot: &Snapshot| {
        let file = snapshot.to_bytes().unwrap();
        std::io::read_to_string(flate2::read::GzDecoder::new(&*file)).unwrap()
    };
    let closed = taken(&lab, lab.api.now(), &[]).await;
    let found = text(&closed);
    let line = found
        .lines()
        .find(|line| line.contains("hunter2") || line.contains("aHVudGVyMg"));
    assert_eq!(line, None);
    assert!(found.contains("discoveryAddress"), "{found}");
    let dropped: Vec<&str> = closed.dropped.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(
        dropped,
        [
            "values of environment variables",
            "commands and arguments of containers",
            "probes and hooks of containers",
            "volumes of pods",
            "annotations",
            "last-applied configurations",
            "data of ConfigMaps",
            "credentials in Istio's configuration",
            "owners of fields, but of what an install applies",
            "Secrets: none was read",
        ]
    );
    let annotations = closed.dropped.iter().find(|one| one.what == "annotations");
    assert!(annotations.unwrap().names.contains("vendor.test/key"));

    let opened = taken(&lab, lab.api.now(), &Keep::ALL).await;
    let found = text(&opened);
    for kept in [
        "\"name\":\"API_TOKEN\",\"value\":\"hunter2\"",
        "--password",
        "vendor.test/key",
        "last-applied-configuration",
    ] {
        assert!(found.contains(kept), "{kept} is not in {found}");
    }
    assert!(!found.contains("aHVudGVyMg"), "a Secret was read");
}

/// The world of a snapshot goes on: what is changed there is rolled out, and nobody else's pods are touched.
#[tokio::test(start_paused = true)]
async fn a_restart_in_a_lab_from_a_snapshot_is_one_rollout() {
    let lab = shop("1.28.2").await;
    for kind in ["StatefulSet", "DaemonSet"] {
        lab.api
            .seed(&workload(kind, &kind.to_lowercase(), &json!({})));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let snapshot = taken(&lab, lab.api.now(), &[]).await;
    drop(lab);
    let lab = open(&snapshot, 0);
    let before = pods(&on(&lab), "pay");
    for (resource, name) in [
        ("deployments", "cart"),
        ("statefulsets", "statefulset"),
        ("daemonsets", "daemonset"),
    ] {
        let old = named(&lab, name);
        let restart = json!({ "spec": { "template": { "metadata": { "annotations": { "plan/restarted-by": "x" } } } } });
        let path = format!("/apis/apps/v1/namespaces/shop/{resource}/{name}");
        lab.api.request("test", "PATCH", &path, restart).unwrap();
        tokio::time::sleep(Duration::from_secs(120)).await;
        let new = named(&lab, name);
        assert_eq!(old.len(), new.len(), "{name}");
        assert!(old.is_disjoint(&new), "{name}: {old:?} {new:?}");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(new, named(&lab, name), "{name} is restarted once");
    }
    assert_eq!(before, pods(&on(&lab), "pay"));
}

fn pods(mesh: &Mesh, namespace: &str) -> BTreeSet<String> {
    let pods = mesh.server.objects("pods", namespace);
    pods.iter()
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect()
}

fn named(lab: &Lab, app: &str) -> BTreeSet<String> {
    let pods = lab.api.objects("pods", "shop");
    pods.iter()
        .filter(|pod| pod["metadata"]["labels"]["app"] == app)
        .map(|pod| pod["metadata"]["uid"].to_string())
        .collect()
}
