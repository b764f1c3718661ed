//! Timeouts: of steps, of those that name none, and of whole plans.

use serde::de::DeserializeOwned;

use super::{Expander, Site, Spot};
use crate::check::parsed::Plan;
use crate::check::schema::{self, NoTypes, Schema};
use crate::check::scope::Scope;
use crate::check::shape::InputTypes;
use crate::check::times;
use crate::check::tree::Tree;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model;
use crate::model::policy::Timeout;
use crate::source::de::from_node;

/// What a plan's steps take where they name no timeout.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::check) enum DefaultTimeout {
    #[default]
    None,
    /// There is one, of inputs that have no value yet.
    Unknown,
    Known(Timeout),
}

impl Expander<'_, '_> {
    /// The timeout of a step; `waits`: it is an approval or a soak, which defaults do not bound.
    pub(super) fn timeout(&mut self, site: Site<'_>, spot: &Spot, waits: bool) -> Timeout {
        let own = self.own_timeout(site, spot);
        if let Some(tree) = site.step.timeout.as_ref()
            && waits
            && own.is_some_and(|own| own.attempt.is_some())
        {
            self.out.push(
                Diagnostic::new(
                    Code::ConflictingKeys,
                    "an `attempt` that waits cannot be cut short and tried again",
                )
                .at(tree.span, "of a gate that waits for people or for time")
                .help("say how long the whole may take: `timeout: 24h`"),
            );
        }
        match (own, spot.default_timeout) {
            (Some(own), DefaultTimeout::Known(default)) if !waits => Timeout {
                attempt: own.attempt.or(default.attempt),
                total: own.total.or(default.total),
            },
            (None, DefaultTimeout::Known(default)) if !waits => default,
            (own, _) => own.unwrap_or_default(),
        }
    }

    /// What a step, a group or the use of a sub-plan says itself.
    pub(super) fn own_timeout(&mut self, site: Site<'_>, spot: &Spot) -> Option<Timeout> {
        self.bound(schema::timeout(), site.step.timeout.as_ref()?, &spot.scope)
    }

    /// What the steps of a plan take that name no timeout.
    pub(super) fn default_timeout(&mut self, plan: &Plan, scope: &Scope) -> DefaultTimeout {
        let Some(tree) = &plan.default_timeout else {
            return DefaultTimeout::None;
        };
        let known = self.bound(schema::timeout(), tree, scope);
        known.map_or(DefaultTimeout::Unknown, DefaultTimeout::Known)
    }

    /// The timeout of a whole plan.
    pub(super) fn plan_timeout(&mut self, plan: &Plan, scope: &Scope) -> Option<model::Span> {
        self.bound(schema::duration(), plan.timeout.as_ref()?, scope)
    }

    fn bound<T: DeserializeOwned>(
        &mut self,
        schema: &Schema,
        tree: &Tree,
        scope: &Scope,
    ) -> Option<T> {
        if tree.is_literal() {
            return from_node(&tree.node()?).ok();
        }
        // What is wrong whatever the values are was told already.
        let types = InputTypes(&self.plan(scope)?.inputs);
        let mut told = Diagnostics::new();
        if !schema::validate(schema, tree, tree.span, &types, true, &mut told) {
            return None;
        }
        let known = self.known(tree, scope)?;
        let Some(node) = known.node() else {
            // It would bound nothing before those steps have ended.
            let late = scope.late(&known, "a timeout cannot be made of what a step gives");
            self.out
                .extend(late.map(|problem| problem.help("use an input")));
            return None;
        };
        let sound = schema::validate(schema, &known, tree.span, &NoTypes, true, self.out);
        times::timeout(&known, self.out);
        sound.then(|| from_node(&node).ok())?
    }
}
