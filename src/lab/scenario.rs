//! What a lab begins with: a small shop on an old control plane.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::api::{ApiServer, Options};
use super::{controllers, istio};
use crate::mesh::istiod::DEFAULT;
use crate::mesh::version::Version;

/// The workloads of each namespace, and how many pods each has.
const WORKLOADS: [(&str, u32); 3] = [("catalog", 2), ("cart", 2), ("checkout", 1)];
/// How often the start looks whether all is up.
const LOOK: Duration = Duration::from_millis(50);

/// A small shop, injected by one control plane.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The version of the control plane.
    pub version: Version,
    /// The namespaces, all labelled `istio-injection=enabled`.
    pub namespaces: Vec<String>,
}

/// A running lab: its server, and the tasks behind it, which end with it.
pub struct Lab {
    /// The API server.
    pub api: ApiServer,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Lab {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shop {
    /// Starts the cluster, and waits until every pod is there.
    pub async fn open(&self) -> Lab {
        // 1.5 and 1.6 install webhooks of v1beta1, which Kubernetes serves up to 1.21.
        let minor = if self.version.has_tags() { 33 } else { 21 };
        let api = ApiServer::new(&Options {
            minor,
            ..Options::default()
        });
        for object in istio::base(&self.version) {
            api.seed(&object);
        }
        for object in istio::control_plane(&self.version, DEFAULT) {
            api.seed(&object);
        }
        for namespace in &self.namespaces {
            api.seed(&json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": namespace, "labels": { "istio-injection": "enabled" } },
            }));
        }
        let tasks = [
            controllers::start(&api, controllers::Settings::default()),
            istio::start(&api, istio::Settings::default()),
        ];
        let lab = Lab { api, tasks };
        lab.until_available("istio-system").await;
        for namespace in &self.namespaces {
            for (name, replicas) in WORKLOADS {
                lab.api.seed(&deployment(namespace, name, replicas));
            }
        }
        for namespace in &self.namespaces {
            lab.until_available(namespace).await;
        }
        lab
    }
}

impl Lab {
    async fn until_available(&self, namespace: &str) {
        let is_available = |deployment: &Value| {
            deployment["status"]["availableReplicas"] == deployment["spec"]["replicas"]
        };
        while !self
            .api
            .objects("deployments.apps", namespace)
            .iter()
            .all(|deployment| is_available(deployment))
        {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn deployment(namespace: &str, name: &str, replicas: u32) -> Value {
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": format!("shop/{name}:1") }] },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_pod_of_the_shop_is_injected_by_the_old_control_plane() {
        for version in ["1.5.10", "1.28.2"] {
            let shop = Shop {
                version: version.parse().expect("a version"),
                namespaces: vec!["shop".to_owned()],
            };
            let lab = shop.open().await;
            let pods = lab.api.objects("pods", "shop");
            assert_eq!(pods.len(), 5);
            for pod in &pods {
                let proxy = crate::mesh::injection::Proxy::of(pod).expect("a sidecar");
                assert_eq!(proxy.revision.as_deref(), Some("default"), "{pod}");
                assert_eq!(proxy.version, Some(shop.version.clone()));
            }
        }
    }
}
