//! The service for clients in the process, and connections from outside it.

use super::door::Keys;
use super::server::Shared;
use super::service;
use super::service::Lost;
use axum::body::Body;
use futures::future::BoxFuture;
use http::Request;
use http::Response;
use http::header;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

/// The server as a `tower` service.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
    agent: Option<header::HeaderValue>,
}

impl Service {
    pub(super) fn new(shared: Arc<Shared>, agent: &str) -> Self {
        Self {
            shared,
            agent: agent.parse().ok(),
        }
    }
}

impl tower::Service<Request<kube::client::Body>> for Service {
    type Response = Response<Body>;
    type Error = tower::BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, tower::BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let mut request = request.map(Body::new);
        if let Some(agent) = &self.agent
            && !request.headers().contains_key(header::USER_AGENT)
        {
            request
                .headers_mut()
                .insert(header::USER_AGENT, agent.clone());
        }
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if request.headers().contains_key(header::UPGRADE) {
                return upgrade(shared, request).await;
            }
            Ok(service::respond(shared, request).await?)
        })
    }
}

/// An upgrade needs a real connection: hyper's two ends over a pipe in memory.
async fn upgrade(
    shared: Arc<Shared>,
    mut request: Request<Body>,
) -> Result<Response<Body>, tower::BoxError> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(connection(shared, theirs, None));
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
    tokio::spawn(driver.with_upgrades());
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = path.as_str().parse()?;
    }
    request
        .headers_mut()
        .entry(header::HOST)
        .or_insert(header::HeaderValue::from_static("lab"));
    Ok(sender.send_request(request).await?.map(Body::new))
}

/// Answers what comes over a connection; with keys, only for those who show one.
pub(super) async fn connection(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    keys: Option<Arc<Keys>>,
) {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (shared, keys) = (Arc::clone(&shared), keys.clone());
        async move {
            let mut request = request.map(Body::new);
            if let Some(keys) = keys {
                match keys.user(&shared, request.headers()) {
                    Ok(user) => request.extensions_mut().insert(user),
                    Err(error) => return Ok(service::failure(&error)),
                };
            }
            service::respond(shared, request).await as Result<Response<Body>, Lost>
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the lab ended");
    }
}

/// Accepts connections until that fails.
pub(super) async fn serve(
    shared: Arc<Shared>,
    listener: tokio::net::TcpListener,
) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(Arc::clone(&shared), stream, None));
    }
}
