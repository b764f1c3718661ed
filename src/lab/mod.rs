//! The embedded cluster: an API server, and what lives in a cluster, simulated in the process.

pub mod api;
pub mod controllers;
pub mod istio;
pub mod scenario;
mod snapshot;
