//! JUnit XML: one test case for each step.

use std::io;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Out, Reporter, plain, words};
use crate::event::Event;
use crate::journal::{NodeRecord, RunState};
use crate::model::{NodeId, Outcome};

/// Writes JUnit XML at the end.
pub struct Junit {
    out: Out,
}

impl Junit {
    /// Writes to `out`.
    pub fn new(out: Out) -> Self {
        Self { out }
    }
}

impl Reporter for Junit {
    fn event(&mut self, _: &Event, _: &RunState) {}

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        let mut suite = TestSuite::new(state.plan.clone());
        for (id, node) in state.shown() {
            suite.add_test_case(case(id, node));
        }
        let mut report = Report::new("plan");
        report.add_test_suite(suite);
        report.serialize(&mut self.out).map_err(io::Error::other)?;
        self.out.flush()
    }
}

fn case(id: &NodeId, node: &NodeRecord) -> TestCase {
    let status = match node.outcome {
        Some(Outcome::Succeeded) => TestCaseStatus::success(),
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Rejected) if !node.tolerated => {
            failure(node)
        }
        _ => {
            let mut status = TestCaseStatus::skipped();
            let word = node.outcome.map_or("not decided", words::outcome);
            let gap = if node.message.is_empty() { "" } else { ": " };
            status.set_message(plain(&format!("{word}{gap}{}", node.message)));
            status
        }
    };
    let mut case = TestCase::new(id.as_str(), status);
    if let Some(took) = words::took(node) {
        case.set_time(took);
    }
    case
}

fn failure(node: &NodeRecord) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(plain(&node.message));
    status.set_type(node.outcome.map_or("", Outcome::as_str));
    let why = words::why(node);
    if !why.is_empty() {
        status.set_description(plain(&why.join("\n")));
    }
    status
}
