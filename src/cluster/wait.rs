//! Waiting for a condition of objects that are followed.

use std::sync::Arc;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};
use super::follow::{End, Follower, Scope};
use super::object::{Object, Selector};
use super::verbs::Form;

/// What a look at the objects says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait<T> {
    /// The wait is over.
    Done(T),
    /// It goes on, for these reasons.
    Not(Vec<String>),
}

impl Cluster {
    /// Waits until `judge` is content with the objects, telling its reasons as they change. Errors that may pass are
    /// told and waited out; how long all of it may take is the caller's matter. Where steps follow the kind anyway, it
    /// takes no request of its own.
    ///
    /// In a dry run nothing comes about: the judge is asked once, and its reasons are the error.
    ///
    /// # Errors
    /// What the server says for good.
    pub async fn wait<T>(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
        mut judge: impl FnMut(&[Object]) -> Wait<T>,
        mut told: impl FnMut(Vec<String>),
    ) -> Result<T, ClusterError> {
        if self.is_dry_run() {
            let objects = self.list(api_version, kind, namespace, selector).await?;
            return match judge(&objects) {
                Wait::Done(value) => Ok(value),
                Wait::Not(reasons) => Err(ClusterError::new(
                    ErrorClass::Invalid,
                    format!("a dry run does not wait: {}", reasons.join("; ")),
                )),
            };
        }
        let mut said = Vec::new();
        loop {
            let shared = self
                .cache
                .as_ref()
                .and_then(|cache| Some((cache, cache.pick(self, api_version, kind, namespace)?)));
            let follower = match &shared {
                Some((_, follower)) => Arc::clone(follower),
                None => Arc::new(Follower::start(
                    self,
                    Scope {
                        api_version: api_version.to_owned(),
                        kind: kind.to_owned(),
                        namespace: namespace.map(str::to_owned),
                        selector: selector.clone(),
                        form: Form::Full,
                    },
                )),
            };
            let mut news = follower.listen();
            let end = loop {
                let (objects, known, trouble, end) = {
                    let view = news.look();
                    let objects = view.objects(namespace, selector);
                    let end = view.end().cloned();
                    (objects, view.is_known(), view.trouble().cloned(), end)
                };
                if let Some(end) = end {
                    break end;
                }
                if known || trouble.is_some() {
                    // Of what was never seen nothing can be said.
                    let mut reasons = match known.then(|| judge(&objects)) {
                        Some(Wait::Done(value)) => return Ok(value),
                        Some(Wait::Not(reasons)) => reasons,
                        None => Vec::new(),
                    };
                    if let Some(error) = trouble {
                        let last = reasons.into_iter().map(|why| format!("last seen: {why}"));
                        reasons = std::iter::once(format!("the API server: {error}; trying again"))
                            .chain(last)
                            .collect();
                    }
                    if reasons != said {
                        told(reasons.clone());
                        said = reasons;
                    }
                }
                news.changed().await;
            };
            match (end, shared) {
                (end, Some((cache, follower))) if cache.ended(&follower, &end) => {}
                (End::Refused(error), _) => return Err(error),
                (End::Idle, _) => {}
            }
        }
    }
}
