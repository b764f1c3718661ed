//! Versions as they are written, and what follows from them.

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
