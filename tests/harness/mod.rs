//! The binary, driven as a user drives it: in a directory of its own, against an API server on loopback.

mod ended;
pub(crate) mod process;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use plan::lab::api::ApiServer;
use plan::mesh::injection::shape::Shape;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

pub(crate) use ended::Ended;

/// A directory to work in.
pub(crate) struct Desk {
    directory: TempDir,
}

impl Desk {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    }

    /// `plan`, with nothing of this machine in its environment.
    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("plan"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("USER", "tester")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Starts `plan lab serve` and waits until it has printed its kubeconfig's path.
    pub(crate) fn serve(&self, args: &[&str]) -> Served {
        let mut command = self.command(&[&["lab", "serve"], args].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        Served {
            kubeconfig: line.trim_end().to_owned(),
            child,
        }
    }

    /// Runs `plan` to its end.
    pub(crate) fn plan(&self, args: &[&str]) -> Ended {
        self.plan_with(args, &[])
    }

    /// As [`Desk::plan`], with more in its environment.
    pub(crate) fn plan_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        let mut command = self.command(args);
        let output = command.envs(env.iter().copied()).output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one run in this directory.
    pub(crate) fn run_id(&self) -> String {
        let mut runs = fs_err::read_dir(self.path().join(".plan/runs")).unwrap();
        let name = runs
            .next()
            .unwrap()
            .unwrap()
            .file_name()
            .into_string()
            .unwrap();
        assert!(runs.next().is_none(), "more than one run");
        name
    }
}

impl process::Host for Desk {
    fn plan(&self) -> std::process::Command {
        self.command(&[])
    }
}

/// A running `plan lab serve`.
pub(crate) struct Served {
    child: Child,
    /// The path that it printed.
    pub(crate) kubeconfig: String,
}

impl Served {
    /// Ends it as a supervisor would, and gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ended_already = self.child.kill();
    }
}

/// An API server on loopback, with two control planes and the namespaces `shop` and `pay` on the old one.
pub(crate) struct Mesh {
    pub(crate) server: ApiServer,
    _runtime: tokio::runtime::Runtime,
    port: u16,
}

impl Mesh {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let server = ApiServer::default();
        for (name, labels) in [
            ("istio-system", json!({})),
            ("shop", json!({ "istio-injection": "enabled" })),
            ("pay", json!({ "istio-injection": "enabled" })),
        ] {
            server.seed(&json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels },
            }));
        }
        for (revision, version) in [("default", "1.28.2"), ("canary", "1.29.1")] {
            server.seed(&Shape::revision(&version.parse().unwrap(), revision).configuration());
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let port = serve(&runtime, &server);
        Self {
            server,
            _runtime: runtime,
            port,
        }
    }

    /// Writes a kubeconfig that leads to it, and returns its path.
    pub(crate) fn kubeconfig(&self, desk: &Desk) -> String {
        kubeconfig(desk, self.port)
    }

    /// A namespace's labels.
    pub(crate) fn labels(&self, namespace: &str) -> serde_json::Value {
        self.server.object("namespaces", "", namespace).unwrap()["metadata"]["labels"].clone()
    }
}

/// Serves on a port of loopback for as long as the runtime lives.
pub(crate) fn serve(runtime: &tokio::runtime::Runtime, server: &ApiServer) -> u16 {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = server.clone();
    runtime.spawn(async move { serving.serve(listener).await });
    port
}

/// Writes a kubeconfig that leads to a port of loopback, and returns its path.
pub(crate) fn kubeconfig(desk: &Desk, port: u16) -> String {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
             clusters: [{{ name: lab, cluster: {{ server: 'http://127.0.0.1:{port}' }} }}]\n\
             users: [{{ name: lab, user: {{}} }}]\n\
             contexts: [{{ name: lab, context: {{ cluster: lab, user: lab }} }}]\n",
    );
    desk.file("kubeconfig", &text).display().to_string()
}
