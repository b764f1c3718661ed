//! How many requests the steps make: as many namespaces as there may be, what is read is read once.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::Mesh;
use super::upgrade::{on, shop};
use crate::lab::api::{Effect, Fault};
use crate::lab::scenario::Scenario;
use crate::model::Kind;

/// The namespaces before which everything that is shared has been read.
const FIRST: usize = 4;
const ALL: usize = 7;

/// What the server was asked since the last look, but for what a watch needs from time to time.
fn reads(mesh: &Mesh) -> Vec<String> {
    let records = mesh.server.records();
    mesh.server.clear_records();
    records
        .iter()
        .filter(|record| record.agent == "plan")
        .filter(|record| matches!(record.verb.as_str(), "get" | "list"))
        .map(|record| format!("{} {}", record.verb, record.path))
        .collect()
}

/// A second control plane, ready to take over.
async fn install(mesh: &Mesh) {
    for (kind, with) in [
        (
            Kind::InstallRevision,
            json!({ "revision": "canary", "version": "1.29.1", "take_over": ["*/*"] }),
        ),
        (Kind::WaitReady, json!({ "revision": "canary" })),
    ] {
        mesh.run(kind, with).await.unwrap();
    }
}

async fn migrate(mesh: &Mesh, namespaces: &[String]) {
    let all = namespaces.iter().map(async |namespace| {
        let with = json!({ "namespace": namespace, "revision": "canary" });
        for kind in [Kind::LabelNs, Kind::Restart, Kind::VerifyXds] {
            let done = mesh.run(kind, with.clone()).await;
            done.unwrap_or_else(|error| panic!("{} of {namespace}: {error:#?}", kind.as_str()));
        }
    });
    join_all(all).await;
}

#[tokio::test(start_paused = true)]
async fn another_namespace_costs_its_patches_and_nothing_else() {
    let names: Vec<String> = (1..=ALL)
        .map(|number| format!("team-{number:02}"))
        .collect();
    let scenario =
        Scenario::new("shop").fit(&"1.28.2".parse().unwrap(), names.iter().map(String::as_str));
    let lab = scenario.open(0).await.unwrap();
    let mesh = on(&lab);
    install(&mesh).await;
    migrate(&mesh, &names[..FIRST]).await;
    reads(&mesh);

    migrate(&mesh, &names[FIRST..]).await;
    let patches = mesh.server.records();
    let patches = patches
        .iter()
        .filter(|record| record.verb == "patch" && record.agent == "plan")
        .count();
    let more = ALL - FIRST;
    let workloads = scenario.workloads.len();
    assert_eq!(patches, more * (1 + workloads), "labels and restarts");
    let asked = reads(&mesh);
    let (forwards, others): (Vec<_>, Vec<_>) = asked
        .into_iter()
        .partition(|line| line.ends_with("/portforward"));
    assert!(others.is_empty(), "{others:#?}");
    assert!(
        forwards.len() <= 2 * 2,
        "two istiods, whoever asks: {forwards:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_pods_that_is_late_costs_time_and_no_request() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    install(&mesh).await;
    mesh.run(
        Kind::VerifyXds,
        json!({ "namespace": "shop", "revision": "default" }),
    )
    .await
    .unwrap();
    let late = Effect::Delay(Duration::from_secs(30));
    let late = Fault::when(|r| r.verb == "watch" && r.resource == "pods", late);
    mesh.server.add_fault(late);
    // A watch that ends sooner is in trouble.
    tokio::time::sleep(Duration::from_secs(10)).await;
    mesh.server.disconnect();
    let with = json!({ "namespace": "shop", "revision": "canary" });
    mesh.run(Kind::LabelNs, with.clone()).await.unwrap();
    reads(&mesh);
    let done = mesh.run(Kind::Restart, with).await.unwrap();
    assert_eq!(done.outputs["restarted"].as_array().unwrap().len(), 3);
    let asked = reads(&mesh);
    let again = asked.iter().any(|line| line.ends_with("/pods"));
    assert!(!again, "{asked:#?}");
}
