//! Definitions of custom resources: v1 says of each version what v1beta1 could say of all at once.

use crate::lab::api::object::default_to;
use crate::lab::api::object::items;
use crate::lab::api::object::items_mut;
use crate::lab::api::object::remove;
use serde_json::Value;
use serde_json::json;

/// What stands once or with each version, as v1beta1 and v1 name it.
const SHARED: [(&str, &str); 3] = [
    ("subresources", "subresources"),
    ("validation", "schema"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
];

/// Makes a `spec` that of a version.
pub(super) fn convert(spec: &mut Value, to: &str) {
    if to == "v1" {
        spread(spec);
    } else {
        gather(spec);
    }
}

/// From v1beta1 to v1.
fn spread(spec: &mut Value) {
    let version = remove(spec, "version");
    if items(spec, "versions").next().is_none()
        && let Some(name) = version
    {
        spec["versions"] = json!([{"name": name, "served": true, "storage": true}]);
    }
    for (shared, own) in SHARED {
        if let Some(value) = remove(spec, shared).filter(|value| !value.is_null()) {
            for version in items_mut(spec, "versions") {
                version[own] = value.clone();
            }
        }
    }
    for version in items_mut(spec, "versions") {
        rename_paths(version, "JSONPath", "jsonPath");
    }
    if spec["preserveUnknownFields"] != true {
        remove(spec, "preserveUnknownFields");
    }
    let Some(conversion) = spec.get_mut("conversion") else {
        return;
    };
    let client = remove(conversion, "webhookClientConfig");
    let reviewed = remove(conversion, "conversionReviewVersions");
    if client.is_some() || reviewed.is_some() {
        conversion["webhook"] = json!({});
        for (key, value) in [
            ("clientConfig", client),
            ("conversionReviewVersions", reviewed),
        ] {
            if let Some(value) = value {
                conversion["webhook"][key] = value;
            }
        }
    }
}

/// From v1 to v1beta1.
fn gather(spec: &mut Value) {
    default_to(spec, "preserveUnknownFields", json!(false));
    let webhook = spec.get_mut("conversion");
    if let Some(webhook) = webhook.and_then(|one| remove(one, "webhook")) {
        for (from, to) in [
            ("clientConfig", "webhookClientConfig"),
            ("conversionReviewVersions", "conversionReviewVersions"),
        ] {
            if !webhook[from].is_null() {
                spec["conversion"][to] = webhook[from].clone();
            }
        }
    }
    for version in items_mut(spec, "versions") {
        rename_paths(version, "jsonPath", "JSONPath");
    }
    let Some(first) = items(spec, "versions").next().cloned() else {
        return;
    };
    spec["version"] = first["name"].clone();
    for (shared, own) in SHARED {
        if items(spec, "versions").all(|version| version[own] == first[own]) {
            for version in items_mut(spec, "versions") {
                remove(version, own);
            }
            if !first[own].is_null() {
                spec[shared] = first[own].clone();
            }
        }
    }
}

fn rename_paths(version: &mut Value, from: &str, to: &str) {
    for column in items_mut(version, "additionalPrinterColumns") {
        if let Some(path) = remove(column, from) {
            column[to] = path;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(old: &Value, new: &Value) {
        let mut spec = old.clone();
        convert(&mut spec, "v1");
        assert_eq!(spec, *new);
        convert(&mut spec, "v1beta1");
        assert_eq!(spec, *old);
    }

    #[test]
    fn what_all_versions_share_stands_once_in_v1beta1() {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        both_ways(
            &json!({
                "version": "v1alpha3", "preserveUnknownFields": true, "validation": schema, "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Age", "JSONPath": ".a"}],
                "versions": [{"name": "v1alpha3", "served": true, "storage": true}, {"name": "v1beta1", "served": true, "storage": false}],
            }),
            &json!({
                "preserveUnknownFields": true,
                "versions": [
                    {"name": "v1alpha3", "served": true, "storage": true, "schema": schema, "subresources": {"status": {}},
                        "additionalPrinterColumns": [{"name": "Age", "jsonPath": ".a"}]},
                    {"name": "v1beta1", "served": true, "storage": false, "schema": schema, "subresources": {"status": {}},
                        "additionalPrinterColumns": [{"name": "Age", "jsonPath": ".a"}]},
                ],
            }),
        );
    }

    #[test]
    fn what_differs_stays_with_its_version() {
        both_ways(
            &json!({
                "version": "v2", "preserveUnknownFields": false,
                "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v1beta1"]},
                "versions": [{"name": "v2", "schema": {"openAPIV3Schema": {"type": "object"}}}, {"name": "v1", "additionalPrinterColumns": [{"name": "A", "JSONPath": ".a"}]}],
            }),
            &json!({
                "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v1beta1"]}},
                "versions": [{"name": "v2", "schema": {"openAPIV3Schema": {"type": "object"}}}, {"name": "v1", "additionalPrinterColumns": [{"name": "A", "jsonPath": ".a"}]}],
            }),
        );
    }
}
