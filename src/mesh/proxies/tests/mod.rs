//! Answers of real istiods, and one pod for each verdict.

mod answers;
mod metrics;
mod verdicts;

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::mesh::version::Version;

const NOW: &str = "2026-11-23T01:35:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - jiff::SignedDuration::from_secs(seconds)
}

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn target() -> Target {
    Target {
        revision: "canary".into(),
        version: Some(v("1.29.1")),
        cluster: Some("Kubernetes".into()),
        settle: Duration::from_secs(30),
        stale_after: Duration::from_secs(20),
        silent: Vec::new(),
    }
}

fn expected(pod: &str) -> ExpectedProxy {
    ExpectedProxy {
        id: ProxyId::new(pod, "shop"),
        workload: "deployment/api".into(),
        phase: Phase::Running,
        skip: None,
    }
}

/// A syncz entry of today, with everything accepted a minute ago.
fn entry(pod: &str) -> SyncEntry {
    let state = TypeState {
        sent: "1".into(),
        acked: "1".into(),
        sent_at: Some(ago(60)),
        error: String::new(),
    };
    SyncEntry {
        id: ProxyId::new(pod, "shop"),
        cluster: Some("Kubernetes".into()),
        kind: Some("sidecar".into()),
        version: Some(v("1.29.1")),
        types: [(XdsType::Cds, state.clone()), (XdsType::Lds, state)].into(),
        knows_errors: true,
    }
}

fn connection(pod: &str, seconds: i64) -> Connection {
    Connection {
        id: ProxyId::new(pod, "shop"),
        connected_at: Some(ago(seconds)),
    }
}

fn answer(
    revision: &str,
    syncz: Vec<SyncEntry>,
    connections: Option<Vec<Connection>>,
) -> EndpointAnswer {
    EndpointAnswer {
        revision: revision.into(),
        pod: format!("istiod-{revision}-0"),
        version: None,
        syncz,
        connections,
        metrics: None,
    }
}

/// The verdict on the pod `api-1`.
fn verdict(answers: &[EndpointAnswer]) -> (Verdict, String) {
    let verdict = judge(&[expected("api-1")], answers, &target(), now()).remove(0);
    (verdict.verdict, verdict.detail)
}
