//! The engine on paused time, with scripted steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;

use super::fixture::{Bench, Scripted, close, deferred, needs, plan, role, secs, step, when, with};
use super::{Gatekeeper, Lease, Question, Reply, RunEnd};
use crate::check::{Role, Slot, Task, Why};
use crate::event::{Act, EventKind, FailureClass, RunResult};
use crate::model::Outcome;
use crate::model::policy::{OnFailure, Timeout};
use crate::steps::{Done, StepContext, StepError};

fn result(ran: &super::fixture::Ran) -> RunResult {
    match &ran.outcome.end {
        RunEnd::Finished(result) => *result,
        RunEnd::Suspended(gates) => panic!("suspended at {gates:?}"),
    }
}

fn act(object: &str) -> Act {
    Act {
        verb: "patch".to_owned(),
        object: object.to_owned(),
        detail: String::new(),
    }
}

/// A step that changes `object`, taking its time.
async fn changes(context: StepContext, object: &str, secs: u64) -> Result<Done, StepError> {
    let change = async {
        tokio::time::sleep(Duration::from_secs(secs)).await;
        Ok::<_, StepError>(((), true))
    };
    context.act(act(object), change).await?;
    Ok(Done {
        changed: true,
        ..Done::default()
    })
}

async fn asks(context: StepContext, quorum: u32) -> Result<Done, StepError> {
    let decision = context.ask("go on?".to_owned(), quorum).await?;
    if decision.approved {
        Ok(Done::default())
    } else {
        Err(StepError::new(FailureClass::Rejected, "no"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_runs_in_order_and_is_recorded() {
    let steps = Scripted::default();
    let tasks = vec![step("a"), needs(step("b"), &[0]), needs(step("c"), &[1])];
    let ran = Bench::new(tasks, steps.clone()).go().await;
    assert_eq!(result(&ran), RunResult::Succeeded);
    assert_eq!(steps.starts(), ["a", "b", "c"]);
    assert_eq!(ran.outcomes(), "a=succeeded b=succeeded c=succeeded");
    let message = "3 steps: 3 done; nothing changed";
    assert_eq!(ran.state().message, message);
    let seqs: Vec<u64> = ran.events().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=8).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn the_truth_table() {
    // How `a` ends, what `b: {needs: [a], when}` becomes.
    let cases = [
        ("succeeded", "", "succeeded"),
        ("skipped", "", "succeeded"),
        ("failed", "", "not_run"),
        ("timed_out", "", "not_run"),
        ("rejected", "", "not_run"),
        ("tolerated", "", "succeeded"),
        ("succeeded", "always()", "succeeded"),
        ("skipped", "always()", "succeeded"),
        ("failed", "always()", "succeeded"),
        ("timed_out", "always()", "succeeded"),
        ("rejected", "always()", "succeeded"),
        ("succeeded", "failure()", "skipped"),
        ("skipped", "failure()", "skipped"),
        ("failed", "failure()", "succeeded"),
        ("timed_out", "failure()", "succeeded"),
        ("rejected", "failure()", "succeeded"),
        ("tolerated", "failure()", "skipped"),
        ("succeeded", "outcome", "skipped"),
        ("failed", "outcome", "succeeded"),
        ("timed_out", "outcome", "skipped"),
        ("rejected", "outcome", "skipped"),
        ("failed", "other", "not_run"),
        ("succeeded", "other", "succeeded"),
    ];
    for (how, text, expected) in cases {
        let a = match how {
            "skipped" => Task {
                when: Some(when("false", &[], |_| false)),
                ..step("a")
            },
            "timed_out" => Task {
                timeout: Timeout {
                    total: Some(secs(1)),
                    attempt: None,
                },
                ..step("a")
            },
            "tolerated" => Task {
                on_failure: OnFailure::Continue,
                ..step("a")
            },
            _ => step("a"),
        };
        let handles: &[usize] = if text == "outcome" { &[0] } else { &[] };
        let condition = when(text, handles, move |results| match text {
            "failure()" => results.failure(),
            "outcome" => results.outcome(0) == Some(Outcome::Failed),
            _ => true,
        });
        let b = Task {
            when: (!text.is_empty()).then_some(condition),
            ..needs(step("b"), &[0])
        };
        let steps = match how {
            "failed" | "tolerated" => Scripted::default().fails("a"),
            "timed_out" => Scripted::default().takes("a", 5),
            "rejected" => Scripted::default().on("a", async |_| {
                Err(StepError::new(FailureClass::Rejected, "no"))
            }),
            _ => Scripted::default(),
        };
        // A third step shows what follows `not_run`.
        let ran = Bench::new(vec![a, b, needs(step("c"), &[1])], steps)
            .go()
            .await;
        let ended = ran.outcomes();
        let of_a = if how == "tolerated" { "failed" } else { how };
        let stopped = matches!(how, "failed" | "timed_out" | "rejected");
        let of_c = if stopped { "not_run" } else { "succeeded" };
        assert_eq!(
            ended,
            format!("a={of_a} b={expected} c={of_c}"),
            "{how} {text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_what_is_new_and_lets_running_steps_end() {
    let steps = Scripted::default().fails("a").takes("b", 10);
    let tasks = || vec![step("a"), step("b"), needs(step("c"), &[1])];
    let ran = Bench::new(tasks(), steps.clone()).go().await;
    assert_eq!(ran.outcomes(), "a=failed b=succeeded c=not_run");
    assert_eq!(result(&ran), RunResult::Failed);
    let mut bench = Bench::new(tasks(), steps);
    bench.run.options.keep_going = true;
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "a=failed b=succeeded c=succeeded");
    assert_eq!(result(&ran), RunResult::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_tolerated_failure_ends_well_and_is_named() {
    let a = Task {
        on_failure: OnFailure::Continue,
        ..step("a")
    };
    let ran = Bench::new(
        vec![a, needs(step("b"), &[0])],
        Scripted::default().fails("a"),
    )
    .go()
    .await;
    assert_eq!(result(&ran), RunResult::Succeeded);
    assert!(
        ran.state().message.contains("tolerated: a"),
        "{}",
        ran.state().message
    );
}

/// 0 g (open), then the members, then the end.
fn group(open: Task, members: Vec<Task>) -> Vec<Task> {
    let inside: Vec<usize> = (1..=members.len()).collect();
    let members = members
        .into_iter()
        .map(|member| with(member, &[0], &Why::Inside));
    let mut tasks: Vec<Task> = std::iter::once(open).chain(members).collect();
    tasks.push(close("g", 0, &inside));
    tasks
}

#[tokio::test(start_paused = true)]
async fn groups_end_as_their_members_do() {
    let open = || role("g", Role::Open);
    let go = async |tasks, steps| Bench::new(tasks, steps).go().await.outcomes();
    let none = Scripted::default;
    assert_eq!(go(group(open(), vec![]), none()).await, "g=skipped");
    assert_eq!(
        go(group(open(), vec![step("g.a")]), none()).await,
        "g.a=succeeded g=succeeded"
    );
    assert_eq!(
        go(group(open(), vec![step("g.a")]), none().fails("g.a")).await,
        "g.a=failed g=failed"
    );
    let skipped = Task {
        when: Some(when("false", &[], |_| false)),
        ..open()
    };
    let inner = Task {
        when: Some(when("always()", &[], |_| true)),
        ..step("g.a")
    };
    assert_eq!(
        go(group(skipped, vec![inner]), none()).await,
        "g.a=skipped g=skipped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tolerant_group_keeps_its_failure_to_itself() {
    let open = Task {
        on_failure: OnFailure::Continue,
        ..role("g", Role::Open)
    };
    let mut tasks = group(open, vec![step("g.a"), needs(step("g.b"), &[1])]);
    tasks.push(needs(step("z"), &[3]));
    let ran = Bench::new(tasks, Scripted::default().fails("g.a"))
        .go()
        .await;
    assert_eq!(
        ran.outcomes(),
        "g.a=failed g.b=not_run z=succeeded g=failed"
    );
    assert_eq!(result(&ran), RunResult::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_group_for_failures_runs_after_a_stop() {
    // 0 a, 1 g opens for failures, 2 g.b, 3 g.c, 4 g ends.
    let open = Task {
        when: Some(when("failure()", &[], |results| results.failure())),
        ..needs(role("g", Role::Open), &[0])
    };
    let inside = |task| with(task, &[1], &Why::Inside);
    let tasks = vec![
        step("a"),
        open,
        inside(step("g.b")),
        inside(needs(step("g.c"), &[2])),
        close("g", 1, &[2, 3]),
    ];
    let ran = Bench::new(tasks, Scripted::default().fails("a")).go().await;
    assert_eq!(
        ran.outcomes(),
        "a=failed g.b=succeeded g.c=succeeded g=succeeded"
    );
    assert_eq!(result(&ran), RunResult::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_wave_starts_when_the_one_before_ended_well() {
    // 0 g, 1 first item, 2 the barrier, 3 second item, 4 g ends.
    let tasks = || {
        let inside = |task| with(task, &[0], &Why::Inside);
        vec![
            role("g", Role::Open),
            inside(step("g[x].a")),
            with(inside(role("g.wave", Role::Wave)), &[1], &Why::Wave),
            Task {
                when: Some(when("always()", &[], |_| true)),
                ..with(inside(step("g[y].a")), &[2], &Why::Wave)
            },
            close("g", 0, &[1, 3]),
        ]
    };
    let ran = Bench::new(tasks(), Scripted::default()).go().await;
    assert_eq!(
        ran.outcomes(),
        "g[x].a=succeeded g[y].a=succeeded g=succeeded"
    );
    let mut bench = Bench::new(tasks(), Scripted::default().fails("g[x].a"));
    bench.run.options.keep_going = true;
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "g[x].a=failed g[y].a=not_run g=failed");
}

#[tokio::test(start_paused = true)]
async fn items_share_their_slots_and_steps_the_concurrency() {
    let most = Arc::new(AtomicU32::new(0));
    let now = Arc::new(AtomicU32::new(0));
    let mut steps = Scripted::default();
    let mut tasks = vec![role("g", Role::Open)];
    for item in 0..6 {
        let name = format!("g[{item}].a");
        let (most, now) = (Arc::clone(&most), Arc::clone(&now));
        steps = steps.on(&name, move |_| {
            let (most, now) = (Arc::clone(&most), Arc::clone(&now));
            async move {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Done::default())
            }
        });
        let slot = Some(Slot {
            group: 0,
            item,
            limit: 2,
        });
        tasks.push(Task {
            slot,
            ..with(step(&name), &[0], &Why::Inside)
        });
    }
    tasks.push(close("g", 0, &[1, 2, 3, 4, 5, 6]));
    let mut bench = Bench::new(tasks.clone(), steps.clone());
    bench.run.options.concurrency = 4;
    let ran = bench.go().await;
    assert_eq!(
        (result(&ran), most.swap(0, Ordering::SeqCst)),
        (RunResult::Succeeded, 2)
    );
    for task in &mut tasks {
        task.slot = None;
    }
    let mut bench = Bench::new(tasks, steps);
    bench.run.options.concurrency = 4;
    bench.go().await;
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_tried_again_and_shown() {
    let steps = Scripted::default().on("a", async |context: StepContext| {
        if context.attempt < 3 {
            Err(StepError::transient("connection lost"))
        } else {
            Ok(Done::default())
        }
    });
    let ran = Bench::new(vec![step("a")], steps).go().await;
    assert_eq!(ran.outcomes(), "a=succeeded");
    let delays: Vec<u64> = ran
        .events()
        .into_iter()
        .filter_map(|event| match event.event {
            EventKind::AttemptFailed { retry_in_ms, .. } => retry_in_ms,
            _ => None,
        })
        .collect();
    assert!(
        matches!(delays[..], [a, b] if a <= 1000 && b <= 2000),
        "{delays:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn times_run_out() {
    let timeout = |attempt, total| Timeout { attempt, total };
    let slow = |timeout| Task {
        timeout,
        ..step("a")
    };
    let steps = || Scripted::default().takes("a", 60);
    // Three attempts of 10 s each.
    let ran = Bench::new(vec![slow(timeout(Some(secs(10)), None))], steps())
        .go()
        .await;
    assert_eq!(ran.outcomes(), "a=timed_out");
    assert_eq!(ran.state().nodes[0].attempts, 3);
    // The whole has 15 s: one attempt and a part of the second.
    let ran = Bench::new(vec![slow(timeout(Some(secs(10)), Some(secs(15))))], steps())
        .go()
        .await;
    assert_eq!(
        (ran.outcomes().as_str(), ran.state().nodes[0].attempts),
        ("a=timed_out", 2)
    );
    let error = ran.state().nodes[0].error.clone().unwrap();
    assert_eq!(error.message, "the step took longer than 15s");
    // The run's own time: the step is not decided, and a resume runs it again.
    let mut bench = Bench::new(vec![step("a")], steps());
    bench.run.options.timeout = Some(secs(30));
    let ran = bench.go().await;
    assert_eq!(
        (result(&ran), ran.outcomes().as_str()),
        (RunResult::TimedOut, "")
    );
    // A group's time.
    let open = Task {
        timeout: timeout(None, Some(secs(5))),
        ..role("g", Role::Open)
    };
    let ran = Bench::new(group(open, vec![step("a")]), steps()).go().await;
    assert_eq!(ran.outcomes(), "a=timed_out g=timed_out");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_its_step() {
    let steps = Scripted::default().on("a", async |_| panic!("oops"));
    let ran = Bench::new(vec![step("a")], steps).go().await;
    assert_eq!(ran.outcomes(), "a=failed");
    assert_eq!(
        ran.state().nodes[0].message,
        "a bug in plan: the step panicked: oops"
    );
}

#[tokio::test(start_paused = true)]
async fn intents_precede_acts_and_results_follow() {
    let steps = Scripted::default().on("a", async |c| changes(c, "Namespace/shop", 1).await);
    let bench = Bench::new(vec![step("a")], steps);
    let ran = bench.go().await;
    let kinds: Vec<String> = ran
        .events()
        .iter()
        .map(|event| json!(event)["event"]["type"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "run_started",
        "attempt_started",
        "act_intended",
        "act_done",
        "node_finished",
        "run_finished",
    ];
    assert_eq!(kinds, expected);
    assert!(ran.state().nodes[0].changed);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_lets_calls_end_and_a_second_abandons_them() {
    let steps = || {
        Scripted::default()
            .on("acts", async |c| changes(c, "Namespace/shop", 10).await)
            .takes("waits", 60)
    };
    let tasks = || vec![step("acts"), step("waits"), needs(step("after"), &[0])];
    for (times, done, ended) in [(1, "changed", "acts=succeeded"), (2, "failed", "")] {
        let bench = Bench::new(tasks(), steps());
        let control = bench.control.clone();
        let signals = tokio::spawn(async move {
            for _ in 0..times {
                tokio::time::sleep(Duration::from_secs(1)).await;
                control.interrupt();
            }
        });
        let ran = bench.go().await;
        signals.await.unwrap();
        assert_eq!(result(&ran), RunResult::Interrupted);
        assert_eq!(ran.outcomes(), ended, "all else will run again");
        let acts: Vec<String> = ran
            .events()
            .iter()
            .map(|event| json!(event)["event"].clone())
            .filter(|event| event["type"] == "act_done")
            .map(|event| event["result"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(acts, [done], "{times}");
        let ran = Bench::new(tasks(), Scripted::default())
            .resume(&ran.bytes)
            .go()
            .await;
        assert_eq!(
            ran.outcomes(),
            "acts=succeeded waits=succeeded after=succeeded"
        );
        assert_eq!(ran.state().nodes[1].attempts, 2, "attempts go on");
    }
}

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

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_gives_in_time_is_rejected() {
    struct Silent;
    impl Gatekeeper for Silent {
        fn ask(&self, _: Question) -> BoxFuture<'static, Option<Reply>> {
            std::future::pending().boxed()
        }
    }
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

#[tokio::test(start_paused = true)]
async fn no_act_begins_without_the_lease() {
    struct Lost;
    impl Lease for Lost {
        fn holder(&self) -> String {
            "r1/host/1".to_owned()
        }
        fn certain(&self) -> Result<(), StepError> {
            Err(StepError::failed("the lease is held by r2"))
        }
    }
    let steps = Scripted::default().on("a", async |c| changes(c, "Namespace/shop", 1).await);
    let mut bench = Bench::new(vec![step("a")], steps);
    bench.run.lease = Some(Arc::new(Lost));
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "a=failed");
    assert!(!String::from_utf8_lossy(&ran.bytes).contains("act_intended"));
}

#[tokio::test(start_paused = true)]
async fn what_a_slice_leaves_out_must_prove_done() {
    let tasks = || vec![step("a"), step("open"), needs(step("b"), &[0])];
    let mut bench = Bench::new(tasks(), Scripted::default());
    bench
        .run
        .options
        .prove
        .insert(crate::model::NodeId::new("a"));
    bench
        .run
        .options
        .prove
        .insert(crate::model::NodeId::new("open"));
    bench.run.options.keep_going = true;
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "a=succeeded open=failed b=succeeded");
}

#[tokio::test(start_paused = true)]
async fn secrets_leave_no_trace() {
    let mut checked = plan(vec![step("a")]);
    checked.secrets = vec!["hunter2".to_owned()];
    let steps = Scripted::default().on("a", async |context: StepContext| {
        context.note("password hunter2");
        Err(StepError::failed("hunter2 is wrong").details(vec!["hunter2".to_owned()]))
    });
    let ran = Bench::of(checked, steps).go().await;
    let text = String::from_utf8(ran.bytes).unwrap();
    assert!(text.contains("password ***") && !text.contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn outputs_reach_those_that_follow() {
    let steps = Scripted::default().on("a", async |_| {
        let mut done = Done::default();
        done.outputs.insert("soak".to_owned(), json!("5s"));
        Ok(done)
    });
    let with = deferred(
        "soak",
        |results| json!({"soak": results.outputs(0).unwrap()["soak"]}),
    );
    let work = crate::check::Work::Deferred(crate::model::Kind::Gate, with);
    let tasks = vec![step("a"), needs(role("b", Role::Step(work)), &[0])];
    assert_eq!(
        Bench::new(tasks, steps).go().await.outcomes(),
        "a=succeeded b=succeeded"
    );
}

/// A plan with everything in it.
fn everything() -> (Vec<Task>, Scripted) {
    let inside = |task| with(task, &[2], &Why::Inside);
    let tasks = vec![
        step("a"),
        Task {
            when: Some(when("false", &[], |_| false)),
            ..needs(step("b"), &[0])
        },
        needs(role("g", Role::Open), &[1]),
        inside(step("g[x].a")),
        with(inside(role("g.wave", Role::Wave)), &[3], &Why::Wave),
        with(inside(step("g[y].a")), &[4], &Why::Wave),
        close("g", 2, &[3, 5]),
        Task {
            on_failure: OnFailure::Continue,
            ..needs(step("maybe"), &[6])
        },
        needs(step("gate"), &[7]),
        needs(step("bad"), &[8]),
        needs(step("never"), &[9]),
        Task {
            when: Some(when("always()", &[], |_| true)),
            ..needs(step("clean"), &[10])
        },
    ];
    let steps = Scripted::default()
        .on("g[x].a", async |c| changes(c, "Namespace/x", 1).await)
        .on("g[y].a", async |c: StepContext| {
            if c.attempt == 1 {
                return Err(StepError::transient("lost"));
            }
            changes(c, "Namespace/y", 1).await
        })
        .fails("maybe")
        .on("gate", async |c| asks(c, 1).await)
        .fails("bad");
    (tasks, steps)
}

#[tokio::test(start_paused = true)]
async fn a_resume_from_every_prefix_ends_in_the_same_state() {
    let go = async |prefix: Option<&[u8]>| {
        let (tasks, steps) = everything();
        let mut bench = Bench::new(tasks, steps);
        bench.run.options.approve.all = true;
        if let Some(prefix) = prefix {
            bench = bench.resume(prefix);
        }
        bench.go().await
    };
    let whole = go(None).await;
    assert_eq!(
        whole.outcomes(),
        "a=succeeded b=skipped g[x].a=succeeded g[y].a=succeeded maybe=failed gate=succeeded bad=failed \
         never=not_run clean=succeeded g=succeeded"
    );
    let ends: Vec<usize> = (1..=whole.bytes.len())
        .filter(|end| whole.bytes[end - 1] == b'\n')
        .collect();
    assert!(ends.len() > 25);
    for end in ends {
        let ran = go(Some(&whole.bytes[..end])).await;
        // The order in which groups were first heard of may differ; what became of each node may not.
        let sorted = |ran: &super::fixture::Ran| {
            let mut all: Vec<String> = ran.outcomes().split(' ').map(str::to_owned).collect();
            all.sort();
            all
        };
        assert_eq!(sorted(&ran), sorted(&whole), "cut at byte {end}");
        assert_eq!(result(&ran), result(&whole));
        let events = ran.events();
        let first = String::from_utf8_lossy(&whole.bytes[..end]).lines().count() as u64 + 1;
        assert_eq!(events[0].seq, first, "numbers go on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_gives_what_failed_a_new_chance() {
    let tasks = || vec![step("a"), needs(step("b"), &[0]), needs(step("c"), &[1])];
    let ran = Bench::new(tasks(), Scripted::default().fails("b"))
        .go()
        .await;
    assert_eq!(ran.outcomes(), "a=succeeded b=failed c=not_run");
    let steps = Scripted::default();
    let ran = Bench::new(tasks(), steps.clone())
        .resume(&ran.bytes)
        .go()
        .await;
    assert_eq!(ran.outcomes(), "a=succeeded b=succeeded c=succeeded");
    assert_eq!(steps.starts(), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_skip_by_an_outcome_that_changes_is_decided_anew() {
    let tasks = || {
        let on_success =
            |results: &dyn crate::check::Results| results.outcome(0) == Some(Outcome::Succeeded);
        vec![
            step("a"),
            Task {
                when: Some(when("outcome", &[0], on_success)),
                ..needs(step("b"), &[0])
            },
        ]
    };
    let ran = Bench::new(tasks(), Scripted::default().fails("a"))
        .go()
        .await;
    assert_eq!(ran.outcomes(), "a=failed b=skipped");
    let ran = Bench::new(tasks(), Scripted::default())
        .resume(&ran.bytes)
        .go()
        .await;
    assert_eq!(ran.outcomes(), "a=succeeded b=succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_run_before_it_acts() {
    struct Full;
    impl crate::journal::Sink for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    let acted = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&acted);
    let steps = Scripted::default().on("a", move |context: StepContext| {
        let seen = Arc::clone(&seen);
        async move {
            let change = async {
                seen.fetch_add(1, Ordering::SeqCst);
                Ok::<_, StepError>(((), true))
            };
            context.act(act("x"), change).await?;
            Ok(Done::default())
        }
    });
    let mut bench = Bench::new(vec![step("a")], steps);
    bench.run.journal = crate::journal::Journal::new(Full);
    let (_control, orders) = super::Control::channel();
    let error = super::run(bench.run, orders).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write the journal; nothing further is changed"
    );
    assert_eq!(acted.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn ten_thousand_steps_and_a_hundred_thousand_needs_end_soon() {
    let state = tempfile::tempdir().unwrap();
    let id = crate::model::RunId::new("r1");
    let dir = crate::journal::RunDir::create(state.path(), &id, &crate::journal::Stored::default());
    let dir = dir.unwrap();
    // Each needs the ten before it: a chain with a hundred thousand edges.
    let chain = |i: usize| {
        let before: Vec<usize> = (i.saturating_sub(10)..i).collect();
        needs(step(&format!("s{i}")), &before)
    };
    let mut bench = Bench::new((0..10_000).map(chain).collect(), Scripted::default());
    bench.run.journal = dir.journal(dir.lock("test").unwrap()).unwrap();
    bench.run.mailbox = Some(dir.mailbox());
    let ran = bench.go().await;
    assert_eq!(result(&ran), RunResult::Succeeded);
    assert_eq!(dir.read().unwrap().events.len(), 20_002);
}

#[tokio::test(start_paused = true)]
async fn another_process_answers_and_cancels() {
    let state = tempfile::tempdir().unwrap();
    let id = crate::model::RunId::new("r1");
    let dir = crate::journal::RunDir::create(state.path(), &id, &crate::journal::Stored::default());
    let dir = dir.unwrap();
    let steps = || Scripted::default().on("g", async |c| asks(c, 1).await);
    let mut bench = Bench::new(vec![step("g")], steps());
    bench.run.mailbox = Some(dir.mailbox());
    let ran = bench.go().await;
    let gate = crate::model::NodeId::new("g");
    dir.mailbox()
        .answer(ran.state(), &gate, true, "bob")
        .unwrap();
    let twice = dir
        .mailbox()
        .answer(ran.state(), &gate, false, "bob")
        .unwrap_err();
    assert_eq!(twice.to_string(), "bob has answered `g` already");
    let mut bench = Bench::new(vec![step("g")], steps()).resume(&ran.bytes);
    bench.run.mailbox = Some(dir.mailbox());
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "g=succeeded");
    let late = dir
        .mailbox()
        .answer(ran.state(), &gate, true, "eve")
        .unwrap_err();
    assert_eq!(late.to_string(), "`g` is no gate that waits; none waits");
    dir.mailbox().cancel("ann").unwrap();
    let mut bench = Bench::new(vec![step("a")], Scripted::default().takes("a", 60));
    bench.run.mailbox = Some(dir.mailbox());
    assert_eq!(result(&bench.go().await), RunResult::Cancelled);
}
