//! Tables, as `kubectl get` shows them (`pkg/printers/internalversion`).

use super::negotiate::metadata_only;
use super::object;
use super::object::items;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

type Cell = fn(&Value, Timestamp) -> Value;

/// A column: title, whether it is only for `-o wide`, and what it shows.
type Column = (&'static str, bool, Cell);

/// The table of a list or of one object.
pub(super) fn render(resource: &str, now: Timestamp, value: &Value) -> Value {
    let columns = columns(resource);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|(name, wide, _)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": i32::from(*wide)})
        })
        .collect();
    let row = |item: &Value| {
        let cells: Vec<Value> = columns.iter().map(|(_, _, cell)| cell(item, now)).collect();
        json!({"cells": cells, "object": metadata_only(item)})
    };
    let rows: Vec<Value> = if value["items"].is_array() {
        items(value, "items").map(row).collect()
    } else {
        vec![row(value)]
    };
    let metadata = if value["items"].is_array() {
        value["metadata"].clone()
    } else {
        json!({"resourceVersion": value["metadata"]["resourceVersion"]})
    };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions, "rows": rows})
}

fn columns(resource: &str) -> Vec<Column> {
    let name: Column = ("Name", false, |item, _| json!(object::name(item)));
    let since: Column = ("Age", false, |item, now| {
        json!(age(object::meta(item, "creationTimestamp"), now))
    });
    let mut columns = vec![name];
    columns.extend_from_slice(workload(resource));
    columns.extend_from_slice(match resource {
        "namespaces" => &[("Status", false, |item, _| item["status"]["phase"].clone())],
        "services" => &[
            ("Type", false, |item, _| item["spec"]["type"].clone()),
            ("Cluster-IP", false, |item, _| {
                json!(item["spec"]["clusterIP"].as_str().unwrap_or("<none>"))
            }),
            ("External-IP", false, |_, _| json!("<none>")),
            ("Port(s)", false, |item, _| json!(ports(&item["spec"]))),
        ],
        "configmaps" => &[("Data", false, |item, _| {
            json!(item["data"].as_object().map_or(0, serde_json::Map::len))
        })],
        "secrets" => &[
            ("Type", false, |item, _| item["type"].clone()),
            ("Data", false, |item, _| {
                json!(item["data"].as_object().map_or(0, serde_json::Map::len))
            }),
        ],
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            &[("Webhooks", false, |item, _| {
                json!(items(item, "webhooks").count())
            })]
        }
        "leases" => &[("Holder", false, |item, _| {
            item["spec"]["holderIdentity"].clone()
        })],
        "customresourcedefinitions" => {
            return vec![
                name,
                ("Created At", false, |item, _| {
                    item["metadata"]["creationTimestamp"].clone()
                }),
            ];
        }
        _ => &[],
    });
    columns.push(since);
    columns.extend_from_slice(wide(resource));
    columns
}

/// The columns of what runs.
fn workload(resource: &str) -> &'static [Column] {
    match resource {
        "pods" => &[
            ("Ready", false, |item, _| {
                json!(format!(
                    "{}/{}",
                    ready_containers(item),
                    items(&item["spec"], "containers").count()
                ))
            }),
            ("Status", false, |item, _| json!(pod_status(item))),
            ("Restarts", false, |item, _| {
                json!(
                    items(&item["status"], "containerStatuses")
                        .filter_map(|one| one["restartCount"].as_u64())
                        .sum::<u64>()
                        .to_string()
                )
            }),
        ],
        "deployments" => &[
            ("Ready", false, |item, _| {
                json!(format!(
                    "{}/{}",
                    number(&item["status"]["readyReplicas"]),
                    number(&item["spec"]["replicas"])
                ))
            }),
            ("Up-to-date", false, |item, _| {
                json!(number(&item["status"]["updatedReplicas"]))
            }),
            ("Available", false, |item, _| {
                json!(number(&item["status"]["availableReplicas"]))
            }),
        ],
        "replicasets" => &[
            ("Desired", false, |item, _| {
                json!(number(&item["spec"]["replicas"]))
            }),
            ("Current", false, |item, _| {
                json!(number(&item["status"]["replicas"]))
            }),
            ("Ready", false, |item, _| {
                json!(number(&item["status"]["readyReplicas"]))
            }),
        ],
        "statefulsets" => &[("Ready", false, |item, _| {
            json!(format!(
                "{}/{}",
                number(&item["status"]["readyReplicas"]),
                number(&item["spec"]["replicas"])
            ))
        })],
        "daemonsets" => &[
            ("Desired", false, |item, _| {
                json!(number(&item["status"]["desiredNumberScheduled"]))
            }),
            ("Current", false, |item, _| {
                json!(number(&item["status"]["currentNumberScheduled"]))
            }),
            ("Ready", false, |item, _| {
                json!(number(&item["status"]["numberReady"]))
            }),
            ("Up-to-date", false, |item, _| {
                json!(number(&item["status"]["updatedNumberScheduled"]))
            }),
            ("Available", false, |item, _| {
                json!(number(&item["status"]["numberAvailable"]))
            }),
            ("Node Selector", false, |item, _| {
                json!(pairs(&item["spec"]["template"]["spec"]["nodeSelector"]))
            }),
        ],
        _ => &[],
    }
}

/// The columns of `-o wide`.
fn wide(resource: &str) -> &'static [Column] {
    match resource {
        "pods" => &[
            ("IP", true, |item, _| {
                json!(item["status"]["podIP"].as_str().unwrap_or("<none>"))
            }),
            ("Node", true, |item, _| {
                json!(item["spec"]["nodeName"].as_str().unwrap_or("<none>"))
            }),
            ("Nominated Node", true, |_, _| json!("<none>")),
            ("Readiness Gates", true, |_, _| json!("<none>")),
        ],
        "deployments" | "replicasets" | "daemonsets" => &[
            ("Containers", true, |item, _| {
                json!(containers(item, "name"))
            }),
            ("Images", true, |item, _| json!(containers(item, "image"))),
            ("Selector", true, |item, _| {
                json!(pairs(&item["spec"]["selector"]["matchLabels"]))
            }),
        ],
        _ => &[],
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn ready_containers(pod: &Value) -> usize {
    items(&pod["status"], "containerStatuses")
        .filter(|one| one["ready"] == true)
        .count()
}

fn pod_status(pod: &Value) -> &str {
    if object::is_terminating(pod) {
        "Terminating"
    } else {
        pod["status"]["reason"]
            .as_str()
            .or(pod["status"]["phase"].as_str())
            .unwrap_or("Unknown")
    }
}

fn containers(item: &Value, field: &str) -> String {
    let texts: Vec<&str> = items(&item["spec"]["template"]["spec"], "containers")
        .filter_map(|one| one[field].as_str())
        .collect();
    texts.join(",")
}

fn pairs(map: &Value) -> String {
    let texts: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if texts.is_empty() {
        "<none>".to_owned()
    } else {
        texts.join(",")
    }
}

fn ports(spec: &Value) -> String {
    let texts: Vec<String> = items(spec, "ports")
        .map(|port| {
            format!(
                "{}/{}",
                port["port"],
                port["protocol"].as_str().unwrap_or("TCP")
            )
        })
        .collect();
    texts.join(",")
}

/// `duration.HumanDuration`: two units at most, coarser with age.
fn age(created: &str, now: Timestamp) -> String {
    let Ok(created) = created.parse::<Timestamp>() else {
        return "<unknown>".to_owned();
    };
    let seconds = now.duration_since(created).as_secs().max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |large: i64, unit: char, small: i64, other: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{other}")
        }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, 'd', hours % 24, 'h'),
        () if years < 2 => format!("{days}d"),
        () if years < 8 => two(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}
