//! Create, update and patch.

use super::admission::Chain;
use super::commit::commit;
use super::commit::modified;
use super::commit::precondition_uid;
use super::commit::store;
use super::defaults;
use super::object;
use super::patch;
use super::patch::managers;
use super::patch::managers::Writer;
use super::registry::Resource;
use super::server::Call;
use super::server::Reply;
use super::server::Shared;
use super::server::State;
use super::server::lock;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use super::validate;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

impl Call {
    /// Where the object of this call lies.
    pub(super) fn key(&self) -> Key {
        Key::new(
            &self.target.resource.id(),
            &self.target.namespace,
            &self.target.name,
        )
    }

    /// The object in the version asked for.
    pub(super) fn present(&self, object: &Value) -> Value {
        let mut shown = object.clone();
        shown["apiVersion"] = json!(self.target.api_version());
        shown["kind"] = json!(self.target.resource.kind);
        shown
    }

    /// A body without a type is of that of the path.
    fn default_type(&self, body: &mut Value) {
        if body["kind"].is_null() && body["apiVersion"].is_null() && body.is_object() {
            body["kind"] = json!(self.target.resource.kind);
            body["apiVersion"] = json!(self.target.api_version());
        }
    }

    /// Refuses a body that is not of the kind of the path.
    fn check_type(&self, body: &Value) -> Result<(), StatusError> {
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
    fn check_place(&self, body: &mut Value) -> Result<(), StatusError> {
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

impl Shared {
    /// POST to a collection.
    pub(super) fn create(&self, call: &Call, body: Value) -> Result<Reply, StatusError> {
        if call.target.resource.namespaced && call.target.namespace.is_empty() {
            return Err(StatusError::method_not_allowed());
        }
        let mut body = body;
        call.default_type(&mut body);
        call.check_type(&body)?;
        let created = self.create_as(call, body, &call.writer("Update", self.clock.seconds()))?;
        Ok(Reply::created(call.present(&created)))
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
            namespace_accepts(&state, call, &body)?;
            generate_name(&mut state, &mut body);
            prepare(&mut body, call);
            Chain::collect(
                &state.store,
                resource,
                &call.target.version,
                "CREATE",
                &call.target.namespace,
            )
        };
        if !chain.is_empty() {
            let admission = lock(&self.admission).clone();
            if let Some(admission) = admission {
                body = chain.run(admission.as_ref(), body, self.minor)?;
                defaults::fill(&mut body, &resource.kind, &call.target.version);
            }
        }
        validate::check(resource, &body, None)?;
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
        if writer.operation == "Update" {
            object::metadata_mut(&mut body).shift_remove("managedFields");
            managers::track_update(&Value::Null, &mut body, writer);
        }
        allocate(&state, &mut body, resource);
        if call.dry_run() {
            return Ok(Arc::new(body));
        }
        Ok(store(&mut state, key, body, resource))
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
        call.check_place(&mut after)?;
        let mut state = self.state();
        let before = state
            .store
            .get(&call.key())
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        let writer = call.writer("Update", self.clock.seconds());
        let stored = commit(&mut state, call, &before, after, &writer)?;
        Ok(Reply::ok(call.present(&stored)))
    }

    /// PATCH, by content type.
    pub(super) fn patch(
        &self,
        call: &Call,
        content_type: &str,
        body: &Value,
    ) -> Result<Reply, StatusError> {
        call.check_dry_run("PatchOptions")?;
        let custom = call.target.resource.is_custom();
        if content_type == "application/apply-patch+yaml"
            || content_type == "application/apply-patch+cbor"
        {
            return self.apply(call, body);
        }
        let mut state = self.state();
        let before = state
            .store
            .get(&call.key())
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        let shown = call.present(&before);
        let mut after = match content_type {
            "application/json-patch+json" => patch::json::patch(&shown, body)?,
            "application/merge-patch+json" => {
                let mut after = shown;
                patch::merge::patch(&mut after, body);
                after
            }
            "application/strategic-merge-patch+json" if !custom => {
                let mut after = shown;
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
        check_uid(call, &before, &after)?;
        object::drop_nulls(&mut after);
        call.check_type(&after)?;
        call.check_place(&mut after)?;
        let writer = call.writer("Update", self.clock.seconds());
        let stored = commit(&mut state, call, &before, after, &writer)?;
        Ok(Reply::ok(call.present(&stored)))
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
        call.check_type(body)?;
        let mut config = body.clone();
        call.check_place(&mut config)?;
        let writer = call.writer("Apply", self.clock.seconds());
        let ignore_status =
            call.target.resource.has("status") && call.target.subresource.is_empty();
        let live = self.state().store.get(&call.key()).cloned();
        let Some(before) = live else {
            if !call.target.subresource.is_empty() {
                return Err(call.target.not_found());
            }
            let made = patch::apply::apply(&Value::Null, &config, &writer, false, ignore_status)?;
            let created = self.create_as(call, made, &writer)?;
            return Ok(Reply::created(call.present(&created)));
        };
        let mut state = self.state();
        if !object::meta(&config, "uid").is_empty()
            && object::meta(&config, "uid") != object::meta(&before, "uid")
        {
            return Err(precondition_uid(
                call,
                object::meta(&config, "uid"),
                &before,
            ));
        }
        if !object::meta(&config, "resourceVersion").is_empty()
            && object::revision(&config) != object::revision(&before)
        {
            return Err(modified(call));
        }
        let after = patch::apply::apply(
            &call.present(&before),
            &config,
            &writer,
            call.query.flag("force"),
            ignore_status,
        )?;
        let stored = commit(&mut state, call, &before, after, &writer)?;
        Ok(Reply::ok(call.present(&stored)))
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

fn namespace_accepts(state: &State, call: &Call, body: &Value) -> Result<(), StatusError> {
    if !call.target.resource.namespaced {
        return Ok(());
    }
    let namespace = &call.target.namespace;
    let found = state
        .store
        .get(&Key::new("namespaces", "", namespace))
        .ok_or_else(|| StatusError::not_found("namespaces", "", namespace))?;
    if object::is_terminating(found) {
        let resource = &call.target.resource;
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut error =
            StatusError::forbidden(&resource.plural, &resource.group, object::name(body), &why);
        error.status["details"]["causes"] = json!([{"reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace"}]);
        return Err(error);
    }
    Ok(())
}

fn generate_name(state: &mut State, body: &mut Value) {
    let prefix = object::meta(body, "generateName").to_owned();
    if object::name(body).is_empty() && !prefix.is_empty() {
        let name = format!("{}{}", &prefix[..prefix.len().min(58)], state.ids.suffix());
        object::set_meta(body, "name", json!(name));
    }
}

/// Brings a new object into the shape that is stored.
fn prepare(body: &mut Value, call: &Call) {
    let resource = &call.target.resource;
    object::drop_nulls(body);
    if resource.has("status") {
        object::remove(body, "status");
    }
    match resource.kind.as_str() {
        "Namespace" => {
            object::default_to(body, "spec", json!({}));
            object::default_to(&mut body["spec"], "finalizers", json!(["kubernetes"]));
        }
        "Pod" => body["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"}),
        "Service" => body["status"] = json!({"loadBalancer": {}}),
        "StatefulSet" => body["status"] = json!({"replicas": 0, "availableReplicas": 0}),
        "DaemonSet" => {
            body["status"] = json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0});
            object::default_to(&mut body["metadata"], "annotations", json!({}));
            body["metadata"]["annotations"]["deprecated.daemonset.template.generation"] =
                json!("1");
        }
        "PodDisruptionBudget" => {
            body["status"] = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
        }
        kind if !resource.is_custom()
            && !matches!(kind, "CustomResourceDefinition")
            && resource.has("status") =>
        {
            body["status"] = json!({});
        }
        _ => {}
    }
    defaults::fill(body, &resource.kind, &call.target.version);
}

/// What the server's own admission and allocators give, owned by nobody.
fn allocate(state: &State, body: &mut Value, resource: &Resource) {
    if resource.kind == "Pod" {
        admit_pod(&mut body["spec"]);
    }
    if resource.kind != "Service"
        || body["spec"]["type"] == "ExternalName"
        || !body["spec"].is_object()
    {
        return;
    }
    let next = state.store.revision() % 62_000 + 257;
    object::default_to(
        &mut body["spec"],
        "clusterIP",
        json!(format!("10.96.{}.{}", next / 256, next % 256)),
    );
    let address = body["spec"]["clusterIP"].clone();
    object::default_to(&mut body["spec"], "clusterIPs", json!([address]));
    object::default_to(&mut body["spec"], "ipFamilies", json!(["IPv4"]));
    object::default_to(&mut body["spec"], "ipFamilyPolicy", json!("SingleStack"));
}

/// The plugins `ServiceAccount`, `Priority` and `DefaultTolerationSeconds`.
fn admit_pod(spec: &mut Value) {
    let account = spec["serviceAccountName"]
        .as_str()
        .unwrap_or("default")
        .to_owned();
    object::default_to(spec, "serviceAccountName", json!(account));
    object::default_to(spec, "serviceAccount", json!(account));
    object::default_to(spec, "priority", json!(0));
    object::default_to(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    let mut tolerations: Vec<Value> = object::items(spec, "tolerations").cloned().collect();
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        if !tolerations.iter().any(|one| one["key"] == key) {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    spec["tolerations"] = Value::Array(tolerations);
}

/// A patch may not touch the uid; the server checks it twice and says it once.
fn check_uid(call: &Call, before: &Value, after: &Value) -> Result<(), StatusError> {
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
