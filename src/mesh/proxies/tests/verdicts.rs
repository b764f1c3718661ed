//! One verdict for each proxy.

use super::*;

#[test]
fn moved() {
    let (verdict, detail) = verdict(&[
        answer(
            "default",
            vec![entry("web-api-1")],
            Some(vec![connection("web-api-1", 900)]),
        ),
        answer(
            "canary",
            vec![entry("api-1")],
            Some(vec![connection("api-1", 60)]),
        ),
    ]);
    assert_eq!(
        (verdict, detail.as_str()),
        (Verdict::Moved, "connected to canary (istiod-canary-0)")
    );
}

#[test]
fn missing() {
    let near = [answer(
        "canary",
        vec![entry("web-api-1"), entry("api-10"), entry("pi-1")],
        None,
    )];
    assert_eq!(
        verdict(&near),
        (Verdict::Missing, "connected to no istiod".into()),
        "a part of the name is not the name"
    );
    let mut elsewhere = entry("api-1");
    elsewhere.cluster = Some("east".into());
    assert_eq!(
        verdict(&[answer("canary", vec![elsewhere], None)]).0,
        Verdict::Missing,
        "a pod of that name in another cluster"
    );
    let pending = ExpectedProxy {
        phase: Phase::parse("Pending"),
        ..expected("api-1")
    };
    let verdict = judge(&[pending], &near, &target(), now()).remove(0);
    assert_eq!(
        (verdict.verdict, verdict.detail.as_str()),
        (Verdict::Missing, "the pod has not started yet")
    );
}

#[test]
fn missing_may_be_on_an_istiod_that_is_silent() {
    let mut target = target();
    target.silent = vec!["istiod-canary-1 (canary)".into()];
    let answers = [answer("canary", vec![entry("api-1")], None)];
    let pods = ["api-1", "api-2"].map(expected);
    let verdicts = judge(&pods, &answers, &target, now());
    let verdicts = verdicts.iter().map(|v| (v.verdict, v.detail.as_str()));
    let silent = "connected to no istiod that answers; no answer from istiod-canary-1 (canary)";
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [
            (Verdict::Moved, "connected to canary (istiod-canary-0)"),
            (Verdict::Missing, silent)
        ]
    );
}

#[test]
fn skipped() {
    let skip = ExpectedProxy {
        skip: Some("uses the host's network".into()),
        ..expected("api-1")
    };
    let ended = ["Succeeded", "Failed"].map(|p| ExpectedProxy {
        phase: Phase::parse(p),
        ..expected("job-1")
    });
    let pods = [vec![skip], ended.to_vec()].concat();
    let verdicts = judge(&pods, &[], &target(), now());
    assert!(
        verdicts.iter().all(|p| p.verdict == Verdict::Skipped),
        "{verdicts:?}"
    );
    assert_eq!(verdicts[0].detail, "uses the host's network");
}

#[test]
fn error_as_syncz_tells_it() {
    let mut rejecting = entry("api-1");
    rejecting.types.get_mut(&XdsType::Lds).unwrap().error = "duplicate listener\n".into();
    let (verdict, detail) = verdict(&[answer("canary", vec![rejecting], None)]);
    assert_eq!(
        (verdict, detail.as_str()),
        (
            Verdict::Error,
            "LDS of canary (istiod-canary-0) rejected: duplicate listener"
        )
    );
}

/// Before 1.8 a rejection leaves the old nonce acknowledged, which looks like no answer at all.
fn unanswered_in_1_6(metrics: Option<&str>) -> (Verdict, String) {
    let mut entry = entry("api-1");
    entry.knows_errors = false;
    let cds = entry.types.get_mut(&XdsType::Cds).unwrap();
    *cds = TypeState {
        sent: "2".into(),
        acked: "1".into(),
        ..TypeState::default()
    };
    let mut answer = answer("canary", vec![entry], None);
    answer.metrics = metrics.map(|text| Metrics::parse(text).unwrap());
    verdict(&[answer])
}

#[test]
fn error_or_stale_by_the_counters_of_old_versions() {
    let of = |node: &str| {
        format!(
            "pilot_total_xds_rejects 3\npilot_xds_cds_reject{{err=\"Internal\",node=\"{node}\"}} 3\n"
        )
    };
    for node in [
        "api-1.shop",
        "api-1.shop-7",
        "sidecar~10.0.0.1~api-1.shop~shop.svc.cluster.local",
    ] {
        let (verdict, detail) = unanswered_in_1_6(Some(&of(node)));
        assert_eq!(verdict, Verdict::Error, "{node}");
        assert_eq!(
            detail,
            "CDS of canary (istiod-canary-0) unanswered, and 3 rejections counted (Internal)"
        );
    }
    for node in ["web-api-1.shop", "api-1.shop2", "api-10.shop"] {
        assert_eq!(
            unanswered_in_1_6(Some(&of(node))).0,
            Verdict::Stale,
            "{node}"
        );
    }
    assert_eq!(
        unanswered_in_1_6(Some("pilot_xds_cds_reject{node=\"api-1.shop\"} 0")).0,
        Verdict::Stale
    );
    assert_eq!(
        unanswered_in_1_6(None),
        (
            Verdict::Stale,
            "CDS of canary (istiod-canary-0) unanswered".into()
        )
    );
}

#[test]
fn an_old_rejection_that_was_followed_by_an_ack_is_no_error() {
    let mut entry = entry("api-1");
    entry.knows_errors = false;
    let mut answer = answer("canary", vec![entry], None);
    answer.metrics = Some(Metrics::parse("pilot_xds_cds_reject{node=\"api-1.shop\"} 2").unwrap());
    assert_eq!(verdict(&[answer]).0, Verdict::Moved);
}

#[test]
fn both() {
    let on = |revision: &str, seconds: Option<i64>| {
        answer(
            revision,
            vec![entry("api-1")],
            seconds.map(|s| vec![connection("api-1", s)]),
        )
    };
    let (verdict_, detail) = verdict(&[on("default", Some(900)), on("canary", Some(60))]);
    assert_eq!(
        (verdict_, detail.as_str()),
        (
            Verdict::Both,
            "still connected to default (istiod-default-0) as well"
        )
    );
    assert_eq!(
        verdict(&[on("default", Some(900)), on("canary", Some(5))]).0,
        Verdict::Both,
        "also right after it reconnected"
    );
    assert_eq!(
        verdict(&[on("default", Some(5)), on("canary", Some(60))]).0,
        Verdict::Old,
        "and back"
    );
    assert_eq!(
        verdict(&[on("default", None), on("canary", None)]).0,
        Verdict::Both,
        "1.5 and 1.6 tell no times"
    );
    assert_eq!(
        verdict(&[on("default", None), on("canary", Some(5))]).0,
        Verdict::Both
    );
}

#[test]
fn who_is_on_both_settles_as_long_as_the_newest_connection_is_young() {
    let settles = |seconds: i64| {
        let on = |revision: &str, seconds| {
            let connections = vec![connection("api-1", seconds)];
            answer(revision, vec![entry("api-1")], Some(connections))
        };
        let answers = [on("default", 900), on("canary", seconds)];
        let verdict = judge(&[expected("api-1")], &answers, &target(), now()).remove(0);
        assert_eq!(verdict.verdict, Verdict::Both);
        verdict.settling
    };
    assert_eq!([29, 30].map(settles), [true, false]);
}

#[test]
fn two_replicas_of_the_target_are_no_contradiction() {
    let mut other = answer(
        "canary",
        vec![entry("api-1")],
        Some(vec![connection("api-1", 900)]),
    );
    other.pod = "istiod-canary-1".into();
    let (verdict, detail) = verdict(&[
        other,
        answer(
            "canary",
            vec![entry("api-1")],
            Some(vec![connection("api-1", 2)]),
        ),
    ]);
    assert_eq!(
        (verdict, detail.as_str()),
        (Verdict::Moved, "connected to canary (istiod-canary-0)"),
        "the newest counts"
    );
}

#[test]
fn two_connections_on_one_replica_are_told_apart_by_time() {
    let mut left_behind = entry("api-1");
    left_behind.types.insert(
        XdsType::Cds,
        TypeState {
            sent: "9".into(),
            acked: "1".into(),
            sent_at: Some(ago(500)),
            error: String::new(),
        },
    );
    let mut current = entry("api-1");
    for state in current.types.values_mut() {
        state.sent_at = Some(ago(4));
    }
    for syncz in [
        vec![left_behind.clone(), current.clone()],
        vec![current, left_behind],
    ] {
        for times in [[900, 5], [5, 900]] {
            let connections = times.map(|t| connection("api-1", t)).to_vec();
            assert_eq!(
                verdict(&[answer("canary", syncz.clone(), Some(connections))]).0,
                Verdict::Moved
            );
        }
    }
}

#[test]
fn old() {
    let (verdict_, detail) = verdict(&[answer("default", vec![entry("api-1")], None)]);
    assert_eq!(
        (verdict_, detail.as_str()),
        (Verdict::Old, "connected to default (istiod-default-0)")
    );
    let mut behind = entry("api-1");
    behind.version = Some(v("1.28.2"));
    let (verdict_, detail) = verdict(&[answer("canary", vec![behind.clone()], None)]);
    assert_eq!(
        (verdict_, detail.as_str()),
        (Verdict::Old, "version 1.28.2 instead of 1.29.1")
    );
    behind.version = None;
    assert_eq!(
        verdict(&[answer("canary", vec![behind], None)]).0,
        Verdict::Old
    );
}

#[test]
fn stale() {
    let with = |kind: XdsType, seconds: Option<i64>| {
        let mut entry = entry("api-1");
        let state = TypeState {
            sent: "2".into(),
            acked: "1".into(),
            sent_at: seconds.map(ago),
            error: String::new(),
        };
        entry.types.insert(kind, state);
        verdict(&[answer("canary", vec![entry], None)])
    };
    assert_eq!(
        with(XdsType::Rds, Some(19)).0,
        Verdict::Moved,
        "routes may take their time"
    );
    assert_eq!(
        with(XdsType::Rds, Some(20)),
        (
            Verdict::Stale,
            "RDS of canary (istiod-canary-0) unanswered since 2026-11-23T01:34:40Z".into()
        )
    );
    assert_eq!(
        with(XdsType::Cds, Some(1)).0,
        Verdict::Stale,
        "clusters and listeners must be accepted"
    );
    assert_eq!(
        with(XdsType::Eds, None).0,
        Verdict::Stale,
        "for how long is not known"
    );
    assert_eq!(
        with(XdsType::Lds, Some(-5)).0,
        Verdict::Stale,
        "istiod's clock is ahead of ours"
    );

    let mut bare = entry("api-1");
    bare.types.remove(&XdsType::Lds);
    assert_eq!(
        verdict(&[answer("canary", vec![bare], None)]),
        (
            Verdict::Stale,
            "LDS not sent yet by canary (istiod-canary-0)".into()
        )
    );
    let unlisted = answer("canary", vec![], Some(vec![connection("api-1", 1)]));
    assert_eq!(
        verdict(&[unlisted]).0,
        Verdict::Stale,
        "connected, and not in syncz yet"
    );
}

#[test]
fn a_workload_is_as_far_as_its_last_pod() {
    let pod = |name: &str, workload: &str, verdict: Verdict| PodVerdict {
        id: ProxyId::new(name, "shop"),
        workload: workload.into(),
        verdict,
        detail: name.into(),
        settling: false,
    };
    let summary = summarise(&[
        pod("web-1", "deployment/web", Verdict::Skipped),
        pod("api-1", "deployment/api", Verdict::Moved),
        pod("api-2", "deployment/api", Verdict::Stale),
        pod("api-3", "deployment/api", Verdict::Stale),
        pod("job-1", "job/once", Verdict::Skipped),
        pod("web-2", "deployment/web", Verdict::Moved),
    ]);
    let seen: Vec<_> = summary
        .iter()
        .map(|w| (w.workload.as_str(), w.verdict, w.detail.as_str()))
        .collect();
    let api = ("deployment/api", Verdict::Stale, "api-2");
    assert_eq!(
        seen,
        [
            api,
            ("deployment/web", Verdict::Moved, "web-2"),
            ("job/once", Verdict::Skipped, "job-1")
        ]
    );
    assert_eq!(
        summary[0].counts,
        [(Verdict::Stale, 2), (Verdict::Moved, 1)].into()
    );
}

#[test]
fn verdicts_as_text() {
    let shown: Vec<String> = Verdict::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "MISSING", "ERROR", "BOTH", "OLD", "STALE", "MOVED", "SKIPPED"
        ]
    );
    assert!(Verdict::ALL.is_sorted(), "the worst first");
    for verdict in Verdict::ALL {
        assert_eq!(
            serde_json::to_value(verdict).unwrap(),
            Value::from(verdict.to_string())
        );
    }
}
