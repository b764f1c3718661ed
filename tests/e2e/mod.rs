//! What the cases on a real mesh share.

pub(crate) mod audit;
pub(crate) mod bed;
pub(crate) mod process;
pub(crate) mod state;
