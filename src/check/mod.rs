//! Static passes: text to an executable plan.

pub mod checked;

pub use checked::{
    Checked, Deferred, EvalError, Evaluate, Need, Results, Role, Slot, Task, When, Why, Work,
};
