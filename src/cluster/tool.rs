//! Programs that are started: istioctl, helm, a gate's command.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// The most of a program's output that is taken, in bytes.
const MOST: usize = 64 << 20;
/// How much of what it said on stderr an error shows, in bytes.
const TAIL: usize = 2_000;
/// How long the output of a program that has ended may still come.
const LINGER: Duration = Duration::from_secs(1);

/// A program, its arguments and its surroundings.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, OsString)>,
    timeout: Option<Duration>,
    head: Option<usize>,
}

/// What a program that ended well said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Whether there was more of it than was asked for.
    pub cut: bool,
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
    #[error("{program} ended with {}{}", .status.map_or_else(|| "a signal".to_owned(), |s| s.to_string()), tail(stderr))]
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

/// What is told of its stderr: nothing where it said nothing.
fn tail(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

impl Invocation {
    /// A program with its arguments, in an environment that is empty but for what programs cannot do without.
    pub fn new(program: &Path, args: Vec<String>) -> Self {
        Self {
            program: program.to_owned(),
            args,
            env: Vec::new(),
            timeout: None,
            head: None,
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

    /// Takes only so many bytes of its output, where there are more.
    #[must_use]
    pub fn head(mut self, bytes: usize) -> Self {
        self.head = Some(bytes);
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

/// Runs a program to its end; it is ended, with all that it has started, when the future is dropped.
///
/// It is in a process group of its own: an interrupt from the terminal reaches only `plan`, which then decides.
///
/// # Errors
/// See [`ToolError`].
pub async fn run(invocation: &Invocation) -> Result<Output, ToolError> {
    let _real_time = RealTime::hold(invocation.timeout);
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

/// Keeps tokio's clock from running ahead where it is paused (the lab): a program needs real time.
///
/// A task on the blocking pool does that; it ends when this is dropped, or when the program's own time is up.
struct RealTime {
    _ends_the_task: std::sync::mpsc::Sender<()>,
}

impl RealTime {
    fn hold(longest: Option<Duration>) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        // Nothing is ever sent: it ends as the sender does.
        tokio::task::spawn_blocking(move || match longest {
            Some(longest) => drop(receiver.recv_timeout(longest)),
            None => drop(receiver.recv()),
        });
        Self {
            _ends_the_task: sender,
        }
    }
}

async fn collect(invocation: &Invocation) -> Result<Output, ToolError> {
    let start = |error: std::io::Error| ToolError::Start {
        program: invocation.name(),
        message: error.to_string(),
    };
    let mut child = Command::new(&invocation.program)
        .args(&invocation.args)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_inherited(name)))
        .envs(invocation.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(start)?;
    let mut family = Family(child.id());
    let mut stdout = Kept::head(invocation.head.unwrap_or(MOST));
    let mut stderr = Kept::tail();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let status = {
        let mut reading = pin!(async { tokio::join!(stdout.read(out), stderr.read(err)) });
        let mut read = false;
        let status = loop {
            tokio::select! {
                _ = &mut reading, if !read => read = true,
                status = child.wait() => break status,
            }
        };
        if !read {
            // What it has left running may hold the pipes for ever.
            let _rest = tokio::time::timeout(LINGER, &mut reading).await;
        }
        status.map_err(start)?
    };
    family.0 = None;
    let too_much = stdout.overflow && invocation.head.is_none();
    if status.success() && !too_much {
        return Ok(Output {
            stdout: stdout.text(),
            cut: stdout.overflow,
        });
    }
    let stderr = if too_much {
        format!("its output is larger than {} MiB", MOST >> 20)
    } else {
        stderr.text().trim().to_owned()
    };
    Err(ToolError::Failed {
        program: invocation.name(),
        status: status.code(),
        stderr,
    })
}

/// Whether a program gets the variable from our own environment: what programs need to find their files, their
/// cluster and its credentials. Everything else, inputs of a plan among it, is not theirs.
fn is_inherited(name: &OsStr) -> bool {
    const NAMES: [&str; 14] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
        "KUBERNETES_SERVICE_PORT",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
    ];
    const FAMILIES: [&str; 8] = [
        "LC_",
        "XDG_",
        "HELM_",
        "AWS_",
        "AZURE_",
        "GOOGLE_",
        "CLOUDSDK_",
        "NO_PROXY",
    ];
    let Some(name) = name.to_str().map(str::to_ascii_uppercase) else {
        return false;
    };
    NAMES.contains(&name.as_str()) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// A program and what it has started, by the id of their process group: ended together when this is dropped.
struct Family(Option<u32>);

impl Drop for Family {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // All of it may have ended by itself.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What is kept of a stream that may be endless, and may break off.
struct Kept {
    bytes: Vec<u8>,
    most: usize,
    from_end: bool,
    overflow: bool,
}

impl Kept {
    fn head(most: usize) -> Self {
        Self {
            bytes: Vec::new(),
            most,
            from_end: false,
            overflow: false,
        }
    }

    fn tail() -> Self {
        Self {
            from_end: true,
            ..Self::head(TAIL)
        }
    }

    /// Reads to the end, so that the program never waits for us.
    async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else {
            return;
        };
        let mut chunk = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            self.bytes.extend_from_slice(&chunk[..count]);
            let excess = self.bytes.len().saturating_sub(self.most);
            self.overflow |= excess > 0;
            if self.from_end {
                self.bytes.drain(..excess);
            } else {
                self.bytes.truncate(self.most);
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
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
        let error = run(&shell("exit 1")).await.unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh ended with 1");
        let error = run(&Invocation::new(Path::new("/nowhere"), Vec::new()))
            .await
            .unwrap_err();
        assert!(matches!(error, ToolError::Start { .. }));
    }

    #[tokio::test]
    async fn only_the_head_is_kept_where_that_is_enough() {
        let output = run(&shell("echo abcdef").head(3)).await.unwrap();
        assert_eq!((output.stdout.as_str(), output.cut), ("abc", true));
        let output = run(&shell("printf abc").head(3)).await.unwrap();
        assert_eq!((output.stdout.as_str(), output.cut), ("abc", false));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let endless = shell("while :; do :; done").timeout(Duration::from_millis(50));
        let error = run(&endless).await.unwrap_err();
        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_it_has_started_is_ended_with_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("sleep 600 & echo $! > {}; wait", file.path().display());
        let endless = shell(&script).timeout(Duration::from_millis(500));
        run(&endless).await.unwrap_err();
        let child: i32 = fs_err::read_to_string(file.path())
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let state = || fs_err::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let ended = async {
            while state().contains("(sleep) S") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .expect("it is ended");
    }

    #[tokio::test]
    async fn who_holds_the_output_holds_nobody_up() {
        let began = tokio::time::Instant::now();
        let output = run(&shell("echo a; sleep 20 &")).await.unwrap();
        assert_eq!(output.stdout, "a\n");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn too_much_output_is_an_error_and_the_end_of_stderr_is_shown() {
        let error = run(&shell("head -c 70000000 /dev/zero")).await.unwrap_err();
        assert!(error.to_string().contains("larger than 64 MiB"), "{error}");
        let error = run(&shell("seq 1 100000 >&2; exit 1")).await.unwrap_err();
        assert!(error.to_string().ends_with("99999\n100000"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_waits_for_a_program() {
        let slow = shell("sleep 0.2; echo a").timeout(Duration::from_secs(30));
        let began = tokio::time::Instant::now();
        assert_eq!(run(&slow).await.unwrap().stdout, "a\n");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_environment_is_clean() {
        let output = run(&shell("env").env("MINE", "1")).await.unwrap().stdout;
        assert!(
            output.contains("MINE=1") && output.contains("PATH="),
            "{output}"
        );
        assert!(!output.contains("CARGO_PKG_NAME="), "{output}");
        assert!(is_inherited(OsStr::new("https_proxy")) && !is_inherited(OsStr::new("SECRET")));
    }
}
