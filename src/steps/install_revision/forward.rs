//! Only forward: neither a control plane under its proxies, nor a custom resource under its objects, goes back.

use std::collections::BTreeMap;

use serde_json::Value;

use super::at_once;
use crate::cluster::{Cluster, ClusterError, Object, ObjectRef};
use crate::mesh::version::{HopError, Version, hop};
use crate::model::action::InstallRevision;
use crate::model::counted;
use crate::steps::context::{StepContext, StepError};
use crate::steps::survey;

/// How many minor versions a control plane may take in one hop in place, where its proxies follow one by one.
const IN_PLACE: u32 = 1;
/// How many where it comes beside the old one, which serves the old proxies until they move.
const BESIDE: u32 = 2;

/// The version of each control plane that is there.
pub(super) type Live = BTreeMap<String, Version>;

/// Refuses a hop that Istio does not support from what is live, whatever the plan's precheck was told.
pub(super) fn check_hop(
    step: &InstallRevision,
    version: &Version,
    live: &Live,
) -> Result<(), StepError> {
    if let Some(now) = live.get(&step.revision) {
        return hop(now, version, IN_PLACE).map_err(|error| {
            let help = match error {
                HopError::Downgrade { .. } => "its proxies would be newer than their control plane: install the older version as a revision of its own, and move the namespaces to it",
                _ => "an upgrade in place goes through each minor version; install a revision of another name beside it to go further",
            };
            StepError::failed(format!("revision {} is live: {error}", step.revision)).help(help)
        });
    }
    let Some((revision, newest)) = live.iter().max_by_key(|(_, version)| *version) else {
        return Ok(());
    };
    match hop(newest, version, BESIDE) {
        // An older one beside the newer is how one goes back.
        Ok(()) | Err(HopError::Downgrade { .. }) => Ok(()),
        Err(error) => Err(
            StepError::failed(format!("too far from revision {revision}: {error}"))
                .help("a revision may be two minor versions ahead of the one that it replaces"),
        ),
    }
}

/// The objects without those custom resources that are there in a newer form: all revisions share them.
///
/// # Errors
/// A custom resource that is left would lose objects.
pub(super) async fn forward_only(
    version: &Version,
    live: &Live,
    cluster: &Cluster,
    context: &StepContext,
    objects: Vec<Object>,
) -> Result<Vec<Object>, StepError> {
    let there = at_once(objects.iter().map(|object| live_crd(cluster, object))).await?;
    let newest = live.values().max();
    let (mut kept, mut left, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for (object, there) in objects.into_iter().zip(there) {
        match there {
            Some(there) if goes_back(&there, &object, version, newest) => left.push(object),
            there => {
                lost.extend(there.iter().flat_map(|there| lost_versions(there, &object)));
                kept.push(object);
            }
        }
    }
    if !left.is_empty() {
        context.note(format!(
            "{} stay as they are ({} first): those of {version} are older",
            counted(left.len(), "CustomResourceDefinition"),
            left[0].name(),
        ));
    }
    if lost.is_empty() {
        return Ok(kept);
    }
    Err(
        StepError::failed("the rendered CRDs do not know versions in which objects are stored")
            .details(lost)
            .help("install the newer CRDs, or migrate the stored objects first"),
    )
}

/// The custom resource that is there in the place of a rendered one; none for other kinds.
async fn live_crd(cluster: &Cluster, rendered: &Object) -> Result<Option<Object>, ClusterError> {
    if rendered.kind() == "CustomResourceDefinition" {
        cluster.get(&ObjectRef::from(rendered)).await
    } else {
        Ok(None)
    }
}

/// By the version in their labels; where the charts say none, by the newest control plane that is there.
fn goes_back(
    there: &Object,
    rendered: &Object,
    version: &Version,
    newest: Option<&Version>,
) -> bool {
    match (labelled(there), labelled(rendered)) {
        (Some(there), Some(rendered)) => rendered < there,
        _ => newest.is_some_and(|newest| version < newest && !version.covers(newest)),
    }
}

fn labelled(crd: &Object) -> Option<Version> {
    let label = crd.value()["metadata"]["labels"]["app.kubernetes.io/version"].as_str();
    label
        .filter(|label| *label != survey::UNRELEASED)?
        .parse()
        .ok()
}

/// A CRD that no longer serves a version in which objects are stored would lose them (istio/istio#20861).
fn lost_versions(there: &Object, rendered: &Object) -> Vec<String> {
    let kept = versions(rendered.value());
    let stored = there.value()["status"]["storedVersions"].as_array();
    let stored = stored.into_iter().flatten().filter_map(Value::as_str);
    stored
        .filter(|stored| !kept.contains(stored))
        .map(|stored| format!("{}: objects are stored as {stored}", rendered.name()))
        .collect()
}

/// The names in `spec.versions`, or the one in `spec.version` of a v1beta1 CRD.
fn versions(crd: &Value) -> Vec<&str> {
    let listed = crd["spec"]["versions"].as_array().into_iter().flatten();
    listed
        .map(|version| &version["name"])
        .chain([&crd["spec"]["version"]])
        .filter_map(Value::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Action, Kind};

    fn hop_to(revision: &str, version: &str, live: &[(&str, &str)]) -> Option<String> {
        let with = json!({ "revision": revision, "version": version });
        let Ok(Action::InstallRevision(step)) = Kind::InstallRevision.decode(with) else {
            panic!("no step");
        };
        let live = live
            .iter()
            .map(|(revision, version)| ((*revision).to_owned(), version.parse().unwrap()))
            .collect();
        let checked = check_hop(&step, &version.parse().unwrap(), &live);
        checked.err().map(|error| error.failure.message)
    }

    #[test]
    fn in_place_only_to_the_same_or_the_next_minor() {
        let live = [("default", "1.27.0"), ("canary", "1.28.2")];
        for version in ["1.28.2", "1.28", "1.28.3", "1.29.1"] {
            assert_eq!(hop_to("canary", version, &live), None, "{version}");
        }
        assert_eq!(
            hop_to("canary", "1.30.0", &live).unwrap(),
            "revision canary is live: 1.28.2 to 1.30.0 is 2 minor versions in one hop (at most 1): go through 1.29 first"
        );
        assert_eq!(
            hop_to("canary", "1.28.1", &live).unwrap(),
            "revision canary is live: 1.28.1 is older than 1.28.2: going back is a rollback, not an upgrade"
        );
    }

    #[test]
    fn beside_two_minors_from_the_newest_or_back() {
        let live = [("old", "1.26.0"), ("default", "1.28.2")];
        for version in ["1.26.0", "1.28.2", "1.30.0"] {
            assert_eq!(hop_to("canary", version, &live), None, "{version}");
        }
        assert_eq!(hop_to("canary", "1.29.1", &[]), None);
        assert_eq!(
            hop_to("canary", "1.31.0", &live).unwrap(),
            "too far from revision default: 1.28.2 to 1.31.0 is 3 minor versions in one hop (at most 2): go through 1.30 first"
        );
    }

    #[test]
    fn a_newer_custom_resource_is_known_by_its_label_or_by_who_lives() {
        let crd = |version: &str| {
            Object::new(
                json!({ "metadata": { "labels": { "app.kubernetes.io/version": version } } }),
            )
        };
        let back = |there: &str, rendered: &str, newest: &str| {
            let newest = newest.parse().unwrap();
            let version = "1.28.2".parse().unwrap();
            goes_back(&crd(there), &crd(rendered), &version, Some(&newest))
        };
        assert!(back("1.29.1", "1.28.2", "1.28.2"));
        assert!(!back("1.28.2", "1.28.2", "1.29.1"));
        assert!(back("1.0.0", "1.0.0", "1.29.1"));
        assert!(!back("1.0.0", "1.0.0", "1.28.2"));
        assert!(!back("1.0.0", "1.0.0", "1.27.0"));
    }
}
