//! A mesh of its own for a case: up when made, down when dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::e2e::process::Host;

/// A running mesh.
pub(crate) struct Bed {
    environment: BTreeMap<String, String>,
}

impl Bed {
    /// Starts a mesh: `modern` or `legacy`, with its workloads.
    ///
    /// # Panics
    /// With what `up` said, such as that network namespaces are not permitted here.
    pub(crate) fn up(case: &str) -> Self {
        Self::up_with(&[case])
    }

    /// As [`Bed::up`], with these arguments for `up`.
    pub(crate) fn up_with(arguments: &[&str]) -> Self {
        let up = Command::new(script("up"))
            .args(arguments)
            .args(["--owner", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .output()
            .expect("tests/mesh/up can be started");
        assert!(
            up.status.success(),
            "tests/mesh/up {arguments:?} failed with {}:\n{}",
            up.status,
            String::from_utf8_lossy(&up.stderr)
        );
        let file = String::from_utf8_lossy(&up.stdout).trim().to_owned();
        let shown = Command::new("bash")
            .args(["-c", r#"set -a; . "$1"; exec env -0"#, "env", &file])
            .output()
            .expect("bash can be started");
        let environment = String::from_utf8_lossy(&shown.stdout)
            .split('\0')
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { environment }
    }

    /// A variable of the mesh's environment.
    pub(crate) fn var(&self, name: &str) -> &str {
        self.environment
            .get(name)
            .unwrap_or_else(|| panic!("tests/mesh/up sets {name}"))
    }

    /// The log of every request to the API server.
    pub(crate) fn audit_log(&self) -> PathBuf {
        PathBuf::from(self.var("AUDIT_LOG"))
    }

    /// A program in the network of the mesh. `ip netns exec` becomes it, so the child's process id is its own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", self.var("NETNS"), program])
            .envs(&self.environment)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// What a program prints.
    ///
    /// # Panics
    /// Where it fails.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> String {
        let ran = self
            .command(program)
            .args(arguments)
            .output()
            .expect("the program can be started");
        assert!(
            ran.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// What kubectl prints.
    pub(crate) fn kubectl(&self, arguments: &str) -> String {
        self.output("kubectl", &arguments.split(' ').collect::<Vec<_>>())
    }

    /// The objects that `kubectl get` finds.
    pub(crate) fn list(&self, arguments: &str) -> Vec<Value> {
        let text = self.kubectl(&format!("get {arguments} -o json"));
        let mut list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
        match list["items"].take() {
            Value::Array(items) => items,
            _ => vec![list],
        }
    }

    /// Applies manifests and waits until their Deployments are available.
    pub(crate) fn apply(&self, file: &Path, namespace: &str) {
        self.output("kubectl", &["apply", "-f", &file.display().to_string()]);
        self.kubectl(&format!(
            "-n {namespace} wait --for condition=available --timeout 120s deployment --all"
        ));
    }
}

impl Host for Bed {
    fn plan(&self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_plan"));
        command.current_dir(repository("."));
        command
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(dir) = self.environment.get("MESH_DIR") {
            let down = Command::new(script("down")).arg(dir).status();
            assert!(
                std::thread::panicking() || down.is_ok_and(|down| down.success()),
                "tests/mesh/down {dir} failed"
            );
        }
    }
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn script(name: &str) -> PathBuf {
    repository("tests/mesh").join(name)
}
