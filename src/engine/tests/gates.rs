//! Gates and their answers.

use super::*;

struct Terminal(bool);

impl Gatekeeper for Terminal {
    fn ask(&self, _: Question) -> BoxFuture<'static, Option<Reply>> {
        let approve = self.0;
        let by = "bob".to_owned();
        async move { Some(Reply { approve, by }) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn gates_are_answered_beforehand_or_at_the_terminal() {
    let steps = || Scripted::default().on("g", async |c| asks(c, 1).await);
    let tasks = || vec![step("g"), needs(step("after"), &[0])];
    let mut bench = Bench::new(tasks(), steps());
    bench.run.options.approve.steps.insert("g".to_owned());
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "g=succeeded after=succeeded");
    for (answer, outcomes) in [
        (true, "g=succeeded after=succeeded"),
        (false, "g=rejected after=not_run"),
    ] {
        let mut bench = Bench::new(tasks(), steps());
        bench.run.gatekeeper = Some(Arc::new(Terminal(answer)));
        let ran = bench.go().await;
        assert_eq!(ran.outcomes(), outcomes);
        let expected = if answer {
            RunResult::Succeeded
        } else {
            RunResult::Rejected
        };
        assert_eq!(result(&ran), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_counts_different_people() {
    let steps = Scripted::default().on("g", async |c| asks(c, 2).await);
    let mut bench = Bench::new(vec![step("g")], steps.clone());
    bench.run.options.approve.all = true;
    let ran = bench.go().await;
    assert_eq!(
        ran.outcome.end,
        RunEnd::Suspended(
            vec!["g"]
                .into_iter()
                .map(crate::model::NodeId::new)
                .collect()
        )
    );
    // Ann has said yes; Bob says it at the resume.
    let mut bench = Bench::new(vec![step("g")], steps).resume(&ran.bytes);
    bench.run.options.approve.all = true;
    bench.run.gatekeeper = Some(Arc::new(Terminal(true)));
    let again = bench.go().await;
    assert_eq!(again.outcomes(), "g=succeeded");
    let opened = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .matches("gate_opened")
            .count()
    };
    assert_eq!(
        (opened(&ran.bytes), opened(&again.bytes)),
        (1, 0),
        "one question"
    );
    // The lab plays as many people as it takes.
    let steps = Scripted::default().on("g", async |c| asks(c, 2).await);
    let mut bench = Bench::new(vec![step("g")], steps);
    bench.run.options.approve.simulated = true;
    assert_eq!(bench.go().await.outcomes(), "g=succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_gate_suspends_when_nothing_else_is_left() {
    let steps = Scripted::default()
        .on("g", async |c| asks(c, 1).await)
        .takes("long", 100);
    let tasks = vec![step("g"), step("long")];
    let ran = Bench::new(tasks, steps).go().await;
    assert!(matches!(ran.outcome.end, RunEnd::Suspended(_)));
    assert_eq!(ran.outcomes(), "long=succeeded");
}

struct Silent;

impl Gatekeeper for Silent {
    fn ask(&self, _: Question) -> BoxFuture<'static, Option<Reply>> {
        std::future::pending().boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_gives_in_time_is_rejected() {
    let gate = Task {
        timeout: Timeout {
            total: Some(secs(3600)),
            attempt: None,
        },
        ..step("g")
    };
    let steps = Scripted::default().on("g", async |c| asks(c, 1).await);
    let mut bench = Bench::new(vec![gate], steps);
    bench.run.gatekeeper = Some(Arc::new(Silent));
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "g=rejected");
    assert_eq!(ran.state().nodes[0].message, "nobody answered within 1h");
}

fn approval() -> Action {
    let gate = json!({ "approval": { "message": "go on?" } });
    Action::Gate(serde_json::from_value(gate).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_approval_whose_time_ran_out_while_the_run_was_suspended_is_rejected() {
    let state = tempfile::tempdir().unwrap();
    let id = crate::model::RunId::new("r1");
    let dir = crate::journal::RunDir::create(state.path(), &id, &crate::journal::Stored::default());
    let mailbox = dir.unwrap().mailbox();
    let tasks = || {
        let gate = Task {
            timeout: Timeout {
                total: Some(secs(3600)),
                attempt: None,
            },
            role: Role::Step(Work::Ready(Box::new(approval()))),
            ..step("g")
        };
        vec![gate, needs(step("after"), &[0])]
    };
    let bench = || {
        let steps = Scripted::default().on("g", async |c| asks(c, 1).await);
        let mut bench = Bench::new(tasks(), steps);
        bench.run.mailbox = Some(mailbox.clone());
        bench
    };
    let suspended = bench().go().await;
    assert!(matches!(suspended.outcome.end, RunEnd::Suspended(_)));
    let resumed_after = async |hours: i64| {
        let start = suspended.state().started.unwrap();
        let later = start + jiff::SignedDuration::from_hours(hours);
        let mut bench = bench().resume(&suspended.bytes);
        bench.run.clock = Arc::new(TokioClock::starting_at(later));
        (later, bench.go().await)
    };
    let (later, ran) = resumed_after(2).await;
    assert_eq!(ran.outcomes(), "g=rejected after=not_run");
    let gate = crate::model::NodeId::new("g");
    let answer = |now| mailbox.answer(suspended.state(), &gate, true, "bob", now);
    assert_eq!(
        answer(later).unwrap_err().to_string(),
        "the time of `g` was up at 2026-11-23T13:00:00Z: it is rejected when the run goes on"
    );
    // An answer that came in time is heard, however late the run goes on.
    answer(suspended.state().started.unwrap()).unwrap();
    assert_eq!(
        resumed_after(2).await.1.outcomes(),
        "g=succeeded after=succeeded"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_gate_decided_stays_decided_and_what_does_not_need_it_runs() {
    let tasks = || {
        let free = needs(step("free"), &[2]);
        vec![step("g"), needs(step("after"), &[0]), step("busy"), free]
    };
    let steps = || {
        let steps = Scripted::default().takes("busy", 5);
        steps.on("g", async |c| asks(c, 1).await)
    };
    let mut bench = Bench::new(tasks(), steps());
    bench.run.gatekeeper = Some(Arc::new(Terminal(false)));
    let ran = bench.go().await;
    assert_eq!(
        ran.outcomes(),
        "g=rejected after=not_run busy=succeeded free=not_run"
    );
    let again = steps();
    let ran = Bench::new(tasks(), again.clone())
        .resume(&ran.bytes)
        .go()
        .await;
    assert_eq!(
        ran.outcomes(),
        "g=rejected after=not_run busy=succeeded free=succeeded"
    );
    assert_eq!(again.starts(), ["free"]);
    assert_eq!(result(&ran), RunResult::Rejected);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_of_an_approval_ends_before_the_whole() {
    let gate = Task {
        role: Role::Step(Work::Ready(Box::new(approval()))),
        timeout: Timeout {
            total: Some(secs(3600)),
            attempt: Some(secs(1)),
        },
        ..step("g")
    };
    // A lab's people are asked by nobody: the step only takes its time.
    for steps in [
        Scripted::default().on("g", async |c| asks(c, 1).await),
        Scripted::default().takes("g", 7200),
    ] {
        let mut bench = Bench::new(vec![gate.clone()], steps);
        bench.run.gatekeeper = Some(Arc::new(Silent));
        let ran = bench.go().await;
        assert_eq!(ran.outcomes(), "g=rejected");
        let record = &ran.state().nodes[0];
        assert_eq!(record.message, "nobody answered within 1h");
        assert_eq!(record.outputs["decision"], "rejected");
        assert_eq!(record.outputs["by"], "time");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_program_rejected_is_asked_again_at_a_resume() {
    let tasks = || vec![step("g"), needs(step("after"), &[0])];
    let no = Scripted::default().on("g", async |_| {
        Err(StepError::new(FailureClass::Rejected, "it answers 503"))
    });
    let ran = Bench::new(tasks(), no).go().await;
    assert_eq!(ran.outcomes(), "g=rejected after=not_run");
    let ran = Bench::new(tasks(), Scripted::default())
        .resume(&ran.bytes)
        .go()
        .await;
    assert_eq!(ran.outcomes(), "g=succeeded after=succeeded");
}
