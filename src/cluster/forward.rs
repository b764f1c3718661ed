//! HTTP to a pod's port, through a port-forward.

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::Cluster;
use super::error::{ClusterError, ErrorClass, innermost};

/// The longest that one question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most of an answer that is read, in bytes: the list of some hundred thousand proxies.
const MOST: usize = 512 << 20;

/// A question to a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The path with its query.
    pub path: String,
    /// A token to show.
    pub bearer: Option<String>,
}

/// A pod's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

impl Cluster {
    /// GETs from a pod's port.
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
        let whole = self.exchange(namespace, pod, port, question);
        tokio::time::timeout(PATIENCE, whole)
            .await
            .unwrap_or_else(|_| {
                Err(broken(
                    pod,
                    port,
                    &format!("no answer within {} s", PATIENCE.as_secs()),
                ))
            })
    }

    async fn exchange(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        question: &HttpRequest,
    ) -> Result<HttpAnswer, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forward = pods.portforward(pod, &[port]).await?;
        let stream = forward
            .take_stream(port)
            .ok_or_else(|| broken(pod, port, "the port-forward has no stream"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(pod, port, &innermost(&error)))?;
        let drive = tokio::spawn(connection);
        let answer = async {
            let answer = sender
                .send_request(request(pod, question)?)
                .await
                .map_err(|error| broken(pod, port, &innermost(&error)))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MOST)
                .collect()
                .await
                .map_err(|error| broken(pod, port, &error.to_string()))?;
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Ok(HttpAnswer { status, body })
        };
        let answer = answer.await;
        // The far side may never close; what was asked has been answered.
        drive.abort();
        forward.abort();
        answer
    }
}

fn request(pod: &str, question: &HttpRequest) -> Result<Request<Empty<Bytes>>, ClusterError> {
    let mut builder = Request::get(&question.path)
        .header("host", pod)
        .header("connection", "close");
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
