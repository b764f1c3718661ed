//! Versions of Istio and Kubernetes: order, hops, skew, and what changed with which version.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A version as people and programs write it: `1.6`, `v1.29.1`, `1.29.1-<sha>-Clean`, `1.28.2-unknown-unknown`,
/// `1.33+`.
///
/// Ordered by its numbers; a pre-release (`-alpha`, `-beta`, `-rc`, `-dev`) comes before its release, any other suffix
/// is build information and does not count. `1.6` equals `1.6.0` in that order; [`Version::covers`] tells them apart.
#[derive(Debug, Clone)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: Option<u32>,
    written: Box<str>,
}

/// The text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version such as 1.29 or 1.29.1")]
pub struct VersionError(String);

impl Version {
    /// A version of three numbers.
    pub fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch: Some(patch),
            written: format!("{major}.{minor}.{patch}").into(),
        }
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// The third number, where it was written.
    pub fn patch(&self) -> Option<u32> {
        self.patch
    }

    /// What follows the numbers, without its dash.
    pub fn suffix(&self) -> Option<&str> {
        let (_, suffix) = self.written.split_once(['-', '+'])?;
        Some(suffix).filter(|s| !s.is_empty())
    }

    /// The numbers alone, as far as they were written: `1.29.1` of `v1.29.1-unknown-unknown`.
    pub fn release(&self) -> String {
        match self.patch {
            Some(patch) => format!("{}.{}.{patch}", self.major, self.minor),
            None => self.minor_name(),
        }
    }

    /// `1.29` of `1.29.1`.
    pub fn minor_name(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// Whether it is a pre-release.
    pub fn is_prerelease(&self) -> bool {
        self.prerelease().is_some()
    }

    /// Whether `actual` is what was asked for: the same numbers as far as they were written, so `1.6` covers `1.6.14`.
    pub fn covers(&self, actual: &Self) -> bool {
        (self.major, self.minor) == (actual.major, actual.minor)
            && self
                .patch
                .is_none_or(|patch| actual.patch.unwrap_or(0) == patch)
            && (self.patch.is_none() || self.prerelease() == actual.prerelease())
    }

    /// Minor versions from this one up to `later`; negative when it is older; `None` across major versions.
    pub fn minor_distance(&self, later: &Self) -> Option<i64> {
        (self.major == later.major).then(|| i64::from(later.minor) - i64::from(self.minor))
    }

    fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    fn prerelease(&self) -> Option<&str> {
        self.suffix().filter(|s| {
            ["alpha", "beta", "rc", "dev"]
                .iter()
                .any(|p| s.starts_with(p))
        })
    }

    fn key(&self) -> (u32, u32, u32, bool, Vec<Part<'_>>) {
        let prerelease = self.prerelease();
        let parts = prerelease
            .into_iter()
            .flat_map(|s| s.split(['.', '-']))
            .map(Part::of)
            .collect();
        (
            self.major,
            self.minor,
            self.patch.unwrap_or(0),
            prerelease.is_none(),
            parts,
        )
    }
}

/// A part of a pre-release: numbers before words, as in semantic versions.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Part<'a> {
    fn of(text: &'a str) -> Self {
        text.parse().map_or(Self::Word(text), Self::Number)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || VersionError(text.trim().to_owned());
        let written = text.trim();
        let bare = written.strip_prefix(['v', 'V']).unwrap_or(written);
        let (numbers, suffix) = match bare.split_once(['-', '+']) {
            Some((numbers, suffix)) => (numbers, suffix),
            None => (bare, ""),
        };
        let mut parts = numbers.split('.');
        let mut number = || parts.next().map(digits).transpose();
        let major = number().map_err(|()| error())?.ok_or_else(error)?;
        let minor = number().map_err(|()| error())?.ok_or_else(error)?;
        let patch = number().map_err(|()| error())?;
        if parts.next().is_some() || suffix.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Self {
            major,
            minor,
            patch,
            written: written.into(),
        })
    }
}

fn digits(text: &str) -> Result<u32, ()> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map_err(|_| ())
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Why a control plane must not go from one version to another in one hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HopError {
    /// The target is older.
    #[error("{to} is older than {from}: going back is a rollback, not an upgrade")]
    Downgrade {
        /// The version to leave.
        from: Version,
        /// The version asked for.
        to: Version,
    },
    /// The first number differs.
    #[error("{from} to {to} crosses a major version")]
    MajorJump {
        /// The version to leave.
        from: Version,
        /// The version asked for.
        to: Version,
    },
    /// More minor versions than allowed.
    #[error("{from} to {to} is {minors} minor versions in one hop (at most {max_hop}): go through {} first", .missing.join(", "))]
    TooFar {
        /// The version to leave.
        from: Version,
        /// The version asked for.
        to: Version,
        /// How many minor versions lie between.
        minors: u32,
        /// How many are allowed.
        max_hop: u32,
        /// The minor versions to stop at on the way, in order: `["1.5"]` for 1.4 to 1.6.
        missing: Vec<String>,
    },
}

/// Whether a control plane may go from `from` to `to` in one hop of at most `max_hop` minor versions.
///
/// In place Istio supports one minor version, beside the old one (a revision) two; no tool of Istio refuses more.
///
/// # Errors
/// A downgrade, another major version, or too many minor versions; the last names the stops that are missing.
pub fn hop(from: &Version, to: &Version, max_hop: u32) -> Result<(), HopError> {
    if from.major != to.major {
        let (from, to) = (from.clone(), to.clone());
        return Err(if to < from {
            HopError::Downgrade { from, to }
        } else {
            HopError::MajorJump { from, to }
        });
    }
    if to < from && !to.covers(from) {
        return Err(HopError::Downgrade {
            from: from.clone(),
            to: to.clone(),
        });
    }
    let minors = to.minor.saturating_sub(from.minor);
    if minors <= max_hop {
        return Ok(());
    }
    let stride = usize::try_from(max_hop.max(1)).unwrap_or(usize::MAX);
    let missing = (from.minor..to.minor)
        .step_by(stride)
        .skip(1)
        .map(|minor| format!("{}.{minor}", to.major))
        .collect();
    Err(HopError::TooFar {
        from: from.clone(),
        to: to.clone(),
        minors,
        max_hop,
        missing,
    })
}

/// Why a proxy and its control plane do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkewError {
    /// The proxy is newer.
    #[error("the proxy ({proxy}) is newer than its control plane ({control_plane})")]
    ProxyNewer {
        /// The proxy's version.
        proxy: Version,
        /// The control plane's version.
        control_plane: Version,
    },
    /// The proxy is more than one minor version behind.
    #[error(
        "the proxy ({proxy}) is {minors} minor versions behind its control plane ({control_plane}), at most 1 is supported"
    )]
    ProxyTooOld {
        /// The proxy's version.
        proxy: Version,
        /// The control plane's version.
        control_plane: Version,
        /// How far it is behind, in minor versions.
        minors: i64,
    },
}

/// Whether a control plane may serve a proxy: never a newer one, and at most one minor version older (Istio's
/// supported releases).
///
/// # Errors
/// The proxy is newer, or too old.
pub fn skew(control_plane: &Version, proxy: &Version) -> Result<(), SkewError> {
    let pair = || (proxy.clone(), control_plane.clone());
    if proxy > control_plane && !control_plane.covers(proxy) {
        let (proxy, control_plane) = pair();
        return Err(SkewError::ProxyNewer {
            proxy,
            control_plane,
        });
    }
    match proxy.minor_distance(control_plane) {
        Some(minors) if minors <= 1 => Ok(()),
        distance => {
            let (proxy, control_plane) = pair();
            Err(SkewError::ProxyTooOld {
                proxy,
                control_plane,
                minors: distance.unwrap_or(i64::MAX),
            })
        }
    }
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_people_and_programs_write() {
        let cases = [
            ("1.6", (1, 6, None, None)),
            ("v1.29.1", (1, 29, Some(1), None)),
            (
                "1.28.2-unknown-unknown",
                (1, 28, Some(2), Some("unknown-unknown")),
            ),
            (
                "1.29.1-6991a379e1f-Clean",
                (1, 29, Some(1), Some("6991a379e1f-Clean")),
            ),
            ("1.30.0-rc.0", (1, 30, Some(0), Some("rc.0"))),
            ("1.33+", (1, 33, None, None)),
            ("v1.33.5-eks-3025e55", (1, 33, Some(5), Some("eks-3025e55"))),
            (" 1.29.1-distroless\n", (1, 29, Some(1), Some("distroless"))),
        ];
        for (text, (major, minor, patch, suffix)) in cases {
            let version = v(text);
            assert_eq!(
                (
                    version.major(),
                    version.minor(),
                    version.patch(),
                    version.suffix()
                ),
                (major, minor, patch, suffix)
            );
            assert_eq!(version.to_string(), text.trim(), "shown as written");
        }
    }

    #[test]
    fn refuses_what_is_not_a_version() {
        for text in [
            "",
            "1",
            "latest",
            "1.x",
            "1..2",
            "1.2.3.4",
            "-1.2",
            "1.2 3",
            "1.2.3-a b",
            "1.99999999999",
            "canary",
            "+1.2",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn orders_by_number_not_by_text() {
        let ordered = [
            "1.5.10",
            "1.6.0-alpha.1",
            "1.6.0-rc.2",
            "1.6.0-rc.10",
            "1.6",
            "1.6.14",
            "1.9.9",
            "1.10.0",
            "1.29.1",
            "2.0",
        ];
        for pair in ordered.windows(2) {
            assert!(v(pair[0]) < v(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(
            v("1.28.2-unknown-unknown"),
            v("v1.28.2"),
            "build information does not count"
        );
    }

    #[test]
    fn a_version_without_patch_covers_all_of_its_patches() {
        assert!(v("1.6").covers(&v("1.6.14")));
        assert!(v("1.29.1").covers(&v("1.29.1-unknown-unknown")));
        assert!(!v("1.29.1").covers(&v("1.29.2")));
        assert!(!v("1.29.0").covers(&v("1.29.0-rc.1")));
        assert!(!v("1.6").covers(&v("1.7.0")));
    }

    #[test]
    fn travels_as_a_string() {
        assert_eq!(serde_json::to_string(&v("v1.6")).unwrap(), r#""v1.6""#);
        assert_eq!(
            serde_json::from_str::<Version>(r#""1.10""#)
                .unwrap()
                .minor(),
            10
        );
        let error = serde_json::from_str::<Version>(r#""new""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("`new` is not a version"), "{error}");
    }

    #[test]
    fn the_missing_hop_is_named() {
        let error = hop(&v("1.4.3"), &v("1.6.14"), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1.4.3 to 1.6.14 is 2 minor versions in one hop (at most 1): go through 1.5 first"
        );
        let missing = |from: &str, to: &str, max| match hop(&v(from), &v(to), max) {
            Err(HopError::TooFar { missing, .. }) => missing,
            other => panic!("{from} to {to}: {other:?}"),
        };
        assert_eq!(
            missing("1.20.1", "1.29.1", 2),
            ["1.22", "1.24", "1.26", "1.28"]
        );
        assert_eq!(missing("1.8", "1.11", 1), ["1.9", "1.10"]);
        assert_eq!(missing("1.27", "1.29", 0), ["1.28"]);
    }

    #[test]
    fn hops() {
        for (from, to, max) in [
            ("1.5.10", "1.6.14", 1),
            ("1.28.2", "1.29.1", 1),
            ("1.27.1", "1.29.1", 2),
            ("1.29.1", "1.29.1", 0),
            ("1.9.9", "1.10.0", 1),
            ("1.6.14", "1.6", 1),
        ] {
            assert_eq!(hop(&v(from), &v(to), max), Ok(()), "{from} to {to}");
        }
        for (from, to) in [
            ("1.10.0", "1.9.9"),
            ("1.6.14", "1.6.13"),
            ("2.0.0", "1.9.0"),
        ] {
            assert!(
                matches!(hop(&v(from), &v(to), 1), Err(HopError::Downgrade { .. })),
                "{from} to {to}"
            );
        }
        assert!(matches!(
            hop(&v("1.31.0"), &v("2.0.0"), 9),
            Err(HopError::MajorJump { .. })
        ));
    }

    #[test]
    fn a_proxy_is_never_newer_and_at_most_one_minor_behind() {
        assert_eq!(skew(&v("1.29.1"), &v("1.28.2")), Ok(()));
        assert_eq!(skew(&v("1.29.1-unknown-unknown"), &v("1.29.1")), Ok(()));
        assert_eq!(
            skew(&v("1.29"), &v("1.29.4")),
            Ok(()),
            "the patch of the control plane is not known"
        );
        assert!(matches!(
            skew(&v("1.28.2"), &v("1.29.1")),
            Err(SkewError::ProxyNewer { .. })
        ));
        assert!(matches!(
            skew(&v("1.29.1"), &v("1.29.2")),
            Err(SkewError::ProxyNewer { .. })
        ));
        assert!(matches!(
            skew(&v("1.29.1"), &v("1.27.9")),
            Err(SkewError::ProxyTooOld { minors: 2, .. })
        ));
    }

    #[test]
    fn differences_by_version() {
        let row = |text: &str| {
            let version = v(text);
            (
                version.has_revisions(),
                version.has_connections_endpoint(),
                version.syncz_has_errors(),
                version.has_tags(),
                version.has_debug_auth(),
                version.charts_flag(),
            )
        };
        assert_eq!(
            row("1.5.10"),
            (false, false, false, false, false, "--charts")
        );
        assert_eq!(
            row("1.6.14"),
            (true, false, false, false, false, "--charts")
        );
        assert_eq!(
            row("1.7.8"),
            (true, true, false, false, false, "--manifests")
        );
        assert_eq!(
            row("1.8.0"),
            (true, true, true, false, false, "--manifests")
        );
        assert_eq!(
            row("1.10.0"),
            (true, true, true, true, false, "--manifests")
        );
        assert_eq!(row("1.29.1"), (true, true, true, true, true, "--manifests"));
        let auth: Vec<bool> = [
            "1.26.9", "1.27.7", "1.27.8", "1.28.3", "1.28.4", "1.29.0", "1.30.1",
        ]
        .map(|t| v(t).has_debug_auth())
        .to_vec();
        assert_eq!(auth, [false, false, true, false, true, true, true]);
        assert_eq!(v("1.5.10").injector_shape(), InjectorShape::Legacy);
        assert_eq!(v("1.6.14").injector_shape(), InjectorShape::Namespace);
        assert_eq!(
            v("1.28.2").injector_shape(),
            InjectorShape::NamespaceAndObject
        );
        assert_eq!(
            [v("1.5.10"), v("1.6.14"), v("1.29.1")].map(|x| x.revision_mark()),
            [
                RevisionMark::None,
                RevisionMark::Label,
                RevisionMark::Annotation
            ]
        );
    }

    proptest! {
        #[test]
        fn each_stop_on_the_way_is_a_legal_hop(from in 0_u32..40, far in 0_u32..40, max in 1_u32..4) {
            let (from, to) = (Version::new(1, from, 0), Version::new(1, from + far, 0));
            let mut stops = vec![from.clone()];
            if let Err(HopError::TooFar { missing, .. }) = hop(&from, &to, max) {
                stops.extend(missing.iter().map(|m| v(m)));
            }
            stops.push(to);
            for pair in stops.windows(2) {
                prop_assert_eq!(hop(&pair[0], &pair[1], max), Ok(()));
            }
        }
    }
}
