//! `plan` as a process, on a desk or on a real mesh: started, followed by its journal, killed.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use plan::event::{Event, EventKind};
use tempfile::TempDir;

use super::ended::Ended;

/// How often the journal is looked at, and how many looks an event may take: some minutes.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: usize = 200_000;

/// Where `plan` can be started.
pub(crate) trait Host {
    /// The program, without arguments.
    fn plan(&self) -> Command;
}

/// A directory of runs.
pub(crate) struct StateDir(TempDir);

impl StateDir {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Starts `plan` with these arguments and this directory of runs.
    pub(crate) fn start(&self, host: &impl Host, arguments: &[&str]) -> Running<'_> {
        let sink = |name: &str| {
            fs_err::File::create(self.0.path().join(name))
                .expect("a file for the output")
                .into_parts()
                .0
        };
        let position = self
            .journal_path()
            .map_or(0, |path| fs_err::metadata(path).expect("the journal").len());
        let child = host
            .plan()
            .args(arguments)
            .arg("--state-dir")
            .arg(self.0.path())
            .stdout(sink("stdout"))
            .stderr(sink("stderr"))
            .spawn()
            .expect("plan can be started");
        Running {
            state: self,
            child,
            position,
        }
    }

    /// Runs `plan` to its end.
    pub(crate) fn plan(&self, host: &impl Host, arguments: &[&str]) -> Ended {
        self.start(host, arguments).wait()
    }

    /// The newest run.
    pub(crate) fn run(&self) -> Option<PathBuf> {
        let entries = fs_err::read_dir(self.0.path().join("runs")).ok()?;
        entries.filter_map(|entry| Some(entry.ok()?.path())).max()
    }

    /// The name of the newest run.
    pub(crate) fn run_id(&self) -> String {
        let run = self.run().expect("a run");
        run.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    }

    fn journal_path(&self) -> Option<PathBuf> {
        self.run()
            .map(|run| run.join("journal.jsonl"))
            .filter(|path| path.exists())
    }

    /// The events of the newest run; a torn last line is left out.
    pub(crate) fn journal(&self) -> Vec<EventKind> {
        let text = fs_err::read_to_string(self.journal_path().expect("a journal")).expect("text");
        let mut events = Vec::new();
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            events.push(read(line).event);
        }
        events
    }

    fn saved(&self, name: &str) -> String {
        let bytes = fs_err::read(self.0.path().join(name)).expect("the output");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A process of `plan` that was started.
pub(crate) struct Running<'a> {
    state: &'a StateDir,
    child: Child,
    /// How much of the journal was read.
    position: u64,
}

impl Running<'_> {
    /// Waits for an event in what this process writes into the journal.
    ///
    /// # Panics
    /// Where the process ends before, or goes on without it.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&EventKind) -> bool) -> EventKind {
        for _ in 0..LOOKS {
            let ended = self.child.try_wait().expect("the child's state");
            if let Some(event) = self.fresh().into_iter().find(|event| wanted(event)) {
                return event;
            }
            assert!(
                ended.is_none(),
                "plan ended with {ended:?} before: {what}\n{}",
                self.said()
            );
            std::thread::park_timeout(LOOK);
        }
        panic!("plan goes on without: {what}\n{}", self.said());
    }

    fn said(&self) -> String {
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.state.saved(name));
        format!("stdout:\n{stdout}\nstderr:\n{stderr}")
    }

    /// The whole lines that came since the last look.
    fn fresh(&mut self) -> Vec<EventKind> {
        let Some(path) = self.state.journal_path() else {
            return Vec::new();
        };
        let text = tail(&path, self.position);
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.position += whole as u64;
        text[..whole].lines().map(|line| read(line).event).collect()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the child runs");
        self.child.wait().expect("the child's end");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let status: ExitStatus = self.child.wait().expect("the child's end");
        Ended {
            code: status.code(),
            stdout: self.state.saved("stdout"),
            stderr: self.state.saved("stderr"),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // After `wait` and `kill` there is none any more, and this does nothing.
        let _gone = self.child.kill();
        let _end = self.child.wait();
    }
}

fn tail(path: &Path, from: u64) -> String {
    let mut file = fs_err::File::open(path).expect("the journal");
    file.seek(SeekFrom::Start(from)).expect("its end");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("its bytes");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(line: &str) -> Event {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
