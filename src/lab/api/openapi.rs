//! `OpenAPI` v3, as `kubectl apply` and `kubectl explain` read it: which parameters a patch takes, and the fields of
//! each kind with their documentation.

use super::object;
use super::object::items;
use super::registry::Resource;
use super::server::State;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authorization::v1 as authorization;
use k8s_openapi::api::autoscaling::v1 as autoscaling_v1;
use k8s_openapi::api::autoscaling::v2 as autoscaling;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Where references point to.
const SCHEMAS: &str = "/components/schemas";

/// Answers `/openapi/v3` and what lies below; none where nothing is there.
pub(super) fn answer(path: &str, state: &State, minor: u32) -> Option<Value> {
    let below = path.strip_prefix("/openapi/v3")?;
    let groups = groups(state);
    if below.is_empty() || below == "/" {
        let paths: Map<String, Value> = groups
            .iter()
            .map(|(path, served)| {
                let hash = hash(state, served, minor);
                let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")});
                (path.clone(), url)
            })
            .collect();
        return Some(json!({"paths": paths}));
    }
    let path = below.trim_start_matches('/');
    Some(document(state, path, groups.get(path)?, minor))
}

type Served<'state> = (&'state Arc<Resource>, &'state String);

fn groups(state: &State) -> BTreeMap<String, Vec<Served<'_>>> {
    let mut groups: BTreeMap<String, Vec<Served<'_>>> = BTreeMap::new();
    for resource in state.registry.iter() {
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

/// Changes with all that a document is made of: clients keep one for as long as this is the same.
fn hash(state: &State, served: &[Served<'_>], minor: u32) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{}/{minor}", env!("CARGO_PKG_VERSION")));
    for (resource, version) in served {
        let definition = state
            .definition(resource)
            .map(|one| object::meta(one, "resourceVersion"));
        digest.update(format!("{resource:?}/{version}/{definition:?}"));
    }
    digest
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02X}");
            text
        })
}

fn document(state: &State, path: &str, served: &[Served<'_>], minor: u32) -> Value {
    let mut generator = SchemaSettings::openapi3()
        .with(|settings| settings.definitions_path = SCHEMAS.into())
        .into_generator();
    let mut paths = Map::new();
    let mut own = Map::new();
    let mut kinds = BTreeMap::new();
    for (resource, version) in served {
        let place = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let kind = json!({"group": resource.group, "version": version, "kind": resource.kind});
        paths.insert(
            format!("/{path}{place}/{}/{{name}}", resource.plural),
            json!({"patch": patch(resource, &kind)}),
        );
        let name = if let Some(definition) = state.definition(resource) {
            generator.subschema_for::<ObjectMeta>();
            let name = custom_name(resource, version);
            own.insert(name.clone(), custom(definition, version));
            name
        } else if let Some(describe) = typed(&resource.api_version(version), &resource.kind) {
            local_name(&describe(&mut generator))
        } else {
            let name = format!("io.k8s.api.{}.{version}.{}", resource.group, resource.kind);
            own.insert(name.clone(), outline(&resource.kind));
            name
        };
        kinds.insert(name, kind);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.append(&mut own);
    for (name, kind) in kinds {
        if let Some(Value::Object(schema)) = schemas.get_mut(&name) {
            // The bindings want it; the server does not.
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|field| field != "metadata");
            }
            schema.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind]));
        }
    }
    json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": format!("v1.{minor}.0")}, "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// No strategic merge patch is offered here, so that kubectl takes the merge keys that it has built in.
fn patch(resource: &Resource, kind: &Value) -> Value {
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
        "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind,
    })
}

/// The name of the schema that a reference points to.
fn local_name(reference: &Schema) -> String {
    let text = reference
        .get("$ref")
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.rsplit('/').next().unwrap_or_default().to_owned()
}

/// `com.example.v1.Widget` for the group `example.com`.
fn custom_name(resource: &Resource, version: &str) -> String {
    let mut parts: Vec<&str> = resource.group.rsplit('.').collect();
    parts.extend([version, &resource.kind]);
    parts.join(".")
}

/// The schema of a CRD's version, with the fields that every object has.
fn custom(definition: &Value, version: &str) -> Value {
    let spec = &definition["spec"];
    let of_version = items(spec, "versions")
        .find(|one| one["name"] == version)
        .map(|one| &one["schema"]["openAPIV3Schema"])
        .filter(|schema| schema.is_object());
    let mut schema = of_version
        .cloned()
        .unwrap_or_else(|| json!({"type": "object"}));
    let meta = format!("#{SCHEMAS}/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    schema["properties"]["apiVersion"] = json!({"type": "string", "description": API_VERSION});
    schema["properties"]["kind"] = json!({"type": "string", "description": KIND});
    schema["properties"]["metadata"] = json!({"allOf": [{"$ref": meta}], "description": METADATA});
    schema
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// What stands for a version that today's Kubernetes has not.
fn outline(kind: &str) -> Value {
    json!({
        "type": "object", "description": format!("{kind}, in a version that is no longer served today."),
        "properties": {
            "apiVersion": {"type": "string", "description": API_VERSION},
            "kind": {"type": "string", "description": KIND},
            "metadata": {"type": "object", "description": METADATA, "x-kubernetes-preserve-unknown-fields": true},
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    })
}

type Describe = fn(&mut SchemaGenerator) -> Schema;

/// What makes the schema of a built-in kind and all that it refers to.
fn typed(version: &str, kind: &str) -> Option<Describe> {
    let describe: Describe = match (version, kind) {
        ("v1", "Namespace") => SchemaGenerator::subschema_for::<core::Namespace>,
        ("v1", "Pod") => SchemaGenerator::subschema_for::<core::Pod>,
        ("v1", "Service") => SchemaGenerator::subschema_for::<core::Service>,
        ("v1", "Endpoints") => SchemaGenerator::subschema_for::<core::Endpoints>,
        ("v1", "ConfigMap") => SchemaGenerator::subschema_for::<core::ConfigMap>,
        ("v1", "Secret") => SchemaGenerator::subschema_for::<core::Secret>,
        ("v1", "ServiceAccount") => SchemaGenerator::subschema_for::<core::ServiceAccount>,
        ("v1", "Node") => SchemaGenerator::subschema_for::<core::Node>,
        ("v1", "Event") => SchemaGenerator::subschema_for::<core::Event>,
        ("v1", "ResourceQuota") => SchemaGenerator::subschema_for::<core::ResourceQuota>,
        ("v1", "LimitRange") => SchemaGenerator::subschema_for::<core::LimitRange>,
        ("v1", "PersistentVolumeClaim") => {
            SchemaGenerator::subschema_for::<core::PersistentVolumeClaim>
        }
        ("v1", "PersistentVolume") => SchemaGenerator::subschema_for::<core::PersistentVolume>,
        ("v1", "ReplicationController") => {
            SchemaGenerator::subschema_for::<core::ReplicationController>
        }
        ("apps/v1", "Deployment") => SchemaGenerator::subschema_for::<apps::Deployment>,
        ("apps/v1", "ReplicaSet") => SchemaGenerator::subschema_for::<apps::ReplicaSet>,
        ("apps/v1", "StatefulSet") => SchemaGenerator::subschema_for::<apps::StatefulSet>,
        ("apps/v1", "DaemonSet") => SchemaGenerator::subschema_for::<apps::DaemonSet>,
        ("apps/v1", "ControllerRevision") => {
            SchemaGenerator::subschema_for::<apps::ControllerRevision>
        }
        ("batch/v1", "Job") => SchemaGenerator::subschema_for::<batch::Job>,
        ("batch/v1", "CronJob") => SchemaGenerator::subschema_for::<batch::CronJob>,
        ("policy/v1", "PodDisruptionBudget") => {
            SchemaGenerator::subschema_for::<policy::PodDisruptionBudget>
        }
        ("autoscaling/v1", "HorizontalPodAutoscaler") => {
            SchemaGenerator::subschema_for::<autoscaling_v1::HorizontalPodAutoscaler>
        }
        ("autoscaling/v2", "HorizontalPodAutoscaler") => {
            SchemaGenerator::subschema_for::<autoscaling::HorizontalPodAutoscaler>
        }
        ("discovery.k8s.io/v1", "EndpointSlice") => {
            SchemaGenerator::subschema_for::<discovery::EndpointSlice>
        }
        ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration") => {
            SchemaGenerator::subschema_for::<admission::MutatingWebhookConfiguration>
        }
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration") => {
            SchemaGenerator::subschema_for::<admission::ValidatingWebhookConfiguration>
        }
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => {
            SchemaGenerator::subschema_for::<extensions::CustomResourceDefinition>
        }
        ("rbac.authorization.k8s.io/v1", "Role") => SchemaGenerator::subschema_for::<rbac::Role>,
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => {
            SchemaGenerator::subschema_for::<rbac::RoleBinding>
        }
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => {
            SchemaGenerator::subschema_for::<rbac::ClusterRole>
        }
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
            SchemaGenerator::subschema_for::<rbac::ClusterRoleBinding>
        }
        ("coordination.k8s.io/v1", "Lease") => {
            SchemaGenerator::subschema_for::<coordination::Lease>
        }
        ("networking.k8s.io/v1", "Ingress") => {
            SchemaGenerator::subschema_for::<networking::Ingress>
        }
        ("networking.k8s.io/v1", "NetworkPolicy") => {
            SchemaGenerator::subschema_for::<networking::NetworkPolicy>
        }
        ("scheduling.k8s.io/v1", "PriorityClass") => {
            SchemaGenerator::subschema_for::<scheduling::PriorityClass>
        }
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => {
            SchemaGenerator::subschema_for::<authorization::SelfSubjectAccessReview>
        }
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => {
            SchemaGenerator::subschema_for::<authorization::SelfSubjectRulesReview>
        }
        ("authorization.k8s.io/v1", "SubjectAccessReview") => {
            SchemaGenerator::subschema_for::<authorization::SubjectAccessReview>
        }
        _ => return None,
    };
    Some(describe)
}
