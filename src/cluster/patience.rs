//! Questions that are asked again before a step gives up over one of many.
//!
//! Only what changes nothing is asked again here, and each time it is told: a step's own attempts, and whether it makes
//! any, are the plan's matter.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use kube::client::Body;
use serde_json::Value;

use super::Cluster;
use super::error::{ClusterError, ErrorClass};

/// How often a question is asked.
const TRIES: u32 = 6;
/// After what time it is asked for the second time; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(500);

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
                Err(error) if tries < TRIES => error,
                other => return other,
            };
            let (ErrorClass::Transient(asked), Some(Patience(told))) =
                (&error.class, &self.patience)
            else {
                return Err(error);
            };
            tries += 1;
            told(format!(
                "the API server: {error}; asking again ({tries} of {TRIES})"
            ));
            let own = PAUSE * (1 << (tries - 2));
            tokio::time::sleep(asked.map_or(own, |asked| own.max(asked))).await;
        }
    }
}
