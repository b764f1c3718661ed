//! What Istio does, as pure functions: injection, versions, names, proxy verdicts.
//!
//! Everything here takes plain data (`serde_json::Value`, labels, text) and instants that the caller read from its
//! clock, so that the steps, the checks and the lab ask the very same code.

pub mod injection;
pub mod istiod;
pub mod proxies;
pub mod query;
pub mod selector;
pub mod support;
pub mod version;
