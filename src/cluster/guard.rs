//! The layer under every request: counts them, and in a dry run lets none through that could change anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{Method, Request};
use hyper::body::Body as _;
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
        let kind = Kind::of(&request);
        if self.guard.read_only && !kind.is_harmless() {
            let (method, path) = (request.method(), request.uri().path());
            let text = format!("a dry run may not {method} {path}");
            return async move { Err(Refused(text).into()) }.boxed();
        }
        self.guard.requests.count(kind.verb());
        let answer = self.inner.call(request);
        async move { answer.await.map_err(Into::into) }.boxed()
    }
}

/// The guard said no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

/// Whether a request changes nothing: it may be made in a dry run, and made again.
pub(super) fn is_harmless(request: &Request<Body>) -> bool {
    Kind::of(request).is_harmless()
}

/// What a request does, by its method and path alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read(&'static str),
    DryRun(&'static str),
    Review,
    Token,
    Forward,
    Write(&'static str),
}

impl Kind {
    fn of(request: &Request<Body>) -> Self {
        let (method, uri) = (request.method(), request.uri());
        let target = Target::parse(uri.path());
        let asks = |key: &str, value: &str| {
            let query = uri.query().unwrap_or_default();
            query
                .split('&')
                .any(|pair| pair.split_once('=') == Some((key, value)))
        };
        let is_core_pod = target.group.is_empty() && target.plural == "pods";
        if method == Method::GET || method == Method::HEAD {
            return match target.subresource {
                "portforward" if is_core_pod => Self::Forward,
                // Upgrades and proxied requests are GETs that act.
                "exec" | "attach" | "proxy" | "portforward" => Self::Write("connect"),
                _ if asks("watch", "1") || asks("watch", "true") => Self::Read("watch"),
                _ if target.name.is_empty() => Self::Read("list"),
                _ => Self::Read("get"),
            };
        }
        let verb = match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => return Self::Write("other"),
        };
        if method == Method::POST {
            match (target.group, target.plural, target.subresource) {
                ("authorization.k8s.io", "selfsubjectaccessreviews", "") => return Self::Review,
                ("", "serviceaccounts", "token") => return Self::Token,
                ("", "pods", "portforward") => return Self::Forward,
                (_, _, "exec" | "attach" | "proxy") => return Self::Write("connect"),
                _ => {}
            }
        }
        // A deletion's body replaces the options of its query, dryRun among them (apiserver's `delete.go`).
        let hides_options =
            method == Method::DELETE && request.body().size_hint().exact() != Some(0);
        if asks("dryRun", "All") && !hides_options {
            Self::DryRun(verb)
        } else {
            Self::Write(verb)
        }
    }

    const fn is_harmless(self) -> bool {
        !matches!(self, Self::Write(_))
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Read(verb) | Self::DryRun(verb) | Self::Write(verb) => verb,
            Self::Review => "access review",
            Self::Token => "token request",
            Self::Forward => "port-forward",
        }
    }
}

/// What a path of the API points at.
#[derive(Debug, Default, PartialEq, Eq)]
struct Target<'a> {
    group: &'a str,
    plural: &'a str,
    name: &'a str,
    subresource: &'a str,
}

impl<'a> Target<'a> {
    fn parse(path: &'a str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => {
                return Self {
                    name: path,
                    ..Self::default()
                };
            }
        };
        let rest = match rest {
            ["namespaces", _, rest @ ..] if rest.len() > 1 || is_collection(rest) => rest,
            all => all,
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default();
        Self {
            group,
            plural: part(0),
            name: part(1),
            subresource: part(2),
        }
    }
}

/// Whether what follows `/namespaces/NAME` is a collection and not a subresource of the namespace itself.
fn is_collection(rest: &[&str]) -> bool {
    matches!(rest, [plural] if !matches!(*plural, "status" | "finalize"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(method: &str, uri: &str) -> Kind {
        let request = Request::builder().method(method).uri(uri);
        Kind::of(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn reads_pass_and_are_told_apart() {
        assert_eq!(kind("GET", "/api/v1/pods?limit=500"), Kind::Read("list"));
        assert_eq!(kind("GET", "/api/v1/namespaces/a/pods"), Kind::Read("list"));
        assert_eq!(kind("GET", "/api/v1/namespaces/a"), Kind::Read("get"));
        assert_eq!(
            kind("GET", "/api/v1/namespaces/a/pods/p"),
            Kind::Read("get")
        );
        assert_eq!(kind("GET", "/api/v1/pods?watch=1"), Kind::Read("watch"));
        assert_eq!(kind("GET", "/version"), Kind::Read("get"));
    }

    #[test]
    fn what_acts_is_a_write() {
        for (method, uri) in [
            ("GET", "/api/v1/namespaces/a/pods/p/exec?command=sh"),
            ("GET", "/api/v1/namespaces/a/pods/p/attach"),
            ("GET", "/api/v1/namespaces/a/services/s/proxy/quit"),
            ("GET", "/apis/x/v1/namespaces/a/pods/p/portforward"),
            ("POST", "/api/v1/namespaces/a/pods/p/exec?dryRun=All"),
            ("POST", "/api/v1/namespaces/a/pods"),
            ("POST", "/api/v1/namespaces/a/pods?dryRun="),
            ("POST", "/api/v1/namespaces/a/pods?fieldManager=dryRun=All"),
            ("POST", "/api/v1/namespaces/a/pods/p/eviction"),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/a/deployments/d?xdryRun=All",
            ),
            ("PUT", "/api/v1/namespaces/a/finalize"),
            ("DELETE", "/api/v1/namespaces/a"),
            ("OPTIONS", "/api"),
            ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
            ("POST", "/apis/x/v1/namespaces/a/serviceaccounts/s/token"),
        ] {
            assert!(!kind(method, uri).is_harmless(), "{method} {uri}");
        }
    }

    #[test]
    fn dry_runs_reviews_tokens_and_forwards_pass() {
        for (method, uri, verb) in [
            ("PATCH", "/api/v1/namespaces/a?dryRun=All", "patch"),
            ("DELETE", "/api/v1/namespaces/a?x=1&dryRun=All", "delete"),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                "access review",
            ),
            (
                "POST",
                "/api/v1/namespaces/a/serviceaccounts/s/token",
                "token request",
            ),
            (
                "GET",
                "/api/v1/namespaces/a/pods/p/portforward?ports=1",
                "port-forward",
            ),
        ] {
            let kind = kind(method, uri);
            assert!(kind.is_harmless(), "{method} {uri}");
            assert_eq!(kind.verb(), verb);
        }
    }

    #[test]
    fn a_deletion_with_options_of_its_own_is_a_write() {
        let request = Request::delete("/api/v1/namespaces/a?dryRun=All");
        let kind = Kind::of(&request.body(Body::from(b"{}".to_vec())).unwrap());
        assert!(!kind.is_harmless());
    }
}
