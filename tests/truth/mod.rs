//! The lab against the real thing: one set of cases, run on both.
//!
//! A case says what to ask; what a real cluster answers is in `recorded/AREA.yaml`. `cargo test` runs every case on the
//! lab and compares. `cargo test --test truth` starts real servers, runs the same cases on them, and fails where they
//! answer otherwise than recorded; with `PLAN_UPDATE=1` it writes down what they answer. `TRUTH=TEXT` runs only the
//! cases with TEXT in their name.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a case writes the JSON that it sends where it sends it"
)]

mod normal;
mod samples;
mod scene;

mod apply;
mod controllers;
mod injection;
mod istiod;
mod patches;
mod verbs;
mod watches;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use plan::lab::api::{ApiServer, Options};
use plan::lab::istio::ProxyFault;
use plan::lab::{controllers as lab_controllers, istio};
use plan::mesh::injection::shape::Shape;
pub(crate) use scene::Scene;
use serde::Deserialize as _;
use serde_json::Value;
use similar::TextDiff;

/// How many cases the table has at least.
const LEAST: usize = 150;

/// One question to both sides.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) body: for<'scene> fn(&'scene Scene) -> LocalBoxFuture<'scene, ()>,
}

/// The cases of an area, by the names of their functions.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[$crate::truth::Case] = &[$(
            $crate::truth::Case { name: stringify!($name), body: |scene| Box::pin($name(scene)) }
        ),*];
    };
}
pub(crate) use cases;

/// What must run for an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// An API server that nobody else speaks to.
    Server,
    /// A cluster with controllers, nodes and two istiods: the revision `default` in 1.28.2, and `canary` in 1.29.1 with
    /// the tag `prod`.
    Mesh,
}

/// Cases about one thing.
pub(crate) struct Area {
    pub(crate) name: &'static str,
    pub(crate) world: World,
    /// By what they are about.
    pub(crate) cases: &'static [&'static [Case]],
}

pub(crate) const AREAS: [Area; 7] = [
    Area {
        name: "verbs",
        world: World::Server,
        cases: verbs::CASES,
    },
    Area {
        name: "patches",
        world: World::Server,
        cases: &[patches::CASES],
    },
    Area {
        name: "apply",
        world: World::Server,
        cases: apply::CASES,
    },
    Area {
        name: "watches",
        world: World::Server,
        cases: &[watches::CASES],
    },
    Area {
        name: "controllers",
        world: World::Mesh,
        cases: controllers::CASES,
    },
    Area {
        name: "injection",
        world: World::Mesh,
        cases: &[injection::CASES],
    },
    Area {
        name: "istiod",
        world: World::Mesh,
        cases: &[istiod::CASES],
    },
];

/// What was seen, by case.
pub(crate) type Seen = BTreeMap<String, Value>;

impl Area {
    /// The cases that are to run.
    #[expect(clippy::disallowed_methods, reason = "which cases a person wants")]
    pub(crate) fn chosen(&self) -> impl Iterator<Item = &'static Case> {
        let wanted = std::env::var("TRUTH").unwrap_or_default();
        self.every().filter(move |case| case.name.contains(&wanted))
    }

    /// All cases.
    pub(crate) fn every(&self) -> impl Iterator<Item = &'static Case> {
        self.cases.iter().copied().flatten()
    }

    /// Where the recording is.
    pub(crate) fn file(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/truth/recorded/{}.yaml", self.name))
    }

    /// What a real cluster answered.
    pub(crate) fn recorded(&self) -> Seen {
        let text = fs_err::read_to_string(self.file()).unwrap_or_default();
        let mut recorded: Seen = serde_yaml::from_str(&text).unwrap_or_default();
        recorded.values_mut().for_each(normal::sort);
        recorded
    }

    /// Runs the cases on a lab, each on one of its own.
    pub(crate) async fn on_the_lab(&self) -> Seen {
        let mut seen = Seen::new();
        for case in self.chosen() {
            let api = ApiServer::new(&Options {
                minor: 35,
                ..Options::default()
            });
            api.evaluate_rbac();
            let tasks = match self.world {
                // Its webhooks are called, and nobody is there.
                World::Server => vec![istio::start(&api, istio::Settings::default())],
                World::Mesh => mesh(&api),
            };
            let scene = Scene::open(api.client("truth"), self.name, case.name).await;
            if self.world == World::Mesh {
                scene
                    .until(
                        "/apis/apps/v1/namespaces/istio-system/deployments",
                        |found| {
                            found["items"]
                                .as_array()
                                .into_iter()
                                .flatten()
                                .all(|one| one["status"]["availableReplicas"] == 1)
                        },
                    )
                    .await;
            }
            (case.body)(&scene).await;
            seen.insert(case.name.to_owned(), scene.close());
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
        }
        seen
    }

    /// How what was seen differs from what is recorded, case by case.
    pub(crate) fn differences(&self, seen: &Seen) -> Vec<String> {
        let recorded = self.recorded();
        let text = |value: Option<&Value>| {
            value.map_or_else(String::new, |value| {
                serde_yaml::to_string(value).expect("YAML")
            })
        };
        self.chosen()
            .filter_map(|case| {
                let (was, is) = (text(recorded.get(case.name)), text(seen.get(case.name)));
                (was != is).then(|| {
                    let diff = TextDiff::from_lines(&was, &is);
                    format!(
                        "{}/{}\n{}",
                        self.name,
                        case.name,
                        diff.unified_diff()
                            .context_radius(4)
                            .header("recorded", "seen")
                    )
                })
            })
            .collect()
    }
}

/// Starts controllers and both control planes on a lab. Pods do as their labels and annotations say on a real one of
/// `tests/mesh`, too.
fn mesh(api: &ApiServer) -> Vec<tokio::task::JoinHandle<()>> {
    let version = |text: &str| text.parse().expect("a version");
    let (old, new) = (version("1.28.2"), version("1.29.1"));
    let tag = Shape::tag(&new, "prod", "canary").configuration();
    for object in istio::base(&new)
        .into_iter()
        .chain(istio::control_plane(&old, "default"))
        .chain(istio::control_plane(&new, "canary"))
        .chain([tag])
    {
        api.seed(&object);
    }
    for node in serde_yaml::Deserializer::from_str(include_str!("../mesh/nodes.yaml")) {
        let node = Value::deserialize(node).expect("YAML");
        if node.is_object() {
            api.seed(&node);
        }
    }
    let settings = lab_controllers::Settings {
        ready: Arc::new(|pod| {
            let waits = pod["metadata"]["annotations"]["mesh.test/ready"] == "never";
            (!waits).then_some(Duration::from_secs(1))
        }),
        runs: Arc::new(|_| None),
        nodes: 0,
        ..lab_controllers::Settings::default()
    };
    let proxies = istio::Settings {
        behaviour: Arc::new(|pod| istio::Behaviour {
            fault: match pod["metadata"]["annotations"]["mesh.test/proxy"].as_str() {
                Some("nack") => Some(ProxyFault::Nack),
                Some("never-ack") => Some(ProxyFault::NeverAck),
                Some("stay-old") => Some(ProxyFault::StayOld),
                Some("both") => Some(ProxyFault::Both),
                Some("absent") => Some(ProxyFault::Absent),
                _ => None,
            },
            ..istio::Behaviour::default()
        }),
        ..istio::Settings::default()
    };
    vec![
        lab_controllers::start(api, settings),
        istio::start(api, proxies),
    ]
}

/// Fails where the lab answers otherwise than the real thing did.
fn agrees(name: &str) {
    let area = AREAS
        .iter()
        .find(|area| area.name == name)
        .expect("an area");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let seen = runtime.block_on(area.on_the_lab());
    let differences = area.differences(&seen);
    assert!(
        differences.is_empty(),
        "{} of {} cases differ:\n\n{}",
        differences.len(),
        seen.len(),
        differences.join("\n")
    );
}

#[test]
fn verbs_agree() {
    agrees("verbs");
}

#[test]
fn patches_agree() {
    agrees("patches");
}

#[test]
fn apply_agrees() {
    agrees("apply");
}

#[test]
fn watches_agree() {
    agrees("watches");
}

#[test]
fn controllers_agree() {
    agrees("controllers");
}

#[test]
fn injection_agrees() {
    agrees("injection");
}

#[test]
fn istiod_agrees() {
    agrees("istiod");
}

#[test]
fn the_table_has_no_empty_cell() {
    let mut cases = 0;
    for area in &AREAS {
        let recorded = area.recorded();
        for case in area.every() {
            let seen = recorded.get(case.name).and_then(Value::as_array);
            assert!(
                seen.is_some_and(|seen| !seen.is_empty()),
                "{}/{} is not recorded",
                area.name,
                case.name
            );
        }
        assert_eq!(
            recorded.len(),
            area.every().count(),
            "{} has recordings without a case",
            area.name
        );
        cases += recorded.len();
    }
    assert!(cases >= LEAST, "{cases} cases");
}
