//! Questions that are asked again before a step gives up over one of many.
//!
//! Only what changes nothing is asked again here, and each time it is told: a step's own attempts, and whether it makes
//! any, are the plan's matter. A step whose many changes each say all that they want, however often, may have the same
//! patience with each of them.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use kube::client::Body;
use serde_json::Value;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};

/// How often a question is asked.
pub const TRIES: u32 = 6;
/// After what time it is asked for the second time; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(500);

/// How long to wait after so many tries, and at least as long as the server asked; `None` where it is enough.
pub fn pause(tries: u32, asked: Option<Duration>) -> Option<Duration> {
    let own = (tries < TRIES).then(|| PAUSE * (1 << tries.saturating_sub(1)))?;
    Some(asked.map_or(own, |asked| own.max(asked)))
}

/// Who hears that a question is asked again.
#[derive(Clone)]
pub(super) struct Patience(Arc<dyn Fn(String) + Send + Sync>);

impl Cluster {
    /// The same cluster, which asks again what was not answered for a reason that may pass: a lost connection, 429 (when
    /// the server says), 5xx. `told` hears why, each time.
    #[must_use]
    pub fn patient(&self, told: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self {
            patience: Some(Patience(Arc::new(told))),
            ..self.clone()
        }
    }

    /// The same cluster, which asks once: for whoever waits and tells by themselves.
    #[must_use]
    pub(super) fn impatient(&self) -> Self {
        Self {
            patience: None,
            ..self.clone()
        }
    }

    /// A question and its JSON answer; `ask` makes a request that changes nothing.
    pub(super) async fn question(
        &self,
        ask: impl Fn() -> Result<Request<Body>, ClusterError>,
    ) -> Result<Value, ClusterError> {
        let mut tries = 1;
        loop {
            let error = match self.answer(ask()?).await {
                Err(error) => error,
                answer => return answer,
            };
            let (ErrorClass::Transient(asked), Some(Patience(told))) =
                (&error.class, &self.patience)
            else {
                return Err(error);
            };
            let Some(pause) = pause(tries, *asked) else {
                return Err(error);
            };
            tries += 1;
            told(format!(
                "the API server: {error}; asking again ({tries} of {TRIES})"
            ));
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_server_is_heard() {
        let all: Vec<_> = (1..=TRIES).map(|tries| pause(tries, None)).collect();
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(
            all,
            [
                millis(500),
                millis(1_000),
                millis(2_000),
                millis(4_000),
                millis(8_000),
                None
            ]
        );
        assert_eq!(pause(1, millis(3_000)), millis(3_000));
        assert_eq!(pause(5, millis(3_000)), millis(8_000));
    }
}
