//! Objects of any kind and version, as the server gives them.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// An object: its JSON, with the fields that everybody reads. Clones share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(Arc<Value>);

impl Object {
    /// Wraps what a server or a file gave.
    pub fn new(value: Value) -> Self {
        Self(Arc::new(value))
    }

    /// The whole object.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The whole object, to be changed.
    pub fn into_value(self) -> Value {
        Arc::unwrap_or_clone(self.0)
    }

    /// `apiVersion`, empty where it is missing.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `kind`, empty where it is missing.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`, empty where it is missing.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`, where there is one.
    pub fn namespace(&self) -> Option<&str> {
        self.0
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
    }

    /// `metadata.resourceVersion`, empty where it is missing.
    pub fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// Puts the object into a namespace.
    pub fn set_namespace(&mut self, namespace: &str) {
        Arc::make_mut(&mut self.0)["metadata"]["namespace"] = Value::from(namespace);
    }

    fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Group and version: `apps/v1`.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; none for what is cluster-wide.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    /// A cluster-wide object.
    pub fn cluster(api_version: &str, kind: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: None,
            name: name.to_owned(),
        }
    }

    /// An object in a namespace.
    pub fn namespaced(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..Self::cluster(api_version, kind, name)
        }
    }
}

impl From<&Object> for ObjectRef {
    fn from(object: &Object) -> Self {
        Self {
            api_version: object.api_version().to_owned(),
            kind: object.kind().to_owned(),
            namespace: object.namespace().map(str::to_owned),
            name: object.name().to_owned(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// Which objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// A label selector, as kubectl writes it.
    pub labels: Option<String>,
    /// The one name.
    pub name: Option<String>,
}

impl Selector {
    /// The one object of that name.
    pub fn named(name: &str) -> Self {
        Self {
            labels: None,
            name: Some(name.to_owned()),
        }
    }

    /// Those whose labels match.
    pub fn labelled(labels: &str) -> Self {
        Self {
            labels: Some(labels.to_owned()),
            name: None,
        }
    }
}

/// Something that a user may or may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `get`, `list`, `watch`, `create`, `patch`, …
    pub verb: String,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, plural.
    pub resource: String,
    /// The subresource.
    pub subresource: Option<String>,
    /// The namespace; none for the whole cluster.
    pub namespace: Option<String>,
    /// The one object.
    pub name: Option<String>,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(subresource) = &self.subresource {
            write!(f, "/{subresource}")?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => f.write_str(" in every namespace"),
        }
    }
}
