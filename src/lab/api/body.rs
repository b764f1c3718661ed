//! What a request carries: its type, its place, its fields.

use super::decode;
use super::decode::Validation;
use super::object;
use super::patch;
use super::schema;
use super::server::Call;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use super::versions;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Why a body was not read.
pub(super) enum Undecoded {
    Options(StatusError),
    Body(String),
}

impl Undecoded {
    /// As the failure of a patch.
    pub(super) fn of_patch(self, patched: &Value) -> StatusError {
        match self {
            Self::Options(error) => error,
            Self::Body(why) => {
                // The kind and the name are missing in the real answer, too.
                let cause = Cause::invalid("patch", &json!(patched.to_string()), &why);
                StatusError::invalid("", "", "", &[cause])
            }
        }
    }
}

impl Call {
    /// Drops what the type of the body does not know; gives warnings about it.
    pub(super) fn decode(
        &self,
        body: &mut Value,
        schema: Option<&Value>,
        options: &str,
    ) -> Result<Vec<String>, Undecoded> {
        if self.own {
            return Ok(Vec::new());
        }
        let validation = Validation::parse(self.query.text("fieldValidation"), options)
            .map_err(Undecoded::Options)?;
        let unknown: Vec<String> = match schema {
            Some(schema) => {
                let unknown = schema::prune(body, schema);
                schema::complete(body, schema);
                unknown
            }
            None if self.target.resource.is_custom() => Vec::new(),
            None => decode::prune(body).map_err(Undecoded::Body)?,
        };
        let said = unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect::<Vec<_>>();
        match validation {
            Validation::Strict if !said.is_empty() => Err(Undecoded::Body(format!(
                "strict decoding error: {}",
                said.join(", ")
            ))),
            Validation::Warn => Ok(said),
            _ => Ok(Vec::new()),
        }
    }

    /// Where the object of this call lies.
    pub(super) fn key(&self) -> Key {
        Key::new(
            &self.target.resource.id(),
            &self.target.namespace,
            &self.target.name,
        )
    }

    /// The object in the version asked for: mostly the very one that is stored.
    pub(super) fn present(&self, object: &Arc<Value>) -> Arc<Value> {
        let api_version = self.target.api_version();
        if object["kind"] == *self.target.resource.kind && object["apiVersion"] == *api_version {
            return Arc::clone(object);
        }
        let mut shown = (**object).clone();
        shown["kind"] = json!(self.target.resource.kind);
        Arc::new(versions::convert(shown, &api_version))
    }

    /// A body as it comes back from the version in which it is kept.
    pub(super) fn normal(&self, body: Value) -> Value {
        let kept = versions::kept(&self.target.resource);
        let api_version = self.target.api_version();
        if kept == api_version {
            return body;
        }
        versions::convert(versions::convert(body, &kept), &api_version)
    }

    /// A body without a type is of that of the path.
    pub(super) fn default_type(&self, body: &mut Value) {
        let missing = |key: &str| body[key].is_null();
        let custom = self.target.resource.is_custom();
        if body.is_object() && (!custom || (missing("kind") && missing("apiVersion"))) {
            object::default_to(body, "kind", json!(self.target.resource.kind));
            object::default_to(body, "apiVersion", json!(self.target.api_version()));
        }
    }

    /// Refuses a body that is not of the kind of the path.
    pub(super) fn check_type(&self, body: &Value) -> Result<(), StatusError> {
        let (version, kind) = (
            body["apiVersion"].as_str().unwrap_or_default(),
            body["kind"].as_str().unwrap_or_default(),
        );
        let expected = self.target.api_version();
        if kind.is_empty() && body.is_object() {
            return Err(StatusError::bad_request(format!(
                "Object 'Kind' is missing in '{body}'"
            )));
        }
        let wanted = &self.target.resource.kind;
        let group = self
            .target
            .resource
            .group
            .split('.')
            .next()
            .filter(|group| !group.is_empty())
            .unwrap_or("core");
        let (group_of, name) = version.rsplit_once('/').unwrap_or(("", version));
        if version != expected
            && group_of == self.target.resource.group
            && name.contains(['a', 'b'])
        {
            return Err(StatusError::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({expected})"
            )));
        }
        if version != expected {
            return Err(StatusError::bad_request(format!(
                "{kind} in version \"{}\" cannot be handled as a {wanted}: no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\"",
                self.target.version
            )));
        }
        if kind != wanted {
            return Err(StatusError::bad_request(format!(
                "{kind} in version \"{0}\" cannot be handled as a {wanted}: converting ({0}.{kind}) to ({group}.{wanted}): unknown conversion",
                self.target.version
            )));
        }
        Ok(())
    }

    /// Makes the body's namespace and name those of the path, or refuses.
    pub(super) fn check_place(&self, body: &mut Value) -> Result<(), StatusError> {
        let target = &self.target;
        let namespace = object::namespace(body);
        if target.resource.namespaced {
            if !(namespace.is_empty() || namespace == target.namespace) {
                return Err(StatusError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            object::set_meta(body, "namespace", json!(target.namespace));
        } else {
            object::metadata_mut(body).shift_remove("namespace");
        }
        let name = object::name(body);
        if !(target.name.is_empty() || name.is_empty() || name == target.name) {
            return Err(StatusError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            )));
        }
        if !target.name.is_empty() {
            object::set_meta(body, "name", json!(target.name));
        }
        Ok(())
    }
}

/// Built-in resources that can only be replaced by who has seen their last revision; custom ones are so, too.
const CONDITIONAL: [&str; 6] = [
    "coordination.k8s.io",
    "policy",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

impl Call {
    pub(super) fn check_revision(&self, after: &Value) -> Result<(), StatusError> {
        let resource = &self.target.resource;
        let conditional = resource.is_custom() || CONDITIONAL.contains(&&*resource.group);
        if self.own || !conditional || !object::meta(after, "resourceVersion").is_empty() {
            return Ok(());
        }
        let cause = Cause::invalid(
            "metadata.resourceVersion",
            &json!(0),
            "must be specified for an update",
        );
        Err(StatusError::invalid(
            &resource.plural,
            &resource.group,
            &self.target.name,
            &[cause],
        ))
    }

    /// Refuses a configuration to apply that is not of the kind of the path.
    pub(super) fn check_applied_type(&self, config: &Value) -> Result<(), StatusError> {
        let text = |key: &str| config[key].as_str().unwrap_or_default();
        if text("kind") == self.target.resource.kind
            && text("apiVersion") == self.target.api_version()
        {
            return Ok(());
        }
        let (group, version) = text("apiVersion")
            .rsplit_once('/')
            .unwrap_or(("", text("apiVersion")));
        Err(StatusError::bad_request(format!(
            "invalid object type: {group}/{version}, Kind={}",
            text("kind")
        )))
    }

    /// Refuses an applied configuration with fields that the type has not, or with items that are there twice.
    pub(super) fn check_declared(&self, config: &Value) -> Result<(), StatusError> {
        if self.own || self.target.resource.is_custom() {
            return Ok(());
        }
        let mut read = config.clone();
        let unknown = decode::prune(&mut read).map_err(|why| StatusError::new(500, "", why))?;
        let unknown = unknown.first();
        let why = unknown.map(|field| format!(".{field}: field not declared in schema"));
        let twice = || patch::duplicates::find(config, &mut Vec::new(), false);
        let Some(why) = why.or_else(twice) else {
            return Ok(());
        };
        let (group, version) = (&self.target.resource.group, &self.target.version);
        Err(StatusError::new(
            500,
            "",
            format!(
                "failed to create typed patch object ({}/{}; {}, Kind={}): {why}",
                object::namespace(config),
                object::name(config),
                if group.is_empty() {
                    format!("/{version}")
                } else {
                    self.target.api_version()
                },
                self.target.resource.kind
            ),
        ))
    }
}

/// A patch may not touch the uid; the server checks it twice and says it once.
pub(super) fn check_uid(call: &Call, before: &Value, after: &Value) -> Result<(), StatusError> {
    let uid = &after["metadata"]["uid"];
    if uid.is_null() || *uid == before["metadata"]["uid"] {
        return Ok(());
    }
    let cause = Cause::invalid("metadata.uid", uid, "field is immutable");
    let resource = &call.target.resource;
    Err(StatusError::invalid(
        &resource.kind,
        &resource.group,
        &call.target.name,
        &[cause.clone(), cause],
    ))
}
