//! The HTTP endpoints of istiod and of Envoy's admin, in the shape of the version.

use super::ProxyFault;
use super::Settings;
use super::istiod::Istiod;
use super::proxies;
use super::proxies::Connection;
use super::proxies::Roll;
use crate::lab::api::ApiServer;
use crate::mesh::injection::Proxy;
use crate::mesh::istiod::Names;
use axum::body::Body;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::io::DuplexStream;

/// istiod's readiness and debug endpoints.
pub(super) const HTTP: u16 = 8080;
/// istiod's version, metrics and debug endpoints.
pub(super) const MONITORING: u16 = 15014;
/// Envoy's admin.
pub(super) const ENVOY: u16 = 15000;

const REASON: &str = "Error adding/updating cluster(s) lab: rejected by the lab";

/// One open port of one pod.
pub(super) struct Answerer {
    pub(super) api: ApiServer,
    pub(super) settings: Settings,
    pub(super) roll: Arc<Roll>,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) port: u16,
}

/// Answers requests until the connection ends.
pub(super) async fn serve(answerer: Answerer, stream: DuplexStream) {
    let answer = service_fn(|request: Request<Incoming>| {
        let path = request.uri().path();
        // istioctl asks for `//version`, and Go's servers lead it to `/version`.
        let response = match path.strip_prefix("//") {
            Some(rest) => redirect(rest),
            None => answerer.answer(path),
        };
        async move { Ok::<_, Infallible>(response) }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await
    {
        tracing::debug!(%error, "a connection to a pod ended");
    }
}

fn redirect(rest: &str) -> Response<Body> {
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "");
    if let Ok(place) = format!("/{}", rest.trim_start_matches('/')).parse() {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn text(code: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response
}

impl Answerer {
    fn answer(&self, path: &str) -> Response<Body> {
        let nothing = || text(StatusCode::NOT_FOUND, "404 page not found\n");
        let Some(pod) = self.api.object("pods", &self.namespace, &self.pod) else {
            return nothing();
        };
        if self.port == ENVOY {
            return if path == "/clusters" {
                text(StatusCode::OK, self.clusters(&pod).to_string())
            } else {
                nothing()
            };
        }
        let Some(istiod) = Istiod::of(&pod) else {
            return nothing();
        };
        let connections = || proxies::of(&self.api, &self.settings, &self.roll, &istiod);
        match (self.port, path) {
            (HTTP, "/ready") => text(
                if istiod.ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                },
                "",
            ),
            (MONITORING, "/version") => text(
                StatusCode::OK,
                format!("{}-unknown-unknown", istiod.version.release()),
            ),
            (MONITORING, "/metrics") => text(StatusCode::OK, metrics(&istiod, &connections())),
            (_, "/debug/syncz") => text(StatusCode::OK, syncz(&istiod, &connections())),
            (_, "/debug/connections") if istiod.version.has_connections_endpoint() => {
                text(StatusCode::OK, clients(&connections()).to_string())
            }
            _ => nothing(),
        }
    }

    /// Envoy's view: before 1.8 it dials istiod itself, since then its agent's socket.
    fn clusters(&self, pod: &Value) -> Value {
        let proxy = Proxy::of(pod);
        let direct = proxy
            .as_ref()
            .and_then(|proxy| proxy.version.as_ref())
            .is_some_and(|version| !version.syncz_has_errors());
        let own = proxy.and_then(|proxy| proxy.address).unwrap_or_default();
        let hosts = if !direct {
            vec![json!({"address": {"pipe": {"path": "./etc/istio/proxy/XDS"}}})]
        } else if let dialled = self.dialled()
            && !dialled.is_empty()
        {
            let hosts = dialled.iter().map(|address| host(address, true));
            hosts.collect()
        } else {
            vec![host(&own, false)]
        };
        json!({"cluster_statuses": [{"name": "xds-grpc", "host_statuses": hosts}]})
    }

    /// The addresses of the istiods that this pod's proxy is connected to.
    fn dialled(&self) -> Vec<String> {
        let id = format!("{}.{}", self.pod, self.namespace);
        let holds = |istiod: &Istiod| {
            let connections = proxies::of(&self.api, &self.settings, &self.roll, istiod);
            connections.iter().any(|connection| connection.proxy == id)
        };
        let istiods = Istiod::ready(&self.api).into_iter().filter(holds);
        istiods
            .map(|istiod| Names::new(&istiod.revision, &istiod.namespace).discovery_address())
            .collect()
    }
}

/// An endpoint as Envoy's admin shows it; a gauge at zero has no value there.
fn host(address: &str, connected: bool) -> Value {
    let mut active = json!({"type": "GAUGE", "name": "cx_active"});
    if connected {
        active["value"] = json!("1");
    }
    json!({
        "hostname": address.split(':').next(), "stats": [active],
        "address": {"socket_address": {"address": "10.96.0.10", "port_value": 15012}},
    })
}

const TYPES: [(&str, &str, &str); 2] = [
    (
        "cluster",
        "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "cds",
    ),
    (
        "listener",
        "type.googleapis.com/envoy.config.listener.v3.Listener",
        "lds",
    ),
];

fn syncz(istiod: &Istiod, connections: &[Connection]) -> String {
    let modern = istiod.version.syncz_has_errors();
    let entries: Vec<Value> = connections
        .iter()
        .map(|connection| entry(connection, istiod))
        .collect();
    if modern {
        return Value::Array(entries).to_string();
    }
    // The old ones indent by hand.
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let members: Vec<String> = entry
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, value)| format!("        \"{key}\": {value}"))
                .collect();
            format!("    {{\n{}\n    }}", members.join(",\n"))
        })
        .collect();
    if lines.is_empty() {
        "[\n]\n".to_owned()
    } else {
        format!("[\n{}\n]\n", lines.join(",\n"))
    }
}

fn entry(connection: &Connection, istiod: &Istiod) -> Value {
    let modern = istiod.version.syncz_has_errors();
    let mut entry = if modern {
        json!({"cluster_id": istiod.cluster, "proxy": connection.proxy, "proxy_type": "sidecar", "istio_version": connection.version})
    } else {
        json!({"proxy": connection.proxy, "istio_version": connection.version})
    };
    let mut resources = json!({});
    for (name, url, _) in TYPES {
        let sent = connection.nonce(name, &istiod.version);
        let rejected = connection.fault == Some(ProxyFault::Nack);
        let silent = rejected || connection.fault == Some(ProxyFault::NeverAck);
        let acked = if silent { "" } else { sent.as_str() };
        entry[format!("{name}_sent")] = json!(sent);
        entry[format!("{name}_acked")] = json!(acked);
        resources[url] =
            json!({"sent": sent, "acked": acked, "sentTime": connection.since.to_string()});
        if rejected {
            resources[url]["lastError"] = json!(REASON);
        }
    }
    if modern {
        entry["resources"] = resources;
    }
    entry
}

fn clients(connections: &[Connection]) -> Value {
    let clients: Vec<Value> = connections
        .iter()
        .enumerate()
        .map(|(at, connection)| {
            json!({"connectionId": format!("{}-{}", connection.proxy, at + 1), "connectedAt": connection.since.to_string(), "address": connection.address})
        })
        .collect();
    json!({"totalClients": clients.len(), "clients": clients})
}

fn metrics(istiod: &Istiod, connections: &[Connection]) -> String {
    let mut lines = format!(
        "pilot_info{{version=\"{}-unknown-unknown\"}} 1\n",
        istiod.version.release()
    );
    let mut by_version: BTreeMap<&str, usize> = BTreeMap::new();
    for connection in connections {
        *by_version.entry(&connection.version).or_default() += 1;
    }
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _: Result<(), std::fmt::Error> = writeln!(lines, "{text}");
    };
    if istiod.version.has_revisions() {
        for (version, count) in by_version {
            line(format!("pilot_xds{{version=\"{version}\"}} {count}"));
        }
    } else {
        line(format!("pilot_xds {}", connections.len()));
    }
    for (_, _, short) in TYPES {
        line(format!(
            "pilot_xds_pushes{{type=\"{short}\"}} {}",
            connections.len()
        ));
    }
    let rejecting: Vec<&Connection> = connections
        .iter()
        .filter(|connection| connection.fault == Some(ProxyFault::Nack))
        .collect();
    for (_, _, short) in TYPES.iter().filter(|_| !rejecting.is_empty()) {
        for connection in &rejecting {
            line(format!(
                "pilot_xds_{short}_reject{{err=\"{REASON}\",node=\"{}\"}} 1",
                connection.proxy
            ));
        }
        line(format!(
            "pilot_total_xds_rejects{{type=\"{short}\"}} {}",
            rejecting.len()
        ));
    }
    lines
}
