//! The shipped canary upgrade, rehearsed.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::invariants::{Invariant, World, check, injected};
use super::observer::{Observer, world};
use super::*;
use crate::check::{Given, Purpose, ReadFile, Slice};
use crate::engine::Approve;
use crate::journal::Memory;
use crate::lab::istio;
use crate::lab::scenario::{Effect, Lab, On, Verb};
use crate::mesh::injection::shape::Shape;
use crate::model::Span;
use crate::model::action::ISTIO_SYSTEM;
use crate::steps::Simulated;

struct Disk;

impl ReadFile for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs_err::read(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs_err::canonicalize(path)
    }
}

/// The upgrade of two namespaces with a short soak, and these faults.
fn canary(faults: &[Class]) -> Rehearsal {
    let given = Given {
        set: [("namespaces", "shop,pay"), ("soak", "1m")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Given::default()
    };
    let file = Path::new("plans/upgrade-canary.yaml");
    let outcome = crate::check::load(file, &Disk, &given, Purpose::Run).check(
        None,
        &BTreeMap::new(),
        &Slice::default(),
    );
    let version = "1.28.2".parse().unwrap();
    Rehearsal {
        checked: Arc::new(outcome.checked.expect("a sound plan")),
        scenario: Scenario::new("shop").fit(&version, ["shop", "pay"]),
        snapshot: None,
        workspace: Workspace {
            files: ".".into(),
            root: ".".into(),
            path: "".into(),
            simulated: Some(Simulated {
                render: Arc::new(|version, revision| Ok(istio::control_plane(version, revision))),
                answer: Arc::new(|_| None),
            }),
        },
        options: Options {
            approve: Approve {
                simulated: true,
                ..Approve::default()
            },
            ..Options::default()
        },
        namespaces: [ISTIO_SYSTEM.to_owned()].into(),
        faults: faults.to_vec(),
    }
}

#[test]
fn without_faults_it_ends_well_and_restarts_every_workload_once() {
    let done = canary(&[]).run(1).unwrap();
    assert_eq!(done.failure, None);
    assert_eq!(done.breaches, []);
    let restarted: Vec<&str> = done
        .workloads
        .iter()
        .filter(|(_, story)| story.restarts == 1)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        restarted,
        [
            "Deployment/pay/cart",
            "Deployment/pay/catalog",
            "Deployment/pay/checkout",
            "Deployment/shop/cart",
            "Deployment/shop/catalog",
            "Deployment/shop/checkout",
        ]
    );
    assert!(done.took > Duration::from_secs(60), "{:?}", done.took);
}

#[test]
fn a_seed_shows_the_same_rehearsal_again() {
    let rehearsal = canary(&Class::ALL);
    let journal = |seed| rehearsal.run(seed).unwrap().journal;
    for seed in [3, 4] {
        let (first, second) = (journal(seed), journal(seed));
        assert!(!first.is_empty());
        assert!(first == second, "seed {seed} is not the same twice");
    }
}

#[test]
fn with_faults_and_a_crash_every_run_ends_well_and_most_need_nobody() {
    // `.ci/run` has two thousand more.
    let seeds: Vec<u64> = (1..=30).collect();
    let all = canary(&Class::ALL).run_all(&seeds).unwrap();
    let summary = Summary::of("upgrade-canary", &all);
    let told = text(&summary, "rehearse");
    assert_eq!(summary.well, 30, "{told}");
    assert!(summary.crashed > 15, "{told}");
    assert!(summary.helped < 15, "{told}");
}

/// A run that meets only this fault needs nobody.
fn survives(what: &str, effect: Effect, verb: Option<Verb>) {
    let mut rehearsal = canary(&[]);
    let mut fault = Fault::new(Span::from_secs(0), effect);
    fault.lasts = Some(Span::from_secs(75));
    // The plan gives each step five attempts: four hits cannot use them up.
    (fault.chance, fault.times) = (0.05, Some(4));
    fault.on = On {
        verb,
        agent: Some("plan".to_owned()),
        ..On::default()
    };
    if fault.effect == Effect::Compact {
        (fault.lasts, fault.chance, fault.times) = (None, 1.0, None);
        fault.on = On::default();
        let at = |fault: &Fault, at| Fault {
            at: Span(Duration::from_millis(at)),
            ..fault.clone()
        };
        let often = (0..75).map(|at_second| at(&fault, at_second * 1000));
        rehearsal.scenario.faults = often.collect();
    } else {
        rehearsal.scenario.faults = vec![fault];
    }
    for seed in 1..=3 {
        let done = rehearsal.run(seed).unwrap();
        assert_eq!(done.failure, None, "{what}, seed {seed}");
        assert_eq!(done.helped, [], "{what}, seed {seed}");
        assert_eq!(done.breaches, [], "{what}, seed {seed}");
    }
}

fn status(status: u16) -> Effect {
    Effect::Answer {
        status,
        retry_after: (status == 429).then(|| Span::from_secs(2)),
    }
}

#[test]
fn a_busy_server_is_tried_again() {
    survives("429", status(429), None);
}

#[test]
fn a_server_error_is_tried_again() {
    survives("500", status(500), None);
    survives("503", status(503), None);
}

#[test]
fn a_conflict_is_tried_again() {
    survives("409", status(409), Some(Verb::Write));
}

#[test]
fn a_lost_connection_is_tried_again() {
    survives("lose", Effect::Lose, None);
    survives("lose-answer", Effect::LoseAnswer, None);
}

#[test]
fn a_version_that_is_too_old_is_listed_anew() {
    survives("410", status(410), Some(Verb::Watch));
    survives("compact", Effect::Compact, None);
}

#[test]
fn watches_that_are_cut_or_silent_are_opened_again() {
    survives(
        "cut-watch",
        Effect::CutWatch { events: 1 },
        Some(Verb::Watch),
    );
    survives("silence", Effect::Silence, Some(Verb::Watch));
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_no_longer() {
    survives(
        "delay",
        Effect::Delay(Span::from_secs(100)),
        Some(Verb::Get),
    );
}

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
        let client = crate::cluster::Cluster::from_service(lab.api.service("plan"), false);
        let cart = crate::cluster::ObjectRef::namespaced("apps/v1", "Deployment", "shop", "cart");
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
