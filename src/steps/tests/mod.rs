//! The steps on the embedded API server: what they read, change, refuse and say.

mod gate;
mod install;
mod label_ns;
mod precheck;
mod requests;
mod restart;
mod rollouts;
mod snapshot;
mod upgrade;
mod verify_xds;

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::context::{Done, Execute as _, Report, StepContext, StepError};
use super::{Steps, Workspace};
use crate::cluster::Cluster;
use crate::journal::Earlier;
use crate::lab::api::ApiServer;
use crate::mesh::injection::shape::Shape;
use crate::model::{Action, Kind, NodeId, RunId};

/// A cluster with two control planes, `default` and `canary`, and one namespace, `shop`.
struct Mesh {
    server: ApiServer,
    steps: Steps,
    said: Arc<Mutex<Vec<String>>>,
    waited: Arc<Mutex<Vec<String>>>,
    /// The attempt that is made, and what those before it intended.
    attempt: u32,
    earlier: Vec<Earlier>,
}

impl Mesh {
    fn new() -> Self {
        Self::connected(false)
    }

    fn dry() -> Self {
        Self::connected(true)
    }

    fn connected(dry_run: bool) -> Self {
        let server = ApiServer::default();
        for (name, labels) in [
            ("istio-system", json!({})),
            ("shop", json!({ "istio-injection": "enabled" })),
        ] {
            server.seed(&json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels },
            }));
        }
        for (revision, version) in [("default", "1.28.2"), ("canary", "1.29.1")] {
            server.seed(&Shape::revision(&version.parse().unwrap(), revision).configuration());
            server.seed(&istiod(revision, version));
        }
        let cluster = Cluster::from_service(server.service("plan"), dry_run);
        let workspace = Workspace {
            files: ".".into(),
            root: ".".into(),
            path: "".into(),
            simulated: None,
        };
        Self {
            server,
            steps: Steps::new(cluster, workspace),
            said: Arc::default(),
            waited: Arc::default(),
            attempt: 1,
            earlier: Vec::new(),
        }
    }

    /// A Deployment whose pods were injected by a revision.
    fn workload(&self, name: &str, revision: &str, spec: &Value) {
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": { "app": name } },
                    "spec": { "containers": [{ "name": "app", "image": "app:1" }] },
                },
            },
            "status": { "observedGeneration": 9, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1 },
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            deployment["spec"][key] = value.clone();
        }
        let owner = self.server.seed(&deployment)["metadata"]["uid"].clone();
        let set = self.server.seed(&json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "name": format!("{name}-1"), "namespace": "shop", "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": owner, "controller": true }] },
            "spec": { "selector": { "matchLabels": { "app": name } }, "template": deployment["spec"]["template"] },
        }));
        self.pod(&format!("{name}-1-a"), revision, &json!([
            { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-1"), "uid": set["metadata"]["uid"], "controller": true }
        ]));
    }

    /// A running pod with the sidecar of a revision.
    fn pod(&self, name: &str, revision: &str, owners: &Value) {
        let version = if revision == "canary" {
            "1.29.1"
        } else {
            "1.28.2"
        };
        self.server.seed(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "shop", "ownerReferences": owners,
                "annotations": { "istio.io/rev": revision, "sidecar.istio.io/status": "{}" },
            },
            "spec": { "containers": [
                { "name": "app", "image": "app:1" },
                { "name": "istio-proxy", "image": format!("docker.io/istio/proxyv2:{version}") },
            ] },
            "status": { "phase": "Running" },
        }));
    }

    fn labels(&self, namespace: &str) -> Value {
        self.server.object("namespaces", "", namespace).unwrap()["metadata"]["labels"].clone()
    }

    async fn run(&self, kind: Kind, with: Value) -> Result<Done, StepError> {
        let action = kind.decode(with).expect("parameters");
        self.act(&action).await
    }

    /// Runs an action as the engine does, and remembers what it says.
    async fn act(&self, action: &Action) -> Result<Done, StepError> {
        let (reports, mut inbox) = mpsc::unbounded_channel();
        let context = StepContext {
            run: RunId::new("run-1"),
            node: NodeId::new("step"),
            attempt: self.attempt,
            earlier: self.earlier.clone(),
            changes: 0,
            began: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            deadline: None,
            stop: CancellationToken::new(),
            reports,
        };
        let work = async {
            let done = self.steps.run(action, &context).await;
            drop(context);
            done
        };
        let started = tokio::time::Instant::now();
        let listen = async {
            while let Some((_, report)) = inbox.recv().await {
                match report {
                    Report::Intent(act, ready) => {
                        self.said
                            .lock()
                            .unwrap()
                            .push(format!("{} {}", act.verb, act.object));
                        ready.send(Ok(())).unwrap();
                    }
                    Report::Note(text) => self.said.lock().unwrap().push(text),
                    Report::Now(answer) => answer
                        .send(Timestamp::UNIX_EPOCH + started.elapsed())
                        .unwrap(),
                    Report::Waiting(why) => self.waited.lock().unwrap().extend(why),
                    Report::Result(..) | Report::Ask { .. } => {}
                }
            }
        };
        tokio::join!(work, listen).0
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

fn istiod(revision: &str, version: &str) -> Value {
    let name = if revision == "default" {
        "istiod".to_owned()
    } else {
        format!("istiod-{revision}")
    };
    let labels = json!({ "app": "istiod", "istio.io/rev": revision });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "istio-system", "labels": labels },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "discovery", "image": format!("docker.io/istio/pilot:{version}") }] },
            },
        },
    })
}
