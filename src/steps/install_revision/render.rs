//! From the step's parameters to objects: by istioctl, by helm, or from files.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::binary;
use crate::cluster::Object;
use crate::cluster::tool::{self, Invocation};
use crate::event::Act;
use crate::mesh::istiod::{DEFAULT, Names, SYSTEM_NAMESPACE};
use crate::mesh::version::Version;
use crate::model::action::{InstallRevision, Source};
use crate::steps::context::{StepContext, StepError};
use crate::steps::simulated::Simulated;

/// The longest that rendering may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a plan's files are, and where programs are looked up.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Where `files` and `values` are: the copy that the run keeps, or the plan's directory.
    pub files: PathBuf,
    /// Where `charts` and `binary` are, which are not copied: the plan's directory.
    pub root: PathBuf,
    /// The directories with programs, as `PATH` has them.
    pub path: OsString,
    /// What stands in for the world outside, in the lab: gates open, and a control plane is rendered where there is no
    /// istioctl of its version.
    pub simulated: Option<Simulated>,
}

/// The version asked for, which must know the revision.
pub(super) fn version(step: &InstallRevision) -> Result<Version, StepError> {
    let version: Version = step
        .version
        .parse()
        .map_err(|_| StepError::failed(format!("`{}` is no version", step.version)))?;
    if step.revision != DEFAULT && !version.has_revisions() {
        return Err(StepError::failed(format!(
            "Istio {version} knows no revisions: they came with 1.6"
        )));
    }
    Ok(version)
}

/// Renders the control plane. Starts istioctl or helm, and changes nothing.
pub(super) async fn render(
    step: &InstallRevision,
    version: &Version,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<Vec<Object>, StepError> {
    if let Some(simulated) = &workspace.simulated
        && let Some(missing) = missing(step, version, workspace).await
    {
        context.note(format!(
            "the lab renders a minimal control plane: there is no {missing}"
        ));
        let objects = (simulated.render)(version, &step.revision).map_err(StepError::failed)?;
        return Ok(objects.into_iter().map(Object::new).collect());
    }
    let texts = match step.source {
        Source::Istioctl => vec![istioctl(step, version, workspace, context).await?],
        Source::Helm => helm(step, workspace, context).await?,
        Source::Manifests => manifests(step, workspace)?,
    };
    let mut objects = Vec::new();
    for text in &texts {
        parse(text, &step.istio_namespace, &mut objects)?;
    }
    if objects.is_empty() {
        return Err(StepError::failed("nothing was rendered"));
    }
    Ok(objects)
}

/// The program that would render, where it is not there. Files need none.
async fn missing(
    step: &InstallRevision,
    version: &Version,
    workspace: &Workspace,
) -> Option<String> {
    match step.source {
        Source::Istioctl => {
            let found = binary::istioctl(step, version, workspace).await;
            found
                .err()
                .map(|_| format!("istioctl of version {version}"))
        }
        Source::Helm => {
            let found = binary::helm(step, workspace);
            found.err().map(|_| "helm".to_owned())
        }
        Source::Manifests => None,
    }
}

async fn istioctl(
    step: &InstallRevision,
    version: &Version,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<String, StepError> {
    let program = binary::istioctl(step, version, workspace).await?;
    let mut args = vec!["manifest".to_owned(), "generate".to_owned()];
    args.extend(["--set".to_owned(), format!("profile={}", step.profile)]);
    if step.revision != DEFAULT {
        args.extend(["--set".to_owned(), format!("revision={}", step.revision)]);
    }
    if step.istio_namespace != SYSTEM_NAMESPACE {
        args.extend([
            "--set".to_owned(),
            format!("values.global.istioNamespace={}", step.istio_namespace),
        ]);
    }
    for (key, value) in &step.set {
        args.extend(["--set".to_owned(), format!("{key}={}", scalar(value))]);
    }
    for file in &step.values {
        args.extend(["-f".to_owned(), kept(workspace, file)]);
    }
    if let Some(charts) = &step.charts {
        let charts = workspace.root.join(charts).display().to_string();
        args.extend([version.charts_flag().to_owned(), charts]);
    }
    start(&program, args, workspace, context).await
}

async fn helm(
    step: &InstallRevision,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<Vec<String>, StepError> {
    let charts = step.charts.as_deref().ok_or_else(|| {
        StepError::failed("`source: helm` needs `charts`: the directory of Istio's charts")
    })?;
    let charts = workspace.root.join(charts);
    let istiod = ["istio-control/istio-discovery", "istiod", "."]
        .iter()
        .map(|place| charts.join(place))
        .find(|place| place.join("Chart.yaml").is_file())
        .ok_or_else(|| {
            StepError::failed(format!("there is no chart of istiod in {}", charts.display()))
                .help("name the directory that holds `istio-control/istio-discovery` or `istiod`, or the chart itself")
        })?;
    let program = binary::helm(step, workspace)?;
    let mut texts = Vec::new();
    let base = charts.join("base");
    if base.join("Chart.yaml").is_file() {
        // The default validator stays where it points: moving it is a step of its own.
        let args = template("istio-base", &base, step, &["defaultRevision=".to_owned()]);
        texts.push(start(&program, args, workspace, context).await?);
    }
    let mut set: Vec<String> = step
        .set
        .iter()
        .map(|(k, v)| format!("{k}={}", scalar(v)))
        .collect();
    if step.revision != DEFAULT {
        set.insert(0, format!("revision={}", step.revision));
    }
    let mut args = template(
        &Names::new(&step.revision, &step.istio_namespace).istiod(),
        &istiod,
        step,
        &set,
    );
    for file in &step.values {
        args.extend(["--values".to_owned(), kept(workspace, file)]);
    }
    texts.push(start(&program, args, workspace, context).await?);
    Ok(texts)
}

fn template(release: &str, chart: &Path, step: &InstallRevision, set: &[String]) -> Vec<String> {
    let mut args = vec![
        "template".to_owned(),
        release.to_owned(),
        chart.display().to_string(),
        "--namespace".to_owned(),
        step.istio_namespace.clone(),
        "--include-crds".to_owned(),
    ];
    for one in set {
        args.extend(["--set".to_owned(), one.clone()]);
    }
    args
}

fn manifests(step: &InstallRevision, workspace: &Workspace) -> Result<Vec<String>, StepError> {
    if step.files.is_empty() {
        return Err(StepError::failed("`source: manifests` needs `files`"));
    }
    let mut hash = Sha256::new();
    let mut texts = Vec::new();
    for file in &step.files {
        let text = fs_err::read_to_string(workspace.files.join(file))
            .map_err(|error| StepError::failed(error.to_string()))?;
        hash.update(text.as_bytes());
        texts.push(text);
    }
    let found = hash
        .finalize()
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        });
    match &step.digest {
        Some(wanted) if *wanted != found => Err(StepError::failed(format!(
            "the files are {found}, not {wanted}"
        ))
        .help("they changed since the digest was written; review them, then pin the new one")),
        _ => Ok(texts),
    }
}

async fn start(
    program: &Path,
    args: Vec<String>,
    workspace: &Workspace,
    context: &StepContext,
) -> Result<String, StepError> {
    let invocation = Invocation::new(program, args)
        .path(&workspace.path)
        .timeout(PATIENCE);
    let act = Act {
        verb: "run".to_owned(),
        object: program.display().to_string(),
        detail: invocation.to_string(),
        before: None,
    };
    context
        .act(act, async {
            let output = tool::run(&invocation).await?;
            Ok::<_, tool::ToolError>((output.stdout, false))
        })
        .await
}

fn kept(workspace: &Workspace, file: &str) -> String {
    workspace.files.join(file).display().to_string()
}

fn scalar(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads a stream of documents; lists are taken apart, namespaced objects without a namespace get Istio's.
fn parse(text: &str, namespace: &str, objects: &mut Vec<Object>) -> Result<(), StepError> {
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document)
            .map_err(|error| StepError::failed(format!("the rendering is not YAML: {error}")))?;
        match value {
            Value::Null => {}
            Value::Object(mut map) if map.get("kind").and_then(Value::as_str) == Some("List") => {
                if let Some(Value::Array(items)) = map.remove("items") {
                    objects.extend(items.into_iter().map(Object::new));
                }
            }
            Value::Object(map) if map.contains_key("kind") && map.contains_key("apiVersion") => {
                objects.push(Object::new(Value::Object(map)));
            }
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                return Err(StepError::failed(format!(
                    "the rendering holds no object: {text}"
                )));
            }
        }
    }
    for object in objects.iter_mut() {
        if object.namespace().is_none() && is_namespaced(object.kind()) {
            object.set_namespace(namespace);
        }
    }
    Ok(())
}

/// Of the kinds that Istio's charts render.
fn is_namespaced(kind: &str) -> bool {
    !matches!(
        kind,
        "CustomResourceDefinition"
            | "Namespace"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "MutatingWebhookConfiguration"
            | "ValidatingWebhookConfiguration"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
            | "GatewayClass"
    )
}
