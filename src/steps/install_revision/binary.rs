//! Which istioctl or helm renders: exactly the version asked for, or an error that names every place looked at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::render::Workspace;
use crate::cluster::tool::{self, Invocation};
use crate::mesh::version::Version;
use crate::model::action::InstallRevision;
use crate::steps::context::StepError;

/// The longest that a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// The istioctl of a version: the given path, `istioctl-VERSION` on the PATH, `istioctl` on the PATH.
///
/// # Errors
/// None is there, or none is of that version; both name all three.
pub(super) async fn istioctl(
    step: &InstallRevision,
    version: &Version,
    workspace: &Workspace,
) -> Result<PathBuf, StepError> {
    let given = step.binary.as_ref().map(|path| workspace.root.join(path));
    let versioned = format!("istioctl-{version}");
    let candidates = [
        (
            given
                .as_ref()
                .map_or("`binary`".to_owned(), |p| p.display().to_string()),
            given.filter(|p| p.is_file()),
        ),
        (
            format!("{versioned} on the PATH"),
            find(&versioned, workspace),
        ),
        (
            "istioctl on the PATH".to_owned(),
            find("istioctl", workspace),
        ),
    ];
    let mut looked = Vec::new();
    for (place, found) in candidates {
        let Some(program) = found else {
            looked.push(format!("{place}: not there"));
            continue;
        };
        match reported(&program, workspace).await {
            Ok(found) if version.covers(&found) => return Ok(program),
            Ok(found) => looked.push(format!("{place}: version {found}")),
            Err(why) => looked.push(format!("{place}: {why}")),
        }
        if step.binary.is_some() {
            // What the plan names is meant; another one would be a surprise.
            break;
        }
    }
    Err(StepError::failed(format!("no istioctl of version {version}"))
        .details(looked)
        .help(format!("put an istioctl of version {version} on the PATH as {versioned}, or name it with `binary`")))
}

/// The helm to use: the given path, or `helm` on the PATH.
pub(super) fn helm(step: &InstallRevision, workspace: &Workspace) -> Result<PathBuf, StepError> {
    match &step.binary {
        Some(path) => Some(workspace.root.join(path)).filter(|path| path.is_file()),
        None => find("helm", workspace),
    }
    .ok_or_else(|| {
        StepError::failed("there is no helm").help("put helm on the PATH, or name it with `binary`")
    })
}

fn find(name: &str, workspace: &Workspace) -> Option<PathBuf> {
    std::env::split_paths(&workspace.path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// The version that an istioctl reports. `1.29.1` today, `client version: 1.29.1` where there is a cluster to ask.
async fn reported(program: &Path, workspace: &Workspace) -> Result<Version, String> {
    let args = ["version", "--remote=false", "--short"]
        .map(str::to_owned)
        .to_vec();
    let invocation = Invocation::new(program, args)
        .path(&workspace.path)
        .timeout(PATIENCE);
    let output = tool::run(&invocation)
        .await
        .map_err(|error| error.to_string())?;
    let last = output
        .stdout
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    last.parse()
        .map_err(|_| format!("reports `{}`", output.stdout.trim()))
}
