//! How runs end, and how they go on.

use super::*;

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

#[tokio::test(start_paused = true)]
async fn what_a_failed_step_found_is_recorded() {
    let steps = Scripted::default().on("a", async |_| {
        let found = [("verdict".to_owned(), json!("fail"))];
        Err(StepError::failed("no").outputs(found.into_iter().collect()))
    });
    let ran = Bench::new(vec![step("a")], steps).go().await;
    assert_eq!(ran.outcomes(), "a=failed");
    let node = &ran.state().nodes[&crate::model::NodeId::new("a")];
    assert_eq!(node.outputs["verdict"], "fail");
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
        let sorted = |ran: &super::super::fixture::Ran| {
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
async fn what_needs_something_that_runs_again_is_decided_and_runs_again() {
    let tasks = || {
        vec![
            step("work"),
            needs(step("more"), &[0]),
            Task {
                when: Some(when("always()", &[], |_| true)),
                ..needs(step("last"), &[1])
            },
            Task {
                when: Some(when("failure()", &[], |results| results.failure())),
                ..needs(step("mend"), &[0])
            },
            needs(role("g", Role::Open), &[2]),
            with(step("g.inside"), &[4], &Why::Inside),
            close("g", 4, &[5]),
        ]
    };
    let ran = Bench::new(tasks(), Scripted::default().fails("work"))
        .go()
        .await;
    assert_eq!(
        ran.outcomes(),
        "work=failed more=not_run last=succeeded mend=succeeded g.inside=not_run g=not_run"
    );
    // The first resume ends when `work` has ended: what followed from its failure is forgotten all the same.
    let mut first = Bench::new(tasks(), Scripted::default()).resume(&ran.bytes);
    first.run.options.concurrency = 1;
    let control = first.control.clone();
    let execute = Scripted::default().on("more", move |_| {
        control.interrupt();
        std::future::pending()
    });
    first.run.execute = Arc::new(execute);
    let cut = first.go().await;
    assert_eq!(result(&cut), RunResult::Interrupted);
    assert_eq!(cut.outcomes(), "work=succeeded mend=skipped");
    let bytes = [ran.bytes, cut.bytes].concat();
    let steps = Scripted::default();
    let ran = Bench::new(tasks(), steps.clone()).resume(&bytes).go().await;
    assert_eq!(steps.starts(), ["more", "last", "g.inside"]);
    assert_eq!(
        ran.outcomes(),
        "work=succeeded more=succeeded last=succeeded mend=skipped g.inside=succeeded g=succeeded"
    );
}

#[tokio::test(start_paused = true)]
async fn a_need_outside_of_the_slice_is_proven_whatever_its_failure_would_mean() {
    let tolerant = |task| Task {
        on_failure: OnFailure::Continue,
        ..task
    };
    let tasks = vec![
        tolerant(step("open")),
        needs(step("a"), &[0]),
        tolerant(role("g", Role::Open)),
        with(step("g.open"), &[2], &Why::Inside),
        close("g", 2, &[3]),
        needs(step("b"), &[4]),
    ];
    let mut bench = Bench::new(tasks, Scripted::default());
    bench.run.options.keep_going = true;
    for id in ["open", "g.open"] {
        let id = crate::model::NodeId::new(id);
        bench.run.options.prove.insert(id);
    }
    let ran = bench.go().await;
    assert_eq!(
        ran.outcomes(),
        "open=failed a=not_run g.open=failed b=not_run g=failed"
    );
    assert_eq!(result(&ran), RunResult::Failed);
}

#[tokio::test(start_paused = true)]
async fn the_time_without_a_process_does_not_count_also_where_the_run_was_cancelled_in_it() {
    let ran = Bench::new(vec![step("a")], Scripted::default().takes("a", 60))
        .go()
        .await;
    let mut events = ran.events();
    // As a kill leaves it after a minute, and a cancel an hour later.
    events.pop();
    let mut state = crate::journal::RunState::default();
    for event in &events {
        state.apply(event);
    }
    let killed = state.last.unwrap();
    let later = killed + jiff::SignedDuration::from_hours(1);
    state.apply(&crate::event::Event {
        seq: state.seq + 1,
        at: later,
        event: EventKind::RunFinished {
            result: RunResult::Cancelled,
            message: String::new(),
            unattended: true,
        },
    });
    assert_eq!(state.active(later), Duration::from_secs(60));
    state.apply(&crate::event::Event {
        seq: state.seq + 1,
        at: later,
        event: EventKind::RunResumed {
            origin: crate::event::Origin::default(),
            again: Vec::new(),
        },
    });
    assert_eq!(state.active(later), Duration::from_secs(60));
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
    let (_control, orders) = super::super::Control::channel();
    let error = super::super::run(bench.run, orders).await.unwrap_err();
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
    let now = jiff::Timestamp::UNIX_EPOCH;
    dir.mailbox()
        .answer(ran.state(), &gate, true, "bob", now)
        .unwrap();
    let twice = dir
        .mailbox()
        .answer(ran.state(), &gate, false, "bob", now)
        .unwrap_err();
    assert_eq!(twice.to_string(), "bob has answered `g` already");
    let mut bench = Bench::new(vec![step("g")], steps()).resume(&ran.bytes);
    bench.run.mailbox = Some(dir.mailbox());
    let ran = bench.go().await;
    assert_eq!(ran.outcomes(), "g=succeeded");
    let late = dir
        .mailbox()
        .answer(ran.state(), &gate, true, "eve", now)
        .unwrap_err();
    assert_eq!(late.to_string(), "`g` is no gate that waits; none waits");
    dir.mailbox().cancel("ann").unwrap();
    let mut bench = Bench::new(vec![step("a")], Scripted::default().takes("a", 60));
    bench.run.mailbox = Some(dir.mailbox());
    assert_eq!(result(&bench.go().await), RunResult::Cancelled);
}
