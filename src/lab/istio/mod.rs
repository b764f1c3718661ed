//! Istio in the lab: control planes that inject, and proxies that connect to them.
//!
//! A control plane is what its objects say: the pods labelled `app=istiod`, whose image names their version and whose
//! label their revision. Proxies are what the pods say that carry one. So nothing here has to be told of an install.

mod control_plane;
mod debug;
mod duties;
mod inject;
mod istiod;
mod proxies;
mod sidecar;
#[cfg(test)]
mod tests;

pub use control_plane::UnknownIstio;
pub use control_plane::base;
pub use control_plane::control_plane;
pub use control_plane::supports;
pub use control_plane::tag;

use super::api::Admission;
use super::api::ApiServer;
use super::api::Listener;
use super::api::WeakServer;
use super::api::object;
use crate::mesh::injection::WEBHOOK;
use istiod::Istiod;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

/// What is wrong with a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyFault {
    /// It rejects what it is sent.
    Nack,
    /// It never answers to what it was sent.
    NeverAck,
    /// It is connected to another revision than the one that injected it.
    StayOld,
    /// It is connected to its own revision and to another one.
    Both,
    /// It never connects.
    Absent,
}

/// How the proxy of a pod behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// How long after its pod's start it connects.
    pub connect: Duration,
    /// What is wrong with it.
    pub fault: Option<ProxyFault>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            fault: None,
        }
    }
}

/// Says how the proxy of a pod behaves.
pub type Behaviours = Arc<dyn Fn(&Value) -> Behaviour + Send + Sync>;

/// How the simulated proxies behave.
#[derive(Clone)]
pub struct Settings {
    /// How many connections a revision admits per second (istiod's `PILOT_MAX_REQUESTS_PER_SECOND` comes to about 25).
    pub admitted_per_second: u32,
    /// How each proxy behaves.
    pub behaviour: Behaviours,
    /// The root of trust that every istiod writes into its webhooks, in base64.
    pub ca_bundle: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            admitted_per_second: 25,
            behaviour: Arc::new(|_| Behaviour::default()),
            ca_bundle: duties::CA_BUNDLE.to_owned(),
        }
    }
}

/// The pods of a control plane.
pub fn replicas(api: &ApiServer, revision: &str) -> Vec<Arc<Value>> {
    let mut pods = api.objects("pods", "");
    pods.retain(|pod| revision_of(pod).as_deref() == Some(revision));
    pods
}

/// The revision of the control plane that this pod is a replica of, if it is one.
pub fn revision_of(pod: &Value) -> Option<String> {
    Istiod::of(pod).map(|istiod| istiod.revision)
}

/// How the names of the webhooks end by which istiod looks at Istio's own objects.
const VALIDATION: &str = "validation.istio.io";

/// The mesh of one server.
struct Mesh {
    api: WeakServer,
    settings: Settings,
    roll: Arc<proxies::Roll>,
}

/// Starts Istio on a server: from now on its webhooks are answered, its pods listen, its control planes keep their
/// webhook configurations. Runs until the handle is aborted.
pub fn start(api: &ApiServer, settings: Settings) -> JoinHandle<()> {
    let mesh = Arc::new(Mesh {
        api: api.downgrade(),
        settings,
        roll: Arc::default(),
    });
    api.set_admission(Arc::clone(&mesh) as Arc<dyn Admission>);
    api.set_listener(Arc::clone(&mesh) as Arc<dyn Listener>);
    let api = api.clone();
    tokio::spawn(async move { duties::run(&api, &mesh.settings.ca_bundle).await })
}

impl Mesh {
    /// The istiod behind a webhook; none where another's server lives, which lets everything pass.
    fn reach(api: &ApiServer, webhook: &Value) -> Result<Option<Istiod>, String> {
        let service = &webhook["clientConfig"]["service"];
        if service.is_null() {
            return Ok(None);
        }
        let (namespace, name) = (
            service["namespace"].as_str().unwrap_or_default(),
            service["name"].as_str().unwrap_or_default(),
        );
        let Some(target) = api.object("services", namespace, name) else {
            return Err(format!("service \"{name}\" not found"));
        };
        let port = service["port"].as_u64().unwrap_or(443);
        if object::items(&target["spec"], "ports").all(|one| one["port"] != port) {
            return Err(format!(
                "no service port {port} found for service \"{name}\""
            ));
        }
        let Some(istiod) = Istiod::behind(api, namespace, name) else {
            let endpoints = api.object("endpoints", namespace, name).unwrap_or_default();
            let lives = object::items(&endpoints, "subsets")
                .any(|subset| object::items(subset, "addresses").next().is_some());
            // The endpoints of an istiod that has just died are still there.
            let of_istiod = webhook["name"]
                .as_str()
                .is_some_and(|name| name.ends_with(WEBHOOK) || name.ends_with(VALIDATION));
            return if lives && of_istiod {
                Err("dial tcp: connect: connection refused".to_owned())
            } else if lives {
                Ok(None)
            } else {
                Err(format!("no endpoints available for service \"{name}\""))
            };
        };
        if webhook["clientConfig"]["caBundle"]
            .as_str()
            .is_none_or(str::is_empty)
        {
            return Err(
                "tls: failed to verify certificate: x509: certificate signed by unknown authority"
                    .to_owned(),
            );
        }
        Ok(Some(istiod))
    }

    fn server(&self) -> Result<ApiServer, String> {
        let server = self.api.upgrade();
        server.ok_or_else(|| "the server is gone".to_owned())
    }
}

impl Admission for Mesh {
    fn mutate(&self, webhook: &Value, pod: Value) -> Result<Value, String> {
        let api = self.server()?;
        Ok(match Self::reach(&api, webhook)? {
            Some(istiod) => inject::inject(&api, &istiod, webhook, pod),
            None => pod,
        })
    }

    fn validate(&self, webhook: &Value) -> Result<(), String> {
        Self::reach(&self.server()?, webhook).map(|_| ())
    }
}

impl Listener for Mesh {
    fn connect(&self, namespace: &str, pod: &str, port: u16, stream: DuplexStream) -> bool {
        let Some(api) = self.api.upgrade() else {
            return false;
        };
        let Some(found) = api.object("pods", namespace, pod) else {
            return false;
        };
        let listens = match port {
            debug::HTTP | debug::MONITORING => Istiod::of(&found).is_some(),
            debug::ENVOY => crate::mesh::injection::Proxy::of(&found).is_some(),
            _ => false,
        };
        if listens {
            let answerer = debug::Answerer {
                api,
                settings: self.settings.clone(),
                roll: Arc::clone(&self.roll),
                namespace: namespace.to_owned(),
                pod: object::name(&found).to_owned(),
                port,
            };
            tokio::spawn(debug::serve(answerer, stream));
        }
        listens
    }
}
