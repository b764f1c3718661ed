//! Autoscalers: v2 and v2beta2 say the same; v2beta1 spells metrics otherwise; v1 knows the processor alone and keeps
//! the rest in annotations.

use crate::lab::api::object::default_to;
use crate::lab::api::object::items;
use crate::lab::api::object::metadata_mut;
use crate::lab::api::object::remove;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const STATUSES: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// What aims at a share of the processor where nothing else is said (`DefaultCPUUtilization`).
const USUAL: u64 = 80;

/// What is measured where nothing else is given, in a version that has a list for it.
pub(in crate::lab::api) fn usual(version: &str) -> Value {
    let metric = processor("target", &json!(USUAL));
    match version {
        "v2beta1" => json!([age(&metric, "target")]),
        _ => json!([metric]),
    }
}

/// Makes an autoscaler that of a version.
pub(super) fn convert(object: &mut Value, from: &str, to: &str) {
    let is_old = from != "v2";
    match from {
        "v1" => from_v1(object),
        "v2beta1" => from_v2beta1(object),
        _ => {}
    }
    match to {
        "v1" => to_v1(object, is_old),
        "v2beta1" => to_v2beta1(object, is_old),
        _ => {}
    }
    if let Some(status) = object.get_mut("status") {
        complete(status, to);
    }
}

/// Fills in what a version writes although it is nothing, and drops what it does not.
pub(in crate::lab::api) fn complete(status: &mut Value, version: &str) {
    if !status.is_object() {
        return;
    }
    default_to(status, "desiredReplicas", json!(0));
    default_to(status, "currentReplicas", json!(0));
    if version != "v1" {
        default_to(status, "currentMetrics", Value::Null);
    }
    match version {
        "v2beta1" | "v2beta2" => default_to(status, "conditions", Value::Null),
        "v2" if status["currentReplicas"] == 0 => {
            remove(status, "currentReplicas");
        }
        _ => {}
    }
}

fn from_v1(object: &mut Value) {
    let kept = |key: &str| -> Option<Value> {
        let text = object["metadata"]["annotations"][key].as_str()?;
        serde_json::from_str(text).ok()
    };
    let (metrics, statuses) = (kept(METRICS), kept(STATUSES));
    let (conditions, behavior) = (kept(CONDITIONS), kept(BEHAVIOR));
    drop_annotations(object);
    let mut found: Vec<Value> = metrics
        .iter()
        .flat_map(|list| list.as_array().into_iter().flatten())
        .map(|one| renew(one, "target"))
        .collect();
    if let Some(share) = take(object, "spec", "targetCPUUtilizationPercentage") {
        found.push(processor("target", &share));
    }
    object["spec"]["metrics"] = if found.is_empty() {
        usual("v2")
    } else {
        Value::Array(found)
    };
    if let Some(behavior) = behavior {
        object["spec"]["behavior"] = from_go(&behavior);
    }
    if !object["status"].is_object() {
        return;
    }
    let share = take(object, "status", "currentCPUUtilizationPercentage");
    let current = match (statuses, share) {
        (Some(Value::Array(list)), _) => {
            Some(list.iter().map(|one| renew(one, "current")).collect())
        }
        (_, Some(share)) => Some(json!([processor("current", &share)])),
        _ => None,
    };
    for (key, value) in [("currentMetrics", current), ("conditions", conditions)] {
        if let Some(value) = value {
            object["status"][key] = value;
        }
    }
}

fn to_v1(object: &mut Value, is_old: bool) {
    drop_annotations(object);
    let metrics = take(object, "spec", "metrics").unwrap_or_default();
    let metrics: Vec<Value> = metrics.as_array().cloned().unwrap_or_default();
    let share = |metric: &Value, what: &str| {
        let share = metric["resource"][what]["averageUtilization"].clone();
        (metric["resource"]["name"] == "cpu" && !share.is_null()).then_some(share)
    };
    let first = metrics.iter().find_map(|metric| share(metric, "target"));
    if let Some(share) = first {
        object["spec"]["targetCPUUtilizationPercentage"] = share;
    }
    let others: Vec<Value> = metrics
        .iter()
        .filter(|metric| share(metric, "target").is_none())
        .map(|metric| age(metric, "target"))
        .collect();
    let behavior = take(object, "spec", "behavior").map(|one| as_go_has_it(&one, is_old));
    let statuses = take(object, "status", "currentMetrics").unwrap_or_default();
    let statuses: Vec<Value> = statuses.as_array().cloned().unwrap_or_default();
    let last = statuses.iter().rev().find_map(|one| share(one, "current"));
    if let Some(share) = last {
        object["status"]["currentCPUUtilizationPercentage"] = share;
    }
    let statuses: Vec<Value> = statuses.iter().map(|one| age(one, "current")).collect();
    let conditions: Vec<Value> = items(&object["status"], "conditions")
        .map(|one| {
            in_order(
                one,
                &["type", "status", "lastTransitionTime", "reason", "message"],
            )
        })
        .collect();
    take(object, "status", "conditions");
    for (key, list) in [
        (METRICS, others),
        (STATUSES, statuses),
        (CONDITIONS, conditions),
    ] {
        if !list.is_empty() {
            annotate(object, key, &Value::Array(list));
        }
    }
    if let Some(behavior) = behavior {
        annotate(object, BEHAVIOR, &behavior);
    }
}

fn from_v2beta1(object: &mut Value) {
    let behavior = object["metadata"]["annotations"][BEHAVIOR].as_str();
    let behavior: Option<Value> = behavior.and_then(|text| serde_json::from_str(text).ok());
    drop_annotations(object);
    if let Some(behavior) = behavior {
        object["spec"]["behavior"] = from_go(&behavior);
    }
    each_metric(object, renew);
}

fn to_v2beta1(object: &mut Value, is_old: bool) {
    drop_annotations(object);
    if let Some(behavior) = take(object, "spec", "behavior") {
        annotate(object, BEHAVIOR, &as_go_has_it(&behavior, is_old));
    }
    each_metric(object, age);
}

fn each_metric(object: &mut Value, change: fn(&Value, &str) -> Value) {
    for (place, what) in [
        ("/spec/metrics", "target"),
        ("/status/currentMetrics", "current"),
    ] {
        let list = object.pointer_mut(place).and_then(Value::as_array_mut);
        for metric in list.into_iter().flatten() {
            *metric = change(metric, what);
        }
    }
}

fn take(object: &mut Value, part: &str, key: &str) -> Option<Value> {
    object.get_mut(part).and_then(|part| remove(part, key))
}

/// A share of the processor, as a target or as it is.
fn processor(what: &str, share: &Value) -> Value {
    let mut metric = json!({"type": "Resource", "resource": {"name": "cpu"}});
    metric["resource"][what] = json!({"averageUtilization": share});
    if what == "target" {
        metric["resource"][what]["type"] = json!("Utilization");
    }
    metric
}

/// The fields of a metric in v2beta1, in their order, and where v2 has them: below what is measured (`metric`), in the
/// amount (`target` or `current`, `#` here), or in the metric itself.
const FIELDS: [(&str, &[(&str, &str)]); 5] = [
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("#Value", "#/value"),
            ("selector", "metric/selector"),
            ("averageValue", "#/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "metric/name"),
            ("#AverageValue", "#/averageValue"),
            ("selector", "metric/selector"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "name"),
            ("#AverageUtilization", "#/averageUtilization"),
            ("#AverageValue", "#/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "name"),
            ("#AverageUtilization", "#/averageUtilization"),
            ("#AverageValue", "#/averageValue"),
            ("container", "container"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("#Value", "#/value"),
            ("#AverageValue", "#/averageValue"),
        ],
    ),
];

/// A metric of v2beta1 as v2 writes it; `what` is `target` or `current`.
fn renew(metric: &Value, what: &str) -> Value {
    let mut new = json!({"type": metric["type"]});
    for (source, fields) in FIELDS {
        let old = &metric[source];
        if !old.is_object() {
            continue;
        }
        new[source] = json!({});
        for (from, to) in fields {
            let value = &old[from.replace('#', what)];
            if value.is_null() {
                continue;
            }
            let mut at = &mut new[source];
            for key in to.replace('#', what).split('/') {
                at = &mut at[key];
            }
            *at = value.clone();
        }
        if what == "target" {
            let target = &new[source]["target"];
            let kind = match source {
                _ if !target["averageUtilization"].is_null() => "Utilization",
                "object" if target["averageValue"].is_null() => "Value",
                "external" if !target["value"].is_null() => "Value",
                _ => "AverageValue",
            };
            new[source]["target"]["type"] = json!(kind);
        }
    }
    new
}

/// A metric of v2 as v2beta1 writes it.
fn age(metric: &Value, what: &str) -> Value {
    let mut old = json!({"type": metric["type"]});
    for (source, fields) in FIELDS {
        let new = &metric[source];
        if !new.is_object() {
            continue;
        }
        old[source] = json!({});
        for (to, from) in fields {
            let place = format!("/{}", from.replace('#', what));
            let value = new.pointer(&place).filter(|value| !value.is_null());
            // An amount that is not optional is written as none.
            let required = match *to {
                "#Value" => source == "object" || what == "current",
                "#AverageValue" => source == "pods" || (what == "current" && source != "external"),
                _ => false,
            };
            let value = match *from {
                "describedObject" => {
                    value.map(|one| in_order(one, &["kind", "name", "apiVersion"]))
                }
                _ => value.cloned(),
            };
            if let Some(value) = value.or(required.then(|| json!("0"))) {
                old[source][to.replace('#', what)] = value;
            }
        }
    }
    old
}

/// The fields of a behaviour's rules and policies, in Go's order.
const RULES: [&str; 4] = [
    "stabilizationWindowSeconds",
    "selectPolicy",
    "policies",
    "tolerance",
];
const POLICY: [&str; 3] = ["type", "value", "periodSeconds"];

/// A behaviour as Go writes a type that has no names for JSON. The older version had no tolerance.
fn as_go_has_it(behavior: &Value, is_old: bool) -> Value {
    let members = |of: &Value, keys: &[&str], change: &dyn Fn(&Value) -> Value| -> Value {
        let named = keys.iter().map(|key| {
            let (first, rest) = key.split_at(1);
            (first.to_uppercase() + rest, change(&of[*key]))
        });
        named.collect::<Map<_, _>>().into()
    };
    let policy = |one: &Value| members(one, &POLICY, &Value::clone);
    let fields = |value: &Value| match value {
        Value::Array(list) => list.iter().map(policy).collect(),
        other => other.clone(),
    };
    let rules = |one: &Value| match one {
        Value::Object(_) => members(one, &RULES[..4 - usize::from(is_old)], &fields),
        other => other.clone(),
    };
    members(behavior, &["scaleUp", "scaleDown"], &rules)
}

/// The way back.
fn from_go(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(key, member)| {
                let first = key.get(..1).unwrap_or_default().to_lowercase();
                let key = first + key.get(1..).unwrap_or_default();
                (key, from_go(member))
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(from_go).collect(),
        other => other.clone(),
    }
}

fn in_order(object: &Value, keys: &[&str]) -> Value {
    let found = keys.iter().filter(|key| !object[**key].is_null());
    let members = found.map(|key| ((*key).to_owned(), object[*key].clone()));
    Value::Object(members.collect())
}

fn annotate(object: &mut Value, key: &str, value: &Value) {
    object["metadata"]["annotations"][key] = json!(value.to_string());
}

fn drop_annotations(object: &mut Value) {
    let annotations = object.pointer_mut("/metadata/annotations");
    let Some(annotations) = annotations.and_then(Value::as_object_mut) else {
        return;
    };
    for key in [METRICS, STATUSES, CONDITIONS, BEHAVIOR] {
        annotations.shift_remove(key);
    }
    if annotations.is_empty() {
        metadata_mut(object).shift_remove("annotations");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Istio 1.5 and 1.6 install.
    #[test]
    fn a_metric_is_spelled_otherwise_in_v2beta1() {
        let old = json!({"spec": {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 80}}]}});
        let new = json!({"spec": {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}});
        let mut object = old.clone();
        convert(&mut object, "v2beta1", "v2beta2");
        assert_eq!(object, new);
        convert(&mut object, "v2beta2", "v2beta1");
        assert_eq!(object, old);
    }

    #[test]
    fn what_v1_cannot_say_is_kept_in_annotations() {
        let metric = json!({"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "5"}}});
        let new = json!({
            "metadata": {},
            "spec": {"metrics": [metric, processor("target", &json!(70))], "behavior": {"scaleUp": {"selectPolicy": "Min", "policies": [{"type": "Pods", "value": 1}]}}},
            "status": {"desiredReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}], "currentMetrics": [processor("current", &json!(3))]},
        });
        let mut object = new.clone();
        convert(&mut object, "v2", "v1");
        assert_eq!(
            object["spec"],
            json!({"targetCPUUtilizationPercentage": 70})
        );
        assert_eq!(
            object["status"],
            json!({"currentCPUUtilizationPercentage": 3, "currentReplicas": 0, "desiredReplicas": 1})
        );
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(
            annotations[METRICS],
            r#"[{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"5"}}]"#
        );
        convert(&mut object, "v1", "v2");
        let mut kept = new;
        kept["status"]["currentMetrics"][0]["resource"]["current"]["averageValue"] = json!("0");
        assert_eq!(object, kept);
    }

    #[test]
    fn an_autoscaler_of_v1_has_a_target_in_any_case() {
        let mut object = json!({"metadata": {}, "spec": {"maxReplicas": 3}});
        convert(&mut object, "v1", "v2");
        assert_eq!(object["spec"]["metrics"], usual("v2"));
    }
}
