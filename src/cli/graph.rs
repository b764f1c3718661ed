//! `plan graph`: the graph, drawn.

use std::collections::BTreeMap;

use super::args::{GraphArgs, GraphFormat};
use super::error::CliError;
use super::exit::Exit;
use super::load::{judge, load, slice};
use super::stdout;
use crate::check::Purpose;
use crate::graph::{Format, render};

/// Draws the plan. What depends on inputs or the cluster is drawn as `migrate[*]`.
pub(super) fn run(args: &GraphArgs) -> Result<Exit, CliError> {
    let loaded = load(&args.plan, Purpose::Graph)?;
    let checked = loaded.check(None, &BTreeMap::new(), &slice(&args.slice));
    judge(&checked.diagnostics, &checked.sources)?;
    let format = match args.format {
        GraphFormat::Text => Format::Text,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Json => Format::Json,
    };
    stdout(&render(&checked.drawing, format, args.why))?;
    Ok(Exit::Done)
}
