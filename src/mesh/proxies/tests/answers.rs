//! What istiods answer.

use super::*;

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
    let syncz = parse_syncz(include_str!("../../fixtures/syncz-1.29.1.json")).unwrap();
    let connections =
        parse_connections(include_str!("../../fixtures/connections-1.29.1.json")).unwrap();
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

    let old = parse_syncz(include_str!("../../fixtures/syncz-1.28.2.json")).unwrap();
    let answers = [
        answer("canary", syncz, Some(connections)),
        answer(
            "default",
            old,
            Some(
                parse_connections(include_str!("../../fixtures/connections-1.28.2.json")).unwrap(),
            ),
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
    let old = parse_syncz(include_str!("../../fixtures/syncz-1.5.10.json")).unwrap();
    let new = parse_syncz(include_str!("../../fixtures/syncz-1.6.14.json")).unwrap();
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
