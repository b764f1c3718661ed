//! The containers and volumes of a sidecar, as today's template gives them (`files/injection-template.yaml`).

use super::istiod::Istiod;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::lab::api::object::items_mut;
use crate::mesh::istiod::DEFAULT;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// The first minor of Istio 1 that mounts a list of revoked certificates.
const REVOCATIONS: u32 = 28;
/// The first that names the divisor of the limits that it reads.
const DIVISORS: u32 = 29;

/// The names of the volumes.
pub(super) fn volume_names(istiod: &Istiod) -> Vec<Value> {
    let volumes = volumes(istiod);
    volumes.iter().map(|one| one["name"].clone()).collect()
}

fn volumes(istiod: &Istiod) -> Vec<Value> {
    let field = |path: &str, field: &str| json!({"path": path, "fieldRef": {"fieldPath": field}});
    let mut volumes = vec![
        json!({"name": "workload-socket", "emptyDir": {}}),
        json!({"name": "credential-socket", "emptyDir": {}}),
        json!({"name": "workload-certs", "emptyDir": {}}),
        json!({"name": "istio-envoy", "emptyDir": {"medium": "Memory"}}),
        json!({"name": "istio-data", "emptyDir": {}}),
        json!({"name": "istio-podinfo", "downwardAPI": {"items": [field("labels", "metadata.labels"), field("annotations", "metadata.annotations")]}}),
        json!({"name": "istio-token", "projected": {"sources": [
            {"serviceAccountToken": {"path": "istio-token", "expirationSeconds": 43200, "audience": "istio-ca"}},
        ]}}),
        json!({"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}}),
    ];
    if istiod.version.minor() >= REVOCATIONS {
        volumes.push(json!({"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": true}}));
    }
    volumes
}

/// Gives a pod its sidecar.
pub(super) fn add(pod: &mut Value, istiod: &Istiod, address: &str) {
    let image = format!("docker.io/istio/proxyv2:{}", istiod.version.release());
    let environment = environment(pod, istiod, address);
    // A gateway brings its container along and only wants it filled in.
    if let Some(own) =
        items_mut(&mut pod["spec"], "containers").find(|one| one["name"] == "istio-proxy")
    {
        own["image"] = json!(image);
        own["env"] = json!(environment);
        return;
    }
    let mut proxy = proxy(istiod, &image, &environment);
    if let Some(probers) = rewrite_probes(pod)
        && let Some(environment) = proxy["env"].as_array_mut()
    {
        environment.push(json!({"name": "ISTIO_KUBE_APP_PROBERS", "value": probers}));
    }
    for (list, before, after) in [
        ("containers", Vec::new(), vec![proxy]),
        ("initContainers", Vec::new(), vec![init(&image)]),
        ("volumes", volumes(istiod), Vec::new()),
    ] {
        let own = items(&pod["spec"], list).cloned();
        let all: Vec<Value> = before.into_iter().chain(own).chain(after).collect();
        pod["spec"][list] = json!(all);
    }
}

fn proxy(istiod: &Istiod, image: &str, environment: &[Value]) -> Value {
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let mut mounts = vec![
        mount("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
        mount("credential-socket", "/var/run/secrets/credential-uds"),
        mount(
            "workload-certs",
            "/var/run/secrets/workload-spiffe-credentials",
        ),
        mount("istiod-ca-cert", "/var/run/secrets/istio"),
    ];
    if istiod.version.minor() >= REVOCATIONS {
        mounts.push(mount("istio-ca-crl", "/var/run/secrets/istio/crl"));
    }
    mounts.extend([
        mount("istio-data", "/var/lib/istio/data"),
        mount("istio-envoy", "/etc/istio/proxy"),
        mount("istio-token", "/var/run/secrets/tokens"),
        mount("istio-podinfo", "/etc/istio/pod"),
    ]);
    let probe = |period: u32, failures: u32| json!({"httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures});
    json!({
        "name": "istio-proxy", "image": image, "env": environment,
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel=warning",
            "--proxyComponentLogLevel=misc:error", "--log_output_level=default:info"],
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": probe(15, 4), "startupProbe": probe(1, 600), "resources": resources(), "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false, "readOnlyRootFilesystem": true,
            "runAsGroup": 1337, "runAsNonRoot": true, "runAsUser": 1337,
        },
    })
}

fn resources() -> Value {
    json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}})
}

fn init(image: &str) -> Value {
    json!({
        "name": "istio-init", "image": image, "resources": resources(),
        "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*",
            "-d", "15090,15021,15020", "--log_output_level=default:info"],
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}, "privileged": false,
            "readOnlyRootFilesystem": false, "runAsGroup": 0, "runAsNonRoot": false, "runAsUser": 0,
        },
    })
}

fn environment(pod: &Value, istiod: &Istiod, address: &str) -> Vec<Value> {
    let text = |name: &str, value: &str| json!({"name": name, "value": value});
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let limit = |name: &str, resource: &str| {
        let divisor = if istiod.version.minor() >= DIVISORS {
            "1"
        } else {
            "0"
        };
        json!({"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}})
    };
    let config = if istiod.revision == DEFAULT {
        json!({})
    } else {
        json!({"discoveryAddress": address})
    };
    let (kind, api, workload) = workload(pod);
    let owner = format!(
        "kubernetes://apis/{api}/namespaces/{}/{kind}/{workload}",
        object::namespace(pod)
    );
    let names: Vec<&str> = items(&pod["spec"], "containers")
        .filter_map(|one| one["name"].as_str())
        .filter(|name| *name != "istio-proxy")
        .collect();
    vec![
        text("PILOT_CERT_PROVIDER", "istiod"),
        text("CA_ADDR", address),
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        limit("ISTIO_CPU_LIMIT", "limits.cpu"),
        text("PROXY_CONFIG", &format!("{config}\n")),
        text("ISTIO_META_POD_PORTS", &ports(pod)),
        text("ISTIO_META_APP_CONTAINERS", &names.join(",")),
        limit("GOMEMLIMIT", "limits.memory"),
        limit("GOMAXPROCS", "limits.cpu"),
        text("ISTIO_META_CLUSTER_ID", &istiod.cluster),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        text("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
        text("ISTIO_META_WORKLOAD_NAME", &workload),
        text("ISTIO_META_OWNER", &owner),
        text("ISTIO_META_MESH_ID", "cluster.local"),
        text("TRUST_DOMAIN", "cluster.local"),
    ]
}

/// What a pod belongs to, as `GetDeployMetaFromPod` guesses it: a `ReplicaSet` with a hash is a Deployment's.
fn workload(pod: &Value) -> (String, String, String) {
    let owner = items(&pod["metadata"], "ownerReferences").find(|one| one["controller"] == true);
    let Some(owner) = owner else {
        let name = object::name(pod).to_owned();
        return ("pods".to_owned(), "v1".to_owned(), name);
    };
    let text = |key: &str| owner[key].as_str().unwrap_or_default();
    let (mut kind, mut name) = (text("kind").to_lowercase(), text("name").to_owned());
    let hash = object::labels(pod)["pod-template-hash"].as_str();
    if let Some(short) = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'))
        && kind == "replicaset"
    {
        (kind, name) = ("deployment".to_owned(), short.to_owned());
    }
    (format!("{kind}s"), text("apiVersion").to_owned(), name)
}

/// The ports of the pod's own containers, laid out as the template does.
fn ports(pod: &Value) -> String {
    let mut ports = Vec::new();
    for port in items(&pod["spec"], "containers").flat_map(|one| items(one, "ports")) {
        let mut entry = json!({"name": port["name"], "containerPort": port["containerPort"], "protocol": port["protocol"]});
        object::drop_nulls(&mut entry);
        ports.push(format!("    {entry}\n"));
    }
    let ports: Vec<String> = ports
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            if at == 0 {
                line
            } else {
                line.replacen("    ", "    ,", 1)
            }
        })
        .collect();
    format!("[\n{}]", ports.concat())
}

/// Leads the kubelet's probes over HTTP and TCP to the agent; gives what the agent asks then.
fn rewrite_probes(pod: &mut Value) -> Option<String> {
    let mut asked = Map::new();
    for container in items_mut(&mut pod["spec"], "containers") {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        for (probe, word) in [
            ("livenessProbe", "livez"),
            ("readinessProbe", "readyz"),
            ("startupProbe", "startupz"),
        ] {
            let path = format!("/app-health/{name}/{word}");
            for way in ["httpGet", "tcpSocket"] {
                if container[probe][way].is_null() {
                    continue;
                }
                let way_there = object::remove(&mut container[probe], way);
                asked.insert(
                    path.clone(),
                    json!({way: way_there, "timeoutSeconds": container[probe]["timeoutSeconds"]}),
                );
                container[probe]["httpGet"] =
                    json!({"path": path, "port": 15020, "scheme": "HTTP"});
                break;
            }
        }
    }
    let mut asked = Value::Object(asked);
    asked.sort_all_objects();
    (asked != json!({})).then(|| asked.to_string())
}
