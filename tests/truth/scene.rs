//! Where a case plays: a namespace of its own on some API server, and the book in which all answers are kept.

use std::cell::RefCell;
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use super::normal::normalise;

/// How long a case waits for what must come.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

const PLAIN: &str = "application/json";
pub(crate) const JSON: &str = "application/json-patch+json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// One case at work.
pub(crate) struct Scene {
    client: kube::Client,
    namespace: String,
    seen: RefCell<Vec<Value>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    warnings: Vec<String>,
    retry_after: Option<String>,
}

impl Scene {
    /// Makes the namespace.
    pub(crate) async fn open(client: kube::Client, area: &str, case: &str) -> Self {
        let scene = Self {
            client,
            namespace: format!("{area}-{}", case.replace('_', "-")),
            seen: RefCell::default(),
        };
        scene
            .ask(
                "POST",
                "/api/v1/namespaces",
                "",
                json!({"metadata": {"name": scene.namespace}}),
            )
            .await;
        scene
    }

    /// What was seen, without what differs from run to run.
    pub(crate) fn close(self) -> Value {
        normalise(Value::Array(self.seen.into_inner()))
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `apps/v1~deployments` is `/apis/apps/v1/namespaces/OWN/deployments`.
    fn path(&self, short: &str) -> String {
        match short.split_once('~') {
            Some((version, rest)) => {
                let root = if version.contains('/') { "apis" } else { "api" };
                format!("/{root}/{version}/namespaces/{}/{rest}", self.namespace)
            }
            None => short.to_owned(),
        }
    }

    fn note(&self, entry: Value) {
        self.seen.borrow_mut().push(entry);
    }

    /// Keeps a value of the case's own making.
    pub(crate) fn observe(&self, what: &str, value: Value) {
        self.note(json!({"saw": what, "value": value}));
    }

    /// A request that is not kept; `kind` is the content type, `user:NAME` to ask as somebody else, or `accept:TYPE`.
    pub(crate) async fn ask(&self, method: &str, path: &str, kind: &str, body: Value) -> Answer {
        let (content, accept, user) = match kind.split_once(':') {
            Some(("user", user)) => (PLAIN, PLAIN, Some(user)),
            Some((_, accept)) => (PLAIN, accept, None),
            None => (if kind.is_empty() { PLAIN } else { kind }, PLAIN, None),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(self.path(path))
            .header("user-agent", "truth")
            .header("accept", accept)
            .header("content-type", content);
        if let Some(user) = user {
            request = request.header("impersonate-user", user);
        }
        let bytes = match body {
            Value::Null => Vec::new(),
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        };
        let request = request.body(Body::from(bytes)).expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let header = |name: &str| {
            response
                .headers()
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (warnings, retry_after) = (header("warning"), header("retry-after").pop());
        let code = response.status().as_u16();
        let text = text(response).await;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            code,
            body,
            warnings,
            retry_after,
        }
    }

    /// A request whose answer is kept, without managed fields.
    pub(crate) async fn call(&self, method: &str, path: &str, kind: &str, body: Value) -> Value {
        let answer = self.ask(method, path, kind, body).await;
        let mut kept = answer.body.clone();
        forget(&mut kept, "managedFields");
        self.keep(method, path, &answer, kept);
        answer.body
    }

    /// A request of whose answer only these places are kept, by JSON pointer.
    pub(crate) async fn see(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Value,
        places: &[&str],
    ) -> Value {
        let answer = self.ask(method, path, kind, body).await;
        let mut kept = json!({});
        for place in places {
            kept[*place] = answer.body.pointer(place).cloned().unwrap_or_default();
        }
        self.keep(
            method,
            path,
            &answer,
            if answer.code < 300 {
                kept
            } else {
                answer.body.clone()
            },
        );
        answer.body
    }

    fn keep(&self, method: &str, path: &str, answer: &Answer, body: Value) {
        let mut entry =
            json!({"did": format!("{method} {path}"), "code": answer.code, "body": body});
        if !answer.warnings.is_empty() {
            entry["warnings"] = json!(answer.warnings);
        }
        if let Some(seconds) = &answer.retry_after {
            entry["retry-after"] = json!(seconds);
        }
        self.note(entry);
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, "", Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, "", body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        self.call("PUT", path, "", body).await
    }

    pub(crate) async fn delete(&self, path: &str, options: Value) -> Value {
        self.call("DELETE", path, "", options).await
    }

    pub(crate) async fn patch(&self, kind: &str, path: &str, body: Value) -> Value {
        self.call("PATCH", path, kind, body).await
    }

    /// Makes an object without keeping the answer.
    pub(crate) async fn given(&self, path: &str, body: Value) -> Value {
        let answer = self.ask("POST", path, "", body).await;
        if answer.code != 201 {
            self.note(json!({"given": path, "code": answer.code, "body": answer.body}));
        }
        answer.body
    }

    /// The service account that a pod needs where no controller makes it.
    pub(crate) async fn account(&self) {
        self.ask(
            "POST",
            "v1~serviceaccounts",
            "",
            json!({"metadata": {"name": "default"}}),
        )
        .await;
    }

    /// Looks until an object is as it should be, and gives it; what never comes is kept as such.
    pub(crate) async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.ask("GET", path, "", Value::Null).await;
            if is_so(&answer.body) {
                return answer.body;
            }
            if tokio::time::Instant::now() > end {
                self.note(json!({"never": path, "body": answer.body}));
                return answer.body;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the istiod of a revision on a port; gives the code and the text.
    pub(crate) async fn istiod(&self, revision: &str, port: u16, path: &str) -> (u16, String) {
        let list = format!(
            "/api/v1/namespaces/istio-system/pods?labelSelector=app%3Distiod,istio.io/rev%3D{revision}"
        );
        let pods = self.ask("GET", &list, "", Value::Null).await.body;
        let name = pods["items"][0]["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        let api = kube::Api::<k8s_openapi::api::core::v1::Pod>::namespaced(
            self.client.clone(),
            "istio-system",
        );
        let mut forward = api
            .portforward(name, &[port])
            .await
            .expect("a port-forward");
        let stream = forward.take_stream(port).expect("the stream of the port");
        let (mut sender, driver) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .expect("HTTP");
        tokio::spawn(driver);
        let request = Request::get(path)
            .header("host", "localhost")
            .body(String::new())
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        (response.status().as_u16(), text(response).await)
    }

    /// Begins a watch; its answer's code is kept.
    pub(crate) async fn watch(&self, path: &str) -> Events<'_> {
        self.watch_as(path, PLAIN).await
    }

    /// Begins a watch after a revision.
    pub(crate) async fn watch_from(&self, path: &str, revision: &str) -> Events<'_> {
        self.open_watch(path, &format!("&resourceVersion={revision}"), PLAIN)
            .await
    }

    /// Begins a watch whose objects are to come in another form.
    pub(crate) async fn watch_as(&self, path: &str, accept: &str) -> Events<'_> {
        self.open_watch(path, "", accept).await
    }

    async fn open_watch(&self, path: &str, from: &str, accept: &str) -> Events<'_> {
        let request = Request::get(self.path(&format!("{path}{from}")))
            .header("user-agent", "truth")
            .header("accept", accept)
            .body(Body::empty())
            .expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        self.note(json!({"did": format!("WATCH {path}"), "code": response.status().as_u16()}));
        let stream = response
            .into_body()
            .into_data_stream()
            .map(|chunk| chunk.map(|bytes| bytes.to_vec()).unwrap_or_default())
            .boxed_local();
        Events {
            scene: self,
            stream,
            buffer: Vec::new(),
        }
    }
}

/// The whole body of an answer.
async fn text<B: hyper::body::Body<Error: std::fmt::Debug>>(response: http::Response<B>) -> String {
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

/// A watch under way.
pub(crate) struct Events<'scene> {
    scene: &'scene Scene,
    stream: futures::stream::LocalBoxStream<'static, Vec<u8>>,
    buffer: Vec<u8>,
}

impl Events<'_> {
    /// The next event, of which the type, the name and these places are kept.
    pub(crate) async fn next(&mut self, places: &[&str]) -> Value {
        let event = self.read().await;
        let mut kept = json!({"event": event["type"], "name": event["object"]["metadata"]["name"]});
        for place in places {
            kept[*place] = event["object"].pointer(place).cloned().unwrap_or_default();
        }
        self.scene.note(kept);
        event
    }

    /// The next event as a whole.
    pub(crate) async fn whole(&mut self) -> Value {
        let event = self.read().await;
        let mut kept = event.clone();
        forget(&mut kept, "managedFields");
        self.scene.note(kept);
        event
    }

    /// The next event, not kept.
    pub(crate) async fn read(&mut self) -> Value {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return serde_json::from_slice(&line)
                    .unwrap_or_else(|_| json!(String::from_utf8_lossy(&line)));
            }
            match tokio::time::timeout(PATIENCE, self.stream.next()).await {
                Ok(Some(bytes)) => self.buffer.extend(bytes),
                Ok(None) => return json!({"type": "END"}),
                Err(_) => return json!({"type": "SILENCE"}),
            }
        }
    }
}

/// Drops a member wherever it is.
pub(crate) fn forget(value: &mut Value, key: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, key)),
        Value::Object(map) => {
            map.shift_remove(key);
            map.values_mut().for_each(|member| forget(member, key));
        }
        _ => {}
    }
}
