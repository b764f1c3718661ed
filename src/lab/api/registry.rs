//! The resources that the server knows: built in by Kubernetes version, and those that CRDs add.

use super::built_in;
use super::object;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a resource comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The server has it.
    BuiltIn,
    /// The server answers it and stores nothing: reviews.
    Virtual,
    /// A CRD defines it.
    Custom,
}

/// One resource, such as Deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// API group; empty for core.
    pub(super) group: String,
    /// Served versions, the preferred first.
    pub(super) versions: Vec<String>,
    /// Plural, as in paths.
    pub(super) plural: String,
    /// Singular, as typed by people.
    pub(super) singular: String,
    /// Kind of the objects.
    pub(super) kind: String,
    /// Whether objects live in a namespace.
    pub(super) namespaced: bool,
    /// Abbreviations for kubectl.
    pub(super) short_names: Vec<String>,
    /// Groups of resources that it belongs to, such as `all`.
    pub(super) categories: Vec<String>,
    /// Subresources, such as `status`.
    pub(super) subresources: Vec<String>,
    /// Whether `metadata.generation` counts changes of the specification.
    pub(super) generation: bool,
    /// Where it comes from.
    pub(super) origin: Origin,
}

impl Resource {
    /// `plural.group`: what the objects are stored under, whatever the version.
    pub(super) fn id(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `group/version`, or `version` in the core group.
    pub(super) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    /// Whether a CRD defines it.
    pub(super) fn is_custom(&self) -> bool {
        self.origin == Origin::Custom
    }

    /// Whether its objects are stored.
    pub(super) fn is_stored(&self) -> bool {
        self.origin != Origin::Virtual
    }

    /// Whether it has this subresource.
    pub(super) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|one| one == subresource)
    }
}

/// All resources by `plural.group`.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    resources: BTreeMap<String, Arc<Resource>>,
}

impl Registry {
    /// What Kubernetes 1.MINOR serves.
    pub(super) fn built_in(minor: u32) -> Self {
        let mut registry = Self::default();
        for line in built_in::TABLE.lines().filter(|line| !line.is_empty()) {
            let mut cells = line.split('|');
            let mut cell = || cells.next().unwrap_or_default();
            let (group, versions, plural, kind) = (cell(), cell(), cell(), cell());
            let (short, categories, subresources, flags) = (cell(), cell(), cell(), cell());
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let versions: Vec<String> = words(versions)
                .iter()
                .filter_map(|version| served(version, minor))
                .collect();
            if versions.is_empty() {
                continue;
            }
            // Pods count generations since 1.33 (PodObservedGenerationTracking's server half).
            let generation = flags.contains('g') || (plural == "pods" && minor >= 33);
            registry.add(Resource {
                group: group.to_owned(),
                versions,
                plural: plural.to_owned(),
                singular: kind.to_lowercase(),
                kind: kind.to_owned(),
                namespaced: !flags.contains('c'),
                short_names: words(short),
                categories: words(categories),
                subresources: words(subresources),
                generation,
                origin: if flags.contains('v') {
                    Origin::Virtual
                } else {
                    Origin::BuiltIn
                },
            });
        }
        registry
    }

    fn add(&mut self, resource: Resource) {
        self.resources.insert(resource.id(), Arc::new(resource));
    }

    /// The resource that a path names.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let found = self.by_id(&if group.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}.{group}")
        })?;
        found
            .versions
            .iter()
            .any(|one| one == version)
            .then_some(found)
    }

    /// Whether anything of a group is served.
    pub(super) fn serves(&self, group: &str) -> bool {
        self.resources.values().any(|one| one.group == group)
    }

    /// The resource stored under this identity.
    pub(super) fn by_id(&self, id: &str) -> Option<Arc<Resource>> {
        self.resources.get(id).cloned()
    }

    /// The resource of a kind, as owner references and scale targets name it.
    pub(super) fn by_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        self.resources
            .values()
            .find(|one| one.group == group && one.kind == kind)
            .cloned()
    }

    /// All resources, ordered by identity.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Serves what a stored CRD defines.
    pub(super) fn define(&mut self, definition: &Value) {
        if let Some(resource) = from_definition(definition) {
            self.add(resource);
        }
    }

    /// Stops serving what a deleted CRD defined.
    pub(super) fn forget(&mut self, definition: &Value) {
        let id = object::name(definition);
        if self
            .resources
            .get(id)
            .is_some_and(|resource| resource.is_custom())
        {
            self.resources.remove(id);
        }
    }
}

/// `v1beta1:-24` is served up to 1.24, `v2:23-` from 1.23 on.
fn served(version: &str, minor: u32) -> Option<String> {
    let Some((version, range)) = version.split_once(':') else {
        return Some(version.to_owned());
    };
    let (first, last) = range.split_once('-')?;
    let inside = first.parse().unwrap_or(0) <= minor && minor <= last.parse().unwrap_or(u32::MAX);
    inside.then(|| version.to_owned())
}

fn from_definition(definition: &Value) -> Option<Resource> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(text)
            .collect::<Vec<_>>()
    };
    let mut versions: Vec<String> = object::items(spec, "versions")
        .filter(|one| one["served"] == true)
        .filter_map(|one| text(&one["name"]))
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(stability(version)));
    let mut subresources = Vec::new();
    for name in ["status", "scale"] {
        if object::items(spec, "versions").any(|one| one["subresources"][name].is_object()) {
            subresources.push(name.to_owned());
        }
    }
    let kind = text(&names["kind"])?;
    Some(Resource {
        group: text(&spec["group"])?,
        versions,
        plural: text(&names["plural"])?,
        singular: text(&names["singular"]).unwrap_or_else(|| kind.to_lowercase()),
        kind,
        namespaced: spec["scope"] != "Cluster",
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        subresources,
        generation: true,
        origin: Origin::Custom,
    })
}

/// Order among versions: GA before beta before alpha, then the higher number.
fn stability(version: &str) -> (u8, u32, u32) {
    let digits = |text: &str| text.parse::<u32>().ok();
    let rest = version.strip_prefix('v').unwrap_or(version);
    for (word, rank) in [("beta", 1), ("alpha", 0)] {
        if let Some((major, minor)) = rest.split_once(word)
            && let (Some(major), Some(minor)) = (digits(major), digits(minor))
        {
            return (rank, major, minor);
        }
    }
    (2, digits(rest).unwrap_or(0), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn old_webhook_versions_end_with_1_21() {
        let versions = |minor| {
            let found = Registry::built_in(minor)
                .by_id("mutatingwebhookconfigurations.admissionregistration.k8s.io");
            found.expect("built in").versions.clone()
        };
        assert_eq!(versions(21), ["v1", "v1beta1"]);
        assert_eq!(versions(22), ["v1"]);
    }

    #[test]
    fn a_definition_is_served_with_its_best_version_first() {
        let mut registry = Registry::built_in(33);
        registry.define(&json!({
            "metadata": {"name": "gateways.networking.istio.io"},
            "spec": {"group": "networking.istio.io", "names": {"plural": "gateways", "kind": "Gateway"}, "scope": "Namespaced",
                "versions": [{"name": "v1alpha3", "served": true}, {"name": "v1", "served": true}, {"name": "v1beta1", "served": true}, {"name": "v2", "served": false}]},
        }));
        let found = registry
            .by_id("gateways.networking.istio.io")
            .expect("defined");
        assert_eq!(found.versions, ["v1", "v1beta1", "v1alpha3"]);
    }
}
