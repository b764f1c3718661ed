//! What a request asks for: its path and its query.

use super::registry::Registry;
use super::registry::Resource;
use super::status_error::StatusError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The query parameters.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `a=b&c=d`; of a repeated key the first counts.
    pub(super) fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            values
                .entry(key.into_owned())
                .or_insert_with(|| value.into_owned());
        }
        Self(values)
    }

    /// A parameter, or empty.
    pub(super) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A parameter that says yes.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.text(key), "true" | "1" | "t" | "T" | "TRUE" | "True")
    }

    /// A number, where given.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, StatusError> {
        match self.text(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                StatusError::bad_request(format!(
                    "strconv.ParseInt: parsing \"{text}\": invalid syntax"
                ))
            }),
        }
    }

    /// Whether the parameter is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets a parameter that a body has given.
    pub(super) fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

/// A path to a resource's objects.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Which resource.
    pub(super) resource: Arc<Resource>,
    /// In which version.
    pub(super) version: String,
    /// Empty: cluster-scoped, or all namespaces.
    pub(super) namespace: String,
    /// Empty: the collection.
    pub(super) name: String,
    /// Empty: the object itself.
    pub(super) subresource: String,
}

impl Target {
    /// Resolves `/api/v1/…` and `/apis/GROUP/VERSION/…`.
    pub(super) fn resolve(path: &str, registry: &Registry) -> Result<Self, StatusError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(StatusError::no_route()),
        };
        // Old style: /api/v1/watch/… is a watch of the rest.
        let rest = if let ["watch", rest @ ..] = rest {
            rest
        } else {
            rest
        };
        let (namespace, rest) = match rest {
            // `namespaces/x` and its subresources are the namespace itself.
            ["namespaces", namespace, plural, rest @ ..]
                if !(group.is_empty() && matches!(*plural, "status" | "finalize")) =>
            {
                (*namespace, [&[*plural], rest].concat())
            }
            other => ("", other.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Err(StatusError::no_route()),
        };
        let resource = registry.find(group, version, plural).ok_or_else(|| {
            if registry.serves(group) {
                StatusError::no_route()
            } else {
                StatusError::page_not_found()
            }
        })?;
        let namespace_fits = resource.namespaced || namespace.is_empty();
        let needs_namespace = resource.namespaced && !name.is_empty() && namespace.is_empty();
        if !namespace_fits
            || needs_namespace
            || !(subresource.is_empty() || resource.has(subresource))
        {
            return Err(StatusError::no_route());
        }
        Ok(Self {
            resource,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }

    /// `group/version` of the request.
    pub(super) fn api_version(&self) -> String {
        self.resource.api_version(&self.version)
    }

    /// The object does not exist.
    pub(super) fn not_found(&self) -> StatusError {
        StatusError::not_found(&self.resource.plural, &self.resource.group, &self.name)
    }
}
