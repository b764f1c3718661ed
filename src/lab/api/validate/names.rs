//! Names, labels and annotations (`apimachinery/pkg/util/validation`).

use crate::lab::api::object;
use crate::lab::api::registry::Resource;
use crate::lab::api::status_error::Cause;
use serde_json::Value;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const OLD_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
/// What a label's value or the name in its key may have at most.
const LONGEST: usize = 63;

/// Checks the names in an object's metadata and in its template's.
pub(super) fn check(resource: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    name(resource, object, causes);
    labels(&object["metadata"]["labels"], "metadata.labels", causes);
    for (key, _) in object["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
    {
        self::key(&key.to_lowercase(), "metadata.annotations", key, causes);
    }
}

fn name(resource: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    let name = object::name(object);
    let mut refuse = |detail: &str| {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), detail));
    };
    let starts_with_letter = name.starts_with(|first: char| first.is_ascii_lowercase());
    match resource.kind.as_str() {
        _ if name.is_empty() => causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        )),
        "Namespace" if name.contains('.') => refuse("must not contain dots"),
        "Namespace" if !is_dns_label(name) => refuse(LABEL),
        "Service" if !(is_dns_label(name) && starts_with_letter) => refuse(OLD_LABEL),
        _ if resource.group != "rbac.authorization.k8s.io"
            && !(name.len() <= 253 && name.split('.').all(is_dns_label)) =>
        {
            refuse(SUBDOMAIN);
        }
        _ => {}
    }
}

fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Alphanumeric at both ends, and between them `-`, `_` and `.` too.
fn is_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(inner) && ends(text.bytes().next()) && ends(text.bytes().last())
}

/// Checks a map of labels.
pub(super) fn labels(labels: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (name, value) in labels.as_object().into_iter().flatten() {
        key(name, field, name, causes);
        let text = value.as_str().unwrap_or_default();
        if text.len() > LONGEST {
            let detail = format!("must be no more than {LONGEST} bytes");
            causes.push(Cause::invalid(field, value, &detail));
        } else if !is_word(text) {
            causes.push(Cause::invalid(field, value, VALUE));
        }
    }
}

/// Checks the key of a label or annotation: a name, or a subdomain, `/` and a name.
fn key(checked: &str, field: &str, shown: &str, causes: &mut Vec<Cause>) {
    let mut refuse = |detail: &str| {
        causes.push(Cause::invalid(field, &Value::from(shown), detail));
    };
    let parts: Vec<&str> = checked.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if !prefix.split('.').all(is_dns_label) {
                refuse(&format!("prefix part {SUBDOMAIN}"));
            }
            name
        }
        _ => {
            refuse(&format!(
                "a valid label key {KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return;
        }
    };
    if name.len() > LONGEST {
        refuse(&format!("name part must be no more than {LONGEST} bytes"));
    } else if name.is_empty() {
        refuse("name part must be non-empty");
    } else if !is_word(name) {
        refuse(&format!("name part {KEY}"));
    }
}
