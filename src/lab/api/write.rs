//! Create, update and patch.

use super::admission::Chain;
use super::admission::Kind;
use super::body::Undecoded;
use super::body::check_uid;
use super::commit::commit;
use super::commit::modified;
use super::commit::store;
use super::defaults;
use super::fresh;
use super::object;
use super::patch;
use super::patch::managers;
use super::patch::managers::Writer;
use super::registry::Resource;
use super::schema;
use super::server::Call;
use super::server::Reply;
use super::server::Shared;
use super::server::State;
use super::server::lock;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use super::validate;
use super::versions;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

impl Shared {
    /// POST to a collection.
    pub(super) fn create(&self, call: &Call, body: Value) -> Result<Reply, StatusError> {
        if call.target.resource.namespaced && call.target.namespace.is_empty() {
            return Err(StatusError::method_not_allowed());
        }
        let mut body = body;
        call.default_type(&mut body);
        call.check_type(&body)?;
        let unknown = self.decode(call, &mut body, "CreateOptions")?;
        let created = self.create_as(call, body, &call.writer("Update", self.clock.seconds()))?;
        Ok(Reply::created(call.present(&created)).warn(unknown))
    }

    /// Reads a body as its type does; gives warnings.
    fn decode(
        &self,
        call: &Call,
        body: &mut Value,
        options: &str,
    ) -> Result<Vec<String>, StatusError> {
        let schema =
            schema::of_decoding(&self.state(), &call.target.resource, &call.target.version);
        call.decode(body, schema.as_ref(), options)
            .map_err(|why| match why {
                Undecoded::Options(error) => error,
                Undecoded::Body(why) => {
                    let kind = &call.target.resource.kind;
                    StatusError::bad_request(format!(
                        "{kind} in version \"{}\" cannot be handled as a {kind}: {why}",
                        call.target.version
                    ))
                }
            })
    }

    fn create_as(
        &self,
        call: &Call,
        mut body: Value,
        writer: &Writer,
    ) -> Result<Arc<Value>, StatusError> {
        call.check_dry_run("CreateOptions")?;
        call.check_place(&mut body)?;
        let resource = &call.target.resource;
        let chain = {
            let mut state = self.state();
            fresh::namespace_accepts(&state, call, &body)?;
            fresh::generate_name(&mut state, &mut body);
            fresh::prepare(&mut body, call);
            body = call.normal(body);
            if writer.operation == "Update" {
                object::metadata_mut(&mut body).shift_remove("managedFields");
                managers::track_update(&Value::Null, &mut body, writer);
            }
            if resource.kind == "Pod" {
                fresh::admit_pod(&mut state, call, &mut body)?;
            }
            Chain::collect(&state.store, Kind::Mutating, call, "CREATE")
        };
        if !chain.is_empty() {
            let admission = lock(&self.admission).clone();
            if let Some(admission) = admission {
                body = chain.run(admission.as_ref(), body, self.minor)?;
                defaults::fill(&mut body, &resource.kind, &call.target.version);
                if resource.kind == "Pod" {
                    let mut state = self.state();
                    fresh::admit_pod(&mut state, call, &mut body)?;
                }
            }
        }
        validate::check(&self.state(), call, &body, None)?;
        self.ask(call, "CREATE", &body)?;
        let mut state = self.state();
        let key = Key {
            name: object::name(&body).to_owned(),
            ..call.key()
        };
        if state.store.get(&key).is_some() {
            return Err(StatusError::already_exists(
                &resource.plural,
                &resource.group,
                &key.name,
            ));
        }
        self.stamp(&mut state, &mut body, resource);
        fresh::allocate(&state, &mut body, resource);
        if call.dry_run() {
            return Ok(Arc::new(body));
        }
        let kept = versions::convert(body, &versions::kept(resource));
        Ok(store(&mut state, key, kept, resource))
    }

    /// Asks the validating webhooks, while nothing is locked: they look at the cluster.
    fn ask(&self, call: &Call, operation: &str, body: &Value) -> Result<(), StatusError> {
        let chain = Chain::collect(&self.state().store, Kind::Validating, call, operation);
        if chain.is_empty() {
            return Ok(());
        }
        let admission = lock(&self.admission).clone();
        admission.map_or(Ok(()), |admission| {
            chain.check(admission.as_ref(), body, self.minor)
        })
    }

    /// Writes the next state of an object. It is made again from the newest one where another writer came between, so
    /// that only a `resourceVersion` that is named conflicts (`GuaranteedUpdate` of apiserver's `etcd3/store.go`).
    fn rewrite(
        &self,
        call: &Call,
        writer: &Writer,
        next: impl Fn(&Arc<Value>) -> Result<(Value, Vec<String>), StatusError>,
    ) -> Result<Reply, StatusError> {
        loop {
            let before = self.seen(call)?;
            let (after, warnings) = next(&before)?;
            self.ask(call, "UPDATE", &after)?;
            let mut state = self.state();
            let newest = state.store.get(&call.key());
            if newest.is_some_and(|newest| Arc::ptr_eq(newest, &before)) {
                let stored = commit(&mut state, call, &before, after, writer)?;
                drop(state);
                return Ok(Reply::ok(call.present(&stored)).warn(warnings));
            }
        }
    }

    fn stamp(&self, state: &mut State, body: &mut Value, resource: &Resource) {
        object::set_meta(body, "uid", json!(state.ids.uid()));
        object::set_meta(body, "creationTimestamp", json!(self.clock.seconds()));
        let metadata = object::metadata_mut(body);
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
            "generation",
            "selfLink",
        ] {
            metadata.shift_remove(field);
        }
        if resource.generation {
            object::set_meta(body, "generation", json!(1));
        }
    }

    /// PUT.
    pub(super) fn update(&self, call: &Call, body: Value) -> Result<Reply, StatusError> {
        call.check_dry_run("UpdateOptions")?;
        let mut after = body;
        call.default_type(&mut after);
        call.check_type(&after)?;
        let unknown = self.decode(call, &mut after, "UpdateOptions")?;
        call.check_place(&mut after)?;
        call.check_revision(&after)?;
        let writer = call.writer("Update", self.clock.seconds());
        self.rewrite(call, &writer, |_| Ok((after.clone(), unknown.clone())))
    }

    /// PATCH, by content type.
    pub(super) fn patch(
        &self,
        call: &Call,
        content_type: &str,
        body: &Value,
    ) -> Result<Reply, StatusError> {
        call.check_dry_run("PatchOptions")?;
        if content_type == "application/apply-patch+yaml"
            || content_type == "application/apply-patch+cbor"
        {
            return self.apply(call, body);
        }
        if call.query.has("force") {
            let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
            return Err(StatusError::invalid(
                "PatchOptions",
                "meta.k8s.io",
                "",
                &[cause],
            ));
        }
        let writer = call.writer("Update", self.clock.seconds());
        self.rewrite(call, &writer, |before| {
            self.patched(call, content_type, body, before)
        })
    }

    /// The object after a patch, and what is to be warned of.
    fn patched(
        &self,
        call: &Call,
        content_type: &str,
        body: &Value,
        before: &Arc<Value>,
    ) -> Result<(Value, Vec<String>), StatusError> {
        let custom = call.target.resource.is_custom();
        let shown = call.present(before);
        let mut after = match content_type {
            "application/json-patch+json" => patch::json::patch(&shown, body)?,
            "application/merge-patch+json" => {
                let mut after = Arc::unwrap_or_clone(shown);
                patch::merge::patch(&mut after, body);
                after
            }
            "application/strategic-merge-patch+json" if !custom => {
                let mut after = Arc::unwrap_or_clone(shown);
                patch::strategic::patch(&mut after, body);
                after
            }
            other => {
                return Err(unsupported_patch(
                    custom,
                    other == "application/strategic-merge-patch+json",
                ));
            }
        };
        check_uid(call, before, &after)?;
        if !custom {
            object::empty_texts(&mut after);
            object::drop_nulls(&mut after);
        }
        if !after.is_object() {
            return Err(StatusError::bad_request(
                "json: cannot unmarshal array into Go value of type map[string]interface {}",
            ));
        }
        call.check_type(&after)
            .map_err(|error| Undecoded::Body(error.message().to_owned()).of_patch(&after))?;
        let schema =
            schema::of_decoding(&self.state(), &call.target.resource, &call.target.version);
        let patched = after.clone();
        let unknown = call
            .decode(&mut after, schema.as_ref(), "PatchOptions")
            .map_err(|why| why.of_patch(&patched))?;
        call.check_place(&mut after)?;
        Ok((after, unknown))
    }

    /// The object that a request is about.
    fn seen(&self, call: &Call) -> Result<Arc<Value>, StatusError> {
        let state = self.state();
        let found = state.store.get(&call.key()).cloned();
        found.ok_or_else(|| call.target.not_found())
    }

    fn apply(&self, call: &Call, body: &Value) -> Result<Reply, StatusError> {
        if call.query.text("fieldManager").is_empty() {
            let cause = Cause::required("fieldManager", "is required for apply patch");
            return Err(StatusError::invalid(
                "PatchOptions",
                "meta.k8s.io",
                "",
                &[cause],
            ));
        }
        if body["metadata"]["managedFields"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
        {
            return Err(StatusError::bad_request(
                "metadata.managedFields must be nil",
            ));
        }
        call.check_applied_type(body)?;
        call.check_declared(body)?;
        let mut config = body.clone();
        call.check_place(&mut config)?;
        if object::namespace(body).is_empty() {
            object::metadata_mut(&mut config).shift_remove("namespace");
        }
        let writer = call.writer("Apply", self.clock.seconds());
        let ignore_status =
            call.target.resource.has("status") && call.target.subresource.is_empty();
        let live = self.state().store.get(&call.key()).cloned();
        if live.is_none() {
            if !call.target.subresource.is_empty() {
                return Err(call.target.not_found());
            }
            let uid = object::meta(&config, "uid");
            if !uid.is_empty() {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(StatusError::conflict(
                    &call.target.resource.plural,
                    &call.target.resource.group,
                    &call.target.name,
                    &why,
                ));
            }
            let made = patch::apply::apply(&Value::Null, &config, &writer, false, ignore_status)?;
            match self.create_as(call, made, &writer) {
                // Another writer made it meanwhile.
                Err(error) if error.reason() == "AlreadyExists" => {}
                created => return Ok(Reply::created(call.present(&created?))),
            }
        }
        self.rewrite(call, &writer, |before| {
            check_uid(call, before, &config)?;
            if !object::meta(&config, "resourceVersion").is_empty()
                && object::revision(&config) != object::revision(before)
            {
                return Err(modified(call));
            }
            let after = patch::apply::apply(
                &call.present(before),
                &config,
                &writer,
                call.query.flag("force"),
                ignore_status,
            )?;
            Ok((after, Vec::new()))
        })
    }
}

fn unsupported_patch(custom: bool, known: bool) -> StatusError {
    if !known {
        let mut error =
            StatusError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        error.status["details"] = json!({});
        return error;
    }
    let strategic = if custom {
        ""
    } else {
        "application/strategic-merge-patch+json, "
    };
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, {strategic}application/apply-patch+yaml"
    );
    StatusError::new(415, "UnsupportedMediaType", message)
}
