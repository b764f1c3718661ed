//! What the server serves: `/version`, `/api`, `/apis`, legacy and aggregated.

use super::registry::Registry;
use super::registry::Resource;
use super::server::Shared;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers a discovery path; none where the path is not of discovery.
pub(super) fn answer(
    path: &str,
    aggregated: Option<&str>,
    registry: &Registry,
    shared: &Shared,
) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (parts.as_slice(), aggregated) {
        (["version"], _) => Some(version(shared)),
        (["api"], Some(version)) => Some(aggregate(registry, true, version)),
        (["apis"], Some(version)) => Some(aggregate(registry, false, version)),
        (["api"], None) => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
        })),
        (["apis"], None) => {
            let groups: Vec<Value> = groups(registry)
                .iter()
                .map(|(name, versions)| group(name, versions))
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        (["apis", name], _) => {
            let groups = groups(registry);
            let Value::Object(mut found) = group(name, groups.get(*name)?) else {
                return None;
            };
            let mut whole = json!({"kind": "APIGroup", "apiVersion": "v1"});
            whole.as_object_mut()?.append(&mut found);
            Some(whole)
        }
        (["api", version], _) => resources(registry, "", version),
        (["apis", group, version], _) => resources(registry, group, version),
        _ => None,
    }
}

fn version(shared: &Shared) -> Value {
    json!({
        "major": "1", "minor": shared.minor.to_string(), "gitVersion": shared.version,
        "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.24.0", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// Each named group with its versions, the preferred first.
fn groups(registry: &Registry) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in registry
        .iter()
        .filter(|resource| !resource.group.is_empty())
    {
        let versions = groups.entry(&resource.group).or_default();
        for version in &resource.versions {
            if !versions.contains(&version.as_str()) {
                versions.push(version);
            }
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let entry =
        |version: &&str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": versions.iter().map(entry).collect::<Vec<_>>(), "preferredVersion": versions.first().map(entry)})
}

fn served<'registry>(
    registry: &'registry Registry,
    group: &str,
    version: &str,
) -> Vec<&'registry Arc<Resource>> {
    registry
        .iter()
        .filter(|resource| {
            resource.group == group && resource.versions.iter().any(|one| one == version)
        })
        .collect()
}

fn verbs(resource: &Resource) -> Value {
    if resource.is_stored() {
        json!([
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch"
        ])
    } else {
        json!(["create"])
    }
}

/// The kind that a subresource speaks, with its group and version where they differ from the resource's.
fn subresource_kind(
    resource: &Resource,
    subresource: &str,
) -> (&'static str, &'static str, String) {
    match subresource {
        "scale" => ("autoscaling", "v1", "Scale".to_owned()),
        "eviction" => ("policy", "v1", "Eviction".to_owned()),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest".to_owned()),
        "portforward" => ("", "v1", "PodPortForwardOptions".to_owned()),
        "exec" => ("", "v1", "PodExecOptions".to_owned()),
        "attach" => ("", "v1", "PodAttachOptions".to_owned()),
        "proxy" => ("", "v1", format!("{}ProxyOptions", resource.kind)),
        "binding" => ("", "v1", "Binding".to_owned()),
        _ => ("", "", resource.kind.clone()),
    }
}

fn subresource_verbs(subresource: &str) -> Value {
    match subresource {
        "eviction" | "token" | "binding" => json!(["create"]),
        "portforward" | "exec" | "attach" => json!(["create", "get"]),
        "log" => json!(["get"]),
        "finalize" => json!(["update"]),
        "proxy" => json!(["create", "delete", "get", "patch", "update"]),
        _ => json!(["get", "patch", "update"]),
    }
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let found = served(registry, group, version);
    let first = found.first()?;
    let mut list = Vec::new();
    for resource in &found {
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": verbs(resource),
        });
        for (key, words) in [
            ("shortNames", &resource.short_names),
            ("categories", &resource.categories),
        ] {
            if !words.is_empty() {
                entry[key] = json!(words);
            }
        }
        list.push(entry);
        for subresource in &resource.subresources {
            let (group, version, kind) = subresource_kind(resource, subresource);
            let mut entry = json!({
                "name": format!("{}/{subresource}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
                "kind": kind, "verbs": subresource_verbs(subresource),
            });
            if !version.is_empty() && !group.is_empty() {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            list.push(entry);
        }
    }
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(version), "resources": list}),
    )
}

fn aggregate(registry: &Registry, core: bool, served_as: &str) -> Value {
    let groups = if core {
        BTreeMap::from([("", vec!["v1"])])
    } else {
        groups(registry)
    };
    let items: Vec<Value> = groups
        .iter()
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let found: Vec<Value> = served(registry, name, version)
                        .iter()
                        .map(|resource| aggregate_resource(resource, version))
                        .collect();
                    json!({"version": version, "resources": found, "freshness": "Current"})
                })
                .collect();
            let metadata = if name.is_empty() {
                json!({"creationTimestamp": null})
            } else {
                json!({"name": name, "creationTimestamp": null})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{served_as}"), "metadata": {}, "items": items})
}

fn aggregate_resource(resource: &Resource, version: &str) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let (group, special, name) = subresource_kind(resource, subresource);
            let answered = if special.is_empty() { kind(&resource.group, version, &name) } else { kind(group, special, &name) };
            json!({"subresource": subresource, "responseKind": answered, "verbs": subresource_verbs(subresource)})
        })
        .collect();
    let mut entry = json!({
        "resource": resource.plural, "responseKind": kind(&resource.group, version, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" }, "singularResource": resource.singular, "verbs": verbs(resource),
    });
    for (key, words) in [
        ("shortNames", &resource.short_names),
        ("categories", &resource.categories),
    ] {
        if !words.is_empty() {
            entry[key] = json!(words);
        }
    }
    if !subresources.is_empty() {
        entry["subresources"] = json!(subresources);
    }
    entry
}
