//! The plan as typed data: serde and schemars, no I/O, no async.

pub mod action;
mod counted;
pub mod duration;
mod file;
pub mod glob;
pub mod id;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod schema;

pub use action::{Action, Kind};
pub use counted::counted;
pub use duration::Span;
pub use id::{NodeId, RunId};
pub use outcome::Outcome;
