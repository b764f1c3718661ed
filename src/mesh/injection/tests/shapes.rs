//! What installations look like, and other webhooks.

use super::*;

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
