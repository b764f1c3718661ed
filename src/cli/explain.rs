//! `plan explain`: a step kind, a diagnostic code, expressions, the exit codes, the lab and its rehearsals.

use std::str::FromStr as _;

use super::args::ExplainArgs;
use super::error::CliError;
use super::exit::Exit;
use super::stdout;
use crate::diagnostic::Code;
use crate::diagnostic::suggest::closest;
use crate::model::Kind;
use crate::model::schema::explain_kind;
use crate::template;

/// Prints the page of a topic, or the list of topics.
pub(super) fn run(args: &ExplainArgs) -> Result<Exit, CliError> {
    let Some(topic) = &args.topic else {
        stdout(&index())?;
        return Ok(Exit::Done);
    };
    let page = if let Some(kind) = Kind::from_name(topic) {
        explain_kind(kind)
    } else if let Ok(code) = Code::from_str(&topic.to_uppercase()) {
        code.explain().to_owned()
    } else if topic == "expressions" {
        template::explain()
    } else if topic == "lab" {
        super::scenario::explain()
    } else if topic == "rehearse" {
        super::rehearse::explain()
    } else if topic == "exit-codes" {
        exit_codes()
    } else {
        return Err(unknown(topic));
    };
    stdout(&page)?;
    Ok(Exit::Done)
}

fn index() -> String {
    let kinds = Kind::ALL
        .iter()
        .map(|kind| format!("  {}\n", kind.as_str()));
    let codes = Code::ALL.iter().map(|code| {
        format!(
            "  {code}  {:<7}  {}\n",
            code.severity().as_str(),
            code.title()
        )
    });
    let heading = |text: &str| std::iter::once(format!("{text}\n"));
    heading("Step kinds:")
        .chain(kinds)
        .chain(heading("\nDiagnostics:"))
        .chain(codes)
        .chain(heading("\nAlso: expressions, exit-codes, lab, rehearse"))
        .collect()
}

fn exit_codes() -> String {
    let rows = Exit::ALL
        .iter()
        .map(|exit| format!("{:>3}  {}\n", exit.code(), exit.meaning()));
    std::iter::once("# Exit codes\n\n".to_owned())
        .chain(rows)
        .collect()
}

fn unknown(topic: &str) -> CliError {
    let names = Kind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .chain(Code::ALL.iter().map(|code| code.as_str()))
        .chain(["expressions", "exit-codes", "lab", "rehearse"]);
    let error = CliError::usage(format!("there is nothing to explain about `{topic}`"));
    match closest(topic, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`plan explain` lists every topic"),
    }
}
