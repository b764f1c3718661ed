//! The gate that a program decides: 0 accepts, 75 (`EX_TEMPFAIL`) asks to be tried again, anything else rejects.

use std::path::Path;

use serde_json::json;

use super::{AGAIN, accepted, rejected};
use crate::cluster::tool::{self, Invocation, ToolError};
use crate::event::Act;
use crate::model::action::Command;
use crate::steps::context::{Done, StepContext, StepError};

const TRY_AGAIN: i32 = 75;

/// Runs the command until it decides.
pub(super) async fn run(command: &Command, context: &StepContext) -> Result<Done, StepError> {
    let [program, args @ ..] = command.argv.as_slice() else {
        return Err(StepError::failed("`argv` is empty"));
    };
    let mut invocation = Invocation::new(Path::new(program), args.to_vec());
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
            Ok(output) => return Ok(accepted(program, json!(output.stdout.trim()))),
            Err(ToolError::Failed {
                status: Some(TRY_AGAIN),
                ..
            }) => {
                context.waiting(vec![format!("{program} asks to be tried again")]);
            }
            Err(error @ ToolError::Failed { .. }) => return Err(rejected(error.to_string())),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
