use serde_json::{Value, json};

use super::Mesh;
use crate::model::Kind;

#[tokio::test(start_paused = true)]
async fn both_labels_change_in_one_patch_and_a_second_run_changes_nothing() {
    let mesh = Mesh::new();
    let with = json!({ "namespace": "shop", "revision": "canary" });
    let done = mesh.run(Kind::LabelNs, with.clone()).await.unwrap();
    assert!(done.changed);
    assert_eq!(done.outputs["before"]["shop"]["istio-injection"], "enabled");
    let labels = mesh.labels("shop");
    assert_eq!(labels["istio.io/rev"], "canary");
    assert!(labels.get("istio-injection").is_none());
    assert_eq!(mesh.said(), ["patch Namespace/shop"]);

    let again = mesh.run(Kind::LabelNs, with).await.unwrap();
    assert!(!again.changed);
    assert_eq!(again.message, "already on canary");
    assert!(mesh.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_injector_is_refused_before_anything_changes() {
    let mesh = Mesh::new();
    let error = mesh
        .run(
            Kind::LabelNs,
            json!({ "namespace": "shop", "revision": "canry" }),
        )
        .await
        .unwrap_err();
    assert_eq!(
        error.failure.message,
        "`canry` is neither a revision nor a tag with an active injector"
    );
    assert!(
        error
            .failure
            .details
            .contains(&"revision canary".to_owned())
    );
    assert_eq!(mesh.labels("shop")["istio-injection"], "enabled");
    assert!(mesh.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_injector_that_would_match_is_refused() {
    let mesh = Mesh::new();
    let injector = mesh
        .server
        .object(
            "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            "",
            "istio-sidecar-injector-canary",
        )
        .unwrap();
    let mut twin = (*injector).clone();
    twin["metadata"] = json!({ "name": "twin", "labels": { "istio.io/rev": "canary" } });
    mesh.server.seed(&twin);
    let error = mesh
        .run(
            Kind::LabelNs,
            json!({ "namespace": "shop", "revision": "canary" }),
        )
        .await
        .unwrap_err();
    assert!(
        error.failure.message.contains("2 injectors match"),
        "{error}"
    );
    assert_eq!(mesh.labels("shop")["istio-injection"], "enabled");
}

#[tokio::test(start_paused = true)]
async fn a_selector_picks_namespaces_once() {
    let mesh = Mesh::new();
    let with = json!({
        "namespaces": { "selector": "istio-injection=enabled", "exclude": ["legacy"] }, "revision": "canary",
    });
    mesh.run(Kind::LabelNs, with).await.unwrap();
    assert_eq!(mesh.labels("shop")["istio.io/rev"], "canary");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_sees_its_own_change() {
    let mesh = Mesh::dry();
    let with = json!({ "namespace": "shop", "revision": "canary" });
    assert!(mesh.run(Kind::LabelNs, with.clone()).await.unwrap().changed);
    assert_eq!(mesh.labels("shop")["istio-injection"], "enabled");
    let changes = mesh.steps.cluster().take_changes();
    let shown = crate::cluster::unified(&changes[0]);
    assert!(
        shown.contains("-    istio-injection: enabled\n+    istio.io/rev: canary"),
        "{shown}"
    );
    // The next step reads what this one would have made.
    assert!(!mesh.run(Kind::LabelNs, with).await.unwrap().changed);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_looked_at_before_its_first_namespace_changes() {
    let mesh = Mesh::new();
    let with = json!({ "namespaces": ["shop", "gone"], "revision": "canary" });
    let error = mesh.run(Kind::LabelNs, with).await.unwrap_err();
    assert_eq!(error.failure.message, "there is no namespace gone");
    assert_eq!(mesh.labels("shop")["istio-injection"], "enabled");
}

#[tokio::test(start_paused = true)]
async fn who_had_opted_out_is_told_of() {
    let mesh = Mesh::new();
    mesh.server.seed(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "shop", "labels": { "istio-injection": "disabled" } },
    }));
    let with = json!({ "namespace": "shop", "revision": "canary" });
    mesh.run(Kind::LabelNs, with).await.unwrap();
    assert_eq!(
        mesh.said()[0],
        "namespace shop had opted out (istio-injection=disabled): its next pods get a sidecar"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_knows_what_stood_there_before_the_first() {
    let with = || json!({ "namespace": "shop", "revision": "canary" });
    let original = json!({ "istio-injection": "enabled", "istio.io/rev": null });
    let earlier = |result| crate::journal::Earlier {
        object: "Namespace/shop".to_owned(),
        before: original.clone(),
        result,
    };
    let mut mesh = Mesh::new();
    mesh.run(Kind::LabelNs, with()).await.unwrap();
    // The answer of the first attempt was lost: the labels tell that it was carried out.
    mesh.attempt = 2;
    mesh.earlier = vec![earlier(None)];
    let done = mesh.run(Kind::LabelNs, with()).await.unwrap();
    assert_eq!(done.outputs["before"]["shop"], original);
    assert!(done.changed);
    assert_eq!(done.message, "shop on canary");
    assert_eq!(mesh.said(), ["patch Namespace/shop"], "once");

    // It was refused, and somebody has changed the labels meanwhile: what stands there now stood there before.
    let mut mesh = Mesh::new();
    mesh.server.seed(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": { "istio.io/rev": "default" } },
    }));
    mesh.earlier = vec![earlier(None)];
    let done = mesh.run(Kind::LabelNs, with()).await.unwrap();
    assert_eq!(
        done.outputs["before"]["shop"],
        json!({ "istio-injection": null, "istio.io/rev": "default" })
    );
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_labelled_is_refused_with_all_the_others() {
    let mesh = Mesh::new();
    for (name, why) in [
        ("going", "is being deleted"),
        (
            "istio-system",
            "is that of the control plane itself, whose pods must not wait for an injector",
        ),
        ("kube-system", "is one in which istiod never injects"),
    ] {
        mesh.server.seed(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "finalizers": ["example.com/kept"] },
        }));
        if name == "going" {
            let path = "/api/v1/namespaces/going";
            let gone = mesh.server.request("kubectl", "DELETE", path, Value::Null);
            gone.expect("its end");
        }
        let with = json!({ "namespaces": ["shop", name], "revision": "canary" });
        let error = mesh.run(Kind::LabelNs, with).await.unwrap_err();
        assert_eq!(error.failure.message, format!("namespace {name} {why}"));
        assert_eq!(mesh.labels("shop")["istio-injection"], "enabled");
    }
}
