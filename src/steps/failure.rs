//! What other modules' errors mean for a step.

use super::context::StepError;
use crate::cluster::tool::ToolError;
use crate::cluster::{ClusterError, ErrorClass};
use crate::event::FailureClass;

impl From<ClusterError> for StepError {
    fn from(error: ClusterError) -> Self {
        let class = match error.class {
            ErrorClass::Transient(_)
            | ErrorClass::Conflict
            | ErrorClass::Gone
            | ErrorClass::Unreachable => FailureClass::Transient,
            ErrorClass::FieldManager(_)
            | ErrorClass::Denied
            | ErrorClass::NotFound
            | ErrorClass::AlreadyExists
            | ErrorClass::Invalid
            | ErrorClass::ReadOnly => FailureClass::Failed,
        };
        let mut step = Self::new(class, error.message);
        step.failure.help = error.help;
        match error.class {
            ErrorClass::Transient(retry_after) => step.retry_after = retry_after,
            ErrorClass::FieldManager(fields) => step.failure.details = fields,
            _ => {}
        }
        step
    }
}

impl From<ToolError> for StepError {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::TimedOut { .. } => Self::transient(error.to_string()),
            ToolError::Start { .. } | ToolError::Failed { .. } => Self::failed(error.to_string()),
        }
    }
}
