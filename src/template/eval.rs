//! Evaluation with the values that are known: what depends on an unknown one is unknown.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::machinery::ast::{BinOpKind, Expr, UnaryOpKind};
use minijinja::machinery::{self, CodeGenerator};
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Error, ErrorKind, Value};
use serde_json::{Map, Value as Json};

use super::expression::Expression;
use super::{Form, Part, Template, functions, limits, references};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// This value.
    Known(Json),
    /// A value that is not known yet; why, for people: "`inputs.to` has no value yet".
    Unknown(String),
    /// No value, and there will be none; why: "step `a` was skipped". An error, unless `default()` is used.
    Missing(String),
}

/// The values of the names in an expression.
pub trait Lookup {
    /// The value of a name: its root, and the [key](super::Reference::key) behind it.
    fn get(&self, root: &str, key: &[String]) -> Found;

    /// Hears what became of an expression whose names were just looked up: its value, where that is known.
    fn made(&self, _expression: &str, _value: Option<&Json>) {}

    /// Whether one of the step's needs failed; `None` as long as that is not known.
    fn failure(&self) -> Option<bool> {
        None
    }
}

/// The value of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluated {
    /// This value.
    Known(Json),
    /// It depends on what is not known yet; what, each once.
    Unknown(Vec<String>),
}

impl Evaluated {
    /// The value, where it is known.
    pub fn known(self) -> Option<Json> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

type Outcome<T> = Result<T, Box<Diagnostic>>;

/// Evaluates a template.
pub(super) fn eval(template: &Template, lookup: &dyn Lookup) -> Outcome<Evaluated> {
    if let Some(expression) = template.whole() {
        let value = expression_value(expression, lookup)?;
        return match (template.form, &value) {
            (Form::Condition, Evaluated::Known(known)) if !known.is_boolean() => Err(problem(
                Code::WhenNotBool,
                "a condition must be true or false",
                template.span(),
                &format!("this is {}", kind_of(known)),
            )),
            _ => Ok(value),
        };
    }
    let mut text = String::new();
    let mut causes = BTreeSet::new();
    for part in &template.parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Expression(expression) => match expression_value(expression, lookup)? {
                Evaluated::Unknown(unknown) => causes.extend(unknown),
                Evaluated::Known(Json::String(part)) => text.push_str(&part),
                Evaluated::Known(Json::Null) => {}
                Evaluated::Known(other) => text.push_str(&other.to_string()),
            },
        }
        if text.len() > limits::VALUE_BYTES {
            return Err(too_large(template.span()));
        }
    }
    Ok(if causes.is_empty() {
        Evaluated::Known(Json::String(text))
    } else {
        Evaluated::Unknown(causes.into_iter().collect())
    })
}

fn expression_value(expression: &Expression, lookup: &dyn Lookup) -> Outcome<Evaluated> {
    let outcome = value_of(expression, lookup);
    let known = match &outcome {
        Ok(Evaluated::Known(value)) => Some(value),
        _ => None,
    };
    lookup.made(&expression.source, known);
    outcome
}

fn value_of(expression: &Expression, lookup: &dyn Lookup) -> Outcome<Evaluated> {
    if let Some((root, path)) = &expression.name
        && let (key, []) = references::key_of(root, path)
    {
        return match lookup.get(root, key) {
            Found::Known(value) => Ok(Evaluated::Known(value)),
            Found::Unknown(cause) => Ok(Evaluated::Unknown(vec![cause])),
            Found::Missing(why) => Err(no_value(expression, expression.span(), Some(&why))),
        };
    }
    let ast = expression.parse()?;
    let evaluation = Evaluation::new(expression, &ast, lookup);
    match evaluation.value(&ast)? {
        Three::Known(value) => {
            let mut budget = Budget::default();
            let json = budget.json(&value, 0).map_err(|fault| match fault {
                Fault::TooLarge => too_large(expression.span()),
                Fault::NoValue => no_value(expression, expression.span(), evaluation.missing()),
                Fault::NoJson => problem(
                    Code::TemplateEvaluation,
                    "an expression gives something that is no value of a plan",
                    expression.span(),
                    "this one",
                ),
            })?;
            Ok(Evaluated::Known(json))
        }
        Three::Unknown(causes) => Ok(Evaluated::Unknown(causes.into_iter().collect())),
    }
}

/// A value, or what it waits for.
enum Three {
    Known(Value),
    Unknown(BTreeSet<String>),
}

/// The evaluation of one expression.
struct Evaluation<'a> {
    expression: &'a Expression,
    context: Value,
    /// By the name as [`name`] writes it.
    unknown: BTreeMap<String, String>,
    missing: Vec<String>,
}

impl<'a> Evaluation<'a> {
    fn new(expression: &'a Expression, ast: &Expr<'_>, lookup: &dyn Lookup) -> Self {
        let mut tree = Map::new();
        let mut unknown = BTreeMap::new();
        let mut missing = Vec::new();
        let found = references::collect(ast, expression);
        for reference in &found.references {
            let key = reference.key();
            match lookup.get(&reference.root, key) {
                Found::Known(value) => plant(&mut tree, &reference.root, key, Some(value)),
                Found::Missing(why) => {
                    plant(&mut tree, &reference.root, key, None);
                    missing.push(why);
                }
                Found::Unknown(cause) => {
                    unknown.insert(name(&reference.root, key), cause);
                }
            }
        }
        let failure = lookup.failure();
        if found.failure.is_some() && failure.is_none() {
            unknown.insert(FAILURE.to_owned(), "`failure()`".to_owned());
        }
        let mut context: BTreeMap<String, Value> = tree
            .iter()
            .map(|(root, value)| (root.clone(), Value::from(Serde(value))))
            .collect();
        context.insert("always".to_owned(), Value::from_function(|| true));
        let failed = failure.unwrap_or_default();
        context.insert("failure".to_owned(), Value::from_function(move || failed));
        Self {
            expression,
            context: Value::from(context),
            unknown,
            missing,
        }
    }

    /// The value of a part of the expression. `and`, `or`, `not` and `if` do without what they do not need.
    fn value(&self, expr: &Expr<'_>) -> Outcome<Three> {
        let causes = self.causes(expr);
        if causes.is_empty() {
            return self.run(expr).map(Three::Known);
        }
        match expr {
            Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => match self.truth(&op.expr)? {
                Ok(truth) => Ok(Three::Known(Value::from(!truth))),
                Err(causes) => Ok(Three::Unknown(causes)),
            },
            Expr::BinOp(op) if matches!(op.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                let Three::Known(left) = self.value(&op.left)? else {
                    return Ok(Three::Unknown(causes));
                };
                let stops = matches!(op.op, BinOpKind::ScOr);
                if self.is_true(&left, &op.left)? == stops {
                    return Ok(Three::Known(left));
                }
                self.value(&op.right)
            }
            Expr::IfExpr(choice) => match (self.truth(&choice.test_expr)?, &choice.false_expr) {
                (Ok(true), _) => self.value(&choice.true_expr),
                (Ok(false), Some(otherwise)) => self.value(otherwise),
                (Ok(false), None) => Ok(Three::Known(Value::UNDEFINED)),
                (Err(causes), _) => Ok(Three::Unknown(causes)),
            },
            _ => Ok(Three::Unknown(causes)),
        }
    }

    fn truth(&self, expr: &Expr<'_>) -> Outcome<Result<bool, BTreeSet<String>>> {
        match self.value(expr)? {
            Three::Known(value) => self.is_true(&value, expr).map(Ok),
            Three::Unknown(causes) => Ok(Err(causes)),
        }
    }

    fn is_true(&self, value: &Value, expr: &Expr<'_>) -> Outcome<bool> {
        if value.is_undefined() {
            let span = self.expression.at(&references::offsets(expr.span()));
            return Err(no_value(self.expression, span, self.missing()));
        }
        Ok(value.is_true())
    }

    /// What a part of the expression waits for.
    fn causes(&self, expr: &Expr<'_>) -> BTreeSet<String> {
        if self.unknown.is_empty() {
            return BTreeSet::new();
        }
        let found = references::collect(expr, self.expression);
        let failure = found.failure.map(|_| FAILURE.to_owned());
        let names = found.references.iter().map(|r| name(&r.root, r.key()));
        names
            .chain(failure)
            .filter_map(|name| self.unknown.get(&name).cloned())
            .collect()
    }

    /// Runs a part of the expression whose names are all known.
    fn run(&self, expr: &Expr<'_>) -> Outcome<Value> {
        let mut code = CodeGenerator::new("", &self.expression.source);
        code.compile_expr(expr);
        let (instructions, blocks) = code.finish();
        let mut sink = String::new();
        machinery::eval(
            functions::environment(),
            &instructions,
            self.context.clone(),
            &blocks,
            &mut machinery::make_string_output(&mut sink),
            AutoEscape::None,
        )
        .and_then(|(value, _)| {
            value.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no value"))
        })
        .map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &Error) -> Box<Diagnostic> {
        let span = match error.range() {
            Some(range) if !range.is_empty() => self.expression.at(&range),
            _ => self.expression.span(),
        };
        match error.kind() {
            ErrorKind::UndefinedError => no_value(self.expression, span, self.missing()),
            ErrorKind::OutOfFuel => problem(
                Code::TemplateEvaluation,
                &format!(
                    "an expression does too much: the limit is {} units of work",
                    limits::FUEL
                ),
                span,
                "here",
            ),
            kind => {
                let detail = error
                    .detail()
                    .map_or_else(|| kind.to_string(), str::to_owned);
                let message = format!("an expression cannot be evaluated: {detail}");
                problem(Code::TemplateEvaluation, &message, span, "here")
            }
        }
    }

    fn missing(&self) -> Option<&str> {
        self.missing.first().map(String::as_str)
    }
}

/// The name of `failure()` among the unknown ones; no root can have it.
const FAILURE: &str = "failure()";

fn name(root: &str, key: &[String]) -> String {
    key.iter().fold(root.to_owned(), |mut name, part| {
        name.push('\u{0}');
        name.push_str(part);
        name
    })
}

/// Puts a value at its path; without one, makes the maps above it, so that only the last part is undefined.
fn plant(tree: &mut Map<String, Json>, root: &str, key: &[String], value: Option<Json>) {
    let Some((last, above)) = key.split_last() else {
        if let Some(value) = value {
            tree.insert(root.to_owned(), value);
        }
        return;
    };
    let mut at = tree;
    for part in std::iter::once(root).chain(above.iter().map(String::as_str)) {
        let next = at.entry(part).or_insert_with(|| Json::Object(Map::new()));
        match next {
            Json::Object(map) => at = map,
            _ => return,
        }
    }
    if let Some(value) = value {
        at.insert(last.clone(), value);
    }
}

/// Why a value of the engine is no JSON.
enum Fault {
    TooLarge,
    NoValue,
    NoJson,
}

/// What a value may still take while it is turned into JSON: lists of the engine may be lazy and huge.
struct Budget {
    items: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            items: limits::VALUE_ITEMS,
            bytes: limits::VALUE_BYTES,
        }
    }
}

impl Budget {
    fn json(&mut self, value: &Value, depth: usize) -> Result<Json, Fault> {
        self.items = self.items.checked_sub(1).ok_or(Fault::TooLarge)?;
        if depth > limits::VALUE_DEPTH {
            return Err(Fault::TooLarge);
        }
        match value.kind() {
            ValueKind::Undefined => Err(Fault::NoValue),
            ValueKind::None => Ok(Json::Null),
            ValueKind::Bool => Ok(Json::Bool(value.is_true())),
            ValueKind::Number => number(value).ok_or(Fault::NoJson),
            ValueKind::String => self
                .text(value.as_str().unwrap_or_default())
                .map(Json::String),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter().map_err(|_| Fault::NoJson)?;
                let items = items.map(|item| self.json(&item, depth + 1));
                items.collect::<Result<_, _>>().map(Json::Array)
            }
            ValueKind::Map => {
                let mut map = Map::new();
                for key in value.try_iter().map_err(|_| Fault::NoJson)? {
                    let name = self.text(key.as_str().ok_or(Fault::NoJson)?)?;
                    let item = value.get_item(&key).map_err(|_| Fault::NoJson)?;
                    map.insert(name, self.json(&item, depth + 1)?);
                }
                Ok(Json::Object(map))
            }
            _ => Err(Fault::NoJson),
        }
    }

    fn text(&mut self, text: &str) -> Result<String, Fault> {
        self.bytes = self.bytes.checked_sub(text.len()).ok_or(Fault::TooLarge)?;
        Ok(text.to_owned())
    }
}

fn number(value: &Value) -> Option<Json> {
    if value.is_integer() {
        return match i64::try_from(value.clone()) {
            Ok(number) => Some(Json::from(number)),
            Err(_) => u64::try_from(value.clone()).ok().map(Json::from),
        };
    }
    let float = f64::try_from(value.clone()).ok()?;
    serde_json::Number::from_f64(float).map(Json::Number)
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

fn too_large(span: Span) -> Box<Diagnostic> {
    let message = format!(
        "a template makes a value that is too large: the limits are {} bytes and {} items",
        limits::VALUE_BYTES,
        limits::VALUE_ITEMS
    );
    problem(Code::TemplateEvaluation, &message, span, "here")
}

fn no_value(expression: &Expression, span: Span, why: Option<&str>) -> Box<Diagnostic> {
    let message = why.map_or_else(
        || format!("`{}` has no value", expression.source),
        |why| format!("`{}` has no value: {why}", expression.source),
    );
    let mut diagnostic = problem(Code::TemplateEvaluation, &message, span, "");
    diagnostic.help = Some("where that may be, use `… | default('…')`".to_owned());
    diagnostic
}

fn problem(code: Code, message: &str, span: Span, label: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(code, message).at(span, label))
}
