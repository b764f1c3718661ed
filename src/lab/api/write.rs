//! Create, update and patch.

use super::admission::Chain;
use super::commit::commit;
use super::commit::modified;
use super::commit::store;
use super::decode;
use super::decode::Validation;
use super::defaults;
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
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Why a body was not read.
enum Undecoded {
    Options(StatusError),
    Body(String),
}

impl Undecoded {
    /// As the failure of a patch.
    fn of_patch(self, patched: &Value) -> StatusError {
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
    fn decode(
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

    /// The object in the version asked for.
    pub(super) fn present(&self, object: &Value) -> Value {
        let mut shown = object.clone();
        shown["apiVersion"] = json!(self.target.api_version());
        shown["kind"] = json!(self.target.resource.kind);
        shown
    }

    /// A body without a type is of that of the path.
    fn default_type(&self, body: &mut Value) {
        let missing = |key: &str| body[key].is_null();
        let custom = self.target.resource.is_custom();
        if body.is_object() && (!custom || (missing("kind") && missing("apiVersion"))) {
            object::default_to(body, "kind", json!(self.target.resource.kind));
            object::default_to(body, "apiVersion", json!(self.target.api_version()));
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
    fn check_revision(&self, after: &Value) -> Result<(), StatusError> {
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
    fn check_applied_type(&self, config: &Value) -> Result<(), StatusError> {
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

    /// Refuses an applied configuration with fields that the type has not.
    fn check_declared(&self, config: &Value) -> Result<(), StatusError> {
        if self.own || self.target.resource.is_custom() {
            return Ok(());
        }
        let mut read = config.clone();
        let unknown = decode::prune(&mut read).map_err(|why| StatusError::new(500, "", why))?;
        let Some(field) = unknown.first() else {
            return Ok(());
        };
        let (group, version) = (&self.target.resource.group, &self.target.version);
        Err(StatusError::new(
            500,
            "",
            format!(
                "failed to create typed patch object ({}/{}; {}, Kind={}): .{field}: field not declared in schema",
                self.target.namespace,
                self.target.name,
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
        let schema = schema::of(&self.state(), &call.target.resource, &call.target.version);
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
            namespace_accepts(&state, call, &body)?;
            generate_name(&mut state, &mut body);
            prepare(&mut body, call);
            if writer.operation == "Update" {
                object::metadata_mut(&mut body).shift_remove("managedFields");
                managers::track_update(&Value::Null, &mut body, writer);
            }
            if resource.kind == "Pod" {
                admit_pod(&mut state, call, &mut body)?;
            }
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
                if resource.kind == "Pod" {
                    let mut state = self.state();
                    admit_pod(&mut state, call, &mut body)?;
                }
            }
        }
        let mut state = self.state();
        validate::check(&state, call, &body, None)?;
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
        let unknown = self.decode(call, &mut after, "UpdateOptions")?;
        call.check_place(&mut after)?;
        call.check_revision(&after)?;
        let mut state = self.state();
        let before = state
            .store
            .get(&call.key())
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        let writer = call.writer("Update", self.clock.seconds());
        let stored = commit(&mut state, call, &before, after, &writer)?;
        Ok(Reply::ok(call.present(&stored)).warn(unknown))
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
        if call.query.has("force") {
            let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
            return Err(StatusError::invalid(
                "PatchOptions",
                "meta.k8s.io",
                "",
                &[cause],
            ));
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
        if !custom {
            object::drop_nulls(&mut after);
        }
        if !after.is_object() {
            return Err(StatusError::bad_request(
                "json: cannot unmarshal array into Go value of type map[string]interface {}",
            ));
        }
        call.check_type(&after)
            .map_err(|error| Undecoded::Body(error.message().to_owned()).of_patch(&after))?;
        let schema = schema::of(&state, &call.target.resource, &call.target.version);
        let patched = after.clone();
        let unknown = call
            .decode(&mut after, schema.as_ref(), "PatchOptions")
            .map_err(|why| why.of_patch(&patched))?;
        call.check_place(&mut after)?;
        let writer = call.writer("Update", self.clock.seconds());
        let stored = commit(&mut state, call, &before, after, &writer)?;
        Ok(Reply::ok(call.present(&stored)).warn(unknown))
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
        let Some(before) = live else {
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
            let created = self.create_as(call, made, &writer)?;
            return Ok(Reply::created(call.present(&created)));
        };
        let mut state = self.state();
        check_uid(call, &before, &config)?;
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
    if !resource.is_custom() {
        object::drop_nulls(body);
        object::drop_empty(body);
    }
    if resource.has("status") {
        object::remove(body, "status");
    }
    match resource.kind.as_str() {
        "Namespace" => {
            object::default_to(body, "spec", json!({}));
            object::default_to(&mut body["spec"], "finalizers", json!(["kubernetes"]));
        }
        "ReplicaSet" | "ReplicationController" => body["status"] = json!({"replicas": 0}),
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
    match resource.kind.as_str() {
        "Pod" => {
            body["status"] =
                json!({"phase": "Pending", "qosClass": defaults::quality(&body["spec"])})
        }
        "Job" => defaults::name_pods_of_job(body),
        "CustomResourceDefinition" => {
            let now = body["metadata"]["creationTimestamp"].clone();
            for condition in object::items_mut(&mut body["status"], "conditions") {
                object::default_to(condition, "lastTransitionTime", now.clone());
            }
        }
        _ => {}
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
    // Nobody but the endpoints' author knows the families of a headless service without a selector.
    let spec = &mut body["spec"];
    let open = spec["clusterIP"] == "None" && spec["selector"].is_null();
    let (families, policy) = if open {
        (json!(["IPv4", "IPv6"]), "RequireDualStack")
    } else {
        (json!(["IPv4"]), "SingleStack")
    };
    object::default_to(spec, "ipFamilies", families);
    object::default_to(spec, "ipFamilyPolicy", json!(policy));
}

/// The plugins `ServiceAccount`, `Priority` and `DefaultTolerationSeconds`.
fn admit_pod(state: &mut State, call: &Call, pod: &mut Value) -> Result<(), StatusError> {
    let name = object::name(pod).to_owned();
    let spec = &mut pod["spec"];
    let account = spec["serviceAccountName"]
        .as_str()
        .unwrap_or("default")
        .to_owned();
    let namespace = &call.target.namespace;
    let key = Key::new("serviceaccounts", namespace, &account);
    let found = state.store.get(&key).map(Arc::clone);
    if found.is_none() && !call.own {
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(StatusError::forbidden("pods", "", &name, &why));
    }
    let wished = match &spec["automountServiceAccountToken"] {
        Value::Null => found.is_none_or(|account| account["automountServiceAccountToken"] != false),
        wish => *wish == true,
    };
    if wished {
        mount_token(state, spec);
    }
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
    Ok(())
}

/// Where containers find the token of their account.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn mount_token(state: &mut State, spec: &mut Value) {
    const PREFIX: &str = "kube-api-access-";
    let old = object::items(spec, "volumes")
        .filter_map(|volume| volume["name"].as_str())
        .find(|name| name.starts_with(PREFIX))
        .map(str::to_owned);
    let is_new = old.is_none();
    let name = old.unwrap_or_else(|| format!("{PREFIX}{}", state.ids.suffix()));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in object::items_mut(spec, list) {
            if object::items(container, "volumeMounts").all(|mount| mount["mountPath"] != TOKEN) {
                object::default_to(container, "volumeMounts", json!([]));
                if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                    mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN}));
                    mounted = true;
                }
            }
        }
    }
    if mounted && is_new {
        object::default_to(spec, "volumes", json!([]));
        if let Some(volumes) = spec["volumes"].as_array_mut() {
            volumes.push(json!({"name": name, "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ]}}));
        }
    }
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
