//! Real Envoys that dial istiod themselves, as those of Istio before 1.8 do: what they and istiod say of each other.

use std::process::Child;

use plan::event::{EventKind, Failure};
use serde_json::{Value, json};

use crate::e2e::bed::{Bed, repository};
use crate::e2e::process::StateDir;

/// A running Envoy, ended when dropped.
struct Envoy(Child);

impl Drop for Envoy {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// One Envoy reaches istiod and one dials a port on which nobody listens; both say so, and istiod tells what the first
/// one rejects: it knows none of Istio's own filters.
pub(crate) fn tell_whom_they_dial() {
    let bed = Bed::up_with(&["modern", "--no-workloads"]);
    bed.apply(&repository("tests/e2e/envoy.yaml"), "envoys");
    let istiod = bed.list("pods -n istio-system -l app=istiod").remove(0);
    let pods = bed.list("pods -n envoys");
    let state = StateDir::new();
    let _envoys: Vec<Envoy> = pods
        .iter()
        .zip([15010, 1])
        .map(|(pod, port)| start(&bed, &state, pod, address(&istiod), port))
        .collect();
    let (reached, lost) = (name(&pods[0]), name(&pods[1]));

    let told = verify(&bed, &state, "envoy");
    assert_eq!(told.details.len(), 1, "{told:#?}");
    assert!(told.details[0].starts_with("MISSING "), "{told:#?}");
    assert!(
        told.details[0].contains(lost) && told.details[0].contains("in vain"),
        "{told:#?}"
    );

    let told = verify(&bed, &state, "istiod");
    let of = |pod: &str| {
        let line = told.details.iter().find(|line| line.contains(pod));
        line.unwrap_or_else(|| panic!("{pod}: {told:#?}"))
    };
    assert!(of(lost).starts_with("MISSING "), "{told:#?}");
    assert!(of(reached).starts_with("ERROR "), "{told:#?}");
    assert!(of(reached).contains("istio.metadata_exchange"), "{told:#?}");
}

/// Why a verification of the two fails.
fn verify(bed: &Bed, state: &StateDir, via: &str) -> Failure {
    let with = json!({ "namespace": "envoys", "revision": "default", "via": via, "settle": "10s" });
    let plan = json!({
        "version": 1, "name": "envoys", "steps": { "verify": { "uses": "verify-xds", "with": with } },
    });
    let file = state.file(&format!("{via}.yaml"));
    fs_err::write(&file, plan.to_string()).expect("a plan");
    state.plan(bed, &["run", &file, "--yes"]).exits(1);
    let failure = state.journal().into_iter().find_map(|event| match event {
        EventKind::NodeFinished { error, .. } => error,
        _ => None,
    });
    failure.expect("why it failed")
}

/// Starts an Envoy in the place of a pod's proxy, with its admin where a port-forward to the pod leads.
fn start(bed: &Bed, state: &StateDir, pod: &Value, istiod: &str, port: u16) -> Envoy {
    let (name, address) = (name(pod), address(pod));
    let forward = json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "PortForward", "metadata": { "name": name, "namespace": "envoys" },
        "spec": { "forwards": [{ "ports": [15000], "target": { "address": address, "port": 15000 } }] },
    });
    let file = state.file(&format!("{name}-forward.json"));
    fs_err::write(&file, forward.to_string()).expect("a file");
    bed.output("kubectl", &["apply", "-f", &file]);

    let file = state.file(&format!("{name}.json"));
    fs_err::write(&file, bootstrap(name, address, istiod, port).to_string()).expect("a file");
    let envoy = bed
        .command("envoy")
        .args(["--use-dynamic-base-id", "--concurrency", "1"])
        .args(["--log-level", "off", "--config-path", &file])
        .spawn();
    Envoy(envoy.expect("Envoy can be started"))
}

fn bootstrap(name: &str, address: &str, istiod: &str, port: u16) -> Value {
    let socket = |address: &str, port: u16| json!({ "socket_address": { "address": address, "port_value": port } });
    let endpoint =
        json!({ "hostname": "istiod.istio-system.svc", "address": socket(istiod, port) });
    let http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    });
    let ads = json!({ "ads": {}, "resource_api_version": "V3" });
    json!({
        "admin": { "address": socket(address, 15000) },
        "node": {
            "id": format!("sidecar~{address}~{name}.envoys~envoys.svc.cluster.local"), "cluster": "real.envoys",
            "metadata": {
                "NAMESPACE": "envoys", "NAME": name, "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.28.2",
                "PROXY_CONFIG": { "discoveryAddress": "istiod.istio-system.svc:15012" },
            },
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC", "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }],
            },
            "cds_config": ads, "lds_config": ads,
        },
        "static_resources": { "clusters": [{
            "name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 },
            "load_assignment": {
                "cluster_name": "xds-grpc", "endpoints": [{ "lb_endpoints": [{ "endpoint": endpoint }] }],
            },
        }] },
    })
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().expect("a name")
}

fn address(pod: &Value) -> &str {
    pod["status"]["podIP"].as_str().expect("an address")
}
