//! Webhooks: which of the stored configurations match what is written, and what their servers say.

use super::object;
use super::query::Target;
use super::selector::LabelSelector;
use super::server::Call;
use super::status_error::StatusError;
use super::store::Key;
use super::store::Store;
use serde_json::Value;

/// The servers behind the webhooks, in the process.
pub trait Admission: Send + Sync {
    /// Gives the object as the webhook's server changes it. An error is why the server could not be asked, worded as
    /// Go's HTTP client words it, such as `no endpoints available for service "istiod"`.
    fn mutate(&self, webhook: &Value, object: Value) -> Result<Value, String>;

    /// Asks whether the object may be written. Who is reached agrees; an error is why nobody was, worded in that way.
    fn validate(&self, webhook: &Value) -> Result<(), String>;
}

/// What the webhooks of a configuration do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mutating,
    Validating,
}

/// The webhooks that may see an object of this resource, in calling order, with the labels of its namespace.
pub(super) struct Chain {
    webhooks: Vec<Value>,
    namespace_labels: Value,
}

impl Chain {
    /// Collects them from the store, for what a request does.
    pub(super) fn collect(store: &Store, kind: Kind, call: &Call, operation: &str) -> Self {
        let target = &call.target;
        let configurations = match kind {
            Kind::Mutating => "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            Kind::Validating => "validatingwebhookconfigurations.admissionregistration.k8s.io",
        };
        let own = target.resource.group == "admissionregistration.k8s.io";
        let webhooks: Vec<Value> = store
            .list(configurations, "")
            .filter(|_| !own)
            .flat_map(|(_, configuration)| object::items(configuration, "webhooks"))
            .filter(|webhook| {
                object::items(webhook, "rules").any(|rule| rule_matches(rule, target, operation))
            })
            .cloned()
            .collect();
        let namespace = (!webhooks.is_empty())
            .then(|| store.get(&Key::new("namespaces", "", &target.namespace)))
            .flatten();
        Self {
            webhooks,
            namespace_labels: namespace
                .map(|namespace| object::labels(namespace).clone())
                .unwrap_or_default(),
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
            if self.selects(webhook, &value) {
                match admission.mutate(webhook, value.clone()) {
                    Ok(mutated) => value = mutated,
                    Err(why) => fail(webhook, &why, minor)?,
                }
            }
        }
        Ok(value)
    }

    /// Asks whether all agree.
    pub(super) fn check(
        &self,
        admission: &dyn Admission,
        value: &Value,
        minor: u32,
    ) -> Result<(), StatusError> {
        for webhook in &self.webhooks {
            if self.selects(webhook, value)
                && let Err(why) = admission.validate(webhook)
            {
                fail(webhook, &why, minor)?;
            }
        }
        Ok(())
    }

    fn selects(&self, webhook: &Value, value: &Value) -> bool {
        let namespaces = LabelSelector::from_object(&webhook["namespaceSelector"]);
        let objects = LabelSelector::from_object(&webhook["objectSelector"]);
        namespaces.matches(&self.namespace_labels) && objects.matches(object::labels(value))
    }
}

/// A call that failed is a failure of the request, unless the webhook may be left out.
fn fail(webhook: &Value, why: &str, minor: u32) -> Result<(), StatusError> {
    if webhook["failurePolicy"] == "Ignore" {
        return Ok(());
    }
    Err(StatusError::internal(&failure(webhook, why, minor)))
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
                if text("path").is_empty() {
                    "/"
                } else {
                    text("path")
                }
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

fn rule_matches(rule: &Value, target: &Target, operation: &str) -> bool {
    let resource = &target.resource;
    let has =
        |key: &str, wanted: &str| object::items(rule, key).any(|one| one == "*" || one == wanted);
    let resources = object::items(rule, "resources")
        .filter_map(Value::as_str)
        .any(|one| {
            let (plural, subresource) = one.split_once('/').unwrap_or((one, ""));
            (plural == "*" || plural == resource.plural)
                && (subresource == "*" || subresource == target.subresource)
        });
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => resource.namespaced,
        Some("Cluster") => !resource.namespaced,
        _ => true,
    };
    has("operations", operation)
        && has("apiGroups", &resource.group)
        && has("apiVersions", &target.version)
        && resources
        && scope
}
