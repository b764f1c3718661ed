//! A plan file as read: its steps with their places, before anything is expanded.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::tree::Tree;
use crate::diagnostic::Code;
use crate::model::Kind;
use crate::model::plan::Input;
use crate::model::policy::{OnFailure, Retry};
use crate::source::{FileId, Key, Span};
use crate::template::{Reference, Template};

/// One plan file.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) file: FileId,
    /// The directory that its paths are relative to.
    pub(super) dir: PathBuf,
    pub(super) name: String,
    pub(super) inputs: IndexMap<String, Declared>,
    pub(super) outputs: Vec<(Key, Tree)>,
    /// The timeout of steps that name none.
    pub(super) default_timeout: Option<Tree>,
    /// The timeout of the whole.
    pub(super) timeout: Option<Tree>,
    pub(super) steps: Steps,
    /// Part of the text could not be read: what seems to be missing may be there.
    pub(super) truncated: bool,
}

impl Plan {
    /// The names of the inputs that are secret.
    pub(super) fn secret_inputs(&self) -> BTreeSet<String> {
        let secret = self
            .inputs
            .iter()
            .filter(|(_, declared)| declared.input.sensitive);
        secret.map(|(name, _)| name.clone()).collect()
    }
}

/// An input's declaration.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) key: Span,
    pub(super) input: Input,
    /// Checked against the declaration.
    pub(super) default: Option<Value>,
    /// A diagnostic speaks of it already: it has no value, and nobody is to blame for that.
    pub(super) broken: bool,
    pub(super) pattern: Option<regex::Regex>,
}

/// The steps of one `steps` map.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Its number among all, to find what the order pass says of it.
    pub(super) id: usize,
    pub(super) list: Vec<Step>,
    pub(super) index: HashMap<String, usize>,
}

/// A step or group.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) key: Key,
    pub(super) body: Body,
    pub(super) for_each: Option<ForEach>,
    pub(super) needs: Vec<Key>,
    pub(super) when: Option<Arc<Template>>,
    /// The names in a `when` that is broken.
    pub(super) broken_names: Vec<Reference>,
    pub(super) timeout: Option<Tree>,
    pub(super) retry: Retry,
    pub(super) on_failure: OnFailure,
    pub(super) allow: Vec<Allowed>,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Body {
    /// Its parameters, and whether they are sound as far as they are known.
    Kind(Kind, Tree, bool),
    SubPlan {
        /// Its number among the plans; `None` where it could not be read.
        plan: Option<usize>,
        with: Tree,
    },
    Group(Box<Group>),
    /// A diagnostic speaks of it already; with what is given to it, for the names in it.
    Unknown(Option<Tree>),
}

/// The inside of a group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) steps: Steps,
    pub(super) waves: Option<Tree>,
    pub(super) between: Option<Steps>,
    pub(super) max_parallel: Option<usize>,
}

/// What a group runs over.
#[derive(Debug)]
pub(super) struct ForEach {
    pub(super) span: Span,
    pub(super) items: Items,
    pub(super) variable: Option<Key>,
}

/// Where the items come from.
#[derive(Debug)]
pub(super) enum Items {
    List(Tree),
    /// `{namespaces: {selector, exclude}}`, the inner map.
    Query(Tree),
    Broken,
}

/// An `allow` that names a code which can be allowed.
#[derive(Debug, Clone)]
pub(super) struct Allowed {
    pub(super) code: Code,
    pub(super) reason: String,
    pub(super) span: Span,
}
