//! The injector's webhooks as an installation of a given version makes them: for the lab, and for tests.
//!
//! Sources: `templates/mutatingwebhook.yaml` and `templates/revision-tags-mwc.yaml` of the chart `istio-discovery`; the
//! charts of 1.5 and 1.6.

use serde_json::{Value, json};

use super::IGNORED_NAMESPACES;
use crate::mesh::istiod::{
    DEFAULT, INJECT_LABEL, INJECTION_LABEL, Names, REVISION_LABEL, TAG_LABEL,
};
use crate::mesh::selector::{Requirement, Selector};
use crate::mesh::version::{InjectorShape, Version};

/// What an injector is to be made for.
#[derive(Debug, Clone)]
pub struct Shape<'a> {
    /// The version of Istio that installs it.
    pub version: &'a Version,
    /// The revision that it calls, `default` for an installation without one.
    pub revision: &'a str,
    /// The tag that it stands for, if it is a tag's.
    pub tag: Option<&'a str>,
    /// Istio's namespace.
    pub namespace: &'a str,
    /// `sidecarInjectorWebhook.enableNamespacesByDefault`: namespaces without labels are injected as well.
    pub every_namespace: bool,
    /// Base64 of the certificates, which istiod fills in after the installation.
    pub ca_bundle: Option<&'a str>,
}

impl<'a> Shape<'a> {
    /// The injector of a revision in `istio-system`.
    pub fn revision(version: &'a Version, revision: &'a str) -> Self {
        Self {
            version,
            revision,
            tag: None,
            namespace: "istio-system",
            every_namespace: false,
            ca_bundle: None,
        }
    }

    /// The injector of a tag in `istio-system`.
    pub fn tag(version: &'a Version, tag: &'a str, revision: &'a str) -> Self {
        Self {
            tag: Some(tag),
            ..Self::revision(version, revision)
        }
    }

    /// The `MutatingWebhookConfiguration`, as the API server's version v1 shows it.
    pub fn configuration(&self) -> Value {
        let names = Names::new(self.revision, self.namespace);
        let name = self
            .tag
            .map_or_else(|| names.injector(), |tag| names.tag_injector(tag));
        let mut labels = json!({"app": "sidecar-injector", "release": "istio"});
        // 1.5 knows no revisions, and says nothing of its own.
        if self.version.has_revisions() {
            labels[REVISION_LABEL] = json!(self.revision);
            labels["operator.istio.io/component"] = json!("Pilot");
            labels["operator.istio.io/version"] = json!(self.version.release());
        }
        if let Some(tag) = self.tag {
            labels[TAG_LABEL] = json!(tag);
        }
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name, "labels": labels},
            "webhooks": self.webhooks(),
        })
    }

    /// The list `webhooks` alone.
    pub fn webhooks(&self) -> Vec<Value> {
        match self.version.injector_shape() {
            InjectorShape::Legacy | InjectorShape::Namespace => {
                vec![self.webhook("", &self.namespace_alone(), &Selector::default())]
            }
            InjectorShape::NamespaceAndObject => self.modern(),
        }
    }

    fn namespace_alone(&self) -> Selector {
        use Requirement::{DoesNotExist, In, NotIn};
        Selector::new(if self.revision != DEFAULT {
            vec![
                DoesNotExist(INJECTION_LABEL.into()),
                is(REVISION_LABEL, self.revision),
            ]
        } else if self.every_namespace {
            vec![
                NotIn("name".into(), vec![self.namespace.to_owned()]),
                NotIn(INJECTION_LABEL.into(), vec!["disabled".into()]),
                DoesNotExist("istio-env".into()),
                DoesNotExist(REVISION_LABEL.into()),
            ]
        } else {
            vec![In(INJECTION_LABEL.into(), vec!["enabled".into()])]
        })
    }

    fn modern(&self) -> Vec<Value> {
        use Requirement::{DoesNotExist, NotIn};
        let absent = |key: &str| DoesNotExist(key.into());
        let named = || is(REVISION_LABEL, self.tag.unwrap_or(self.revision));
        let not_refused = || NotIn(INJECT_LABEL.into(), vec!["false".into()]);
        // The charts' order, so that what is made can be compared with what is installed.
        let unlabelled = || vec![absent(REVISION_LABEL), absent(INJECTION_LABEL)];
        let free = || vec![absent(INJECTION_LABEL), absent(REVISION_LABEL)];
        let mut all = vec![
            (
                "rev.namespace.",
                vec![named(), absent(INJECTION_LABEL)],
                vec![not_refused()],
            ),
            ("rev.object.", unlabelled(), vec![not_refused(), named()]),
        ];
        if self.tag.unwrap_or(self.revision) == DEFAULT {
            all.push((
                "namespace.",
                vec![is(INJECTION_LABEL, "enabled")],
                vec![not_refused()],
            ));
            all.push((
                "object.",
                free(),
                vec![is(INJECT_LABEL, "true"), absent(REVISION_LABEL)],
            ));
            if self.every_namespace {
                let system = IGNORED_NAMESPACES.map(str::to_owned).to_vec();
                let mut namespaces = free();
                namespaces.push(NotIn("kubernetes.io/metadata.name".into(), system));
                all.push((
                    "auto.",
                    namespaces,
                    vec![absent(INJECT_LABEL), absent(REVISION_LABEL)],
                ));
            }
        }
        all.into_iter()
            .map(|(prefix, namespaces, pods)| {
                self.webhook(prefix, &Selector::new(namespaces), &Selector::new(pods))
            })
            .collect()
    }

    fn webhook(&self, prefix: &str, namespaces: &Selector, pods: &Selector) -> Value {
        let (review, policy, timeout, effects) = match self.version.injector_shape() {
            InjectorShape::Legacy => ("v1beta1", "Exact", 30, "Unknown"),
            InjectorShape::Namespace => ("v1beta1", "Exact", 30, "None"),
            InjectorShape::NamespaceAndObject => ("v1", "Equivalent", 10, "None"),
        };
        let names = Names::new(self.revision, self.namespace);
        let mut client = json!({
            "service": {"name": names.istiod(), "namespace": self.namespace, "path": "/inject", "port": 443},
        });
        if let Some(bundle) = self.ca_bundle {
            client["caBundle"] = json!(bundle);
        }
        json!({
            "admissionReviewVersions": [review],
            "clientConfig": client,
            "failurePolicy": "Fail",
            "matchPolicy": policy,
            "name": format!("{prefix}sidecar-injector.istio.io"),
            "namespaceSelector": namespaces.to_json(),
            "objectSelector": pods.to_json(),
            "reinvocationPolicy": "Never",
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}],
            "sideEffects": effects,
            "timeoutSeconds": timeout,
        })
    }
}

/// Makes an injector's selectors match nothing, as `istioctl tag set default` does with the plain one.
pub fn deactivate(configuration: &mut Value) {
    let never = json!({"matchLabels": {"istio.io/deactivated": "never-match"}});
    for webhook in configuration["webhooks"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        webhook["namespaceSelector"] = never.clone();
        webhook["objectSelector"] = never.clone();
    }
}

fn is(key: &str, value: &str) -> Requirement {
    Requirement::In(key.to_owned(), vec![value.to_owned()])
}
