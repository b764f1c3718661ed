//! What the server refuses to store (`422 Invalid`), for the rules that plans can run into.

use super::object;
use super::registry::Resource;
use super::selector::LabelSelector;
use super::status_error::Cause;
use super::status_error::StatusError;
use serde_json::Value;

/// Checks an object that is about to be written; `before` is what it replaces.
pub(super) fn check(
    resource: &Resource,
    after: &Value,
    before: Option<&Value>,
) -> Result<(), StatusError> {
    let mut causes = Vec::new();
    names(resource, after, &mut causes);
    labels(&after["metadata"]["labels"], "metadata.labels", &mut causes);
    match resource.kind.as_str() {
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            workload(after, before, &mut causes);
        }
        "Pod" if object::items(&after["spec"], "containers").next().is_none() => {
            causes.push(Cause::required("spec.containers", ""));
        }
        _ => {}
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

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn names(resource: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    let name = object::name(object);
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if matches!(resource.kind.as_str(), "Namespace" | "Service") {
        if !is_dns_label(name) {
            causes.push(Cause::invalid("metadata.name", &Value::from(name), LABEL));
        }
    } else if resource.group != "rbac.authorization.k8s.io"
        && !(name.len() <= 253 && name.split('.').all(is_dns_label))
    {
        causes.push(Cause::invalid(
            "metadata.name",
            &Value::from(name),
            SUBDOMAIN,
        ));
    }
}

fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn labels(labels: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (_, value) in labels.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
        if text.len() > 63 {
            causes.push(Cause::invalid(
                field,
                value,
                "must be no more than 63 characters",
            ));
        } else if !(text.bytes().all(inner)
            && ends(text.bytes().next())
            && ends(text.bytes().last()))
        {
            causes.push(Cause::invalid(field, value, VALUE));
        }
    }
}

fn workload(after: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &after["spec"];
    if spec["selector"].is_null() {
        causes.push(Cause::required("spec.selector", ""));
    }
    // No selector matches nothing.
    if spec["selector"].is_null()
        || !LabelSelector::from_object(&spec["selector"])
            .matches(&spec["template"]["metadata"]["labels"])
    {
        let value = &spec["template"]["metadata"]["labels"];
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            value,
            "`selector` does not match template `labels`",
        ));
    }
    labels(
        &spec["template"]["metadata"]["labels"],
        "spec.template.labels",
        causes,
    );
    if object::items(&spec["template"]["spec"], "containers")
        .next()
        .is_none()
    {
        causes.push(Cause::required("spec.template.spec.containers", ""));
    }
    if let Some(before) = before
        && before["spec"]["selector"] != spec["selector"]
    {
        causes.push(Cause::invalid(
            "spec.selector",
            &spec["selector"],
            "field is immutable",
        ));
    }
}
