//! What changed with which version of Istio.

use super::Version;

/// Which selectors an installation of this version gives its injector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectorShape {
    /// One webhook for `istio-injection=enabled`; no revisions (1.5).
    Legacy,
    /// One webhook, of the namespace's label alone, with or without a revision (1.6 to 1.9).
    Namespace,
    /// Two webhooks for a revision, four or five for the default (since 1.10).
    NamespaceAndObject,
}

/// Where an injected pod names its revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevisionMark {
    /// Nowhere (1.5).
    None,
    /// The pod label `istio.io/rev` (1.6 to 1.9).
    Label,
    /// The pod annotation `istio.io/rev` and the JSON in `sidecar.istio.io/status` (since 1.10).
    Annotation,
}

/// What Istio can do, by version.
impl Version {
    /// Control planes beside each other, by revision (since 1.6).
    pub fn has_revisions(&self) -> bool {
        self.at_least(1, 6)
    }

    /// Revision tags (since 1.10).
    pub fn has_tags(&self) -> bool {
        self.at_least(1, 10)
    }

    /// `/debug/connections` (1.5 and 1.6 have none).
    pub fn has_connections_endpoint(&self) -> bool {
        self.at_least(1, 7)
    }

    /// Whether `/debug/syncz` may tell a rejected configuration; before 1.8 one looks like an unanswered one.
    pub fn syncz_has_errors(&self) -> bool {
        self.at_least(1, 8)
    }

    /// Whether istiod's debug endpoints want a token from callers that are not on its loopback, and look at their
    /// namespace (`ENABLE_DEBUG_ENDPOINT_AUTH`: on since 1.29.0, 1.28.4 and 1.27.8).
    pub fn has_debug_auth(&self) -> bool {
        let patch = self.patch.unwrap_or(0);
        match (self.major, self.minor) {
            (1, 27) => patch >= 8,
            (1, 28) => patch >= 4,
            _ => self.at_least(1, 29),
        }
    }

    /// The shape of the injector's webhooks.
    pub fn injector_shape(&self) -> InjectorShape {
        if self.at_least(1, 10) {
            InjectorShape::NamespaceAndObject
        } else if self.at_least(1, 6) {
            InjectorShape::Namespace
        } else {
            InjectorShape::Legacy
        }
    }

    /// Where an injected sidecar pod names its revision.
    pub fn revision_mark(&self) -> RevisionMark {
        if self.at_least(1, 10) {
            RevisionMark::Annotation
        } else if self.at_least(1, 6) {
            RevisionMark::Label
        } else {
            RevisionMark::None
        }
    }

    /// istioctl's flag for a directory of charts: `--charts` before 1.7, `--manifests` since.
    pub fn charts_flag(&self) -> &'static str {
        if self.at_least(1, 7) {
            "--manifests"
        } else {
            "--charts"
        }
    }
}
