//! Runs, from the command line to the cluster and back.

use crate::harness::{Desk, Mesh};

const LABEL: &str = r#"version: 1
name: label
inputs:
  namespaces: { type: list, items: namespace, default: [shop, pay] }
steps:
  migrate:
    for_each: ${{ inputs.namespaces }}
    as: namespace
    waves: [1, 100%]
    steps:
      label:
        uses: label-ns
        allow: [{ code: P0502, reason: both control planes are there }]
        with: { namespace: "${{ namespace }}", revision: canary }
"#;

#[test]
fn a_run_changes_what_it_says_and_a_second_one_nothing() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file("plan.yaml", LABEL);
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.plan(&["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig])
        .exits(0)
        .says("migrate[shop].label")
        .says("migrate[pay].label");
    for namespace in ["shop", "pay"] {
        let labels = mesh.labels(namespace);
        assert_eq!(labels["istio.io/rev"], "canary");
        assert!(labels.get("istio-injection").is_none());
    }
    desk.plan(&["status"]).exits(0).says("succeeded");
    desk.plan(&["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig])
        .exits(0)
        .says("nothing changed");
    desk.plan(&["runs"]).exits(0).says("succeeded");
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file("plan.yaml", LABEL);
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.plan(&["run", "plan.yaml", "--dry-run", "--kubeconfig", &kubeconfig])
        .exits(0)
        .says("-    istio-injection: enabled")
        .says("+    istio.io/rev: canary")
        .says("[server]");
    desk.plan(&[
        "run",
        "plan.yaml",
        "--dry-run",
        "--detailed-exitcode",
        "--kubeconfig",
        &kubeconfig,
    ])
    .exits(2)
    .says("Nothing was changed");
    assert_eq!(mesh.labels("shop")["istio-injection"], "enabled");
    assert!(!desk.path().join(".plan").exists());
}

#[test]
fn the_shipped_upgrades_end_well_on_the_lab() {
    for (plan, revision) in [("upgrade-1.6", "canary"), ("upgrade-canary", "canary")] {
        let desk = Desk::new();
        let text = fs_err::read_to_string(format!("plans/{plan}.yaml")).unwrap();
        desk.file("plan.yaml", &text);
        let soak: &[&str] = if plan == "upgrade-canary" {
            &["--set", "soak=0s"]
        } else {
            &[]
        };
        let args = [&["run", "plan.yaml", "--lab"][..], soak].concat();
        desk.plan(&args)
            .exits(0)
            .says(&format!("on {revision}"))
            .says("workloads restarted")
            .says("proxies of");
    }
}

const GATE: &str = r#"version: 1
name: gated
steps:
  accept:
    uses: gate
    timeout: 1h
    with: { approval: { message: "Go on?" } }
  soak:
    uses: gate
    needs: [accept]
    with: { soak: 0s }
"#;

/// A run that waits for an answer, and its mesh.
fn at_the_gate() -> (Desk, Mesh, String) {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file("plan.yaml", GATE);
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.plan(&["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig])
        .exits(6)
        .says("plan approve");
    let run = desk.run_id();
    (desk, mesh, run)
}

#[test]
fn a_gate_without_an_answer_suspends_and_an_approval_resumes() {
    let (desk, _mesh, run) = at_the_gate();
    desk.plan(&["approve", &run, "acept"])
        .exits(64)
        .says("did you mean `accept`?");
    desk.plan(&["approve", &run, "accept", "--by", "ann"])
        .exits(0);
    desk.plan(&["resume", &run]).exits(0).says("ann");
}

#[test]
fn a_rejected_gate_ends_with_6_and_nothing_further_runs() {
    let (desk, _mesh, run) = at_the_gate();
    desk.plan(&["reject", &run, "accept", "--by", "ann"])
        .exits(0);
    desk.plan(&["status", &run])
        .exits(0)
        .says("rejected by ann")
        .hides("plan approve");
    desk.plan(&["approve", &run, "accept", "--by", "bob"])
        .exits(64)
        .says("`accept` is decided already: rejected by ann");
    desk.plan(&["resume", &run]).exits(6).says("rejected");
    // A decision is written once: a resume does not ask again.
    desk.plan(&["resume", &run, "--approve", "all"])
        .exits(6)
        .says("failed: accept");
    desk.plan(&["approve", &run, "accept", "--by", "bob"])
        .exits(64)
        .says("`accept` is decided already: rejected by ann");
}

#[test]
fn a_quorum_is_of_people_and_more_of_them_are_refused() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file(
        "plan.yaml",
        &GATE.replace("Go on?\"", "Go on?\", quorum: 2"),
    );
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.plan(&["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig])
        .exits(6);
    let run = desk.run_id();
    let approve = |by: &str| desk.plan(&["approve", &run, "all", "--by", by]);
    approve(" ").exits(64).says("an answer needs a name");
    approve("ann").exits(0);
    approve(" ann ").exits(64).says("ann has answered");
    desk.plan(&["status"]).exits(0).says("plan approve");
    approve("bob").exits(0);
    approve("eve")
        .exits(64)
        .says("decided already: accepted by ann, bob");
    desk.plan(&["status"])
        .exits(0)
        .says("accepted by ann, bob")
        .says("plan resume")
        .hides("plan approve");
    desk.plan(&["resume", &run]).exits(0);
    desk.plan(&["resume", &run, "--report", "junit=report.xml"])
        .exits(0)
        .says("ended well");
    let report = fs_err::read_to_string(desk.path().join("report.xml")).unwrap();
    assert!(
        report.contains("accepted by") || report.contains("accept"),
        "{report}"
    );
}

#[test]
fn a_run_goes_on_as_it_was_driven_and_on_its_own_cluster() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    let text = GATE.replace(
        "steps:\n",
        "steps:\n  a: { uses: gate, timeout: 1m, needs: [accept], with: { command: { argv: [\"false\"] } } }\n",
    );
    desk.file("plan.yaml", &text);
    let kubeconfig = mesh.kubeconfig(&desk);
    let run = [
        "run",
        "plan.yaml",
        "--yes",
        "--keep-going",
        "--concurrency=1",
    ];
    desk.plan(&[&run[..], &["--kubeconfig", &kubeconfig]].concat())
        .exits(6);
    let run = desk.run_id();
    let other = Mesh::start();
    // Labs that begin with the same seed are the same in this as well.
    let system = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kube-system", "uid": "other" },
    });
    other.server.restore(&system).unwrap();
    let elsewhere = Desk::new();
    let strange = other.kubeconfig(&elsewhere);
    desk.plan(&["resume", &run, "--approve", "all", "--kubeconfig", &strange])
        .exits(4)
        .says("the run was on another cluster");
    desk.plan(&["resume", &run, "--approve", "all"])
        .exits(6)
        .says("soak: done");
}

#[test]
fn a_plan_that_changed_meanwhile_is_not_resumed_unless_as_recorded() {
    let (desk, _mesh, run) = at_the_gate();
    desk.file("plan.yaml", &GATE.replace("Go on?", "Really?"));
    desk.plan(&["approve", &run, "accept"]).exits(0);
    desk.plan(&["resume", &run]).exits(4).says("Really?");
    desk.plan(&["resume", &run, "--as-recorded"]).exits(0);
}

#[test]
fn a_run_without_a_process_is_cancelled_for_good_and_can_be_resumed() {
    let (desk, _mesh, run) = at_the_gate();
    desk.plan(&["cancel", &run]).exits(0).says("is cancelled");
    desk.plan(&["status", &run])
        .exits(0)
        .says("cancelled by tester");
    desk.plan(&["cancel", &run])
        .exits(64)
        .says("has ended already: cancelled");
    desk.plan(&["resume", &run, "--approve", "accept"])
        .exits(0)
        .says("was cancelled: cancelled by tester");
    desk.plan(&["cancel", &run])
        .exits(64)
        .says("has ended already: succeeded");
}

#[test]
fn a_run_whose_process_was_killed_is_cancelled_and_its_lock_runs_out() {
    let (desk, _mesh, run) = at_the_gate();
    // As a kill leaves it: the end is missing, and the last line is torn.
    let path = desk.path().join(format!(".plan/runs/{run}/journal.jsonl"));
    let journal = fs_err::read_to_string(&path).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    let (_suspended, rest) = lines.split_last().unwrap();
    fs_err::write(&path, format!("{}\n{{\"seq\":", rest.join("\n"))).unwrap();
    desk.plan(&["status"]).exits(0).says("died");
    desk.plan(&["cancel", &run])
        .exits(0)
        .says("ends by itself within a minute");
    desk.plan(&["runs"]).exits(0).says("cancelled");
    let journal = fs_err::read_to_string(&path).unwrap();
    let last: serde_json::Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    assert_eq!(last["seq"], lines.len(), "the torn line is gone");
}

#[test]
fn an_approval_that_nobody_asks_for_is_wrong_usage_and_begins_nothing() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file("plan.yaml", GATE);
    let kubeconfig = mesh.kubeconfig(&desk);
    let run = ["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig];
    desk.plan(&[&run[..], &["--approve", "acept"]].concat())
        .exits(64)
        .says("did you mean `accept`?");
    desk.plan(&[&run[..], &["--report", "junit=no/such.xml"]].concat())
        .exits(64)
        .says("no/such.xml");
    desk.plan(&["status"]).exits(64).says("there are no runs");
}

#[test]
fn a_run_that_cannot_be_read_is_listed_and_one_that_never_began_begins() {
    let (desk, _mesh, run) = at_the_gate();
    let path = desk.path().join(format!(".plan/runs/{run}/journal.jsonl"));
    let journal = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, journal.replacen("\"seq\":2", "\"seq\":7", 1)).unwrap();
    desk.plan(&["runs"])
        .exits(0)
        .says(&format!("{run}  unreadable: line 2"));
    // As a kill before the first word leaves it.
    fs_err::remove_file(&path).unwrap();
    desk.plan(&["cancel", &run]).exits(64).says("has not begun");
    desk.plan(&["resume", &run, "--approve", "all"]).exits(0);
    desk.plan(&["status", "nope"]).exits(64).says(&run);
}

#[test]
fn a_sensitive_input_comes_anew_for_each_session_and_is_kept_nowhere() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    let inputs = "inputs: { token: { type: string, sensitive: true } }\nsteps:\n";
    let text = GATE.replacen("steps:\n", inputs, 1);
    desk.file("plan.yaml", &text.replace("Go on?", "${{ inputs.token }}?"));
    desk.file("token.yaml", "token: hunter2\n");
    let kubeconfig = mesh.kubeconfig(&desk);
    let run = ["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig];
    desk.plan(&[&run[..], &["--inputs", "token.yaml"]].concat())
        .exits(6)
        .says("***?");
    let run = desk.run_id();
    desk.plan(&["resume", &run, "--approve", "all"])
        .exits(3)
        .says("PLAN_INPUT_TOKEN");
    let by_file = ["resume", &run, "--approve", "all", "--inputs", "token.yaml"];
    desk.plan(&by_file).exits(0);
    for file in walk(&desk.path().join(".plan")) {
        let text = fs_err::read_to_string(&file).unwrap();
        assert!(!text.contains("hunter2"), "{}", file.display());
    }
}

/// The files below a directory.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs_err::read_dir(directory).unwrap();
    let below = |path: std::path::PathBuf| {
        if path.is_dir() {
            walk(&path)
        } else {
            vec![path]
        }
    };
    entries
        .flat_map(|entry| below(entry.unwrap().path()))
        .collect()
}

#[test]
fn a_dry_run_of_a_slice_asks_what_is_outside_for_a_proof() {
    let desk = Desk::new();
    let text = fs_err::read_to_string("plans/upgrade-1.6.yaml").unwrap();
    desk.file("plan.yaml", &text);
    desk.plan(&["run", "plan.yaml", "--lab", "--dry-run", "--only", "ready"])
        .exits(1)
        .says("install would fail: is needed by what was asked for, and is not done")
        .says("ready: not run: needs `install`, which failed");
}

#[test]
fn approvals_can_be_given_beforehand() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file("plan.yaml", GATE);
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.plan(&[
        "run",
        "plan.yaml",
        "--yes",
        "--approve",
        "all",
        "--kubeconfig",
        &kubeconfig,
    ])
    .exits(0);
}

#[test]
fn wrong_usage_and_lost_clusters_have_codes_of_their_own() {
    let desk = Desk::new();
    desk.file("plan.yaml", GATE);
    desk.plan(&["run", "absent.yaml"])
        .exits(64)
        .says("absent.yaml");
    desk.plan(&["run", "plan.yaml"]).exits(64).says("--yes");
    desk.plan(&["run", "plan.yaml", "--yes"]).exits(8);
    desk.file("label.yaml", LABEL);
    desk.plan(&["validate", "label.yaml", "--set", "nothing=1"])
        .exits(64);
    desk.plan(&["graph", "label.yaml", "--set", "namespaces=No_Name"])
        .exits(64);
    desk.plan(&["graph", "label.yaml", "--until", "lable"])
        .exits(64)
        .says("there is no such step");
    desk.plan(&["resume", "nope"])
        .exits(64)
        .says("no run `nope`");
    desk.plan(&["frobnicate"]).exits(64);
    for wrong in [
        &["--timeout", "0s"][..],
        &["--seed", "3"],
        &["--dry-run", "--report", "junit=r.xml"],
    ] {
        desk.plan(&[&["run", "plan.yaml", "--yes"], wrong].concat())
            .exits(64);
    }
    desk.file(
        "hurried.yaml",
        &GATE.replace("timeout: 1h", "timeout: { attempt: 1s, total: 1h }"),
    );
    desk.plan(&["validate", "hurried.yaml"])
        .exits(3)
        .says("P0215")
        .says("cannot be cut short");
    desk.file(
        "broken.yaml",
        "version: 1\nname: x\nsteps: { a: { uses: gat } }\n",
    );
    desk.plan(&["run", "broken.yaml", "--yes"])
        .exits(3)
        .says("did you mean `gate`?");
}

#[test]
fn events_are_the_journal() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file("plan.yaml", LABEL);
    let kubeconfig = mesh.kubeconfig(&desk);
    let ended = desk
        .plan(&[
            "run",
            "plan.yaml",
            "--yes",
            "--output",
            "json",
            "--kubeconfig",
            &kubeconfig,
        ])
        .exits(0);
    let journal = desk
        .path()
        .join(".plan/runs")
        .join(desk.run_id())
        .join("journal.jsonl");
    assert_eq!(ended.stdout, fs_err::read_to_string(journal).unwrap());
    assert!(ended.stdout.lines().count() > 5);
}

#[test]
fn a_secret_is_masked_and_stored_nowhere() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file(
        "plan.yaml",
        "version: 1\nname: secret\ninputs:\n  token: { type: string, sensitive: true }\nsteps:\n  go:\n    uses: gate\n    timeout: 1m\n    with: { approval: { message: \"use ${{ inputs.token }}\" } }\n",
    );
    desk.file("secret.yaml", "token: hunter2hunter2\n");
    let kubeconfig = mesh.kubeconfig(&desk);
    desk.plan(&[
        "run",
        "plan.yaml",
        "--yes",
        "--approve",
        "all",
        "--inputs",
        "secret.yaml",
        "--kubeconfig",
        &kubeconfig,
    ])
    .exits(0)
    .hides("hunter2");
    let run = desk.path().join(".plan/runs").join(desk.run_id());
    for file in ["journal.jsonl", "manifest.json"] {
        let text = fs_err::read_to_string(run.join(file)).unwrap();
        assert!(!text.contains("hunter2"), "{file}: {text}");
    }
}

#[test]
fn an_output_that_holds_a_secret_is_not_taken_for_its_mask_after_a_resume() {
    let (desk, mesh) = (Desk::new(), Mesh::start());
    desk.file(
        "plan.yaml",
        r#"version: 1
name: secret
inputs:
  token: { type: string, sensitive: true }
steps:
  make: { uses: gate, timeout: 1m, with: { command: { argv: [echo, "key-${{ inputs.token }}"] } } }
  ask: { uses: gate, needs: [make], timeout: 1h, with: { approval: { message: Go on? } } }
  use: { uses: gate, needs: [ask], timeout: 1m, with: { command: { argv: ["test", "-n", "${{ steps.make.outputs.value }}"] } } }
"#,
    );
    let kubeconfig = mesh.kubeconfig(&desk);
    let secret = [("PLAN_INPUT_TOKEN", "hunter2hunter2")];
    let args = ["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig];
    desk.plan_with(&args, &secret).exits(6).hides("hunter2");
    let run = desk.run_id();
    desk.plan_with(&["resume", &run, "--approve", "all"], &secret)
        .exits(1)
        .says("`value` of `make` holds a secret, which no journal keeps")
        .hides("hunter2");
    // Where nothing is lost in between, it is used.
    let args = [&args[..], &["--approve", "all"]].concat();
    desk.plan_with(&args, &secret).exits(0).hides("hunter2");
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let desk = Desk::new();
    desk.file("plan.yaml", LABEL);
    desk.file("broken.yaml", "version: 1\nname: x\nsteps: {}\n");
    let plan = assert_cmd::cargo::cargo_bin("plan");
    for (file, code) in [("plan.yaml", 0), ("broken.yaml", 3)] {
        // Both ends of each pipe are closed before anything is written.
        let (out, err) = (std::io::pipe().unwrap().1, std::io::pipe().unwrap().1);
        let status = std::process::Command::new(&plan)
            .args(["graph", file])
            .current_dir(desk.path())
            .stdout(out)
            .stderr(err)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{file}");
    }
}

#[test]
fn a_lab_run_repeats_from_its_seed_to_the_byte() {
    let desk = Desk::new();
    desk.file(
        "plan.yaml",
        &fs_err::read_to_string("plans/upgrade-canary.yaml").unwrap(),
    );
    let journal = |seed| {
        desk.plan(&["run", "plan.yaml", "--lab", "--seed", seed])
            .exits(0);
        let dir = desk.path().join(".plan/runs").join(desk.run_id());
        let journal = fs_err::read_to_string(dir.join("journal.jsonl")).unwrap();
        fs_err::remove_dir_all(dir).unwrap();
        journal
    };
    let first = journal("7");
    for _ in 0..3 {
        assert!(first == journal("7"), "the same seed is the same run");
    }
    assert!(first != journal("8"), "another seed is another run");
    assert!(first.lines().count() > 50, "{first}");
}

#[test]
fn a_lab_run_of_another_seed_has_another_name() {
    let desk = Desk::new();
    desk.file("plan.yaml", GATE);
    // Their names would be the same: the seeds agree in what is shown of them.
    for seed in ["7", "65543", "7"] {
        desk.plan(&["run", "plan.yaml", "--lab", "--seed", seed])
            .exits(0);
    }
    let runs = desk.plan(&["runs"]).exits(0).stdout;
    assert_eq!(runs.lines().count(), 2, "{runs}");
}

#[test]
fn a_lab_run_takes_the_place_of_itself_and_is_not_resumed() {
    let desk = Desk::new();
    desk.file("plan.yaml", &GATE.replace("0s", "1h"));
    for _ in 0..2 {
        desk.plan(&["run", "plan.yaml", "--lab", "--seed", "7"])
            .exits(0);
    }
    let run = desk.run_id();
    desk.plan(&["resume", &run]).exits(0).says("ended well");
    desk.file("plan.yaml", &GATE.replace("0s", "2h"));
    desk.plan(&[
        "run",
        "plan.yaml",
        "--lab",
        "--seed",
        "8",
        "--timeout",
        "1h",
    ])
    .exits(1);
    let runs = desk.plan(&["runs"]).exits(0).stdout;
    let failed = runs.split_whitespace().find(|word| word.ends_with("0008"));
    desk.plan(&["resume", failed.unwrap()])
        .exits(64)
        .says("--lab --seed 8");
}

#[test]
fn warnings_that_are_denied_are_said_to_be() {
    let desk = Desk::new();
    let plan = "version: 1\nname: x\ninputs: { a: { type: string } }\nsteps: { b: { uses: gate, with: { soak: 1s } } }\n";
    desk.file("plan.yaml", plan);
    desk.plan(&["validate", "plan.yaml"])
        .exits(0)
        .hides("denied");
    for format in ["full", "concise"] {
        let args = ["validate", "plan.yaml", "--deny", "warnings", "--format"];
        desk.plan(&[args.as_slice(), &[format]].concat())
            .exits(3)
            .says("warnings are denied");
    }
}

#[test]
fn a_file_outside_of_the_plans_directory_is_found_by_the_check() {
    let desk = Desk::new();
    let plan = "version: 1\nname: x\nsteps:\n  a:\n    uses: install-revision\n    with: { revision: a, version: 1.29.1, source: manifests, files: [/etc/hostname] }\n";
    desk.file("plan.yaml", plan);
    desk.plan(&["validate", "plan.yaml"])
        .exits(3)
        .says("error[P0602]")
        .says("plan.yaml:6:70");
}
