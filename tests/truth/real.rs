//! The cases of `tests/truth` on real servers. Needs root and what `tests/mesh/build` makes; `cargo test` leaves it out,
//! `cargo test --test truth -- --nocapture` runs it, and with `PLAN_UPDATE=1` writes the recordings.
#![expect(dead_code, reason = "the cases of `plan` on a mesh need more of it")]
#![expect(clippy::print_stdout, reason = "what a long test has come to")]

#[path = "../e2e/mod.rs"]
mod e2e;
#[path = "mod.rs"]
mod truth;

use e2e::bed::Bed;
use futures::StreamExt as _;
use truth::{AREAS, Area, Scene, Seen, World};

/// How many cases run at once.
const AT_ONCE: usize = 8;

/// Runs the cases of an area, several at once.
async fn run(area: &Area, client: &kube::Client) -> Seen {
    futures::stream::iter(area.chosen())
        .map(|case| async move {
            let scene = Scene::open(client.clone(), area.name, case.name).await;
            (case.body)(&scene).await;
            (case.name.to_owned(), scene.close())
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Writes down what was seen; of the cases that did not run, what was known is kept.
fn record(area: &Area, seen: Seen) {
    let mut all = area.recorded();
    all.extend(seen);
    all.retain(|name, _| area.every().any(|case| case.name == name));
    let text = serde_yaml::to_string(&all).expect("YAML");
    fs_err::write(area.file(), text).expect("the recording is written");
}

/// Runs the areas of a world inside its network: by this same program, as its hidden test.
fn inside(bed: &Bed, world: &str) {
    let own = std::env::current_exe().expect("this program");
    let ended = bed
        .command(&own.display().to_string())
        .args([
            "--ignored",
            "--exact",
            "in_the_network_of_a_mesh",
            "--nocapture",
        ])
        .env("TRUTH_WORLD", world)
        .status()
        .expect("this program again");
    assert!(
        ended.success(),
        "a real cluster answers otherwise than recorded"
    );
}

#[test]
fn a_real_server_answers_as_recorded() {
    inside(
        &Bed::up_with(&["modern", "--bare"]),
        &format!("{:?}", World::Server),
    );
}

#[test]
fn a_real_mesh_answers_as_recorded() {
    let bed = Bed::up_with(&["modern", "--no-workloads", "--install", "istioctl"]);
    for arguments in [
        "install -y --set profile=minimal --set revision=canary",
        "tag set prod --revision canary",
    ] {
        bed.output("istioctl-1.29.1", &arguments.split(' ').collect::<Vec<_>>());
    }
    inside(&bed, &format!("{:?}", World::Mesh));
}

#[tokio::test]
#[ignore = "the others call it"]
async fn in_the_network_of_a_mesh() {
    let world = std::env::var("TRUTH_WORLD").expect("called by another test");
    let mut config = kube::Config::infer().await.expect("a kubeconfig");
    // What a server refuses for now is an answer, too.
    config.default_retry = false;
    let client = kube::Client::try_from(config).expect("a client");
    let mut stale = Vec::new();
    for area in AREAS
        .iter()
        .filter(|area| format!("{:?}", area.world) == world)
    {
        let seen = run(area, &client).await;
        println!("{:12} {:3} cases", area.name, seen.len());
        if std::env::var("PLAN_UPDATE").is_ok() {
            record(area, seen);
        } else {
            stale.extend(area.differences(&seen));
        }
    }
    assert!(
        stale.is_empty(),
        "{} cases:\n\n{}",
        stale.len(),
        stale.join("\n")
    );
}
