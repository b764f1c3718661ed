//! `Status` failures, worded and coded as the real API server's (`apimachinery/pkg/api/errors`).

use serde_json::Value;
use serde_json::json;

/// A request that failed: the `Status` object of the answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", self.message())]
pub struct StatusError {
    /// The `Status` as it goes over the wire.
    pub status: Box<Value>,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u32>,
}

/// What is wrong with one field, for [`StatusError::invalid`].
#[derive(Debug, Clone)]
pub struct Cause {
    /// Machine-readable, such as `FieldValueRequired`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Path of the field.
    pub field: String,
}

impl Cause {
    /// A field that must be there.
    pub fn required(field: &str, detail: &str) -> Self {
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(": {detail}")
        };
        Self {
            reason: "FieldValueRequired",
            message: format!("Required value{detail}"),
            field: field.to_owned(),
        }
    }

    /// A field that may not be so.
    pub fn forbidden(field: &str, detail: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {detail}"),
            field: field.to_owned(),
        }
    }

    /// A value that is none of those that there are.
    pub fn unsupported(field: &str, value: &Value, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|one| format!("\"{one}\"")).collect();
        Self {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                list.join(", ")
            ),
            field: field.to_owned(),
        }
    }

    /// A field whose value cannot be.
    pub fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {detail}"),
            field: field.to_owned(),
        }
    }
}

impl StatusError {
    /// Any failure.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message.into(),
        });
        if !reason.is_empty() {
            status["reason"] = json!(reason);
        }
        status["code"] = json!(code);
        Self {
            status: Box::new(status),
            retry_after: None,
        }
    }

    /// The object does not exist.
    pub fn not_found(resource: &str, group: &str, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", qualified(resource, group)),
        )
        .about(resource, group, name)
    }

    /// No such path or kind.
    pub fn no_route() -> Self {
        let mut error = Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
        error.status["details"] = json!({});
        error
    }

    /// The name is taken.
    pub fn already_exists(resource: &str, group: &str, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} \"{name}\" already exists", qualified(resource, group)),
        )
        .about(resource, group, name)
    }

    /// An optimistic write that lost, or a precondition that did not hold.
    pub fn conflict(resource: &str, group: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            qualified(resource, group)
        );
        Self::new(409, "Conflict", message).about(resource, group, name)
    }

    /// The stale `resourceVersion` of an update.
    pub fn modified(resource: &str, group: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, group, name, why)
    }

    /// Not allowed.
    pub fn forbidden(resource: &str, group: &str, name: &str, why: &str) -> Self {
        let subject = qualified(resource, group);
        let message = if name.is_empty() {
            format!("{subject} is forbidden: {why}")
        } else {
            format!("{subject} \"{name}\" is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).about(resource, group, name)
    }

    /// The request cannot be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Nothing at all is served under this group and version.
    pub fn page_not_found() -> Self {
        let mut error = Self::no_route();
        *error.status = json!("404 page not found\n");
        error
    }

    /// The verb is not served here.
    pub fn method_not_allowed() -> Self {
        let mut error = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        error.status["details"] = json!({});
        error
    }

    /// The server failed.
    pub fn internal(message: &str) -> Self {
        let mut error = Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {message}"),
        );
        error.status["details"] = json!({"causes": [{"message": message}]});
        error
    }

    /// The history asked for is gone.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// A patch that cannot be applied to the object.
    pub fn unprocessable() -> Self {
        let mut error = Self::new(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        error.status["details"] = json!({});
        error
    }

    /// Fields that do not validate.
    pub fn invalid(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let mut texts: Vec<String> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        texts.dedup();
        let list = if let [one] = texts.as_slice() {
            one.clone()
        } else {
            format!("[{}]", texts.join(", "))
        };
        let message = format!("{} \"{name}\" is invalid: {list}", qualified(kind, group));
        let mut error = Self::new(422, "Invalid", message).about(kind, group, name);
        error.status["details"]["causes"] = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
            .collect();
        error
    }

    /// Slow down.
    pub fn too_many_requests(message: &str, seconds: u32) -> Self {
        let mut error = Self::new(429, "TooManyRequests", message);
        error.status["details"] = json!({"retryAfterSeconds": seconds});
        error.retry_after = Some(seconds);
        error
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        if self.status.is_string() {
            return 404;
        }
        self.status["code"]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or(500)
    }

    /// The machine-readable reason.
    pub fn reason(&self) -> &str {
        self.status["reason"].as_str().unwrap_or_default()
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        self.status["message"].as_str().unwrap_or_default()
    }

    fn about(mut self, resource: &str, group: &str, name: &str) -> Self {
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", resource)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), json!(value));
            }
        }
        self.status["details"] = Value::Object(details);
        self
    }
}

fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}
