//! Both decisions together: what a pod would get now, why, and how that compares with what it has.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::{Injector, Namespace, Pin, Policy, Proxy, Refusal, Targets, baked_in, matching, pins};
use crate::mesh::istiod::{INJECT_LABEL, INJECTION_LABEL, REVISION_LABEL};
use crate::mesh::selector::{Labels, labels};
use crate::mesh::version::Version;

/// The injection of a cluster: its injectors, and the policy of each revision that has one of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mesh {
    /// Every injector, in the order of the configurations.
    pub injectors: Vec<Injector>,
    /// The injection policy by revision; one that is missing is as installed.
    pub policies: BTreeMap<String, Policy>,
}

/// What happens to a pod that is created now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It starts without a sidecar.
    NotInjected(Reason),
    /// It gets the sidecar of one injector.
    Injected {
        /// The injector that it goes to.
        by: &'a Injector,
    },
    /// Several injectors take it, and it would get several sidecars (IST0139).
    Ambiguous(Vec<&'a Injector>),
}

impl Verdict<'_> {
    /// The revision whose sidecar the pod gets; `None` without one, or when several injectors disagree.
    pub fn revision(&self) -> Option<&str> {
        match self {
            Self::Injected { by } => Some(by.control_plane()),
            Self::NotInjected(_) | Self::Ambiguous(_) => None,
        }
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInjected(reason) => write!(f, "no sidecar: {reason}"),
            Self::Injected { by } => {
                write!(
                    f,
                    "sidecar of {} by {} ({})",
                    by.control_plane(),
                    by.config,
                    by.webhook
                )
            }
            Self::Ambiguous(all) => {
                let names: Vec<&str> = all.iter().map(|i| i.config.as_str()).collect();
                write!(f, "{} injectors match: {}", all.len(), names.join(", "))
            }
        }
    }
}

/// Why a pod starts without a sidecar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Neither the namespace nor the pod asks for one.
    #[error("neither the namespace nor the pod asks for one")]
    NotAsked,
    /// The namespace says no.
    #[error("the namespace has {INJECTION_LABEL}=disabled")]
    NamespaceDisabled,
    /// A value of `istio-injection` that no injector knows; it hides `istio.io/rev` all the same.
    #[error("no injector knows the namespace's label {INJECTION_LABEL}={0}")]
    UnknownInjectionValue(String),
    /// The namespace names a revision or tag that no active injector stands for.
    #[error("the namespace's label {REVISION_LABEL}={0} names neither a revision nor a tag")]
    UnknownNamespaceRevision(String),
    /// The pod names a revision or tag that no active injector stands for.
    #[error("the pod's label {REVISION_LABEL}={0} names neither a revision nor a tag")]
    UnknownPodRevision(String),
    /// The namespace asks for the default injector, and there is none, or it is deactivated.
    #[error("no active default injector serves {INJECTION_LABEL}=enabled")]
    NoDefaultInjector,
    /// The pod asks for a sidecar by its label, and there is no default injector that looks at it.
    #[error("no active default injector looks at the pod's label {INJECT_LABEL}=true")]
    NoDefaultForPod,
    /// The pod's label `sidecar.istio.io/inject` keeps it from every webhook.
    #[error("the pod opts out ({INJECT_LABEL}=false)")]
    OptedOut,
    /// A webhook takes it, and istiod refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Reason {
    /// Whether a label asks for a sidecar that nobody gives: pods start without one, and nothing says so. Every other
    /// reason is somebody's choice.
    pub fn is_dangling(&self) -> bool {
        match self {
            Self::UnknownInjectionValue(_)
            | Self::UnknownNamespaceRevision(_)
            | Self::UnknownPodRevision(_)
            | Self::NoDefaultInjector
            | Self::NoDefaultForPod => true,
            Self::NotAsked | Self::NamespaceDisabled | Self::OptedOut | Self::Refused(_) => false,
        }
    }
}

impl Mesh {
    /// Reads the injectors out of `MutatingWebhookConfigurations`; policies are as installed.
    pub fn new<'a>(configs: impl IntoIterator<Item = &'a Value>) -> Self {
        Self {
            injectors: super::injectors(configs),
            policies: BTreeMap::new(),
        }
    }

    /// What the names in `istio.io/rev` labels stand for.
    pub fn targets(&self) -> Targets {
        Targets::new(&self.injectors)
    }

    /// What happens to a pod created now in a namespace, from the pod or a template of it: an object with `metadata`
    /// and `spec`.
    pub fn verdict(&self, namespace: &Namespace, pod: &Value) -> Verdict<'_> {
        let pod_labels = labels(&pod["metadata"]["labels"]);
        let all = matching(&self.injectors, namespace, &pod_labels);
        let Some(first) = all.first() else {
            return Verdict::NotInjected(self.why_not(namespace, &pod_labels));
        };
        let decide = |injector: &Injector| {
            let policy = self.policy(injector.control_plane());
            policy.admits(injector.wish(), namespace, pod)
        };
        let refusal = decide(first).err();
        let admitted: Vec<&Injector> = all.iter().copied().filter(|i| decide(i).is_ok()).collect();
        match (admitted.as_slice(), refusal) {
            ([], Some(refusal)) => Verdict::NotInjected(refusal.into()),
            ([by], _) => Verdict::Injected { by },
            _ => Verdict::Ambiguous(admitted),
        }
    }

    /// What a pod would get now, beside what it has.
    ///
    /// `template` is what its next pod is made of; `pod` is the running one. A pod that no template makes stands for
    /// itself, as both: the sidecar that it has was not there when it was created.
    pub fn effect(&self, namespace: &Namespace, template: &Value, pod: &Value) -> Effect<'_> {
        Effect {
            now: self.verdict(namespace, template),
            has: Proxy::of(pod),
            baked_in: template != pod && baked_in(template),
            pins: pins(template),
        }
    }

    fn policy(&self, revision: &str) -> Policy {
        self.policies.get(revision).cloned().unwrap_or_default()
    }

    /// Only asked when no webhook matches: which of the labels is to blame.
    fn why_not(&self, namespace: &Namespace, pod: &Labels) -> Reason {
        let inject = pod.get(INJECT_LABEL).map(String::as_str);
        match (
            namespace.labels().get(INJECTION_LABEL).map(String::as_str),
            inject,
        ) {
            (Some("disabled"), _) => return Reason::NamespaceDisabled,
            (Some("enabled") | None, Some("false")) => return Reason::OptedOut,
            (Some("enabled"), _) => return Reason::NoDefaultInjector,
            (Some(other), _) => return Reason::UnknownInjectionValue(other.to_owned()),
            (None, _) => {}
        }
        match (
            namespace.labels().get(REVISION_LABEL),
            pod.get(REVISION_LABEL),
        ) {
            (Some(name), _) => Reason::UnknownNamespaceRevision(name.clone()),
            (None, Some(name)) if self.targets().resolve(name).is_none() => {
                Reason::UnknownPodRevision(name.clone())
            }
            (None, None) if inject == Some("true") => Reason::NoDefaultForPod,
            (None, _) => Reason::NotAsked,
        }
    }
}

/// What a pod would get if it were created again, beside what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect<'a> {
    /// What the injectors would do now.
    pub now: Verdict<'a>,
    /// The proxy that the pod has.
    pub has: Option<Proxy>,
    /// The template brings its own sidecar, which no injector replaces.
    pub baked_in: bool,
    /// What keeps the proxy where it is, whoever injects it.
    pub pins: Vec<Pin>,
}

impl Effect<'_> {
    /// Whether a restart would change the pod's proxy: another revision, a sidecar gained, or a sidecar lost.
    ///
    /// With `version`, the version of the control plane that injects now, a proxy of another version counts as well:
    /// that is an upgrade in place. No restart is due where it would do harm (several injectors) or change nothing (a
    /// sidecar in the template, a pinned image).
    pub fn changes(&self, version: Option<&Version>) -> bool {
        if self.baked_in {
            return false;
        }
        let version = version.filter(|_| {
            !self
                .pins
                .iter()
                .any(|pin| matches!(pin, Pin::ProxyImage(_)))
        });
        match (&self.now, &self.has) {
            (Verdict::Ambiguous(_), _) | (Verdict::NotInjected(_), None) => false,
            (Verdict::NotInjected(_), Some(_)) | (Verdict::Injected { .. }, None) => true,
            (Verdict::Injected { by }, Some(proxy)) => {
                proxy.revision.as_deref() != Some(by.control_plane())
                    || version
                        .is_some_and(|v| proxy.version.as_ref().is_some_and(|has| !v.covers(has)))
            }
        }
    }
}
