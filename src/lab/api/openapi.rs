//! `OpenAPI` v3, as much as `kubectl apply` and `kubectl explain` ask for: which parameters a patch takes, and the
//! outermost fields of each kind.

use super::registry::Registry;
use super::registry::Resource;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers `/openapi/v3` and what lies below; none where nothing is there.
pub(super) fn answer(path: &str, registry: &Registry) -> Option<Value> {
    let below = path.strip_prefix("/openapi/v3")?;
    let groups = groups(registry);
    if below.is_empty() || below == "/" {
        let paths: Map<String, Value> = groups
            .keys()
            .map(|path| {
                let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=LAB")});
                (path.clone(), url)
            })
            .collect();
        return Some(json!({"paths": paths}));
    }
    let path = below.trim_start_matches('/');
    let resources = groups.get(path)?;
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for (resource, version) in resources {
        let place = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        paths.insert(
            format!("/{path}{place}/{}/{{name}}", resource.plural),
            json!({"patch": patch(resource, version)}),
        );
        schemas.insert(schema_name(resource, version), schema(resource, version));
    }
    Some(json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "lab"}, "paths": paths, "components": {"schemas": schemas},
    }))
}

type Served<'registry> = (&'registry Arc<Resource>, &'registry String);

fn groups(registry: &Registry) -> BTreeMap<String, Vec<Served<'_>>> {
    let mut groups: BTreeMap<String, Vec<Served<'_>>> = BTreeMap::new();
    for resource in registry.iter() {
        for version in &resource.versions {
            let root = if resource.group.is_empty() {
                "api"
            } else {
                "apis"
            };
            let path = format!("{root}/{}", resource.api_version(version));
            groups.entry(path).or_default().push((resource, version));
        }
    }
    groups
}

fn kind_of(resource: &Resource, version: &str) -> Value {
    json!({"group": resource.group, "version": version, "kind": resource.kind})
}

/// No strategic merge patch is offered here, so that kubectl takes the merge keys that it has built in.
fn patch(resource: &Resource, version: &str) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let parameters: Vec<Value> = [
        "pretty",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
    ]
    .map(parameter)
    .to_vec();
    json!({
        "operationId": format!("patch{}", resource.kind), "parameters": parameters,
        "requestBody": {"content": {"application/json-patch+json": {}, "application/merge-patch+json": {}, "application/apply-patch+yaml": {}}},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind_of(resource, version),
    })
}

fn schema_name(resource: &Resource, version: &str) -> String {
    let group = if resource.group.is_empty() {
        "core"
    } else {
        resource.group.split('.').next().unwrap_or_default()
    };
    format!("io.k8s.api.{group}.{version}.{}", resource.kind)
}

fn schema(resource: &Resource, version: &str) -> Value {
    let field = |kind: &str, text: &str| json!({"type": kind, "description": text});
    json!({
        "type": "object", "description": format!("{} of the lab's API server.", resource.kind),
        "properties": {
            "apiVersion": field("string", "APIVersion defines the versioned schema of this representation of an object."),
            "kind": field("string", "Kind is a string value representing the REST resource this object represents."),
            "metadata": field("object", "Standard object's metadata."),
            "spec": field("object", "Specification of the desired behavior."),
            "status": field("object", "Most recently observed status."),
        },
        "x-kubernetes-group-version-kind": [kind_of(resource, version)],
    })
}
