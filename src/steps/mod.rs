//! One file or folder per step kind: its behaviour. The parameters are in `model::action`.

pub mod context;
mod executor;
mod failure;
mod gate;
mod install_revision;
mod istiods;
mod label_ns;
mod precheck;
mod preview;
mod restart;
mod rollouts;
mod simulated;
pub mod snapshot;
mod survey;
#[cfg(test)]
mod tests;
mod verify_xds;
mod wait_ready;

pub use context::{Decision, Done, Execute, Probe, Report, StepContext, StepError};
pub use executor::Steps;
pub use gate::unanswered;
pub use install_revision::Workspace;
pub use preview::{Grade, Preview};
pub use simulated::{Answer, Simulated};
