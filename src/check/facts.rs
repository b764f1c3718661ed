//! What the checks of the mesh know of a task: its kind, and the values that they compare.

use std::fmt;

use super::parsed::Step;
use super::scope::{InputValue, Scope};
use super::tree::{Branch, Tree};
use crate::mesh::version;
use crate::model::Kind;
use crate::model::policy::OnFailure;
use crate::source::{Core, Span};
use crate::template::Template;

/// A value, or what stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Symbol {
    Known(String),
    /// The expression, followed to where its value comes from.
    Expression(String),
    /// A diagnostic speaks of it already: it could be anything.
    Any,
}

/// A version that a step names.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) value: Symbol,
    pub(super) span: Span,
}

impl Version {
    /// The version, where it is known and is one.
    pub(super) fn known(&self) -> Option<version::Version> {
        match &self.value {
            Symbol::Known(text) => text.parse().ok(),
            Symbol::Expression(_) | Symbol::Any => None,
        }
    }

    /// Whether it may be the same as another: two that are known must agree as far as they are written.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        match (self.known(), other.known()) {
            (Some(one), Some(other)) => one.covers(&other) || other.covers(&one),
            _ => true,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Symbol::Known(text) | Symbol::Expression(text) => f.write_str(text),
            Symbol::Any => f.write_str("another version"),
        }
    }
}

/// What the checks know of a task.
#[derive(Debug)]
pub(super) enum Facts {
    None,
    /// It is broken, and could be anything.
    Anything,
    Precheck {
        hard: bool,
        from: Option<Version>,
        to: Option<Version>,
        /// `None`: it is not known, or no number of hops.
        max_hop: Option<u32>,
        max_hop_span: Option<Span>,
    },
    Install {
        revision: Symbol,
        version: Option<Version>,
    },
    Ready {
        revision: Symbol,
        version: Option<Version>,
    },
    Label {
        revision: Symbol,
    },
    Restart {
        namespace: Symbol,
        revision: Option<Symbol>,
    },
    Verify {
        namespace: Symbol,
        revision: Symbol,
    },
    Gate {
        what: Option<&'static str>,
        bounded: bool,
    },
    /// The opening of a group that restarts something.
    Opens {
        at_once: usize,
        span: Span,
    },
}

impl Facts {
    /// `bounded`: it has a timeout, though it may not be known yet.
    pub(super) fn of(kind: Kind, with: &Tree, scope: &Scope, step: &Step, bounded: bool) -> Self {
        let symbol = |name: &str| {
            with.get(name)
                .map_or(Symbol::Any, |tree| symbol(tree, scope))
        };
        let version = |name: &str| {
            with.get(name).map(|tree| Version {
                value: self::symbol(tree, scope),
                span: tree.span,
            })
        };
        match kind {
            Kind::Precheck => Self::Precheck {
                hard: step.on_failure == OnFailure::Stop,
                from: version("from"),
                to: version("to"),
                max_hop: match with.get("max_hop") {
                    None => Some(1),
                    Some(tree) => hops(tree),
                },
                max_hop_span: with.get("max_hop").map(|tree| tree.span),
            },
            Kind::InstallRevision => Self::Install {
                revision: symbol("revision"),
                version: version("version"),
            },
            Kind::WaitReady => Self::Ready {
                revision: symbol("revision"),
                version: version("version"),
            },
            Kind::LabelNs => Self::Label {
                revision: symbol("revision"),
            },
            Kind::Restart => Self::Restart {
                namespace: symbol("namespace"),
                revision: with.get("revision").map(|tree| self::symbol(tree, scope)),
            },
            Kind::VerifyXds => Self::Verify {
                namespace: symbol("namespace"),
                revision: symbol("revision"),
            },
            Kind::Gate => {
                let what = ["approval", "http", "prometheus", "command"]
                    .into_iter()
                    .find(|name| with.get(name).is_some());
                Self::Gate { what, bounded }
            }
        }
    }
}

fn hops(tree: &Tree) -> Option<u32> {
    match tree.scalar()?.core() {
        Core::Int(hops) => u32::try_from(hops).ok().filter(|hops| *hops > 0),
        _ => None,
    }
}

fn symbol(tree: &Tree, scope: &Scope) -> Symbol {
    match &tree.value {
        Branch::Scalar(scalar) => Symbol::Known(scalar.text.clone()),
        Branch::Template(template) => Symbol::Expression(followed(template, scope)),
        Branch::Broken(_) | Branch::Seq(_) | Branch::Map(_) => Symbol::Any,
    }
}

/// What tells a value from others while it is not known.
pub(super) fn symbol_of(tree: &Tree, scope: &Scope) -> String {
    match &tree.value {
        Branch::Template(template) => followed(template, scope),
        _ => tree.to_json().to_string(),
    }
}

fn followed(template: &Template, scope: &Scope) -> String {
    let bare: String = template.text().split_whitespace().collect();
    if let [only] = template.references() {
        let name = only.path.first().map(String::as_str).unwrap_or_default();
        if only.root == "inputs" && bare == format!("${{{{inputs.{name}}}}}") {
            return match scope.instance.inputs.get(name) {
                Some(InputValue::Unknown(symbol) | InputValue::Deferred(_, symbol)) => {
                    symbol.clone()
                }
                Some(InputValue::Known(value)) => super::values::plain(value),
                None => bare,
            };
        }
        if let Some(item) = scope
            .items
            .iter()
            .rev()
            .find(|item| item.variable == only.root)
        {
            let rest = only.path.join(".");
            let whole = bare
                .trim_start_matches("${{")
                .trim_end_matches("}}")
                .starts_with(&only.root);
            if whole {
                return format!("item {rest} of {}", item.of);
            }
        }
    }
    format!("{bare} in {}", scope.instance.plan)
}
