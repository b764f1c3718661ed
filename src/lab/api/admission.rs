//! Mutating webhooks: which of the stored configurations match a new object, and what their servers make of it.

use super::object;
use super::registry::Resource;
use super::selector::LabelSelector;
use super::status_error::StatusError;
use super::store::Key;
use super::store::Store;
use serde_json::Value;

/// The servers behind the webhooks, in the process.
pub trait Admission: Send + Sync {
    /// Gives the object as the webhook's server changes it. An error is why the server could not be asked, worded as
    /// Go's HTTP client words it, such as `no endpoints available for service "istiod"`.
    fn mutate(&self, webhook: &Value, object: Value) -> Result<Value, String>;
}

/// The webhooks that may see an object of this resource, in calling order, with the labels of its namespace.
pub(super) struct Chain {
    webhooks: Vec<Value>,
    namespace_labels: Value,
}

const CONFIGURATIONS: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";

impl Chain {
    /// Collects them from the store.
    pub(super) fn collect(
        store: &Store,
        resource: &Resource,
        version: &str,
        operation: &str,
        namespace: &str,
    ) -> Self {
        let namespace_labels = store
            .get(&Key::new("namespaces", "", namespace))
            .map(|namespace| object::labels(namespace).clone())
            .unwrap_or_default();
        let own = resource.group == "admissionregistration.k8s.io";
        let webhooks = store
            .list(CONFIGURATIONS, "")
            .filter(|_| !own)
            .flat_map(|(_, configuration)| object::items(configuration, "webhooks"))
            .filter(|webhook| {
                object::items(webhook, "rules")
                    .any(|rule| rule_matches(rule, resource, version, operation))
            })
            .cloned()
            .collect();
        Self {
            webhooks,
            namespace_labels,
        }
    }

    /// Whether there is nothing to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.webhooks.is_empty()
    }

    /// Asks one after the other; the selectors see the object as the earlier ones left it.
    pub(super) fn run(
        &self,
        admission: &dyn Admission,
        mut value: Value,
        minor: u32,
    ) -> Result<Value, StatusError> {
        for webhook in &self.webhooks {
            let namespaces = LabelSelector::from_object(&webhook["namespaceSelector"]);
            let objects = LabelSelector::from_object(&webhook["objectSelector"]);
            if !(namespaces.matches(&self.namespace_labels)
                && objects.matches(object::labels(&value)))
            {
                continue;
            }
            match admission.mutate(webhook, value.clone()) {
                Ok(mutated) => value = mutated,
                Err(_) if webhook["failurePolicy"] == "Ignore" => {}
                Err(why) => return Err(StatusError::internal(&failure(webhook, &why, minor))),
            }
        }
        Ok(value)
    }
}

/// The text of a call that failed; "failed to call webhook" came with Kubernetes 1.23.
fn failure(webhook: &Value, why: &str, minor: u32) -> String {
    let name = webhook["name"].as_str().unwrap_or_default();
    let service = &webhook["clientConfig"]["service"];
    let url = webhook["clientConfig"]["url"].as_str().map_or_else(
        || {
            let text = |key: &str| service[key].as_str().unwrap_or_default();
            format!(
                "https://{}.{}.svc:{}{}",
                text("name"),
                text("namespace"),
                service["port"].as_u64().unwrap_or(443),
                text("path")
            )
        },
        str::to_owned,
    );
    let seconds = webhook["timeoutSeconds"].as_u64().unwrap_or(10);
    let call = if minor >= 23 {
        "failed to call webhook: "
    } else {
        ""
    };
    format!("failed calling webhook \"{name}\": {call}Post \"{url}?timeout={seconds}s\": {why}")
}

fn rule_matches(rule: &Value, resource: &Resource, version: &str, operation: &str) -> bool {
    let has =
        |key: &str, wanted: &str| object::items(rule, key).any(|one| one == "*" || one == wanted);
    let resources = object::items(rule, "resources")
        .any(|one| one == "*" || one == "*/*" || one == resource.plural.as_str());
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => resource.namespaced,
        Some("Cluster") => !resource.namespaced,
        _ => true,
    };
    has("operations", operation)
        && has("apiGroups", &resource.group)
        && has("apiVersions", version)
        && resources
        && scope
}
