//! Runs a checked plan.
