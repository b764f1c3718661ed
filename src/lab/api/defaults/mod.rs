//! The values that the server fills in, kind by kind (`pkg/apis/*/v1/defaults.go`).

mod pod;

pub(super) use pod::quality;

use super::object;
use super::object::default_to;
use super::object::items;
use super::object::items_mut;
use super::versions::complete_status;
use super::versions::usual_metrics;
use serde_json::Value;
use serde_json::json;

/// Fills in what a write left out.
pub(super) fn fill(object: &mut Value, kind: &str, version: &str) {
    if object["spec"].is_null()
        && kind != "PodDisruptionBudget"
        && kind != "Namespace"
        && kind != "Secret"
        && kind != "EndpointSlice"
        && !kind.ends_with("WebhookConfiguration")
    {
        return;
    }
    match kind {
        "Namespace" => namespace(object),
        "Pod" => {
            pod::fill(&mut object["spec"]);
            default_to(&mut object["spec"], "enableServiceLinks", json!(true));
            // A time that is not optional is written as null.
            for condition in items_mut(&mut object["status"], "conditions") {
                default_to(condition, "lastProbeTime", Value::Null);
            }
        }
        "Service" => service(&mut object["spec"]),
        "Secret" => secret(object),
        "EndpointSlice" => {
            // Lists that are not optional are written as null.
            default_to(object, "endpoints", Value::Null);
            default_to(object, "ports", Value::Null);
        }
        "Deployment" => deployment(&mut object["spec"]),
        "HorizontalPodAutoscaler" => {
            autoscaler(&mut object["spec"], version);
            complete_status(&mut object["status"], version);
        }
        "ReplicaSet" => {
            default_to(&mut object["spec"], "replicas", json!(1));
            template(&mut object["spec"]);
        }
        "StatefulSet" => stateful_set(&mut object["spec"]),
        "DaemonSet" => daemon_set(&mut object["spec"]),
        "Job" => job(&mut object["spec"]),
        "PersistentVolumeClaim" => pod::resources(&mut object["spec"]),
        "ResourceQuota" => pod::amounts(&mut object["spec"], "hard"),
        "CronJob" => cron_job(&mut object["spec"]),
        "MutatingWebhookConfiguration" => webhooks(object, version, true),
        "ValidatingWebhookConfiguration" => webhooks(object, version, false),
        "CustomResourceDefinition" => definition(object, version),
        "PodDisruptionBudget" => default_to(object, "spec", json!({})),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = json!(object::name(object));
    let metadata = &mut object["metadata"];
    default_to(metadata, "labels", json!({}));
    metadata["labels"]["kubernetes.io/metadata.name"] = name;
    default_to(object, "spec", json!({}));
    default_to(object, "status", json!({}));
    default_to(&mut object["status"], "phase", json!("Active"));
}

fn template(spec: &mut Value) {
    if spec["template"].is_object() {
        pod::fill(&mut spec["template"]["spec"]);
    }
}

fn service(spec: &mut Value) {
    default_to(spec, "type", json!("ClusterIP"));
    default_to(spec, "sessionAffinity", json!("None"));
    if spec["type"] != "ExternalName" {
        default_to(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if matches!(spec["type"].as_str(), Some("LoadBalancer" | "NodePort")) {
        default_to(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    for port in items_mut(spec, "ports") {
        default_to(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        default_to(port, "targetPort", number);
    }
}

fn secret(object: &mut Value) {
    default_to(object, "type", json!("Opaque"));
    if let Some(Value::Object(texts)) = object::remove(object, "stringData") {
        default_to(object, "data", json!({}));
        for (key, text) in texts {
            object["data"][key] = json!(super::base64::encode(
                text.as_str().unwrap_or_default().as_bytes()
            ));
        }
    }
}

/// How the pods of a workload are replaced: if nobody says otherwise, by rolling.
fn rolling<const N: usize>(spec: &mut Value, field: &str, pace: [(&str, Value); N]) {
    default_to(spec, field, json!({}));
    let strategy = &mut spec[field];
    default_to(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        default_to(strategy, "rollingUpdate", json!({}));
        for (key, value) in pace {
            default_to(&mut strategy["rollingUpdate"], key, value);
        }
    }
}

fn deployment(spec: &mut Value) {
    default_to(spec, "replicas", json!(1));
    let quarter = json!("25%");
    let pace = [("maxUnavailable", quarter.clone()), ("maxSurge", quarter)];
    rolling(spec, "strategy", pace);
    default_to(spec, "revisionHistoryLimit", json!(10));
    default_to(spec, "progressDeadlineSeconds", json!(600));
    template(spec);
}

fn stateful_set(spec: &mut Value) {
    default_to(spec, "replicas", json!(1));
    default_to(spec, "podManagementPolicy", json!("OrderedReady"));
    default_to(spec, "serviceName", json!(""));
    let kept = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
    default_to(spec, "persistentVolumeClaimRetentionPolicy", kept);
    rolling(spec, "updateStrategy", [("partition", json!(0))]);
    default_to(spec, "revisionHistoryLimit", json!(10));
    for claim in items_mut(spec, "volumeClaimTemplates") {
        pod::resources(&mut claim["spec"]);
    }
    template(spec);
}

fn daemon_set(spec: &mut Value) {
    let pace = [("maxUnavailable", json!(1)), ("maxSurge", json!(0))];
    rolling(spec, "updateStrategy", pace);
    default_to(spec, "revisionHistoryLimit", json!(10));
    template(spec);
}

fn job(spec: &mut Value) {
    for (key, value) in [
        ("completions", json!(1)),
        ("parallelism", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("manualSelector", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        default_to(spec, key, value);
    }
    template(spec);
}

/// A Job selects its pods by its own uid.
pub(super) fn name_pods_of_job(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (
        job["metadata"]["uid"].clone(),
        job["metadata"]["name"].clone(),
    );
    let spec = &mut job["spec"];
    default_to(
        spec,
        "selector",
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}),
    );
    let template = &mut spec["template"];
    default_to(template, "metadata", json!({}));
    default_to(&mut template["metadata"], "labels", json!({}));
    for (key, value) in [("controller-uid", &uid), ("job-name", &name)] {
        default_to(&mut template["metadata"]["labels"], key, value.clone());
        default_to(
            &mut template["metadata"]["labels"],
            &format!("batch.kubernetes.io/{key}"),
            value.clone(),
        );
    }
    let labels = template["metadata"]["labels"].clone();
    default_to(&mut job["metadata"], "labels", labels);
}

fn cron_job(spec: &mut Value) {
    for (key, value) in [
        ("concurrencyPolicy", json!("Allow")),
        ("suspend", json!(false)),
        ("successfulJobsHistoryLimit", json!(3)),
        ("failedJobsHistoryLimit", json!(1)),
    ] {
        default_to(spec, key, value);
    }
    let job = &mut spec["jobTemplate"];
    default_to(job, "metadata", json!({}));
    default_to(&mut job["spec"]["template"], "metadata", json!({}));
    template(&mut job["spec"]);
}

/// v1 gets its metric when it is kept in a version that knows more.
fn autoscaler(spec: &mut Value, version: &str) {
    default_to(spec, "minReplicas", json!(1));
    if version == "v1" {
        return;
    }
    if items(spec, "metrics").next().is_none() {
        spec["metrics"] = usual_metrics(version);
    }
    if spec["behavior"].is_object() {
        let policy =
            |kind: &str, value: u64| json!({"type": kind, "value": value, "periodSeconds": 15});
        let up = [policy("Pods", 4), policy("Percent", 100)];
        let down = [policy("Percent", 100)];
        for (direction, policies) in [("scaleUp", &up[..]), ("scaleDown", &down[..])] {
            default_to(&mut spec["behavior"], direction, json!({}));
            let rules = &mut spec["behavior"][direction];
            if direction == "scaleUp" {
                default_to(rules, "stabilizationWindowSeconds", json!(0));
            }
            default_to(rules, "selectPolicy", json!("Max"));
            default_to(rules, "policies", json!(policies));
        }
    }
}

/// v1beta1 had laxer defaults, which Istio 1.5 and 1.6 relied on or overrode.
fn webhooks(object: &mut Value, version: &str, mutating: bool) {
    let old = version == "v1beta1";
    for hook in items_mut(object, "webhooks") {
        for (key, value) in [
            ("failurePolicy", json!(if old { "Ignore" } else { "Fail" })),
            (
                "matchPolicy",
                json!(if old { "Exact" } else { "Equivalent" }),
            ),
            ("namespaceSelector", json!({})),
            ("objectSelector", json!({})),
            ("timeoutSeconds", json!(if old { 30 } else { 10 })),
        ] {
            default_to(hook, key, value);
        }
        if old {
            default_to(hook, "sideEffects", json!("Unknown"));
            default_to(hook, "admissionReviewVersions", json!(["v1beta1"]));
        }
        if mutating {
            default_to(hook, "reinvocationPolicy", json!("Never"));
        }
        items_mut(hook, "rules").for_each(|rule| default_to(rule, "scope", json!("*")));
        if let Some(service) = hook
            .get_mut("clientConfig")
            .and_then(|config| config.get_mut("service"))
        {
            default_to(service, "port", json!(443));
        }
    }
}

/// What v1beta1 could leave out.
fn old_definition(spec: &mut Value) {
    default_to(spec, "scope", json!("Namespaced"));
    if items(spec, "versions").next().is_none() && !spec["version"].is_null() {
        let name = spec["version"].clone();
        spec["versions"] = json!([{"name": name, "served": true, "storage": true}]);
    }
    let first = spec["versions"][0]["name"].clone();
    default_to(spec, "version", first);
    default_to(spec, "preserveUnknownFields", json!(true));
    if spec["conversion"]["strategy"] == "Webhook" {
        let reviewed = json!(["v1beta1"]);
        default_to(
            &mut spec["conversion"],
            "conversionReviewVersions",
            reviewed,
        );
    }
}

/// What the server and its establishing controller add to a CRD.
fn definition(object: &mut Value, version: &str) {
    let spec = &mut object["spec"];
    if version == "v1beta1" {
        old_definition(spec);
    }
    let (kind, plural) = (
        spec["names"]["kind"].clone(),
        spec["names"]["plural"].clone(),
    );
    let text = kind.as_str().unwrap_or_default().to_owned();
    default_to(&mut spec["names"], "singular", json!(text.to_lowercase()));
    default_to(&mut spec["names"], "listKind", json!(format!("{text}List")));
    default_to(spec, "conversion", json!({"strategy": "None"}));
    let names = spec["names"].clone();
    let stored: Vec<Value> = items(spec, "versions")
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    if plural.is_null() || object["status"]["conditions"].is_array() {
        return;
    }
    object["status"] = json!({
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"},
        ],
        "acceptedNames": names,
        "storedVersions": stored,
    });
}
