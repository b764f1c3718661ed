//! The `plan` binary: everything is in the library.

use std::process::ExitCode;

/// Large plans are many small values, made and let go: half the time of a check is the allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    plan::cli::main()
}
