//! Webhooks that look at what is written, and whose servers are not there.

use crate::truth::cases;
use crate::truth::samples::{config, service};
use crate::truth::scene::{MERGE, Scene};
use serde_json::{Value, json};

cases!(
    a_validator_whose_service_is_missing,
    a_validator_whose_service_has_no_endpoints,
    a_validator_whose_service_has_another_port,
    a_validator_that_may_fail,
    a_validator_of_other_objects,
);

const MAPS: &str = "v1~configmaps";
const CONFIGURATIONS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// Looks at the labelled config maps of this namespace.
fn validator(on: &Scene, policy: &str, rule: Value) -> Value {
    let name = on.namespace();
    let mut rules = json!({"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]});
    for (key, value) in rule.as_object().into_iter().flatten() {
        rules[key] = value.clone();
    }
    let hook = json!({
        "name": "check.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": policy, "timeoutSeconds": 5,
        "clientConfig": {"service": {"name": "missing", "namespace": name}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "objectSelector": {"matchLabels": {"app": "checked"}},
        "rules": [rules],
    });
    json!({"metadata": {"name": name}, "webhooks": [hook]})
}

/// Asks until the server has heard of the webhook, and keeps what it then says.
async fn refused(on: &Scene) {
    for _ in 0..600 {
        let path = format!("{MAPS}?dryRun=All");
        let answer = on.ask("POST", &path, "", config("checked")).await;
        if answer.code != 201 {
            on.observe("refused", answer.body);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    on.observe("refused", json!("never"));
}

/// How a creation, a change and a deletion of each fare.
async fn each(on: &Scene) {
    for name in ["checked", "other"] {
        let mut codes = Vec::new();
        let path = format!("{MAPS}/before-{name}");
        let change = json!({"data": {"b": "1"}});
        for (method, path, kind, body) in [
            ("POST", MAPS, "", config(name)),
            ("PATCH", path.as_str(), MERGE, change),
            ("DELETE", path.as_str(), "", Value::Null),
        ] {
            codes.push(on.ask(method, path, kind, body).await.code);
        }
        on.observe(name, json!(codes));
    }
}

async fn before(on: &Scene) {
    for name in ["checked", "other"] {
        let mut map = config(name);
        map["metadata"]["name"] = json!(format!("before-{name}"));
        on.given(MAPS, map).await;
    }
}

async fn a_validator_whose_service_is_missing(on: &Scene) {
    before(on).await;
    on.given(CONFIGURATIONS, validator(on, "Fail", json!({})))
        .await;
    refused(on).await;
    each(on).await;
}

async fn a_validator_whose_service_has_no_endpoints(on: &Scene) {
    let mut service = service("missing");
    service["spec"]["ports"] = json!([{"port": 443}]);
    on.given("v1~services", service).await;
    on.given(CONFIGURATIONS, validator(on, "Fail", json!({})))
        .await;
    refused(on).await;
}

async fn a_validator_whose_service_has_another_port(on: &Scene) {
    on.given("v1~services", service("missing")).await;
    on.given(CONFIGURATIONS, validator(on, "Fail", json!({})))
        .await;
    refused(on).await;
}

async fn a_validator_that_may_fail(on: &Scene) {
    before(on).await;
    on.given(CONFIGURATIONS, validator(on, "Ignore", json!({})))
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    each(on).await;
}

async fn a_validator_of_other_objects(on: &Scene) {
    before(on).await;
    let rule = json!({"resources": ["configmaps/status", "secrets"]});
    on.given(CONFIGURATIONS, validator(on, "Fail", rule)).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    each(on).await;
}
