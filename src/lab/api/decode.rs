//! What typed decoding does to a written object of a built-in kind: fields that the type has not are found and dropped,
//! values of the wrong type are refused.

use super::status_error::Cause;
use super::status_error::StatusError;
use k8s_openapi::Resource;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::api::apps::v1 as apps;
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
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What becomes of fields that the type has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the answer says so.
    Warn,
    /// They are refused.
    Strict,
}

impl Validation {
    /// Reads the parameter `fieldValidation`; `options` names the verb's options.
    pub(super) fn parse(text: &str, options: &str) -> Result<Self, StatusError> {
        match text {
            "Ignore" => Ok(Self::Ignore),
            "" | "Warn" => Ok(Self::Warn),
            "Strict" => Ok(Self::Strict),
            other => {
                let cause = Cause::unsupported(
                    "fieldValidation",
                    &Value::from(other),
                    &["", "Ignore", "Strict", "Warn"],
                );
                Err(StatusError::invalid(options, "meta.k8s.io", "", &[cause]))
            }
        }
    }
}

/// Drops the fields that the type has not, and gives their paths. The error is why the object is none of its type.
pub(super) fn prune(object: &mut Value) -> Result<Vec<String>, String> {
    numbers_to_quantities(object);
    let Some(known) = typed(object) else {
        return Ok(Vec::new());
    };
    let known = known.map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    drop_unknown(object, &known, "", &mut unknown);
    Ok(unknown)
}

fn round_trip<T: Resource + DeserializeOwned + Serialize>(
    object: &Value,
) -> Result<Value, serde_json::Error> {
    if object["apiVersion"] == T::API_VERSION {
        return serde_json::to_value(T::deserialize(object)?);
    }
    // A type knows one version of the several that have its fields.
    let mut object = object.clone();
    object["apiVersion"] = T::API_VERSION.into();
    serde_json::to_value(T::deserialize(object)?)
}

/// The object as its type keeps it; none where the type is not known here.
fn typed(object: &Value) -> Option<Result<Value, serde_json::Error>> {
    let version = object["apiVersion"].as_str()?;
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let read = match (group, object["kind"].as_str()?) {
        ("", "Namespace") => round_trip::<core::Namespace>,
        ("", "Pod") => round_trip::<core::Pod>,
        ("", "Service") => round_trip::<core::Service>,
        ("", "ConfigMap") => round_trip::<core::ConfigMap>,
        ("", "Secret") => round_trip::<core::Secret>,
        ("", "ServiceAccount") => round_trip::<core::ServiceAccount>,
        ("", "Endpoints") => round_trip::<core::Endpoints>,
        ("", "Node") => round_trip::<core::Node>,
        ("", "ResourceQuota") => round_trip::<core::ResourceQuota>,
        ("", "LimitRange") => round_trip::<core::LimitRange>,
        ("", "PersistentVolumeClaim") => round_trip::<core::PersistentVolumeClaim>,
        ("", "ReplicationController") => round_trip::<core::ReplicationController>,
        ("apps", "Deployment") => round_trip::<apps::Deployment>,
        ("apps", "ReplicaSet") => round_trip::<apps::ReplicaSet>,
        ("apps", "StatefulSet") => round_trip::<apps::StatefulSet>,
        ("apps", "DaemonSet") => round_trip::<apps::DaemonSet>,
        ("apps", "ControllerRevision") => round_trip::<apps::ControllerRevision>,
        ("batch", "Job") => round_trip::<batch::Job>,
        ("batch", "CronJob") => round_trip::<batch::CronJob>,
        ("policy", "PodDisruptionBudget") => round_trip::<policy::PodDisruptionBudget>,
        // Where the older version has other fields, only the newer is known.
        ("autoscaling", "HorizontalPodAutoscaler") if version == "autoscaling/v2" => {
            round_trip::<autoscaling::HorizontalPodAutoscaler>
        }
        ("coordination.k8s.io", "Lease") => round_trip::<coordination::Lease>,
        ("discovery.k8s.io", "EndpointSlice") if version == "discovery.k8s.io/v1" => {
            round_trip::<discovery::EndpointSlice>
        }
        ("networking.k8s.io", "Ingress") => round_trip::<networking::Ingress>,
        ("networking.k8s.io", "NetworkPolicy") => round_trip::<networking::NetworkPolicy>,
        ("scheduling.k8s.io", "PriorityClass") => round_trip::<scheduling::PriorityClass>,
        ("rbac.authorization.k8s.io", "Role") => round_trip::<rbac::Role>,
        ("rbac.authorization.k8s.io", "RoleBinding") => round_trip::<rbac::RoleBinding>,
        ("rbac.authorization.k8s.io", "ClusterRole") => round_trip::<rbac::ClusterRole>,
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            round_trip::<rbac::ClusterRoleBinding>
        }
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => {
            round_trip::<admission::MutatingWebhookConfiguration>
        }
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            round_trip::<admission::ValidatingWebhookConfiguration>
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition")
            if version == "apiextensions.k8s.io/v1" =>
        {
            round_trip::<extensions::CustomResourceDefinition>
        }
        _ => return None,
    };
    Some(read(object))
}

fn drop_unknown(value: &mut Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (value, known) {
        (Value::Object(map), Value::Object(known)) => map.retain(|key, member| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let Some(known) = known.get(key) else {
                // What is empty may be known and left out.
                let says = match member {
                    Value::Null => false,
                    Value::Object(map) => !map.is_empty(),
                    Value::Array(list) => !list.is_empty(),
                    _ => true,
                };
                if says {
                    unknown.push(path);
                }
                return !says;
            };
            drop_unknown(member, known, &path, unknown);
            true
        }),
        (Value::Array(list), Value::Array(known)) => {
            for (at, (item, known)) in list.iter_mut().zip(known).enumerate() {
                drop_unknown(item, known, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Quantities may be written as numbers, and are kept as text.
fn numbers_to_quantities(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(numbers_to_quantities),
        Value::Object(map) => {
            for (key, member) in map {
                if matches!(key.as_str(), "limits" | "requests" | "capacity" | "hard")
                    && let Value::Object(amounts) = member
                {
                    for amount in amounts.values_mut().filter(|amount| amount.is_number()) {
                        *amount = Value::String(amount.to_string());
                    }
                }
                numbers_to_quantities(member);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::prune;

    /// Istio up to 1.6 installs webhooks and roles of versions that Kubernetes 1.22 dropped.
    #[test]
    fn older_versions_of_the_same_fields_are_read() {
        for (version, kind) in [
            (
                "admissionregistration.k8s.io/v1beta1",
                "MutatingWebhookConfiguration",
            ),
            (
                "admissionregistration.k8s.io/v1beta1",
                "ValidatingWebhookConfiguration",
            ),
            ("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding"),
            ("coordination.k8s.io/v1beta1", "Lease"),
            ("policy/v1beta1", "PodDisruptionBudget"),
            ("batch/v1beta1", "CronJob"),
            ("networking.k8s.io/v1beta1", "Ingress"),
        ] {
            let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" }, "tpyo": 1 });
            assert_eq!(prune(&mut object), Ok(vec!["tpyo".to_owned()]), "{kind}");
            assert_eq!(object["apiVersion"], version);
        }
    }
}
