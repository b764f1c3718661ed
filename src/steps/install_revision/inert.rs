//! An install is inert: whoever got the sidecar of one injector goes on to get it of the same one.

use std::fmt;

use serde_json::{Value, json};

use crate::cluster::{Cluster, Object, Selector};
use crate::mesh::injection::{Mesh, Namespace, Verdict};
use crate::steps::context::StepError;
use crate::steps::survey;

const CONFIGURATION: &str = "MutatingWebhookConfiguration";

/// What a pod gets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Gets {
    /// It starts without a sidecar.
    Nothing,
    /// The sidecar of this revision.
    Sidecar(String),
    /// Several, by what the verdict says of it.
    Several(String),
}

impl Gets {
    fn of(verdict: &Verdict<'_>) -> Self {
        match verdict {
            Verdict::NotInjected(_) => Self::Nothing,
            Verdict::Injected { by } => Self::Sidecar(by.control_plane().to_owned()),
            Verdict::Ambiguous(_) => Self::Several(verdict.to_string()),
        }
    }
}

impl Gets {
    fn are_several(&self) -> bool {
        matches!(self, Self::Several(_))
    }
}

impl fmt::Display for Gets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no sidecar"),
            Self::Sidecar(revision) => f.write_str(revision),
            Self::Several(verdict) => f.write_str(verdict),
        }
    }
}

/// A pod that is there, or might come.
struct Subject {
    /// What people know it by.
    name: String,
    namespace: Namespace,
    pod: Value,
    /// Only might: it may change hands, but not belong to two.
    is_imagined: bool,
}

impl Subject {
    /// Whether it makes a difference to the subject that it gets another thing.
    fn minds(&self, old: &Gets, new: &Gets) -> bool {
        if self.is_imagined {
            new.are_several() && !old.are_several()
        } else {
            old != new
        }
    }
}

/// Everybody whom injectors look at, and what each gets as long as nothing is installed.
pub(super) struct Witnesses {
    subjects: Vec<Subject>,
    configurations: Vec<Object>,
    before: Vec<Gets>,
}

impl Witnesses {
    /// Looks at every namespace, and at every pod and template with labels about injection.
    ///
    /// # Errors
    /// Some would get several sidecars already.
    pub(super) async fn gather(cluster: &Cluster) -> Result<Self, StepError> {
        let configurations = configurations(cluster).await?;
        let mesh = Mesh::new(configurations.iter().map(Object::value));
        let subjects = subjects(cluster, &mesh).await?;
        let before = given(&subjects, &mesh);
        let several: Vec<String> = subjects
            .iter()
            .zip(&before)
            .filter(|(subject, gets)| gets.are_several() && !subject.is_imagined)
            .map(|(subject, gets)| format!("{}: {gets}", subject.name))
            .collect();
        if !several.is_empty() {
            return Err(StepError::failed("some pods get two sidecars already")
                .details(several)
                .help("remove or deactivate all injectors but one first (IST0139)"));
        }
        Ok(Self {
            subjects,
            configurations,
            before,
        })
    }

    /// Judges what the injectors would do if these objects were applied.
    pub(super) fn would_stay(&self, objects: &[Object]) -> Result<(), StepError> {
        let applied: Vec<&Object> = objects
            .iter()
            .filter(|object| object.kind() == CONFIGURATION)
            .collect();
        let kept = self.configurations.iter();
        let kept = kept.filter(|old| !applied.iter().any(|new| new.name() == old.name()));
        let then = Mesh::new(kept.chain(applied.iter().copied()).map(Object::value));
        self.compare(&then, "the install would change", "nothing was applied")
    }

    /// Judges what the injectors do now.
    pub(super) async fn have_stayed(&self, cluster: &Cluster) -> Result<(), StepError> {
        let now = survey::injection(cluster).await?;
        self.compare(
            &now,
            "meanwhile something changed",
            "look at the MutatingWebhookConfigurations",
        )
    }

    fn compare(&self, mesh: &Mesh, what: &str, help: &str) -> Result<(), StepError> {
        let after = given(&self.subjects, mesh);
        let moved: Vec<String> = self
            .subjects
            .iter()
            .zip(self.before.iter().zip(&after))
            .filter(|(subject, (old, new))| subject.minds(old, new))
            .map(|(subject, (old, new))| format!("{}: {old} becomes {new}", subject.name))
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        Err(StepError::failed(format!(
            "{what} who injects into what was not touched"
        ))
        .details(moved)
        .help(format!(
            "an install must be inert: leave tags and default injectors to steps of their own; {help}"
        )))
    }
}

fn given(subjects: &[Subject], mesh: &Mesh) -> Vec<Gets> {
    let verdict = |subject: &Subject| Gets::of(&mesh.verdict(&subject.namespace, &subject.pod));
    subjects.iter().map(verdict).collect()
}

async fn configurations(cluster: &Cluster) -> Result<Vec<Object>, StepError> {
    Ok(cluster
        .followed(survey::ADMISSION, CONFIGURATION, None, &Selector::default())
        .await?)
}

async fn subjects(cluster: &Cluster, mesh: &Mesh) -> Result<Vec<Subject>, StepError> {
    let namespaces = survey::namespaces(cluster).await?;
    let mut subjects: Vec<Subject> = namespaces
        .values()
        .map(|namespace| Subject {
            name: format!("namespace {}", namespace.name),
            namespace: namespace.clone(),
            pod: json!({ "metadata": {}, "spec": { "containers": [] } }),
            is_imagined: false,
        })
        .collect();
    for (object, pod) in survey::asking(cluster).await? {
        let own = object
            .namespace
            .as_ref()
            .and_then(|own| namespaces.get(own));
        subjects.extend(own.map(|namespace| Subject {
            name: object.to_string(),
            namespace: namespace.clone(),
            pod,
            is_imagined: false,
        }));
    }
    // Labels on pods only count where their namespace has none.
    if let Some(namespace) = survey::namespace_without_injection(cluster).await? {
        let might = survey::might_ask(mesh).into_iter();
        subjects.extend(might.map(|(label, pod)| Subject {
            name: format!("a pod with {label} in namespace {}", namespace.name),
            namespace: namespace.clone(),
            pod,
            is_imagined: true,
        }));
    }
    Ok(subjects)
}
