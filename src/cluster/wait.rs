//! Waiting for a condition: a list, then a watch, that survives what watches suffer.

use std::time::Duration;

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use http::Method;
use serde_json::Value;

use super::Cluster;
use super::error::{ClusterError, ErrorClass, innermost};
use super::kinds::path;
use super::object::{Object, Selector};
use super::verbs::{key, named, refusal, request, selection};

/// How long one watch lasts; the server ends it, and the next goes on where it ended.
const WATCH: u64 = 60;
/// How long a watch may stay silent beyond that before it is given up.
const SILENCE: Duration = Duration::from_secs(75);
/// The pauses between attempts after errors; then the wait fails.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 15];
/// How many events are taken at once, so that a burst is judged once.
const BURST: usize = 256;

/// What a look at the objects says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait<T> {
    /// The wait is over.
    Done(T),
    /// It goes on, for these reasons.
    Not(Vec<String>),
}

/// Why a watch ended.
enum End<T> {
    /// The judge said so.
    Done(T),
    /// The server or the network: go on from the same resource version.
    Cut,
    /// The resource version is too old: list again.
    Gone,
}

/// The objects as they are known, and the resource version up to which.
struct Known {
    objects: Vec<Object>,
    version: String,
}

impl Cluster {
    /// Waits until `judge` is content with the objects, telling its reasons as they change.
    ///
    /// In a dry run nothing comes about: the judge is asked once, and is taken at its word or ignored.
    ///
    /// # Errors
    /// What the server keeps answering, after a few attempts.
    pub async fn wait<T>(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        selector: &Selector,
        mut judge: impl FnMut(&[Object]) -> Wait<T>,
        mut told: impl FnMut(Vec<String>),
    ) -> Result<T, ClusterError> {
        let mut failures = 0;
        let mut known: Option<Known> = None;
        loop {
            let step = async {
                let known = match &mut known {
                    Some(known) => known,
                    empty => {
                        let (objects, version) = self
                            .list_live(api_version, kind, namespace, selector)
                            .await?;
                        let known = empty.insert(Known { objects, version });
                        match judge(&known.objects) {
                            Wait::Done(value) => return Ok(End::Done(value)),
                            Wait::Not(reasons) => told(reasons),
                        }
                        known
                    }
                };
                let resource = self.resource(api_version, kind).await?;
                let url = format!(
                    "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH}&resourceVersion={}{}",
                    path(api_version, &resource, namespace, None),
                    known.version,
                    selection(selector)
                );
                self.watch(url, (api_version, kind), known, &mut judge, &mut told)
                    .await
            };
            match step.await {
                Ok(End::Done(value)) => return Ok(value),
                Ok(End::Cut) => failures = 0,
                Ok(End::Gone) => known = None,
                Err(error) if error.class == ErrorClass::Gone => known = None,
                Err(error) if error.is_transient() && failures < PAUSES.len() => {
                    told(vec![format!("the API server: {error}; trying again")]);
                    tokio::time::sleep(Duration::from_secs(PAUSES[failures])).await;
                    failures += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn watch<T>(
        &self,
        url: String,
        (api_version, kind): (&str, &str),
        known: &mut Known,
        judge: &mut impl FnMut(&[Object]) -> Wait<T>,
        told: &mut impl FnMut(Vec<String>),
    ) -> Result<End<T>, ClusterError> {
        let answer = self
            .client
            .send(request(Method::GET, url, None, None)?)
            .await?;
        let status = answer.status();
        if !status.is_success() {
            let bytes = answer.into_body().collect_bytes().await?;
            return Err(refusal(status.as_u16(), &bytes, None));
        }
        let body = http_body_util::BodyDataStream::new(answer.into_body());
        let lines = body
            .map_err(|error| std::io::Error::other(innermost(&error)))
            .into_async_read()
            .lines();
        let mut bursts = std::pin::pin!(lines.ready_chunks(BURST));
        loop {
            let Ok(Some(burst)) = tokio::time::timeout(SILENCE, bursts.next()).await else {
                return Ok(End::Cut);
            };
            let mut changed = false;
            for line in burst {
                // A connection that breaks is no event; what is known stays true.
                let Ok(line) = line else {
                    return Ok(End::Cut);
                };
                match known.take(&line, api_version, kind) {
                    Taken::Change => changed = true,
                    Taken::Nothing => {}
                    Taken::Gone => return Ok(End::Gone),
                }
            }
            if changed {
                match judge(&known.objects) {
                    Wait::Done(value) => return Ok(End::Done(value)),
                    Wait::Not(reasons) => told(reasons),
                }
            }
        }
    }
}

/// What an event meant.
enum Taken {
    Change,
    Nothing,
    Gone,
}

impl Known {
    fn take(&mut self, line: &str, api_version: &str, kind: &str) -> Taken {
        let Ok(mut event) = serde_json::from_str::<Value>(line) else {
            return Taken::Nothing;
        };
        let object = named(event["object"].take(), api_version, kind);
        let event = event["type"].as_str().unwrap_or_default();
        if event == "ERROR" {
            return Taken::Gone;
        }
        object.resource_version().clone_into(&mut self.version);
        let place = self
            .objects
            .binary_search_by(|known| key(known).cmp(&key(&object)));
        match (event, place) {
            ("BOOKMARK", _) | ("DELETED", Err(_)) => return Taken::Nothing,
            ("DELETED", Ok(at)) => drop(self.objects.remove(at)),
            (_, Ok(at)) => self.objects[at] = object,
            (_, Err(at)) => self.objects.insert(at, object),
        }
        Taken::Change
    }
}
