//! Answers of real istiods, and one pod for each verdict.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::mesh::version::Version;

const NOW: &str = "2026-11-23T01:35:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - jiff::SignedDuration::from_secs(seconds)
}

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn target() -> Target {
    Target {
        revision: "canary".into(),
        version: Some(v("1.29.1")),
        cluster: Some("Kubernetes".into()),
        settle: Duration::from_secs(30),
        stale_after: Duration::from_secs(20),
    }
}

fn expected(pod: &str) -> ExpectedProxy {
    ExpectedProxy {
        id: ProxyId::new(pod, "shop"),
        workload: "deployment/api".into(),
        phase: Phase::Running,
        skip: None,
    }
}

/// A syncz entry of today, with everything accepted a minute ago.
fn entry(pod: &str) -> SyncEntry {
    let state = TypeState {
        sent: "1".into(),
        acked: "1".into(),
        sent_at: Some(ago(60)),
        error: String::new(),
    };
    SyncEntry {
        id: ProxyId::new(pod, "shop"),
        cluster: Some("Kubernetes".into()),
        kind: Some("sidecar".into()),
        version: Some(v("1.29.1")),
        types: [(XdsType::Cds, state.clone()), (XdsType::Lds, state)].into(),
        knows_errors: true,
    }
}

fn connection(pod: &str, seconds: i64) -> Connection {
    Connection {
        id: ProxyId::new(pod, "shop"),
        connected_at: Some(ago(seconds)),
    }
}

fn answer(
    revision: &str,
    syncz: Vec<SyncEntry>,
    connections: Option<Vec<Connection>>,
) -> EndpointAnswer {
    EndpointAnswer {
        revision: revision.into(),
        pod: format!("istiod-{revision}-0"),
        version: None,
        syncz,
        connections,
        metrics: None,
    }
}

/// The verdict on the pod `api-1`.
fn verdict(answers: &[EndpointAnswer]) -> (Verdict, String) {
    let verdict = judge(&[expected("api-1")], answers, &target(), now()).remove(0);
    (verdict.verdict, verdict.detail)
}

#[test]
fn ids_are_read_exactly() {
    let id = |pod: &str, namespace: &str| Some(ProxyId::new(pod, namespace));
    assert_eq!(ProxyId::parse("api-1.shop"), id("api-1", "shop"));
    assert_eq!(
        ProxyId::parse("vm.example.shop"),
        id("vm.example", "shop"),
        "a pod's name may have dots"
    );
    assert_eq!(ProxyId::parse("istioctl"), None);
    assert_eq!(ProxyId::of_connection("api-1.shop-2"), id("api-1", "shop"));
    assert_eq!(
        ProxyId::of_connection("api.shop-1-12"),
        id("api", "shop-1"),
        "a namespace may end in a number"
    );
    assert_eq!(ProxyId::of_connection("api-1.shop"), None);
    assert_eq!(
        ProxyId::of_node("sidecar~10.0.0.1~api-1.shop~shop.svc.cluster.local"),
        id("api-1", "shop")
    );
}

#[test]
fn real_answers_of_today() {
    let syncz = parse_syncz(include_str!("../fixtures/syncz-1.29.1.json")).unwrap();
    let connections =
        parse_connections(include_str!("../fixtures/connections-1.29.1.json")).unwrap();
    assert_eq!(syncz.len(), 2);
    assert_eq!(syncz[0].id, ProxyId::new("api-799ff7b8d4-mv9qt", "shop"));
    assert_eq!(syncz[0].version, Some(v("1.29.1")));
    assert_eq!(syncz[0].cluster.as_deref(), Some("Kubernetes"));
    assert!(syncz[0].knows_errors);
    let sent: Timestamp = "2026-11-23T01:33:55.594157429Z".parse().unwrap();
    assert_eq!(syncz[0].types[&XdsType::Cds].sent_at, Some(sent));
    assert_eq!(
        connections.iter().map(|c| &c.id).collect::<Vec<_>>(),
        syncz.iter().map(|s| &s.id).collect::<Vec<_>>()
    );

    let old = parse_syncz(include_str!("../fixtures/syncz-1.28.2.json")).unwrap();
    let answers = [
        answer("canary", syncz, Some(connections)),
        answer(
            "default",
            old,
            Some(parse_connections(include_str!("../fixtures/connections-1.28.2.json")).unwrap()),
        ),
    ];
    let pods = [
        "api-799ff7b8d4-mv9qt",
        "api-799ff7b8d4-vdxzk",
        "old-8457f446b6-zlbcl",
        "gone",
    ]
    .map(expected);
    let verdicts = judge(&pods, &answers, &target(), now());
    let seen: Vec<Verdict> = verdicts.iter().map(|p| p.verdict).collect();
    assert_eq!(
        seen,
        [
            Verdict::Moved,
            Verdict::Moved,
            Verdict::Old,
            Verdict::Missing
        ]
    );
}

#[test]
fn real_answers_of_1_5_and_1_6() {
    let old = parse_syncz(include_str!("../fixtures/syncz-1.5.10.json")).unwrap();
    let new = parse_syncz(include_str!("../fixtures/syncz-1.6.14.json")).unwrap();
    for entry in old.iter().chain(&new) {
        assert!(!entry.knows_errors && entry.cluster.is_none());
        assert!(entry.types.values().all(TypeState::is_synced));
    }
    let expected = |pod: &str| ExpectedProxy {
        id: ProxyId::new(pod, "default"),
        ..expected(pod)
    };
    let pods = ["details-6d4784958f-v6559", "details-6b98c695d-8vqz6"].map(expected);
    let target = Target {
        version: Some(v("1.6.14")),
        ..target()
    };
    let answers = [answer("default", old, None), answer("canary", new, None)];
    let verdicts = judge(&pods, &answers, &target, now());
    assert_eq!(
        verdicts.iter().map(|p| p.verdict).collect::<Vec<_>>(),
        [Verdict::Moved, Verdict::Old]
    );
    assert_eq!(
        verdicts[1].detail,
        "connected to default (istiod-default-0)"
    );
}

#[test]
fn every_type_of_today_is_read_and_clients_are_not() {
    let answer = json!([
        {"proxy": "istioctl", "istio_version": "1.29.1"},
        {"proxy": "", "cluster_id": ""},
        {
            "proxy": "gw.shop", "proxy_type": "router", "istio_version": "", "proxy_version": "x",
            "route_sent": "a", "route_acked": "b",
            "resources": {
                "type.googleapis.com/envoy.config.route.v3.RouteConfiguration": {"sent": "a", "acked": "b", "sentTime": "0001-01-01T00:00:00Z", "lastError": "no such cluster"},
                "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment": {"sent": "c", "acked": "c"},
                "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig": {},
                "type.googleapis.com/istio.networking.nds.v1.NameTable": {"sent": "d"},
            },
        },
    ]);
    let entries = parse_syncz(&answer.to_string()).unwrap();
    assert_eq!(entries.len(), 1);
    let gateway = &entries[0];
    assert_eq!(gateway.version, None);
    assert_eq!(gateway.types[&XdsType::Rds].error, "no such cluster");
    assert!(gateway.types[&XdsType::Eds].is_synced());
    assert!(
        !gateway.types[&XdsType::Ecds].is_pending(),
        "never sent: not watched"
    );
    let named: Vec<String> = gateway.types.keys().map(ToString::to_string).collect();
    assert_eq!(named, ["RDS", "EDS", "ECDS", "NameTable"]);
    assert_eq!(
        parse_syncz("null").unwrap(),
        [],
        "older versions, without any client"
    );
    assert!(parse_syncz("Unauthorized").is_err());
    assert_eq!(
        parse_connections(r#"{"totalClients":0,"clients":null}"#).unwrap(),
        []
    );
    assert!(parse_connections("[]").is_err());
}

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
        Verdict::Moved,
        "it has just reconnected"
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
        Verdict::Moved
    );
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
            "RDS of canary (istiod-canary-0) unanswered for 20 s".into()
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

#[test]
fn real_metrics() {
    for (text, version) in [
        (
            include_str!("../fixtures/metrics-1.5.10.txt"),
            "1.5.10-unknown-unknown",
        ),
        (
            include_str!("../fixtures/metrics-1.6.14.txt"),
            "1.6.14-unknown-unknown",
        ),
        (
            include_str!("../fixtures/metrics-1.29.1.txt"),
            "1.29.1-unknown-unknown",
        ),
    ] {
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.version(), Some(version));
        assert!(metrics.sum("pilot_xds") > 0.0 && metrics.rejects() == 0.0);
    }
    let metrics = Metrics::parse(include_str!("../fixtures/metrics-1.29.1.txt")).unwrap();
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
