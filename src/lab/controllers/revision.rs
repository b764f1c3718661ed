//! Names for the states of a template: hashes, and `ControllerRevision` objects.

use super::pass::Pass;
use super::pass::controller_of;
use super::pass::owner_reference;
use crate::lab::api::object;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

/// A short name for a template, equal for equal ones.
pub(super) fn hash(template: &Value) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut sorted = template.clone();
    sorted.sort_all_objects();
    let digest = Sha256::digest(sorted.to_string());
    digest
        .iter()
        .take(10)
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}

/// Whether two templates are the same, however they are written.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let plain = |template: &Value| {
        let mut plain = template.clone();
        object::remove(&mut plain, "$patch");
        object::drop_nulls(&mut plain);
        plain
    };
    one == other || plain(one) == plain(other)
}

/// The name of the current template among the owner's revisions; stores it where it is new.
pub(super) fn ensure(pass: &Pass<'_>, owner: &Value) -> String {
    let hash = hash(&owner["spec"]["template"]);
    let name = format!("{}-{hash}", object::name(owner));
    let namespace = object::namespace(owner);
    let uid = object::meta(owner, "uid");
    let all = pass.api.objects("controllerrevisions.apps", namespace);
    let mine = || {
        all.iter()
            .filter(|revision| controller_of(revision) == Some(uid))
    };
    let last = mine()
        .filter_map(|revision| revision["revision"].as_u64())
        .max()
        .unwrap_or(0);
    // Revisions that another cluster stored have names of its own: there the template tells, and the newest counts.
    let found = mine()
        .find(|revision| object::name(revision) == name)
        .or_else(|| {
            mine()
                .filter(|revision| {
                    is_same(
                        &revision["data"]["spec"]["template"],
                        &owner["spec"]["template"],
                    )
                })
                .max_by_key(|revision| revision["revision"].as_u64())
        });
    let name = found.map_or(name, |revision| object::name(revision).to_owned());
    match found {
        Some(found) if found["revision"].as_u64() != Some(last) => {
            let mut next = (**found).clone();
            next["revision"] = json!(last + 1);
            pass.update(found, &next);
        }
        Some(_) => {}
        None => {
            let mut data = owner["spec"]["template"].clone();
            data["$patch"] = json!("replace");
            let mut revision = json!({
                "apiVersion": "apps/v1", "kind": "ControllerRevision",
                "metadata": {
                    "name": name, "namespace": namespace, "ownerReferences": [owner_reference(owner)],
                    "labels": owner["spec"]["template"]["metadata"]["labels"], "annotations": owner["metadata"]["annotations"],
                },
                "data": {"spec": {"template": data}}, "revision": last + 1,
            });
            let key = if owner["kind"] == "DaemonSet" {
                "controller-revision-hash"
            } else {
                "controller.kubernetes.io/hash"
            };
            label(&mut revision, key, &hash);
            if let Err(error) = pass.create(revision) {
                tracing::debug!(%error, "a revision was not stored");
            }
        }
    }
    name
}

/// The template that a revision keeps.
pub(super) fn template(pass: &Pass<'_>, owner: &Value, revision: &str) -> Option<Value> {
    let found = pass.api.object(
        "controllerrevisions.apps",
        object::namespace(owner),
        revision,
    )?;
    Some(found["data"]["spec"]["template"].clone())
}

/// A pod from a template.
pub(super) fn pod(owner: &Value, template: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    object::drop_nulls(&mut pod);
    object::set_meta(&mut pod, "namespace", json!(object::namespace(owner)));
    object::set_meta(&mut pod, "ownerReferences", json!([owner_reference(owner)]));
    pod
}

/// Adds a label to an object.
pub(super) fn label(value: &mut Value, key: &str, text: &str) {
    object::default_to(&mut value["metadata"], "labels", json!({}));
    value["metadata"]["labels"][key] = json!(text);
}
