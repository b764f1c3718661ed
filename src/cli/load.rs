//! Reading plans and inputs from the disk, and showing what is wrong with them.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::args::{PlanArgs, SliceArgs};
use super::error::CliError;
use super::exit::Exit;
use super::{stderr, style};
use crate::check::{self, Given, Loaded, Purpose, ReadFile, Slice};
use crate::diagnostic::{self, Code, Diagnostics, Format};
use crate::model::counted;
use crate::source::SourceMap;

/// The beginning of the variables that give sensitive inputs: `PLAN_INPUT_TOKEN` gives `token`.
const VARIABLE: &str = "PLAN_INPUT_";

/// The disk.
pub(super) struct Disk;

impl ReadFile for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs_err::read(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs_err::canonicalize(path)
    }
}

/// Reads a plan with its sub-plans.
///
/// # Errors
/// Usage, where the plan or an inputs file is not there.
pub(super) fn load(args: &PlanArgs, purpose: Purpose) -> Result<Loaded, CliError> {
    load_file(&args.file, &args.set, &args.inputs, purpose)
}

/// As [`load`], from its parts.
pub(super) fn load_file(
    file: &Path,
    set: &[(String, String)],
    inputs: &[PathBuf],
    purpose: Purpose,
) -> Result<Loaded, CliError> {
    if !file.is_file() {
        return Err(CliError::usage(format!(
            "there is no plan {}",
            file.display()
        )));
    }
    let given = Given {
        set: set.to_vec(),
        files: read_inputs(inputs)?,
        env: variables(),
        ..Given::default()
    };
    Ok(check::load(file, &Disk, &given, purpose))
}

fn read_inputs(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let read = |path: &PathBuf| {
        let bytes = fs_err::read(path).map_err(|error| CliError::usage(error.to_string()))?;
        Ok((path.display().to_string(), bytes))
    };
    paths.iter().map(read).collect()
}

/// The inputs that the environment gives.
fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.to_str()?.strip_prefix(VARIABLE)?.to_lowercase();
            Some((name, value.to_str()?.to_owned()))
        })
        .collect()
}

/// The slice that the flags name.
pub(super) fn slice(args: &SliceArgs) -> Slice {
    Slice {
        only: args.only.clone(),
        from: args.from.clone(),
        until: args.until.clone(),
    }
}

/// Shows diagnostics on stderr; an error where they forbid to go on.
pub(super) fn judge(diagnostics: &Diagnostics, sources: &SourceMap) -> Result<(), CliError> {
    show(diagnostics, sources);
    if diagnostics.has_errors() {
        let errors = counted(diagnostics.error_count(), "error");
        return Err(match blame(diagnostics) {
            Exit::Usage => CliError::usage(format!("what was given has {errors}")),
            exit => CliError::new(exit, format!("the plan has {errors}")),
        });
    }
    Ok(())
}

/// Shows diagnostics on stderr, whatever they say.
pub(super) fn show(diagnostics: &Diagnostics, sources: &SourceMap) {
    if !diagnostics.is_empty() {
        stderr(&diagnostic::render(
            diagnostics,
            sources,
            Format::Full,
            style::look(),
        ));
    }
}

/// Reads the copy of a plan that a run keeps, with the inputs that it began with; the sensitive ones come anew, from the
/// environment or from files.
///
/// # Errors
/// Usage, where a file is not there.
pub(super) fn recorded(
    file: &Path,
    inputs: &Map<String, Value>,
    anew: &[PathBuf],
    purpose: Purpose,
) -> Result<Loaded, CliError> {
    let text = Value::Object(inputs.clone()).to_string();
    let mut files = read_inputs(anew)?;
    // The last wins.
    files.push(("the inputs of the run".to_owned(), text.into_bytes()));
    let given = Given {
        files,
        env: variables(),
        ..Given::default()
    };
    Ok(check::load(file, &Disk, &given, purpose))
}

/// Whose the errors are: the plan's and its inputs files', or, where none has a place in a file, the flags'.
pub(super) fn blame(diagnostics: &Diagnostics) -> Exit {
    let of_a_flag = |code| {
        matches!(
            code,
            Code::BadInputValue | Code::UndeclaredInput | Code::UnknownSliceStep
        )
    };
    let mut errors = diagnostics.iter().filter(|found| found.is_error());
    if errors.all(|found| of_a_flag(found.code) && found.primary.is_none()) {
        Exit::Usage
    } else {
        Exit::Invalid
    }
}
