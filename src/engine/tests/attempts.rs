//! Attempts: retries, times, acts, interrupts.

use super::*;

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
    // So it is in the middle of a change.
    let long = Scripted::default().on("a", async |c| changes(c, "x", 3600).await);
    let mut bench = Bench::new(vec![step("a")], long);
    bench.run.options.timeout = Some(secs(30));
    let ran = bench.go().await;
    assert_eq!(result(&ran), RunResult::TimedOut);
    let last = ran.state().last.unwrap();
    assert_eq!(ran.state().active(last), Duration::from_secs(30));
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
async fn an_act_that_begins_as_the_time_runs_out_ends_once() {
    let late = Scripted::default().on("a", async |c: StepContext| {
        tokio::time::sleep(Duration::from_secs(10)).await;
        changes(c, "x", 1).await
    });
    // The run goes on, and hears of the disk.
    let late = late.takes("b", 60);
    let timeout = Timeout {
        attempt: None,
        total: Some(secs(10)),
    };
    let a = Task {
        timeout,
        on_failure: OnFailure::Continue,
        ..step("a")
    };
    let mut bench = Bench::new(vec![a, step("b")], late);
    bench.run.journal = Journal::new(bench.memory.clone()).in_turn();
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "a=timed_out b=succeeded");
    let events = ran.events();
    let count = |kind: &str| {
        let kinds = events
            .iter()
            .map(|event| json!(event)["event"]["type"].clone());
        kinds.filter(|it| it == kind).count()
    };
    assert_eq!((count("act_intended"), count("act_done")), (1, 1));
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

#[tokio::test(start_paused = true)]
async fn a_failure_says_why_it_was_not_tried_again() {
    let lost =
        || Scripted::default().on("a", async |_| Err(StepError::transient("lost\nfor good")));
    let ran = Bench::new(vec![step("a")], lost()).go().await;
    assert_eq!(
        ran.state().nodes[0].message,
        "lost (after 3 attempts)\nfor good"
    );
    let patient = Task {
        retry: crate::model::policy::Retry {
            attempts: Some(crate::model::policy::Attempts::Unlimited),
            budget: Some(secs(30)),
            ..crate::model::policy::Retry::default()
        },
        ..step("a")
    };
    let ran = Bench::new(vec![patient], lost()).go().await;
    assert_eq!(
        ran.state().nodes[0].message,
        "lost (its budget of 30s is used up)\nfor good"
    );
}
