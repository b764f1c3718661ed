//! The types of expressions, as far as they can be told without values.

use std::fmt;

use minijinja::machinery::ast::{
    BinOp, BinOpKind, CallArg, Compare, CompareOpKind, Const, Expr, Spanned, UnaryOpKind,
};
use minijinja::value::ValueKind;

use super::expression::Expression;
use super::functions;
use super::references::{self, offsets};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::mesh::version::Version;
use crate::model::Outcome;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A number.
    Number,
    /// Text.
    String,
    /// Text that names a version.
    Version,
    /// How a step ended: one of the names of [`Outcome`].
    Outcome,
    /// A list.
    List,
    /// A map.
    Map,
    /// It cannot be told.
    Unknown,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::String => "text",
            Self::Version => "a version",
            Self::Outcome => "an outcome",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Unknown => "of an unknown type",
        })
    }
}

impl Type {
    /// Whether the value is text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Version | Self::Outcome)
    }

    /// The type of either of two values.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (one, other) if one.is_text() && other.is_text() => Self::String,
            _ => Self::Unknown,
        }
    }
}

/// The types of the names in an expression.
pub trait Types {
    /// The type of a value by its name: the root, and the [key](super::Reference::key) behind it.
    fn type_of(&self, root: &str, key: &[String]) -> Type;
}

/// Infers the type of an expression, and reports what cannot be right whatever the values are.
pub(super) fn infer(
    expression: &Expression,
    types: &dyn Types,
    problems: &mut Vec<Diagnostic>,
) -> Type {
    let Ok(ast) = expression.parse() else {
        return Type::Unknown;
    };
    Inference {
        expression,
        types,
        problems,
    }
    .of(&ast)
}

struct Inference<'a> {
    expression: &'a Expression,
    types: &'a dyn Types,
    problems: &'a mut Vec<Diagnostic>,
}

impl Inference<'_> {
    fn of(&mut self, expr: &Expr<'_>) -> Type {
        if let Some((root, path)) = references::reference(expr) {
            return match references::key_of(&root, &path) {
                (key, []) => self.types.type_of(&root, key),
                _ => Type::Unknown,
            };
        }
        match expr {
            Expr::Const(constant) => constant_type(constant),
            Expr::UnaryOp(op) => {
                let inner = self.of(&op.expr);
                match op.op {
                    UnaryOpKind::Not => Type::Bool,
                    UnaryOpKind::Neg => {
                        self.number(inner, &op.expr);
                        Type::Number
                    }
                }
            }
            Expr::BinOp(op) => self.binary(op),
            Expr::Compare(compare) => self.compare(compare),
            Expr::IfExpr(choice) => {
                self.of(&choice.test_expr);
                let one = self.of(&choice.true_expr);
                match &choice.false_expr {
                    Some(other) => one.or(self.of(other)),
                    None => Type::Unknown,
                }
            }
            Expr::Filter(filter) => {
                let input = filter.expr.as_ref().map_or(Type::Unknown, |e| self.of(e));
                let fallback = filter.args.first().map(|arg| self.argument(arg));
                filtered(filter.name, input, fallback)
            }
            Expr::Test(test) => {
                let input = self.of(&test.expr);
                if let ("ge" | "gt" | "le" | "lt", [CallArg::Pos(bound)]) =
                    (test.name, test.args.as_slice())
                {
                    let other = self.of(bound);
                    self.order((&test.expr, input), (bound, other));
                }
                if test.name == "version" && !input.is_text() && input != Type::Unknown {
                    self.wrong(
                        &test.expr,
                        format!("a version is text, and this is {input}"),
                    );
                }
                Type::Bool
            }
            Expr::Slice(slice) => self.of(&slice.expr),
            Expr::List(_) | Expr::Tuple(_) => Type::List,
            Expr::Map(_) => Type::Map,
            Expr::Call(_) => Type::Bool,
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => Type::Unknown,
        }
    }

    fn argument(&mut self, arg: &CallArg<'_>) -> Type {
        match arg {
            CallArg::Pos(expr) => self.of(expr),
            _ => Type::Unknown,
        }
    }

    fn binary(&mut self, op: &Spanned<BinOp<'_>>) -> Type {
        let left = self.of(&op.left);
        let right = self.of(&op.right);
        match op.op {
            BinOpKind::Eq | BinOpKind::Ne => self.equality((&op.left, left), (&op.right, right)),
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => {
                self.order((&op.left, left), (&op.right, right));
            }
            BinOpKind::In => {
                if let (Type::Outcome, Expr::List(list)) = (left, &op.right) {
                    for item in &list.items {
                        self.no_outcome(item);
                    }
                }
            }
            BinOpKind::ScAnd | BinOpKind::ScOr => return left.or(right),
            BinOpKind::Concat => return Type::String,
            BinOpKind::Add | BinOpKind::Mul => return self.sum(op, left, right),
            BinOpKind::Sub
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem
            | BinOpKind::Pow => {
                self.number(left, &op.left);
                self.number(right, &op.right);
                return Type::Number;
            }
        }
        Type::Bool
    }

    /// `+` joins numbers, texts or lists; `*` also repeats a text or a list.
    fn sum(&mut self, op: &Spanned<BinOp<'_>>, left: Type, right: Type) -> Type {
        let repeats = matches!(op.op, BinOpKind::Mul);
        let joined = left.or(right);
        let fits = match (left, right) {
            (Type::Unknown, _) | (_, Type::Unknown) | (Type::Number, Type::Number) => true,
            (Type::List, Type::List) => !repeats,
            (one, other) if one.is_text() && other.is_text() => !repeats,
            (Type::Number, other) | (other, Type::Number) => {
                repeats && (other.is_text() || other == Type::List)
            }
            _ => false,
        };
        if !fits {
            let sign = if repeats { "*" } else { "+" };
            let span = self.expression.at(&offsets(op.span()));
            let problem = Diagnostic::new(
                Code::ExpressionType,
                format!("`{sign}` between {left} and {right}"),
            )
            .at(span, "cannot be computed");
            self.problems.push(if repeats {
                problem
            } else {
                problem.help("`~` joins anything as text")
            });
        }
        match joined {
            Type::Version | Type::Outcome => Type::String,
            other => other,
        }
    }

    fn compare(&mut self, compare: &Spanned<Compare<'_>>) -> Type {
        let mut left = &compare.expr;
        for op in &compare.ops {
            let one = (left, self.of(left));
            let other = (&op.expr, self.of(&op.expr));
            match op.op {
                CompareOpKind::Eq | CompareOpKind::Ne => self.equality(one, other),
                CompareOpKind::In | CompareOpKind::NotIn => {}
                _ => self.order(one, other),
            }
            left = &op.expr;
        }
        Type::Bool
    }

    /// `==` between types that are never equal, and with an outcome that does not exist.
    fn equality(&mut self, left: (&Expr<'_>, Type), right: (&Expr<'_>, Type)) {
        for ((_, one), (expr, _)) in [(left, right), (right, left)] {
            if one == Type::Outcome && self.no_outcome(expr) {
                return;
            }
        }
        let (one, other) = (left.1, right.1);
        let apart = one != other
            && !(one.is_text() && other.is_text())
            && !matches!((one, other), (Type::Unknown, _) | (_, Type::Unknown));
        if apart {
            self.wrong(right.0, format!("{one} never equals {other}"));
        }
    }

    /// Reports the text of an outcome that does not exist.
    fn no_outcome(&mut self, expr: &Expr<'_>) -> bool {
        let names = Outcome::ALL.map(Outcome::as_str);
        let Some(name) = literal(expr).filter(|name| !names.contains(name)) else {
            return false;
        };
        let span = self.expression.at(&offsets(expr.span()));
        let message = format!("no step ever ends as `{name}`");
        let problem = Diagnostic::new(Code::ExpressionType, message).at(span, "not an outcome");
        let problem = match suggest::closest(name, names) {
            Some(_) => problem.suggest(name, names),
            None => problem.help(format!("the outcomes are {}", names.join(", "))),
        };
        self.problems.push(problem);
        true
    }

    /// `<` and its like: never between versions, and only within one type.
    fn order(&mut self, left: (&Expr<'_>, Type), right: (&Expr<'_>, Type)) {
        let range = offsets(left.0.span()).start..offsets(right.0.span()).end;
        let written =
            |expr: &Expr<'_>| literal(expr).is_some_and(|text| text.parse::<Version>().is_ok());
        let versions = left.1 == Type::Version
            || right.1 == Type::Version
            || (written(left.0) && right.1 != Type::Number)
            || (written(right.0) && left.1 != Type::Number);
        if versions {
            let problem = Diagnostic::new(
                Code::VersionComparison,
                "versions are compared as text here: `1.9` would come after `1.10`",
            )
            .at(self.expression.at(&range), "not an order of versions")
            .help("write `… is version('>= 1.10')`");
            return self.problems.push(problem);
        }
        let (one, other) = (left.1, right.1);
        let ordered = |kind: Type| matches!(kind, Type::Unknown | Type::Number) || kind.is_text();
        let same = one == other
            || one == Type::Unknown
            || other == Type::Unknown
            || (one.is_text() && other.is_text());
        if !ordered(one) || !ordered(other) || !same {
            self.wrong(right.0, format!("{one} and {other} have no order"));
        }
    }

    fn number(&mut self, found: Type, expr: &Expr<'_>) {
        if !matches!(found, Type::Number | Type::Unknown) {
            self.wrong(expr, format!("a number is wanted, and this is {found}"));
        }
    }

    fn wrong(&mut self, expr: &Expr<'_>, message: String) {
        let span = self.expression.at(&offsets(expr.span()));
        let problem = Diagnostic::new(Code::ExpressionType, message).at(span, "has the wrong type");
        self.problems.push(problem);
    }
}

/// The text of a string literal.
fn literal<'e>(expr: &'e Expr<'_>) -> Option<&'e str> {
    match expr {
        Expr::Const(constant) => constant.value.as_str(),
        _ => None,
    }
}

fn constant_type(constant: &Spanned<Const>) -> Type {
    match constant.value.kind() {
        ValueKind::Bool => Type::Bool,
        ValueKind::Number => Type::Number,
        ValueKind::String => Type::String,
        ValueKind::Seq | ValueKind::Iterable => Type::List,
        ValueKind::Map => Type::Map,
        _ => Type::Unknown,
    }
}

/// What a filter makes of its input; `fallback` is the type of its first argument.
fn filtered(name: &str, input: Type, fallback: Option<Type>) -> Type {
    match name {
        name if functions::is_default(name) => input.or(fallback.unwrap_or(Type::String)),
        "abs" | "count" | "float" | "int" | "length" | "round" | "sum" => Type::Number,
        "bool" => Type::Bool,
        "dns_label" | "join" | "lower" | "replace" | "string" | "title" | "tojson" | "trim"
        | "upper" => Type::String,
        "items" | "list" | "map" | "reject" | "rejectattr" | "select" | "selectattr" | "sort"
        | "split" | "unique" => Type::List,
        "reverse" => input,
        _ => Type::Unknown,
    }
}
