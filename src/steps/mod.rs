//! One file per step kind: its behaviour. The parameters are in `model::action`.

pub mod context;

pub use context::{Decision, Done, Execute, Probe, Report, StepContext, StepError};
