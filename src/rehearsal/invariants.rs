//! What must hold at every moment of an upgrade, as pure functions over the objects of the cluster (istio's own rules:
//! webhooks that fail closed, revision labels, version skew, tags; Kubernetes' rule of stored versions).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::mesh::injection::{Injector, Mesh, Namespace, Proxy, Verdict};
use crate::mesh::istiod::{DEFAULT, Names, REVISION_LABEL};
use crate::mesh::selector::labels;
use crate::mesh::version::{Version, skew};

/// The objects that the invariants are about.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// `MutatingWebhookConfigurations`.
    pub injectors: Vec<Arc<Value>>,
    /// `ValidatingWebhookConfigurations`.
    pub validators: Vec<Arc<Value>>,
    /// Namespaces.
    pub namespaces: Vec<Arc<Value>>,
    /// Deployments, StatefulSets and DaemonSets.
    pub workloads: Vec<Arc<Value>>,
    /// Pods.
    pub pods: Vec<Arc<Value>>,
    /// Services.
    pub services: Vec<Arc<Value>>,
    /// Endpoints.
    pub endpoints: Vec<Arc<Value>>,
    /// `ConfigMaps` with the root of trust.
    pub roots: Vec<Arc<Value>>,
    /// `CustomResourceDefinitions`.
    pub definitions: Vec<Arc<Value>>,
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// A webhook that fails closed, and that something would call, has a live target.
    LiveWebhooks,
    /// A pod template goes to one injector at most, and to one still where it went to one before.
    OneInjector,
    /// No proxy is newer than its control plane, or more than one minor version older.
    Skew,
    /// One root of trust.
    OneRoot,
    /// A tag's injector, its Service and its control plane agree.
    Tags,
    /// What is stored of a custom resource is served.
    StoredVersions,
    /// A run restarts a workload once.
    OneRestart,
    /// The intent is in the journal before the act.
    Intent,
}

impl Invariant {
    /// Every rule.
    pub const ALL: [Self; 8] = [
        Self::LiveWebhooks,
        Self::OneInjector,
        Self::Skew,
        Self::OneRoot,
        Self::Tags,
        Self::StoredVersions,
        Self::OneRestart,
        Self::Intent,
    ];

    /// The rule in words.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::LiveWebhooks => "a webhook that fails closed has a live target",
            Self::OneInjector => "every pod template goes to exactly one injector, as before",
            Self::Skew => "no proxy is newer than its control plane, or far older",
            Self::OneRoot => "there is one root of trust",
            Self::Tags => "a tag's injector, Service and control plane agree",
            Self::StoredVersions => "what is stored of a custom resource is served",
            Self::OneRestart => "a run restarts a workload once",
            Self::Intent => "the intent is in the journal before the act",
        }
    }
}

/// What is not as it must be, one line each.
pub type Found = Vec<(Invariant, String)>;

/// The workloads that an injector takes: what they are held against later.
pub fn injected(world: &World) -> BTreeSet<String> {
    let mesh = mesh(world);
    templates(world, &mesh)
        .filter(|(_, verdict)| matches!(verdict, Verdict::Injected { .. }))
        .map(|(name, _)| name)
        .collect()
}

/// Holds a cluster against the invariants. `before` are the workloads that were injected when the run began; `down` are
/// the Services whose pods something else than the run has killed.
pub fn check(world: &World, before: &BTreeSet<String>, down: &BTreeSet<String>) -> Found {
    let mesh = mesh(world);
    let mut found = Found::new();
    live_webhooks(world, &mesh, down, &mut found);
    one_injector(world, &mesh, before, &mut found);
    skews(world, &mut found);
    one_root(world, &mut found);
    tags(world, &mesh, &mut found);
    stored_versions(world, &mut found);
    found
}

/// The rules that are about single pods, of which some may do; the control planes must be among the workloads.
pub(super) fn check_pods(world: &World) -> Found {
    let mut found = Found::new();
    skews(world, &mut found);
    found
}

fn live_webhooks(world: &World, mesh: &Mesh, down: &BTreeSet<String>, found: &mut Found) {
    let called: BTreeSet<&str> = mesh
        .injectors
        .iter()
        .filter(|injector| is_called(world, injector))
        .map(|injector| injector.config.as_str())
        .collect();
    let injectors = world
        .injectors
        .iter()
        .filter(|config| called.contains(name(config)));
    for config in injectors.chain(&world.validators) {
        for webhook in items(&config["webhooks"]) {
            let service = &webhook["clientConfig"]["service"];
            let Some(target) = service["name"].as_str() else {
                continue;
            };
            let namespace = service["namespace"].as_str().unwrap_or_default();
            if webhook["failurePolicy"] != "Ignore"
                && !down.contains(target)
                && !is_live(world, namespace, target)
            {
                let text = format!(
                    "{} calls {namespace}/{target}, which has no endpoint",
                    name(config)
                );
                if !found.contains(&(Invariant::LiveWebhooks, text.clone())) {
                    found.push((Invariant::LiveWebhooks, text));
                }
            }
        }
    }
}

/// Whether the pods of some namespace go to an injector.
fn is_called(world: &World, injector: &Injector) -> bool {
    world.workloads.iter().any(|workload| {
        let template = labels(&workload["spec"]["template"]["metadata"]["labels"]);
        namespace(world, workload).is_some_and(|it| injector.matches(&it, &template))
    })
}

fn is_live(world: &World, namespace: &str, service: &str) -> bool {
    world.endpoints.iter().any(|endpoints| {
        name(endpoints) == service
            && endpoints["metadata"]["namespace"] == namespace
            && items(&endpoints["subsets"]).any(|subset| items(&subset["addresses"]).count() > 0)
    })
}

fn one_injector(world: &World, mesh: &Mesh, before: &BTreeSet<String>, found: &mut Found) {
    for (workload, verdict) in templates(world, mesh) {
        let lost = matches!(verdict, Verdict::NotInjected(_)) && before.contains(&workload);
        if lost || matches!(verdict, Verdict::Ambiguous(_)) {
            found.push((Invariant::OneInjector, format!("{workload}: {verdict}")));
        }
    }
}

/// What a new pod of each workload would get; gateways and control planes come as they are.
fn templates<'a>(
    world: &'a World,
    mesh: &'a Mesh,
) -> impl Iterator<Item = (String, Verdict<'a>)> + 'a {
    world.workloads.iter().filter_map(move |workload| {
        let verdict = mesh.verdict(&namespace(world, workload)?, &workload["spec"]["template"]);
        Some((reference(workload), verdict))
    })
}

fn skews(world: &World, found: &mut Found) {
    let versions = control_planes(world);
    for pod in &world.pods {
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let Some(proxy) = Proxy::of(pod) else {
            continue;
        };
        let revision = proxy.revision.as_deref().unwrap_or(DEFAULT);
        if let (Some(version), Some(plane)) = (&proxy.version, versions.get(revision))
            && let Err(error) = skew(plane, version)
        {
            found.push((Invariant::Skew, format!("{}: {error}", reference(pod))));
        }
    }
}

/// The version of each control plane, by its revision.
fn control_planes(world: &World) -> BTreeMap<String, Version> {
    let istiods = world
        .workloads
        .iter()
        .filter(|one| one["spec"]["template"]["metadata"]["labels"]["app"] == "istiod");
    istiods
        .filter_map(|one| {
            let template = &one["spec"]["template"];
            let container =
                items(&template["spec"]["containers"]).find(|one| one["name"] == "discovery")?;
            // Only what follows the last `/` can hold a tag: a registry may have a port.
            let image = container["image"].as_str()?.rsplit('/').next()?;
            let revision = template["metadata"]["labels"][REVISION_LABEL].as_str();
            let version = image.split_once(':')?.1.parse().ok()?;
            Some((revision.unwrap_or(DEFAULT).to_owned(), version))
        })
        .collect()
}

fn one_root(world: &World, found: &mut Found) {
    let roots: BTreeSet<&str> = world
        .roots
        .iter()
        .filter_map(|map| map["data"]["root-cert.pem"].as_str())
        .collect();
    let bundles: BTreeSet<&str> = mesh_webhooks(world)
        .filter_map(|webhook| webhook["clientConfig"]["caBundle"].as_str())
        .filter(|bundle| !bundle.is_empty())
        .collect();
    for (what, count) in [
        ("namespaces trust", roots.len()),
        ("webhooks trust", bundles.len()),
    ] {
        if count > 1 {
            found.push((
                Invariant::OneRoot,
                format!("{what} {count} different roots"),
            ));
        }
    }
}

/// The webhooks of control planes.
fn mesh_webhooks(world: &World) -> impl Iterator<Item = &Value> {
    world
        .injectors
        .iter()
        .chain(&world.validators)
        .filter(|config| {
            config["metadata"]["labels"]["app"]
                .as_str()
                .is_some_and(|app| matches!(app, "sidecar-injector" | "istiod"))
        })
        .flat_map(|config| items(&config["webhooks"]))
}

fn tags(world: &World, mesh: &Mesh, found: &mut Found) {
    let versions = control_planes(world);
    let targets = mesh.targets();
    for (tag, revision) in targets.tags() {
        if !versions.contains_key(revision) {
            let text = format!("the tag {tag} stands for {revision}, which has no control plane");
            found.push((Invariant::Tags, text));
        }
        for service in &world.services {
            let namespace = service["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default();
            if name(service) != Names::new(revision, namespace).tag_service(tag) {
                continue;
            }
            let selected = service["spec"]["selector"][REVISION_LABEL].as_str();
            if selected.is_some_and(|selected| selected != revision) {
                let text = format!(
                    "the tag {tag} injects {revision}, and its Service selects {}",
                    selected.unwrap_or_default()
                );
                found.push((Invariant::Tags, text));
            }
        }
    }
}

fn stored_versions(world: &World, found: &mut Found) {
    for definition in &world.definitions {
        let served: BTreeSet<&str> = items(&definition["spec"]["versions"])
            .filter(|version| version["served"] == true)
            .filter_map(|version| version["name"].as_str())
            .collect();
        for stored in items(&definition["status"]["storedVersions"]).filter_map(Value::as_str) {
            if !served.contains(stored) {
                let text = format!(
                    "{} has {stored} stored, and serves it no more",
                    name(definition)
                );
                found.push((Invariant::StoredVersions, text));
            }
        }
    }
}

fn mesh(world: &World) -> Mesh {
    Mesh::new(world.injectors.iter().map(|config| &**config))
}

fn namespace(world: &World, object: &Value) -> Option<Namespace> {
    let wanted = object["metadata"]["namespace"].as_str()?;
    let found = world.namespaces.iter().find(|one| name(one) == wanted)?;
    Some(Namespace::new(wanted, labels(&found["metadata"]["labels"])))
}

/// `Kind/namespace/name`.
pub(super) fn reference(object: &Value) -> String {
    format!(
        "{}/{}/{}",
        object["kind"].as_str().unwrap_or_default(),
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
        name(object)
    )
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
