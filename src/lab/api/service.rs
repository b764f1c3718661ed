//! HTTP in, HTTP out: the server as a service, in the process or on a port.

use super::access;
use super::access::Attributes;
use super::access::User;
use super::discovery;
use super::forward;
use super::negotiate;
use super::negotiate::Form;
use super::object;
use super::openapi;
use super::query::Query;
use super::query::Target;
use super::record::Effect;
use super::record::Record;
use super::server::Call;
use super::server::Reply;
use super::server::Shared;
use super::spdy;
use super::status_error::StatusError;
use axum::body::Body;
use axum::extract::FromRequestParts as _;
use axum::extract::ws::WebSocketUpgrade;
use futures::StreamExt as _;
use http::Request;
use http::Response;
use http::header;
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;

/// The protocol of port-forwards.
const FORWARD: &str = "portforward.k8s.io";
/// What carries it for client-go.
const SPDY: &str = "SPDY/3.1";
/// What carries it over a WebSocket.
const CHANNELS: [&str; 2] = ["v4.channel.k8s.io", FORWARD];

/// The connection was lost before the answer.
#[derive(Debug, thiserror::Error)]
#[error("connection closed before message completed")]
pub struct Lost;

/// Answers one request.
pub(super) async fn respond(
    shared: Arc<Shared>,
    request: Request<Body>,
) -> Result<Response<Body>, Lost> {
    let (mut parts, body) = request.into_parts();
    let bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| Lost)?;
    let parsed = parse(&parts, &bytes);
    let record = describe(&parts, parsed.as_ref().unwrap_or(&Value::Null), &shared);
    let verb = record.verb.clone();
    let (index, effect) = shared.record(record);
    let (mut cut_after, mut lost) = (None, false);
    match effect {
        Some(Effect::Lose) => return Err(Lost),
        Some(Effect::Fail(error)) => {
            shared.answered(index, error.code());
            return Ok(failure(&error));
        }
        Some(Effect::Delay(time)) => tokio::time::sleep(time).await,
        Some(Effect::CutWatch(events)) => cut_after = Some(events),
        Some(Effect::Silence) if verb == "watch" => {
            return Ok(json_stream(Body::from_stream(futures::stream::pending::<
                Result<Vec<u8>, Infallible>,
            >())));
        }
        Some(Effect::LoseAnswer) => lost = true,
        Some(Effect::Silence) | None => {}
    }
    let answer = match parsed {
        Ok(body) => dispatch(&shared, &mut parts, body, &verb, cut_after).await,
        Err(error) => Err(error),
    };
    let response = answer.unwrap_or_else(|error| failure(&error));
    shared.answered(index, response.status().as_u16());
    if lost {
        return Err(Lost);
    }
    Ok(response)
}

fn header_text(parts: &Parts, name: header::HeaderName) -> &str {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn content_type(parts: &Parts) -> &str {
    header_text(parts, header::CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
}

/// The body as JSON; null where there is none.
fn parse(parts: &Parts, bytes: &[u8]) -> Result<Value, StatusError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    let kind = content_type(parts);
    if kind.contains("protobuf")
        && let Some(read) = super::protobuf::decode(bytes)
    {
        return Ok(read);
    }
    if kind.contains("protobuf") || kind.contains("cbor") {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
        return Err(StatusError::new(415, "UnsupportedMediaType", message));
    }
    let unreadable = |error: &dyn std::fmt::Display| {
        StatusError::bad_request(format!("error decoding the body: {error}"))
    };
    if kind.ends_with("yaml") {
        serde_yaml::from_slice(bytes).map_err(|error| unreadable(&error))
    } else {
        serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
    }
}

fn describe(parts: &Parts, body: &Value, shared: &Shared) -> Record {
    let query = parts.uri.query().unwrap_or_default();
    let values = Query::parse(query);
    let target = shared.resolve(parts.uri.path()).ok();
    let verb = verb(parts, target.as_ref(), &values);
    let (resource, namespace, name) = target.map_or_else(Default::default, |target| {
        (
            target.resource.plural.clone(),
            target.namespace,
            target.name,
        )
    });
    Record {
        resource,
        namespace,
        name,
        method: parts.method.to_string(),
        verb: verb.to_owned(),
        path: parts.uri.path().to_owned(),
        query: query.to_owned(),
        agent: header_text(parts, header::USER_AGENT).to_owned(),
        dry_run: values.text("dryRun") == "All"
            || object::items(body, "dryRun").any(|one| one == "All"),
        code: 0,
    }
}

fn verb(parts: &Parts, target: Option<&Target>, query: &Query) -> &'static str {
    let collection = target.is_some_and(|target| target.name.is_empty());
    match parts.method.as_str() {
        "GET" | "HEAD"
            if target.is_some()
                && (query.flag("watch") || parts.uri.path().contains("/watch/")) =>
        {
            "watch"
        }
        "GET" | "HEAD" if collection => "list",
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if collection => "deletecollection",
        "DELETE" => "delete",
        _ => "unknown",
    }
}

/// Who asks: the user of the connection, or whom that one may impersonate.
fn user(shared: &Shared, parts: &Parts) -> Result<User, StatusError> {
    let own = parts.extensions.get::<User>().cloned();
    let own = own.unwrap_or_else(|| User::named(access::ADMIN));
    let Some(other) = parts.headers.get("impersonate-user") else {
        return Ok(own);
    };
    let other = other.to_str().unwrap_or_default();
    let attributes = Attributes::of_impersonation(&own, other);
    if !shared.allowed(&attributes) {
        return Err(attributes.refusal());
    }
    let groups = parts.headers.get_all("impersonate-group");
    let groups = groups.iter().filter_map(|group| group.to_str().ok());
    Ok(User::impersonated(
        other,
        groups.map(str::to_owned).collect(),
    ))
}

async fn dispatch(
    shared: &Arc<Shared>,
    parts: &mut Parts,
    body: Value,
    verb: &str,
    cut_after: Option<usize>,
) -> Result<Response<Body>, StatusError> {
    let path = parts.uri.path().to_owned();
    let accept = header_text(parts, header::ACCEPT).to_owned();
    if let Some(name @ ("readyz" | "livez" | "healthz")) = path.strip_prefix('/') {
        let verbose = Query::parse(parts.uri.query().unwrap_or_default()).has("verbose");
        let long = format!("[+]ping ok\n{name} check passed\n");
        return Ok(Response::new(Body::from(if verbose {
            long
        } else {
            "ok".to_owned()
        })));
    }
    // Aggregated discovery is on by default from 1.27 on.
    let aggregated = negotiate::aggregated(&accept).filter(|_| shared.minor >= 27);
    let found = discovery::answer(&path, aggregated, &shared.state().registry, shared);
    if let Some(found) = found {
        let kind = aggregated
            .filter(|_| found["kind"] == "APIGroupDiscoveryList")
            .map(|version| {
                format!(
                    "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                )
            });
        if path == "/version" {
            return Ok(pretty(&found));
        }
        return Ok(json_response(200, &found, kind.as_deref()));
    }
    if path.starts_with("/openapi/v3") {
        let found = openapi::answer(&path, &shared.state(), shared.minor);
        return found
            .map(|found| json_response(200, &found, None))
            .ok_or_else(StatusError::no_route);
    }
    let mut call = Call {
        target: shared.resolve(&path)?,
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        agent: header_text(parts, header::USER_AGENT).to_owned(),
        user: user(shared, parts)?,
        own: false,
    };
    let review = !call.target.resource.is_stored();
    let attributes = Attributes::of(&call, verb);
    if !(review || shared.allowed(&attributes)) {
        return Err(attributes.refusal());
    }
    if call.target.subresource == "portforward" {
        return port_forward(shared, &call, parts).await;
    }
    if let Some(error) = not_modelled(&call.target.subresource) {
        shared.get(&call)?;
        return Err(error);
    }
    let form = Form::of(&accept);
    let printer = shared.printer(&call);
    if verb == "watch" {
        let clock = Arc::clone(shared);
        let shape = Box::new(move |value| form.shape(&printer, clock.clock.now(), value));
        let lines = shared.watch(call, shape, cut_after)?;
        return Ok(json_stream(Body::from_stream(
            lines.map(Ok::<_, Infallible>),
        )));
    }
    // Options of a delete may come in the body.
    if matches!(verb, "delete" | "deletecollection")
        && object::items(&body, "dryRun").any(|one| one == "All")
    {
        call.query.set("dryRun", "All".to_owned());
    }
    let reply = perform(shared, &call, verb, content_type(parts), body)?;
    let answer = form.shape(&printer, shared.clock.now(), reply.body);
    let mut response = json_response(reply.code, &answer, None);
    if shared.minor >= 33 && call.target.resource.id() == "endpoints" {
        let text =
            "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"";
        response
            .headers_mut()
            .append(header::WARNING, header::HeaderValue::from_static(text));
    }
    for warning in reply.warnings {
        if let Ok(value) = format!("299 - {warning:?}").parse() {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(response)
}

/// Says so where nobody stands behind a subresource here; `plan explain lab` has the reasons.
fn not_modelled(subresource: &str) -> Option<StatusError> {
    let what = match subresource {
        "log" => "containers write no logs",
        "exec" | "attach" => "no commands run in containers",
        "proxy" => "nothing is reached through the API server's proxy, but a port-forward works",
        "ephemeralcontainers" => "pods take no ephemeral containers",
        _ => return None,
    };
    Some(StatusError::bad_request(format!(
        "this cluster is a simulation (plan lab), in which {what}"
    )))
}

fn perform(
    shared: &Shared,
    call: &Call,
    verb: &str,
    content_type: &str,
    body: Value,
) -> Result<Reply, StatusError> {
    if !call.target.resource.is_stored() {
        return if verb == "create" {
            shared.review(call, body)
        } else {
            Err(StatusError::method_not_allowed())
        };
    }
    match (verb, call.target.subresource.as_str()) {
        ("update" | "patch", "") if call.target.name.is_empty() => {
            Err(StatusError::method_not_allowed())
        }
        ("get", "scale") => shared.get_scale(call),
        ("update", "scale") => shared.set_scale(call, |_| Ok(body)),
        ("patch", "scale") => shared.set_scale(call, |mut scale| {
            if content_type == "application/json-patch+json" {
                return super::patch::json::patch(&scale, &body);
            }
            super::patch::merge::patch(&mut scale, &body);
            Ok(scale)
        }),
        ("create", "binding") => shared.bind(call, &body),
        ("create", "eviction") => shared.evict(call, &body),
        ("create", "token") => shared.token(call, &body),
        ("get", "" | "status") => shared.get(call),
        ("update", "" | "status" | "finalize") => shared.update(call, body),
        ("deletecollection", "") if call.target.resource.kind == "Namespace" => {
            Err(StatusError::method_not_allowed())
        }
        ("patch", "" | "status") => shared.patch(call, content_type, &body),
        ("list", "") => shared.list(call),
        ("create", "") if call.target.name.is_empty() => shared.create(call, body),
        ("delete", "") => shared.delete(call, &body),
        ("deletecollection", "") => shared.delete_collection(call, &body),
        _ => Err(StatusError::method_not_allowed()),
    }
}

async fn port_forward(
    shared: &Arc<Shared>,
    call: &Call,
    parts: &mut Parts,
) -> Result<Response<Body>, StatusError> {
    let pod = shared.get(call)?.body;
    if pod["status"]["phase"] != "Running" {
        let phase = pod["status"]["phase"].as_str().unwrap_or("Unknown");
        return Err(StatusError::internal(&format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let listener = shared.forwards.get();
    let (namespace, name) = (call.target.namespace.clone(), call.target.name.clone());
    let required = || StatusError::bad_request("Upgrade request required");
    if header_text(parts, header::UPGRADE).eq_ignore_ascii_case(SPDY) {
        let upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let upgrade = upgrade.ok_or_else(required)?;
        tokio::spawn(async move {
            if let Ok(stream) = upgrade.await {
                spdy::serve(TokioIo::new(stream), listener, namespace, name).await;
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(
            header::CONNECTION,
            header::HeaderValue::from_static("Upgrade"),
        );
        headers.insert(header::UPGRADE, header::HeaderValue::from_static(SPDY));
        headers.insert(
            "x-stream-protocol-version",
            header::HeaderValue::from_static(FORWARD),
        );
        return Ok(response);
    }
    // A client that speaks SPDY within a WebSocket speaks it without one as well, once it is refused.
    let offered = header_text(parts, header::SEC_WEBSOCKET_PROTOCOL);
    if !offered.is_empty() && !offered.split(',').any(|one| CHANNELS.contains(&one.trim())) {
        return Err(required());
    }
    let wanted = forward::ports(parts.uri.query().unwrap_or_default())?;
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|_| required())?;
    Ok(upgrade
        .protocols(CHANNELS)
        .on_upgrade(move |socket| forward::serve(socket, listener, namespace, name, wanted)))
}

fn json_response(code: u16, body: &Value, content_type: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let kind = content_type
        .and_then(|text| text.parse().ok())
        .unwrap_or(header::HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The one answer that the real server writes for people's eyes.
fn pretty(body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body:#}")));
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn json_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

pub(super) fn failure(error: &StatusError) -> Response<Body> {
    if let Some(text) = error.status.as_str() {
        let mut response = Response::new(Body::from(text.to_owned()));
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        return response;
    }
    let mut response = json_response(error.code(), &json!(error.status), None);
    if let Some(seconds) = error.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A request from inside the process that is neither recorded nor disturbed.
pub(super) fn direct(
    shared: &Shared,
    agent: &str,
    method: &str,
    path: &str,
    body: Value,
) -> Result<Arc<Value>, StatusError> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let call = Call {
        target: shared.resolve(path)?,
        query: Query::parse(query),
        agent: agent.to_owned(),
        user: User::named(access::MASTERS),
        own: true,
    };
    let collection = call.target.name.is_empty();
    let (verb, kind) = match method {
        "GET" if collection => ("list", ""),
        "GET" => ("get", ""),
        "POST" => ("create", ""),
        "PUT" => ("update", ""),
        "PATCH" => ("patch", "application/merge-patch+json"),
        "DELETE" if collection => ("deletecollection", ""),
        "DELETE" => ("delete", ""),
        _ => return Err(StatusError::method_not_allowed()),
    };
    perform(shared, &call, verb, kind, body).map(|reply| reply.body)
}
