//! What an istiod does to objects: certificates into its webhooks, the failure policy of its validators, the root of
//! trust into each namespace (`pkg/webhooks`, `namespacecontroller.go`).

use super::istiod::Istiod;
use crate::lab::api::ApiServer;
use crate::lab::api::Change;
use crate::lab::api::object;
use crate::lab::api::object::items_mut;
use crate::mesh::istiod::Names;
use crate::mesh::istiod::REVISION_LABEL;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const INJECTORS: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATORS: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";
const AGENT: &str = "pilot-discovery";
/// The lab's own root of trust, one for all revisions, in the base64 of webhook configurations.
pub(super) const CA_BUNDLE: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmxhYgotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==";
const ROOT: &str = "-----BEGIN CERTIFICATE-----\nlab\n-----END CERTIFICATE-----\n";
const PAUSE: Duration = Duration::from_millis(10);

/// Keeps at it until the server is gone.
pub(super) async fn run(api: &ApiServer, ca_bundle: &str) {
    let mut news = api.revisions();
    let mut seen = 0;
    loop {
        news.mark_unchanged();
        let (revision, changes) = api.changes(seen);
        seen = revision;
        if changes.is_none_or(|changes| changes.iter().any(concerns)) {
            look(api, ca_bundle);
        }
        if news.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a control plane has something to do after a write.
fn concerns(change: &Change) -> bool {
    match change.key.resource.as_str() {
        "pods" => [&change.before, &change.after]
            .into_iter()
            .flatten()
            .any(|pod| Istiod::of(pod).is_some()),
        INJECTORS | VALIDATORS | "namespaces" | "configmaps" => true,
        _ => false,
    }
}

fn look(api: &ApiServer, ca_bundle: &str) {
    let planes: BTreeMap<String, Istiod> = Istiod::ready(api)
        .into_iter()
        .map(|istiod| (istiod.revision.clone(), istiod))
        .collect();
    for istiod in planes.values() {
        let names = Names::new(&istiod.revision, &istiod.namespace);
        let is_own = |object: &Value, all: &[String]| {
            let label = object::labels(object)[REVISION_LABEL].as_str();
            label == Some(istiod.revision.as_str())
                || (label.is_none() && all.iter().any(|name| name == object::name(object)))
        };
        for found in api.objects(INJECTORS, "") {
            if is_own(&found, &[names.injector()]) {
                keep(api, &found, ca_bundle, false);
            }
        }
        for found in api.objects(VALIDATORS, "") {
            if is_own(&found, &names.validators()) {
                keep(api, &found, ca_bundle, true);
            }
        }
    }
    if !planes.is_empty() {
        spread_root(api);
    }
}

fn keep(api: &ApiServer, found: &Value, ca_bundle: &str, validator: bool) {
    let mut next = found.clone();
    for webhook in items_mut(&mut next, "webhooks") {
        webhook["clientConfig"]["caBundle"] = json!(ca_bundle);
        if validator {
            webhook["failurePolicy"] = json!("Fail");
        }
    }
    if next != *found {
        send(api, "PUT", next);
    }
}

fn spread_root(api: &ApiServer) {
    for namespace in api.objects("namespaces", "") {
        let name = object::name(&namespace);
        if !object::is_terminating(&namespace)
            && api
                .object("configmaps", name, "istio-ca-root-cert")
                .is_none()
        {
            let root = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "istio-ca-root-cert", "namespace": name, "labels": {"istio.io/config": "true"}},
                "data": {"root-cert.pem": ROOT},
            });
            send(api, "POST", root);
        }
    }
}

fn send(api: &ApiServer, method: &str, object: Value) {
    let sent = api.path(&object).and_then(|(collection, path)| {
        let target = if method == "POST" { collection } else { path };
        api.request(AGENT, method, &target, object)
    });
    if let Err(error) = sent {
        tracing::debug!(%error, "a write of istiod failed");
    }
}
