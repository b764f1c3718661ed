//! The server's state, and what every request passes: records, faults, access, routing.

use super::Options;
use super::access::Attributes;
use super::access::User;
use super::admission::Admission;
use super::clock::Clock;
use super::clock::Ids;
use super::forward::Forwards;
use super::patch::managers::Writer;
use super::query::Query;
use super::query::Target;
use super::rbac;
use super::record::Effect;
use super::record::Fault;
use super::record::Record;
use super::registry::Registry;
use super::registry::Resource;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use super::store::Store;
use super::table::Printer;
use crate::news::Announcer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// What changes together.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) registry: Registry,
    pub(super) ids: Ids,
}

impl State {
    /// The CRD of a custom resource.
    pub(super) fn definition(&self, resource: &Resource) -> Option<&Value> {
        let kind = "customresourcedefinitions.apiextensions.k8s.io";
        let found = self.store.get(&Key::new(kind, "", &resource.id()));
        found.map(Arc::as_ref).filter(|_| resource.is_custom())
    }
}

/// Who decides what a user may do.
pub(super) enum Authorizer {
    /// Everybody may do everything.
    Nobody,
    /// The stored Roles and their bindings.
    Rbac,
    /// The program.
    Program(Box<dyn Fn(&Attributes) -> bool + Send + Sync>),
}

/// One server, shared by all its connections.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) clock: Clock,
    pub(super) minor: u32,
    /// What it calls itself.
    pub(super) version: String,
    pub(super) admission: Mutex<Option<Arc<dyn Admission>>>,
    pub(super) authorizer: Mutex<Authorizer>,
    pub(super) records: Mutex<Vec<Record>>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) forwards: Forwards,
    /// How often all watches were cut.
    pub(super) cuts: Announcer,
    /// The tokens of service accounts, with their claims.
    pub(super) tokens: Mutex<BTreeMap<String, Value>>,
}

/// Locks; a panic elsewhere does not spread.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request to a resource, understood.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) target: Target,
    pub(super) query: Query,
    pub(super) agent: String,
    pub(super) user: User,
    /// Whether the program itself asks: its contents are taken as they are.
    pub(super) own: bool,
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) body: Arc<Value>,
    /// What the client should know besides.
    pub(super) warnings: Vec<String>,
}

impl Reply {
    pub(super) fn ok(body: impl Into<Arc<Value>>) -> Self {
        Self {
            code: 200,
            body: body.into(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn created(body: impl Into<Arc<Value>>) -> Self {
        Self {
            code: 201,
            ..Self::ok(body)
        }
    }

    pub(super) fn warn(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }
}

impl Call {
    /// Whether nothing may be stored.
    pub(super) fn dry_run(&self) -> bool {
        self.query.text("dryRun") == "All"
    }

    /// Who the fields that this call writes belong to.
    pub(super) fn writer(&self, operation: &'static str, time: String) -> Writer {
        let named = self.query.text("fieldManager");
        let manager = if named.is_empty() {
            self.agent.split('/').next().unwrap_or_default()
        } else {
            named
        };
        Writer {
            manager: if manager.is_empty() {
                "unknown".to_owned()
            } else {
                manager.to_owned()
            },
            operation,
            api_version: self.target.api_version(),
            subresource: self.target.subresource.clone(),
            time,
            resets: match (
                &*self.target.resource.kind,
                self.target.subresource.is_empty(),
            ) {
                ("Namespace", true) => &["spec", "status"],
                (_, true) if self.target.resource.has("status") => &["status"],
                _ => &[],
            },
            custom: self.target.resource.is_custom(),
        }
    }

    /// Whether the `dryRun` parameter is one that exists; `options` names the verb's options.
    pub(super) fn check_dry_run(&self, options: &str) -> Result<(), StatusError> {
        match self.query.text("dryRun") {
            "" | "All" => Ok(()),
            other => {
                let cause = Cause {
                    reason: "FieldValueNotSupported",
                    message: format!("Unsupported value: [\"{other}\"]: supported values: \"All\""),
                    field: "dryRun".to_owned(),
                };
                Err(StatusError::invalid(options, "meta.k8s.io", "", &[cause]))
            }
        }
    }
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        let minor = options.minor;
        Self {
            state: Mutex::new(State {
                store: Store::default(),
                registry: Registry::built_in(minor),
                ids: Ids::new(options.seed),
            }),
            clock: Clock::starting_at(options.start),
            minor,
            version: options
                .version
                .clone()
                .unwrap_or_else(|| format!("v1.{minor}.0")),
            admission: Mutex::new(None),
            authorizer: Mutex::new(Authorizer::Nobody),
            records: Mutex::new(Vec::new()),
            faults: Mutex::new(Vec::new()),
            forwards: Forwards::default(),
            cuts: Announcer::new(0),
            tokens: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Remembers a request and finds what should go wrong with it.
    pub(super) fn record(&self, record: Record) -> (usize, Option<Effect>) {
        let effect = lock(&self.faults)
            .iter_mut()
            .find_map(|fault| fault.strike(&record));
        let mut records = lock(&self.records);
        records.push(record);
        (records.len() - 1, effect)
    }

    /// Notes the code of an answer.
    pub(super) fn answered(&self, index: usize, code: u16) {
        if let Some(record) = lock(&self.records).get_mut(index) {
            record.code = code;
        }
    }

    /// Whether the authorizer lets it pass.
    pub(super) fn allowed(&self, attributes: &Attributes) -> bool {
        match &*lock(&self.authorizer) {
            Authorizer::Nobody => true,
            Authorizer::Rbac => rbac::allows(&self.state().store, attributes),
            Authorizer::Program(allows) => allows(attributes),
        }
    }

    /// The rules that say what a user may do in a namespace.
    pub(super) fn rules(&self, user: &User, namespace: &str) -> Vec<Value> {
        match &*lock(&self.authorizer) {
            Authorizer::Rbac => rbac::rules(&self.state().store, user, namespace),
            Authorizer::Nobody | Authorizer::Program(_) => rbac::everything(),
        }
    }

    /// How the objects of a request become rows of a table.
    pub(super) fn printer(&self, call: &Call) -> Printer {
        let resource = &call.target.resource;
        let state = self.state();
        let definition = state.definition(resource);
        let include = call.query.text("includeObject");
        Printer::new(resource, &call.target.version, definition, include)
    }

    /// Finds the resource of a path.
    pub(super) fn resolve(&self, path: &str) -> Result<Target, StatusError> {
        Target::resolve(path, &self.state().registry)
    }
}
