//! What form the client wants: the object, its metadata, or a table.

use super::object;
use super::table::Printer;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// The forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Full,
    /// `PartialObjectMetadata`, single, list or event.
    Metadata,
    /// `Table`; whether each row carries the metadata of its object.
    Table,
}

impl Form {
    /// The first form in `Accept` that this server speaks.
    pub(super) fn of(accept: &str) -> Self {
        for media in accept.split(',') {
            let has = |parameter: &str| media.split(';').any(|part| part.trim() == parameter);
            if !media.contains("json") {
                continue;
            }
            if has("as=Table") {
                return Self::Table;
            }
            if has("as=PartialObjectMetadata") || has("as=PartialObjectMetadataList") {
                return Self::Metadata;
            }
            return Self::Full;
        }
        Self::Full
    }

    /// Brings an answer into this form; failures and other kinds stay.
    pub(super) fn shape(
        self,
        printer: &Printer,
        now: jiff::Timestamp,
        value: Arc<Value>,
    ) -> Arc<Value> {
        if value["kind"] == "Status" {
            return value;
        }
        match self {
            Self::Full => value,
            Self::Metadata if value["items"].is_array() => {
                let items: Vec<Value> = object::items(&value, "items").map(metadata_only).collect();
                Arc::new(
                    json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"], "items": items}),
                )
            }
            Self::Metadata => Arc::new(metadata_only(&value)),
            Self::Table => Arc::new(printer.render(now, &value)),
        }
    }
}

/// An object's metadata alone.
pub(super) fn metadata_only(value: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]})
}

/// The version of aggregated discovery that is asked for.
pub(super) fn aggregated(accept: &str) -> Option<&'static str> {
    for media in accept.split(',') {
        let has = |parameter: &str| media.split(';').any(|part| part.trim() == parameter);
        if has("as=APIGroupDiscoveryList") && has("g=apidiscovery.k8s.io") {
            return Some(if has("v=v2beta1") { "v2beta1" } else { "v2" });
        }
        if !media.contains("as=") {
            return None;
        }
    }
    None
}
