//! Who may do what.

use super::server::Call;
use super::status_error::StatusError;
use serde_json::Value;

/// Who may do everything.
pub(super) const ADMIN: &str = "kubernetes-admin";
/// The group of those who may do everything.
pub(super) const MASTERS: &str = "system:masters";
/// The group of everybody who is known.
pub(super) const AUTHENTICATED: &str = "system:authenticated";

/// Who asks, and the groups that they are in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl User {
    /// The user of this name, in the groups that come with it.
    pub fn named(name: &str) -> Self {
        let mut groups = Vec::new();
        if name == ADMIN || name == MASTERS {
            groups.push(MASTERS.to_owned());
        }
        if let Some((namespace, _)) = name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'))
        {
            groups.push("system:serviceaccounts".to_owned());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        groups.push(AUTHENTICATED.to_owned());
        Self {
            name: name.to_owned(),
            groups,
        }
    }

    /// Another user, in whose name a request is made; with groups named, in those alone.
    pub(super) fn impersonated(name: &str, groups: Vec<String>) -> Self {
        let mut user = Self::named(name);
        if !groups.is_empty() {
            user.groups = groups;
            user.groups.push(AUTHENTICATED.to_owned());
        }
        user
    }
}

/// What is asked of the authorizer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: User,
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
    /// The path of what is no resource; empty for a resource.
    pub path: String,
}

impl Attributes {
    /// Those of a request.
    pub(super) fn of(call: &Call, verb: &str) -> Self {
        let target = &call.target;
        // A collection narrowed to one name is judged by that name.
        let name = call
            .query
            .text("fieldSelector")
            .strip_prefix("metadata.name=")
            .filter(|_| target.name.is_empty() && verb != "create");
        Self {
            user: call.user.clone(),
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
            name: name.unwrap_or(&target.name).to_owned(),
            path: String::new(),
        }
    }

    /// Those of a request in another's name.
    pub(super) fn of_impersonation(user: &User, other: &str) -> Self {
        let account = other
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'));
        let (resource, namespace, name) = account.map_or(("users", "", other), |(place, name)| {
            ("serviceaccounts", place, name)
        });
        Self {
            user: user.clone(),
            verb: "impersonate".to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Those of a review's `resourceAttributes`, or of its `nonResourceAttributes`.
    pub(super) fn of_review(spec: &Value, user: &User) -> Self {
        let attributes = [&spec["resourceAttributes"], &spec["nonResourceAttributes"]];
        let attributes = attributes.into_iter().find(|one| one.is_object());
        let text = |key: &str| {
            let text = attributes.and_then(|attributes| attributes[key].as_str());
            text.unwrap_or_default().to_owned()
        };
        Self {
            user: user.clone(),
            verb: text("verb"),
            group: text("group"),
            resource: text("resource"),
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
            path: text("path"),
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
            path: _,
        } = self;
        let user = &user.name;
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
