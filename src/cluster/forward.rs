//! HTTP to a pod's port, through a port-forward.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::time::Instant;

use super::Cluster;
use super::error::{ClusterError, ErrorClass, innermost};

/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection is kept for the next question: its far side may end unseen (KWOK does not tell).
const KEPT: Duration = Duration::from_secs(10);
/// How long a kept connection has for its answer, before a new one is asked.
const DOUBT: Duration = Duration::from_secs(6);
/// How long after a broken stream the API server may still say why.
const LAST_WORD: Duration = Duration::from_millis(200);
/// The most of an answer that is read, in bytes: the list of some hundred thousand proxies.
const MOST: usize = 512 << 20;

/// A question to a pod.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The path with its query.
    pub path: String,
    /// A token to show.
    pub bearer: Option<String>,
}

/// Without the token.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("path", &self.path)
            .field("bearer", &self.bearer.as_ref().map(|_| "***"))
            .finish()
    }
}

/// A pod's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// Namespace, pod, port.
type Place = (String, String, u16);

/// Connections that wait for their next question.
#[derive(Default)]
pub(super) struct Pool(Mutex<BTreeMap<Place, Connection>>);

/// An open connection.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// What the API server says of the port, if it says something; may be asked again.
    complaint: Shared<BoxFuture<'static, Option<String>>>,
    used: Instant,
}

impl Pool {
    fn take(&self, place: &Place) -> Option<Connection> {
        let kept = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(place)?;
        (kept.sender.is_ready() && kept.used.elapsed() < KEPT).then_some(kept)
    }

    fn keep(&self, place: Place, connection: Connection) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, one| one.used.elapsed() < KEPT);
        kept.insert(place, connection);
    }
}

impl Cluster {
    /// GETs from a pod's port. The connection is kept for the next question; a kept one that breaks is replaced.
    ///
    /// # Errors
    /// [`ErrorClass::Transient`] where the pod cannot be reached.
    pub async fn http(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        question: &HttpRequest,
    ) -> Result<HttpAnswer, ClusterError> {
        let place = (namespace.to_owned(), pod.to_owned(), port);
        let whole = async {
            if let Some(kept) = self.forwards.take(&place)
                && let Ok(Ok(answer)) =
                    tokio::time::timeout(DOUBT, self.ask(&place, kept, question)).await
            {
                return Ok(answer);
            }
            let fresh = self.forward(&place).await?;
            self.ask(&place, fresh, question).await
        };
        tokio::time::timeout(PATIENCE, whole)
            .await
            .unwrap_or_else(|_| {
                let why = format!("no answer within {} s", PATIENCE.as_secs());
                Err(broken(pod, port, &why))
            })
    }

    async fn forward(&self, (namespace, pod, port): &Place) -> Result<Connection, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forward = pods.portforward(pod, &[*port]).await?;
        let complaint = forward.take_error(*port);
        let stream = forward
            .take_stream(*port)
            .ok_or_else(|| broken(pod, *port, "the port-forward has no stream"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(pod, *port, &innermost(&error)))?;
        // It ends with its sender, and the port-forward with it.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a forwarded connection broke");
            }
        });
        let complaint = async move {
            match complaint {
                Some(complaint) => complaint.await,
                None => None,
            }
        };
        Ok(Connection {
            sender,
            complaint: complaint.boxed().shared(),
            used: Instant::now(),
        })
    }

    async fn ask(
        &self,
        place: &Place,
        mut connection: Connection,
        question: &HttpRequest,
    ) -> Result<HttpAnswer, ClusterError> {
        let (_, pod, port) = place;
        let request = request(question)?;
        let answer = tokio::select! {
            biased;
            answer = exchange(&mut connection.sender, request) => answer,
            // A refused port says so here, while the stream may stay silent.
            Some(said) = connection.complaint.clone() => Err(said),
        };
        match answer {
            Ok(answer) => {
                connection.used = Instant::now();
                self.forwards.keep(place.clone(), connection);
                Ok(answer)
            }
            Err(why) => {
                let said = tokio::time::timeout(LAST_WORD, connection.complaint).await;
                let why = said.ok().flatten().unwrap_or(why);
                Err(broken(pod, *port, why.trim()))
            }
        }
    }
}

/// One question and its answer, framed by its own headers: the stream's end may never come.
async fn exchange(
    sender: &mut SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> Result<HttpAnswer, String> {
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| innermost(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MOST)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(HttpAnswer { status, body })
}

fn request(question: &HttpRequest) -> Result<Request<Empty<Bytes>>, ClusterError> {
    let mut builder = Request::get(&question.path).header("host", "localhost");
    if let Some(token) = &question.bearer {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    builder
        .body(Empty::new())
        .map_err(|error| ClusterError::new(ErrorClass::Invalid, error.to_string()))
}

fn broken(pod: &str, port: u16, why: &str) -> ClusterError {
    ClusterError::new(
        ErrorClass::Transient(None),
        format!("{pod}:{port} cannot be reached: {why}"),
    )
}
