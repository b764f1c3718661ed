use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use serde_json::json;

use super::*;

fn small() -> Snapshot {
    Snapshot {
        format: FORMAT,
        dropped: Vec::new(),
        taken: "2026-03-01T12:00:00Z".parse().unwrap(),
        tool: "0.1.0".to_owned(),
        context: None,
        kubernetes: "v1.35.4".to_owned(),
        istio_namespace: "istio-system".to_owned(),
        access: Vec::new(),
        istiods: vec![
            Istiod {
                pod: "istiod-1".to_owned(),
                revision: "default".to_owned(),
                answer: Answer::Proxies(BTreeMap::from([(
                    "web-1.shop".to_owned(),
                    Reception::Synced,
                )])),
            },
            Istiod {
                pod: "istiod-2".to_owned(),
                revision: "canary".to_owned(),
                answer: Answer::Unasked("refused".to_owned()),
            },
        ],
        objects: vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})],
    }
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn the_file_is_json_with_the_losses_first_and_the_digest_last() {
    let text = unpacked(&small().to_bytes().unwrap());
    let value: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys[..2], ["snapshot", "dropped"]);
    assert_eq!(*keys[keys.len() - 1], "digest");
    assert_eq!(value["istiods"][0]["proxies"]["web-1.shop"], "synced");
    assert_eq!(value["istiods"][1]["unasked"], "refused");
    assert_eq!(
        Snapshot::from_bytes(&small().to_bytes().unwrap()).unwrap(),
        small()
    );
}

#[test]
fn what_is_no_snapshot_is_told_by_what_is_wrong() {
    let good = small().to_bytes().unwrap();
    let text = unpacked(&good);
    let error = |bytes: &[u8]| {
        let error = Snapshot::from_bytes(bytes).unwrap_err();
        assert!(!error.help().is_empty());
        error.to_string()
    };
    assert_eq!(
        error(b"kind: Plan"),
        "it is not packed with gzip, or cut off"
    );
    assert_eq!(
        error(&good[..good.len() / 2]),
        "it is not packed with gzip, or cut off"
    );
    assert_eq!(error(&packed("{}")), "it is no snapshot");
    assert_eq!(
        error(&packed(&text.replacen(": 1,", ": 2,", 1))),
        "it is of format 2, and this `plan` reads format 1"
    );
    for damaged in [
        text.replace("v1.35.4", "v1.35.5"),
        text.replace("sha256:", "sha256:0"),
        format!("{text} "),
        text[..text.len() - 80].to_owned(),
    ] {
        assert_eq!(
            error(&packed(&damaged)),
            "its contents do not match its digest: it was changed or damaged since it was taken"
        );
    }
}

/// What steps read of a pod survives: who injected it, to whom it talks, what it is.
#[test]
fn a_redacted_pod_is_the_same_to_injection() {
    use crate::mesh::injection::{Proxy, is_gateway, pins};
    let gateway = json!({
        "kind": "Pod", "metadata": {"name": "g", "namespace": "edge", "annotations": {"proxy.istio.io/config": "discoveryAddress: a.b.svc:15012"}},
        "spec": {"containers": [{"name": "istio-proxy", "image": "proxyv2:1.5.10",
            "args": ["proxy", "router", "--lightstepAccessToken", "hunter2", "--discoveryAddress", "istiod.istio-system.svc:15012", "--x"]}]},
    });
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for pod in [
        gateway,
        read(include_str!("../mesh/fixtures/pod-1.6.14.json")),
        read(include_str!("../mesh/fixtures/pod-1.29.1.json")),
    ] {
        let keep = BTreeSet::new();
        let mut redactor = Redactor::new(&keep, "istio-system");
        let redacted = redactor.redact(pod.clone());
        assert_eq!(Proxy::of(&redacted), Proxy::of(&pod));
        assert_eq!(is_gateway(&redacted), is_gateway(&pod));
        assert_eq!(pins(&redacted), pins(&pod));
        assert!(!redacted.to_string().contains("hunter2"));
        assert_eq!(
            redactor.redact(redacted.clone()),
            redacted,
            "once is enough"
        );
    }
}

#[test]
fn credentials_are_told_from_other_words() {
    let keep = BTreeSet::new();
    let of = |text: &str| {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": text}});
        let redacted = Redactor::new(&keep, "istio-system").redact(object);
        redacted["data"]["mesh"].as_str().unwrap().to_owned()
    };
    for (before, after) in [
        ("accessToken: x y", "accessToken: \"dropped\""),
        ("  \"password\": \"x\",", "  \"password\": \"dropped\","),
        ("- apiKey: x", "- apiKey: \"dropped\""),
        (
            "a: { accessToken: x, b: c }",
            "a: { accessToken: \"dropped\", b: c }",
        ),
        ("token:\n  aud: istio-ca", "token:\n  aud: istio-ca"),
        ("\"token\": {\n\"aud\": 1}", "\"token\": {\n\"aud\": 1}"),
        ("tokenAudience: x", "tokenAudience: x"),
        ("trustDomain: x", "trustDomain: x"),
    ] {
        assert_eq!(of(before), after);
    }
}
