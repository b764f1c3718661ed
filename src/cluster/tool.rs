//! Programs that are started: istioctl, helm, a gate's command.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// The most of a program's output that is kept, in bytes.
const MOST: u64 = 64 << 20;
/// How much of what it said on stderr an error shows, in characters.
const TAIL: usize = 2_000;

/// A program, its arguments and its surroundings.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, OsString)>,
    timeout: Option<Duration>,
}

/// What a program that ended well said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
}

/// Why a program did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("cannot start {program}: {message}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        message: String,
    },
    /// It ended with another status than 0.
    #[error("{program} ended with {}: {stderr}", .status.map_or_else(|| "a signal".to_owned(), |s| s.to_string()))]
    Failed {
        /// The program.
        program: String,
        /// Its exit status; none where a signal ended it.
        status: Option<i32>,
        /// The end of what it said on stderr.
        stderr: String,
    },
    /// It took too long, and was ended.
    #[error("{program} did not end within {} s", .after.as_secs())]
    TimedOut {
        /// The program.
        program: String,
        /// How long it had.
        after: Duration,
    },
}

impl Invocation {
    /// A program with its arguments, in an environment that is empty but for what a program cannot do without.
    pub fn new(program: &Path, args: Vec<String>) -> Self {
        Self {
            program: program.to_owned(),
            args,
            env: Vec::new(),
            timeout: None,
        }
    }

    /// Sets the directories with programs.
    #[must_use]
    pub fn path(self, path: &OsStr) -> Self {
        self.env("PATH", path)
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Ends it after so long.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn name(&self) -> String {
        self.program.display().to_string()
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        for arg in &self.args {
            if arg.contains([' ', '"', '\'', '$']) {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            } else {
                write!(f, " {arg}")?;
            }
        }
        Ok(())
    }
}

/// Runs a program to its end; it is ended when the future is dropped.
///
/// # Errors
/// See [`ToolError`].
pub async fn run(invocation: &Invocation) -> Result<Output, ToolError> {
    let work = collect(invocation);
    match invocation.timeout {
        None => work.await,
        Some(after) => tokio::time::timeout(after, work).await.unwrap_or_else(|_| {
            Err(ToolError::TimedOut {
                program: invocation.name(),
                after,
            })
        }),
    }
}

async fn collect(invocation: &Invocation) -> Result<Output, ToolError> {
    let start = |error: std::io::Error| ToolError::Start {
        program: invocation.name(),
        message: error.to_string(),
    };
    let mut child = Command::new(&invocation.program)
        .args(&invocation.args)
        .envs(invocation.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) = tokio::join!(read(stdout), read(stderr), child.wait());
    let status = status.map_err(start)?;
    if status.success() {
        return Ok(Output { stdout });
    }
    let from = stderr
        .char_indices()
        .rev()
        .nth(TAIL)
        .map_or(0, |(at, _)| at);
    Err(ToolError::Failed {
        program: invocation.name(),
        status: status.code(),
        stderr: stderr[from..].trim().to_owned(),
    })
}

/// What can be read of a stream that may break off.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let _broken_off = stream.take(MOST).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new(
            Path::new("/bin/sh"),
            vec!["-c".to_owned(), script.to_owned()],
        )
    }

    #[tokio::test]
    async fn output_and_failure_are_told() {
        assert_eq!(run(&shell("echo a")).await.unwrap().stdout, "a\n");
        let error = run(&shell("echo no >&2; exit 3")).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh ended with 3: no");
        let error = run(&Invocation::new(Path::new("/nowhere"), Vec::new()))
            .await
            .unwrap_err();
        assert!(matches!(error, ToolError::Start { .. }));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let endless = shell("while :; do :; done").timeout(Duration::from_millis(50));
        let error = run(&endless).await.unwrap_err();
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
    }
}
