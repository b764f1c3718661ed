//! Get and list.

use super::object;
use super::selector::FieldSelector;
use super::selector::LabelSelector;
use super::server::Call;
use super::server::Reply;
use super::server::Shared;
use super::status_error::Cause;
use super::status_error::StatusError;
use super::store::Key;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Which objects of a resource a list or a watch is about.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) labels: LabelSelector,
    pub(super) fields: FieldSelector,
    /// Set where the path names one object.
    pub(super) name: String,
}

impl Selection {
    pub(super) fn of(call: &Call) -> Result<Self, StatusError> {
        Ok(Self {
            labels: LabelSelector::parse(call.query.text("labelSelector"))?,
            fields: FieldSelector::parse(
                call.query.text("fieldSelector"),
                &call.target.resource.plural,
                call.target.resource.is_custom(),
            )?,
            name: call.target.name.clone(),
        })
    }

    pub(super) fn matches(&self, value: &Value) -> bool {
        (self.name.is_empty() || self.name == object::name(value))
            && self.labels.matches(object::labels(value))
            && self.fields.matches(value)
    }
}

/// Where a chunked list goes on: at this revision, after this object.
struct Continue {
    revision: u64,
    after: (String, String),
}

impl Continue {
    fn parse(text: &str) -> Result<Option<Self>, StatusError> {
        if text.is_empty() {
            return Ok(None);
        }
        let mut parts = text.split('/');
        let token = parts
            .next()
            .and_then(|revision| revision.parse().ok())
            .zip(parts.next())
            .zip(parts.next())
            .map(|((revision, namespace), name)| Self {
                revision,
                after: (namespace.to_owned(), name.to_owned()),
            });
        token.map(Some).ok_or_else(|| {
            StatusError::bad_request(
                "continue key is not valid: illegal base64 data at input byte 0",
            )
        })
    }
}

impl Call {
    /// Refuses options that do not go together (`ValidateListOptions` of `apimachinery/pkg/apis/meta/internalversion`).
    pub(super) fn check_list_options(&self, watch: bool) -> Result<(), StatusError> {
        let matched = self.query.text("resourceVersionMatch");
        let initial = self.query.has("sendInitialEvents");
        let (field, mut causes) = ("resourceVersionMatch", Vec::new());
        let unsupported =
            |supported: &[&str]| Cause::unsupported(field, &Value::from(matched), supported);
        if watch && initial {
            if matched != "NotOlderThan" {
                let detail =
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                causes.push(Cause::forbidden(field, detail));
            }
            if !matches!(matched, "" | "NotOlderThan") {
                causes.push(unsupported(&["NotOlderThan"]));
            }
        } else if watch && !matched.is_empty() {
            let detail =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(field, detail));
        } else if !watch {
            if !matched.is_empty() {
                if self.query.text("resourceVersion").is_empty() {
                    let detail =
                        "resourceVersionMatch is forbidden unless resourceVersion is provided";
                    causes.push(Cause::forbidden(field, detail));
                }
                if !matches!(matched, "Exact" | "NotOlderThan") {
                    causes.push(unsupported(&["Exact", "NotOlderThan", ""]));
                }
            }
            if initial {
                let detail = "sendInitialEvents is forbidden for list";
                causes.push(Cause::forbidden("sendInitialEvents", detail));
            }
        }
        if causes.is_empty() {
            Ok(())
        } else {
            Err(StatusError::invalid(
                "ListOptions",
                "meta.k8s.io",
                "",
                &causes,
            ))
        }
    }

    /// The revision asked for, or what is wrong with it.
    pub(super) fn revision(&self) -> Result<Option<u64>, String> {
        match self.query.text("resourceVersion") {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                format!("resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax")
            }),
        }
    }
}

impl Shared {
    /// GET of one object.
    pub(super) fn get(&self, call: &Call) -> Result<Reply, StatusError> {
        let state = self.state();
        let found = state
            .store
            .get(&call.key())
            .ok_or_else(|| call.target.not_found())?;
        Ok(Reply::ok(call.present(found)))
    }

    /// The objects that a collection request is about, as they are now.
    pub(super) fn select(&self, call: &Call) -> Result<Vec<(Key, Arc<Value>)>, StatusError> {
        let selection = Selection::of(call)?;
        let id = call.target.resource.id();
        let state = self.state();
        let found = state.store.list(&id, &call.target.namespace);
        Ok(found
            .filter(|(_, value)| selection.matches(value))
            .map(|(key, value)| (key.clone(), Arc::clone(value)))
            .collect())
    }

    /// GET of a collection, in chunks where a limit is given.
    pub(super) fn list(&self, call: &Call) -> Result<Reply, StatusError> {
        call.check_list_options(false)?;
        let selection = Selection::of(call)?;
        let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
        let resume = Continue::parse(call.query.text("continue"))?;
        let exact = call.query.text("resourceVersionMatch") == "Exact";
        let asked = call
            .revision()
            .map_err(|why| StatusError::bad_request(format!("invalid resource version: {why}")))?;
        let wanted = asked.filter(|_| exact);
        let (revision, objects) = {
            let state = self.state();
            let revision = resume
                .as_ref()
                .map(|token| token.revision)
                .or(wanted)
                .unwrap_or_else(|| state.store.revision());
            if revision < state.store.compacted(&call.target.resource.id()) {
                return Err(StatusError::expired(if resume.is_some() {
                    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."
                } else {
                    "The resourceVersion for the provided list is too old."
                }));
            }
            (
                revision,
                state
                    .store
                    .list_at(&call.target.resource.id(), &call.target.namespace, revision),
            )
        };
        let mut found: Vec<(Key, Arc<Value>)> = objects
            .into_iter()
            .filter(|(key, value)| {
                let seen = resume.as_ref().is_some_and(|token| {
                    (&key.namespace, &key.name) <= (&token.after.0, &token.after.1)
                });
                !seen && selection.matches(value)
            })
            .collect();
        let mut metadata = list_metadata(call, revision);
        if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok())
            && found.len() > limit
        {
            metadata["remainingItemCount"] = json!(found.len() - limit);
            found.truncate(limit);
            if let Some((key, _)) = found.last() {
                metadata["continue"] = json!(format!("{revision}/{}/{}", key.namespace, key.name));
            }
        }
        let mut list = json!({
            "kind": format!("{}List", call.target.resource.kind), "apiVersion": call.target.api_version(),
            "metadata": metadata,
        });
        // `json!` would copy them.
        list["items"] = found.iter().map(|(_, value)| item(call, value)).collect();
        Ok(Reply::ok(list))
    }
}

/// The metadata of a list; those of custom resources always have a token.
pub(super) fn list_metadata(call: &Call, revision: u64) -> Value {
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if call.target.resource.is_custom() {
        metadata["continue"] = json!("");
    }
    metadata
}

/// Items of built-in lists carry no kind; those of custom resources do.
pub(super) fn item(call: &Call, value: &Arc<Value>) -> Value {
    let mut item = Arc::unwrap_or_clone(call.present(value));
    if !call.target.resource.is_custom() {
        object::remove(&mut item, "kind");
        object::remove(&mut item, "apiVersion");
    }
    item
}
