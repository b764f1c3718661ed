//! The leases of a cluster as the lock that a run needs.

use super::Lease;
use crate::cluster::Leases;
use crate::steps::StepError;

impl Lease for Leases {
    fn holder(&self) -> String {
        self.holder().to_string()
    }

    fn certain(&self) -> Result<(), StepError> {
        if self.are_certain() {
            Ok(())
        } else {
            Err(StepError::transient(
                "the cluster's lock is not certainly held any more",
            ))
        }
    }
}
