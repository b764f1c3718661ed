//! Delete and deletecollection: preconditions, grace, finalizers.

use super::commit;
use super::object;
use super::registry::Resource;
use super::server::Call;
use super::server::Reply;
use super::server::Shared;
use super::server::State;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// What became of an object that was to be deleted.
enum Outcome {
    Gone(Arc<Value>),
    Waits(Arc<Value>),
}

impl Shared {
    /// DELETE of one object.
    pub(super) fn delete(&self, call: &Call, options: &Value) -> Result<Reply, StatusError> {
        call.check_dry_run("DeleteOptions")?;
        check_propagation(call, options)?;
        let mut state = self.state();
        let outcome = self.delete_one(&mut state, call, &call.key(), options)?;
        Ok(match outcome {
            Outcome::Waits(object) => Reply::ok(call.present(&object)),
            // Pods answer with themselves, as all resources do that delete gracefully.
            Outcome::Gone(object) if call.target.resource.kind == "Pod" => {
                let mut last = Arc::unwrap_or_clone(call.present(&object));
                if object::is_terminating(&object) {
                    object::set_meta(&mut last, "deletionGracePeriodSeconds", json!(0));
                } else {
                    self.begin(&mut last, 0, &call.target.resource);
                }
                Reply::ok(last)
            }
            Outcome::Gone(object) => {
                let resource = &call.target.resource;
                let mut details = json!({"name": call.target.name});
                if !resource.group.is_empty() {
                    details["group"] = json!(resource.group);
                }
                details["kind"] = json!(resource.plural);
                details["uid"] = object["metadata"]["uid"].clone();
                Reply::ok(
                    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
                )
            }
        })
    }

    /// DELETE of a collection.
    pub(super) fn delete_collection(
        &self,
        call: &Call,
        options: &Value,
    ) -> Result<Reply, StatusError> {
        call.check_dry_run("DeleteOptions")?;
        check_propagation(call, options)?;
        let listed = self.select(call)?;
        let mut state = self.state();
        let mut items = Vec::new();
        for (key, _) in listed {
            let one = Call {
                target: super::query::Target {
                    name: key.name.clone(),
                    namespace: key.namespace.clone(),
                    ..call.target.clone()
                },
                ..call.clone()
            };
            match self.delete_one(&mut state, &one, &key, options) {
                Ok(Outcome::Gone(object) | Outcome::Waits(object)) => {
                    items.push(super::read::item(call, &object));
                }
                Err(error) if error.code() == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let metadata = super::read::list_metadata(call, state.store.revision());
        Ok(Reply::ok(json!({
            "kind": format!("{}List", call.target.resource.kind), "apiVersion": call.target.api_version(),
            "metadata": metadata, "items": items,
        })))
    }

    fn delete_one(
        &self,
        state: &mut State,
        call: &Call,
        key: &Key,
        options: &Value,
    ) -> Result<Outcome, StatusError> {
        let before = state
            .store
            .get(key)
            .cloned()
            .ok_or_else(|| call.target.not_found())?;
        check_preconditions(call, &before, &options["preconditions"])?;
        let resource = Arc::clone(&call.target.resource);
        let mut after = (*before).clone();
        add_propagation(&mut after, propagation(call, options));
        let grace = grace(call, options, &before);
        let namespace_holds = resource.kind == "Namespace"
            && object::items(&before["spec"], "finalizers")
                .next()
                .is_some();
        if object::has_finalizers(&after) || namespace_holds || grace > 0 {
            if object::is_terminating(&before) {
                shorten(&mut after, grace, &before);
            } else {
                self.begin(&mut after, grace, &resource);
            }
            if call.dry_run() || after == *before {
                return Ok(Outcome::Waits(if call.dry_run() {
                    Arc::new(after)
                } else {
                    before
                }));
            }
            return Ok(Outcome::Waits(state.store.put(key.clone(), after)));
        }
        if !call.dry_run() {
            state.store.delete(key);
            commit::undefine(state, &before, &resource);
        }
        Ok(Outcome::Gone(before))
    }

    fn begin(&self, object: &mut Value, grace: u64, resource: &Resource) {
        let seconds = i64::try_from(grace).unwrap_or(i64::MAX);
        let at = self
            .clock
            .now()
            .saturating_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap_or(jiff::Timestamp::MAX);
        object::set_meta(
            object,
            "deletionTimestamp",
            json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        );
        if resource.kind != "Namespace" {
            object::set_meta(object, "deletionGracePeriodSeconds", json!(grace));
        }
        if let Some(generation) = object["metadata"]["generation"].as_u64() {
            object::set_meta(object, "generation", json!(generation + 1));
        }
        if resource.kind == "Namespace" {
            object["status"]["phase"] = json!("Terminating");
        }
    }
}

fn shorten(object: &mut Value, grace: u64, before: &Value) {
    let Some(current) = before["metadata"]["deletionGracePeriodSeconds"].as_u64() else {
        return;
    };
    object::set_meta(
        object,
        "deletionGracePeriodSeconds",
        json!(grace.min(current)),
    );
}

fn check_preconditions(
    call: &Call,
    before: &Value,
    preconditions: &Value,
) -> Result<(), StatusError> {
    let resource = &call.target.resource;
    if let Some(uid) = preconditions["uid"].as_str()
        && uid != object::meta(before, "uid")
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            object::meta(before, "uid")
        );
        return Err(StatusError::conflict(
            &resource.kind,
            &resource.group,
            object::name(before),
            &why,
        ));
    }
    if let Some(revision) = preconditions["resourceVersion"].as_str()
        && revision != object::meta(before, "resourceVersion")
    {
        let why = format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record ({}). The object might have been modified",
            object::meta(before, "resourceVersion")
        );
        return Err(StatusError::conflict(
            &resource.kind,
            &resource.group,
            object::name(before),
            &why,
        ));
    }
    Ok(())
}

fn check_propagation(call: &Call, options: &Value) -> Result<(), StatusError> {
    let field = "propagationPolicy";
    let asked = Some(&options[field]).filter(|policy| !policy.is_null());
    let policy = asked
        .and_then(Value::as_str)
        .unwrap_or(call.query.text(field));
    let cause = if !matches!(policy, "" | "Foreground" | "Background" | "Orphan") {
        let supported = ["Foreground", "Background", "Orphan", "nil"];
        Cause::unsupported(field, &json!(policy), &supported)
    } else if !policy.is_empty() && !options["orphanDependents"].is_null() {
        let detail = "orphanDependents and deletionPropagation cannot be both set";
        Cause::invalid(field, &json!(policy), detail)
    } else {
        return Ok(());
    };
    Err(StatusError::invalid(
        "DeleteOptions",
        "meta.k8s.io",
        "",
        &[cause],
    ))
}

fn propagation<'call>(call: &'call Call, options: &'call Value) -> &'call str {
    match options["propagationPolicy"].as_str() {
        Some(policy) => policy,
        None if options["orphanDependents"] == true => "Orphan",
        None => call.query.text("propagationPolicy"),
    }
}

/// The finalizers that hold an owner until the garbage collector has seen to its dependents.
fn add_propagation(object: &mut Value, policy: &str) {
    let mut finalizers: Vec<Value> = object::items(&object["metadata"], "finalizers")
        .cloned()
        .collect();
    let before = finalizers.clone();
    if !policy.is_empty() {
        finalizers.retain(|one| one != "orphan" && one != "foregroundDeletion");
    }
    match policy {
        "Foreground" => finalizers.push(json!("foregroundDeletion")),
        "Orphan" => finalizers.push(json!("orphan")),
        _ => {}
    }
    if finalizers != before {
        if finalizers.is_empty() {
            object::metadata_mut(object).shift_remove("finalizers");
        } else {
            object::set_meta(object, "finalizers", Value::Array(finalizers));
        }
    }
}

/// Only pods on a node end gracefully: the kubelet deletes them in the end, with grace 0.
fn grace(call: &Call, options: &Value, before: &Value) -> u64 {
    let on_node = !before["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty();
    let ended = matches!(
        before["status"]["phase"].as_str(),
        Some("Failed" | "Succeeded")
    );
    if call.target.resource.kind != "Pod" || !on_node || ended {
        return 0;
    }
    let asked = options["gracePeriodSeconds"]
        .as_u64()
        .or_else(|| call.query.text("gracePeriodSeconds").parse().ok());
    asked
        .or_else(|| before["spec"]["terminationGracePeriodSeconds"].as_u64())
        .unwrap_or(30)
}
