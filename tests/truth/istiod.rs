//! What istiod tells of itself and of its proxies, asked through a port-forward.

use super::cases;
use super::samples::workload;
use super::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    the_readiness,
    the_version,
    the_version_of_the_other_revision,
    a_path_that_is_not_there,
    the_synchronisation_of_no_proxy,
    the_synchronisation_of_a_proxy,
    the_synchronisation_on_both_ports,
    the_connections_of_a_proxy,
    the_proxies_of_the_other_revision,
    a_proxy_that_never_acknowledges,
    a_proxy_that_rejects,
    a_proxy_that_never_comes,
    a_proxy_that_stays_with_the_old,
    a_proxy_of_both,
    the_metrics,
    a_gone_pod_is_forgotten,
);

const DEFAULT: &str = "default";
const CANARY: &str = "canary";
const SYNCZ: &str = "/debug/syncz";
const CONNECTIONS: &str = "/debug/connections";

async fn the_readiness(on: &Scene) {
    let (code, body) = on.istiod(DEFAULT, 8080, "/ready").await;
    on.observe("/ready", json!([code, body]));
}

async fn the_version(on: &Scene) {
    let (code, body) = on.istiod(DEFAULT, 15014, "/version").await;
    on.observe("/version", json!([code, body.split('-').next()]));
}

async fn the_version_of_the_other_revision(on: &Scene) {
    let (code, body) = on.istiod(CANARY, 15014, "/version").await;
    on.observe("/version", json!([code, body.split('-').next()]));
}

async fn a_path_that_is_not_there(on: &Scene) {
    for port in [8080, 15014] {
        let (code, _) = on.istiod(DEFAULT, port, "/nothing").await;
        on.observe("/nothing", json!([port, code]));
    }
}

/// The entries that are about this namespace's proxies: `POD.NAMESPACE`, in connections with a number.
fn own<'list>(on: &Scene, list: &'list Value, key: &str) -> Vec<&'list Value> {
    let place = format!(".{}", on.namespace());
    let is_own = |one: &&Value| {
        let id = one[key].as_str().unwrap_or_default();
        id.ends_with(&place)
            || id
                .rsplit_once('-')
                .is_some_and(|(id, _)| id.ends_with(&place))
    };
    list.as_array()
        .into_iter()
        .flatten()
        .filter(is_own)
        .collect()
}

async fn syncz(on: &Scene, revision: &str) -> Vec<Value> {
    let (_, body) = on.istiod(revision, 8080, SYNCZ).await;
    let list: Value = serde_json::from_str(&body).unwrap_or_default();
    own(on, &list, "proxy").into_iter().cloned().collect()
}

/// A workload whose proxies do as the annotation says.
async fn proxies(on: &Scene, labels: Value, replicas: u32, fault: &str) {
    on.ask(
        "PATCH",
        &format!("/api/v1/namespaces/{}", on.namespace()),
        MERGE,
        json!({"metadata": {"labels": labels}}),
    )
    .await;
    let mut deployment = workload("web");
    deployment["spec"]["replicas"] = json!(replicas);
    if !fault.is_empty() {
        deployment["spec"]["template"]["metadata"]["annotations"] =
            json!({"mesh.test/proxy": fault});
    }
    on.given("apps/v1~deployments", deployment).await;
    on.until("apps/v1~deployments/web", |found| {
        found["status"]["availableReplicas"] == replicas
    })
    .await;
}

/// Looks until so many proxies are connected and have been sent what they want.
async fn connected(on: &Scene, revision: &str, count: usize) -> Vec<Value> {
    for _ in 0..600 {
        let entries = syncz(on, revision).await;
        if entries.len() == count
            && entries
                .iter()
                .all(|entry| sent(entry).all(|(_, sent)| !sent.is_empty()))
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    // A moment for the acknowledgements.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    syncz(on, revision).await
}

/// The types that a proxy of the tests subscribes to, and the nonces sent.
fn sent(entry: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    ["cluster", "listener"].into_iter().map(|kind| {
        (
            kind,
            entry[format!("{kind}_sent")].as_str().unwrap_or_default(),
        )
    })
}

/// How far a proxy is, type by type.
fn progress(entry: &Value) -> Value {
    let mut progress = json!({"id": entry["cluster_id"], "type": entry["proxy_type"], "version": entry["istio_version"]});
    for (kind, sent) in sent(entry) {
        let acked = entry[format!("{kind}_acked")].as_str().unwrap_or_default();
        progress[kind] = json!(if sent.is_empty() {
            "not sent"
        } else if acked == sent {
            "synced"
        } else if acked.is_empty() {
            "never acknowledged"
        } else {
            "stale"
        });
    }
    for (url, resource) in entry["resources"].as_object().into_iter().flatten() {
        let kind = url.rsplit('.').next().unwrap_or_default();
        if matches!(kind, "Cluster" | "Listener") {
            progress[kind] = json!({"acked": resource["acked"] == resource["sent"] && !resource["sent"].is_null(), "error": resource["lastError"].is_string()});
        }
    }
    progress
}

fn see(on: &Scene, what: &str, entries: &[Value]) {
    let mut seen: Vec<Value> = entries.iter().map(progress).collect();
    seen.sort_by_key(ToString::to_string);
    on.observe(what, json!(seen));
}

const ENABLED: &str = "istio-injection";

async fn the_synchronisation_of_no_proxy(on: &Scene) {
    let (code, body) = on.istiod(DEFAULT, 8080, SYNCZ).await;
    let list: Value = serde_json::from_str(&body).unwrap_or_default();
    on.observe(
        SYNCZ,
        json!([code, list.is_array(), own(on, &list, "proxy").len()]),
    );
}

async fn the_synchronisation_of_a_proxy(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 2, "").await;
    let entries = connected(on, DEFAULT, 2).await;
    see(on, "entries", &entries);
    let first = entries.first().cloned().unwrap_or_default();
    let keys = |value: &Value| {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| json!(key))
            .collect::<Vec<_>>()
    };
    let wanted = [
        "proxy",
        "proxy_type",
        "istio_version",
        "cluster_id",
        "cluster_sent",
        "cluster_acked",
        "listener_sent",
        "listener_acked",
        "resources",
    ];
    on.observe(
        "members",
        json!(
            keys(&first)
                .iter()
                .filter(|key| wanted.iter().any(|one| *key == one))
                .collect::<Vec<_>>()
                .len()
        ),
    );
    let cluster = first["resources"]
        .as_object()
        .into_iter()
        .flatten()
        .find(|(url, _)| url.ends_with(".Cluster"))
        .map(|(url, value)| (json!(url), value.clone()))
        .unwrap_or_default();
    let mut members = keys(&cluster.1);
    members.sort_by_key(ToString::to_string);
    on.observe("resource", json!([cluster.0, members]));
}

async fn the_synchronisation_on_both_ports(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 1, "").await;
    connected(on, DEFAULT, 1).await;
    for port in [8080, 15014] {
        let (code, body) = on.istiod(DEFAULT, port, SYNCZ).await;
        let list: Value = serde_json::from_str(&body).unwrap_or_default();
        on.observe(SYNCZ, json!([port, code, own(on, &list, "proxy").len()]));
    }
}

async fn connections(on: &Scene, revision: &str) -> (u16, Value) {
    let (code, body) = on.istiod(revision, 8080, CONNECTIONS).await;
    (code, serde_json::from_str(&body).unwrap_or_default())
}

async fn the_connections_of_a_proxy(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 1, "").await;
    connected(on, DEFAULT, 1).await;
    let (code, body) = connections(on, DEFAULT).await;
    let clients = own(on, &body["clients"], "connectionId");
    let mut members: Vec<&String> = clients
        .first()
        .and_then(|client| client.as_object())
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .collect();
    members.sort();
    on.observe(
        CONNECTIONS,
        json!([code, body["totalClients"].is_u64(), clients.len(), members]),
    );
}

async fn the_proxies_of_the_other_revision(on: &Scene) {
    proxies(on, json!({"istio.io/rev": CANARY}), 1, "").await;
    let entries = connected(on, CANARY, 1).await;
    see(on, CANARY, &entries);
    see(on, DEFAULT, &syncz(on, DEFAULT).await);
}

async fn a_proxy_that_never_acknowledges(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 1, "never-ack").await;
    let entries = connected(on, DEFAULT, 1).await;
    see(on, "entries", &entries);
}

async fn a_proxy_that_rejects(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 1, "nack").await;
    let entries = connected(on, DEFAULT, 1).await;
    see(on, "entries", &entries);
}

async fn a_proxy_that_never_comes(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 1, "absent").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    see(on, "entries", &syncz(on, DEFAULT).await);
}

async fn a_proxy_that_stays_with_the_old(on: &Scene) {
    proxies(on, json!({"istio.io/rev": CANARY}), 1, "stay-old").await;
    let entries = connected(on, DEFAULT, 1).await;
    see(on, DEFAULT, &entries);
    see(on, CANARY, &syncz(on, CANARY).await);
}

async fn a_proxy_of_both(on: &Scene) {
    proxies(on, json!({"istio.io/rev": CANARY}), 1, "both").await;
    for revision in [DEFAULT, CANARY] {
        let entries = connected(on, revision, 1).await;
        see(on, revision, &entries);
    }
}

async fn the_metrics(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 1, "nack").await;
    connected(on, DEFAULT, 1).await;
    let (code, body) = on.istiod(DEFAULT, 15014, "/metrics").await;
    let has = |name: &str| body.lines().any(|line| line.starts_with(name));
    on.observe(
        "/metrics",
        json!([
            code,
            has("pilot_xds{"),
            has("pilot_info{"),
            has("pilot_xds_pushes{"),
            has("pilot_total_xds_rejects"),
            has("pilot_xds_cds_reject{")
        ]),
    );
}

async fn a_gone_pod_is_forgotten(on: &Scene) {
    proxies(on, json!({ENABLED: "enabled"}), 2, "").await;
    connected(on, DEFAULT, 2).await;
    on.ask(
        "PATCH",
        "apps/v1~deployments/web/scale",
        MERGE,
        json!({"spec": {"replicas": 1}}),
    )
    .await;
    let entries = connected(on, DEFAULT, 1).await;
    see(on, "entries", &entries);
}
