//! A Kubernetes API server in the process.
//!
//! It stands for the real one towards every client: `kube` through a `tower` service, `kubectl` through a loopback
//! port. It knows nothing of plans. Where it and the real server differ, it is wrong.

mod access;
mod admission;
mod base64;
mod body;
mod built_in;
mod clock;
mod commit;
mod connection;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod door;
mod forward;
mod fresh;
mod negotiate;
pub mod object;
mod openapi;
pub mod patch;
mod protobuf;
mod quantity;
mod query;
mod rbac;
mod read;
mod record;
mod registry;
mod schema;
pub mod selector;
mod server;
mod service;
mod spdy;
mod status_error;
mod store;
mod subresource;
mod table;
#[cfg(test)]
mod tests;
mod validate;
mod versions;
mod watch;
mod write;

pub use access::Attributes;
pub use access::User;
pub use admission::Admission;
pub use connection::Service;
pub use door::Door;
pub use forward::Listener;
pub use record::Effect;
pub use record::Fault;
pub use record::Record;
pub use service::Lost;
pub use status_error::Cause;
pub use status_error::StatusError;
pub use store::Change;
pub use store::Key;

use crate::news::News;
use jiff::Timestamp;
use query::Target;
use serde_json::Value;
use serde_json::json;
use server::Authorizer;
use server::Shared;
use server::lock;
use std::sync::Arc;
use std::sync::Weak;

/// What a server is made with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The minor of Kubernetes 1.MINOR that it behaves as.
    pub minor: u32,
    /// What it calls itself; none: `v1.MINOR.0`.
    pub version: Option<String>,
    /// Where uids and generated names come from.
    pub seed: u64,
    /// The time at which it begins; it goes on with tokio's.
    pub start: Timestamp,
}

impl Default for Options {
    fn default() -> Self {
        // 2026-01-01T00:00:00Z
        Self {
            minor: 33,
            version: None,
            seed: 0,
            start: Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

/// An API server. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

/// A server that is not kept alive by this.
#[derive(Clone)]
pub struct WeakServer {
    shared: Weak<Shared>,
}

impl WeakServer {
    /// The server, if it is still there.
    pub fn upgrade(&self) -> Option<ApiServer> {
        Some(ApiServer {
            shared: self.shared.upgrade()?,
        })
    }
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new(&Options::default())
    }
}

impl ApiServer {
    /// A server with the namespaces that every cluster has.
    pub fn new(options: &Options) -> Self {
        let server = Self {
            shared: Arc::new(Shared::new(options)),
        };
        for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            server.seed(
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            );
            server.seed(
                &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}),
            );
        }
        // What came before the server's own beginning nobody can watch.
        server.compact();
        server
    }

    /// The server without a claim on its life, for what the server itself holds.
    pub fn downgrade(&self) -> WeakServer {
        WeakServer {
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// The HTTP service, for `kube::Client::new`.
    pub fn service(&self, agent: &str) -> Service {
        Service::new(Arc::clone(&self.shared), agent)
    }

    /// A client whose requests carry this user agent.
    pub fn client(&self, agent: &str) -> kube::Client {
        kube::Client::new(self.service(agent), "default")
    }

    /// Serves connections until the listener fails; to be spawned.
    pub async fn serve(&self, listener: tokio::net::TcpListener) -> std::io::Result<()> {
        connection::serve(Arc::clone(&self.shared), listener).await
    }

    /// Takes a port of the loopback address (0: any free one), for clients outside the process.
    ///
    /// # Errors
    /// Where the port is taken.
    pub async fn open(&self, port: u16) -> std::io::Result<Door> {
        Door::open(Arc::clone(&self.shared), port).await
    }

    /// One request without HTTP, records or faults: for controllers and for the first contents.
    pub fn request(
        &self,
        agent: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<Arc<Value>, StatusError> {
        service::direct(&self.shared, agent, method, path, body)
    }

    /// Writes an object as the given manager, created or replaced, its status included.
    ///
    /// # Panics
    /// Where the server refuses it: the contents of a lab are the program's own.
    pub fn seed(&self, object: &Value) -> Arc<Value> {
        match self.try_seed(object) {
            Ok(stored) => stored,
            Err(error) => panic!("the lab refuses {object}: {error}"),
        }
    }

    /// Like [`Self::seed`], for contents that come from elsewhere.
    pub fn try_seed(&self, object: &Value) -> Result<Arc<Value>, StatusError> {
        let (collection, path) = self.path(object)?;
        let mut stored = match self.request("lab", "POST", &collection, object.clone()) {
            Err(error) if error.reason() == "AlreadyExists" => {
                self.request("lab", "PUT", &path, object.clone())?
            }
            other => other?,
        };
        let with_status = Target::resolve(&path, &self.shared.state().registry)?
            .resource
            .has("status");
        if with_status && !object["status"].is_null() {
            let mut next = Arc::unwrap_or_clone(stored);
            next["status"] = object["status"].clone();
            stored = self.request("lab", "PUT", &format!("{path}/status"), next)?;
        }
        Ok(stored)
    }

    /// Stores an object as another server had it, with its uid, times, generation, owners of fields and status. No
    /// webhook is asked and no default filled in; only the resource version is this server's own.
    ///
    /// # Errors
    /// That nothing of this kind is served here.
    pub fn restore(&self, object: &Value) -> Result<(), StatusError> {
        let (_, path) = self.path(object)?;
        let mut state = self.shared.state();
        let resource = Target::resolve(&path, &state.registry)?.resource;
        let key = Key::new(
            &resource.id(),
            object::namespace(object),
            object::name(object),
        );
        let object = versions::convert(object.clone(), &versions::kept(&resource));
        commit::store(&mut state, key, object, &resource);
        Ok(())
    }

    /// Drops an object as it is, as if it had never been.
    pub fn forget(&self, key: &Key) {
        self.shared.state().store.delete(key);
    }

    /// The paths of an object's collection and of itself.
    pub fn path(&self, object: &Value) -> Result<(String, String), StatusError> {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        let state = self.shared.state();
        let resource = state
            .registry
            .by_kind(version, kind)
            .ok_or_else(StatusError::no_route)?;
        let root = if resource.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let place = if resource.namespaced {
            format!("/namespaces/{}", object::namespace(object))
        } else {
            String::new()
        };
        let collection = format!("{root}/{version}{place}/{}", resource.plural);
        let path = format!("{collection}/{}", object::name(object));
        Ok((collection, path))
    }

    /// All stored objects of every resource.
    pub fn everything(&self) -> Vec<Arc<Value>> {
        let state = self.shared.state();
        state.store.iter().map(Arc::clone).collect()
    }

    /// An object as stored; `resource` is `plural.group`.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.stored(&Key::new(resource, namespace, name))
    }

    /// An object as stored.
    pub fn stored(&self, key: &Key) -> Option<Arc<Value>> {
        self.shared.state().store.get(key).map(Arc::clone)
    }

    /// The objects of a resource, in one namespace or (empty) in all.
    pub fn objects(&self, resource: &str, namespace: &str) -> Vec<Arc<Value>> {
        let state = self.shared.state();
        let found = state.store.list(resource, namespace);
        found.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        self.shared.state().store.revision()
    }

    /// The revision of the last write, and everything that happened after an earlier one, events aside; `None` where that is forgotten.
    pub fn changes(&self, after: u64) -> (u64, Option<Vec<Change>>) {
        let state = self.shared.state();
        (state.store.revision(), state.store.all_changes(after))
    }

    /// Every object but events, as if it were made just now.
    pub fn snapshot(&self) -> Vec<Change> {
        self.shared.state().store.snapshot()
    }

    /// News of each further write.
    pub fn revisions(&self) -> News {
        self.shared.state().store.subscribe()
    }

    /// Sets the servers behind the mutating webhooks.
    pub fn set_admission(&self, admission: Arc<dyn Admission>) {
        *lock(&self.shared.admission) = Some(admission);
    }

    /// Sets what listens in the pods, for port-forwards.
    pub fn set_listener(&self, listener: Arc<dyn Listener>) {
        self.shared.forwards.set(listener);
    }

    /// Sets who may do what; without it everybody may do everything.
    pub fn set_authorizer(&self, allows: impl Fn(&Attributes) -> bool + Send + Sync + 'static) {
        *lock(&self.shared.authorizer) = Authorizer::Program(Box::new(allows));
    }

    /// Lets the stored Roles and bindings decide who may do what, the first of which every cluster has;
    /// `kubernetes-admin` may do everything.
    pub fn evaluate_rbac(&self) {
        for object in rbac::first() {
            self.seed(&object);
        }
        *lock(&self.shared.authorizer) = Authorizer::Rbac;
    }

    /// Adds a fault; the first that applies to a request strikes.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }

    /// The requests so far.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.shared.records).clone()
    }

    /// Forgets the requests so far.
    pub fn clear_records(&self) {
        lock(&self.shared.records).clear();
    }

    /// Forgets the history: watches and chunked lists from before must begin again.
    pub fn compact(&self) {
        self.shared.state().store.compact();
    }

    /// Ends every running watch, as a server does that goes away.
    pub fn disconnect(&self) {
        self.shared.cuts.announce_next();
    }

    /// The minor of Kubernetes 1.MINOR that it behaves as.
    pub fn minor(&self) -> u32 {
        self.shared.minor
    }

    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}
