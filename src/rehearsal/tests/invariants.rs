//! The invariants: each sees what breaks it, in a world and in a rehearsal in which somebody else breaks it. Whoever takes
//! a check away sees its line of [`each_is_seen_when_somebody_else_breaks_it`] fail.

use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::super::invariants::{Invariant, World, check, injected};
use super::super::observer::{Observer, world};
use super::*;
use crate::cluster::{Cluster, ObjectRef};
use crate::journal::Memory;
use crate::lab::api::ApiServer;
use crate::lab::scenario::Lab;
use crate::mesh::injection::shape::Shape;

/// A lab of the shop, on paused time.
fn on_a_lab(test: impl AsyncFnOnce(Lab)) {
    let version = "1.28.2".parse().unwrap();
    let scenario = Scenario::new("shop").fit(&version, ["shop"]);
    on_paused_time(scenario.open(1), test).unwrap();
}

/// What the invariants say of a world that something was done to.
fn found(change: impl FnOnce(&mut World)) -> Vec<(Invariant, String)> {
    let mut all = Vec::new();
    on_a_lab(async |lab| {
        let mut world = world(&lab.api);
        let before = injected(&world);
        assert_eq!(check(&world, &before, &BTreeSet::new()), []);
        change(&mut world);
        all = check(&world, &before, &BTreeSet::new());
    });
    all
}

fn edit(objects: &mut [Arc<Value>], name: &str, change: impl Fn(&mut Value)) {
    let mut edited = 0;
    for one in objects {
        if one["metadata"]["name"] == name {
            change(Arc::make_mut(one));
            edited += 1;
        }
    }
    assert!(edited > 0, "there is no {name}");
}

fn tells(found: &[(Invariant, String)], invariant: Invariant, text: &str) {
    let told = found
        .iter()
        .any(|(which, what)| *which == invariant && what.contains(text));
    assert!(told, "{invariant:?} {text}: {found:?}");
}

#[test]
fn a_webhook_without_a_live_target_breaks_the_rule() {
    let found = found(|world| {
        edit(&mut world.endpoints, "istiod", |one| {
            one["subsets"] = json!([]);
        });
    });
    tells(
        &found,
        Invariant::LiveWebhooks,
        "istio-system/istiod, which has no endpoint",
    );
}

#[test]
fn a_workload_that_loses_its_injector_breaks_the_rule() {
    let labels = json!({ "istio.io/rev": "canary" });
    let found = found(|world| {
        edit(&mut world.namespaces, "shop", |one| {
            one["metadata"]["labels"] = labels.clone();
        });
    });
    tells(
        &found,
        Invariant::OneInjector,
        "Deployment/shop/cart: no sidecar",
    );
}

#[test]
fn two_injectors_for_one_pod_break_the_rule() {
    let found = found(|world| {
        let mut second = (*world.injectors[0]).clone();
        second["metadata"]["name"] = json!("second");
        world.injectors.push(Arc::new(second));
    });
    tells(&found, Invariant::OneInjector, "2 injectors match");
}

#[test]
fn a_proxy_that_is_newer_than_its_control_plane_breaks_the_rule() {
    let found = found(|world| {
        edit(&mut world.workloads, "istiod", |one| {
            one["spec"]["template"]["spec"]["containers"][0]["image"] =
                json!("docker.io/istio/pilot:1.27.3");
        });
    });
    tells(&found, Invariant::Skew, "Pod/shop/cart-");
}

#[test]
fn a_second_root_of_trust_breaks_the_rule() {
    let found = found(|world| {
        let one = Arc::make_mut(&mut world.roots[0]);
        one["data"]["root-cert.pem"] = json!("another");
    });
    tells(&found, Invariant::OneRoot, "2 different roots");
}

#[test]
fn a_tag_of_a_control_plane_that_is_not_there_breaks_the_rule() {
    let version = "1.28.2".parse().unwrap();
    let tag = Shape::tag(&version, "prod", "gone").configuration();
    let found = found(|world| world.injectors.push(Arc::new(tag)));
    tells(&found, Invariant::Tags, "the tag prod stands for gone");
}

#[test]
fn a_tag_whose_service_selects_another_revision_breaks_the_rule() {
    let version = "1.28.2".parse().unwrap();
    let tag = Shape::tag(&version, "prod", "default").configuration();
    let service = json!({
        "metadata": { "name": "istiod-revision-tag-prod", "namespace": ISTIO_SYSTEM },
        "spec": { "selector": { "istio.io/rev": "canary" } },
    });
    let found = found(|world| {
        world.injectors.push(Arc::new(tag));
        world.services.push(Arc::new(service));
    });
    tells(&found, Invariant::Tags, "its Service selects canary");
}

#[test]
fn a_stored_version_that_is_not_served_breaks_the_rule() {
    let found = found(|world| {
        edit(
            &mut world.definitions,
            "gateways.networking.istio.io",
            |one| {
                one["status"]["storedVersions"] = json!(["v1", "v1alpha1"]);
            },
        );
    });
    tells(&found, Invariant::StoredVersions, "v1alpha1");
}

#[test]
fn a_second_restart_and_an_act_without_an_intent_are_seen() {
    on_a_lab(async |lab| {
        let observer = Observer::start(&lab.api, &Memory::default(), &[]);
        let client = Cluster::from_service(lab.api.service("plan"), false);
        let cart = ObjectRef::namespaced("apps/v1", "Deployment", "shop", "cart");
        for time in ["first", "second"] {
            let patch = json!({ "spec": { "template": { "metadata": { "annotations": { "time": time } } } } });
            client.merge_patch(&cart, patch).await.unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let seen = observer.finish();
        let found: Vec<(Invariant, String)> = seen
            .breaches
            .into_iter()
            .map(|breach| (breach.invariant, breach.what))
            .collect();
        tells(
            &found,
            Invariant::OneRestart,
            "Deployment/shop/cart: 2 times",
        );
        tells(&found, Invariant::Intent, "patch");
        assert_eq!(found.len(), 2, "{found:?}");
    });
}

/// The seed of the rehearsals in which somebody else breaks a rule.
const SEED: u64 = 7;
/// When they do it: the first namespace has moved, the second has not.
const MOMENT: Duration = Duration::from_secs(45);

/// What somebody else does: a request and its body.
fn meddling(invariant: Invariant) -> (&'static str, &'static str, Value) {
    let version = "1.28.2".parse().unwrap();
    let istiod = "/apis/apps/v1/namespaces/istio-system/deployments/istiod";
    match invariant {
        Invariant::LiveWebhooks => ("PATCH", istiod, json!({ "spec": { "replicas": 0 } })),
        Invariant::OneInjector => (
            "PATCH",
            "/api/v1/namespaces/shop",
            json!({ "metadata": { "labels": { "istio.io/rev": null } } }),
        ),
        Invariant::Skew => {
            let container = json!({ "name": "discovery", "image": "docker.io/istio/pilot:1.27.3" });
            let template = json!({ "spec": { "containers": [container] } });
            ("PATCH", istiod, json!({ "spec": { "template": template } }))
        }
        Invariant::OneRoot => (
            "PATCH",
            "/api/v1/namespaces/shop/configmaps/istio-ca-root-cert",
            json!({ "data": { "root-cert.pem": "another" } }),
        ),
        Invariant::Tags => (
            "POST",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            Shape::tag(&version, "prod", "gone").configuration(),
        ),
        Invariant::StoredVersions => (
            "PATCH",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.networking.istio.io/status",
            json!({ "status": { "storedVersions": ["v1", "v1alpha1"] } }),
        ),
        Invariant::OneRestart => (
            "PATCH",
            "/apis/apps/v1/namespaces/shop/deployments/cart",
            json!({ "spec": { "template": { "metadata": { "annotations": { "again": "yes" } } } } }),
        ),
        Invariant::Intent => (
            "PATCH",
            "/api/v1/namespaces/pay",
            json!({ "metadata": { "labels": { "color": "blue" } } }),
        ),
    }
}

async fn meddle(api: &ApiServer, invariant: Invariant) {
    tokio::time::sleep(MOMENT).await;
    let (method, path, body) = meddling(invariant);
    if invariant == Invariant::Intent {
        // It must look like a request of plan's own.
        let plan = Cluster::from_service(api.service("plan"), false);
        let pay = ObjectRef::cluster("v1", "Namespace", "pay");
        plan.merge_patch(&pay, body).await.unwrap();
    } else {
        api.request("kubectl", method, path, body).unwrap();
    }
}

#[test]
fn each_is_seen_when_somebody_else_breaks_it() {
    let rehearsal = canary(&[]);
    for invariant in Invariant::ALL {
        let stage = Stage::open(&rehearsal, SEED, Vec::new());
        let done = on_paused_time(stage, async |stage| {
            let api = stage.lab.api.clone();
            let _meddles = AbortOnDropHandle::new(tokio::spawn(async move {
                meddle(&api, invariant).await;
            }));
            stage.perform().await
        })
        .unwrap();
        let broken: BTreeSet<Invariant> = done
            .breaches
            .iter()
            .map(|breach| breach.invariant)
            .collect();
        assert_eq!(
            broken,
            [invariant].into(),
            "seed {SEED}: {:?}",
            done.breaches
        );
    }
}
