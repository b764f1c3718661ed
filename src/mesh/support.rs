//! Which Kubernetes an Istio supports, and until when an Istio is maintained.
//!
//! Sources: `MinK8SVersion` in the code of Istio for the minimum, its supported releases for the documented range and
//! the ends of life.

use std::fmt;

use jiff::civil::Date;

use super::version::Version;

/// Istio minor → the oldest Kubernetes minor that its code accepts (`MinK8SVersion`), from 1.16 on.
const CODE_MINIMUM: &[(u32, u32)] = &[
    (16, 22),
    (17, 23),
    (18, 24),
    (19, 25),
    (20, 25),
    (21, 26),
    (22, 26),
    (23, 26),
    (24, 28),
    (25, 29),
    (26, 29),
    (27, 29),
    (28, 30),
    (29, 30),
    (30, 32),
    (31, 32),
];

/// Istio minor → the Kubernetes minors that its documentation names, from and to.
const DOCUMENTED: &[(u32, u32, u32)] = &[
    (6, 15, 18),
    (7, 16, 18),
    (14, 21, 24),
    (15, 22, 25),
    (16, 22, 25),
    (17, 23, 26),
    (18, 24, 27),
    (19, 25, 28),
    (20, 25, 29),
    (21, 26, 29),
    (22, 27, 30),
    (23, 27, 30),
    (24, 28, 31),
    (25, 29, 32),
    (26, 29, 33),
    (27, 29, 33),
    (28, 30, 34),
    (29, 31, 35),
    (30, 32, 36),
];

/// Whether an Istio may run on a Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubernetesVerdict {
    /// Older than the minimum in Istio's code: it will not run.
    BelowCodeMinimum {
        /// The oldest Kubernetes minor version that it accepts: 30 for 1.30.
        minimum: u32,
    },
    /// Not among the versions that Istio's documentation names.
    OutsideDocumented {
        /// The oldest documented Kubernetes minor version.
        from: u32,
        /// The newest documented Kubernetes minor version.
        to: u32,
    },
    /// Documented.
    Fine,
    /// The tables know nothing of this Istio.
    Unknown,
}

/// Looks an Istio and a Kubernetes up in the tables.
pub fn kubernetes_verdict(istio: &Version, kubernetes: &Version) -> KubernetesVerdict {
    if istio.major() != 1 || kubernetes.major() != 1 {
        return KubernetesVerdict::Unknown;
    }
    let minimum = CODE_MINIMUM
        .iter()
        .find(|(minor, _)| *minor == istio.minor())
        .map(|(_, minimum)| *minimum);
    let range = DOCUMENTED
        .iter()
        .find(|(minor, ..)| *minor == istio.minor());
    match (minimum, range) {
        (Some(minimum), _) if kubernetes.minor() < minimum => {
            KubernetesVerdict::BelowCodeMinimum { minimum }
        }
        (_, Some(&(_, from, to))) if !(from..=to).contains(&kubernetes.minor()) => {
            KubernetesVerdict::OutsideDocumented { from, to }
        }
        (_, Some(_)) => KubernetesVerdict::Fine,
        (_, None) => KubernetesVerdict::Unknown,
    }
}

/// When an Istio minor version stops being maintained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfLife {
    /// On a published day.
    On(Date),
    /// Some time in a month that is only foreseen; the date is that month's last day.
    About(Date),
    /// Before this day; the exact one no longer matters.
    Before(Date),
}

impl EndOfLife {
    /// Whether it is over on a day; a foreseen month counts when it has passed.
    pub fn is_past(self, today: Date) -> bool {
        match self {
            Self::On(date) | Self::About(date) => today > date,
            Self::Before(date) => today >= date,
        }
    }
}

impl fmt::Display for EndOfLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(date) => write!(f, "{date}"),
            Self::About(date) => write!(f, "about {}", date.strftime("%Y-%m")),
            Self::Before(date) => write!(f, "before {date}"),
        }
    }
}

/// When the minor version of an Istio stops being maintained; `None` when that is not known yet.
pub fn end_of_life(istio: &Version) -> Option<EndOfLife> {
    const OF_1_27: Date = jiff::civil::date(2026, 4, 7);
    match (istio.major(), istio.minor()) {
        (0, _) | (1, 0..=26) => Some(EndOfLife::Before(OF_1_27)),
        (1, 27) => Some(EndOfLife::On(OF_1_27)),
        (1, 28) => Some(EndOfLife::On(jiff::civil::date(2026, 7, 1))),
        (1, 29) => Some(EndOfLife::About(jiff::civil::date(2026, 8, 31))),
        (1, 30) => Some(EndOfLife::About(jiff::civil::date(2026, 11, 30))),
        _ => None,
    }
}

/// API group → its versions, each with the Istio minor whose CRDs serve it first. None has been taken away again.
const API_VERSIONS: &[(&str, &[(&str, u32)])] = &[
    (
        "networking.istio.io",
        &[("v1alpha3", 0), ("v1beta1", 5), ("v1", 22)],
    ),
    ("security.istio.io", &[("v1beta1", 4), ("v1", 22)]),
    ("telemetry.istio.io", &[("v1alpha1", 11), ("v1", 22)]),
    ("extensions.istio.io", &[("v1alpha1", 12)]),
];

/// Whether the CRDs of an Istio serve a version of an API group.
///
/// Objects stored in one that they do not serve are out of reach after a step back (istio/istio#20861). Groups that
/// Istio has given up (`authentication.istio.io`, `config.istio.io`) are none of its CRDs' business: they stay as they
/// are, and the answer is yes.
pub fn serves_resource(istio: &Version, group: &str, version: &str) -> bool {
    let Some((_, versions)) = API_VERSIONS.iter().find(|(name, _)| *name == group) else {
        return true;
    };
    let served = |(name, since): &(&str, u32)| *name == version && istio.minor() >= *since;
    istio.major() > 1 || versions.iter().any(served)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_code_minimum_is_milder_than_the_documentation() {
        use KubernetesVerdict::{BelowCodeMinimum, Fine, OutsideDocumented, Unknown};
        let cases = [
            ("1.29.1", "v1.29.9", BelowCodeMinimum { minimum: 30 }),
            ("1.29.1", "v1.30.4", OutsideDocumented { from: 31, to: 35 }),
            ("1.29.1", "v1.31.0", Fine),
            ("1.29.1", "v1.35.4", Fine),
            ("1.29.1", "1.36+", OutsideDocumented { from: 31, to: 35 }),
            ("1.28.2", "v1.30.0-gke.100", Fine),
            ("1.6.14", "v1.21.14", OutsideDocumented { from: 15, to: 18 }),
            ("1.5.10", "v1.21.14", Unknown),
            ("1.31.0-rc.0", "v1.31.0", BelowCodeMinimum { minimum: 32 }),
            ("1.31.0-rc.0", "v1.36.0", Unknown),
            ("1.40.0", "v1.36.0", Unknown),
        ];
        for (istio, kubernetes, expected) in cases {
            assert_eq!(
                kubernetes_verdict(&v(istio), &v(kubernetes)),
                expected,
                "{istio} on {kubernetes}"
            );
        }
    }

    #[test]
    fn no_documented_range_starts_below_the_code_minimum() {
        for (minor, minimum) in CODE_MINIMUM {
            for (_, from, to) in DOCUMENTED.iter().filter(|(m, ..)| m == minor) {
                assert!(from <= to && minimum <= to, "1.{minor}");
            }
        }
    }

    #[test]
    fn ends_of_life() {
        assert_eq!(
            end_of_life(&v("1.28.2")),
            Some(EndOfLife::On(date(2026, 7, 1)))
        );
        let past = |text: &str, day| end_of_life(&v(text)).map(|end| end.is_past(day));
        assert_eq!(past("1.28.2", date(2026, 7, 1)), Some(false));
        assert_eq!(past("1.28.2", date(2026, 7, 2)), Some(true));
        assert_eq!(past("1.29.1", date(2026, 8, 31)), Some(false));
        assert_eq!(past("1.5.10", date(2026, 11, 23)), Some(true));
        assert_eq!(past("1.31.0", date(2026, 11, 23)), None);
        assert_eq!(
            end_of_life(&v("1.29.1")).unwrap().to_string(),
            "about 2026-08"
        );
        assert_eq!(
            end_of_life(&v("1.5")).unwrap().to_string(),
            "before 2026-04-07"
        );
    }

    #[test]
    fn stored_versions_of_the_way_back() {
        let cases = [
            ("1.5.10", "networking.istio.io", "v1beta1", true),
            ("1.4.3", "networking.istio.io", "v1beta1", false),
            ("1.6.14", "security.istio.io", "v1beta1", true),
            ("1.21.0", "networking.istio.io", "v1", false),
            ("1.28.2", "networking.istio.io", "v1", true),
            ("1.10.0", "telemetry.istio.io", "v1alpha1", false),
            ("1.29.1", "telemetry.istio.io", "v1alpha1", true),
            ("1.29.1", "networking.istio.io", "v2", false),
            ("1.6.14", "authentication.istio.io", "v1alpha1", true),
        ];
        for (istio, group, version, served) in cases {
            assert_eq!(
                serves_resource(&v(istio), group, version),
                served,
                "{group}/{version} in {istio}"
            );
        }
    }
}
