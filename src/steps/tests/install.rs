//! What an install refuses before it has written anything, and what it leaves alone.

use serde_json::{Value, json};

use super::Mesh;
use super::upgrade::{on, on_with_files, shop};
use crate::lab::istio;
use crate::lab::scenario::Lab;
use crate::mesh::version::Version;
use crate::model::Kind;
use crate::steps::context::{Done, StepError};

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// Installs a revision from these objects, as far as it gets.
async fn install(lab: &Lab, objects: &[Value], with: &Value) -> (Mesh, Result<Done, StepError>) {
    let directory = tempfile::tempdir().unwrap();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    fs_err::write(directory.path().join("plane.yaml"), list.to_string()).unwrap();
    let mesh = on_with_files(lab, directory.path(), false);
    let mut all = json!({ "version": "1.29.1", "source": "manifests", "files": ["plane.yaml"], "take_over": ["*/*"] });
    for (key, value) in with.as_object().unwrap() {
        all[key] = value.clone();
    }
    let done = mesh.run(Kind::InstallRevision, all).await;
    (mesh, done)
}

fn canary() -> Value {
    json!({ "revision": "canary" })
}

#[tokio::test(start_paused = true)]
async fn a_tag_beside_the_plain_injector_is_refused_for_the_pods_that_ask_themselves() {
    let lab = shop("1.28.2").await;
    let gateway = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "gw", "namespace": "istio-system" },
        "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "gw" } }, "template": {
            "metadata": { "labels": { "app": "gw", "sidecar.istio.io/inject": "true" } },
            "spec": { "containers": [{ "name": "istio-proxy", "image": "auto" }] },
        } },
    });
    lab.api.seed(&gateway);
    let new = version("1.29.1");
    let mut objects = istio::control_plane(&new, "canary");
    objects.extend(istio::tag(&new, "default", "canary"));
    let (mesh, done) = install(&lab, &objects, &canary()).await;
    let failure = done.unwrap_err().failure;
    assert_eq!(
        failure.message,
        "the install would change who injects into what was not touched"
    );
    let both =
        "default becomes 2 injectors match: istio-sidecar-injector, istio-revision-tag-default";
    for subject in [
        "namespace shop",
        "Deployment/istio-system/gw",
        "a pod with sidecar.istio.io/inject=true in namespace default",
    ] {
        let line = format!("{subject}: {both}");
        assert!(failure.details.contains(&line), "{line}: {failure:#?}");
    }
    assert_eq!(mesh.said(), Vec::<String>::new(), "nothing was applied");
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_pods_wait_for_is_refused() {
    let lab = shop("1.28.2").await;
    lab.api.seed(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "early", "namespace": "default", "labels": { "istio.io/rev": "canary" } },
        "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
        "status": { "phase": "Running" },
    }));
    let objects = istio::control_plane(&version("1.29.1"), "canary");
    let (mesh, done) = install(&lab, &objects, &canary()).await;
    let details = done.unwrap_err().failure.details;
    assert_eq!(details, ["Pod/default/early: no sidecar becomes canary"]);
    assert!(mesh.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_would_refuse_is_told_before_the_first_write() {
    let lab = shop("1.28.2").await;
    let mut objects = istio::control_plane(&version("1.29.1"), "canary");
    objects.push(
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "Not_a_name" } }),
    );
    let (mesh, done) = install(&lab, &objects, &canary()).await;
    let failure = done.unwrap_err().failure;
    assert_eq!(failure.message, "the server refuses 1 of 9 objects");
    assert!(
        failure.details[0].starts_with("ConfigMap/istio-system/Not_a_name: "),
        "{failure:#?}"
    );
    assert!(mesh.said().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_is_made_first() {
    let lab = shop("1.28.2").await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "istiod-canary" },
        "spec": { "ports": [{ "port": 15012 }] },
    });
    let with = json!({ "revision": "canary", "istio_namespace": "mesh" });
    let (mesh, done) = install(&lab, &[service], &with).await;
    assert_eq!(done.unwrap().outputs["changed"], 2);
    assert_eq!(
        mesh.said(),
        ["apply Namespace/mesh", "apply Service/mesh/istiod-canary"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_live_revision_does_not_go_back() {
    let lab = shop("1.28.2").await;
    let mesh = on(&lab);
    let with =
        |version: &str| json!({ "revision": "canary", "version": version, "take_over": ["*/*"] });
    mesh.run(Kind::InstallRevision, with("1.29.1"))
        .await
        .unwrap();
    mesh.said();
    let error = mesh.run(Kind::InstallRevision, with("1.28.2")).await;
    assert_eq!(
        error.unwrap_err().failure.message,
        "revision canary is live: 1.28.2 is older than 1.29.1: going back is a rollback, not an upgrade"
    );
    let applied = mesh.said().iter().any(|line| line.starts_with("apply"));
    assert!(!applied);
}

#[tokio::test(start_paused = true)]
async fn an_older_revision_leaves_newer_custom_resources_as_they_are() {
    let lab = shop("1.29.1").await;
    let old = version("1.28.2");
    let mut objects = istio::control_plane(&old, "old");
    let mut crds = istio::base(&old);
    crds.retain(|object| object["kind"] == "CustomResourceDefinition");
    objects.extend(crds);
    let with = json!({ "revision": "old", "version": "1.28.2" });
    let (mesh, done) = install(&lab, &objects, &with).await;
    done.unwrap();
    let said = mesh.said();
    assert!(
        said.iter()
            .any(|line| line.starts_with("9 CustomResourceDefinitions stay as they are")),
        "{said:#?}"
    );
    assert!(!said.iter().any(|line| line.starts_with("apply Custom")));
}
