//! Asking for objects, and the requests that all asking and changing is made of.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::follow::Scope;
use super::guard::is_harmless;
use super::kinds::{Resource, base, path, query};
use super::object::{Object, ObjectRef, Selector};

/// How many objects one answer of a list holds at most.
const CHUNK: usize = 500;
/// The longest that one request may take: the server gives up after 60 s, and an admission webhook has up to 30.
const PATIENCE: Duration = Duration::from_secs(65);

impl Cluster {
    /// The server's version: `v1.35.4`.
    pub async fn server_version(&self) -> Result<String, ClusterError> {
        let answer = self
            .call(Method::GET, "/version".to_owned(), None, None)
            .await?;
        Ok(answer["gitVersion"].as_str().unwrap_or_default().to_owned())
    }

    /// One object, or `None` where it, or its kind, is not there.
    pub async fn get(&self, object: &ObjectRef) -> Result<Option<Object>, ClusterError> {
        if let Some(overlay) = &self.overlay
            && let Some(predicted) = overlay.get(object)
        {
            return Ok(Some(predicted));
        }
        match self.get_live(object).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get_live(&self, object: &ObjectRef) -> Result<Object, ClusterError> {
        let path = self.path_of(object).await?;
        self.call(Method::GET, path, None, None)
            .await
            .map(Object::new)
    }

    /// All objects of a kind that the selector selects, sorted by namespace and name.
    pub async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Object>, ClusterError> {
        let scope = Scope {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            selector: selector.clone(),
            form: Form::Full,
        };
        let mut objects = match (self.list_live(&scope).await, &self.overlay) {
            (Ok((objects, _)), _) => objects,
            (Err(error), Some(overlay))
                if error.is_not_found() && overlay.makes_kind(api_version, kind) =>
            {
                Vec::new()
            }
            (Err(error), _) => return Err(error),
        };
        if let Some(overlay) = &self.overlay {
            overlay.merge(&mut objects, api_version, kind, namespace, selector);
        }
        Ok(objects)
    }

    /// As [`Cluster::list`], past any prediction, with the resource version to watch from.
    pub(super) async fn list_live(
        &self,
        scope: &Scope,
    ) -> Result<(Vec<Object>, String), ClusterError> {
        let (api_version, kind) = (scope.api_version.as_str(), scope.kind.as_str());
        let resource = self.resource(api_version, kind).await?;
        let path = path(api_version, &resource, scope.namespace.as_deref(), None);
        let mut objects = Vec::new();
        let mut next = String::new();
        let mut limit = CHUNK;
        loop {
            let mut url = format!("{path}?limit={limit}{}", selection(&scope.selector));
            if !next.is_empty() {
                url.push_str("&continue=");
                url.push_str(&query(&next));
            }
            let page = || reading(url.clone(), scope.form.list());
            let answer = self.question(page).await;
            if matches!(&answer, Err(error) if error.class == ErrorClass::Gone && !next.is_empty())
            {
                // The moment that the chunks show is forgotten: begin again, in one piece.
                (limit, next) = (0, String::new());
                objects.clear();
                continue;
            }
            let mut answer = answer?;
            if let Some(Value::Array(items)) = answer.get_mut("items").map(Value::take) {
                let items = items.into_iter();
                objects.extend(items.map(|item| scope.form.slim(named(item, api_version, kind))));
            }
            let text = |key: &str| {
                answer["metadata"][key]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            next = text("continue");
            if next.is_empty() {
                objects.sort_by(|a, b| key(a).cmp(&key(b)));
                return Ok((objects, text("resourceVersion")));
            }
        }
    }

    /// The names of the namespaces that a label selector selects, without the excluded ones, sorted.
    pub async fn namespaces(
        &self,
        selector: &str,
        exclude: &[String],
    ) -> Result<Vec<String>, ClusterError> {
        let found = self
            .followed("v1", "Namespace", None, &Selector::labelled(selector))
            .await?;
        let names = found.iter().map(|namespace| namespace.name().to_owned());
        Ok(names.filter(|name| !exclude.contains(name)).collect())
    }

    pub(super) async fn path_of(&self, object: &ObjectRef) -> Result<String, ClusterError> {
        let resource = self.resource(&object.api_version, &object.kind).await?;
        Ok(path(
            &object.api_version,
            &resource,
            object.namespace.as_deref(),
            Some(&object.name),
        ))
    }

    pub(super) async fn collection(&self, object: &Object) -> Result<String, ClusterError> {
        let resource = self.resource(object.api_version(), object.kind()).await?;
        Ok(path(
            object.api_version(),
            &resource,
            object.namespace(),
            None,
        ))
    }

    pub(super) async fn resource(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Resource, ClusterError> {
        if let Some(resource) = self.kinds.get(api_version, kind) {
            return Ok(resource);
        }
        match self.call(Method::GET, base(api_version), None, None).await {
            Ok(list) => self.kinds.learn(api_version, kind, &list),
            Err(error) if error.is_not_found() => Err(super::kinds::unknown(api_version, kind)),
            Err(error) => Err(error),
        }
    }

    /// One request and its JSON answer.
    pub(super) async fn call(
        &self,
        method: Method,
        url: String,
        body: Option<Value>,
        content: Option<&'static str>,
    ) -> Result<Value, ClusterError> {
        let ask = || request(method.clone(), url.clone(), body.clone(), content);
        let first = ask()?;
        if is_harmless(&first) {
            return self.question(ask).await;
        }
        self.answer(first).await
    }

    /// One request, asked once, and its JSON answer.
    pub(super) async fn answer(&self, request: Request<Body>) -> Result<Value, ClusterError> {
        let exchange = async {
            let answer = self.client.send(request).await?;
            let (status, retry_after) = (answer.status(), retry_after(&answer));
            let bytes = answer.into_body().collect().await?.to_bytes();
            Ok((status, retry_after, bytes))
        };
        let (status, retry_after, bytes) = self.within(exchange).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| {
                ClusterError::new(
                    ErrorClass::Transient(None),
                    format!("an answer that is no JSON: {error}"),
                )
            });
        }
        Err(refusal(status.as_u16(), &bytes, retry_after))
    }

    /// One request whose answer is read as it comes.
    pub(super) async fn open(&self, request: Request<Body>) -> Result<Body, ClusterError> {
        let answer = self.within(self.client.send(request)).await?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let bytes = self.within(answer.into_body().collect_bytes()).await?;
        Err(refusal(status.as_u16(), &bytes, retry_after))
    }

    /// The answer, or that there is none in time. Errors of the connection name the server.
    pub(super) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ClusterError> {
        let server = &self.server;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(ClusterError::from(error)),
            Err(_) => Err(ClusterError::new(
                ErrorClass::Transient(None),
                format!("no answer from {server} within {} s", PATIENCE.as_secs()),
            )),
        }
    }
}

pub(super) fn request(
    method: Method,
    url: String,
    body: Option<Value>,
    content: Option<&'static str>,
) -> Result<Request<Body>, ClusterError> {
    let invalid = |error: http::Error| ClusterError::new(ErrorClass::Invalid, error.to_string());
    let builder = Request::builder()
        .method(method)
        .uri(url)
        .header("accept", "application/json");
    match body {
        None => builder.body(Body::empty()).map_err(invalid),
        Some(value) => builder
            .header("content-type", content.unwrap_or("application/json"))
            .body(Body::from(value.to_string().into_bytes()))
            .map_err(invalid),
    }
}

/// A GET of something in a form of one's choice.
pub(super) fn reading(url: String, accept: &'static str) -> Result<Request<Body>, ClusterError> {
    let mut request = request(Method::GET, url, None, None)?;
    let accept = http::HeaderValue::from_static(accept);
    request.headers_mut().insert(http::header::ACCEPT, accept);
    Ok(request)
}

/// How much of each object is asked for, and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// All of it.
    Full,
    /// All but who manages which field.
    Unmanaged,
    /// What tells of a pod's owner, state and proxy: thousands of them are kept.
    Pod,
    /// Who it is and whose: the server sends no more.
    Metadata,
}

impl Form {
    const fn list(self) -> &'static str {
        match self {
            Self::Metadata => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
            }
            _ => "application/json",
        }
    }

    /// What a watch accepts.
    pub(super) const fn watch(self) -> &'static str {
        match self {
            Self::Metadata => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
            _ => "application/json",
        }
    }

    /// The object without what this form leaves out.
    pub(super) fn slim(self, object: Object) -> Object {
        if self == Self::Full {
            return object;
        }
        let mut value = object.into_value();
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            metadata.shift_remove("managedFields");
        }
        match self {
            Self::Pod => {
                let status = [
                    "phase",
                    "conditions",
                    "containerStatuses",
                    "initContainerStatuses",
                ];
                keep(&mut value, "/status", &status);
                for list in ["/status/containerStatuses", "/status/initContainerStatuses"] {
                    // A container that is ready has nothing to tell.
                    if let Some(Value::Array(containers)) = value.pointer_mut(list) {
                        containers.retain(|container| container["ready"] != true);
                    }
                }
                let spec = [
                    "hostNetwork",
                    "serviceAccountName",
                    "containers",
                    "initContainers",
                ];
                keep(&mut value, "/spec", &spec);
                for list in ["/spec/containers", "/spec/initContainers"] {
                    let containers = value.pointer_mut(list).and_then(Value::as_array_mut);
                    for container in containers.into_iter().flatten() {
                        keep(container, "", &["name", "image", "args", "env"]);
                    }
                }
            }
            Self::Metadata => keep(&mut value, "", &["apiVersion", "kind", "metadata"]),
            Self::Full | Self::Unmanaged => {}
        }
        Object::new(value)
    }
}

/// Leaves only these keys in the map that the pointer names, if it is there.
fn keep(value: &mut Value, pointer: &str, keys: &[&str]) {
    if let Some(Value::Object(map)) = value.pointer_mut(pointer) {
        map.retain(|key, _| keys.contains(&key.as_str()));
    }
}

/// The error that a server answers with, whether or not it is a `Status`.
pub(super) fn refusal(code: u16, bytes: &[u8], retry_after: Option<Duration>) -> ClusterError {
    let status = serde_json::from_slice::<Status>(bytes).unwrap_or_else(|_| Status {
        code,
        message: String::from_utf8_lossy(bytes)
            .trim()
            .chars()
            .take(300)
            .collect(),
        ..Status::default()
    });
    // A watch tells its error as an event of a successful answer: there the status itself has the code.
    let code = if status.code == 0 { code } else { status.code };
    ClusterError::from_status(&Status { code, ..status }, retry_after)
}

/// The error that a watch tells as an event.
pub(super) fn told(status: &Value) -> ClusterError {
    refusal(500, status.to_string().as_bytes(), None)
}

fn retry_after<B>(answer: &http::Response<B>) -> Option<Duration> {
    let seconds = answer
        .headers()
        .get("retry-after")?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// The selector as a query's end.
pub(super) fn selection(selector: &Selector) -> String {
    let mut text = String::new();
    if let Some(labels) = &selector.labels {
        text.push_str("&labelSelector=");
        text.push_str(&query(labels));
    }
    if let Some(name) = &selector.name {
        text.push_str("&fieldSelector=");
        text.push_str(&query(&format!("metadata.name={name}")));
    }
    text
}

/// Items of a list do not say what they are, nor does an object's metadata alone.
pub(super) fn named(mut item: Value, api_version: &str, kind: &str) -> Object {
    if let Some(map) = item.as_object_mut() {
        map.insert("apiVersion".to_owned(), api_version.into());
        map.insert("kind".to_owned(), kind.into());
    }
    Object::new(item)
}

/// What objects are ordered by.
pub(super) fn key(object: &Object) -> (&str, &str) {
    (object.namespace().unwrap_or_default(), object.name())
}
