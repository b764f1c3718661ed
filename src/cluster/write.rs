//! Changing objects: patches, server-side apply, creation; as dry runs where the cluster is one.

use http::Method;
use serde_json::Value;

use super::error::{ClusterError, ErrorClass};
use super::object::{Object, ObjectRef};
use super::{Cluster, FIELD_MANAGER, diff, patch};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// What an apply did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object as it is now, or would be.
    pub after: Object,
    /// Whether that differs from before.
    pub changed: bool,
}

impl Cluster {
    /// Patches by operations (RFC 6902).
    ///
    /// # Errors
    /// [`ErrorClass::Conflict`] where a `test` among them does not hold.
    pub async fn json_patch(
        &self,
        object: &ObjectRef,
        patch: Value,
    ) -> Result<Object, ClusterError> {
        let operations = patch.as_array().map(Vec::as_slice).unwrap_or_default();
        let tests = operations.iter().any(|one| one["op"] == "test");
        match self.patch(object, patch, JSON_PATCH).await {
            // The server says no more than this (`NewGenericServerResponse` in apiserver's `patch.go`).
            Err(mut error)
                if tests
                    && error.class == ErrorClass::Invalid
                    && error.message.contains("due to an error in our request") =>
            {
                error.class = ErrorClass::Conflict;
                error.message = format!("{object} changed meanwhile");
                self.doubt(object);
                Err(error)
            }
            other => other,
        }
    }

    /// Patches by merging (RFC 7386).
    pub async fn merge_patch(
        &self,
        object: &ObjectRef,
        patch: Value,
    ) -> Result<Object, ClusterError> {
        self.patch(object, patch, MERGE_PATCH).await
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        body: Value,
        kind: &'static str,
    ) -> Result<Object, ClusterError> {
        if let Some(predicted) = self.overlay.as_ref().and_then(|o| o.get(object)) {
            // The server does not know what earlier steps would have made of it.
            return self.patch_predicted(&predicted, &body, kind);
        }
        let before = match &self.overlay {
            Some(_) => self.get(object).await?,
            None => None,
        };
        let url = format!(
            "{}?fieldManager={FIELD_MANAGER}{}",
            self.path_of(object).await?,
            self.dry()
        );
        let answer = self.call(Method::PATCH, url, Some(body), Some(kind)).await;
        let after = Object::new(answer?);
        self.remember(before.as_ref(), &after, "patch", false);
        Ok(after)
    }

    fn patch_predicted(
        &self,
        before: &Object,
        body: &Value,
        kind: &'static str,
    ) -> Result<Object, ClusterError> {
        let mut after = before.value().clone();
        if kind == JSON_PATCH {
            patch::json_patch(&mut after, body).map_err(|said| {
                let name = ObjectRef::from(before);
                ClusterError::new(ErrorClass::Conflict, format!("{name}: {said}"))
            })?;
        } else {
            patch::merge_patch(&mut after, body);
        }
        let after = Object::new(after);
        self.remember(Some(before), &after, "patch", true);
        Ok(after)
    }

    /// Creates an object.
    pub async fn create(&self, object: &Object) -> Result<Object, ClusterError> {
        let (after, modelled) = match self.send_create(object, self.is_dry_run()).await {
            Ok(after) => (after, false),
            Err(error) if self.comes_later(object, &error) => (object.clone(), true),
            Err(error) => return Err(error),
        };
        self.remember(None, &after, "create", modelled);
        Ok(after)
    }

    /// Lets the server create an object and throw it away: admission runs, nothing stays.
    pub async fn create_as_dry_run(&self, object: &Object) -> Result<Object, ClusterError> {
        self.send_create(object, true).await
    }

    async fn send_create(&self, object: &Object, dry_run: bool) -> Result<Object, ClusterError> {
        let collection = self.collection(object).await?;
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let url = format!("{collection}?fieldManager={FIELD_MANAGER}{dry}");
        let body = Some(object.value().clone());
        let after = self.call(Method::POST, url, body, None).await?;
        Ok(Object::new(after))
    }

    /// Replaces an object, if it still has the resource version that it carries.
    pub async fn replace(&self, object: &Object) -> Result<Object, ClusterError> {
        let path = self.path_of(&ObjectRef::from(object)).await?;
        let url = format!("{path}?fieldManager={FIELD_MANAGER}{}", self.dry());
        let after = self
            .call(Method::PUT, url, Some(object.value().clone()), None)
            .await?;
        let after = Object::new(after);
        if !self.is_dry_run() {
            self.written(&after);
        }
        Ok(after)
    }

    /// Applies an object as field manager `plan`; never by force, but where `take_over` says so.
    ///
    /// # Errors
    /// [`ErrorClass::FieldManager`] where another manager owns a field with another value.
    pub async fn apply(&self, object: &Object, take_over: bool) -> Result<Applied, ClusterError> {
        let name = ObjectRef::from(object);
        let before = self.get(&name).await?;
        let predicted = self.overlay.as_ref().and_then(|o| o.get(&name));
        let (after, modelled) = match predicted {
            // The server does not know what earlier steps would have made of it.
            Some(predicted) => {
                let mut after = predicted.into_value();
                patch::merge_patch(&mut after, object.value());
                (Object::new(after), true)
            }
            None => match self.send_apply(object, take_over, self.is_dry_run()).await {
                Ok(after) => (after, false),
                Err(error) if self.comes_later(object, &error) => (object.clone(), true),
                Err(error) => return Err(error),
            },
        };
        let changed = before.as_ref().is_none_or(|before| differs(before, &after));
        if changed {
            self.remember(before.as_ref(), &after, "apply", modelled);
        }
        Ok(Applied { after, changed })
    }

    /// What an apply would do, by the server.
    pub async fn apply_as_dry_run(
        &self,
        object: &Object,
        take_over: bool,
    ) -> Result<Applied, ClusterError> {
        let before = self.get(&ObjectRef::from(object)).await?;
        let after = self.send_apply(object, take_over, true).await?;
        let changed = before.as_ref().is_none_or(|before| differs(before, &after));
        Ok(Applied { after, changed })
    }

    /// What the server would make of an apply; `None` where it cannot tell yet, since the object's kind or namespace comes
    /// with the same rendering, or since a webhook in between knows no dry runs.
    pub async fn try_apply(
        &self,
        object: &Object,
        take_over: bool,
    ) -> Result<Option<Object>, ClusterError> {
        match self.send_apply(object, take_over, true).await {
            Ok(after) => Ok(Some(after)),
            Err(error) if error.is_not_found() || knows_no_dry_run(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The fields of an object that other managers own with other values: none where an apply would go through.
    pub async fn conflicts(&self, object: &Object) -> Result<Vec<String>, ClusterError> {
        match self.send_apply(object, false, true).await {
            Ok(_) => Ok(Vec::new()),
            Err(ClusterError {
                class: ErrorClass::FieldManager(fields),
                ..
            }) => Ok(fields),
            // Its namespace or kind comes with the same rendering.
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn send_apply(
        &self,
        object: &Object,
        take_over: bool,
        dry_run: bool,
    ) -> Result<Object, ClusterError> {
        let path = self.path_of(&ObjectRef::from(object)).await?;
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let url = format!("{path}?fieldManager={FIELD_MANAGER}&force={take_over}{dry}");
        let body = Some(object.value().clone());
        self.call(Method::PATCH, url, body, Some(APPLY))
            .await
            .map(Object::new)
            .map_err(|error| match error.class {
                ErrorClass::FieldManager(_) => {
                    error.help("name the object in `take_over` where that is right")
                }
                _ => error,
            })
    }

    fn dry(&self) -> &'static str {
        if self.is_dry_run() { "&dryRun=All" } else { "" }
    }

    fn remember(
        &self,
        before: Option<&Object>,
        after: &Object,
        verb: &'static str,
        modelled: bool,
    ) {
        match &self.overlay {
            Some(overlay) => overlay.remember(before, after.clone(), verb, modelled),
            None => self.written(after),
        }
    }

    /// Whether the server refuses a dry run only because an earlier step would have made the namespace or the kind,
    /// or because a webhook in between knows no dry runs.
    fn comes_later(&self, object: &Object, error: &ClusterError) -> bool {
        let Some(overlay) = &self.overlay else {
            return false;
        };
        match error.class {
            ErrorClass::NotFound => {
                object
                    .namespace()
                    .is_some_and(|namespace| overlay.makes_namespace(namespace))
                    || overlay.makes_kind(object.api_version(), object.kind())
            }
            _ => knows_no_dry_run(error),
        }
    }
}

/// Whether a webhook that the write would go through has side effects (`admission/plugin/webhook/errors`).
fn knows_no_dry_run(error: &ClusterError) -> bool {
    error.class == ErrorClass::Invalid && error.message.contains("does not support dry run")
}

/// Whether two states of an object differ in more than what the server counts and notes.
fn differs(before: &Object, after: &Object) -> bool {
    diff::content(before) != diff::content(after)
}
