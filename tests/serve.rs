//! `plan lab serve`, seen from other processes.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use plan::lab::istio;

use crate::harness::Desk;

#[test]
fn an_upgrade_runs_over_the_port() {
    let desk = Desk::new();
    let manifests = istio::control_plane(&"1.6.14".parse().unwrap(), "canary");
    let text = manifests.iter().fold(String::new(), |mut text, object| {
        writeln!(text, "---\n{object}").unwrap();
        text
    });
    desk.file("canary.yaml", &text);
    let shipped = fs_err::read_to_string("plans/upgrade-1.6.yaml").unwrap();
    let (before, after) = shipped.split_once("      take_over:").unwrap();
    let source = "      source: manifests\n      files: [canary.yaml]\n";
    desk.file(
        "plan.yaml",
        &format!("{before}{source}      take_over:{after}"),
    );
    let served = desk.serve(&[]);
    let kubeconfig = served.kubeconfig.clone();
    let run = |expected: &str| {
        let args = [
            "run",
            "plan.yaml",
            "--yes",
            "--approve",
            "all",
            "--set",
            "namespaces=shop",
            "--kubeconfig",
            &kubeconfig,
        ];
        desk.plan(&args).exits(0).says(expected)
    };
    run("5 proxies of 3 workloads on canary").says("3 of 3 workloads restarted");
    run("nothing changed");
    assert_eq!(served.terminate(), Some(0));
    desk.plan(&["run", "plan.yaml", "--yes", "--kubeconfig", &kubeconfig])
        .exits(8);
}

#[test]
fn the_kubeconfig_is_the_users_alone_and_goes_with_the_server() {
    let desk = Desk::new();
    let config = desk.path().join("lab.kubeconfig");
    let path = config.to_str().unwrap();
    let served = desk.serve(&["both-labels", "--kubeconfig-out", path]);
    assert_eq!(
        fs_err::canonicalize(&served.kubeconfig).unwrap(),
        fs_err::canonicalize(&config).unwrap()
    );
    let mode = fs_err::metadata(&config).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A file that somebody needs is not written over, and not removed.
    let text = fs_err::read_to_string(&config).unwrap();
    desk.plan(&["lab", "serve", "--kubeconfig-out", path])
        .exits(64)
        .says("a file that does not exist yet");
    assert_eq!(fs_err::read_to_string(&config).unwrap(), text);
    let port = text
        .split("https://127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    desk.plan(&["lab", "serve", "--port", port])
        .exits(64)
        .says(&format!("port {port} cannot be taken"));
    assert_eq!(served.terminate(), Some(0));
    assert!(!config.exists());
    desk.plan(&["lab", "serve", "shopp"])
        .exits(64)
        .says("did you mean `shop`?");
}
