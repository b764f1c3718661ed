//! The columns of what runs.

use super::super::object::items;
use super::AGE;
use super::Column;
use super::NAME;
use super::cell;
use super::cell::NONE;
use super::cell::number;
use super::pod;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

const CONTAINERS: Column = ("Containers", true, |item, _| {
    cell::containers(&item["spec"]["template"], "name")
});
const IMAGES: Column = ("Images", true, |item, _| {
    cell::containers(&item["spec"]["template"], "image")
});
const SELECTOR: Column = ("Selector", true, |item, _| {
    json!(cell::selector(&item["spec"]["selector"]))
});

const PODS: &[Column] = &[
    NAME,
    ("Ready", false, |item, _| json!(pod::shown(item).ready)),
    ("Status", false, |item, _| json!(pod::shown(item).status)),
    ("Restarts", false, |item, _| {
        json!(pod::shown(item).restarts.to_string())
    }),
    AGE,
    ("IP", true, |item, _| {
        json!(cell::text_or(&item["status"]["podIP"], NONE))
    }),
    ("Node", true, |item, _| {
        json!(cell::text_or(&item["spec"]["nodeName"], NONE))
    }),
    ("Nominated Node", true, |item, _| {
        json!(cell::text_or(&item["status"]["nominatedNodeName"], NONE))
    }),
    ("Readiness Gates", true, |item, _| json!(gates(item))),
];

const DEPLOYMENTS: &[Column] = &[
    NAME,
    ("Ready", false, |item, _| json!(ready_of_wanted(item))),
    ("Up-to-date", false, |item, _| {
        json!(number(&item["status"]["updatedReplicas"]))
    }),
    ("Available", false, |item, _| {
        json!(number(&item["status"]["availableReplicas"]))
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

/// Of `ReplicaSets` and `ReplicationControllers`.
const REPLICATED: &[Column] = &[
    NAME,
    ("Desired", false, |item, _| {
        json!(number(&item["spec"]["replicas"]))
    }),
    ("Current", false, |item, _| {
        json!(number(&item["status"]["replicas"]))
    }),
    ("Ready", false, |item, _| {
        json!(number(&item["status"]["readyReplicas"]))
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    ("Selector", true, |item, _| {
        let wanted = &item["spec"]["selector"];
        json!(
            if wanted["matchLabels"].is_object() || wanted["matchExpressions"].is_array() {
                cell::selector(wanted)
            } else {
                cell::pairs(wanted)
            }
        )
    }),
];

const STATEFUL_SETS: &[Column] = &[
    NAME,
    ("Ready", false, |item, _| json!(ready_of_wanted(item))),
    AGE,
    CONTAINERS,
    IMAGES,
];

const DAEMON_SETS: &[Column] = &[
    NAME,
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
        json!(cell::pairs(
            &item["spec"]["template"]["spec"]["nodeSelector"]
        ))
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const JOBS: &[Column] = &[
    NAME,
    ("Status", false, |item, _| json!(job_status(item))),
    ("Completions", false, |item, _| json!(completions(item))),
    ("Duration", false, |item, now| {
        json!(duration(&item["status"], now))
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const CRON_JOBS: &[Column] = &[
    NAME,
    ("Schedule", false, |item, _| {
        item["spec"]["schedule"].clone()
    }),
    ("Timezone", false, |item, _| {
        json!(cell::text_or(&item["spec"]["timeZone"], NONE))
    }),
    ("Suspend", false, |item, _| {
        json!(if item["spec"]["suspend"] == true {
            "True"
        } else {
            "False"
        })
    }),
    ("Active", false, |item, _| {
        json!(items(&item["status"], "active").count())
    }),
    ("Last Schedule", false, |item, now| {
        let last = &item["status"]["lastScheduleTime"];
        json!(if last.is_null() {
            NONE.to_owned()
        } else {
            cell::since(last, now)
        })
    }),
    AGE,
    ("Containers", true, |item, _| {
        cell::containers(&item["spec"]["jobTemplate"]["spec"]["template"], "name")
    }),
    ("Images", true, |item, _| {
        cell::containers(&item["spec"]["jobTemplate"]["spec"]["template"], "image")
    }),
    ("Selector", true, |item, _| {
        json!(cell::selector(
            &item["spec"]["jobTemplate"]["spec"]["selector"]
        ))
    }),
];

const BUDGETS: &[Column] = &[
    NAME,
    ("Min Available", false, |item, _| {
        amount(&item["spec"]["minAvailable"])
    }),
    ("Max Unavailable", false, |item, _| {
        amount(&item["spec"]["maxUnavailable"])
    }),
    ("Allowed Disruptions", false, |item, _| {
        json!(number(&item["status"]["disruptionsAllowed"]))
    }),
    AGE,
];

const AUTOSCALERS: &[Column] = &[
    NAME,
    ("Reference", false, |item, _| {
        let target = &item["spec"]["scaleTargetRef"];
        json!(format!(
            "{}/{}",
            cell::text_or(&target["kind"], ""),
            cell::text_or(&target["name"], "")
        ))
    }),
    ("Targets", false, |item, _| json!(targets(item))),
    (
        "MinPods",
        false,
        |item, _| match &item["spec"]["minReplicas"] {
            Value::Null => json!("<unset>"),
            least => json!(least.to_string()),
        },
    ),
    ("MaxPods", false, |item, _| {
        item["spec"]["maxReplicas"].clone()
    }),
    ("Replicas", false, |item, _| {
        json!(number(&item["status"]["currentReplicas"]))
    }),
    AGE,
];

const REVISIONS: &[Column] = &[
    NAME,
    ("Controller", false, |item, _| {
        let owner =
            items(&item["metadata"], "ownerReferences").find(|one| one["controller"] == true);
        json!(owner.map_or_else(
            || NONE.to_owned(),
            |owner| {
                let group = cell::text_or(&owner["apiVersion"], "")
                    .rsplit_once('/')
                    .map_or(String::new(), |(group, _)| format!(".{group}"));
                let kind = cell::text_or(&owner["kind"], "").to_lowercase();
                format!("{kind}{group}/{}", cell::text_or(&owner["name"], ""))
            }
        ))
    }),
    ("Revision", false, |item, _| item["revision"].clone()),
    AGE,
];

/// The columns of a resource (`plural.group`) that is made of pods, or about them.
pub(super) fn columns(resource: &str) -> Option<&'static [Column]> {
    Some(match resource {
        "pods" => PODS,
        "deployments.apps" => DEPLOYMENTS,
        "replicasets.apps" | "replicationcontrollers" => REPLICATED,
        "statefulsets.apps" => STATEFUL_SETS,
        "daemonsets.apps" => DAEMON_SETS,
        "controllerrevisions.apps" => REVISIONS,
        "jobs.batch" => JOBS,
        "cronjobs.batch" => CRON_JOBS,
        "poddisruptionbudgets.policy" => BUDGETS,
        "horizontalpodautoscalers.autoscaling" => AUTOSCALERS,
        _ => return None,
    })
}

fn ready_of_wanted(item: &Value) -> String {
    format!(
        "{}/{}",
        number(&item["status"]["readyReplicas"]),
        number(&item["spec"]["replicas"])
    )
}

fn gates(pod: &Value) -> String {
    let gates: Vec<&Value> = items(&pod["spec"], "readinessGates").collect();
    let passed = gates.iter().filter(|gate| {
        items(&pod["status"], "conditions")
            .any(|one| one["type"] == gate["conditionType"] && one["status"] == "True")
    });
    if gates.is_empty() {
        NONE.to_owned()
    } else {
        format!("{}/{}", passed.count(), gates.len())
    }
}

/// A number or a percentage, as it was written.
fn amount(value: &Value) -> Value {
    match value {
        Value::Null => json!("N/A"),
        Value::String(text) => json!(text),
        other => json!(other.to_string()),
    }
}

fn job_status(job: &Value) -> &'static str {
    let has = |kind: &str| {
        items(&job["status"], "conditions")
            .any(|one| one["type"] == kind && one["status"] == "True")
    };
    match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if super::super::object::is_terminating(job) => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Value) -> String {
    let done = number(&job["status"]["succeeded"]);
    match job["spec"]["completions"].as_u64() {
        Some(wanted) => format!("{done}/{wanted}"),
        None => match job["spec"]["parallelism"].as_u64() {
            Some(at_once @ 2..) => format!("{done}/1 of {at_once}"),
            _ => format!("{done}/1"),
        },
    }
}

fn duration(status: &Value, now: Timestamp) -> String {
    let time = |key: &str| status[key].as_str()?.parse::<Timestamp>().ok();
    time("startTime").map_or_else(String::new, |start| {
        let end = time("completionTime").unwrap_or(now);
        cell::human(end.duration_since(start).as_secs())
    })
}

/// The metrics that the autoscaler looks at: as much of them as the lab has.
fn targets(autoscaler: &Value) -> String {
    let texts: Vec<String> = items(&autoscaler["spec"], "metrics")
        .filter(|metric| metric["type"] == "Resource")
        .map(|metric| {
            let target = &metric["resource"]["target"];
            let wanted = if target["averageUtilization"].is_null() {
                cell::text_or(&target["averageValue"], "<auto>").to_owned()
            } else {
                format!("{}%", target["averageUtilization"])
            };
            let name = cell::text_or(&metric["resource"]["name"], "");
            format!("{name}: <unknown>/{wanted}")
        })
        .collect();
    cell::list(texts.iter().map(String::as_str)).replace(',', ", ")
}
