//! A process that is killed around an approval: what was asked stays asked, what was answered stays answered, and
//! nothing is done twice.

use plan::event::{ActResult, EventKind};

use crate::harness::process::{Running, StateDir};
use crate::harness::{Desk, Mesh};

/// `hold` stays shut until its file is there, so that the run has something to do while the approval waits.
const PLAN: &str = r#"version: 1
name: gated
inputs:
  go: { type: string }
steps:
  hold:
    uses: gate
    timeout: 1h
    with: { command: { argv: [sh, -c, 'test -e "$0" || exit 75', "${{ inputs.go }}"] } }
  accept:
    uses: gate
    timeout: 1h
    with: { approval: { message: "Go on?" } }
  label:
    uses: label-ns
    needs: [accept]
    allow: [{ code: P0502, reason: both control planes are there }]
    with: { namespace: shop, revision: canary }
"#;

/// A run of the plan that was killed once it had asked.
struct Asked {
    desk: Desk,
    mesh: Mesh,
    state: StateDir,
}

impl Asked {
    fn new() -> Self {
        let asked = Self {
            desk: Desk::new(),
            mesh: Mesh::start(),
            state: StateDir::new(),
        };
        asked.desk.file("plan.yaml", PLAN);
        let kubeconfig = asked.mesh.kubeconfig(&asked.desk);
        let go = format!("go={}", asked.state.file("go"));
        let set = ["--kubeconfig", &kubeconfig, "--set", &go];
        let run = [&["run", "plan.yaml", "--yes"], &set[..]].concat();
        let mut running = asked.state.start(&asked.desk, &run);
        running.until("the gate asks", |event| {
            matches!(event, EventKind::GateOpened { .. })
        });
        running.kill();
        asked
    }

    fn resume(&self) -> Running<'_> {
        let arguments = ["resume", &self.state.run_id(), "--yes"];
        self.state.start(&self.desk, &arguments)
    }

    fn waits(&self) -> Running<'_> {
        let mut running = self.resume();
        running.until(
            "the other step waits",
            |event| matches!(event, EventKind::Waiting { node, .. } if node.as_str() == "hold"),
        );
        running
    }

    fn answer(&self, word: &str) {
        let arguments = [word, &self.state.run_id(), "accept", "--by", "ann"];
        self.state.plan(&self.desk, &arguments).exits(0);
    }

    fn open(&self) {
        fs_err::write(self.state.file("go"), "").unwrap();
    }

    /// Asserts that the gate asked once, was answered once, and what followed was done so often.
    fn assert_once(&self, labelled: usize) {
        let journal = self.state.journal();
        let count = |wanted: fn(&EventKind) -> bool| journal.iter().filter(|e| wanted(e)).count();
        let asked = count(|event| matches!(event, EventKind::GateOpened { .. }));
        let answered =
            count(|event| matches!(event, EventKind::GateAnswered { by, .. } if by == "ann"));
        let changed = count(|event| {
            matches!(
                event,
                EventKind::ActDone {
                    result: ActResult::Changed,
                    ..
                }
            )
        });
        assert_eq!((asked, answered, changed), (1, 1, labelled), "{journal:#?}");
        let moved = self.mesh.labels("shop")["istio.io/rev"] == "canary";
        assert_eq!(moved, labelled == 1);
    }
}

#[test]
fn a_gate_outlives_kills_after_the_question_while_it_waits_and_after_the_answer() {
    let asked = Asked::new();
    asked.waits().kill();
    asked.answer("approve");
    let mut running = asked.resume();
    running.until("the answer is taken in", |event| {
        matches!(event, EventKind::GateAnswered { .. })
    });
    running.kill();
    asked.open();
    asked.resume().wait().exits(0);
    asked.assert_once(1);
}

#[test]
fn an_answer_to_a_process_that_is_killed_right_then_is_not_lost() {
    let asked = Asked::new();
    let running = asked.waits();
    asked.answer("approve");
    running.kill();
    asked.open();
    asked.resume().wait().exits(0);
    asked.assert_once(1);
}

#[test]
fn a_rejection_outlives_a_kill_as_well() {
    let asked = Asked::new();
    asked.answer("reject");
    asked.open();
    asked.resume().wait().exits(6);
    asked.assert_once(0);
}
