//! Which names an expression refers to, and what it calls.

use std::ops::Range;

use minijinja::machinery::Span as Offsets;
use minijinja::machinery::ast::{Call, CallArg, Expr};
use minijinja::value::ValueKind;

use super::expression::Expression;
use super::functions::{self, FILTERS, FUNCTIONS, TESTS};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::source::Span;

/// The names that every expression knows; any other is the `as` variable of a group.
pub const ROOTS: [&str; 4] = ["inputs", "cluster", "run", "steps"];
/// The words that an expression reads as something else than a name.
pub const WORDS: [&str; 12] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "always", "failure",
];
/// What `cluster` has: its name, its labels, the version of its API server.
pub const CLUSTER_FIELDS: [&str; 3] = ["name", "labels", "version"];
/// What `run` has.
pub const RUN_FIELDS: [&str; 1] = ["id"];

/// A name in an expression: `inputs.to`, `steps.ready.outputs.pods`, `namespace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its first part.
    pub root: String,
    /// The parts that follow, as far as they are written out; parts of a value (`inputs.map.key`) included.
    pub path: Vec<String>,
    /// Its place in the file.
    pub span: Span,
    /// Whether `default()`, `is defined` or `is undefined` takes care of it where it has no value.
    pub defaulted: bool,
}

impl Reference {
    /// How many parts of the path name the value; those behind it lead into the value.
    fn naming(root: &str, path: &[String]) -> usize {
        match root {
            "inputs" | "cluster" | "run" => 1,
            "steps" if path.get(1).is_some_and(|part| part == "outcome") => 2,
            "steps" => 3,
            _ => 0,
        }
    }

    /// The part of the path that names the value: `[to]`, `[ready, outputs, pods]`, `[ready, outcome]`; nothing for a
    /// variable.
    pub fn key(&self) -> &[String] {
        &self.path[..Self::naming(&self.root, &self.path).min(self.path.len())]
    }

    /// The step of `steps.X`.
    pub fn step(&self) -> Option<&str> {
        (self.root == "steps").then(|| self.path.first().map(String::as_str))?
    }

    /// The output of `steps.X.outputs.Y`.
    pub fn output(&self) -> Option<&str> {
        match self.key() {
            [_, _, output] if self.root == "steps" => Some(output),
            _ => None,
        }
    }
}

/// What an expression was found to use.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) references: Vec<Reference>,
    /// Where `always()` is called.
    pub(super) always: Option<Span>,
    /// Where `failure()` is called.
    pub(super) failure: Option<Span>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Walks an expression.
pub(super) fn collect(ast: &Expr<'_>, expression: &Expression) -> Found {
    let mut walk = Walk {
        expression,
        found: Found::default(),
    };
    walk.expr(ast, false);
    walk.found
}

struct Walk<'a> {
    expression: &'a Expression,
    found: Found,
}

impl Walk<'_> {
    fn expr(&mut self, expr: &Expr<'_>, defaulted: bool) {
        if let Some(chain) = Chain::of(expr) {
            return self.chain(chain, defaulted);
        }
        match expr {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expr(&slice.expr, false);
                for part in [&slice.start, &slice.stop, &slice.step]
                    .into_iter()
                    .flatten()
                {
                    self.expr(part, false);
                }
            }
            Expr::UnaryOp(op) => self.expr(&op.expr, false),
            Expr::BinOp(op) => {
                self.expr(&op.left, false);
                self.expr(&op.right, false);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr, false);
                compare.ops.iter().for_each(|op| self.expr(&op.expr, false));
            }
            Expr::IfExpr(choice) => {
                self.expr(&choice.test_expr, false);
                self.expr(&choice.true_expr, false);
                if let Some(otherwise) = &choice.false_expr {
                    self.expr(otherwise, false);
                }
            }
            Expr::Filter(filter) => {
                let names = FILTERS.iter().map(|(name, _)| *name);
                self.known("filter", filter.name, names, &offsets(filter.span()));
                if let Some(inner) = &filter.expr {
                    self.expr(inner, functions::is_default(filter.name));
                }
                self.named_argument(filter.name, &filter.args, &offsets(filter.span()));
                self.args(&filter.args);
            }
            Expr::Test(test) => {
                let names = TESTS.iter().map(|(name, _)| *name);
                self.known("test", test.name, names, &offsets(test.span()));
                self.expr(&test.expr, matches!(test.name, "defined" | "undefined"));
                self.version_argument(test.name, &test.args, &offsets(test.span()));
                self.args(&test.args);
            }
            Expr::GetAttr(get) => self.expr(&get.expr, false),
            Expr::GetItem(get) => {
                self.expr(&get.expr, false);
                self.expr(&get.subscript_expr, false);
            }
            Expr::Call(call) => self.call(call, &offsets(call.span())),
            Expr::List(list) => list.items.iter().for_each(|item| self.expr(item, false)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expr(item, false)),
            Expr::Map(map) => map
                .keys
                .iter()
                .chain(&map.values)
                .for_each(|item| self.expr(item, false)),
        }
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            match arg {
                CallArg::Pos(expr)
                | CallArg::Kwarg(_, expr)
                | CallArg::PosSplat(expr)
                | CallArg::KwargSplat(expr) => self.expr(expr, false),
            }
        }
    }

    fn call(&mut self, call: &Call<'_>, range: &Range<usize>) {
        self.args(&call.args);
        let span = self.expression.at(range);
        match &call.expr {
            Expr::Var(var) if FUNCTIONS.iter().any(|(name, _)| *name == var.id) => {
                if !call.args.is_empty() {
                    let message = format!("`{}()` takes no arguments", var.id);
                    self.problem(Code::TemplateSyntax, message, span, "here");
                }
                let place = if var.id == "always" {
                    &mut self.found.always
                } else {
                    &mut self.found.failure
                };
                *place = place.or(Some(span));
            }
            Expr::Var(var) => {
                let names = FUNCTIONS.iter().map(|(name, _)| *name);
                self.known("function", var.id, names, range);
            }
            other => {
                self.expr(
                    match other {
                        Expr::GetAttr(get) => &get.expr,
                        other => other,
                    },
                    false,
                );
                self.found.problems.push(
                    Diagnostic::new(Code::UnknownFunction, "values have no methods")
                        .at(span, "is called here")
                        .help("use a filter, such as `value | lower`"),
                );
            }
        }
    }

    /// Reports a filter, test or function that is not among the known ones.
    fn known<'n>(
        &mut self,
        what: &str,
        name: &str,
        names: impl Iterator<Item = &'n str> + Clone,
        range: &Range<usize>,
    ) {
        if names.clone().any(|known| known == name) {
            return;
        }
        let place = self.word(name, range);
        let problem = Diagnostic::new(Code::UnknownFunction, format!("unknown {what} `{name}`"))
            .at(place, format!("there is no such {what}"))
            .suggest(name, names.clone());
        let help = match problem.help {
            None if what == "function" => meant(name),
            None => format!("there are: {}", names.collect::<Vec<_>>().join(", ")),
            Some(ref help) => help.clone(),
        };
        self.found.problems.push(problem.help(help));
    }

    /// `map('lower')`, `select('version', '>= 1.10')`: the first argument names a filter or test.
    fn named_argument(&mut self, filter: &str, args: &[CallArg<'_>], range: &Range<usize>) {
        let position = match filter {
            "map" | "select" | "reject" => 0,
            "selectattr" | "rejectattr" => 1,
            _ => return,
        };
        let Some(CallArg::Pos(Expr::Const(name))) = args.get(position) else {
            return;
        };
        let Some(name) = name.value.as_str() else {
            return;
        };
        if filter == "map" {
            self.known("filter", name, FILTERS.iter().map(|(name, _)| *name), range);
        } else {
            self.known("test", name, TESTS.iter().map(|(name, _)| *name), range);
            self.version_argument(name, &args[position + 1..], range);
        }
    }

    /// The requirement of `is version('…')`, where it is written out.
    fn version_argument(&mut self, test: &str, args: &[CallArg<'_>], range: &Range<usize>) {
        if test != "version" {
            return;
        }
        let span = self.expression.at(range);
        match args {
            [CallArg::Pos(Expr::Const(wanted))] if wanted.value.kind() == ValueKind::String => {
                let requirement = wanted.value.as_str().unwrap_or_default();
                if let Err(error) = functions::Requirement::parse(requirement) {
                    let span = self.expression.at(&offsets(wanted.span()));
                    self.problem(Code::TemplateSyntax, error, span, "not a requirement");
                }
            }
            [CallArg::Pos(other)] if !matches!(other, Expr::Const(_)) => {}
            _ => self.problem(
                Code::TemplateSyntax,
                "`version` takes one requirement in quotes, such as `version('>= 1.10')`",
                span,
                "here",
            ),
        }
    }

    /// Records a name, and says what it lacks.
    fn chain(&mut self, chain: Chain, defaulted: bool) {
        let Chain { root, path, range } = chain;
        let span = self.expression.at(&range);
        if FUNCTIONS.iter().any(|(name, _)| *name == root) {
            let message = format!("`{root}` is a function");
            return self.found.problems.push(
                Diagnostic::new(Code::TemplateSyntax, message)
                    .at(span, "is not called")
                    .help(format!("write `{root}()`")),
            );
        }
        if let Some(problem) = incomplete(&root, &path) {
            return self.found.problems.push(problem.at(span, "here"));
        }
        let named = Reference::naming(&root, &path) == path.len();
        self.found.references.push(Reference {
            root,
            path,
            span,
            defaulted: defaulted && named,
        });
    }

    /// The place of a word in a range, from its end: the name of `x | name` or `x is name`.
    fn word(&self, word: &str, range: &Range<usize>) -> Span {
        let text = self.expression.slice(range);
        match text.rfind(word) {
            Some(found) => {
                let start = range.start + found;
                self.expression.at(&(start..start + word.len()))
            }
            None => self.expression.at(range),
        }
    }

    fn problem(&mut self, code: Code, message: impl Into<String>, span: Span, label: &str) {
        self.found
            .problems
            .push(Diagnostic::new(code, message).at(span, label));
    }
}

/// What to write for a function that other languages have.
fn meant(function: &str) -> String {
    let folded = function.to_lowercase();
    match folded.as_str() {
        "success" => "a step runs only after its needs have succeeded: leave it out".to_owned(),
        "contains" => "write `'part' in text`".to_owned(),
        "startswith" => "write `text is startingwith('…')`".to_owned(),
        "endswith" => "write `text is endingwith('…')`".to_owned(),
        "len" => "write `value | length`".to_owned(),
        name if FILTERS.iter().any(|(filter, _)| *filter == name) => {
            format!("it is a filter: write `value | {name}`")
        }
        _ => "there are only `always()` and `failure()`, for `when`".to_owned(),
    }
}

/// What is missing in a name, or wrong with its second part.
fn incomplete(root: &str, path: &[String]) -> Option<Diagnostic> {
    let unknown = |message: String| Some(Diagnostic::new(Code::UnknownVariable, message));
    let one_of = |fields: &[&str], part: &str| {
        let problem = Diagnostic::new(Code::UnknownVariable, format!("`{root}` has no `{part}`"));
        Some(match suggest::closest(part, fields.iter().copied()) {
            Some(_) => problem.suggest(part, fields.iter().copied()),
            None => problem.help(format!("it has: {}", fields.join(", "))),
        })
    };
    match (root, path) {
        ("inputs", []) => unknown("`inputs` lacks a name: write `inputs.NAME`".to_owned()),
        ("cluster", []) => unknown("`cluster` lacks a name: write `cluster.name`".to_owned()),
        ("run", []) => unknown("`run` lacks a name: write `run.id`".to_owned()),
        ("cluster", [part, ..]) if !CLUSTER_FIELDS.contains(&part.as_str()) => {
            one_of(&CLUSTER_FIELDS, part)
        }
        ("run", [part, ..]) if !RUN_FIELDS.contains(&part.as_str()) => one_of(&RUN_FIELDS, part),
        ("steps", []) => unknown("`steps` lacks a name: write `steps.ID.outcome`".to_owned()),
        ("steps", [step]) => unknown(format!(
            "`steps.{step}` is no value: it has `outcome` and `outputs.NAME`"
        )),
        ("steps", [step, part]) if part == "outputs" => unknown(format!(
            "`steps.{step}.outputs` lacks a name: write `steps.{step}.outputs.NAME`"
        )),
        ("steps", [_, part, ..]) if part != "outcome" && part != "outputs" => Some(
            Diagnostic::new(Code::UnknownVariable, format!("a step has no `{part}`"))
                .help("it has `outcome` and `outputs.NAME`"),
        ),
        _ => None,
    }
}

/// A name with the parts behind it: `a.b['c']`.
struct Chain {
    root: String,
    path: Vec<String>,
    range: Range<usize>,
}

impl Chain {
    /// The chain that an expression is, where it is one.
    fn of(expr: &Expr<'_>) -> Option<Self> {
        match expr {
            Expr::Var(var) => Some(Self {
                root: var.id.to_owned(),
                path: Vec::new(),
                range: offsets(var.span()),
            }),
            Expr::GetAttr(get) => Self::of(&get.expr)?.then(get.name, get.span()),
            Expr::GetItem(get) => match &get.subscript_expr {
                Expr::Const(part) if part.value.kind() == ValueKind::String => {
                    Self::of(&get.expr)?.then(part.value.as_str()?, get.span())
                }
                _ => None,
            },
            _ => None,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "ends a chain of options")]
    fn then(mut self, part: &str, span: Offsets) -> Option<Self> {
        self.path.push(part.to_owned());
        self.range.end = offsets(span).end;
        Some(self)
    }
}

/// The reference that an expression is, where it is one: its root and path.
pub(super) fn reference(expr: &Expr<'_>) -> Option<(String, Vec<String>)> {
    Chain::of(expr).map(|chain| (chain.root, chain.path))
}

/// The key of a reference and what follows it.
pub(super) fn key_of<'p>(root: &str, path: &'p [String]) -> (&'p [String], &'p [String]) {
    path.split_at(Reference::naming(root, path).min(path.len()))
}

/// A span of the parser as a range of bytes.
pub(super) fn offsets(span: Offsets) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}
