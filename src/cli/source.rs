//! Where a run's time, its chance and its name come from: the system, or a lab's seed.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::origin;
use crate::cluster::{Cluster, Holder};
use crate::engine::{Clock, SystemClock, TokioClock};
use crate::event::Origin;
use crate::journal::run_id;
use crate::lab::scenario::Lab;
use crate::model::RunId;

/// A source of time, chance and names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// The system: everything is new each time.
    System,
    /// A lab: everything repeats from its seed.
    Lab {
        /// The lab's time.
        clock: TokioClock,
        /// The seed.
        seed: u64,
    },
}

impl Source {
    /// A lab's.
    pub(super) fn lab(lab: &Lab, seed: u64) -> Self {
        Self::Lab {
            clock: TokioClock::starting_at(lab.api.now()),
            seed,
        }
    }

    pub(super) fn is_lab(self) -> bool {
        matches!(self, Self::Lab { .. })
    }

    pub(super) fn clock(self) -> Arc<dyn Clock> {
        match self {
            Self::System => Arc::new(SystemClock),
            Self::Lab { clock, .. } => Arc::new(clock),
        }
    }

    pub(super) fn now(self) -> Timestamp {
        self.clock().now()
    }

    /// Where jitter starts from.
    pub(super) fn seed(self) -> u64 {
        match self {
            Self::System => Uuid::now_v7().as_u64_pair().1,
            Self::Lab { seed, .. } => seed,
        }
    }

    /// The name of a new run; another one for each number of tries.
    pub(super) fn run_id(self, plan: &str, tries: u16) -> RunId {
        let random = u16::try_from(self.seed() & 0xffff).unwrap_or_default();
        let random = random.wrapping_add(tries);
        run_id(self.now(), plan, random)
    }

    /// Who holds the lock for this process.
    pub(super) fn holder(self, run: &RunId) -> Holder {
        let nonce = match self {
            Self::System => Uuid::now_v7().simple().to_string()[24..].to_owned(),
            Self::Lab { seed, .. } => format!("{seed:x}"),
        };
        Holder {
            run: run.to_string(),
            host: self.host(),
            nonce,
        }
    }

    fn host(self) -> String {
        match self {
            Self::System => origin::host(),
            Self::Lab { .. } => "lab".to_owned(),
        }
    }

    /// What the journal keeps of it. Of a lab's run only the user is of this machine.
    pub(super) fn origin(self, cluster: &Cluster) -> Origin {
        let real = origin::origin(cluster.context(), Some(cluster.server()));
        match self {
            Self::System => Origin {
                cluster: cluster.identity().map(str::to_owned),
                ..real
            },
            Self::Lab { .. } => Origin {
                host: self.host(),
                pid: 0,
                ..real
            },
        }
    }
}
