//! The control planes that run, as their pods tell.

use crate::lab::api::ApiServer;
use crate::lab::api::object;
use crate::lab::api::object::items;
use crate::mesh::istiod::DEFAULT;
use crate::mesh::istiod::REVISION_LABEL;
use crate::mesh::version::Version;
use serde_json::Value;

/// One replica of a control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Istiod {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) revision: String,
    pub(super) version: Version,
    /// What it calls its own cluster.
    pub(super) cluster: String,
    /// Whether it answers.
    pub(super) ready: bool,
}

impl Istiod {
    /// The control plane that this pod is a replica of, if it is one.
    pub(super) fn of(pod: &Value) -> Option<Self> {
        if object::labels(pod)["app"] != "istiod" {
            return None;
        }
        let container = items(&pod["spec"], "containers").find(|one| one["name"] == "discovery")?;
        let (_, tag) = container["image"]
            .as_str()?
            .rsplit('/')
            .next()?
            .split_once(':')?;
        let ready = items(&pod["status"], "conditions")
            .any(|one| one["type"] == "Ready" && one["status"] == "True");
        Some(Self {
            namespace: object::namespace(pod).to_owned(),
            pod: object::name(pod).to_owned(),
            revision: object::labels(pod)[REVISION_LABEL]
                .as_str()
                .unwrap_or(DEFAULT)
                .to_owned(),
            version: tag.parse().ok()?,
            cluster: items(container, "env")
                .find(|variable| variable["name"] == "CLUSTER_ID")
                .and_then(|variable| variable["value"].as_str())
                .unwrap_or("Kubernetes")
                .to_owned(),
            ready: ready && !object::is_terminating(pod),
        })
    }

    /// Every ready replica of every revision, by name.
    pub(super) fn ready(api: &ApiServer) -> Vec<Self> {
        api.objects("pods", "")
            .iter()
            .filter_map(|pod| Self::of(pod))
            .filter(|istiod| istiod.ready)
            .collect()
    }

    /// A ready replica behind a Service.
    pub(super) fn behind(api: &ApiServer, namespace: &str, service: &str) -> Option<Self> {
        let endpoints = api.object("endpoints", namespace, service)?;
        items(&endpoints, "subsets")
            .flat_map(|subset| items(subset, "addresses"))
            .filter_map(|address| {
                api.object("pods", namespace, address["targetRef"]["name"].as_str()?)
            })
            .find_map(|pod| Self::of(&pod))
    }
}
