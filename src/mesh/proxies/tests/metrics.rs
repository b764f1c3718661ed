//! The counters of rejections.

use super::*;

#[test]
fn real_metrics() {
    for (text, version) in [
        (
            include_str!("../../fixtures/metrics-1.5.10.txt"),
            "1.5.10-unknown-unknown",
        ),
        (
            include_str!("../../fixtures/metrics-1.6.14.txt"),
            "1.6.14-unknown-unknown",
        ),
        (
            include_str!("../../fixtures/metrics-1.29.1.txt"),
            "1.29.1-unknown-unknown",
        ),
    ] {
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.version(), Some(version));
        assert!(metrics.sum("pilot_xds") > 0.0 && metrics.rejects() == 0.0);
    }
    let metrics = Metrics::parse(include_str!("../../fixtures/metrics-1.29.1.txt")).unwrap();
    assert_eq!(metrics.of("pilot_xds_pushes").count(), 2);
    assert!((metrics.sum("pilot_xds_pushes") - 4.0).abs() < f64::EPSILON);
}

#[test]
fn the_text_format_in_full() {
    let text = "# HELP x y\n# TYPE x counter\n\nx{a=\"1,}\",b=\"q\\\"\\\\\\n\",} 2 1700000000000\nx 1e3\ny +Inf\nz{} NaN\n";
    let metrics = Metrics::parse(text).unwrap();
    assert_eq!(
        metrics.of("x").next().unwrap().labels,
        [("a".into(), "1,}".into()), ("b".into(), "q\"\\\n".into())].into()
    );
    assert!((metrics.sum("x") - 1002.0).abs() < f64::EPSILON);
    assert!(metrics.sum("y").is_infinite() && metrics.sum("z").is_nan());
    for wrong in ["x", "x{a=\"1} 2", "x{a=1} 2", "x two", "{a=\"1\"} 2\nx"] {
        let error = Metrics::parse(wrong).unwrap_err();
        assert_eq!(error.line, wrong.lines().count(), "{wrong}");
    }
}

#[test]
fn counters_are_compared_with_an_earlier_scrape() {
    let before = Metrics::parse("pilot_total_xds_rejects{type=\"cds\"} 3\npilot_xds_write_timeout 9\npilot_xds_expired_nonce 1").unwrap();
    let after = Metrics::parse("pilot_total_xds_rejects{type=\"cds\"} 3\npilot_total_xds_rejects{type=\"lds\"} 2\npilot_xds_write_timeout 1\npilot_xds_expired_nonce 1\npilot_xds_pushes 7").unwrap();
    let growth: Vec<_> = after.growth_since(&before).into_iter().collect();
    assert_eq!(
        growth,
        [
            ("pilot_total_xds_rejects", 2.0),
            ("pilot_xds_write_timeout", 1.0)
        ],
        "a counter that shrank was reset"
    );
    assert!(before.growth_since(&before).is_empty());
}

/// What may be true of a pod at once.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the facts are independent of each other"
)]
struct Facts {
    here: bool,
    elsewhere: bool,
    rejects: bool,
    other_version: bool,
    unanswered: bool,
}

impl Facts {
    fn answers(self) -> Vec<EndpointAnswer> {
        let mut entry = entry("api-1");
        if self.rejects {
            entry.types.get_mut(&XdsType::Cds).unwrap().error = "no".into();
        }
        if self.other_version {
            entry.version = Some(v("1.28.2"));
        }
        if self.unanswered {
            entry.types.get_mut(&XdsType::Lds).unwrap().acked = String::new();
        }
        let on = |there: bool| {
            if there {
                vec![entry.clone()]
            } else {
                Vec::new()
            }
        };
        vec![
            answer("default", on(self.elsewhere), None),
            answer("canary", on(self.here), None),
        ]
    }

    /// The order of design: MISSING > ERROR > BOTH > OLD > STALE > MOVED.
    fn worst(self) -> Verdict {
        let holds = [
            (!self.here && !self.elsewhere, Verdict::Missing),
            (self.rejects, Verdict::Error),
            (self.here && self.elsewhere, Verdict::Both),
            (self.elsewhere || self.other_version, Verdict::Old),
            (self.unanswered, Verdict::Stale),
        ];
        holds
            .into_iter()
            .find(|(holds, _)| *holds)
            .map_or(Verdict::Moved, |(_, verdict)| verdict)
    }
}

proptest! {
    #[test]
    fn the_worst_that_is_true_decides(bits in any::<[bool; 5]>(), reversed in any::<bool>()) {
        let [here, elsewhere, rejects, other_version, unanswered] = bits;
        let facts = Facts { here, elsewhere, rejects, other_version, unanswered };
        let mut answers = facts.answers();
        if reversed {
            answers.reverse();
        }
        prop_assert_eq!(verdict(&answers).0, facts.worst());
    }

    #[test]
    fn metrics_never_panic(text in "\\PC*") {
        let _parsed = Metrics::parse(&text);
    }
}
