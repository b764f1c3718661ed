//! Static passes: text to an executable plan.

pub mod checked;

pub use checked::{Checked, Deferred, EvalError, Need, Results, Role, Slot, Task, When, Why, Work};
