//! The objects of a minimal control plane, for clusters into which nothing else was rendered.

use crate::mesh::injection::shape::Shape;
use crate::mesh::istiod::DEFAULT;
use crate::mesh::istiod::Names;
use crate::mesh::istiod::REVISION_LABEL;
use crate::mesh::istiod::TAG_LABEL;
use crate::mesh::version::Version;
use serde_json::Value;
use serde_json::json;

const NAMESPACE: &str = "istio-system";

/// The minors of Istio 1 that the lab knows.
const MINORS: [std::ops::RangeInclusive<u32>; 2] = [5..=6, 24..=30];

/// A version of Istio that the lab does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lab knows no Istio {0}: only 1.5, 1.6 and 1.24 to 1.30")]
pub struct UnknownIstio(String);

/// Whether the lab knows this version: its objects, its webhooks, and how its istiod answers.
///
/// # Errors
/// That it does not.
pub fn supports(version: &Version) -> Result<(), UnknownIstio> {
    let known = version.major() == 1 && MINORS.iter().any(|range| range.contains(&version.minor()));
    if known {
        Ok(())
    } else {
        Err(UnknownIstio(version.to_string()))
    }
}

/// The first minor of Istio 1 whose `istioctl tag set` makes a Service as well.
const TAG_SERVICES: u32 = 28;

/// The objects of a tag, as `istioctl tag set` makes them (`istioctl/pkg/tag/generate.go`).
pub fn tag(version: &Version, tag: &str, revision: &str) -> Vec<Value> {
    let names = Names::new(revision, NAMESPACE);
    let mut objects = vec![Shape::tag(version, tag, revision).configuration()];
    let labels =
        json!({"app": "istiod", "release": "istio", REVISION_LABEL: revision, TAG_LABEL: tag});
    if version.minor() >= TAG_SERVICES {
        let metadata =
            json!({"name": names.tag_service(tag), "namespace": NAMESPACE, "labels": labels});
        let mut selector = pods(revision);
        selector[REVISION_LABEL] = json!(revision);
        objects.push(service(&metadata, &selector));
    }
    if tag == DEFAULT {
        let mut validator = validator(&names, &labels);
        validator["metadata"]["name"] = json!("istiod-default-validator");
        objects.push(validator);
    }
    objects
}

/// What all revisions share: the namespace and the custom resources.
pub fn base(version: &Version) -> Vec<Value> {
    let modern = version.has_tags();
    let networking: &[&str] = if modern {
        &["v1alpha3", "v1beta1", "v1"]
    } else {
        &["v1alpha3", "v1beta1"]
    };
    let security: &[&str] = if modern {
        &["v1beta1", "v1"]
    } else {
        &["v1beta1"]
    };
    let mut objects =
        vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})];
    for (group, kind, plural, versions) in [
        (
            "networking",
            "VirtualService",
            "virtualservices",
            networking,
        ),
        (
            "networking",
            "DestinationRule",
            "destinationrules",
            networking,
        ),
        ("networking", "Gateway", "gateways", networking),
        ("networking", "ServiceEntry", "serviceentries", networking),
        ("networking", "Sidecar", "sidecars", networking),
        ("networking", "EnvoyFilter", "envoyfilters", &["v1alpha3"]),
        (
            "security",
            "AuthorizationPolicy",
            "authorizationpolicies",
            security,
        ),
        (
            "security",
            "PeerAuthentication",
            "peerauthentications",
            security,
        ),
        (
            "security",
            "RequestAuthentication",
            "requestauthentications",
            security,
        ),
    ] {
        objects.push(definition(
            &format!("{group}.istio.io"),
            kind,
            plural,
            versions,
        ));
    }
    objects
}

/// A column of `kubectl get`: its title, and where its value is.
type Column = (&'static str, &'static str);

/// The short name and the columns of a kind.
fn shown(plural: &str) -> (Option<&'static str>, &'static [Column]) {
    match plural {
        "virtualservices" => (
            Some("vs"),
            &[("Gateways", ".spec.gateways"), ("Hosts", ".spec.hosts")],
        ),
        "destinationrules" => (Some("dr"), &[("Host", ".spec.host")]),
        "gateways" => (Some("gw"), &[]),
        "serviceentries" => (
            Some("se"),
            &[
                ("Hosts", ".spec.hosts"),
                ("Location", ".spec.location"),
                ("Resolution", ".spec.resolution"),
            ],
        ),
        "authorizationpolicies" => (Some("ap"), &[("Action", ".spec.action")]),
        "peerauthentications" => (Some("pa"), &[("Mode", ".spec.mtls.mode")]),
        "requestauthentications" => (Some("ra"), &[]),
        _ => (None, &[]),
    }
}

/// The first of the versions is the stored one.
fn definition(group: &str, kind: &str, plural: &str, versions: &[&str]) -> Value {
    let (short, columns) = shown(plural);
    let mut columns: Vec<Value> = columns
        .iter()
        .map(|(name, path)| json!({"name": name, "jsonPath": path, "type": "string"}))
        .collect();
    if !columns.is_empty() {
        columns.push(
            json!({"name": "Age", "jsonPath": ".metadata.creationTimestamp", "type": "date"}),
        );
    }
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(at, version)| {
            json!({
                "name": version, "served": true, "storage": at == 0, "additionalPrinterColumns": columns, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            })
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "labels": {"app": "istio-pilot", "release": "istio"}},
        "spec": {
            "group": group, "scope": "Namespaced", "versions": versions,
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
                "shortNames": short.into_iter().collect::<Vec<_>>(), "categories": ["istio-io", group.replace('.', "-").trim_end_matches("-istio-io").to_owned() + "-istio-io"]},
        },
    })
}

/// The control plane of one revision (`default` for an installation without one).
pub fn control_plane(version: &Version, revision: &str) -> Vec<Value> {
    let names = Names::new(revision, NAMESPACE);
    let name = names.istiod();
    let mut labels = pods(revision);
    let mut common = json!({"app": "istiod", "release": "istio"});
    if version.has_revisions() {
        labels[REVISION_LABEL] = json!(revision);
        common[REVISION_LABEL] = json!(revision);
        common["operator.istio.io/version"] = json!(version.release());
    }
    let metadata = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": common});
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(&name)}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&names.mesh_config()),
            "data": {"mesh": format!("defaultConfig:\n  discoveryAddress: {}\nrootNamespace: {NAMESPACE}\ntrustDomain: cluster.local\n", names.discovery_address())}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&names.injector_config()), "data": {"config": "policy: enabled\n", "values": values(version, revision).to_string()}}),
        deployment(version, revision, &metadata(&name), &labels),
        service(&metadata(&name), &labels),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(&name),
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}}),
        Shape::revision(version, revision).configuration(),
        validator(&names, &common),
    ]
}

/// What the injector's template is filled with: of the real one's values those that clients read.
fn values(version: &Version, revision: &str) -> Value {
    let revision = if revision == DEFAULT { "" } else { revision };
    json!({
        "global": {
            "hub": "docker.io/istio", "tag": version.release(), "istioNamespace": NAMESPACE, "imagePullPolicy": "", "meshID": "", "network": "",
            "multiCluster": {"clusterName": ""}, "pilotCertProvider": "istiod",
            "proxy": {"autoInject": "enabled", "clusterDomain": "cluster.local", "image": "proxyv2", "logLevel": "warning"},
            "proxy_init": {"image": "proxyv2"}, "sds": {"token": {"aud": "istio-ca"}},
        },
        "revision": revision,
        "sidecarInjectorWebhook": {"alwaysInjectSelector": [], "enableNamespacesByDefault": false, "injectedAnnotations": {}, "neverInjectSelector": [], "rewriteAppHTTPProbe": true},
    })
}

/// The labels of a control plane's pods, but for that of its revision.
fn pods(revision: &str) -> Value {
    let istio = if revision == DEFAULT {
        "istiod"
    } else {
        "pilot"
    };
    json!({"app": "istiod", "istio": istio})
}

fn deployment(version: &Version, revision: &str, metadata: &Value, labels: &Value) -> Value {
    // Its revision's label would send it to its own injector, which cannot answer yet.
    let mut pod_labels = labels.clone();
    pod_labels["sidecar.istio.io/inject"] = json!("false");
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {
            "replicas": 1, "selector": {"matchLabels": labels}, "strategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": pod_labels, "annotations": {"sidecar.istio.io/inject": "false"}},
                "spec": {"serviceAccountName": metadata["name"], "containers": [{
                    "name": "discovery", "image": format!("docker.io/istio/pilot:{}", version.release()),
                    "args": ["discovery", "--monitoringAddr=:15014", "--log_output_level=default:info", "--domain", "cluster.local"],
                    "env": [{"name": "REVISION", "value": revision}],
                    "ports": [{"containerPort": 8080}, {"containerPort": 15010}, {"containerPort": 15012}, {"containerPort": 15014}, {"containerPort": 15017}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "initialDelaySeconds": 1, "periodSeconds": 3, "timeoutSeconds": 5},
                }]},
            },
        },
    })
}

fn service(metadata: &Value, labels: &Value) -> Value {
    let port = |name: &str, port: u16, target: u16| json!({"name": name, "port": port, "targetPort": target, "protocol": "TCP"});
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {
            "selector": labels,
            "ports": [port("grpc-xds", 15010, 15010), port("https-dns", 15012, 15012), port("https-webhook", 443, 15017), port("http-monitoring", 15014, 15014)],
        },
    })
}

fn validator(names: &Names<'_>, labels: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": names.validator(), "labels": labels},
        "webhooks": [{
            "name": "rev.validation.istio.io", "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": names.istiod(), "namespace": NAMESPACE, "path": "/validate"}},
            "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["security.istio.io", "networking.istio.io"], "apiVersions": ["*"], "resources": ["*"]}],
        }],
    })
}
