//! One object in the several versions in which a server serves it (`pkg/apis/*/*/conversion.go`).
//!
//! The store keeps the newest served version; every other is made of it, and turned into it again.

mod autoscalers;
mod budgets;
mod definitions;
mod slices;

pub(super) use autoscalers::complete as complete_status;
pub(super) use autoscalers::usual as usual_metrics;

use super::registry::Resource;
use serde_json::Value;
use serde_json::json;

/// The version in which the objects of a resource are kept.
pub(super) fn kept(resource: &Resource) -> String {
    // Kubernetes 1.21 prefers the oldest version of autoscalers, which says the least.
    let newest = ["v2", "v2beta2"]
        .into_iter()
        .find(|version| resource.versions.iter().any(|one| one == version));
    let version = match newest {
        Some(version) if resource.kind == "HorizontalPodAutoscaler" => version,
        _ => resource.versions.first().map_or("", String::as_str),
    };
    resource.api_version(version)
}

/// The object in this version, `group/version`. Custom resources differ in the name of the version alone.
pub(super) fn convert(mut object: Value, api_version: &str) -> Value {
    if object["apiVersion"] == api_version {
        return object;
    }
    let version = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let from = version(object["apiVersion"].as_str().unwrap_or_default());
    let to = version(api_version);
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            definitions::convert(&mut object["spec"], &to);
        }
        ("autoscaling", "HorizontalPodAutoscaler") => {
            autoscalers::convert(&mut object, &from, &to);
        }
        ("policy", "PodDisruptionBudget") => budgets::convert(&mut object["spec"], &to),
        ("discovery.k8s.io", "EndpointSlice") => slices::convert(&mut object, &to),
        _ => {}
    }
    object["apiVersion"] = json!(api_version);
    object
}
