//! Tables, as `kubectl get` shows them (`pkg/printers/internalversion`).

mod cell;
mod cluster;
mod custom;
mod pod;
mod workload;

use super::negotiate::metadata_only;
use super::object;
use super::object::items;
use super::registry::Resource;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

type Cell = fn(&Value, Timestamp) -> Value;

/// A column: title, whether it is only for `-o wide`, and what it shows.
type Column = (&'static str, bool, Cell);

const NAME: Column = ("Name", false, |item, _| json!(object::name(item)));
const AGE: Column = ("Age", false, |item, now| {
    json!(cell::since(&item["metadata"]["creationTimestamp"], now))
});
const CREATED: Column = ("Created At", false, |item, _| {
    item["metadata"]["creationTimestamp"].clone()
});

/// How the objects of a resource become rows.
pub(super) struct Printer {
    columns: Vec<Column>,
    custom: Option<Vec<custom::Column>>,
    objects: Objects,
}

/// What of an object goes with its row.
#[derive(Debug, Clone, Copy)]
enum Objects {
    Nothing,
    Metadata,
    Whole,
}

impl Printer {
    /// For a resource; `definition` is its CRD where it has one, `include` the request's `includeObject`.
    pub(super) fn new(
        resource: &Resource,
        version: &str,
        definition: Option<&Value>,
        include: &str,
    ) -> Self {
        let columns = cluster::columns(&resource.id())
            .or_else(|| workload::columns(&resource.id()))
            .unwrap_or(&[NAME, AGE]);
        Self {
            columns: columns.to_vec(),
            custom: definition.map(|definition| custom::columns(definition, version)),
            objects: match include {
                "None" => Objects::Nothing,
                "Object" => Objects::Whole,
                _ => Objects::Metadata,
            },
        }
    }

    /// The table of a list or of one object.
    pub(super) fn render(&self, now: Timestamp, value: &Value) -> Value {
        let is_list = value["items"].is_array();
        let rows: Vec<Value> = if is_list {
            items(value, "items")
                .map(|item| self.row(item, now))
                .collect()
        } else {
            vec![self.row(value, now)]
        };
        let metadata = if is_list {
            value["metadata"].clone()
        } else {
            json!({"resourceVersion": value["metadata"]["resourceVersion"]})
        };
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "columnDefinitions": self.definitions(), "rows": rows,
        })
    }

    fn definitions(&self) -> Vec<Value> {
        let Some(custom) = &self.custom else {
            let define = |(name, wide, _): &Column| {
                let format = if *name == "Name" { "name" } else { "" };
                json!({"name": name, "type": "string", "format": format, "description": "", "priority": i32::from(*wide)})
            };
            return self.columns.iter().map(define).collect();
        };
        let name = json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0});
        std::iter::once(name)
            .chain(custom.iter().map(custom::Column::definition))
            .collect()
    }

    fn row(&self, item: &Value, now: Timestamp) -> Value {
        let cells: Vec<Value> = match &self.custom {
            None => self
                .columns
                .iter()
                .map(|(_, _, cell)| cell(item, now))
                .collect(),
            Some(custom) => std::iter::once(json!(object::name(item)))
                .chain(custom.iter().map(|column| column.cell(item, now)))
                .collect(),
        };
        match self.objects {
            Objects::Nothing => json!({"cells": cells}),
            Objects::Metadata => json!({"cells": cells, "object": metadata_only(item)}),
            Objects::Whole => json!({"cells": cells, "object": item}),
        }
    }
}
