//! What can go wrong with a cluster, in the words of those who must mend it.

use std::time::Duration;

use kube::core::Status;

use super::guard::Refused;

/// What kind of error it is; decides what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorClass {
    /// May pass by itself: a connection, 429, 5xx. With what the server asked to wait.
    Transient(Option<Duration>),
    /// The object changed meanwhile (409): look again.
    Conflict,
    /// Another field manager owns what would be applied (409); one line for each field.
    FieldManager(Vec<String>),
    /// The user may not (401, 403).
    Denied,
    /// There is no such object, or no such kind (404).
    NotFound,
    /// The object is there already (409).
    AlreadyExists,
    /// The resource version is too old to watch from (410).
    Gone,
    /// The server refuses the request as it is (400, 422).
    Invalid,
    /// No kubeconfig, no context, no address, no answer.
    Unreachable,
    /// A dry run tried to write: a bug in `plan`.
    ReadOnly,
}

/// An error of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// What kind of error it is.
    pub class: ErrorClass,
    /// What happened, with the server's own words.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl ClusterError {
    /// An error of that class.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            help: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the object or kind is not there.
    pub fn is_not_found(&self) -> bool {
        self.class == ErrorClass::NotFound
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self.class, ErrorClass::Transient(_) | ErrorClass::Gone)
    }

    /// Reads what a server answered in place of an object.
    pub(super) fn from_status(status: &Status, retry_after: Option<Duration>) -> Self {
        let class = match (status.code, status.reason.as_str()) {
            (409, "AlreadyExists") => ErrorClass::AlreadyExists,
            (409, _) => match field_conflicts(status) {
                fields if fields.is_empty() => ErrorClass::Conflict,
                fields => ErrorClass::FieldManager(fields),
            },
            (410, _) => ErrorClass::Gone,
            (401 | 403, _) => ErrorClass::Denied,
            (404, _) => ErrorClass::NotFound,
            (429 | 500..=599, _) => ErrorClass::Transient(retry_after),
            _ => ErrorClass::Invalid,
        };
        // A failed call of a webhook is an internal error to the server; it may pass as its target comes up.
        Self::new(class, status.message.clone())
    }
}

/// The causes of a conflict of field managers: `conflict with "kubectl" using v1: .spec.x`.
fn field_conflicts(status: &Status) -> Vec<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect()
}

impl From<kube::Error> for ClusterError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_status(&status, None),
            kube::Error::Auth(error) => Self::new(
                ErrorClass::Unreachable,
                format!("no credentials: {}", innermost(&error)),
            )
            .help("run what the kubeconfig's user section runs to get credentials"),
            kube::Error::Service(error) if error.is::<Refused>() => {
                Self::new(ErrorClass::ReadOnly, error.to_string()).help("this is a bug in plan")
            }
            other => Self::new(ErrorClass::Transient(None), innermost(&other)),
        }
    }
}

/// The chain of causes without the wrappers that only repeat them.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
