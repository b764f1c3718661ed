//! What the cases on a real mesh share.

pub(crate) mod audit;
pub(crate) mod bed;
#[path = "../harness/ended.rs"]
pub(crate) mod ended;
#[path = "../harness/process.rs"]
pub(crate) mod process;
pub(crate) mod state;
