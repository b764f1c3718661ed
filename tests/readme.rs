//! Every `plan` command of README.md, executed as it stands there.

use std::collections::BTreeSet;

use crate::harness::{Desk, Mesh};

const GATE: &str = "version: 1\nname: gated\nsteps:\n  accept:\n    uses: gate\n    timeout: 1h\n    with: { approval: { message: Go on? } }\n";

/// The commands: in console blocks after `$ `, and in back-ticks.
fn commands() -> BTreeSet<String> {
    let text = fs_err::read_to_string("README.md").unwrap();
    let blocks = text.lines().filter_map(|line| line.strip_prefix("$ "));
    let inline = text.split('`').skip(1).step_by(2);
    blocks
        .chain(inline)
        .filter(|command| command.starts_with("plan ") && !command.contains('\n'))
        .filter(|command| !command.contains("KIND"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_of_the_readme_is_one_that_plan_knows() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    let mesh = Mesh::start();
    for command in commands {
        let desk = Desk::new();
        let kubeconfig = mesh.kubeconfig(&desk);
        fs_err::create_dir(desk.path().join(".kube")).unwrap();
        fs_err::rename(kubeconfig, desk.path().join(".kube/config")).unwrap();
        for plan in ["upgrade-1.6", "upgrade-canary", "upgrade-in-place"] {
            let text = fs_err::read_to_string(format!("plans/{plan}.yaml")).unwrap();
            desk.file(&format!("plans/{plan}.yaml"), &text);
        }
        let mut words: Vec<String> = command
            .split_whitespace()
            .skip(1)
            .map(str::to_owned)
            .collect();
        if words.iter().any(|word| word == "RUN") || command == "plan runs" {
            // A run that waits at its gate.
            desk.file("gate.yaml", GATE);
            desk.plan(&["run", "gate.yaml", "--yes"]).exits(6);
            let run = desk.run_id();
            for word in &mut words {
                match word.as_str() {
                    "RUN" => word.clone_from(&run),
                    "STEP" => "accept".clone_into(word),
                    _ => {}
                }
            }
        }
        if command == "plan lab serve" {
            assert_eq!(desk.serve(&[]).terminate(), Some(0), "{command}");
            continue;
        }
        // Nobody sits at this terminal.
        if words[0] == "run" && !command.contains("--dry-run") && !command.contains("--lab") {
            words.push("--yes".to_owned());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = desk.plan(&words);
        // Without an istioctl the upgrades end early, and a resumed gate still waits; but each is understood.
        let expected: &[i32] = match words[0] {
            "run" if command.contains("--lab") => &[0],
            "run" => &[1],
            "resume" => &[6],
            _ => &[0],
        };
        assert!(
            expected.contains(&ended.code.unwrap()),
            "{command}: {:?}\n{}\n{}",
            ended.code,
            ended.stdout,
            ended.stderr
        );
    }
}
