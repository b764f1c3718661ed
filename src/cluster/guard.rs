//! The layer under every request: counts them, and in a dry run lets none through that could change anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

/// How many requests were made, by verb.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Requests {
    /// The verbs with their counts.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn count(&self, verb: &'static str) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(verb)
            .or_insert(0) += 1;
    }
}

/// Wraps a client's service.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    read_only: bool,
    requests: Requests,
}

impl Guard {
    /// A guard that lets only reads and dry runs through, or all.
    pub(super) fn new(read_only: bool, requests: Requests) -> Self {
        Self {
            read_only,
            requests,
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            guard: self.clone(),
        }
    }
}

/// A guarded service.
#[derive(Debug, Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = verb(&request);
        if self.guard.read_only && !is_harmless(&request) {
            let text = format!("a dry run may not {verb} {}", request.uri().path());
            return async move { Err(Refused(text).into()) }.boxed();
        }
        self.guard.requests.count(verb);
        let answer = self.inner.call(request);
        async move { answer.await.map_err(Into::into) }.boxed()
    }
}

/// The guard said no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

/// Reads, dry runs, questions about access, and tokens: none of them changes an object.
fn is_harmless(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    let dry = request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "dryRun=All"));
    match *request.method() {
        // A port-forward is a GET as well; it carries questions to istiod only.
        Method::GET | Method::HEAD => true,
        Method::POST => {
            dry || path.ends_with("/selfsubjectaccessreviews")
                || (path.contains("/serviceaccounts/") && path.ends_with("/token"))
        }
        _ => dry,
    }
}

fn verb(request: &Request<Body>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        Method::GET | Method::HEAD if query.contains("watch=") => "watch",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, uri: &str) -> bool {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Body::empty())
            .unwrap();
        is_harmless(&request)
    }

    #[test]
    fn only_what_changes_nothing_passes() {
        assert!(allowed(Method::GET, "/api/v1/pods?watch=true"));
        assert!(allowed(
            Method::PATCH,
            "/api/v1/namespaces/a?fieldManager=plan&dryRun=All"
        ));
        assert!(allowed(
            Method::POST,
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        ));
        assert!(allowed(
            Method::POST,
            "/api/v1/namespaces/istio-system/serviceaccounts/istiod/token"
        ));
        assert!(!allowed(Method::PATCH, "/api/v1/namespaces/a?x=dryRun=All"));
        assert!(!allowed(Method::POST, "/api/v1/namespaces/a/pods"));
        assert!(!allowed(Method::DELETE, "/api/v1/namespaces/a"));
        assert!(!allowed(
            Method::PUT,
            "/apis/coordination.k8s.io/v1/namespaces/a/leases/b"
        ));
    }
}
