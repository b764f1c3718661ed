//! Who runs `plan`, where, and when: the edge where the clock and the environment are read.

use std::path::Path;

use jiff::Timestamp;

use crate::event::Origin;
use crate::journal::RunDir;

/// The time.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the run's clock is made"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// The user, as the shell knows them, or by their number where there is no shell.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the environment is read"
)]
pub(super) fn user() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// The host's name, from the kernel where it shows it.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the environment is read"
)]
pub(super) fn host() -> String {
    fs_err::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The directories with programs.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the environment is read"
)]
pub(super) fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Everything that a journal keeps of it.
pub(super) fn origin(context: Option<&str>, server: Option<&str>) -> Origin {
    Origin {
        user: user(),
        host: host(),
        pid: std::process::id(),
        context: context.map(str::to_owned),
        server: server.map(str::to_owned),
        cluster: None,
    }
}

/// Whether the holder of a lease is a run of this host whose process is certainly gone: nobody locks its directory.
pub(super) fn is_dead(owner: &str, host: &str, state_dir: &Path) -> bool {
    let mut parts = owner.split('/');
    let (Some(run), Some(on)) = (parts.next(), parts.next()) else {
        return false;
    };
    on == host && RunDir::find(state_dir, Some(run)).is_ok_and(|dir| !dir.is_held())
}
