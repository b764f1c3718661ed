//! The same small run in every format.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::{EventKind, Failure, FailureClass, Origin, Outputs, RunResult};
use crate::model::{NodeId, Outcome, RunId};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn events() -> Vec<Event> {
    let failure = Failure {
        class: FailureClass::Failed,
        message: "1 proxy is on the old istiod".to_owned(),
        details: vec!["shop/api-1: OLD".to_owned()],
        help: Some("restart it".to_owned()),
    };
    let finished = |id: &str, outcome, changed, error: Option<Failure>| EventKind::NodeFinished {
        node: NodeId::new(id),
        outcome,
        changed,
        outputs: Outputs::new(),
        message: error
            .as_ref()
            .map(|e| e.message.clone())
            .unwrap_or_default(),
        error,
        tolerated: false,
    };
    let started = |id: &str, after: Option<&str>| EventKind::AttemptStarted {
        node: NodeId::new(id),
        attempt: 1,
        after: after.map(NodeId::new),
    };
    let all = vec![
        EventKind::RunStarted {
            format: crate::event::FORMAT.to_owned(),
            run: RunId::new("r1"),
            plan: "upgrade".to_owned(),
            digest: String::new(),
            tool: String::new(),
            origin: Origin::default(),
            inputs: Outputs::new(),
            looked_up: std::collections::BTreeMap::default(),
            steps: ["label", "verify", "accept"].map(NodeId::new).to_vec(),
        },
        started("label", None),
        finished("label", Outcome::Succeeded, true, None),
        started("verify", Some("label")),
        finished("verify", Outcome::Failed, false, Some(failure)),
        finished("accept", Outcome::NotRun, false, None),
        EventKind::RunFinished {
            result: RunResult::Failed,
            message: "3 steps: 1 done, 1 failed, 1 not run".to_owned(),
            unattended: false,
        },
    ];
    let start: jiff::Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let dated = |(i, event)| Event {
        seq: i + 1,
        at: start
            .checked_add(std::time::Duration::from_secs(i))
            .unwrap(),
        event,
    };
    (0..).zip(all).map(dated).collect()
}

fn shown(make: impl Fn(Out) -> Box<dyn Reporter>) -> String {
    let page = Page::default();
    let mut reporter = make(Box::new(page.clone()));
    let mut state = RunState::default();
    for event in events() {
        state.apply(&event);
        reporter.event(&event, &state);
    }
    reporter.finish(&state).unwrap();
    String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn text() {
    insta::assert_snapshot!(shown(|out| Box::new(Text::new(out))), @r"
    12:00:00 run r1 of upgrade
    12:00:01 label: started
    12:00:02 label: done, changed in 1.0s
    12:00:03 verify: started
    12:00:04 verify: failed in 1.0s: 1 proxy is on the old istiod
    12:00:04   shop/api-1: OLD
    12:00:04   help: restart it
    12:00:05 accept: not run
    run r1 failed in 6.0s
    3 steps: 1 done, 1 failed, 1 not run
      plan resume r1
    ");
}

#[test]
fn json_is_the_journal() {
    let text = shown(|out| Box::new(Json::new(out)));
    let read: Vec<Event> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(read, events());
}

#[test]
fn junit_and_markdown_name_the_failure() {
    let junit = shown(|out| Box::new(Junit::new(out)));
    assert!(junit.contains(r#"tests="3" skipped="1""#), "{junit}");
    assert!(junit.contains("shop/api-1: OLD"), "{junit}");
    let markdown = shown(|out| Box::new(Markdown::new(out)));
    assert!(markdown.contains("| `verify` | failed |"), "{markdown}");
    assert!(
        markdown.contains("Critical path: `label` (1.0s) → `verify` (1.0s)"),
        "{markdown}"
    );
}

/// The first events of the run, then others.
fn state(first: usize, more: Vec<EventKind>) -> RunState {
    let mut state = RunState::default();
    let mut all = events();
    all.truncate(first);
    let dated = |event| Event {
        seq: 90,
        at: "2026-11-23T12:01:00Z".parse().unwrap(),
        event,
    };
    all.extend(more.into_iter().map(dated));
    for event in &all {
        state.apply(event);
    }
    state
}

fn status_of(state: &RunState, alive: bool) -> String {
    let now = "2026-11-23T12:02:03Z".parse().unwrap();
    format!(
        "{}\n{}",
        status::row(state, alive, now),
        status::status(state, alive, now)
    )
}

#[test]
fn the_status_of_a_run_that_lives_says_what_it_waits_for() {
    let waiting = EventKind::Waiting {
        node: NodeId::new("verify"),
        reasons: vec!["2 of 5 proxies moved".to_owned()],
    };
    let alive = state(4, vec![waiting]);
    insta::assert_snapshot!(status_of(&alive, true), @r"
    r1  running             1/3  2m03s
    run r1 running
      label   done            1.0s
      verify  running        2m00s  2 of 5 proxies moved
      accept  pending
    ");
    insta::assert_snapshot!(status_of(&alive, false), @r"
    r1  died                1/3  1m00s
    run r1 died
      label   done            1.0s
      verify  interrupted           2 of 5 proxies moved
      accept  pending
      plan resume r1
    ");
}

#[test]
fn the_status_of_a_run_at_a_gate_and_of_one_that_ended() {
    let node = NodeId::new("accept");
    let gate = EventKind::GateOpened {
        node: node.clone(),
        message: "Go on?".to_owned(),
        quorum: 2,
        until: Some("2026-11-24T12:00:00Z".parse().unwrap()),
    };
    let answer = EventKind::GateAnswered {
        node: node.clone(),
        approve: true,
        by: "ann".to_owned(),
    };
    let suspended = EventKind::RunSuspended { gates: vec![node] };
    insta::assert_snapshot!(status_of(&state(3, vec![gate, answer, suspended]), false), @r"
    r1  waiting             1/3  1m00s
    run r1 waits after 1m00s for accept
      label   done            1.0s
      verify  pending
      accept  waiting
    accept asks: Go on? (1 of 2, until 2026-11-24 12:00:00 UTC)
      approved by ann
      plan approve r1 accept, or plan reject r1 accept
      plan resume r1
    ");
    let ended = status_of(&state(99, Vec::new()), false);
    for said in [
        "run r1 failed in 6.0s",
        "3 steps: 1 done, 1 failed, 1 not run",
        "1 proxy is on the old istiod",
        "shop/api-1: OLD",
    ] {
        assert!(ended.contains(said), "{ended}");
    }
}

#[test]
fn a_command_says_where_the_runs_are_unless_they_are_in_their_usual_place() {
    use std::path::Path;
    let command = |dir| crate::report::command("resume r1", Some(Path::new(dir)));
    assert_eq!(command(".plan"), "plan resume r1");
    assert_eq!(command("/var/runs"), "plan resume r1 --state-dir /var/runs");
    assert_eq!(command("my runs"), "plan resume r1 --state-dir 'my runs'");
}

#[test]
fn a_gate_that_is_decided_asks_for_nothing_but_the_resume() {
    let node = NodeId::new("accept");
    let gate = EventKind::GateOpened {
        node: node.clone(),
        message: "Go \u{1b}[31mon?".to_owned(),
        quorum: 1,
        until: None,
    };
    let answer = |approve| EventKind::GateAnswered {
        node: node.clone(),
        approve,
        by: "ann".to_owned(),
    };
    for (approve, word) in [(true, "accepted"), (false, "rejected")] {
        let gates = vec![node.clone()];
        let suspended = EventKind::RunSuspended { gates };
        let told = status_of(
            &state(3, vec![gate.clone(), answer(approve), suspended]),
            false,
        );
        assert!(told.contains(&format!("  {word} by ann\n")), "{told}");
        assert!(told.contains("Go \\u{1b}[31mon?"), "{told}");
        assert!(told.contains("plan resume r1"), "{told}");
        assert!(!told.contains("plan approve"), "{told}");
    }
}

type Make = fn(Out) -> Box<dyn Reporter>;

#[test]
fn a_group_without_steps_is_shown_everywhere() {
    let skipped = EventKind::NodeFinished {
        node: NodeId::new("migrate"),
        outcome: Outcome::Skipped,
        changed: false,
        outputs: Outputs::new(),
        message: "the list is empty".to_owned(),
        error: None,
        tolerated: false,
    };
    let mut state = state(1, vec![skipped]);
    assert_eq!(
        summary::sentence(&state, RunResult::Succeeded),
        "3 steps: 3 left; nothing changed; skipped, for there is nothing in it: migrate"
    );
    state.nodes.retain(|_, node| !node.step);
    assert_eq!(
        summary::sentence(&state, RunResult::Succeeded),
        "0 steps; nothing changed; skipped, for there is nothing in it: migrate"
    );
    assert!(status_of(&state, false).contains("migrate  skipped"));
    let junit: Make = |out| Box::new(Junit::new(out));
    let markdown: Make = |out| Box::new(Markdown::new(out));
    for (make, says) in [
        (junit, "skipped: the list is empty"),
        (markdown, "| `migrate` | skipped |"),
    ] {
        let page = Page::default();
        make(Box::new(page.clone())).finish(&state).unwrap();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains(says), "{text}");
    }
}
