//! The truth tables of injection, on webhooks as the charts make them and as real installations showed them.

mod reasons;
mod shapes;
mod table;

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
        "../../fixtures/webhooks-1.28-default-1.29-canary.json"
    ))
}

fn old_fixture() -> Vec<Value> {
    fixture(include_str!(
        "../../fixtures/webhooks-1.5-default-1.6-canary.json"
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
