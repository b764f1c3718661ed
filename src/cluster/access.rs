//! What the user may do, and tokens to show to others.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::kinds::segment;
use super::object::Permission;

/// How many reviews are under way at once.
const AT_ONCE: usize = 16;

impl Cluster {
    /// A token of a service account, for an audience; good for so many seconds. It is never logged.
    pub async fn token(
        &self,
        namespace: &str,
        account: &str,
        audience: &str,
        seconds: u32,
    ) -> Result<String, ClusterError> {
        let url = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}/token",
            segment(namespace),
            segment(account)
        );
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": [audience], "expirationSeconds": seconds },
        });
        let answer = self.creating(&url, &body).await?;
        match answer["status"]["token"].as_str() {
            Some(token) if !token.is_empty() => Ok(token.to_owned()),
            _ => Err(ClusterError::new(
                ErrorClass::Invalid,
                format!("the server gave no token of {namespace}/{account}"),
            )),
        }
    }

    /// Whether the user may do each of these (`SelfSubjectAccessReview`), in the order asked.
    pub async fn may(
        &self,
        wanted: &[Permission],
    ) -> Result<Vec<(Permission, bool)>, ClusterError> {
        // Collected first: a stream that borrows through its closure makes a future that cannot be boxed.
        let questions: Vec<_> = wanted.iter().map(|one| self.review(one.clone())).collect();
        stream::iter(questions)
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn review(&self, permission: Permission) -> Result<(Permission, bool), ClusterError> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": permission.verb,
                "group": permission.group,
                "resource": permission.resource,
                "subresource": permission.subresource,
                "namespace": permission.namespace,
                "name": permission.name,
            } },
        });
        let url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.creating(url, &body).await?;
        Ok((permission, answer["status"]["allowed"] == true))
    }

    /// Asks a question that the API takes as a creation, of which nothing stays.
    async fn creating(&self, url: &str, body: &Value) -> Result<Value, ClusterError> {
        self.call(Method::POST, url.to_owned(), Some(body.clone()), None)
            .await
    }
}
