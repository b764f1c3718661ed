//! What istiod makes of a pod (`pkg/kube/inject`), as each version leaves its marks.

use super::istiod::Istiod;
use super::sidecar;
use crate::lab::api::ApiServer;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::mesh::injection::Namespace;
use crate::mesh::injection::Policy;
use crate::mesh::injection::WEBHOOK;
use crate::mesh::injection::Wish;
use crate::mesh::istiod::Names;
use crate::mesh::istiod::REVISION_LABEL;
use crate::mesh::selector::labels;
use crate::mesh::version::RevisionMark;
use serde_json::Value;
use serde_json::json;

/// The pod with its sidecar, or as it came where istiod decides against one.
pub(super) fn inject(api: &ApiServer, istiod: &Istiod, webhook: &Value, mut pod: Value) -> Value {
    let name = object::namespace(&pod).to_owned();
    let stored = api.object("namespaces", "", &name).unwrap_or_default();
    let namespace = Namespace::new(name, labels(object::labels(&stored)));
    let wish = if webhook["name"] == WEBHOOK {
        Wish::AnnotationOnly
    } else {
        Wish::LabelFirst
    };
    let names = Names::new(&istiod.revision, &istiod.namespace);
    let config = api
        .object("configmaps", &istiod.namespace, &names.injector_config())
        .unwrap_or_default();
    let policy = config["data"]["config"]
        .as_str()
        .and_then(|text| Policy::parse(text).ok())
        .unwrap_or_default();
    if policy.admits(wish, &namespace, &pod).is_err() {
        return pod;
    }
    mark(&mut pod, istiod);
    let address = names.discovery_address();
    if istiod.version.revision_mark() == RevisionMark::Annotation {
        sidecar::add(&mut pod, istiod, &address);
    } else {
        add_containers(&mut pod, istiod, &address);
    }
    pod
}

fn mark(pod: &mut Value, istiod: &Istiod) {
    let app = [
        "service.istio.io/canonical-name",
        "app.kubernetes.io/name",
        "app",
    ]
    .iter()
    .find_map(|key| object::labels(pod)[key].as_str())
    .or_else(|| items(&pod["metadata"], "ownerReferences").find_map(|owner| owner["name"].as_str()))
    .unwrap_or_else(|| object::name(pod))
    .to_owned();
    let version = [
        "service.istio.io/canonical-revision",
        "app.kubernetes.io/version",
        "version",
    ]
    .iter()
    .find_map(|key| object::labels(pod)[key].as_str())
    .unwrap_or("latest")
    .to_owned();
    let first = items(&pod["spec"], "containers")
        .find_map(|container| container["name"].as_str())
        .unwrap_or_default()
        .to_owned();
    let mut set = |map: &str, key: &str, value: &str| {
        object::default_to(&mut pod["metadata"], map, json!({}));
        object::default_to(&mut pod["metadata"][map], key, json!(value));
    };
    set("labels", "security.istio.io/tlsMode", "istio");
    let mark = istiod.version.revision_mark();
    if mark != RevisionMark::None {
        set("labels", "service.istio.io/canonical-name", &app);
        set("labels", "service.istio.io/canonical-revision", &version);
        for (key, value) in [
            ("path", "/stats/prometheus"),
            ("port", "15020"),
            ("scrape", "true"),
        ] {
            set("annotations", &format!("prometheus.io/{key}"), value);
        }
    }
    match mark {
        RevisionMark::None => {}
        RevisionMark::Label => set("labels", REVISION_LABEL, &istiod.revision),
        RevisionMark::Annotation => {
            set("annotations", REVISION_LABEL, &istiod.revision);
            set(
                "annotations",
                "kubectl.kubernetes.io/default-container",
                &first,
            );
            set(
                "annotations",
                "kubectl.kubernetes.io/default-logs-container",
                &first,
            );
        }
    }
    pod["metadata"]["annotations"]["sidecar.istio.io/status"] =
        json!(status(istiod, mark).to_string());
}

fn status(istiod: &Istiod, mark: RevisionMark) -> Value {
    let modern = mark == RevisionMark::Annotation;
    let volumes = if modern {
        sidecar::volume_names(istiod)
    } else {
        let names = [
            "istio-envoy",
            "istio-data",
            "istio-podinfo",
            "istio-token",
            "istiod-ca-cert",
        ];
        names.map(Value::from).to_vec()
    };
    let mut status = json!({});
    if !modern {
        status["version"] =
            json!("7986efd232806f426313494de3718f08f6512622122fca9a2327297370a07e95");
    }
    status["initContainers"] = json!(["istio-init"]);
    status["containers"] = json!(["istio-proxy"]);
    status["volumes"] = json!(volumes);
    status["imagePullSecrets"] = Value::Null;
    if modern {
        status["revision"] = json!(istiod.revision);
    }
    status
}

/// Before 1.10 the address stood in arguments or followed from the certificate authority's.
fn add_containers(pod: &mut Value, istiod: &Istiod, address: &str) {
    let image = format!("docker.io/istio/proxyv2:{}", istiod.version.release());
    let environment = json!([
        {"name": "CA_ADDR", "value": address},
        {"name": "PROXY_CONFIG", "value": "{\"configPath\":\"/etc/istio/proxy\"}\n"},
        {"name": "ISTIO_META_CLUSTER_ID", "value": istiod.cluster},
        {"name": "ISTIO_META_MESH_ID", "value": "cluster.local"},
    ]);
    // A gateway brings its container along and only wants it filled in.
    if let Some(own) = object::items_mut(&mut pod["spec"], "containers")
        .find(|container| container["name"] == "istio-proxy")
    {
        own["image"] = json!(image);
        own["env"] = environment;
        return;
    }
    let proxy = json!({
        "name": "istio-proxy", "image": image, "env": environment,
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local", "--proxyLogLevel=warning",
            "--proxyComponentLogLevel=misc:error", "--log_output_level=default:info"],
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz/ready", "port": 15021}},
    });
    let init = json!({"name": "istio-init", "image": image, "args": ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337"]});
    for (list, container) in [("containers", proxy), ("initContainers", init)] {
        object::default_to(&mut pod["spec"], list, json!([]));
        if let Some(containers) = pod["spec"][list].as_array_mut() {
            containers.push(container);
        }
    }
}
