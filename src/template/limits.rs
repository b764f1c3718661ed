//! How much a template may be and do. Far above what a plan needs, far below what hurts.

/// The most bytes in one expression.
pub const EXPRESSION_BYTES: usize = 16 * 1024;
/// The most operators, calls, filters and look-ups in one expression: what nests, and therefore costs stack.
pub const OPERATORS: usize = 200;
/// The most expressions in one scalar.
pub const EXPRESSIONS: usize = 1_000;
/// The work that one evaluation may do, in units of an instruction or 64 bytes.
pub const FUEL: u64 = 100_000;
/// The most bytes in a value that a template makes.
pub const VALUE_BYTES: usize = 1024 * 1024;
/// The most items, of lists and maps within each other, in a value that a template makes.
pub const VALUE_ITEMS: usize = 100_000;
/// How deep lists and maps may lie within each other in such a value.
pub const VALUE_DEPTH: usize = 128;
