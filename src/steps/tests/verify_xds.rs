//! What a verdict is built upon.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::upgrade::{migration, on, shop};
use crate::lab::api::{Effect, Fault, StatusError};
use crate::lab::scenario::{Behaviour, Scenario};
use crate::model::Kind;
use crate::steps::context::{Done, StepError};

#[tokio::test(start_paused = true)]
async fn a_pod_that_a_dead_watch_hides_is_judged() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let with = json!({ "namespace": "shop", "revision": "default" });
    mesh.run(Kind::VerifyXds, with.clone()).await.unwrap();
    let dead = Fault::when(
        |r| r.verb == "watch" && r.resource == "pods",
        Effect::Silence,
    );
    mesh.server.add_fault(dead);
    // A watch that ends sooner is in trouble.
    tokio::time::sleep(Duration::from_secs(10)).await;
    mesh.server.disconnect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // istiod does not list it yet, and so does not give it away.
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "late" },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
    });
    let path = "/api/v1/namespaces/shop/pods";
    let created = mesh.server.request("kubectl", "POST", path, pod);
    created.expect("a pod");

    let done = mesh.run(Kind::VerifyXds, with).await.unwrap();
    let judged = done.outputs["verdicts"].as_array().unwrap();
    let late = judged.iter().find(|verdict| verdict["pod"] == "late.shop");
    assert_eq!(late.expect("its verdict")["verdict"], "MOVED");
}

#[tokio::test(start_paused = true)]
async fn an_istiod_that_is_replaced_while_it_is_asked_is_asked_again() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let gone = Effect::Fail(StatusError::not_found("pods", "", "istiod-1"));
    let gone = Fault::when(|r| r.path.ends_with("/portforward"), gone).times(1);
    mesh.server.add_fault(gone);
    let with = json!({ "namespace": "shop", "revision": "default" });
    mesh.run(Kind::VerifyXds, with).await.unwrap();
    let waited = mesh.waited.lock().unwrap().join("; ");
    assert!(waited.contains("not found"), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn pods_without_the_proxy_that_a_label_asks_for_are_missing() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let relabelled =
        json!({ "metadata": { "labels": { "istio-injection": null, "istio.io/rev": "gone" } } });
    let path = "/api/v1/namespaces/shop";
    mesh.server
        .request("kubectl", "PATCH", path, relabelled)
        .unwrap();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "bare" },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
    });
    let path = "/api/v1/namespaces/shop/pods";
    mesh.server.request("kubectl", "POST", path, pod).unwrap();
    let with = json!({ "namespace": "shop", "revision": "default" });
    let error = mesh.run(Kind::VerifyXds, with).await.unwrap_err();
    let judged = error.outputs["verdicts"].as_array().unwrap();
    let bare = judged.iter().find(|verdict| verdict["pod"] == "bare.shop");
    assert_eq!(bare.expect("its verdict")["verdict"], "MISSING");
}

#[tokio::test(start_paused = true)]
async fn who_is_also_on_the_old_istiod_is_waited_for_and_then_told() {
    for settle in ["10s", "5m"] {
        let mut scenario = Scenario::new("shop").fit(&"1.28.2".parse().unwrap(), ["shop"]);
        let both = json!({ "on": { "name": "cart-*", "revision": "canary" }, "proxy": "both" });
        scenario.pods.push(serde_json::from_value(both).unwrap());
        let lab = scenario.open(0).await.unwrap();
        let mesh = on(&lab);
        let [moved @ .., (verify, mut with)] = migration("1.29.1");
        for (kind, with) in moved {
            mesh.run(kind, with).await.unwrap();
        }
        with["settle"] = json!(settle);
        let error = mesh.run(verify, with).await.unwrap_err();
        let message = &error.failure.message;
        assert!(message.ends_with("are not on canary: 2 BOTH"), "{message}");
        let detail = &error.failure.details[0];
        assert!(
            detail.starts_with("BOTH    cart-")
                && detail.contains("still connected to default (istiod-"),
            "{detail}"
        );
    }
}

/// A shop whose old istiod does not answer any more, though its pod runs.
async fn with_a_silent_istiod(
    settle: &str,
    revision: &str,
) -> (super::Mesh, Result<Done, StepError>) {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let [moved @ .., (verify, mut with)] = migration("1.29.1");
    for (kind, with) in moved {
        mesh.run(kind, with).await.unwrap();
    }
    let pods = mesh.server.objects("pods", "istio-system");
    let silent = pods
        .iter()
        .find(|pod| pod["metadata"]["labels"]["istio.io/rev"] == revision);
    let name = silent.unwrap()["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let silence = Fault::when(
        move |r| r.path.ends_with(&format!("/{name}/portforward")),
        Effect::Delay(Duration::from_hours(1)),
    );
    mesh.server.add_fault(silence);
    tokio::time::sleep(Duration::from_secs(15)).await;
    mesh.said();
    with["settle"] = json!(settle);
    let done = mesh.run(verify, with).await;
    (mesh, done)
}

#[tokio::test(start_paused = true)]
async fn a_silent_istiod_takes_no_verdict_from_those_whom_others_list() {
    let (mesh, done) = with_a_silent_istiod("20s", "default").await;
    assert_eq!(done.unwrap().outputs["moved"], 5);
    let said = mesh.said();
    assert!(
        said[0].starts_with("istiod-")
            && said[0].contains(" cannot be asked: ")
            && said[0].ends_with("; who is on it as well is not known"),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_may_be_on_a_silent_istiod_alone_is_missing_for_that_reason() {
    let (_mesh, done) = with_a_silent_istiod("20s", "canary").await;
    let failure = done.unwrap_err().failure;
    assert_eq!(
        failure.message,
        "5 of 5 proxies in shop are not on canary: 5 MISSING"
    );
    assert!(
        failure.details[0]
            .contains("connected to no istiod that answers; no answer from istiod-canary-"),
        "{failure:#?}"
    );
    assert!(
        failure.details[5].contains(" cannot be asked: "),
        "{failure:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_stays_unanswered_is_told_once() {
    let mut scenario = Scenario::new("shop").fit(&"1.28.2".parse().unwrap(), ["shop"]);
    let never = json!({ "on": { "name": "cart-*" }, "proxy": "never-ack" });
    scenario.pods.push(serde_json::from_value(never).unwrap());
    let lab = scenario.open(0).await.unwrap();
    let mesh = on(&lab);
    let with = json!({ "namespace": "shop", "revision": "default", "stale_after": "40s" });
    mesh.run(Kind::VerifyXds, with).await.unwrap_err();
    let waited: BTreeSet<String> = mesh.waited.lock().unwrap().iter().cloned().collect();
    assert_eq!(waited.len(), 2, "one reason for each pod: {waited:#?}");
}

/// What `via: envoy` says of each pod of the shop once its proxies, which behave so, are on 1.6.
async fn judged_by_envoy(behaviour: &str) -> Vec<String> {
    let mut scenario = Scenario::new("shop").fit(&"1.5.10".parse().unwrap(), ["shop"]);
    let behaviour = json!({ "on": { "revision": "canary" }, "proxy": behaviour });
    let behaviour: Behaviour = serde_json::from_value(behaviour).unwrap();
    scenario.pods.push(behaviour);
    let lab = scenario.open(0).await.unwrap();
    let mesh = on(&lab);
    let [moved @ .., (verify, mut with)] = migration("1.6.14");
    for (kind, with) in moved {
        mesh.run(kind, with).await.unwrap();
    }
    with["via"] = json!("envoy");
    let outputs = match mesh.run(verify, with).await {
        Ok(done) => done.outputs,
        Err(error) => *error.outputs,
    };
    let judged = outputs["verdicts"].as_array().unwrap();
    let of = |one: &serde_json::Value| one["verdict"].as_str().unwrap().to_owned();
    judged.iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn an_envoy_of_1_6_tells_which_istiods_it_dials() {
    for (behaviour, verdict) in [
        ("stay-old", "OLD"),
        ("both", "BOTH"),
        ("absent", "MISSING"),
        // Envoy does not tell what it rejects.
        ("nack", "MOVED"),
    ] {
        assert_eq!(
            judged_by_envoy(behaviour).await,
            [verdict; 5],
            "{behaviour}"
        );
    }
}
