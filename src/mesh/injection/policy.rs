//! istiod's own decision about a pod that a webhook sent to it (`injectRequired`).

use serde_json::Value;

use super::Namespace;
use crate::mesh::istiod::INJECT_LABEL;
use crate::mesh::selector::{Labels, Selector, labels};

/// The namespaces whose pods istiod never injects (`pkg/kube/inject/initializer.go`).
pub const IGNORED_NAMESPACES: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// The injection policy of one revision, from its `ConfigMap` `istio-sidecar-injector[-REVISION]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What happens to a pod that says nothing about it.
    pub enabled: bool,
    /// Pods that are left alone unless they ask for a sidecar themselves.
    pub never: Vec<Selector>,
    /// Pods that get a sidecar unless they refuse it or are among `never`.
    pub always: Vec<Selector>,
}

/// The key `config` of the `ConfigMap` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the injector's configuration is not YAML")]
pub struct PolicyError(#[from] serde_yaml::Error);

/// Where an istiod looks for a pod's own wish, `sidecar.istio.io/inject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// In the pod label, which beats the annotation even when it is empty. Only `true` and `false` count (since 1.10).
    LabelFirst,
    /// In the annotation alone. `y`, `yes`, `true` and `on` ask, anything else refuses (before 1.10).
    AnnotationOnly,
}

impl Wish {
    /// Whether a pod asks for a sidecar (`true`), refuses it (`false`) or leaves it to the policy.
    fn of(self, pod_labels: &Labels, annotations: &Labels) -> Option<bool> {
        let annotation = annotations.get(INJECT_LABEL).map(String::as_str);
        match self {
            Self::LabelFirst => match pod_labels
                .get(INJECT_LABEL)
                .map(String::as_str)
                .or(annotation)
            {
                Some("true") => Some(true),
                Some("false") => Some(false),
                _ => None,
            },
            Self::AnnotationOnly => {
                let asks =
                    |text: &str| ["y", "yes", "true", "on"].contains(&text.to_lowercase().as_str());
                annotation.filter(|text| !text.is_empty()).map(asks)
            }
        }
    }
}

/// Why istiod adds no sidecar to a pod that a webhook sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The pod uses the node's network.
    #[error("the pod uses the host's network")]
    HostNetwork,
    /// A namespace of Kubernetes itself.
    #[error("istiod ignores this namespace")]
    IgnoredNamespace,
    /// The pod says no.
    #[error("the pod opts out (sidecar.istio.io/inject)")]
    OptedOut,
    /// The policy's `neverInjectSelector` matches.
    #[error("the injector's neverInjectSelector matches the pod")]
    NeverSelector,
    /// The policy is off, and the pod does not ask.
    #[error("the injector's policy is disabled and the pod does not ask for a sidecar")]
    PolicyDisabled,
}

impl Default for Policy {
    /// As installed: every pod that a webhook sends.
    fn default() -> Self {
        Self {
            enabled: true,
            never: Vec::new(),
            always: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads the `ConfigMap`'s key `config`.
    ///
    /// # Errors
    /// The text is not YAML.
    pub fn parse(config: &str) -> Result<Self, PolicyError> {
        let config: Value = serde_yaml::from_str(config)?;
        let selectors = |key: &str| {
            config[key]
                .as_array()
                .into_iter()
                .flatten()
                .map(Selector::parse)
                .collect()
        };
        Ok(Self {
            enabled: config["policy"].as_str() == Some("enabled"),
            never: selectors("neverInjectSelector"),
            always: selectors("alwaysInjectSelector"),
        })
    }

    /// Whether istiod adds a sidecar to a pod or to the pods of a template: an object with `metadata` and `spec`.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, wish: Wish, namespace: &Namespace, pod: &Value) -> Result<(), Refusal> {
        if pod["spec"]["hostNetwork"].as_bool() == Some(true) {
            return Err(Refusal::HostNetwork);
        }
        if IGNORED_NAMESPACES.contains(&namespace.name.as_str()) {
            return Err(Refusal::IgnoredNamespace);
        }
        let pod_labels = labels(&pod["metadata"]["labels"]);
        let annotations = labels(&pod["metadata"]["annotations"]);
        let among = |selectors: &[Selector]| {
            // An empty selector matches nothing here, unlike everywhere else.
            selectors
                .iter()
                .any(|s| !s.is_empty() && s.matches(&pod_labels))
        };
        match wish.of(&pod_labels, &annotations) {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::OptedOut),
            None if among(&self.never) => Err(Refusal::NeverSelector),
            None if among(&self.always) || self.enabled => Ok(()),
            None => Err(Refusal::PolicyDisabled),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(text).unwrap()
    }

    fn shop() -> Namespace {
        Namespace::new("shop", Labels::new())
    }

    #[test]
    fn host_network_and_system_namespaces_come_before_every_wish() {
        let asking = json!({"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}, "spec": {"hostNetwork": true}});
        assert_eq!(
            Policy::default().admits(Wish::LabelFirst, &shop(), &asking),
            Err(Refusal::HostNetwork)
        );
        let asking = json!({"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}});
        for name in IGNORED_NAMESPACES {
            let namespace = Namespace::new(name, Labels::new());
            assert_eq!(
                Policy::default().admits(Wish::LabelFirst, &namespace, &asking),
                Err(Refusal::IgnoredNamespace)
            );
        }
    }

    #[test]
    fn the_label_beats_the_annotation() {
        let pod = |label: Option<&str>, annotation: Option<&str>| {
            let mut pod = json!({"metadata": {"labels": {}, "annotations": {}}});
            if let Some(label) = label {
                pod["metadata"]["labels"]["sidecar.istio.io/inject"] = json!(label);
            }
            if let Some(annotation) = annotation {
                pod["metadata"]["annotations"]["sidecar.istio.io/inject"] = json!(annotation);
            }
            pod
        };
        let (on, off) = (policy("policy: enabled"), policy("policy: disabled"));
        let cases = [
            (None, None, Ok(()), Err(Refusal::PolicyDisabled)),
            (Some("true"), Some("false"), Ok(()), Ok(())),
            (
                Some("false"),
                Some("true"),
                Err(Refusal::OptedOut),
                Err(Refusal::OptedOut),
            ),
            (None, Some("true"), Ok(()), Ok(())),
            (
                None,
                Some("false"),
                Err(Refusal::OptedOut),
                Err(Refusal::OptedOut),
            ),
            (
                Some(""),
                Some("false"),
                Ok(()),
                Err(Refusal::PolicyDisabled),
            ),
            (Some("yes"), None, Ok(()), Err(Refusal::PolicyDisabled)),
        ];
        for (label, annotation, when_on, when_off) in cases {
            let pod = pod(label, annotation);
            assert_eq!(on.admits(Wish::LabelFirst, &shop(), &pod), when_on, "{pod}");
            assert_eq!(
                off.admits(Wish::LabelFirst, &shop(), &pod),
                when_off,
                "{pod}"
            );
        }
    }

    #[test]
    fn never_beats_always_and_both_beat_the_policy_but_not_the_wish() {
        let text = "policy: disabled\nalwaysInjectSelector: [{matchLabels: {a: x}}, {}]\nneverInjectSelector: [{}, {matchExpressions: [{key: n, operator: Exists}]}]";
        let policy = policy(text);
        let pod = |labels: Value| json!({"metadata": {"labels": labels}});
        let decide = |labels: Value| policy.admits(Wish::LabelFirst, &shop(), &pod(labels));
        assert_eq!(decide(json!({"a": "x"})), Ok(()));
        assert_eq!(
            decide(json!({"a": "x", "n": ""})),
            Err(Refusal::NeverSelector)
        );
        assert_eq!(
            decide(json!({"n": "", "sidecar.istio.io/inject": "true"})),
            Ok(())
        );
        assert_eq!(
            decide(json!({"a": "x", "sidecar.istio.io/inject": "false"})),
            Err(Refusal::OptedOut)
        );
        assert_eq!(
            decide(json!({})),
            Err(Refusal::PolicyDisabled),
            "an empty selector matches nothing here"
        );
    }

    #[test]
    fn an_unknown_policy_is_off() {
        assert!(!policy("policy: maybe").enabled);
        assert!(!policy("templates: {}").enabled);
        assert!(policy("policy: enabled\ntemplate: |\n  {{ if }}: x").enabled);
        assert!(Policy::parse("a: [").is_err());
    }

    #[test]
    fn before_1_10_only_the_annotation_counts_and_speaks_yaml() {
        let pod = json!({"metadata": {"labels": {"sidecar.istio.io/inject": "false"}}});
        assert_eq!(
            Policy::default().admits(Wish::AnnotationOnly, &shop(), &pod),
            Ok(())
        );
        let decide = |annotation: &str| {
            let pod = json!({"metadata": {"annotations": {"sidecar.istio.io/inject": annotation}}});
            policy("policy: disabled").admits(Wish::AnnotationOnly, &shop(), &pod)
        };
        for asking in ["y", "Yes", "TRUE", "on"] {
            assert_eq!(decide(asking), Ok(()), "{asking}");
        }
        assert_eq!(decide("maybe"), Err(Refusal::OptedOut));
        assert_eq!(decide(""), Err(Refusal::PolicyDisabled));
    }
}
