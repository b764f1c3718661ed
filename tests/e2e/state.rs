//! The end of an upgrade, as the cluster and the istiods tell it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::e2e::audit;
use crate::e2e::bed::Bed;

/// How many ReplicaSets each Deployment of these namespaces has: one, and one more for each restart.
pub(crate) fn replica_sets(bed: &Bed, namespaces: &[&str]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for namespace in namespaces {
        for set in bed.list(&format!("replicasets -n {namespace}")) {
            let owner = set["metadata"]["ownerReferences"][0]["name"].as_str();
            let name = format!("{namespace}/{}", owner.expect("an owner"));
            *counts.entry(name).or_insert(0) += 1;
        }
    }
    counts
}

/// Asserts that a canary upgrade of these namespaces has ended as it should.
pub(crate) fn assert_upgraded(bed: &Bed, namespaces: &[&str], pods: usize) {
    both_serve(bed);
    for namespace in namespaces {
        let labels = bed.list(&format!("namespace {namespace}"))[0]["metadata"]["labels"].clone();
        assert_eq!(labels["istio.io/rev"], "canary", "{namespace}: {labels}");
        assert_eq!(labels.get("istio-injection"), None, "{namespace}: {labels}");
        assert_one_injector(bed, namespace);
    }
    for (deployment, count) in replica_sets(bed, namespaces) {
        assert_eq!(count, 2, "{deployment} was restarted {} times", count - 1);
    }
    let (old, new) = (proxies(bed, "istiod"), proxies(bed, "istiod-canary"));
    let mut found = 0;
    for namespace in namespaces {
        for pod in bed.list(&format!("pods -n {namespace}")) {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            let proxy = format!("{name}.{namespace}");
            assert!(new.contains(&proxy), "{proxy} is not on the new istiod");
            assert!(!old.contains(&proxy), "{proxy} is still on the old istiod");
            let text = pod["spec"].to_string();
            assert!(
                text.contains(&format!("proxyv2:{}", bed.var("ISTIO_NEW"))),
                "{proxy} has another proxy"
            );
            found += 1;
        }
    }
    assert_eq!(found, pods, "pods in {namespaces:?}");
}

/// Both control planes have a Deployment that is ready, a Service and an injector.
fn both_serve(bed: &Bed) {
    for (name, version) in [("istiod", "ISTIO_OLD"), ("istiod-canary", "ISTIO_NEW")] {
        let deployment = &bed.list(&format!("deployment {name} -n istio-system"))[0];
        assert_eq!(deployment["status"]["readyReplicas"], 1, "{name}");
        let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].to_string();
        assert!(image.contains(bed.var(version)), "{name}: {image}");
        bed.kubectl(&format!("get service {name} -n istio-system"));
    }
    bed.kubectl(
        "get mutatingwebhookconfigurations istio-sidecar-injector istio-sidecar-injector-canary",
    );
}

/// A pod that is made there, and thrown away, passes through the canary's injector and no other.
fn assert_one_injector(bed: &Bed, namespace: &str) {
    let mark = audit::mark(bed);
    bed.kubectl(&format!(
        "run injected -n {namespace} --image example.test/injected:1 --dry-run=server -o name"
    ));
    let injectors: BTreeSet<String> = audit::requests(bed, mark, "kubectl")
        .iter()
        .filter(|request| request.verb() == "create" && request.resource() == "pods")
        .flat_map(audit::Request::mutated_by)
        .collect();
    let wanted = BTreeSet::from(["istio-sidecar-injector-canary".to_owned()]);
    assert_eq!(injectors, wanted, "who injects into {namespace}");
}

/// The proxies that an istiod lists as connected, as `POD.NAMESPACE`.
fn proxies(bed: &Bed, deployment: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for pod in bed.list("pods -n istio-system -l app=istiod") {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        if !name.strip_prefix(deployment).is_some_and(is_pods_suffix) {
            continue;
        }
        // The agent binds the debug port on a loopback address as well: the pod's, with its first byte replaced.
        let address = pod["status"]["podIP"].as_str().expect("an address");
        let (_, rest) = address.split_once('.').expect("IPv4");
        let text = bed.output(
            "curl",
            &["-sf", &format!("http://127.{rest}:15014/debug/syncz")],
        );
        let listed: Value = serde_json::from_str(&text).expect("JSON");
        for proxy in listed.as_array().expect("a list") {
            names.insert(proxy["proxy"].as_str().expect("a name").to_owned());
        }
    }
    names
}

/// `-HASH-ID`, as a Deployment's pods end.
fn is_pods_suffix(text: &str) -> bool {
    text.matches('-').count() == 2 && text.starts_with('-')
}
