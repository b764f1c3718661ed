//! `plan` on a real mesh: the API server, the controllers, two istiods and a connected client for each proxy, as
//! `tests/mesh/up` makes them. Needs root; `cargo test` leaves it out, and
//! `cargo test --test mesh -- --nocapture --test-threads 1` runs it.
#![expect(clippy::print_stdout, reason = "what a long test has come to")]

mod e2e;

#[path = "e2e/canary.rs"]
mod canary;
#[path = "e2e/kills.rs"]
mod kills;
#[path = "e2e/verdicts.rs"]
mod verdicts;
