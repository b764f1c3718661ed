//! The plan as typed data.
