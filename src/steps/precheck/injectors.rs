//! Namespaces' labels, and the webhooks: which match, and whether they have a live target.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::finding::Report;
use crate::cluster::{Cluster, Object, ObjectRef, Selector};
use crate::mesh::injection::{Mesh, Verdict};
use crate::mesh::istiod::{INJECTION_LABEL, REVISION_LABEL};
use crate::model::action::Precheck;
use crate::steps::context::{StepContext, StepError};
use crate::steps::survey;

/// How long all targets together may stay away before that is a finding: a pod that is replaced comes back sooner.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long between two looks at one that is away.
const PAUSE: Duration = Duration::from_secs(3);

/// Simulates injection for every namespace, and looks for the target of every webhook that must answer; one that is
/// gone for a moment is waited for, and that is told.
pub(super) async fn check(
    step: &Precheck,
    cluster: &Cluster,
    wait: Option<&StepContext>,
    report: &mut Report,
) -> Result<(), StepError> {
    let mesh = survey::injection(cluster).await?;
    let namespaces = cluster
        .followed("v1", "Namespace", None, &Selector::default())
        .await?;
    let before = report.count();
    let concerns = |name: &str| {
        let named = step.namespaces.as_ref();
        named.is_none_or(|named| named.iter().any(|one| one == name))
    };
    for namespace in namespaces.iter().filter(|object| concerns(object.name())) {
        check_namespace(namespace, &mesh, report);
    }
    check_pods(cluster, &mesh, concerns, report).await?;
    if let Some(named) = &step.namespaces {
        for missing in named
            .iter()
            .filter(|name| !namespaces.iter().any(|n| n.name() == *name))
        {
            report.fail(
                "namespace",
                &format!("Namespace/{missing}"),
                "is not there",
                "correct the plan's list",
            );
        }
    }
    if report.count() == before {
        report.pass(
            "labels",
            "namespaces",
            "each has at most one injector, for all of its pods, and says so with one label",
        );
    }
    check_targets(cluster, wait, report).await
}

fn check_namespace(object: &Object, mesh: &Mesh, report: &mut Report) {
    let namespace = survey::injected_namespace(object);
    let name = format!("Namespace/{}", namespace.name);
    let has = |label: &str| namespace.labels().contains_key(label);
    if has(INJECTION_LABEL) && has(REVISION_LABEL) {
        report.warn(
            "both-labels",
            &name,
            format!("has {INJECTION_LABEL} and {REVISION_LABEL}: the first one wins, silently"),
            "remove one of them; label-ns does it in one patch",
        );
    }
    check_verdict(&survey::plain_pod(mesh, &namespace), &name, report);
}

/// What becomes of the pods that ask for a sidecar themselves, and of those that might.
async fn check_pods(
    cluster: &Cluster,
    mesh: &Mesh,
    concerns: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Result<(), StepError> {
    let namespaces = survey::namespaces(cluster).await?;
    for (object, pod) in survey::asking(cluster).await? {
        let own = object
            .namespace
            .as_ref()
            .and_then(|own| namespaces.get(own));
        if let Some(namespace) = own.filter(|own| concerns(&own.name)) {
            // What is wrong with the whole namespace is told of it.
            if survey::is_silent(namespace) {
                let verdict = mesh.verdict(namespace, &pod);
                check_verdict(&verdict, &object.to_string(), report);
            }
        }
    }
    let Some(namespace) = survey::namespace_without_injection(cluster).await? else {
        return Ok(());
    };
    for (label, pod) in survey::might_ask(mesh) {
        if let verdict @ Verdict::Ambiguous(_) = mesh.verdict(&namespace, &pod) {
            check_verdict(&verdict, &format!("pods with {label}"), report);
        }
    }
    Ok(())
}

fn check_verdict(verdict: &Verdict<'_>, object: &str, report: &mut Report) {
    match verdict {
        Verdict::Ambiguous(injectors) => {
            let names: Vec<&str> = injectors.iter().map(|i| i.config.as_str()).collect();
            report.fail(
                "two-injectors",
                object,
                format!("two sidecars: {}", names.join(", ")),
                "remove or deactivate all but one (IST0139)",
            );
        }
        Verdict::NotInjected(reason) if reason.is_dangling() => report.fail(
            "dangling-label",
            object,
            reason.to_string(),
            "the next pods start without a sidecar: correct the label, or install what it names",
        ),
        _ => {}
    }
}

/// A webhook that must answer and cannot stops pods from being created, or configuration from being written.
async fn check_targets(
    cluster: &Cluster,
    wait: Option<&StepContext>,
    report: &mut Report,
) -> Result<(), StepError> {
    let mut live = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    let before = report.count();
    for kind in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ] {
        for config in cluster
            .followed(survey::ADMISSION, kind, None, &Selector::default())
            .await?
        {
            let webhooks = config.value()["webhooks"].as_array().into_iter().flatten();
            for webhook in webhooks.filter(|webhook| webhook["failurePolicy"] == "Fail") {
                let Some(service) = service(webhook) else {
                    continue;
                };
                let name = service.to_string();
                if !live.contains_key(&name) {
                    let mut lives = has_endpoint(cluster, &service).await?;
                    while let (false, Some(context)) = (lives, wait)
                        && Instant::now() < deadline
                    {
                        context.waiting(vec![format!("{name} has no ready endpoint")]);
                        tokio::time::sleep(PAUSE).await;
                        lives = has_endpoint(cluster, &service).await?;
                    }
                    live.insert(name.clone(), lives);
                }
                if !live[&name] {
                    report.fail(
                        "dead-webhook",
                        &format!("{kind}/{}", config.name()),
                        format!(
                            "{} must answer, and {name} has no ready endpoint",
                            webhook["name"]
                        ),
                        "start its target, or remove the configuration that its owner left behind",
                    );
                }
            }
        }
    }
    if report.count() == before {
        report.pass(
            "webhooks",
            "webhooks",
            format!("{} targets are alive", live.len()),
        );
    }
    Ok(())
}

fn service(webhook: &Value) -> Option<ObjectRef> {
    let service = &webhook["clientConfig"]["service"];
    Some(ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Service".to_owned(),
        namespace: Some(service["namespace"].as_str()?.to_owned()),
        name: service["name"].as_str()?.to_owned(),
    })
}

async fn has_endpoint(cluster: &Cluster, service: &ObjectRef) -> Result<bool, StepError> {
    let endpoints = ObjectRef {
        kind: "Endpoints".to_owned(),
        ..service.clone()
    };
    let found = cluster.get(&endpoints).await?;
    Ok(found.is_some_and(|endpoints| survey::has_addresses(&endpoints)))
}
