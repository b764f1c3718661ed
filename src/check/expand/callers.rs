//! Where the values of a sub-plan's steps come from: what is wrong with them is the caller's doing.

use crate::check::scope::Scope;
use crate::check::tree::Tree;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Of each expression that is made of inputs: where it stands, the input, and where the caller gives it.
#[derive(Debug, Default)]
pub(in crate::check) struct Callers(Vec<(Span, String, Span)>);

impl Callers {
    /// Those of the parameters of a step.
    pub(super) fn of(with: &Tree, scope: &Scope) -> Self {
        let given = &scope.instance.given;
        let mut all = Vec::new();
        if given.is_empty() {
            return Self(all);
        }
        with.templates(&mut |template| {
            for reference in template.references() {
                if let ("inputs", Some(name)) = (reference.root.as_str(), reference.path.first())
                    && let Some(place) = given.get(name)
                {
                    all.push((template.span(), name.clone(), *place));
                }
            }
        });
        Self(all)
    }

    /// A problem, with the places where the caller gives what it speaks of.
    pub(in crate::check) fn named(&self, problem: Diagnostic) -> Diagnostic {
        let Some(at) = problem.primary.as_ref().map(|label| label.span) else {
            return problem;
        };
        let here = |span: &Span| span.file == at.file && span.start < at.end && at.start < span.end;
        let callers = self.0.iter().filter(|(span, ..)| here(span));
        callers.fold(problem, |problem, (_, name, place)| {
            problem.also(*place, format!("`{name}` is given here"))
        })
    }
}
