//! What the names in `istio.io/rev` labels stand for.

use std::collections::{BTreeMap, BTreeSet};

use super::Injector;

/// The revisions and tags that the injectors of a cluster know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets {
    revisions: BTreeSet<String>,
    serving: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

impl Targets {
    /// Collects the names; a tag's injector must be able to match, or the tag stands for nothing.
    pub fn new(injectors: &[Injector]) -> Self {
        let mut targets = Self::default();
        for injector in injectors {
            let revision = injector.control_plane().to_owned();
            targets.revisions.insert(revision.clone());
            if injector.never_matches() {
                continue;
            }
            match &injector.tag {
                Some(tag) => targets.tags.insert(tag.clone(), revision),
                None => targets.serving.insert(revision.clone(), revision),
            };
        }
        targets
    }

    /// The revision whose sidecar a namespace gets that names this revision or tag; `None` when no active injector
    /// stands for the name, so that its pods would silently start without a sidecar.
    pub fn resolve(&self, name: &str) -> Option<&str> {
        self.serving
            .get(name)
            .or_else(|| self.tags.get(name))
            .map(String::as_str)
    }

    /// The revisions that have an injector, active or not.
    pub fn revisions(&self) -> impl Iterator<Item = &str> {
        self.revisions.iter().map(String::as_str)
    }

    /// The tags with the revision of each.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags
            .iter()
            .map(|(tag, revision)| (tag.as_str(), revision.as_str()))
    }

    /// The names that stand for a revision: itself, where it has an active injector, and its tags.
    pub fn names_of(&self, revision: &str) -> impl Iterator<Item = &str> {
        let all = self.serving.iter().chain(&self.tags);
        all.filter(move |(_, r)| *r == revision)
            .map(|(name, _)| name.as_str())
    }
}
