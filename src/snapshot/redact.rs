//! What of an object goes into a snapshot: what steps and the simulated controllers read, and nothing that could hold
//! a secret, unless the user asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What can be kept although it is dropped otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The values of environment variables.
    Env,
    /// The commands and arguments of containers.
    Arguments,
    /// Annotations that neither Istio nor `plan` nor the controllers read.
    Annotations,
    /// What `kubectl apply` noted.
    LastApplied,
}

impl Keep {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Env,
        Self::Arguments,
        Self::Annotations,
        Self::LastApplied,
    ];
}

/// One sort of things that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// What it is.
    pub what: String,
    /// How often it was there.
    pub count: u64,
    /// The names of what it was, where they tell something.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
}

/// The sorts, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Env,
    Arguments,
    Probes,
    Volumes,
    Annotations,
    LastApplied,
    ConfigMaps,
    Credentials,
    Managers,
}

impl Sort {
    const ALL: [Self; 9] = [
        Self::Env,
        Self::Arguments,
        Self::Probes,
        Self::Volumes,
        Self::Annotations,
        Self::LastApplied,
        Self::ConfigMaps,
        Self::Credentials,
        Self::Managers,
    ];

    fn what(self) -> &'static str {
        match self {
            Self::Env => "values of environment variables",
            Self::Arguments => "commands and arguments of containers",
            Self::Probes => "probes and hooks of containers",
            Self::Volumes => "volumes of pods",
            Self::Annotations => "annotations",
            Self::LastApplied => "last-applied configurations",
            Self::ConfigMaps => "data of ConfigMaps",
            Self::Credentials => "credentials in Istio's configuration",
            Self::Managers => "owners of fields, but of what an install applies",
        }
    }
}

/// Of istiod's variables those that steps read, or that an install of the same revision compares.
const ISTIOD_ENV: [&str; 19] = [
    "CA_TRUSTED_NODE_ACCOUNTS",
    "CLUSTER_ID",
    "ENABLE_LEGACY_FSGROUP_INJECTION",
    "EXTERNAL_ISTIOD",
    "INJECTION_WEBHOOK_CONFIG_NAME",
    "ISTIOD_ADDR",
    "ISTIOD_CUSTOM_HOST",
    "JWT_POLICY",
    "KUBECONFIG",
    "PILOT_CERT_PROVIDER",
    "PILOT_ENABLE_ANALYSIS",
    "PILOT_ENABLE_PROTOCOL_SNIFFING_FOR_INBOUND",
    "PILOT_ENABLE_PROTOCOL_SNIFFING_FOR_OUTBOUND",
    "PILOT_TRACE_SAMPLING",
    "PLATFORM",
    "REVISION",
    "SHARED_MESH_CONFIG",
    "TRUSTED_GATEWAY_CIDR",
    "VALIDATION_WEBHOOK_CONFIG_NAME",
];

/// Of a proxy's variables those that tell its control plane and cluster; of `PROXY_CONFIG` only the address.
const PROXY_ENV: [&str; 2] = ["CA_ADDR", "ISTIO_META_CLUSTER_ID"];

/// The annotations outside Istio's domains that steps or controllers read, or that Istio's charts set: an install
/// compares them.
const ANNOTATIONS: [&str; 8] = [
    "deployment.kubernetes.io/revision",
    "helm.sh/resource-policy",
    "kubectl.kubernetes.io/restartedAt",
    "kubernetes.io/description",
    "plan/restarted-by",
    "prometheus.io/path",
    "prometheus.io/port",
    "prometheus.io/scrape",
];

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// The kinds that an install applies: there a take-over needs to know who owns which field.
const APPLIED: [&str; 14] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "Deployment",
    "EnvoyFilter",
    "HorizontalPodAutoscaler",
    "MutatingWebhookConfiguration",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
    "ValidatingWebhookConfiguration",
];

/// A scalar of a configuration whose name says that it is a credential.
static CREDENTIAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?im)((?:^|[{,])\s*(?:- )?"?\w*(?:token|password|passwd|secretkey|apikey)"?\s*:[ \t]*)("[^"\n]+"|[^\s"{}\[&*|>,][^\n,}]*)"#).ok()
});

/// Takes out of objects what does not belong into a snapshot, and keeps the list of it.
#[derive(Debug)]
pub struct Redactor<'a> {
    keep: &'a BTreeSet<Keep>,
    istio_namespace: &'a str,
    dropped: BTreeMap<Sort, (u64, BTreeSet<String>)>,
}

impl<'a> Redactor<'a> {
    /// For a cluster with this control plane's namespace.
    pub fn new(keep: &'a BTreeSet<Keep>, istio_namespace: &'a str) -> Self {
        Self {
            keep,
            istio_namespace,
            dropped: BTreeMap::new(),
        }
    }

    /// What was taken out so far, with the Secrets, which are never asked for.
    pub fn dropped(&self) -> Vec<Dropped> {
        let found = Sort::ALL.iter().filter_map(|sort| {
            let (count, names) = self.dropped.get(sort)?;
            Some(Dropped {
                what: sort.what().to_owned(),
                count: *count,
                names: names.clone(),
            })
        });
        let secrets = Dropped {
            what: "Secrets: none was read".to_owned(),
            count: 0,
            names: BTreeSet::new(),
        };
        found.chain([secrets]).collect()
    }

    /// An object as it goes into the snapshot.
    #[must_use]
    pub fn redact(&mut self, mut object: Value) -> Value {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (kind, namespace, name) = (
            text("/kind"),
            text("/metadata/namespace"),
            text("/metadata/name"),
        );
        let applied = APPLIED.contains(&kind.as_str())
            && (namespace.is_empty() || namespace == self.istio_namespace);
        let metadata = &mut object["metadata"];
        if !applied && remove(metadata, "managedFields").is_some() {
            self.note(Sort::Managers, None);
        }
        self.annotations(metadata);
        let own = namespace == self.istio_namespace;
        match kind.as_str() {
            "Pod" => {
                self.pod(&mut object["spec"], own);
                pod_status(&mut object);
            }
            "ConfigMap" => self.config_map(&mut object, &namespace, &name),
            "StatefulSet" if remove(&mut object["spec"], "volumeClaimTemplates").is_some() => {
                self.note(Sort::Volumes, None);
            }
            "Node" => node(&mut object),
            _ => {}
        }
        if let Some(job) = object.pointer_mut("/spec/jobTemplate/metadata") {
            self.annotations(job);
        }
        for template in [
            "/spec/template",
            "/spec/jobTemplate/spec/template",
            "/data/spec/template",
        ] {
            if let Some(template) = object.pointer_mut(template).filter(|one| one.is_object()) {
                if template["metadata"].is_object() {
                    self.annotations(&mut template["metadata"]);
                }
                self.pod(&mut template["spec"], own);
            }
        }
        object
    }

    fn note(&mut self, sort: Sort, name: Option<&str>) {
        let (count, names) = self.dropped.entry(sort).or_default();
        *count += 1;
        names.extend(name.map(str::to_owned));
    }

    fn keeps(&self, what: Keep) -> bool {
        self.keep.contains(&what)
    }

    fn annotations(&mut self, metadata: &mut Value) {
        let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        else {
            return;
        };
        let (foreign, last) = (self.keeps(Keep::Annotations), self.keeps(Keep::LastApplied));
        annotations.retain(|key, value| {
            if key == LAST_APPLIED {
                if !last {
                    self.note(Sort::LastApplied, None);
                }
                return last;
            }
            if key == PROXY_CONFIG && !foreign {
                *value = value.as_str().map_or(Value::Null, address_only);
                return !value.is_null();
            }
            let domain = key.split_once('/').map_or("", |(domain, _)| domain);
            let read = domain == "istio.io"
                || domain.ends_with(".istio.io")
                || ANNOTATIONS.contains(&key.as_str());
            if !(read || foreign) {
                self.note(Sort::Annotations, Some(key));
            }
            read || foreign
        });
        if annotations.is_empty() {
            remove(metadata, "annotations");
        }
    }

    fn pod(&mut self, spec: &mut Value, own: bool) {
        let mut istiod = false;
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                istiod |= own && container["name"] == "discovery";
                self.container(container, own);
            }
        }
        if !istiod && remove(spec, "volumes").is_some() {
            self.note(Sort::Volumes, None);
        }
    }

    fn container(&mut self, container: &mut Value, own: bool) {
        let istiod = own && container["name"] == "discovery";
        let proxy = container["name"] == "istio-proxy";
        if !self.keeps(Keep::Env) {
            for variable in container
                .get_mut("env")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let name = variable["name"].as_str().unwrap_or_default().to_owned();
                let kept = istiod && ISTIOD_ENV.contains(&name.as_str())
                    || proxy && PROXY_ENV.contains(&name.as_str());
                if kept || variable["value"].is_null() {
                    continue;
                }
                let address = variable["value"]
                    .as_str()
                    .filter(|_| proxy && name == "PROXY_CONFIG")
                    .map_or(Value::Null, address_only);
                if address.is_null() {
                    remove(variable, "value");
                    self.note(Sort::Env, None);
                } else {
                    variable["value"] = address;
                }
            }
        }
        if istiod {
            return;
        }
        if !self.keeps(Keep::Arguments) {
            self.arguments(container, proxy);
        }
        for hook in [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
        ] {
            if remove(container, hook).is_some() {
                self.note(Sort::Probes, None);
            }
        }
        remove(container, "volumeMounts");
    }

    /// Of a proxy's arguments, those that tell a gateway from a sidecar, and its control plane's address.
    fn arguments(&mut self, container: &mut Value, proxy: bool) {
        if remove(container, "command").is_some() {
            self.note(Sort::Arguments, None);
        }
        let Some(Value::Array(all)) = remove(container, "args") else {
            return;
        };
        let mut kept = Vec::new();
        if proxy {
            kept.extend(all.iter().take(2).cloned());
            let flag = |one: &Value| {
                one.as_str()
                    .is_some_and(|one| one.starts_with("--discoveryAddress"))
            };
            if let Some(at) = all.iter().skip(2).position(flag) {
                let length = if all[at + 2] == "--discoveryAddress" {
                    2
                } else {
                    1
                };
                kept.extend(all.iter().skip(at + 2).take(length).cloned());
            }
        }
        if kept.len() < all.len() {
            self.note(Sort::Arguments, None);
        }
        if !kept.is_empty() {
            container["args"] = Value::Array(kept);
        }
    }

    /// Of Istio's own the mesh configuration, the injector's and the values; of the others that they are there.
    fn config_map(&mut self, object: &mut Value, namespace: &str, name: &str) {
        let read = ["istio", "istio-sidecar-injector", "values"]
            .iter()
            .any(|one| {
                name.strip_prefix(one)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            });
        let bundle = name == "istio-ca-root-cert";
        if !read || bundle {
            let data = remove(object, "data").is_some();
            let binary = remove(object, "binaryData").is_some();
            if data || binary {
                self.note(Sort::ConfigMaps, Some(&format!("{namespace}/{name}")));
            }
            return;
        }
        for (key, value) in object
            .get_mut("data")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            if let (Some(text), Some(credential)) = (value.as_str(), &*CREDENTIAL)
                && credential.is_match(text)
            {
                *value = json!(credential.replace_all(text, "${1}\"dropped\""));
                self.note(
                    Sort::Credentials,
                    Some(&format!("{namespace}/{name} {key}")),
                );
            }
        }
    }
}

/// Of a `ProxyConfig` the control plane's address; null where it has none.
fn address_only(config: &str) -> Value {
    let config: Value = serde_yaml::from_str(config).unwrap_or_default();
    match &config["discoveryAddress"] {
        Value::Null => Value::Null,
        address => json!(json!({"discoveryAddress": address}).to_string()),
    }
}

/// What a node says of itself is its own: here counts where pods may run.
fn node(object: &mut Value) {
    let conditions: Vec<Value> = members(&object["status"], "conditions")
        .map(|one| pick(one, &["type", "status"]))
        .collect();
    object["status"] = json!({ "conditions": conditions });
    object["spec"] = pick(&object["spec"], &["taints", "unschedulable"]);
}

/// Phase, address, conditions and containers, without what the containers said when they ended.
fn pod_status(object: &mut Value) {
    let mut status = pick(
        &object["status"],
        &[
            "phase",
            "reason",
            "conditions",
            "hostIP",
            "podIP",
            "podIPs",
            "startTime",
            "qosClass",
        ],
    );
    for list in ["containerStatuses", "initContainerStatuses"] {
        let containers: Vec<Value> = members(&object["status"], list)
            .map(|container| {
                let mut kept = pick(
                    container,
                    &["name", "image", "ready", "started", "restartCount"],
                );
                let current = container["state"].as_object().into_iter().flatten();
                kept["state"] = current
                    .map(|(state, of)| {
                        let times = ["startedAt", "finishedAt", "exitCode", "reason"];
                        (state.clone(), pick(of, &times))
                    })
                    .collect();
                kept
            })
            .collect();
        if !containers.is_empty() {
            status[list] = Value::Array(containers);
        }
    }
    object["status"] = status;
}

fn pick(value: &Value, keys: &[&str]) -> Value {
    let picked: Map<String, Value> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| keys.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(picked)
}

fn members<'value>(value: &'value Value, key: &str) -> impl Iterator<Item = &'value Value> {
    value[key].as_array().into_iter().flatten()
}

fn remove(value: &mut Value, key: &str) -> Option<Value> {
    value.as_object_mut()?.shift_remove(key)
}
