//! `plan validate`: diagnostics, and nothing else.

use super::args::{Deny, DiagnosticFormat, ValidateArgs};
use super::error::CliError;
use super::exit::Exit;
use super::load::{blame, load_file};
use super::{stdout, style};
use crate::check::{Purpose, Slice};
use crate::diagnostic::{Diagnostics, Format, render};
use crate::model::counted;
use crate::source::SourceMap;

/// Checks each plan; 3 where one is invalid.
pub(super) fn run(args: &ValidateArgs) -> Result<Exit, CliError> {
    let mut worst = Exit::Done;
    let mut documents = Vec::new();
    let mut denials = false;
    for file in &args.files {
        let loaded = load_file(file, &args.set, &args.inputs, Purpose::Validate)?;
        let checked = loaded.check(None, &std::collections::BTreeMap::new(), &Slice::default());
        let warnings = checked.diagnostics.warning_count();
        let denied = args.deny == Some(Deny::Warnings) && warnings > 0;
        if checked.diagnostics.has_errors() {
            worst = blame(&checked.diagnostics);
        } else if denied {
            worst = Exit::Invalid;
        }
        show(
            args.format,
            &checked.diagnostics,
            &checked.sources,
            &mut documents,
        )?;
        if args.format == DiagnosticFormat::Full {
            summary(&file.display().to_string(), &checked.diagnostics);
        }
        denials |= denied;
    }
    if !documents.is_empty() {
        stdout(&merged(&documents))?;
    }
    if denials
        && matches!(
            args.format,
            DiagnosticFormat::Full | DiagnosticFormat::Concise
        )
    {
        say!("warnings are denied");
    }
    Ok(worst)
}

fn show(
    format: DiagnosticFormat,
    diagnostics: &Diagnostics,
    sources: &SourceMap,
    documents: &mut Vec<String>,
) -> Result<(), CliError> {
    let chosen = match format {
        DiagnosticFormat::Full => Format::Full,
        DiagnosticFormat::Concise => Format::Concise,
        DiagnosticFormat::Json => Format::Json,
        DiagnosticFormat::Github => Format::Github,
        DiagnosticFormat::Sarif => Format::Sarif,
    };
    let text = render(diagnostics, sources, chosen, style::look_stdout());
    match format {
        DiagnosticFormat::Json | DiagnosticFormat::Sarif => documents.push(text),
        _ => stdout(&text)?,
    }
    Ok(())
}

/// One document for all files: arrays are joined, and so are the runs of SARIF.
fn merged(documents: &[String]) -> String {
    let mut parsed = documents
        .iter()
        .filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let Some(mut first) = parsed.next() else {
        return String::new();
    };
    for next in parsed {
        match (&mut first, next) {
            (serde_json::Value::Array(all), serde_json::Value::Array(more)) => all.extend(more),
            (all, more) => {
                if let (Some(all), Some(more)) =
                    (all["runs"].as_array_mut(), more["runs"].as_array())
                {
                    all.extend(more.iter().cloned());
                }
            }
        }
    }
    format!("{first:#}\n")
}

fn summary(file: &str, diagnostics: &Diagnostics) {
    let (errors, warnings) = (diagnostics.error_count(), diagnostics.warning_count());
    if errors == 0 && warnings == 0 {
        say!("{file}: valid");
    } else {
        let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
        say!("{file}: {errors}, {warnings}");
    }
}
