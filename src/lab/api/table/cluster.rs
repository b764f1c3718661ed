//! The columns of all that does not run: networking, configuration, access, nodes.

use super::super::object;
use super::super::object::items;
use super::AGE;
use super::CREATED;
use super::Column;
use super::NAME;
use super::cell;
use super::cell::NONE;
use serde_json::Value;
use serde_json::json;

const NAMESPACES: &[Column] = &[
    NAME,
    ("Status", false, |item, _| item["status"]["phase"].clone()),
    AGE,
];

const SERVICES: &[Column] = &[
    NAME,
    ("Type", false, |item, _| item["spec"]["type"].clone()),
    ("Cluster-IP", false, |item, _| {
        json!(cell::text_or(&item["spec"]["clusterIP"], NONE))
    }),
    ("External-IP", false, |item, _| json!(external(item))),
    ("Port(s)", false, |item, _| json!(ports(item))),
    AGE,
    ("Selector", true, |item, _| {
        json!(cell::pairs(&item["spec"]["selector"]))
    }),
];

const ENDPOINTS: &[Column] = &[
    NAME,
    ("Endpoints", false, |item, _| json!(endpoints(item))),
    AGE,
];

const SLICES: &[Column] = &[
    NAME,
    ("AddressType", false, |item, _| item["addressType"].clone()),
    ("Ports", false, |item, _| {
        let ports: Vec<String> = items(item, "ports")
            .map(|port| {
                if port["port"].is_null() {
                    "*".to_owned()
                } else {
                    port["port"].to_string()
                }
            })
            .collect();
        json!(cell::first_three(&ports, "<unset>"))
    }),
    ("Endpoints", false, |item, _| {
        let addresses: Vec<String> = items(item, "endpoints")
            .flat_map(|one| items(one, "addresses"))
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect();
        json!(cell::first_three(&addresses, "<unset>"))
    }),
    AGE,
];

const INGRESSES: &[Column] = &[
    NAME,
    ("Class", false, |item, _| {
        json!(cell::text_or(&item["spec"]["ingressClassName"], NONE))
    }),
    ("Hosts", false, |item, _| {
        let hosts = items(&item["spec"], "rules").filter_map(|rule| rule["host"].as_str());
        json!(cell::list(hosts).replace(NONE, "*"))
    }),
    ("Address", false, |item, _| json!(addresses(item))),
    ("Ports", false, |item, _| {
        json!(if item["spec"]["tls"].is_array() {
            "80, 443"
        } else {
            "80"
        })
    }),
    AGE,
];

const POLICIES: &[Column] = &[
    NAME,
    ("Pod-Selector", false, |item, _| {
        json!(cell::selector(&item["spec"]["podSelector"]))
    }),
    AGE,
];

const CONFIG_MAPS: &[Column] = &[
    NAME,
    ("Data", false, |item, _| {
        json!(entries(&item["data"]) + entries(&item["binaryData"]))
    }),
    AGE,
];

const SECRETS: &[Column] = &[
    NAME,
    ("Type", false, |item, _| item["type"].clone()),
    ("Data", false, |item, _| json!(entries(&item["data"]))),
    AGE,
];

const QUOTAS: &[Column] = &[
    NAME,
    ("Request", false, |item, _| json!(quota(item, false))),
    ("Limit", false, |item, _| json!(quota(item, true))),
    AGE,
];

const CLAIMS: &[Column] = &[
    NAME,
    ("Status", false, |item, _| item["status"]["phase"].clone()),
    ("Volume", false, |item, _| {
        json!(cell::text_or(&item["spec"]["volumeName"], ""))
    }),
    ("Capacity", false, |item, _| {
        json!(cell::text_or(&item["status"]["capacity"]["storage"], ""))
    }),
    ("Access Modes", false, |item, _| {
        json!(modes(&item["status"]))
    }),
    ("StorageClass", false, |item, _| {
        json!(cell::text_or(&item["spec"]["storageClassName"], ""))
    }),
    ("VolumeAttributesClass", false, |item, _| {
        json!(cell::text_or(
            &item["spec"]["volumeAttributesClassName"],
            "<unset>"
        ))
    }),
    AGE,
    ("VolumeMode", true, |item, _| {
        json!(cell::text_or(&item["spec"]["volumeMode"], "<unset>"))
    }),
];

const LEASES: &[Column] = &[
    NAME,
    ("Holder", false, |item, _| {
        item["spec"]["holderIdentity"].clone()
    }),
    AGE,
];

const BINDINGS: &[Column] = &[
    NAME,
    ("Role", false, |item, _| {
        let role = &item["roleRef"];
        json!(format!(
            "{}/{}",
            cell::text_or(&role["kind"], ""),
            cell::text_or(&role["name"], "")
        ))
    }),
    AGE,
    ("Users", true, |item, _| json!(subjects(item, "User"))),
    ("Groups", true, |item, _| json!(subjects(item, "Group"))),
    ("ServiceAccounts", true, |item, _| {
        json!(subjects(item, "ServiceAccount"))
    }),
];

const WEBHOOKS: &[Column] = &[
    NAME,
    ("Webhooks", false, |item, _| {
        json!(items(item, "webhooks").count())
    }),
    AGE,
];

const PRIORITIES: &[Column] = &[
    NAME,
    ("Value", false, |item, _| item["value"].clone()),
    ("Global-Default", false, |item, _| {
        json!(item["globalDefault"] == true)
    }),
    AGE,
    ("PreemptionPolicy", false, |item, _| {
        item["preemptionPolicy"].clone()
    }),
];

const NODES: &[Column] = &[
    NAME,
    ("Status", false, |item, _| json!(node_status(item))),
    ("Roles", false, |item, _| json!(roles(item))),
    AGE,
    ("Version", false, |item, _| {
        json!(cell::text_or(
            &item["status"]["nodeInfo"]["kubeletVersion"],
            ""
        ))
    }),
    ("Internal-IP", true, |item, _| {
        json!(node_address(item, "InternalIP"))
    }),
    ("External-IP", true, |item, _| {
        json!(node_address(item, "ExternalIP"))
    }),
    ("OS-Image", true, |item, _| {
        json!(node_info(item, "osImage"))
    }),
    ("Kernel-Version", true, |item, _| {
        json!(node_info(item, "kernelVersion"))
    }),
    ("Container-Runtime", true, |item, _| {
        json!(node_info(item, "containerRuntimeVersion"))
    }),
];

const EVENTS: &[Column] = &[
    ("Last Seen", false, |item, now| {
        let last = [&item["lastTimestamp"], &item["eventTime"]];
        let last = last.into_iter().find(|time| time.is_string());
        json!(cell::since(last.unwrap_or(&Value::Null), now))
    }),
    ("Type", false, |item, _| item["type"].clone()),
    ("Reason", false, |item, _| item["reason"].clone()),
    ("Object", false, |item, _| {
        let about = &item["involvedObject"];
        let kind = cell::text_or(&about["kind"], "").to_lowercase();
        json!(format!("{kind}/{}", cell::text_or(&about["name"], "")))
    }),
    ("Message", false, |item, _| item["message"].clone()),
    ("Name", true, |item, _| json!(object::name(item))),
];

/// The columns of a resource (`plural.group`) that is not made of pods.
pub(super) fn columns(resource: &str) -> Option<&'static [Column]> {
    Some(match resource {
        "namespaces" => NAMESPACES,
        "services" => SERVICES,
        "endpoints" => ENDPOINTS,
        "endpointslices.discovery.k8s.io" => SLICES,
        "ingresses.networking.k8s.io" => INGRESSES,
        "networkpolicies.networking.k8s.io" => POLICIES,
        "configmaps" => CONFIG_MAPS,
        "secrets" => SECRETS,
        "resourcequotas" => QUOTAS,
        "persistentvolumeclaims" => CLAIMS,
        "leases.coordination.k8s.io" => LEASES,
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => BINDINGS,
        "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        | "validatingwebhookconfigurations.admissionregistration.k8s.io" => WEBHOOKS,
        "priorityclasses.scheduling.k8s.io" => PRIORITIES,
        "nodes" => NODES,
        "events" => EVENTS,
        "limitranges"
        | "roles.rbac.authorization.k8s.io"
        | "clusterroles.rbac.authorization.k8s.io"
        | "customresourcedefinitions.apiextensions.k8s.io" => &[NAME, CREATED],
        _ => return None,
    })
}

fn entries(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}

/// Where a load balancer has put it: addresses or names.
fn addresses(item: &Value) -> String {
    items(&item["status"]["loadBalancer"], "ingress")
        .filter_map(|one| one["ip"].as_str().or(one["hostname"].as_str()))
        .collect::<Vec<_>>()
        .join(",")
}

fn external(service: &Value) -> String {
    let spec = &service["spec"];
    let listed = cell::list(items(spec, "externalIPs").filter_map(Value::as_str));
    match spec["type"].as_str() {
        Some("ExternalName") => cell::text_or(&spec["externalName"], "").to_owned(),
        Some("LoadBalancer") => match (addresses(service).as_str(), listed.as_str()) {
            ("", NONE) => "<pending>".to_owned(),
            ("", listed) => listed.to_owned(),
            (given, NONE) => given.to_owned(),
            (given, listed) => format!("{given},{listed}"),
        },
        _ => listed,
    }
}

fn ports(service: &Value) -> String {
    let texts: Vec<String> = items(&service["spec"], "ports")
        .map(|port| {
            let node = match port["nodePort"].as_u64() {
                Some(node @ 1..) => format!(":{node}"),
                _ => String::new(),
            };
            let protocol = cell::text_or(&port["protocol"], "TCP");
            format!("{}{node}/{protocol}", port["port"])
        })
        .collect();
    cell::list(texts.iter().map(String::as_str))
}

fn endpoints(item: &Value) -> String {
    let mut all = Vec::new();
    for subset in items(item, "subsets") {
        let addresses = || items(subset, "addresses").filter_map(|one| one["ip"].as_str());
        if items(subset, "ports").next().is_none() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in items(subset, "ports") {
            all.extend(addresses().map(|address| format!("{address}:{}", port["port"])));
        }
    }
    cell::first_three(&all, NONE)
}

/// `used/hard` of what is asked for, or of what is the limit.
fn quota(item: &Value, limits: bool) -> String {
    let status = &item["status"];
    let texts: Vec<String> = status["hard"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("limits") == limits)
        .map(|(name, hard)| {
            let used = cell::text_or(&status["used"][name], "0");
            format!("{name}: {used}/{}", cell::text_or(hard, "0"))
        })
        .collect();
    texts.join(", ")
}

/// Access modes, abbreviated.
fn modes(status: &Value) -> String {
    let short = |mode: &Value| match mode.as_str() {
        Some("ReadWriteOnce") => "RWO",
        Some("ReadOnlyMany") => "ROX",
        Some("ReadWriteMany") => "RWX",
        Some("ReadWriteOncePod") => "RWOP",
        _ => "",
    };
    let texts: Vec<&str> = items(status, "accessModes").map(short).collect();
    texts.join(",")
}

fn subjects(binding: &Value, kind: &str) -> String {
    let texts: Vec<String> = items(binding, "subjects")
        .filter(|subject| subject["kind"] == kind)
        .map(|subject| {
            let name = cell::text_or(&subject["name"], "");
            match subject["namespace"].as_str() {
                Some(namespace) if kind == "ServiceAccount" => format!("{namespace}/{name}"),
                _ => name.to_owned(),
            }
        })
        .collect();
    texts.join(", ")
}

fn node_status(node: &Value) -> String {
    let ready = items(&node["status"], "conditions").find(|one| one["type"] == "Ready");
    let word = match ready.map(|one| one["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    };
    if node["spec"]["unschedulable"] == true {
        format!("{word},SchedulingDisabled")
    } else {
        word.to_owned()
    }
}

fn roles(node: &Value) -> String {
    let mut roles: Vec<&str> = object::labels(node)
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    roles.sort_unstable();
    cell::list(roles.into_iter())
}

fn node_address<'node>(node: &'node Value, kind: &str) -> &'node str {
    items(&node["status"], "addresses")
        .find(|one| one["type"] == kind)
        .map_or(NONE, |one| cell::text_or(&one["address"], NONE))
}

fn node_info<'node>(node: &'node Value, field: &str) -> &'node str {
    cell::text_or(&node["status"]["nodeInfo"][field], "<unknown>")
}
