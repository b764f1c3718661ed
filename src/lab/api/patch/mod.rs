//! The four kinds of patches. Each takes the object and gives the object patched.

pub mod apply;
pub mod duplicates;
pub mod fields;
pub mod json;
pub mod lists;
pub mod managers;
pub mod merge;
pub mod strategic;
