//! What the names in an expression stand for, at one place of the expanded plan.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use serde_json::Value as Json;

use super::checked::{EvalError, Evaluate, Results};
use super::forms::forms;
use super::parsed::{Declared, Plan};
use super::schema::{self, NoTypes, Schema};
use super::secrets::Secrets;
use super::tree::Tree;
use super::values;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::{Action, Kind, Outcome};
use crate::source::{SourceMap, Span};
use crate::template::{Found, Lookup, Reference, Template};

/// What is known of a cluster before a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterFacts {
    /// Its name: the context's.
    pub name: String,
    /// Its labels, from a fleet file.
    pub labels: BTreeMap<String, String>,
    /// The version of its API server.
    pub version: String,
}

/// One use of a plan: the root, or a sub-plan as one step uses it.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) plan: usize,
    /// Where relative paths lead, from the root plan's directory.
    pub(super) prefix: PathBuf,
    pub(super) inputs: BTreeMap<String, InputValue>,
    /// Where the step that uses the plan gives them.
    pub(super) given: BTreeMap<String, Span>,
    pub(super) facts: Option<Arc<ClusterFacts>>,
    /// The inputs whose values are secret, or made of such.
    pub(super) secret: BTreeSet<String>,
    pub(super) secrets: Arc<Secrets>,
}

/// The value of an input.
#[derive(Debug)]
pub(super) enum InputValue {
    Known(Json),
    /// It has no value yet; and by what it can be told from others, as written by whoever gives it.
    Unknown(String),
    /// It is made of what steps of the caller give.
    Deferred(Arc<Late>, String),
}

/// The names that are visible at one place.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) instance: Arc<Instance>,
    /// The items of the groups around, outermost first.
    pub(super) items: Vec<Item>,
}

impl Scope {
    /// What is wrong where this would have to be known before the run, and is made of what only the run knows.
    pub(super) fn late(&self, tree: &Tree, message: &str) -> Option<Diagnostic> {
        let references = tree.references();
        let late = references
            .iter()
            .find(|reference| self.is_late(reference))?;
        let problem = Diagnostic::new(Code::OutputNotVisible, message);
        Some(problem.at(late.span, "known only during the run"))
    }

    /// Whether a value is made of secrets.
    pub(super) fn names_secrets(&self, tree: &Tree) -> bool {
        tree.references().iter().any(|reference| {
            let name = reference.path.first();
            self.is_secret(&reference.root, name.map(String::as_str))
        })
    }

    fn is_secret(&self, root: &str, name: Option<&str>) -> bool {
        match (root, name) {
            ("inputs", Some(name)) => self.instance.secret.contains(name),
            _ => self
                .items
                .iter()
                .any(|item| item.secret && item.variable == root),
        }
    }

    /// Whether a name has its value only while the plan runs.
    fn is_late(&self, reference: &Reference) -> bool {
        let name = reference.path.first().map(String::as_str);
        match (reference.root.as_str(), name) {
            ("steps" | "run", _) => true,
            ("inputs", Some(name)) => {
                let value = self.instance.inputs.get(name);
                matches!(value, Some(InputValue::Deferred(..)))
            }
            _ => false,
        }
    }

    /// The top of a sub-plan before anything is unrolled: with what its caller gives and is known by then, else with
    /// its defaults.
    pub(super) fn sub_plan(plan: &Plan, with: &Tree, caller: &Self) -> Self {
        let given = |name: &str, declared: &Declared| {
            let known = with.get(name)?.eval(&At::check(caller)).ok()?;
            known.node()?;
            values::fit(declared, &known, &mut Diagnostics::new()).ok()
        };
        let inputs = plan.inputs.iter().map(|(name, declared)| {
            let value = match with.get(name) {
                Some(_) => given(name, declared),
                None => declared.default.clone(),
            };
            (
                name.clone(),
                value.map_or_else(|| InputValue::Unknown(name.clone()), InputValue::Known),
            )
        });
        let instance = Instance {
            plan: 0,
            prefix: PathBuf::new(),
            inputs: inputs.collect(),
            given: BTreeMap::new(),
            facts: None,
            secret: plan.secret_inputs(),
            secrets: Arc::default(),
        };
        Self {
            instance: Arc::new(instance),
            items: Vec::new(),
        }
    }
}

/// An item of a group.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) variable: String,
    /// `None`: the list is not known.
    pub(super) value: Option<Arc<Json>>,
    /// The list that it is of, to tell it from others while it is not known.
    pub(super) of: String,
    /// Whether the list is made of secrets.
    pub(super) secret: bool,
}

/// A value that waits for steps.
pub(super) struct Late {
    pub(super) tree: Tree,
    pub(super) scope: Arc<Scope>,
    /// The tasks that its `steps.X` stand for.
    pub(super) steps: BTreeMap<String, usize>,
    pub(super) world: Arc<World>,
}

/// What all values of a plan that wait have in common.
#[derive(Debug)]
pub(super) struct World {
    pub(super) sources: SourceMap,
    /// Where the tasks went when the plan was cut to a slice: set once, before anything runs.
    pub(super) positions: OnceLock<Vec<Option<usize>>>,
}

impl World {
    fn position(&self, task: usize) -> Option<usize> {
        match self.positions.get() {
            Some(positions) => positions.get(task).copied().flatten(),
            None => Some(task),
        }
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late")
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

/// A look-up in a scope: with the results of a run, or before one.
pub(super) struct At<'a> {
    pub(super) scope: &'a Scope,
    pub(super) steps: Option<(&'a Late, &'a dyn Results)>,
    /// What went wrong in a value that waits for steps of the caller.
    pub(super) failure: RefCell<Option<EvalError>>,
    /// A secret was looked up for the expression at hand.
    secret: Cell<bool>,
}

impl<'a> At<'a> {
    /// Before a run.
    pub(super) fn check(scope: &'a Scope) -> Self {
        Self {
            scope,
            steps: None,
            failure: RefCell::new(None),
            secret: Cell::new(false),
        }
    }

    /// During one.
    fn run(scope: &'a Scope, late: &'a Late, results: &'a dyn Results) -> Self {
        Self {
            steps: Some((late, results)),
            ..Self::check(scope)
        }
    }

    fn input(&self, name: &str) -> Found {
        match self.scope.instance.inputs.get(name) {
            Some(InputValue::Known(value)) => Found::Known(value.clone()),
            Some(InputValue::Deferred(late, _)) => match self.steps {
                Some((_, results)) => match late.json(results) {
                    Ok(value) => Found::Known(value),
                    Err(error) => {
                        let message = error.to_string();
                        self.failure.replace(Some(error));
                        Found::Missing(message)
                    }
                },
                None => Found::Unknown(format!("`inputs.{name}` is known during the run")),
            },
            Some(InputValue::Unknown(_)) | None => {
                Found::Unknown(format!("`inputs.{name}` has no value yet"))
            }
        }
    }

    fn cluster(&self, part: &str) -> Found {
        let Some(facts) = &self.scope.instance.facts else {
            return Found::Unknown(format!("`cluster.{part}` is known with a cluster"));
        };
        Found::Known(match part {
            "name" => facts.name.clone().into(),
            "version" => facts.version.clone().into(),
            _ => facts
                .labels
                .iter()
                .map(|(key, value)| (key.clone(), Json::from(value.clone())))
                .collect(),
        })
    }

    fn step(&self, step: &str, rest: &[String]) -> Found {
        let Some((late, results)) = self.steps else {
            return Found::Unknown(format!("`steps.{step}` is known during the run"));
        };
        let Some(task) = late
            .steps
            .get(step)
            .and_then(|task| late.world.position(*task))
        else {
            return Found::Missing(format!("there is no step `{step}`"));
        };
        let Some(outcome) = results.outcome(task) else {
            return Found::Unknown(format!("`{step}` has not ended"));
        };
        match rest {
            [part] if part == "outcome" => Found::Known(outcome.as_str().into()),
            [_, output] if results.is_hidden(task, output) => Found::Missing(format!(
                "`{output}` of `{step}` holds a secret, which no journal keeps: only a new run can use it"
            )),
            [_, output] if outcome != Outcome::Skipped => {
                match results
                    .outputs(task)
                    .and_then(|outputs| outputs.get(output))
                {
                    Some(value) => Found::Known(value.clone()),
                    None => Found::Missing(format!("step `{step}` {outcome} without `{output}`")),
                }
            }
            _ => Found::Missing(format!("step `{step}` was {outcome}")),
        }
    }
}

impl Lookup for At<'_> {
    fn get(&self, root: &str, key: &[String]) -> Found {
        if self.scope.is_secret(root, key.first().map(String::as_str)) {
            self.secret.set(true);
        }
        match (root, key) {
            ("inputs", [name]) => self.input(name),
            ("cluster", [part]) => self.cluster(part),
            ("run", [_]) => match self.steps {
                Some((_, results)) => Found::Known(results.run_id().into()),
                None => Found::Unknown("`run.id` is known during the run".to_owned()),
            },
            ("steps", [step, rest @ ..]) => self.step(step, rest),
            _ => match self
                .scope
                .items
                .iter()
                .rev()
                .find(|item| item.variable == root)
            {
                Some(item) => match &item.value {
                    Some(value) => Found::Known(Json::clone(value)),
                    None => Found::Unknown(format!("the items of `{root}` are not known")),
                },
                None => Found::Unknown(format!("`{root}` is not known")),
            },
        }
    }

    fn made(&self, expression: &str, value: Option<&Json>) {
        if let (true, Some(value)) = (self.secret.take(), value) {
            self.scope.instance.secrets.hear_made(value, expression);
        }
    }

    fn failure(&self) -> Option<bool> {
        self.steps.map(|(_, results)| results.failure())
    }
}

impl Late {
    /// The tree, with all its values.
    fn resolve(&self, results: &dyn Results) -> Result<Tree, EvalError> {
        let at = At::run(&self.scope, self, results);
        let found = self.tree.eval(&at);
        if let Some(error) = at.failure.take() {
            return Err(error);
        }
        let tree = found.map_err(|problem| self.error(&problem))?;
        let mut waits = None;
        tree.templates(&mut |template| {
            waits.get_or_insert_with(|| template.text().to_owned());
        });
        match waits {
            Some(text) => Err(EvalError {
                place: super::files::place(&self.world.sources, self.tree.span),
                message: format!("`{text}` has no value"),
            }),
            None => Ok(tree),
        }
    }

    pub(super) fn json(&self, results: &dyn Results) -> Result<Json, EvalError> {
        self.resolve(results).map(|tree| tree.to_json())
    }

    fn error(&self, problem: &Diagnostic) -> EvalError {
        let span = problem
            .primary
            .as_ref()
            .map_or(self.tree.span, |label| label.span);
        let note = problem
            .primary
            .as_ref()
            .map(|label| label.message.as_str())
            .filter(|note| !note.is_empty());
        EvalError {
            place: super::files::place(&self.world.sources, span),
            message: match note {
                Some(note) => format!("{}: {note}", problem.message),
                None => problem.message.clone(),
            },
        }
    }
}

/// A value of whatever type.
impl Evaluate for Late {
    fn evaluate(&self, results: &dyn Results) -> Result<Json, EvalError> {
        self.json(results)
    }
}

/// The parameters of a step, in the form that its kind reads.
pub(super) struct LateAction {
    pub(super) kind: Kind,
    pub(super) late: Late,
}

impl Evaluate for LateAction {
    fn evaluate(&self, results: &dyn Results) -> Result<Json, EvalError> {
        let tree = self.late.resolve(results)?;
        // What is checked of values that are known before a run holds for those that are not.
        let mut found = Diagnostics::new();
        let schema = Schema::kind(self.kind);
        schema::validate(schema, &tree, tree.span, &NoTypes, false, &mut found);
        forms(self.kind, &tree, &mut found);
        if let Some(problem) = found.iter().find(|problem| problem.is_error()) {
            return Err(self.late.error(problem));
        }
        let place = || super::files::place(&self.late.world.sources, tree.span);
        let Some(node) = tree.node() else {
            return Err(EvalError {
                place: place(),
                message: "has no value".to_owned(),
            });
        };
        let mut action = self.kind.decode(&node).map_err(|error| EvalError {
            place: error.span.map_or_else(place, |span| {
                super::files::place(&self.late.world.sources, span)
            }),
            message: error.to_string(),
        })?;
        rebase(&mut action, &self.late.scope.instance.prefix);
        let shown = serde_json::to_value(&action).unwrap_or_default();
        Ok(shown.get("with").cloned().unwrap_or_default())
    }
}

/// A condition.
pub(super) struct LateCondition {
    pub(super) template: Arc<Template>,
    pub(super) late: Late,
}

impl Evaluate for LateCondition {
    fn evaluate(&self, results: &dyn Results) -> Result<Json, EvalError> {
        let at = At::run(&self.late.scope, &self.late, results);
        match self.template.eval(&at) {
            Ok(value) => value.known().ok_or_else(|| EvalError {
                place: super::files::place(&self.late.world.sources, self.template.span()),
                message: "the condition has no value".to_owned(),
            }),
            Err(problem) => Err(self.late.error(&problem)),
        }
    }
}

/// Makes the paths of a sub-plan's step relative to the root plan's directory.
pub(super) fn rebase(action: &mut Action, prefix: &std::path::Path) {
    let Action::InstallRevision(step) = action else {
        return;
    };
    if prefix.as_os_str().is_empty() {
        return;
    }
    let paths = step
        .values
        .iter_mut()
        .chain(&mut step.files)
        .chain(&mut step.charts);
    for path in paths {
        *path = prefix.join(&*path).to_string_lossy().into_owned();
    }
    if let Some(binary) = step
        .binary
        .as_mut()
        .filter(|binary| binary.starts_with('.'))
    {
        *binary = prefix.join(&*binary).to_string_lossy().into_owned();
    }
}
