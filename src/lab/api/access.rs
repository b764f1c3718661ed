//! Who may do what.

use super::query::Target;
use super::status_error::StatusError;
use serde_json::Value;

/// What is asked of the authorizer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// API group; empty for core.
    pub group: String,
    /// Plural; empty for a path that is no resource.
    pub resource: String,
    /// Empty for the object itself.
    pub subresource: String,
    /// Empty for cluster scope or all namespaces.
    pub namespace: String,
    /// Empty for a collection.
    pub name: String,
}

impl Attributes {
    /// Those of a request.
    pub(super) fn of(target: &Target, verb: &str, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            verb: verb.to_owned(),
            group: target.resource.group.clone(),
            resource: target.resource.plural.clone(),
            subresource: target.subresource.clone(),
            // A namespace is judged within itself.
            namespace: if target.resource.kind == "Namespace" {
                target.name.clone()
            } else {
                target.namespace.clone()
            },
            name: target.name.clone(),
        }
    }

    /// Those of a review's `resourceAttributes`.
    pub(super) fn of_review(attributes: &Value, user: &str) -> Self {
        let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
        Self {
            user: user.to_owned(),
            verb: text("verb"),
            group: text("group"),
            resource: text("resource"),
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
        }
    }

    /// The refusal, as the server words it.
    pub(super) fn refusal(&self) -> StatusError {
        let Self {
            user,
            verb,
            group,
            resource,
            subresource,
            namespace,
            name,
        } = self;
        let full = if subresource.is_empty() {
            resource.clone()
        } else {
            format!("{resource}/{subresource}")
        };
        let place = if namespace.is_empty()
            || resource == "namespaces" && verb != "list" && namespace.is_empty()
        {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let why = format!(
            "User \"{user}\" cannot {verb} resource \"{full}\" in API group \"{group}\" {place}"
        );
        StatusError::forbidden(resource, group, name, &why)
    }
}
