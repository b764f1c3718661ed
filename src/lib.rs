//! `plan`: declarative Istio upgrades, reviewed, rehearsed, reversible.
//!
//! ```text
//! text → source (tree with spans) → check (schema, names, expressions, expansion, order, safety) → Checked
//!      → engine (dispatch, execute, retry) → steps → cluster
//!                                          ↓ one stream of events
//!                                journal · progress · reports
//! ```
//!
//! # Vocabulary
//! A *plan* has *steps* and *groups*; expansion turns them into *nodes*. A *run* executes a plan, an *attempt*
//! executes a step, a *hop* is one version step. *Waves* cut a group's items; *between* runs after each wave but the
//! last. A *revision* is an installed control plane, a *tag* points at one, an *injector* is the webhook of either.
//!
//! # Where to add what
//! A new step kind: `model/action/<kind>.rs` (its parameters), one variant in [`model::action::Action`],
//! `steps/<kind>.rs` (its behaviour), one arm in [`steps`], the schema regenerated, one case in `tests/`.
//! The compiler names each place that was forgotten.
//!
//! # Who may use what
//! `model`, `diagnostic`, `graph`, `mesh` and `template` are pure. Only `cluster` and `lab` speak to Kubernetes.
//! The clock, files, environment and terminal are touched at the edges only; `.clippy.toml` keeps it so.

pub mod check;
pub mod cli;
pub mod cluster;
pub mod diagnostic;
pub mod engine;
pub mod event;
pub mod graph;
pub mod journal;
pub mod lab;
pub mod mesh;
pub mod model;
pub mod news;
pub mod rehearsal;
pub mod report;
pub mod snapshot;
pub mod source;
pub mod steps;
pub mod template;
