//! Why a pod has no sidecar, and what real pods have.

use super::*;

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
    let modern: Value =
        serde_json::from_str(include_str!("../../fixtures/pod-1.29.1.json")).unwrap();
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

    let old: Value = serde_json::from_str(include_str!("../../fixtures/pod-1.6.14.json")).unwrap();
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
