//! The gate that a program decides: 0 accepts, 75 (`EX_TEMPFAIL`) asks to be tried again, anything else rejects.

use std::path::Path;

use serde_json::json;

use super::{AGAIN, accepted, rejected};
use crate::cluster::tool::{self, Invocation, Output, ToolError};
use crate::event::Act;
use crate::model::action::Command;
use crate::steps::context::{Done, StepContext, StepError};

const TRY_AGAIN: i32 = 75;
/// The most of its output that becomes the gate's value, in bytes.
const MOST: usize = 64 << 10;

/// Runs the command until it decides.
pub(super) async fn run(command: &Command, context: &StepContext) -> Result<Done, StepError> {
    let [program, args @ ..] = command.argv.as_slice() else {
        return Err(StepError::failed("`argv` is empty"));
    };
    let mut invocation = Invocation::new(Path::new(program), args.to_vec()).head(MOST);
    for (name, value) in &command.env {
        invocation = invocation.env(name, value);
    }
    loop {
        let act = Act {
            verb: "run".to_owned(),
            object: program.clone(),
            detail: invocation.to_string(),
            before: None,
        };
        let ended = context
            .act(act, async {
                Ok::<_, StepError>((tool::run(&invocation).await, false))
            })
            .await?;
        match ended {
            Ok(output) => return Ok(accepted(program, json!(said(&output, context)))),
            Err(ToolError::Failed {
                status: Some(TRY_AGAIN),
                ..
            }) => {
                context.waiting(vec![format!("{program} asks to be tried again")]);
            }
            Err(error @ ToolError::Failed { .. }) => {
                return Err(rejected(program, error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What it said, without the space around it; that there was more is told.
fn said(output: &Output, context: &StepContext) -> String {
    if output.cut {
        let most = MOST >> 10;
        context.note(format!("of its output only the first {most} KiB are kept"));
    }
    output.stdout.trim().to_owned()
}
