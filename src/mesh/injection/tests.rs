//! The truth tables of injection, on webhooks as the charts make them and as real installations showed them.

use serde_json::{Value, json};

use super::shape::{Shape, deactivate};
use super::*;
use crate::mesh::selector::Labels;
use crate::mesh::version::Version;

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn set(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn namespace(pairs: &[(&str, &str)]) -> Namespace {
    Namespace::new("shop", set(pairs))
}

fn pod(pairs: &[(&str, &str)]) -> Value {
    json!({"metadata": {"labels": set(pairs)}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

fn mesh(configs: &[Value]) -> Mesh {
    Mesh::new(configs)
}

fn fixture(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn modern_fixture() -> Vec<Value> {
    fixture(include_str!(
        "../fixtures/webhooks-1.28-default-1.29-canary.json"
    ))
}

fn old_fixture() -> Vec<Value> {
    fixture(include_str!(
        "../fixtures/webhooks-1.5-default-1.6-canary.json"
    ))
}

/// The revision that a pod gets; panics when more than one webhook matches.
fn gives(mesh: &Mesh, namespace: &Namespace, template: &Value) -> Option<String> {
    let labels = crate::mesh::selector::labels(&template["metadata"]["labels"]);
    let all = matching(&mesh.injectors, namespace, &labels);
    assert!(
        all.len() <= 1,
        "{} webhooks match {:?} {labels:?}",
        all.len(),
        namespace.labels()
    );
    mesh.verdict(namespace, template)
        .revision()
        .map(str::to_owned)
}

const REV: (&str, &str) = ("istio.io/rev", "canary");
const ENABLED: (&str, &str) = ("istio-injection", "enabled");
const DISABLED: (&str, &str) = ("istio-injection", "disabled");
const YES: (&str, &str) = ("sidecar.istio.io/inject", "true");
const NO: (&str, &str) = ("sidecar.istio.io/inject", "false");

const PODS: [&[(&str, &str)]; 6] = [&[], &[REV], &[YES], &[YES, REV], &[NO], &[NO, REV]];

/// Rows of istio.io's `TestWebhookSelector`: namespace labels, and what each of [`PODS`] gets there.
type Row = (&'static [(&'static str, &'static str)], [&'static str; 6]);

const TABLE: [Row; 6] = [
    (&[], ["", "canary", "default", "canary", "", ""]),
    (&[REV], ["canary", "canary", "canary", "canary", "", ""]),
    (
        &[ENABLED],
        ["default", "default", "default", "default", "", ""],
    ),
    (
        &[ENABLED, REV],
        ["default", "default", "default", "default", "", ""],
    ),
    (&[DISABLED], [""; 6]),
    (&[DISABLED, REV], [""; 6]),
];

fn assert_table(mesh: &Mesh, table: &[Row], default: &str, canary: &str) {
    for (labels, row) in table {
        for (pod_labels, expected) in PODS.into_iter().zip(row) {
            let expected = match *expected {
                "" => None,
                "default" => Some(default.to_owned()),
                _ => Some(canary.to_owned()),
            };
            assert_eq!(
                gives(mesh, &namespace(labels), &pod(pod_labels)),
                expected,
                "namespace {labels:?}, pod {pod_labels:?}"
            );
        }
    }
}

#[test]
fn the_truth_table_of_a_default_and_a_canary() {
    for version in ["1.10.0", "1.28.2", "1.29.1"] {
        let version = v(version);
        let configs = ["default", "canary"].map(|r| Shape::revision(&version, r).configuration());
        assert_table(&mesh(&configs), &TABLE, "default", "canary");
    }
}

#[test]
fn with_every_namespace_enabled_only_the_empty_cell_changes() {
    let version = v("1.29.1");
    let default = Shape {
        every_namespace: true,
        ..Shape::revision(&version, "default")
    };
    let configs = [
        default.configuration(),
        Shape::revision(&version, "canary").configuration(),
    ];
    let mut table = TABLE;
    table[0].1[0] = "default";
    assert_table(&mesh(&configs), &table, "default", "canary");
    for system in IGNORED_NAMESPACES {
        let verdict = mesh(&configs);
        assert_eq!(
            gives(&verdict, &Namespace::new(system, Labels::new()), &pod(&[])),
            None
        );
    }
}

#[test]
fn the_truth_table_of_tags() {
    // Two revisions with two tags: `default` → 1-28-2, `canary` → 1-29-1. The tags behave as revisions did above.
    let (old, new) = (v("1.28.2"), v("1.29.1"));
    let configs = [
        Shape::revision(&old, "1-28-2").configuration(),
        Shape::revision(&new, "1-29-1").configuration(),
        Shape::tag(&old, "default", "1-28-2").configuration(),
        Shape::tag(&new, "canary", "1-29-1").configuration(),
    ];
    assert_table(&mesh(&configs), &TABLE, "1-28-2", "1-29-1");
    let targets = mesh(&configs).targets();
    let resolved = ["1-28-2", "1-29-1", "default", "canary", "prod"]
        .map(|n| targets.resolve(n).map(str::to_owned));
    assert_eq!(
        resolved.map(Option::unwrap_or_default),
        ["1-28-2", "1-29-1", "1-28-2", "1-29-1", ""]
    );
    assert_eq!(
        targets.names_of("1-29-1").collect::<Vec<_>>(),
        ["1-29-1", "canary"]
    );
    assert_eq!(
        targets.tags().collect::<Vec<_>>(),
        [("canary", "1-29-1"), ("default", "1-28-2")]
    );
}

#[test]
fn a_real_default_tag_hides_the_deactivated_plain_injector() {
    // 1.28.2 installed with the tag `default`, and a 1.29.1 canary beside it.
    let mesh = mesh(&modern_fixture());
    assert_eq!(mesh.injectors.len(), 10, "validators are no injectors");
    let plain: Vec<&Injector> = mesh
        .injectors
        .iter()
        .filter(|i| i.config == "istio-sidecar-injector")
        .collect();
    assert_eq!(plain.len(), 4);
    assert!(plain.iter().all(|i| i.never_matches()));
    assert_eq!(
        mesh.injectors.iter().filter(|i| i.never_matches()).count(),
        4
    );
    assert_table(&mesh, &TABLE, "default", "canary");
    assert_eq!(
        mesh.targets().resolve("default"),
        Some("default"),
        "by its tag"
    );
}

#[test]
fn the_trap_of_an_install_that_takes_the_default_tag() {
    // 1.28.2 by Helm, then `istioctl install --set revision=canary` of 1.29.1 (istioctl makes the tag `default`).
    let (old, new) = (v("1.28.2"), v("1.29.1"));
    let mut plain = Shape::revision(&old, "default").configuration();
    let before = mesh(&[
        plain.clone(),
        Shape::revision(&new, "canary").configuration(),
    ]);
    deactivate(&mut plain);
    let after = mesh(&[
        plain.clone(),
        Shape::revision(&new, "canary").configuration(),
        Shape::tag(&new, "default", "canary").configuration(),
    ]);
    let untouched = namespace(&[ENABLED]);
    assert_eq!(
        gives(&before, &untouched, &pod(&[])).as_deref(),
        Some("default")
    );
    assert_eq!(
        gives(&after, &untouched, &pod(&[])).as_deref(),
        Some("canary")
    );
    assert_eq!(after.targets().resolve("default"), Some("canary"));
    assert!(
        after.targets().revisions().any(|r| r == "default"),
        "the old control plane is still there"
    );

    // Then `istioctl uninstall --revision canary` removes the tag with it.
    let left = mesh(&[plain]);
    assert_eq!(
        left.verdict(&untouched, &pod(&[])),
        Verdict::NotInjected(Reason::NoDefaultInjector)
    );
    assert_eq!(left.targets().resolve("default"), None);
}

#[test]
fn a_default_tag_beside_an_active_plain_injector_injects_twice() {
    let version = v("1.29.1");
    let configs = [
        Shape::revision(&version, "default").configuration(),
        Shape::revision(&version, "1-29-1").configuration(),
        Shape::tag(&version, "default", "1-29-1").configuration(),
    ];
    let mesh = mesh(&configs);
    let namespace = namespace(&[ENABLED]);
    let verdict = mesh.verdict(&namespace, &pod(&[]));
    assert!(
        matches!(&verdict, Verdict::Ambiguous(all) if all.len() == 2),
        "{verdict:?}"
    );
    assert_eq!(
        verdict.to_string(),
        "2 injectors match: istio-sidecar-injector, istio-revision-tag-default"
    );
    assert_eq!(verdict.revision(), None);
    let effect = mesh.effect(&namespace, &pod(&[]), &pod(&[]));
    assert!(!effect.changes(None), "a restart would do harm");
}

#[test]
fn the_original_case_1_5_and_1_6() {
    let real = mesh(&old_fixture());
    let (old, new) = (v("1.5.10"), v("1.6.14"));
    let made = mesh(&[
        Shape::revision(&old, "default").configuration(),
        Shape::revision(&new, "canary").configuration(),
    ]);
    for mesh in [&real, &made] {
        assert_eq!(mesh.injectors.len(), 2);
        let row = |labels: &[(&str, &str)]| gives(mesh, &namespace(labels), &pod(&[]));
        assert_eq!(row(&[ENABLED]).as_deref(), Some("default"));
        assert_eq!(
            row(&[ENABLED, REV]).as_deref(),
            Some("default"),
            "istio-injection takes precedence"
        );
        assert_eq!(row(&[REV]).as_deref(), Some("canary"));
        assert_eq!(row(&[]), None);
        assert_eq!(row(&[DISABLED, REV]), None);
        // Pod labels count for nothing yet.
        assert_eq!(gives(mesh, &namespace(&[]), &pod(&[REV])), None);
        assert_eq!(
            gives(mesh, &namespace(&[REV]), &pod(&[NO])).as_deref(),
            Some("canary")
        );
        assert_eq!(
            mesh.injectors[0].revision, None,
            "1.5 labels nothing; the Service tells"
        );
        assert_eq!(mesh.injectors[0].control_plane(), "default");
        assert_eq!(mesh.targets().resolve("canary"), Some("canary"));
    }
}

/// What the shapes make differs from what real installations show in nothing that injection looks at.
#[test]
fn shapes_equal_real_installations() {
    let (v15, v16, v128, v129) = (v("1.5.10"), v("1.6.14"), v("1.28.2"), v("1.29.1"));
    let bundle = Some("(base64 PEM)");
    let made = |shape: Shape<'_>| {
        injectors(&[Shape {
            ca_bundle: bundle,
            ..shape
        }
        .configuration()])
    };
    let real = |configs: Vec<Value>, name: &str| {
        let all = injectors(&configs)
            .into_iter()
            .filter(|i| i.config == name)
            .collect::<Vec<_>>();
        assert!(!all.is_empty(), "{name}");
        all
    };
    assert_eq!(
        made(Shape::revision(&v15, "default")),
        real(old_fixture(), "istio-sidecar-injector")
    );
    assert_eq!(
        made(Shape::revision(&v16, "canary")),
        real(old_fixture(), "istio-sidecar-injector-canary")
    );
    assert_eq!(
        made(Shape::revision(&v129, "canary")),
        real(modern_fixture(), "istio-sidecar-injector-canary")
    );
    assert_eq!(
        made(Shape::tag(&v128, "default", "default")),
        real(modern_fixture(), "istio-revision-tag-default")
    );
    let mut plain = Shape {
        ca_bundle: bundle,
        ..Shape::revision(&v128, "default")
    }
    .configuration();
    deactivate(&mut plain);
    assert_eq!(
        injectors(&[plain]),
        real(modern_fixture(), "istio-sidecar-injector")
    );
}

#[test]
fn an_injector_says_whom_it_calls() {
    let version = v("1.29.1");
    let shape = Shape {
        namespace: "mesh",
        ..Shape::tag(&version, "prod", "1-29-1")
    };
    let injector = injectors(&[shape.configuration()]).remove(0);
    assert_eq!(injector.config, "istio-revision-tag-prod-mesh");
    let service = injector.service.clone().unwrap();
    assert_eq!(
        (
            service.namespace.as_str(),
            service.name.as_str(),
            service.port
        ),
        ("mesh", "istiod-1-29-1", 443)
    );
    assert_eq!(
        (injector.name(), injector.control_plane()),
        ("prod", "1-29-1")
    );
    assert!(!injector.has_ca_bundle, "istiod has not filled it in yet");
    assert_eq!(injector.failure_policy, FailurePolicy::Fail);
}

#[test]
fn an_injector_outside_of_the_cluster_is_called_by_url() {
    let version = v("1.29.1");
    let mut config = Shape::revision(&version, "canary").configuration();
    for webhook in config["webhooks"].as_array_mut().unwrap() {
        let url = "https://istiod.example.com:15017/inject/cluster/east/net/one";
        webhook["clientConfig"] = json!({"url": url, "caBundle": ""});
        webhook["failurePolicy"] = json!("Ignore");
        webhook["name"] = json!("renamed.example.com");
    }
    let injector = injectors(&[config]).remove(0);
    assert_eq!((&injector.service, injector.has_ca_bundle), (&None, false));
    assert_eq!(
        injector
            .url
            .as_deref()
            .map(|url| url.contains("/cluster/east/")),
        Some(true)
    );
    assert_eq!(injector.failure_policy, FailurePolicy::Ignore);
    assert_eq!(injector.control_plane(), "canary");
}

#[test]
fn other_webhooks_are_no_injectors() {
    let version = v("1.29.1");
    let mut foreign = Shape::revision(&version, "default").configuration();
    foreign["metadata"]["labels"] = json!({});
    for webhook in foreign["webhooks"].as_array_mut().unwrap() {
        webhook["name"] = json!("injector.example.com");
    }
    assert_eq!(injectors(&[foreign.clone()]), [], "only the path is alike");
    foreign["metadata"]["labels"] = json!({"istio.io/rev": "default"});
    assert_eq!(
        injectors(&[foreign.clone()]).len(),
        4,
        "renamed, but Istio's"
    );
    for webhook in foreign["webhooks"].as_array_mut().unwrap() {
        webhook["rules"][0]["operations"] = json!(["DELETE"]);
    }
    assert_eq!(injectors(&[foreign]), []);
    let validator = json!({"kind": "ValidatingWebhookConfiguration", "webhooks": [{"name": "x.sidecar-injector.istio.io"}]});
    assert_eq!(injectors(&[validator]), []);
}

#[test]
fn contradicting_selectors_never_match() {
    let injector = |selector: Value| {
        let version = v("1.29.1");
        let mut config = Shape::revision(&version, "canary").configuration();
        config["webhooks"][0]["namespaceSelector"] = selector;
        injectors(&[config]).remove(0)
    };
    let never = [
        json!({"matchLabels": {"istio.io/deactivated": "never-match"}}),
        json!({"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"}]}),
        json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}),
    ];
    for selector in never {
        assert!(injector(selector.clone()).never_matches(), "{selector}");
    }
    assert!(!injector(json!({})).never_matches());
    assert!(!injector(json!({"matchLabels": {"a": "1"}})).never_matches());
}

#[test]
fn why_a_pod_gets_no_sidecar() {
    let version = v("1.29.1");
    let both = mesh(&["default", "canary"].map(|r| Shape::revision(&version, r).configuration()));
    let canary = mesh(&[Shape::revision(&version, "canary").configuration()]);
    let reason = |mesh: &Mesh, labels: &[(&str, &str)], pod_labels: &[(&str, &str)]| match mesh
        .verdict(&namespace(labels), &pod(pod_labels))
    {
        Verdict::NotInjected(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    let typo: &[(&str, &str)] = &[("istio.io/rev", "canray")];
    let cases = [
        (
            &both,
            &[][..],
            &[][..],
            "neither the namespace nor the pod asks for one",
        ),
        (
            &both,
            &[DISABLED][..],
            &[REV][..],
            "the namespace has istio-injection=disabled",
        ),
        (
            &both,
            &[("istio-injection", "true"), REV][..],
            &[][..],
            "no injector knows the namespace's label istio-injection=true",
        ),
        (
            &both,
            typo,
            &[][..],
            "the namespace's label istio.io/rev=canray names neither a revision nor a tag",
        ),
        (
            &both,
            typo,
            &[REV][..],
            "the namespace's label istio.io/rev=canray names neither a revision nor a tag",
        ),
        (
            &both,
            &[][..],
            typo,
            "the pod's label istio.io/rev=canray names neither a revision nor a tag",
        ),
        (
            &both,
            &[REV][..],
            &[NO][..],
            "the pod opts out (sidecar.istio.io/inject=false)",
        ),
        (
            &canary,
            &[ENABLED][..],
            &[][..],
            "no active default injector serves istio-injection=enabled",
        ),
        (
            &canary,
            &[][..],
            &[YES][..],
            "no active default injector looks at the pod's label sidecar.istio.io/inject=true",
        ),
    ];
    for (mesh, labels, pod_labels, expected) in cases {
        assert_eq!(
            reason(mesh, labels, pod_labels),
            expected,
            "{labels:?} {pod_labels:?}"
        );
    }
}

#[test]
fn istiod_refuses_after_the_webhook_matched() {
    let version = v("1.29.1");
    let mut mesh = mesh(&[Shape::revision(&version, "canary").configuration()]);
    let namespace = namespace(&[REV]);
    let mut template = pod(&[]);
    template["spec"]["hostNetwork"] = json!(true);
    assert_eq!(
        mesh.verdict(&namespace, &template),
        Verdict::NotInjected(Reason::Refused(Refusal::HostNetwork))
    );
    let mut template = pod(&[]);
    template["metadata"]["annotations"] = json!({"sidecar.istio.io/inject": "false"});
    assert_eq!(
        mesh.verdict(&namespace, &template),
        Verdict::NotInjected(Reason::Refused(Refusal::OptedOut))
    );
    mesh.policies
        .insert("canary".into(), Policy::parse("policy: disabled").unwrap());
    assert_eq!(
        mesh.verdict(&namespace, &pod(&[])),
        Verdict::NotInjected(Reason::Refused(Refusal::PolicyDisabled))
    );
    assert_eq!(
        mesh.verdict(&namespace, &pod(&[YES])).revision(),
        Some("canary")
    );
}

#[test]
fn what_real_pods_have() {
    let modern: Value = serde_json::from_str(include_str!("../fixtures/pod-1.29.1.json")).unwrap();
    let proxy = Proxy::of(&modern).unwrap();
    assert_eq!(
        (proxy.revision.as_deref(), proxy.source),
        (Some("canary"), Some(RevisionSource::Annotation))
    );
    assert_eq!(proxy.version, Some(v("1.29.1")));
    assert_eq!(
        proxy.address.as_deref(),
        Some("istiod-canary.istio-system.svc:15012")
    );
    assert_eq!(
        (proxy.kind, proxy.native, proxy.strays_to()),
        (ProxyKind::Sidecar, false, None)
    );

    let old: Value = serde_json::from_str(include_str!("../fixtures/pod-1.6.14.json")).unwrap();
    let proxy = Proxy::of(&old).unwrap();
    assert_eq!(
        (proxy.revision.as_deref(), proxy.source),
        (Some("canary"), Some(RevisionSource::Label))
    );
    assert_eq!(proxy.version, Some(v("1.6.14")));
    assert_eq!(
        proxy.address.as_deref(),
        Some("istiod-canary.istio-system.svc:15012"),
        "by the certificate authority"
    );
}

fn with_proxy(container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("istio-proxy");
    json!({"metadata": {}, "spec": {"containers": [{"name": "app"}, container]}})
}

#[test]
fn the_revision_is_read_where_each_version_writes_it() {
    // 1.5: nothing but the argument.
    for args in [
        json!([
            "proxy",
            "sidecar",
            "--discoveryAddress",
            "istiod.istio-system.svc:15012"
        ]),
        json!([
            "proxy",
            "sidecar",
            "--discoveryAddress=istiod.istio-system.svc:15012"
        ]),
    ] {
        let pod = with_proxy(json!({"image": "docker.io/istio/proxyv2:1.5.10", "args": args}));
        assert_eq!(
            pod_revision(&pod),
            Some(("default".into(), RevisionSource::Address))
        );
    }
    let mut status = with_proxy(json!({}));
    status["metadata"]["annotations"] =
        json!({"sidecar.istio.io/status": "{\"revision\":\"1-29-1\"}"});
    assert_eq!(
        pod_revision(&status),
        Some(("1-29-1".into(), RevisionSource::Status))
    );
    status["metadata"]["annotations"]["istio.io/rev"] = json!("");
    assert_eq!(
        pod_revision(&status),
        Some(("default".into(), RevisionSource::Annotation)),
        "empty is the default"
    );
    assert_eq!(
        pod_revision(&with_proxy(json!({"image": "proxyv2:1.4.3"}))),
        None
    );
    assert_eq!(
        pod_revision(&pod(&[REV])),
        None,
        "a label that asks is no proxy"
    );
    assert_eq!(Proxy::of(&pod(&[REV])), None);
}

#[test]
fn native_sidecars_sit_among_the_init_containers() {
    let pod = json!({
        "metadata": {"annotations": {"istio.io/rev": "canary"}},
        "spec": {
            "initContainers": [{"name": "istio-init"}, {"name": "istio-proxy", "image": "registry:5000/istio/proxyv2:1.29.1-distroless@sha256:0", "restartPolicy": "Always"}],
            "containers": [{"name": "app"}],
        },
    });
    let proxy = Proxy::of(&pod).unwrap();
    assert!(proxy.native);
    assert_eq!(proxy.version, Some(v("1.29.1")));
}

#[test]
fn a_pin_keeps_a_proxy_on_another_control_plane() {
    let config = "{\"discoveryAddress\":\"istiod.istio-system.svc:15012\"}\n";
    let mut pod = with_proxy(
        json!({"env": [{"name": "PROXY_CONFIG", "value": config}, {"name": "CA_ADDR", "value": "istiod-canary.istio-system.svc:15012"}]}),
    );
    pod["metadata"]["annotations"] = json!({
        "istio.io/rev": "canary",
        "sidecar.istio.io/proxyImage": "docker.io/istio/proxyv2:1.28.2",
        "proxy.istio.io/config": "concurrency: 2\ndiscoveryAddress: istiod.istio-system.svc:15012\n",
    });
    assert_eq!(Proxy::of(&pod).unwrap().strays_to(), Some("default"));
    let image = Pin::ProxyImage("docker.io/istio/proxyv2:1.28.2".into());
    let address = Pin::DiscoveryAddress("istiod.istio-system.svc:15012".into());
    assert_eq!(pins(&pod), [image, address]);
    assert_eq!(pins(&with_proxy(json!({}))), []);
    pod["metadata"]["annotations"] = json!({"sidecar.istio.io/proxyImage": "proxyv2-debug"});
    assert_eq!(pins(&pod), [], "a bare name moves with the injector");
}

#[test]
fn gateways_and_baked_in_sidecars() {
    let chart = json!({"metadata": {"labels": {"sidecar.istio.io/inject": "true"}, "annotations": {"inject.istio.io/templates": "gateway"}}, "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}});
    let running =
        with_proxy(json!({"image": "proxyv2:1.29.1", "args": ["proxy", "router", "--domain"]}));
    let waypoint = json!({"metadata": {"labels": {"gateway.networking.k8s.io/gateway-name": "waypoint"}}, "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "waypoint"]}]}});
    for gateway in [&chart, &running, &waypoint] {
        assert!(is_gateway(gateway), "{gateway}");
        assert!(!baked_in(gateway), "{gateway}");
        assert_eq!(Proxy::of(gateway).unwrap().kind, ProxyKind::Gateway);
    }
    let baked = with_proxy(json!({"image": "proxyv2:1.28.2", "args": ["proxy", "sidecar"]}));
    assert!(baked_in(&baked) && !is_gateway(&baked));
    assert!(!baked_in(&pod(&[])) && !is_gateway(&pod(&[])));
}

#[test]
fn a_restart_is_due_where_the_injector_would_give_something_else() {
    let version = v("1.29.1");
    let mesh = mesh(&["default", "canary"].map(|r| Shape::revision(&version, r).configuration()));
    let running = |revision: &str, tag: &str| {
        let mut pod = with_proxy(json!({"image": format!("proxyv2:{tag}")}));
        pod["metadata"]["annotations"] = json!({"istio.io/rev": revision});
        pod
    };
    let plain = pod(&[]);
    let due = |labels: &[(&str, &str)], template: &Value, running: &Value| {
        mesh.effect(&namespace(labels), template, running)
            .changes(Some(&version))
    };
    assert!(due(&[REV], &plain, &running("default", "1.28.2")));
    assert!(
        !due(&[REV], &plain, &running("canary", "1.29.1")),
        "it has moved"
    );
    assert!(
        due(&[ENABLED], &plain, &running("default", "1.28.2")),
        "an upgrade in place"
    );
    assert!(!due(&[ENABLED], &plain, &running("default", "1.29.1")));
    assert!(
        due(&[], &plain, &running("default", "1.29.1")),
        "it would lose its sidecar"
    );
    assert!(due(&[REV], &plain, &plain), "it would gain one");
    assert!(!due(&[], &plain, &plain));
    let baked = running("default", "1.28.2");
    assert!(
        !due(&[REV], &baked, &running("default", "1.29.1")),
        "no restart injects it anew"
    );
    let mut bare = running("default", "1.28.2");
    bare["metadata"]["uid"] = json!("1");
    assert!(
        due(&[REV], &bare, &bare),
        "a pod without a template stands for itself"
    );
    let mut pinned = pod(&[]);
    pinned["metadata"]["annotations"] = json!({"sidecar.istio.io/proxyImage": "proxyv2:1.28.2"});
    assert!(
        !due(&[REV], &pinned, &running("canary", "1.28.2")),
        "the pin outlasts every restart"
    );
}

#[test]
fn verdicts_read_well() {
    let version = v("1.29.1");
    let mesh = mesh(&[Shape::revision(&version, "canary").configuration()]);
    let verdict = mesh.verdict(&namespace(&[REV]), &pod(&[])).to_string();
    assert_eq!(
        verdict,
        "sidecar of canary by istio-sidecar-injector-canary (rev.namespace.sidecar-injector.istio.io)"
    );
    let verdict = mesh.verdict(&namespace(&[]), &pod(&[])).to_string();
    assert_eq!(
        verdict,
        "no sidecar: neither the namespace nor the pod asks for one"
    );
}
