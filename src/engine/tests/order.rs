//! What runs, and after what.

use super::*;

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
async fn a_step_tells_which_of_its_needs_ended_last_also_through_groups() {
    let tasks = vec![
        step("quick"),
        step("slow"),
        needs(role("g", Role::Open), &[0]),
        with(step("g.inside"), &[2], &Why::Inside),
        close("g", 2, &[3]),
        needs(step("last"), &[1, 4]),
        step("alone"),
    ];
    let steps = Scripted::default().takes("quick", 1).takes("slow", 2);
    let ran = Bench::new(tasks, steps.takes("g.inside", 5)).go().await;
    let after: Vec<String> = ran
        .state()
        .nodes
        .iter()
        .filter_map(|(id, node)| Some(format!("{id} after {}", node.after.as_ref()?)))
        .collect();
    assert_eq!(after, ["g.inside after quick", "last after g.inside"]);
    let critical = crate::report::summary::Summary::of(ran.state()).critical;
    let names: Vec<&str> = critical.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(names, ["quick", "g.inside", "last"]);
}
