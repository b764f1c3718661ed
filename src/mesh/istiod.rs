//! The names of what an installation of istiod consists of, and the fields that istiod itself writes.
//!
//! Names from the chart `istio-discovery`; the older ones from Istio 1.5 to 1.13.

/// The revision of an installation without one.
pub const DEFAULT: &str = "default";

/// The namespace that Istio is installed in, unless it is told otherwise.
pub const SYSTEM_NAMESPACE: &str = "istio-system";

/// The validator of all configuration without a revision.
pub const DEFAULT_VALIDATOR: &str = "istiod-default-validator";

/// The namespace label and pod label that choose a revision or a tag; the annotation of an injected pod.
pub const REVISION_LABEL: &str = "istio.io/rev";

/// The label of an injector that belongs to a tag.
pub const TAG_LABEL: &str = "istio.io/tag";

/// The namespace label that chooses the default injector.
pub const INJECTION_LABEL: &str = "istio-injection";

/// The pod label (and older annotation) that asks for a sidecar, or refuses it.
pub const INJECT_LABEL: &str = "sidecar.istio.io/inject";

/// The annotation that an injector leaves on a pod.
pub const STATUS_ANNOTATION: &str = "sidecar.istio.io/status";

const TAG_SERVICE_PREFIX: &str = "istiod-revision-tag-";

/// The objects of one revision in one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    revision: &'a str,
    namespace: &'a str,
}

impl<'a> Names<'a> {
    /// The names of a revision (`default` for an installation without one) in Istio's namespace.
    pub fn new(revision: &'a str, namespace: &'a str) -> Self {
        Self {
            revision: if revision.is_empty() {
                DEFAULT
            } else {
                revision
            },
            namespace,
        }
    }

    /// The control plane's Deployment, Service, `ServiceAccount`, `HorizontalPodAutoscaler` and `PodDisruptionBudget`:
    /// `istiod` or `istiod-canary`.
    pub fn istiod(&self) -> String {
        format!("istiod{}", self.suffix())
    }

    /// The `ConfigMap` of the mesh configuration: `istio` or `istio-canary`.
    pub fn mesh_config(&self) -> String {
        format!("istio{}", self.suffix())
    }

    /// The `ConfigMap` of the injection templates: `istio-sidecar-injector` or `istio-sidecar-injector-canary`.
    pub fn injector_config(&self) -> String {
        format!("istio-sidecar-injector{}", self.suffix())
    }

    /// The `MutatingWebhookConfiguration`: as [`Names::injector_config`], with the namespace when it is not `istio-system`.
    pub fn injector(&self) -> String {
        format!(
            "istio-sidecar-injector{}{}",
            self.suffix(),
            self.namespace_suffix()
        )
    }

    /// The `MutatingWebhookConfiguration` of a tag.
    pub fn tag_injector(&self, tag: &str) -> String {
        format!("istio-revision-tag-{tag}{}", self.namespace_suffix())
    }

    /// The Service of a tag.
    pub fn tag_service(&self, tag: &str) -> String {
        format!("{TAG_SERVICE_PREFIX}{tag}")
    }

    /// The `ValidatingWebhookConfiguration` of the revision's own configuration.
    pub fn validator(&self) -> String {
        format!("istio-validator{}-{}", self.suffix(), self.namespace)
    }

    /// Every `ValidatingWebhookConfiguration` that some version gives this revision, newest first.
    pub fn validators(&self) -> Vec<String> {
        let mut names = vec![self.validator()];
        if self.revision == DEFAULT {
            names.push(format!("istiod-{}", self.namespace));
            names.push("istio-galley".to_owned());
        } else {
            names.push(format!("istiod-{}-{}", self.revision, self.namespace));
        }
        names
    }

    /// Where the revision's proxies find it: `istiod-canary.istio-system.svc:15012`.
    pub fn discovery_address(&self) -> String {
        format!("{}.{}.svc:15012", self.istiod(), self.namespace)
    }

    fn suffix(&self) -> String {
        if self.revision == DEFAULT {
            String::new()
        } else {
            format!("-{}", self.revision)
        }
    }

    fn namespace_suffix(&self) -> String {
        if self.namespace == SYSTEM_NAMESPACE {
            String::new()
        } else {
            format!("-{}", self.namespace)
        }
    }
}

/// The revision of a control plane, by the name of its Service or by an address such as
/// `istiod-canary.istio-system.svc:15012`; `None` when it is no istiod, or a tag's Service.
pub fn revision_of_address(address: &str) -> Option<&str> {
    let host = address.split_once(':').map_or(address, |(host, _)| host);
    let service = host.split_once('.').map_or(host, |(service, _)| service);
    match service.strip_prefix("istiod")? {
        "" => Some(DEFAULT),
        rest if service.starts_with(TAG_SERVICE_PREFIX) && !rest.is_empty() => None,
        rest => rest
            .strip_prefix('-')
            .filter(|revision| !revision.is_empty()),
    }
}

/// The fields that istiod writes on an object that exists, as JSON pointers under each of its `webhooks`.
///
/// An apply leaves them out, or it would fight with istiod: its certificate patcher keeps `caBundle` fresh on every
/// webhook configuration labelled with its revision (`pkg/webhooks/webhookpatch.go`), and its validation controller
/// turns `failurePolicy` from `Ignore` to `Fail` once its endpoint answers.
pub fn owned_fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "MutatingWebhookConfiguration" => &["/clientConfig/caBundle"],
        "ValidatingWebhookConfiguration" => &["/clientConfig/caBundle", "/failurePolicy"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_revision_and_of_the_default() {
        let canary = Names::new("canary", "istio-system");
        assert_eq!(
            [
                canary.istiod(),
                canary.mesh_config(),
                canary.injector_config(),
                canary.injector(),
                canary.validator()
            ],
            [
                "istiod-canary",
                "istio-canary",
                "istio-sidecar-injector-canary",
                "istio-sidecar-injector-canary",
                "istio-validator-canary-istio-system"
            ],
        );
        for default in [
            Names::new("default", "istio-system"),
            Names::new("", "istio-system"),
        ] {
            assert_eq!(
                [
                    default.istiod(),
                    default.mesh_config(),
                    default.injector(),
                    default.validator()
                ],
                [
                    "istiod",
                    "istio",
                    "istio-sidecar-injector",
                    "istio-validator-istio-system"
                ],
            );
        }
        assert_eq!(
            Names::new("default", "istio-system").validators(),
            [
                "istio-validator-istio-system",
                "istiod-istio-system",
                "istio-galley"
            ]
        );
    }

    #[test]
    fn another_namespace_shows_in_cluster_wide_names_only() {
        let names = Names::new("canary", "mesh");
        assert_eq!(names.injector(), "istio-sidecar-injector-canary-mesh");
        assert_eq!(names.tag_injector("prod"), "istio-revision-tag-prod-mesh");
        assert_eq!(names.injector_config(), "istio-sidecar-injector-canary");
        assert_eq!(names.discovery_address(), "istiod-canary.mesh.svc:15012");
    }

    #[test]
    fn an_address_names_its_revision() {
        let cases = [
            ("istiod.istio-system.svc:15012", Some("default")),
            ("istiod-canary.istio-system.svc:15012", Some("canary")),
            ("istiod-1-29-1.mesh.svc.cluster.local:15012", Some("1-29-1")),
            ("istiod-canary", Some("canary")),
            ("istiod-revision-tag-prod.istio-system.svc:15012", None),
            ("istio-pilot.istio-system:15011", None),
            ("istiodx.istio-system.svc:15012", None),
            ("istiod-", None),
        ];
        for (address, revision) in cases {
            assert_eq!(revision_of_address(address), revision, "{address}");
        }
        for revision in ["default", "canary", "1-29-1"] {
            let address = Names::new(revision, "istio-system").discovery_address();
            assert_eq!(revision_of_address(&address), Some(revision));
        }
    }
}
