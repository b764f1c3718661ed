//! `label-ns`: points namespaces at a revision or tag, in one patch each.
//!
//! `istio-injection` hides `istio.io/rev` (istio.md §3.1 of the Istio sources' `TestWebhookSelector`), so that both
//! change at once or not at all. Before and after, the simulation must find exactly one injector, the right one.

use serde_json::{Map, Value, json};

use super::context::{Done, Probe, StepContext, StepError};
use super::survey;
use crate::cluster::{Cluster, ClusterError, Object, ObjectRef};
use crate::event::{Act, Outputs};
use crate::mesh::injection::{IGNORED_NAMESPACES, Mesh, Namespace, Verdict};
use crate::mesh::istiod::{INJECTION_LABEL, REVISION_LABEL};
use crate::model::action::{LabelNs, Namespaces};

/// Labels each namespace that is not labelled yet.
pub(super) async fn run(
    step: &LabelNs,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    let mesh = survey::injection(cluster).await?;
    let target = resolve(&mesh, &step.revision)?;
    let mut before = Map::new();
    let mut labelled = Vec::new();
    // All are looked at before the first is changed: half a list helps nobody.
    let mut due = Vec::new();
    for name in names(step, cluster).await? {
        let object = read(cluster, &name).await?;
        let labelled_now = is_labelled(&object, &step.revision);
        let recorded = recorded(context, &object, labelled_now);
        if recorded.is_some() && labelled_now {
            labelled.push(name.clone());
        }
        before.insert(name.clone(), recorded.unwrap_or_else(|| labels_of(&object)));
        if labelled_now {
            assert_injects(&mesh, &survey::injected_namespace(&object), &target)?;
            continue;
        }
        may_be_labelled(step, &object)?;
        assert_injects(&mesh, &relabelled(&object, &step.revision), &target)?;
        due.push((name, object));
    }
    for (name, object) in due {
        if labels_of(&object)[INJECTION_LABEL] == "disabled" {
            context.note(format!(
                "namespace {name} had opted out ({INJECTION_LABEL}=disabled): its next pods get a sidecar"
            ));
        }
        if let Some(manager) = gitops_owner(&object) {
            context.note(format!(
                "{manager} owns the labels of namespace {name}, and will put them back: change them in its source too"
            ));
        }
        let after = patch(step, cluster, context, &object).await?;
        // The injectors may have changed meanwhile: what counts is what they do now.
        let mesh = survey::injection(cluster).await?;
        assert_injects(&mesh, &survey::injected_namespace(&after), &target)?;
        labelled.push(name);
    }
    let mut outputs = Outputs::new();
    let message = if before.is_empty() {
        "no namespace is selected".to_owned()
    } else if labelled.is_empty() {
        format!("already on {}", step.revision)
    } else {
        format!("{} on {}", labelled.join(", "), step.revision)
    };
    outputs.insert("before".to_owned(), Value::Object(before));
    Ok(Done {
        changed: !labelled.is_empty(),
        message,
        outputs,
    })
}

/// Done means: each namespace carries the label and no other, and the right injector matches.
pub(super) async fn probe(step: &LabelNs, cluster: &Cluster) -> Result<Probe, StepError> {
    let mesh = survey::injection(cluster).await?;
    let target = resolve(&mesh, &step.revision)?;
    let mut open = Vec::new();
    for name in names(step, cluster).await? {
        let object = read(cluster, &name).await?;
        if !is_labelled(&object, &step.revision) {
            open.push(format!("namespace {name} has {}", labels_of(&object)));
        } else if let Err(error) =
            assert_injects(&mesh, &survey::injected_namespace(&object), &target)
        {
            open.push(error.failure.message);
        }
    }
    Ok(if open.is_empty() {
        Probe::Done(format!("labelled {REVISION_LABEL}={}", step.revision))
    } else {
        Probe::Open(open)
    })
}

async fn patch(
    step: &LabelNs,
    cluster: &Cluster,
    context: &StepContext,
    object: &Object,
) -> Result<Object, StepError> {
    let target = ObjectRef::from(object);
    let mut operations = vec![json!({
        "op": "test", "path": "/metadata/resourceVersion", "value": object.resource_version(),
    })];
    let mut detail = format!("{REVISION_LABEL}={}", step.revision);
    let labels = object.value().pointer("/metadata/labels");
    if labels.is_none() {
        operations.push(json!({ "op": "add", "path": "/metadata/labels", "value": {} }));
    }
    if labels.is_some_and(|l| l.get(INJECTION_LABEL).is_some()) {
        operations.push(json!({ "op": "remove", "path": "/metadata/labels/istio-injection" }));
        detail.push_str(", istio-injection-");
    }
    operations.push(json!({
        "op": "add", "path": "/metadata/labels/istio.io~1rev", "value": step.revision,
    }));
    let act = Act {
        verb: "patch".to_owned(),
        object: target.to_string(),
        detail,
        before: Some(labels_of(object)),
    };
    let patch = Value::Array(operations);
    context
        .act(act, async {
            let after = cluster.json_patch(&target, patch).await?;
            Ok::<_, ClusterError>((after, true))
        })
        .await
}

/// The labels before an earlier attempt of the step changed them. An attempt whose answer was lost changed them where the
/// namespace is as it should be now.
fn recorded(context: &StepContext, object: &Object, labelled: bool) -> Option<Value> {
    let name = ObjectRef::from(object).to_string();
    let mut earlier = context.earlier.iter().filter(|act| act.object == name);
    let certain = earlier.clone().find(|act| act.result.is_some());
    let act = certain.or_else(|| earlier.next_back().filter(|_| labelled))?;
    Some(act.before.clone())
}

async fn names(step: &LabelNs, cluster: &Cluster) -> Result<Vec<String>, StepError> {
    match (&step.namespace, &step.namespaces) {
        (Some(name), None) => Ok(vec![name.clone()]),
        (None, Some(Namespaces::Names(names))) => Ok(names.clone()),
        (None, Some(Namespaces::Query(query))) => {
            Ok(cluster.namespaces(&query.selector, &query.exclude).await?)
        }
        _ => Err(StepError::failed("name either `namespace` or `namespaces`")),
    }
}

async fn read(cluster: &Cluster, name: &str) -> Result<Object, StepError> {
    survey::namespace(cluster, name)
        .await?
        .ok_or_else(|| StepError::failed(format!("there is no namespace {name}")))
}

/// Refuses a namespace in which a label would do harm, or nothing.
fn may_be_labelled(step: &LabelNs, object: &Object) -> Result<(), StepError> {
    let name = object.name();
    let refused = |why: &str| {
        Err(StepError::failed(format!("namespace {name} {why}"))
            .help("take it out of the step's list; nothing was labelled"))
    };
    if object.value()["metadata"]
        .get("deletionTimestamp")
        .is_some()
        || object.value()["status"]["phase"] == "Terminating"
    {
        return refused("is being deleted");
    }
    if name == step.istio_namespace {
        return refused(
            "is that of the control plane itself, whose pods must not wait for an injector",
        );
    }
    if IGNORED_NAMESPACES.contains(&name) {
        return refused("is one in which istiod never injects");
    }
    Ok(())
}

/// The revision that a revision or tag stands for: it must have an active injector.
pub(super) fn resolve(mesh: &Mesh, name: &str) -> Result<String, StepError> {
    let targets = mesh.targets();
    targets.resolve(name).map(str::to_owned).ok_or_else(|| {
        let known: Vec<String> = targets
            .revisions()
            .map(|revision| format!("revision {revision}"))
            .chain(targets.tags().map(|(tag, revision)| format!("tag {tag} of revision {revision}")))
            .collect();
        StepError::failed(format!("`{name}` is neither a revision nor a tag with an active injector"))
            .details(known)
            .help("pods in a namespace that names it would start without a sidecar, and nothing would say so; install the revision, or correct the name")
    })
}

fn assert_injects(mesh: &Mesh, namespace: &Namespace, target: &str) -> Result<(), StepError> {
    let verdict = survey::plain_pod(mesh, namespace);
    match &verdict {
        Verdict::Injected { by } if by.control_plane() == target => Ok(()),
        _ => Err(StepError::failed(format!(
            "a new pod in namespace {} would not get the sidecar of {target}, but: {verdict}",
            namespace.name
        ))
        .help("run `istioctl analyze` or look at the MutatingWebhookConfigurations: exactly one injector must match")),
    }
}

fn is_labelled(object: &Object, revision: &str) -> bool {
    let label = |key: &str| object.value()["metadata"]["labels"][key].as_str();
    label(REVISION_LABEL) == Some(revision) && label(INJECTION_LABEL).is_none()
}

/// The namespace as it will be.
fn relabelled(object: &Object, revision: &str) -> Namespace {
    let mut labels = survey::injected_namespace(object).labels().clone();
    labels.remove(INJECTION_LABEL);
    labels.insert(REVISION_LABEL.to_owned(), revision.to_owned());
    Namespace::new(object.name(), labels)
}

fn labels_of(object: &Object) -> Value {
    let labels = &object.value()["metadata"]["labels"];
    let pick = |key: &str| labels.get(key).cloned().unwrap_or(Value::Null);
    json!({ INJECTION_LABEL: pick(INJECTION_LABEL), REVISION_LABEL: pick(REVISION_LABEL) })
}

/// The field manager that will put the old labels back, where it is a tool that syncs from Git.
fn gitops_owner(object: &Object) -> Option<&str> {
    const TOOLS: [&str; 4] = [
        "argocd",
        "kustomize-controller",
        "helm-controller",
        "fleetagent",
    ];
    let entries = object.value()["metadata"]["managedFields"].as_array()?;
    entries.iter().find_map(|entry| {
        let manager = entry["manager"].as_str()?;
        let labels = entry["fieldsV1"]["f:metadata"]["f:labels"].as_object()?;
        let owns = [INJECTION_LABEL, REVISION_LABEL]
            .iter()
            .any(|label| labels.contains_key(&format!("f:{label}")));
        (owns && TOOLS.iter().any(|tool| manager.starts_with(tool))).then_some(manager)
    })
}
