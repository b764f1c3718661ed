mod hostile;
mod mistakes;
mod types;
mod values;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::source::{SourceMap, Style};

/// The file is the scalar itself, so that places are places in the text.
fn scalar(text: &str) -> (Scalar, Span) {
    let file = SourceMap::new().add("plan.yaml", text);
    let scalar = Scalar::new(text, Style::Plain);
    (scalar, Span::at(file, 0, text.len()))
}

fn parse(text: &str) -> Template {
    let (scalar, span) = scalar(text);
    Template::parse(&scalar, span).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn condition(text: &str) -> Template {
    let (scalar, span) = scalar(text);
    Template::condition(&scalar, span).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

/// What is wrong: code, the text under the label, message, help.
fn told(text: &str, problems: &[Diagnostic]) -> Vec<String> {
    let line = |problem: &Diagnostic| {
        let under = problem
            .primary
            .as_ref()
            .map_or("", |label| &text[label.span.range()]);
        let help = problem.help.as_deref().unwrap_or("-");
        format!(
            "{} at `{under}`: {} ({help})",
            problem.code.as_str(),
            problem.message
        )
    };
    problems.iter().map(line).collect()
}

fn wrong(text: &str) -> Vec<String> {
    let (scalar, span) = scalar(text);
    told(
        text,
        &Template::parse(&scalar, span).expect_err(text).problems,
    )
}

fn wrong_condition(text: &str) -> Vec<String> {
    let (scalar, span) = scalar(text);
    told(
        text,
        &Template::condition(&scalar, span).expect_err(text).problems,
    )
}

/// Names by their dotted form. `?` stands for unknown, `!` for missing.
struct Names(BTreeMap<&'static str, Json>, Option<bool>);

impl Lookup for Names {
    fn get(&self, root: &str, key: &[String]) -> Found {
        let name = key
            .iter()
            .fold(root.to_owned(), |name, part| format!("{name}.{part}"));
        match self.0.get(name.as_str()) {
            Some(Json::String(text)) if text == "?" => Found::Unknown(name),
            Some(Json::String(text)) if text == "!" => Found::Missing("it was skipped".to_owned()),
            Some(value) => Found::Known(value.clone()),
            None => Found::Missing(format!("`{name}` is not there")),
        }
    }

    fn failure(&self) -> Option<bool> {
        self.1
    }
}

fn names() -> Names {
    Names(
        BTreeMap::from([
            ("inputs.to", json!("1.6.14")),
            ("inputs.list", json!(["shop", "pay"])),
            ("inputs.map", json!({"a": {"b": 7}})),
            ("inputs.n", json!(3)),
            ("inputs.on", json!(true)),
            ("inputs.later", json!("?")),
            ("steps.ready.outputs.pods", json!("?")),
            ("steps.wait-ready.outputs.pods", json!(["istiod-1"])),
            ("steps.wait-ready.outcome", json!("succeeded")),
            ("steps.off.outputs.x", json!("!")),
            ("namespace", json!("shop")),
        ]),
        Some(true),
    )
}

fn value(text: &str) -> Json {
    match parse(text).eval(&names()) {
        Ok(Evaluated::Known(value)) => value,
        other => panic!("{text}: {other:?}"),
    }
}

fn fails(text: &str) -> String {
    let problem = parse(text).eval(&names()).expect_err(text);
    told(text, &[*problem]).remove(0)
}

struct Declared;

impl Types for Declared {
    fn type_of(&self, root: &str, key: &[String]) -> Type {
        match (root, key.last().map_or("", String::as_str)) {
            ("inputs", "from" | "to") => Type::Version,
            ("inputs", "list") => Type::List,
            ("inputs", "n") => Type::Number,
            ("inputs", "on") => Type::Bool,
            ("inputs", "text") => Type::String,
            ("steps", "outcome") => Type::Outcome,
            _ => Type::Unknown,
        }
    }
}
