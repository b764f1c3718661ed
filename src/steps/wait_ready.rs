//! `wait-ready`: waits until a control plane really serves.
//!
//! A Deployment that is rolled out is not enough: until istiod has written its CA into the webhooks, and its Service
//! has endpoints, every pod creation in a labelled namespace fails (istio/istio#35590 and many more).

use std::time::Duration;

use serde_json::{Value, json};

use super::context::{Done, Probe, StepContext, StepError};
use super::istiods::{HTTP, Replica, replicas, unreachable};
use super::rollouts;
use super::survey::{ADMISSION, has_addresses, injection, namespace_without_injection};
use crate::cluster::rollout::{Rollout, rollout};
use crate::cluster::{Cluster, Object, Selector, Wait};
use crate::event::Outputs;
use crate::mesh::injection::Proxy;
use crate::mesh::istiod::{INJECT_LABEL, Names, REVISION_LABEL};
use crate::mesh::version::Version;
use crate::model::action::WaitReady;
use crate::model::counted;

/// How long between two questions to istiod itself; nothing can be watched there.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits for each condition in the order in which they come true.
pub(super) async fn run(
    step: &WaitReady,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<Done, StepError> {
    rolled_out(step, cluster, context).await?;
    has_endpoints(step, cluster, context).await?;
    let (pods, version) = serves(step, cluster, context).await?;
    webhooks_trusted(step, cluster, context).await?;
    injects(step, cluster, context).await?;
    let mut outputs = Outputs::new();
    outputs.insert("version".to_owned(), json!(version.to_string()));
    let message = format!(
        "{} serves {version} from {}",
        step.revision,
        counted(pods.len(), "pod")
    );
    outputs.insert("pods".to_owned(), json!(pods));
    Ok(Done {
        changed: false,
        message,
        outputs,
    })
}

/// Done means: each condition holds at one look.
pub(super) async fn probe(step: &WaitReady, cluster: &Cluster) -> Result<Probe, StepError> {
    let mut open = Vec::new();
    let names = Names::new(&step.revision, &step.istio_namespace);
    let here = Some(step.istio_namespace.as_str());
    let deployments = cluster
        .followed(
            "apps/v1",
            "Deployment",
            here,
            &Selector::named(&names.istiod()),
        )
        .await?;
    match judge_rollout(&deployments, &names.istiod()) {
        Wait::Done(Ok(())) => {}
        Wait::Done(Err(why)) | Wait::Not(why) => open.extend(why),
    }
    let endpoints = cluster
        .list("v1", "Endpoints", here, &Selector::named(&names.istiod()))
        .await?;
    if let Wait::Not(why) = judge_endpoints(&endpoints, &names.istiod()) {
        open.extend(why);
    }
    for (kind, judge) in WEBHOOKS {
        let configs = cluster
            .followed(ADMISSION, kind, None, &Selector::default())
            .await?;
        if let Wait::Not(why) = judge(&configs, &names) {
            open.extend(why);
        }
    }
    Ok(if open.is_empty() {
        Probe::Done(format!("the control plane {} serves", step.revision))
    } else {
        Probe::Open(open)
    })
}

async fn rolled_out(
    step: &WaitReady,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<(), StepError> {
    let name = Names::new(&step.revision, &step.istio_namespace).istiod();
    let kind = ("apps/v1", "Deployment", Some(step.istio_namespace.as_str()));
    let concerns = |object: &Object| object.name() == name;
    let judge = |objects: &[Object]| judge_rollout(objects, &name);
    rollouts::wait(
        cluster,
        context,
        kind,
        &Selector::named(&name),
        concerns,
        judge,
    )
    .await?
    .map_err(|why| {
        StepError::failed(format!(
            "Deployment/{name} does not roll out: {}",
            why.join("; ")
        ))
        .help("look at the events and logs of its pods")
    })
}

fn judge_rollout(objects: &[Object], name: &str) -> Wait<Result<(), Vec<String>>> {
    let Some(deployment) = objects.iter().find(|object| object.name() == name) else {
        return Wait::Not(vec![format!("there is no Deployment {name}")]);
    };
    match rollout(deployment) {
        Rollout::Done => Wait::Done(Ok(())),
        Rollout::NotYet(why) => {
            let named = why
                .into_iter()
                .map(|why| format!("Deployment/{name}: {why}"));
            Wait::Not(named.collect())
        }
        Rollout::Stuck(why) | Rollout::Never(why) => Wait::Done(Err(vec![why])),
    }
}

async fn has_endpoints(
    step: &WaitReady,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<(), StepError> {
    let name = Names::new(&step.revision, &step.istio_namespace).istiod();
    cluster
        .wait(
            "v1",
            "Endpoints",
            Some(&step.istio_namespace),
            &Selector::named(&name),
            |objects| judge_endpoints(objects, &name),
            |reasons| context.waiting(reasons),
        )
        .await
        .map_err(StepError::from)
}

fn judge_endpoints(objects: &[Object], name: &str) -> Wait<()> {
    if objects
        .iter()
        .any(|object| object.name() == name && has_addresses(object))
    {
        Wait::Done(())
    } else {
        Wait::Not(vec![format!("Service/{name} has no ready endpoint")])
    }
}

/// Asks every replica until each is ready, of the version asked for.
async fn serves(
    step: &WaitReady,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<(Vec<String>, Version), StepError> {
    loop {
        let mut reasons = Vec::new();
        let mut versions = Vec::new();
        let mut pods = Vec::new();
        for replica in replicas(cluster, &step.istio_namespace).await? {
            if replica.revision != step.revision {
                continue;
            }
            match look(&replica, cluster).await {
                Ok(version) => versions.push(version),
                Err(error) => reasons.push(unreachable(&replica, &error)),
            }
            pods.push(replica.pod);
        }
        match (versions.pop(), reasons.is_empty()) {
            (Some(version), true) => {
                expect_version(step, &version, &versions)?;
                return Ok((pods, version));
            }
            (None, true) => {
                reasons.push(format!("no running istiod of revision {}", step.revision));
            }
            _ => {}
        }
        context.waiting(reasons);
        tokio::time::sleep(AGAIN).await;
    }
}

async fn look(replica: &Replica, cluster: &Cluster) -> Result<Version, StepError> {
    replica.ask(cluster, HTTP, "/ready").await?;
    replica.version(cluster).await
}

fn expect_version(
    step: &WaitReady,
    version: &Version,
    others: &[Version],
) -> Result<(), StepError> {
    if let Some(other) = others.iter().find(|other| *other != version) {
        return Err(StepError::transient(format!(
            "replicas report {version} and {other}"
        )));
    }
    let Some(wanted) = &step.version else {
        return Ok(());
    };
    let wanted: Version = wanted
        .parse()
        .map_err(|_| StepError::failed(format!("`{wanted}` is no version")))?;
    if wanted.covers(version) {
        return Ok(());
    }
    Err(StepError::failed(format!(
        "the control plane {} reports {version}, not {wanted}",
        step.revision
    ))
    .help("install-revision must render the same version as wait-ready expects"))
}

type Judge = fn(&[Object], &Names<'_>) -> Wait<()>;

const WEBHOOKS: [(&str, Judge); 2] = [
    ("MutatingWebhookConfiguration", judge_injector),
    ("ValidatingWebhookConfiguration", judge_validator),
];

async fn webhooks_trusted(
    step: &WaitReady,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<(), StepError> {
    let names = Names::new(&step.revision, &step.istio_namespace);
    for (kind, judge) in WEBHOOKS {
        cluster
            .wait(
                ADMISSION,
                kind,
                None,
                &Selector::default(),
                |objects| judge(objects, &names),
                |reasons| context.waiting(reasons),
            )
            .await?;
    }
    Ok(())
}

fn judge_injector(objects: &[Object], names: &Names<'_>) -> Wait<()> {
    let name = names.injector();
    let Some(config) = objects.iter().find(|object| object.name() == name) else {
        return Wait::Not(vec![format!(
            "there is no MutatingWebhookConfiguration {name}"
        )]);
    };
    not_yet(untrusted(config))
}

/// The validators of this revision that there are: 1.6 shares one between revisions.
fn judge_validator(objects: &[Object], names: &Names<'_>) -> Wait<()> {
    let own = names.validators();
    let configs = objects
        .iter()
        .filter(|object| own.iter().any(|name| name == object.name()));
    not_yet(
        configs
            .flat_map(|config| untrusted(config).into_iter().chain(lenient(config)))
            .collect(),
    )
}

fn not_yet(reasons: Vec<String>) -> Wait<()> {
    if reasons.is_empty() {
        Wait::Done(())
    } else {
        Wait::Not(reasons)
    }
}

fn untrusted(config: &Object) -> Vec<String> {
    webhooks(config)
        .filter(|webhook| {
            webhook["clientConfig"]["caBundle"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        })
        .map(|webhook| {
            format!(
                "{}: istiod has not written its caBundle into {}",
                config.name(),
                webhook["name"]
            )
        })
        .collect()
}

fn lenient(config: &Object) -> Vec<String> {
    webhooks(config)
        .filter(|webhook| webhook["failurePolicy"] == "Ignore")
        .map(|webhook| {
            format!(
                "{}: istiod has not set failurePolicy Fail on {}",
                config.name(),
                webhook["name"]
            )
        })
        .collect()
}

fn webhooks(config: &Object) -> impl Iterator<Item = &Value> {
    config.value()["webhooks"].as_array().into_iter().flatten()
}

/// Where a webhook matches by pod label, a pod is created as a dry run, and must come back with the revision's proxy.
async fn injects(
    step: &WaitReady,
    cluster: &Cluster,
    context: &StepContext,
) -> Result<(), StepError> {
    let mesh = injection(cluster).await?;
    let Some(namespace) = namespace_without_injection(cluster).await? else {
        context
            .note("no namespace without injection labels: the injector was not tried with a pod");
        return Ok(());
    };
    let pod = probe_pod(&step.revision, &namespace.name);
    if mesh.verdict(&namespace, &pod).revision() != Some(step.revision.as_str()) {
        // Before 1.8 the injectors look at namespaces only.
        context
            .note("no injector of this revision matches by pod label: it was not tried with a pod");
        return Ok(());
    }
    let created = cluster.create_as_dry_run(&Object::new(pod)).await?;
    match Proxy::of(created.value()).and_then(|proxy| proxy.revision) {
        Some(revision) if revision == step.revision => Ok(()),
        Some(revision) => Err(StepError::failed(format!(
            "a pod that asks for {} gets the proxy of {revision}",
            step.revision
        ))),
        None => Err(StepError::failed(format!(
            "a pod that asks for {} gets no proxy",
            step.revision
        ))
        .help("the injector is called but adds nothing: look at the ConfigMap of its templates and at istiod's log")),
    }
}

fn probe_pod(revision: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "plan-injection-probe",
            "namespace": namespace,
            "labels": { REVISION_LABEL: revision, INJECT_LABEL: "true" },
        },
        "spec": { "containers": [{ "name": "probe", "image": "probe" }] },
    })
}
