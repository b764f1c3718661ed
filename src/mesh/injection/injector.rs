//! The webhooks that inject sidecars, and which of them a pod goes to.

use serde_json::Value;

use super::{Namespace, Wish};
use crate::mesh::istiod::{DEFAULT, REVISION_LABEL, TAG_LABEL, revision_of_address};
use crate::mesh::selector::{Labels, Requirement, Selector, labels};

/// What the API server does when a webhook cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The pod is refused.
    Fail,
    /// The pod starts without the webhook.
    Ignore,
}

/// The Service that a webhook calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The path that is called.
    pub path: String,
    /// The port, 443 when it is not given.
    pub port: u16,
}

/// One webhook that injects sidecars. A configuration of today has two to five of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injector {
    /// The name of its `MutatingWebhookConfiguration`.
    pub config: String,
    /// Its own name, such as `rev.namespace.sidecar-injector.istio.io`.
    pub webhook: String,
    /// The configuration's label `istio.io/rev`; 1.5 has none.
    pub revision: Option<String>,
    /// The configuration's label `istio.io/tag`, where it belongs to a tag.
    pub tag: Option<String>,
    /// The Service that it calls, unless it has a URL.
    pub service: Option<ServiceRef>,
    /// The URL that it calls, for a control plane outside of the cluster.
    pub url: Option<String>,
    /// Which namespaces it takes pods from.
    pub namespace_selector: Selector,
    /// Which pods it takes.
    pub object_selector: Selector,
    /// What happens when it cannot be called.
    pub failure_policy: FailurePolicy,
    /// Whether it has certificates to trust its target by: without them every pod that it matches is refused.
    pub has_ca_bundle: bool,
}

impl Injector {
    /// The revision of the control plane that it calls: its label, else by the Service's name, else `default`.
    pub fn control_plane(&self) -> &str {
        let named = self.revision.as_deref().filter(|r| !r.is_empty());
        named
            .or_else(|| {
                self.service
                    .as_ref()
                    .and_then(|s| revision_of_address(&s.name))
            })
            .unwrap_or(DEFAULT)
    }

    /// The tag or else the revision that it stands for, as namespaces name it.
    pub fn name(&self) -> &str {
        self.tag.as_deref().unwrap_or_else(|| self.control_plane())
    }

    /// Where the istiod behind it looks for a pod's own wish: webhooks have prefixes since 1.10.
    pub fn wish(&self) -> Wish {
        if self.webhook == WEBHOOK {
            Wish::AnnotationOnly
        } else {
            Wish::LabelFirst
        }
    }

    /// Whether it takes a pod with these labels, created in this namespace.
    pub fn matches(&self, namespace: &Namespace, pod: &Labels) -> bool {
        self.namespace_selector.matches(namespace.labels()) && self.object_selector.matches(pod)
    }

    /// Whether it was deactivated: `istioctl tag set default` does not delete the plain injector, but gives it the
    /// selectors `istio.io/deactivated: never-match`. Selectors that contradict themselves count too.
    pub fn never_matches(&self) -> bool {
        [&self.namespace_selector, &self.object_selector]
            .into_iter()
            .any(|selector| {
                let requirements = selector.requirements();
                requirements.iter().any(|r| match r {
                    Requirement::Unknown(_) => true,
                    Requirement::In(key, values) => {
                        (key == "istio.io/deactivated" && values.iter().any(|v| v == "never-match"))
                            || values.is_empty()
                            || requirements.contains(&Requirement::DoesNotExist(key.clone()))
                    }
                    Requirement::Exists(key) => {
                        requirements.contains(&Requirement::DoesNotExist(key.clone()))
                    }
                    Requirement::NotIn(..) | Requirement::DoesNotExist(_) => false,
                })
            })
    }

    fn parse(config: &Value, webhook: &Value) -> Option<Self> {
        let metadata = &config["metadata"];
        let config_labels = labels(&metadata["labels"]);
        let name = webhook["name"].as_str()?;
        let client = &webhook["clientConfig"];
        let service = ServiceRef::parse(&client["service"]);
        let url = client["url"].as_str().map(str::to_owned);
        if !creates_pods(webhook)
            || !injects(name, service.as_ref(), url.as_deref(), &config_labels)
        {
            return None;
        }
        Some(Self {
            config: metadata["name"].as_str().unwrap_or_default().to_owned(),
            webhook: name.to_owned(),
            revision: config_labels.get(REVISION_LABEL).cloned(),
            tag: config_labels.get(TAG_LABEL).cloned(),
            service,
            url,
            namespace_selector: Selector::parse(&webhook["namespaceSelector"]),
            object_selector: Selector::parse(&webhook["objectSelector"]),
            failure_policy: match webhook["failurePolicy"].as_str() {
                Some("Ignore") => FailurePolicy::Ignore,
                _ => FailurePolicy::Fail,
            },
            has_ca_bundle: client["caBundle"]
                .as_str()
                .is_some_and(|bundle| !bundle.is_empty()),
        })
    }
}

impl ServiceRef {
    fn parse(service: &Value) -> Option<Self> {
        Some(Self {
            namespace: service["namespace"].as_str().unwrap_or_default().to_owned(),
            name: service["name"].as_str()?.to_owned(),
            path: service["path"].as_str().unwrap_or_default().to_owned(),
            port: service["port"]
                .as_u64()
                .and_then(|port| port.try_into().ok())
                .unwrap_or(443),
        })
    }
}

/// The injectors among `MutatingWebhookConfigurations` (`admissionregistration.k8s.io/v1` objects), in their order;
/// the webhooks of others, and those of Istio that do not inject, are left out.
pub fn injectors<'a>(configs: impl IntoIterator<Item = &'a Value>) -> Vec<Injector> {
    configs
        .into_iter()
        .filter(|config| {
            config["kind"]
                .as_str()
                .is_none_or(|kind| kind == "MutatingWebhookConfiguration")
        })
        .flat_map(|config| {
            let webhooks = config["webhooks"].as_array().into_iter().flatten();
            webhooks.filter_map(move |webhook| Injector::parse(config, webhook))
        })
        .collect()
}

/// The injectors that a pod with these labels would go to. More than one injects twice.
pub fn matching<'a>(
    injectors: &'a [Injector],
    namespace: &Namespace,
    pod: &Labels,
) -> Vec<&'a Injector> {
    injectors
        .iter()
        .filter(|injector| injector.matches(namespace, pod))
        .collect()
}

fn creates_pods(webhook: &Value) -> bool {
    let has = |rule: &Value, field: &str, wanted: &str| {
        let values = rule[field].as_array().into_iter().flatten();
        values
            .filter_map(Value::as_str)
            .any(|value| value == wanted || value == "*")
    };
    let rules = webhook["rules"].as_array().into_iter().flatten();
    rules
        .into_iter()
        .any(|rule| has(rule, "operations", "CREATE") && has(rule, "resources", "pods"))
}

/// The name of the webhook where there is one alone, and the end of the others' names.
pub const WEBHOOK: &str = "sidecar-injector.istio.io";

/// By the webhook's name; renamed ones by the path, if the configuration bears Istio's labels.
fn injects(name: &str, service: Option<&ServiceRef>, url: Option<&str>, labels: &Labels) -> bool {
    let by_path = service.is_some_and(|s| s.path.starts_with("/inject"))
        || url.is_some_and(|url| url.contains("/inject"));
    let of_istio = labels.contains_key(REVISION_LABEL)
        || labels
            .get("app")
            .is_some_and(|app| app == "sidecar-injector");
    name.ends_with(WEBHOOK) || (by_path && of_istio)
}
