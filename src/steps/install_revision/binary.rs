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

/// The istioctl of a version: the given path alone, where one is given; else `istioctl-VERSION` on the PATH, else
/// `istioctl` on the PATH.
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
    let name = |path: &PathBuf| format!("{} (`binary`)", path.display());
    let candidates = [
        (
            given.as_ref().map_or("`binary`".to_owned(), name),
            given.as_ref().filter(|path| path.is_file()).cloned(),
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
    for (at, (place, found)) in candidates.into_iter().enumerate() {
        // What the plan names is meant; another one would be a surprise.
        let will_do = at == 0 || given.is_none();
        let said = match found {
            None if at == 0 && given.is_none() => "not given".to_owned(),
            None => "not there".to_owned(),
            Some(program) => match reported(&program, workspace).await {
                Ok(found) if will_do && version.covers(&found) => return Ok(program),
                Ok(found) => format!("version {found}"),
                Err(why) => why,
            },
        };
        looked.push(format!("{place}: {said}"));
    }
    let place = if given.is_some() {
        "at the path of `binary`"
    } else {
        "to be found"
    };
    Err(StepError::failed(format!("no istioctl of version {version} {place}"))
        .details(looked)
        .help(format!("put an istioctl of version {version} on the PATH as {versioned}, or name it with `binary`")))
}

/// The helm to use: the given path, or `helm` on the PATH.
pub(super) fn helm(step: &InstallRevision, workspace: &Workspace) -> Result<PathBuf, StepError> {
    let given = step.binary.as_ref().map(|path| workspace.root.join(path));
    let place = given.as_ref().map_or("on the PATH".to_owned(), |path| {
        format!("at {}", path.display())
    });
    match given {
        Some(path) => Some(path).filter(|path| path.is_file()),
        None => find("helm", workspace),
    }
    .ok_or_else(|| {
        StepError::failed(format!("there is no helm {place}"))
            .help("put helm on the PATH, or name it with `binary`")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Action, Kind};

    /// What is told of each place in a directory that is the plan's own and the PATH.
    async fn told(binary: Option<&str>) -> (String, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        // It cannot be started, but is found.
        fs_err::write(directory.path().join("istioctl-1.29.1"), "").unwrap();
        let with = json!({ "revision": "canary", "version": "1.29.1", "binary": binary });
        let Ok(Action::InstallRevision(step)) = Kind::InstallRevision.decode(with) else {
            panic!("no step");
        };
        let workspace = Workspace {
            files: directory.path().into(),
            root: directory.path().into(),
            path: directory.path().into(),
            simulated: None,
        };
        let found = istioctl(&step, &"1.29.1".parse().unwrap(), &workspace).await;
        let failure = found.unwrap_err().failure;
        let shown = |line: String| line.replace(&directory.path().display().to_string(), "DIR");
        (
            failure.message,
            failure.details.into_iter().map(shown).collect(),
        )
    }

    #[tokio::test]
    async fn all_three_places_are_named() {
        let (message, details) = told(None).await;
        assert_eq!(message, "no istioctl of version 1.29.1 to be found");
        assert_eq!(details[0], "`binary`: not given");
        assert!(details[1].starts_with("istioctl-1.29.1 on the PATH: "));
        assert_eq!(details[2], "istioctl on the PATH: not there");

        let (message, details) = told(Some("bin/istioctl")).await;
        assert_eq!(
            message,
            "no istioctl of version 1.29.1 at the path of `binary`"
        );
        assert_eq!(details[0], "DIR/bin/istioctl (`binary`): not there");
        assert_eq!(details.len(), 3);
    }
}
