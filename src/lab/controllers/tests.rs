//! Rollouts on paused time.

use super::*;
use crate::lab::api::Admission;
use crate::lab::api::Key;
use crate::lab::api::Options;
use crate::lab::api::object;
use crate::lab::api::object::items;
use serde_json::json;

fn workload(kind: &str, name: &str, replicas: u64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "serviceName": name,
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
        },
    })
}

struct Cluster {
    api: ApiServer,
    _controllers: JoinHandle<()>,
}

impl Cluster {
    fn new(settings: Settings) -> Self {
        let api = ApiServer::new(&Options::default());
        let controllers = start(&api, settings);
        Self {
            api,
            _controllers: controllers,
        }
    }

    /// Waits in virtual time until the object satisfies the predicate.
    async fn until(
        &self,
        resource: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Arc<Value> {
        let mut news = self.api.revisions();
        let waited = async {
            loop {
                let found = self
                    .api
                    .object(resource, "default", name)
                    .unwrap_or_default();
                if holds(&found) {
                    return found;
                }
                news.changed().await.expect("the server lives");
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(3600), waited).await;
        let seen = self
            .api
            .object(resource, "default", name)
            .unwrap_or_default();
        assert!(found.is_ok(), "not within an hour: {:#}", seen["status"]);
        found.unwrap_or_default()
    }

    fn patch(&self, path: &str, change: Value) {
        self.api
            .request("test", "PATCH", path, change)
            .expect("patched");
    }

    fn restart(&self, plural: &str, name: &str) {
        let patch =
            json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "1"}}}}});
        self.patch(
            &format!("/apis/apps/v1/namespaces/default/{plural}/{name}"),
            patch,
        );
    }

    fn pods(&self) -> Vec<Arc<Value>> {
        self.api.objects("pods", "default")
    }
}

fn rolled_out(deployment: &Value) -> bool {
    let status = &deployment["status"];
    let wanted = &deployment["spec"]["replicas"];
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && [
            &status["updatedReplicas"],
            &status["replicas"],
            &status["availableReplicas"],
        ]
        .iter()
        .all(|count| *count == wanted)
}

fn condition(value: &Value, kind: &str) -> Value {
    items(&value["status"], "conditions")
        .find(|one| one["type"] == kind)
        .cloned()
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_restart_rolls_within_surge_and_unavailable() {
    let cluster = Cluster::new(Settings::default());
    cluster.api.seed(&workload("Deployment", "web", 4));
    let first = cluster.until("deployments.apps", "web", rolled_out).await;
    assert_eq!(
        condition(&first, "Progressing")["reason"],
        "NewReplicaSetAvailable"
    );
    assert_eq!(
        first["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "1"
    );

    cluster.restart("deployments", "web");
    let mut bounds = Vec::new();
    cluster
        .until("deployments.apps", "web", |deployment| {
            let active = cluster
                .pods()
                .iter()
                .filter(|pod| pass::is_active(pod))
                .count();
            let ready = cluster
                .pods()
                .iter()
                .filter(|pod| pass::is_active(pod) && pass::is_ready(pod))
                .count();
            assert!(active <= 5 && ready >= 3, "{active} pods, {ready} ready");
            rolled_out(deployment)
        })
        .await;
    cluster
        .until("deployments.apps", "web", |_| cluster.pods().len() == 4)
        .await;
    let sets = cluster.api.objects("replicasets.apps", "default");
    bounds.extend(sets.iter().map(|set| set["spec"]["replicas"].clone()));
    bounds.sort_by_key(Value::as_u64);
    assert_eq!(bounds, [0, 4]);
    assert!(
        cluster
            .pods()
            .iter()
            .all(|pod| pod["metadata"]["annotations"]["restarted"] == "1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_never_becomes_ready_exceeds_its_deadline_and_keeps_the_old_pods() {
    let ready: Readiness = Arc::new(|pod| {
        (pod["metadata"]["annotations"]["restarted"] != "1").then_some(Duration::from_secs(1))
    });
    let cluster = Cluster::new(Settings {
        ready,
        ..Settings::default()
    });
    cluster.api.seed(&workload("Deployment", "web", 4));
    cluster.until("deployments.apps", "web", rolled_out).await;
    cluster.restart("deployments", "web");
    let began = cluster.api.now();
    let stuck = cluster
        .until("deployments.apps", "web", |deployment| {
            condition(deployment, "Progressing")["reason"] == "ProgressDeadlineExceeded"
        })
        .await;
    assert!(cluster.api.now().duration_since(began).as_secs() >= 600);
    assert_eq!(stuck["status"]["availableReplicas"], 3);
    assert_eq!(condition(&stuck, "Progressing")["status"], "False");
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_does_not_roll() {
    let cluster = Cluster::new(Settings::default());
    let mut web = workload("Deployment", "web", 2);
    cluster.api.seed(&web);
    cluster.until("deployments.apps", "web", rolled_out).await;
    web["spec"]["paused"] = json!(true);
    cluster.api.seed(&web);
    cluster.restart("deployments", "web");
    let paused = cluster
        .until("deployments.apps", "web", |deployment| {
            deployment["status"]["observedGeneration"] == 3
        })
        .await;
    assert_eq!(
        condition(&paused, "Progressing")["reason"],
        "DeploymentPaused"
    );
    assert_eq!(paused["status"].get("updatedReplicas"), None);
    assert_eq!(cluster.api.objects("replicasets.apps", "default").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_updates_downwards_to_its_partition() {
    let cluster = Cluster::new(Settings::default());
    let mut db = workload("StatefulSet", "db", 3);
    db["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    cluster.api.seed(&db);
    cluster
        .until("statefulsets.apps", "db", |set| {
            set["status"]["readyReplicas"] == 3
        })
        .await;
    cluster.restart("statefulsets", "db");
    cluster
        .until("statefulsets.apps", "db", |set| {
            set["status"]["updatedReplicas"] == 2 && set["status"]["readyReplicas"] == 3
        })
        .await;
    let restarted: Vec<bool> = cluster
        .pods()
        .iter()
        .map(|pod| pod["metadata"]["annotations"]["restarted"] == "1")
        .collect();
    assert_eq!(restarted, [false, true, true]);
    assert_eq!(object::name(&cluster.pods()[0]), "db-0");
    cluster.patch(
        "/apis/apps/v1/namespaces/default/statefulsets/db",
        json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}),
    );
    cluster
        .until("statefulsets.apps", "db", |set| {
            set["status"]["currentRevision"] == set["status"]["updateRevision"]
                && set["status"]["updatedReplicas"] == 3
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_set_runs_on_each_node_and_waits_where_told_to() {
    let cluster = Cluster::new(Settings::default());
    let mut agent = workload("DaemonSet", "agent", 0);
    agent["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    cluster.api.seed(&agent);
    cluster
        .until("daemonsets.apps", "agent", |set| {
            set["status"]["numberReady"] == 3
        })
        .await;
    cluster.restart("daemonsets", "agent");
    let waiting = cluster
        .until("daemonsets.apps", "agent", |set| {
            set["status"]["observedGeneration"] == 2
        })
        .await;
    assert_eq!(waiting["status"].get("updatedNumberScheduled"), None);
    let rolling = json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}});
    cluster.patch("/apis/apps/v1/namespaces/default/daemonsets/agent", rolling);
    cluster
        .until("daemonsets.apps", "agent", |set| {
            assert!(
                set["status"]["numberReady"].as_u64() >= Some(2),
                "at most one is missing"
            );
            set["status"]["updatedNumberScheduled"] == 3 && set["status"]["numberAvailable"] == 3
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn dependents_go_with_their_owner_and_a_namespace_with_its_content() {
    let cluster = Cluster::new(Settings::default());
    cluster.api.seed(&workload("Deployment", "web", 2));
    cluster.until("deployments.apps", "web", rolled_out).await;
    cluster
        .api
        .request(
            "test",
            "DELETE",
            "/apis/apps/v1/namespaces/default/deployments/web",
            json!({"propagationPolicy": "Foreground"}),
        )
        .expect("deleted");
    cluster
        .until("deployments.apps", "web", Value::is_null)
        .await;
    assert!(cluster.pods().is_empty());

    cluster
        .api
        .seed(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    let mut web = workload("Deployment", "web", 1);
    web["metadata"]["namespace"] = json!("shop");
    cluster.api.seed(&web);
    cluster
        .until("pods", "", |_| {
            cluster.api.objects("pods", "shop").len() == 1
        })
        .await;
    cluster
        .api
        .request("test", "DELETE", "/api/v1/namespaces/shop", Value::Null)
        .expect("deleted");
    cluster
        .until("namespaces", "", |_| {
            cluster.api.object("namespaces", "", "shop").is_none()
        })
        .await;
    assert!(cluster.api.objects("replicasets.apps", "shop").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_lists_its_ready_pods_and_a_budget_counts_them() {
    let cluster = Cluster::new(Settings::default());
    cluster.api.seed(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}));
    cluster.api.seed(&json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}}));
    cluster.api.seed(&workload("Deployment", "web", 3));
    let endpoints = cluster
        .until("endpoints", "web", |found| {
            items(&found["subsets"][0], "addresses").count() == 3
        })
        .await;
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 8080);
    let budget = cluster
        .until("poddisruptionbudgets.policy", "web", |found| {
            found["status"]["currentHealthy"] == 3
        })
        .await;
    assert_eq!(
        (
            &budget["status"]["desiredHealthy"],
            &budget["status"]["disruptionsAllowed"]
        ),
        (&json!(2), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_its_pods_to_their_end_and_makes_no_more() {
    let cluster = Cluster::new(Settings::default());
    cluster.api.seed(&json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "default"},
        "spec": {"completions": 3, "parallelism": 2, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]}}},
    }));
    let both = cluster
        .until("jobs.batch", "once", |job| job["status"]["ready"] == 2)
        .await;
    assert_eq!(both["status"]["active"], 2);
    let done = cluster
        .until("jobs.batch", "once", |job| {
            condition(job, "Complete")["status"] == "True"
        })
        .await;
    assert_eq!(done["status"]["succeeded"], 3);
    assert!(done["status"]["completionTime"].is_string());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let pods = cluster.pods();
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert_eq!(pod["status"]["phase"], "Succeeded");
        assert_eq!(condition(pod, "Ready")["reason"], "PodCompleted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_history_loses_nothing() {
    let cluster = Cluster::new(Settings::default());
    cluster.api.seed(&workload("Deployment", "web", 4));
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(137)).await;
        cluster.api.compact();
    }
    cluster.until("deployments.apps", "web", rolled_out).await;
    cluster.restart("deployments", "web");
    cluster.api.compact();
    let path = "/apis/apps/v1/namespaces/default/deployments/web";
    cluster.until("deployments.apps", "web", rolled_out).await;
    cluster
        .api
        .request(
            "test",
            "DELETE",
            path,
            json!({"propagationPolicy": "Background"}),
        )
        .expect("deleted");
    cluster.api.compact();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.pods().len(), 0);
}

/// What `kubectl describe` shows of an object, the oldest first.
fn told(cluster: &Cluster, kind: &str, name: &str) -> Vec<String> {
    let path = format!(
        "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind%3D{kind},involvedObject.name%3D{name}"
    );
    let list = cluster.api.request("test", "GET", &path, Value::Null);
    let list = list.expect("events");
    let mut events: Vec<&Value> = items(&list, "items").collect();
    events.sort_by_key(|event| object::revision(event));
    let text = |event: &Value| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {}", text("type"), text("reason"), text("message"))
    };
    events.into_iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rollout_is_told_in_events() {
    let cluster = Cluster::new(Settings::default());
    cluster.api.seed(&workload("Deployment", "web", 1));
    cluster.until("deployments.apps", "web", rolled_out).await;
    let set = object::name(&cluster.api.objects("replicasets.apps", "default")[0]).to_owned();
    cluster.restart("deployments", "web");
    let is_new =
        |deployment: &Value| rolled_out(deployment) && deployment["metadata"]["generation"] == 2;
    cluster.until("deployments.apps", "web", is_new).await;
    let mut sets = cluster.api.objects("replicasets.apps", "default");
    sets.retain(|one| object::name(one) != set);
    let new = object::name(&sets[0]);
    assert_eq!(
        told(&cluster, "Deployment", "web"),
        [
            format!("Normal ScalingReplicaSet: Scaled up replica set {set} from 0 to 1"),
            format!("Normal ScalingReplicaSet: Scaled up replica set {new} from 0 to 1"),
            format!("Normal ScalingReplicaSet: Scaled down replica set {set} from 1 to 0"),
        ]
    );
    let of_old = told(&cluster, "ReplicaSet", &set);
    assert!(
        of_old[0].starts_with("Normal SuccessfulCreate: Created pod: web-"),
        "{of_old:?}"
    );
    assert!(
        of_old[1].starts_with("Normal SuccessfulDelete: Deleted pod: web-"),
        "{of_old:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_made_is_told_and_counted_until_it_is_forgotten() {
    let cluster = Cluster::new(Settings::default());
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let hook = json!({"metadata": {"name": "gone"}, "webhooks": [{
        "name": "gone.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "gone", "namespace": "default"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    }]});
    cluster.api.set_admission(Arc::new(Gone));
    cluster
        .api
        .request("test", "POST", path, hook)
        .expect("made");
    cluster.api.seed(&workload("ReplicaSet", "other", 1));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let why = "Warning FailedCreate: Error creating: Internal error occurred: failed calling webhook \"gone.example.com\": failed to call webhook: Post \"https://gone.default.svc:443/?timeout=10s\": service \"gone\" not found";
    assert_eq!(told(&cluster, "ReplicaSet", "other"), [why]);
    let events = cluster.api.objects("events", "default");
    let event = events
        .iter()
        .find(|event| event["involvedObject"]["name"] == "other");
    assert!(
        event.is_some_and(|event| event["count"].as_u64() > Some(1)),
        "{event:?}"
    );
    cluster
        .api
        .forget(&Key::new("replicasets.apps", "default", "other"));
    tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
    cluster.api.seed(&workload("Deployment", "later", 1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(told(&cluster, "ReplicaSet", "other").is_empty());
}

/// A webhook's server that is not there.
struct Gone;

impl Admission for Gone {
    fn mutate(&self, webhook: &Value, _: Value) -> Result<Value, String> {
        let name = webhook["clientConfig"]["service"]["name"].as_str();
        Err(format!(
            "service \"{}\" not found",
            name.unwrap_or_default()
        ))
    }

    fn validate(&self, _: &Value) -> Result<(), String> {
        Ok(())
    }
}
