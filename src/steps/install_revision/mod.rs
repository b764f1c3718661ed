//! `install-revision`: renders a control plane and applies it beside the old one.
//!
//! An install is inert, and the step proves it: every namespace keeps the injector that it had. `istioctl install` is
//! not: it creates the tag `default`, forces field ownership, and upgrades gateways in place (istio/istio#26019).

mod binary;
mod contents;
mod forward;
mod inert;
mod render;

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::context::{Done, Probe, StepContext, StepError};
use super::survey;
use crate::cluster::{Applied, Cluster, ClusterError, ErrorClass, Object, ObjectRef, patience};
use crate::event::{Act, FailureClass, Outputs};
use crate::mesh::istiod::{DEFAULT, Names, owned_fields};
use crate::model::action::InstallRevision;
use crate::model::counted;
use crate::model::glob;

pub use render::Workspace;

/// How many objects are looked at, at once.
const AT_ONCE: usize = 8;

/// Renders, looks for what stands in the way, applies, and proves that nothing moved.
pub(super) async fn run(
    step: &InstallRevision,
    cluster: &Cluster,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<Done, StepError> {
    let objects = prepare(step, cluster, workspace, context).await?;
    let witnesses = inert::Witnesses::gather(cluster).await?;
    witnesses.would_stay(&objects)?;
    has_service(step, cluster, &objects).await?;
    let mut changed = usize::from(make_namespace(step, cluster, context, &objects).await?);
    // What the server makes of a configuration may be more than what is rendered: others own parts of it.
    witnesses.would_stay(&rehearse(step, cluster, &objects).await?)?;
    if cluster.is_dry_run() {
        name_previous_managers(step, cluster, context, &objects).await?;
    }
    for object in &objects {
        let applied = apply(step, cluster, context, object).await?;
        changed += usize::from(applied.changed);
    }
    witnesses.have_stayed(cluster).await?;
    // What an earlier attempt changed is a change of this step.
    let earlier = usize::try_from(context.changes).unwrap_or(usize::MAX);
    Ok(done(step, &objects, changed.saturating_add(earlier)))
}

/// Done means: applying once more would change nothing.
pub(super) async fn probe(
    step: &InstallRevision,
    cluster: &Cluster,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<Probe, StepError> {
    let objects = prepare(step, cluster, workspace, context).await?;
    if cluster.get(&home(step)).await?.is_none() {
        return Ok(Probe::Open(vec![format!("{} is not there", home(step))]));
    }
    let looks = objects
        .iter()
        .map(|object| cluster.apply_as_dry_run(object, takes_over(step, object)));
    let applied: Vec<Applied> = at_once(looks).await?;
    let open: Vec<String> = applied
        .iter()
        .filter(|applied| applied.changed)
        .map(|applied| format!("{} differs", ObjectRef::from(&applied.after)))
        .collect();
    Ok(if open.is_empty() {
        Probe::Done(format!("{} as rendered", counted(objects.len(), "object")))
    } else {
        Probe::Open(open)
    })
}

/// What would be applied, byte for byte: rendered, checked, ordered, without the fields that istiod owns.
pub(super) async fn prepare(
    step: &InstallRevision,
    cluster: &Cluster,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<Vec<Object>, StepError> {
    let version = render::version(step)?;
    let objects = render::render(step, &version, workspace, context).await?;
    contents::check(step, &version, &objects)?;
    is_no_tag(step, cluster).await?;
    let live = survey::versions(cluster, &step.istio_namespace).await?;
    forward::check_hop(step, &version, &live)?;
    let mut objects = forward::forward_only(&version, &live, cluster, context, objects).await?;
    objects.sort_by_key(|object| (rank(object.kind()), object.kind().to_owned()));
    at_once(
        objects
            .into_iter()
            .map(|object| without_owned_fields(cluster, context, object)),
    )
    .await
}

/// Some futures at a time, their results in order.
async fn at_once<T, E>(
    futures: impl Iterator<Item = impl Future<Output = Result<T, E>>>,
) -> Result<Vec<T>, E> {
    // Collected first: a lazy stream of borrowing futures is not provably `Send`.
    let futures: Vec<_> = futures.collect();
    stream::iter(futures).buffered(AT_ONCE).try_collect().await
}

/// The fields that istiod writes on an object that exists are its own: they are left out, and that is told.
async fn without_owned_fields(
    cluster: &Cluster,
    context: &StepContext,
    object: Object,
) -> Result<Object, StepError> {
    let owned = owned_fields(object.kind());
    let name = ObjectRef::from(&object);
    if owned.is_empty() || cluster.get(&name).await?.is_none() {
        return Ok(object);
    }
    let mut value = object.into_value();
    let mut left_out = BTreeSet::new();
    for webhook in value["webhooks"].as_array_mut().into_iter().flatten() {
        left_out.extend(
            owned
                .iter()
                .filter(|pointer| remove(webhook, pointer))
                .map(|pointer| pointer.trim_start_matches('/').replace('/', ".")),
        );
    }
    if !left_out.is_empty() {
        let fields: Vec<String> = left_out.into_iter().collect();
        context.note(format!(
            "{name}: istiod writes {}: left out",
            fields.join(", ")
        ));
    }
    Ok(Object::new(value))
}

/// Whether there was something to remove.
fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return false;
    };
    let map = value.pointer_mut(parent).and_then(Value::as_object_mut);
    map.is_some_and(|map| map.shift_remove(key).is_some())
}

/// Kinds in the order in which they need each other; webhooks last, when their target is on its way.
fn rank(kind: &str) -> u8 {
    match kind {
        "CustomResourceDefinition" => 0,
        "Namespace" => 1,
        "ServiceAccount" | "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => 2,
        "ConfigMap" | "Secret" => 3,
        "Service" => 4,
        "Deployment" => 5,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => 7,
        _ => 6,
    }
}

async fn is_no_tag(step: &InstallRevision, cluster: &Cluster) -> Result<(), StepError> {
    let mesh = survey::injection(cluster).await?;
    let targets = mesh.targets();
    let same = targets
        .tags()
        .find(|(tag, _)| *tag == step.revision && step.revision != DEFAULT);
    match same {
        Some((tag, revision)) => Err(StepError::failed(format!(
            "`{tag}` is a tag of revision {revision}: a revision cannot have the same name"
        ))),
        None => Ok(()),
    }
}

/// The namespace of the control plane.
fn home(step: &InstallRevision) -> ObjectRef {
    ObjectRef::cluster("v1", "Namespace", &step.istio_namespace)
}

/// The new control plane can be reached: its Service comes with the rendering, or is there.
async fn has_service(
    step: &InstallRevision,
    cluster: &Cluster,
    objects: &[Object],
) -> Result<(), StepError> {
    let name = Names::new(&step.revision, &step.istio_namespace).istiod();
    let service = ObjectRef::namespaced("v1", "Service", &step.istio_namespace, &name);
    let comes = objects
        .iter()
        .any(|object| ObjectRef::from(object) == service);
    if comes || cluster.get(&service).await?.is_some() {
        return Ok(());
    }
    Err(
        StepError::failed(format!("the rendering brings no Service {name}"))
            .help("does the revision in the values agree with the step's?"),
    )
}

/// Makes the namespace where it is missing, as `istioctl install` does: without it the server tries nothing. Gives
/// whether it did.
async fn make_namespace(
    step: &InstallRevision,
    cluster: &Cluster,
    context: &StepContext,
    objects: &[Object],
) -> Result<bool, StepError> {
    let home = home(step);
    if cluster.get(&home).await?.is_some() {
        return Ok(false);
    }
    if let Some(rendered) = objects
        .iter()
        .find(|object| ObjectRef::from(*object) == home)
    {
        apply(step, cluster, context, rendered).await?;
        return Ok(true);
    }
    let bare =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": home.name } });
    apply(step, cluster, context, &Object::new(bare)).await?;
    Ok(true)
}

/// What the server says of one object.
enum Tried {
    /// It would take it, and make this of it.
    Taken(Object),
    /// These fields are another manager's.
    Owned(Vec<String>),
    /// It would not take it, and why.
    Refused(String),
}

async fn rehearse_one(
    step: &InstallRevision,
    cluster: &Cluster,
    object: &Object,
) -> Result<Tried, ClusterError> {
    let name = ObjectRef::from(object);
    match cluster.try_apply(object, takes_over(step, object)).await {
        Ok(tried) => Ok(Tried::Taken(tried.unwrap_or_else(|| object.clone()))),
        Err(error) => match &error.class {
            ErrorClass::FieldManager(fields) => {
                let fields = fields.iter().map(|field| format!("{name}: {field}"));
                Ok(Tried::Owned(fields.collect()))
            }
            ErrorClass::Denied | ErrorClass::Invalid => {
                Ok(Tried::Refused(format!("{name}: {error}")))
            }
            _ => Err(error),
        },
    }
}

/// Lets the server try every object before the first is written: what it refuses and what others own is told in one go.
/// Gives what it would make of each.
async fn rehearse(
    step: &InstallRevision,
    cluster: &Cluster,
    objects: &[Object],
) -> Result<Vec<Object>, StepError> {
    let looks = objects
        .iter()
        .map(|object| rehearse_one(step, cluster, object));
    let (mut tried, mut owned, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for one in at_once(looks).await? {
        match one {
            Tried::Taken(object) => tried.push(object),
            Tried::Owned(fields) => owned.extend(fields),
            Tried::Refused(why) => refused.push(why),
        }
    }
    if !refused.is_empty() {
        return Err(StepError::failed(format!(
            "the server refuses {} of {}",
            refused.len(),
            counted(objects.len(), "object")
        ))
        .details(refused)
        .help("mend what it says, or get the permission; nothing was applied"));
    }
    if owned.is_empty() {
        return Ok(tried);
    }
    Err(StepError::failed(format!("{} fields belong to other field managers", owned.len()))
        .details(owned)
        .help("where the take-over is right, name the objects in `take_over: [KIND/NAME]`; nothing was applied"))
}

/// Applies one of the many objects. An apply says all that it wants, however often: what a server does not take for a
/// reason that may pass is applied again, in an act of its own, before the whole attempt is given up.
async fn apply(
    step: &InstallRevision,
    cluster: &Cluster,
    context: &StepContext,
    object: &Object,
) -> Result<Applied, StepError> {
    let mut tries = 1;
    loop {
        let error = match apply_once(step, cluster, context, object).await {
            Err(error) if error.failure.class == FailureClass::Transient => error,
            other => return other,
        };
        let Some(pause) = patience::pause(tries, error.retry_after) else {
            return Err(error);
        };
        tries += 1;
        let (name, of) = (ObjectRef::from(object), patience::TRIES);
        context.waiting(vec![format!(
            "{name}: {error}; applying it again ({tries} of {of})"
        )]);
        tokio::time::sleep(pause).await;
    }
}

/// Whom the objects of `take_over` are taken from: what a reviewer must know.
async fn name_previous_managers(
    step: &InstallRevision,
    cluster: &Cluster,
    context: &StepContext,
    objects: &[Object],
) -> Result<(), StepError> {
    let taken: Vec<&Object> = objects
        .iter()
        .filter(|object| takes_over(step, object))
        .collect();
    let fields = at_once(taken.iter().map(|object| cluster.conflicts(object))).await?;
    for (object, fields) in taken.into_iter().zip(fields) {
        // `conflict with "helm" using v1`
        let managers: BTreeSet<&str> = fields
            .iter()
            .filter_map(|field| field.split('"').nth(1))
            .collect();
        if !managers.is_empty() {
            let managers: Vec<&str> = managers.into_iter().collect();
            context.note(format!(
                "takes {} of {} over from {}",
                if fields.len() == 1 {
                    "1 field".to_owned()
                } else {
                    format!("{} fields", fields.len())
                },
                ObjectRef::from(object),
                managers.join(", ")
            ));
        }
    }
    Ok(())
}

async fn apply_once(
    step: &InstallRevision,
    cluster: &Cluster,
    context: &StepContext,
    object: &Object,
) -> Result<Applied, StepError> {
    let take_over = takes_over(step, object);
    let act = Act {
        verb: "apply".to_owned(),
        object: ObjectRef::from(object).to_string(),
        detail: if take_over {
            "server-side apply, taking over"
        } else {
            "server-side apply"
        }
        .to_owned(),
        before: None,
    };
    context
        .act(act, async {
            let applied = cluster.apply(object, take_over).await?;
            let changed = applied.changed;
            Ok::<_, ClusterError>((applied, changed))
        })
        .await
}

/// Whether `take_over` names the object, as KIND/NAME with `*` for any text.
pub(super) fn takes_over(step: &InstallRevision, object: &Object) -> bool {
    let name = format!("{}/{}", object.kind(), object.name());
    step.take_over
        .iter()
        .any(|pattern| glob::matches(pattern, &name))
}

fn done(step: &InstallRevision, objects: &[Object], changed: usize) -> Done {
    let names: Vec<String> = objects
        .iter()
        .map(|o| ObjectRef::from(o).to_string())
        .collect();
    let mut outputs = Outputs::new();
    outputs.insert("objects".to_owned(), json!(names));
    outputs.insert("changed".to_owned(), json!(changed));
    let name = Names::new(&step.revision, &step.istio_namespace).istiod();
    let message = match changed {
        0 => format!("{name} {} is installed already", step.version),
        n => format!(
            "{name} {}: {n} of {} changed",
            step.version,
            counted(objects.len(), "object")
        ),
    };
    Done {
        changed: changed > 0,
        message,
        outputs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_fields_are_left_out() {
        let mut webhook = json!({ "clientConfig": { "caBundle": "x", "service": {} }, "failurePolicy": "Ignore" });
        for pointer in owned_fields("ValidatingWebhookConfiguration") {
            assert!(remove(&mut webhook, pointer), "{pointer}");
        }
        assert_eq!(webhook, json!({ "clientConfig": { "service": {} } }));
    }
}
