//! What the server refuses to store (`422 Invalid`), for the rules that plans can run into.

mod kinds;
mod names;

use super::object;
use super::schema;
use super::server::Call;
use super::server::State;
use super::status_error::Cause;
use super::status_error::StatusError;
use serde_json::Value;

/// Checks an object that is about to be written; `before` is what it replaces.
pub(super) fn check(
    state: &State,
    call: &Call,
    after: &Value,
    before: Option<&Value>,
) -> Result<(), StatusError> {
    let resource = &call.target.resource;
    let mut causes = Vec::new();
    names::check(resource, after, &mut causes);
    if let Some(before) = before {
        finalizers(before, after, &mut causes);
    }
    // What the program itself writes is kept as it is.
    if !call.own {
        if let Some(schema) = schema::of(state, resource, &call.target.version) {
            causes.extend(schema::check(after, &schema));
        } else if !resource.is_custom() {
            kinds::check(after, before, &mut causes);
        }
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(StatusError::invalid(
            &resource.kind,
            &resource.group,
            object::name(after),
            &causes,
        ))
    }
}

/// What is being deleted can lose finalizers, and not get new ones. The server checks it twice.
fn finalizers(before: &Value, after: &Value, causes: &mut Vec<Cause>) {
    if !object::is_terminating(before) {
        return;
    }
    let old: Vec<&Value> = object::items(&before["metadata"], "finalizers").collect();
    let new: Vec<String> = object::items(&after["metadata"], "finalizers")
        .filter(|one| !old.contains(one))
        .map(ToString::to_string)
        .collect();
    if !new.is_empty() {
        let cause = Cause::forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                new.join(", ")
            ),
        );
        causes.extend([cause.clone(), cause]);
    }
}
