//! One mistake is told once, and with what helps.

use super::told::faults;
use super::*;

fn told(steps: &str) -> String {
    let text = format!("version: 1\nname: x\nsteps:\n{steps}");
    said(&checked(&text, &Slice::default()))
}

#[test]
fn a_mistake_is_told_once() {
    for (step, expected) in [
        ("uses: uninstall-revision, with: {}", "unin P0208"),
        ("uses: wait-ready, with: { revision: ~ }", "~ } P0201"),
        ("uses: precheck, with: { from: ~, to: 1.2.1 }", "~, t P0201"),
        ("uses: precheck, with: { from: 1.2.1, to: ~ }", "~ } P0201"),
        (
            "uses: gate, retry: { attempts: 2.0 }, with: { soak: 1s }",
            "2.0 P0204",
        ),
        (
            "uses: precheck, with: { from: 1.1.1, to: 1.3.1, max_hop: 0 }",
            "0 } P0204",
        ),
        (
            "uses: precheck, with: { from: 1.1.1, to: 1.3.1, max_hop: \"3\" }",
            "\"3\" P0201",
        ),
        (
            "uses: gate, timeout: 1m, with: { http: { url: http://a, status: 2.5 } }",
            "2.5 P0201",
        ),
        (
            "for_each: { pods: [b] }, as: x, steps: { g: { uses: gate, with: { soak: 1s } } }",
            "pods P0202",
        ),
        (
            "for_each: [b], as: x, waves: [1, 100%], between: { a: b }, steps: { g: { uses: gate, with: { soak: 1s } } }",
            "a: b P0202",
        ),
        (
            "uses: gate, timeout: 1m, with: { approval: { message: {{ inputs.m }} } }",
            "{ in P0114",
        ),
        (
            "uses: gate, timeout: 1m, with: { approval: { message: m, quorum: 99999999999999999999 } }",
            "9999 P0204",
        ),
    ] {
        assert_eq!(
            faults(&format!("  a: {{ {step} }}\n")),
            [expected],
            "{step}"
        );
    }
}

#[test]
fn a_version_that_looks_like_a_number_is_told_once() {
    let told = told("  a: { uses: wait-ready, with: { revision: a, version: +1.2 } }\n");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("[P0204]"), "{told}");
}

#[test]
fn a_misspelt_steps_is_told_once() {
    let text = "version: 1\nname: x\nstepz:\n  a: { uses: gate, with: { soak: 1s } }\n";
    let told = said(&checked(text, &Slice::default()));
    assert_eq!(told.lines().count(), 1, "{told}");
    let told = said(&checked(
        &text.replace("stepz:", "steps: # "),
        &Slice::default(),
    ));
    assert!(!told.contains("stepz"), "{told}");
}

#[test]
fn what_is_said_of_a_number_in_quotes_helps() {
    let step = |attempts: &str| {
        told(&format!(
            "  a: {{ uses: gate, retry: {{ attempts: {attempts} }}, with: {{ soak: 1s }} }}\n"
        ))
    };
    for (attempts, expected) in [
        ("\"3\"", "`3` is neither a whole number nor `unlimited`"),
        ("2.0", "`2.0` is neither a whole number nor `unlimited`"),
    ] {
        let told = step(attempts);
        assert!(told.contains(expected), "{told}");
    }
    let text = "version: 1\nname: x\ninputs: { b: { type: bool, default: \"true\" } }\nsteps: { a: { uses: gate, when: inputs.b, with: { soak: 1s } } }\n";
    let told = said(&checked(text, &Slice::default()));
    assert!(
        told.contains("\"true\" is a text: leave the quotes out"),
        "{told}"
    );
}

#[test]
fn a_name_is_not_hidden_and_no_word_of_an_expression() {
    let gate = "{ uses: gate, with: { soak: 1s } }";
    assert_eq!(
        faults(&format!("  a: {{ steps: {{ a: {gate} }} }}\n")),
        ["a: { P0306"]
    );
    for word in ["not", "if", "in", "true", "none", "always", "failure"] {
        let step = format!("  a: {{ for_each: [b], as: {word}, steps: {{ g: {gate} }} }}\n");
        let told = faults(&step);
        assert!(
            told.len() == 1 && told[0].ends_with("P0205"),
            "{word}: {told:?}"
        );
        let text = format!(
            "version: 1\nname: x\ninputs: {{ {word}: {{ type: string }} }}\nsteps: {{ a: {gate} }}\n"
        );
        let told = said(&checked(&text, &Slice::default()));
        assert!(told.contains("[P0205]"), "{word}: {told}");
    }
}

#[test]
fn a_retry_without_end_is_judged_as_it_results() {
    let plan = |step: &str| {
        let text = format!(
            "version: 1\nname: x\ndefaults: {{ retry: {{ attempts: unlimited }} }}\nsteps:\n  a: {{ uses: gate, {step}with: {{ soak: 1s }} }}\n"
        );
        said(&checked(&text, &Slice::default()))
    };
    assert_eq!(plan("retry: { budget: 1m }, "), "");
    assert_eq!(plan("retry: { attempts: 2 }, "), "");
    let told = plan("");
    assert!(told.starts_with("plan.yaml:3:32: error[P0209]"), "{told}");
}

#[test]
fn an_allow_names_what_can_be_allowed_and_each_code_once() {
    let step = |allow: &str| {
        told(&format!(
            "  a: {{ uses: restart, allow: [{allow}], with: {{ namespace: a }} }}\n"
        ))
    };
    let one = "{ code: P0501, reason: r }";
    let twice = step(&format!("{one}, {one}"));
    assert!(
        twice.contains("warning[P0512]: P0501 is allowed twice"),
        "{twice}"
    );
    let empty = step("{ code: P0501, reason: \"\" }");
    assert!(empty.contains("error[P0204]: the text is empty"), "{empty}");
    let outcome = checked(
        "version: 1\nname: x\nsteps:\n  a: { uses: gate, allow: [{ code: P0505, reason: r }], with: { soak: 1s } }\n",
        &Slice::default(),
    );
    let help = outcome.diagnostics.iter().find_map(|one| one.help.clone());
    assert_eq!(
        help.as_deref(),
        Some("`P0501`, `P0502`, `P0503`, `P0507`, `P0508` can be")
    );
}

#[test]
fn a_plan_has_a_name() {
    for name in ["\"\"", "\" \"", "\"a\\0\""] {
        let text = format!(
            "version: 1\nname: {name}\nsteps: {{ a: {{ uses: gate, with: {{ soak: 1s }} }} }}\n"
        );
        let told = said(&checked(&text, &Slice::default()));
        assert!(told.starts_with("plan.yaml:2:7: error[P0204]"), "{told}");
    }
}

#[test]
fn a_downgrade_is_told_though_the_hop_may_be_too_far() {
    let told = told("  a: { uses: precheck, with: { from: 1.29.1, to: 1.28.0, max_hop: 3 } }\n");
    assert!(
        told.contains("[P0506]") && told.contains("[P0513]"),
        "{told}"
    );
}

#[test]
fn a_node_that_is_not_named_in_full_is_found() {
    let text = "version: 1\nname: x\nsteps:\n  g: { for_each: [r s, t], as: x, steps: { m: { uses: gate, with: { soak: 1s } } } }\n  h: { steps: { n: { uses: gate, with: { soak: 1s } } } }\n";
    for (only, expected) in [
        ("m", "it is inside a group: `g[r%20s].m`, `g[t].m`"),
        ("n", "it is inside a group: `h.n`"),
        ("g.m", "it runs for each item: `g[r%20s].m`, `g[t].m`"),
        ("g[r s].m", "did you mean `g[r%20s].m`?"),
    ] {
        let slice = Slice {
            only: Some(only.to_owned()),
            ..Slice::default()
        };
        let outcome = checked(text, &slice);
        let help = outcome.diagnostics.iter().find_map(|one| one.help.clone());
        assert_eq!(help.as_deref(), Some(expected), "{only}");
    }
}

/// A plan that gives a sub-plan its values.
struct Pair<'a>(&'a str, &'a str);

impl ReadFile for Pair<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = if path.ends_with("sub.yaml") {
            self.1
        } else {
            self.0
        };
        Ok(text.as_bytes().to_vec())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/plans").join(path))
    }
}

#[test]
fn what_a_sub_plan_is_given_is_told_at_the_caller_too() {
    let caller = "version: 1\nname: x\nsteps:\n  a: { uses: ./sub.yaml, with: { rev: \"1.6.14\", old: 1.4.1 } }\n";
    let sub = "version: 1\nname: sub\ninputs: { rev: { type: string }, old: { type: version } }\nsteps:\n  ready: { uses: wait-ready, with: { revision: \"${{ inputs.rev }}\" } }\n  check: { uses: precheck, with: { from: 1.2.1, to: \"${{ inputs.old }}\" } }\n";
    let pair = Pair(caller, sub);
    let loaded = check::load(
        Path::new("plan.yaml"),
        &pair,
        &Given::default(),
        Purpose::Validate,
    );
    let outcome = loaded.check(None, &BTreeMap::new(), &Slice::default());
    let mut given = Vec::new();
    for one in &outcome.diagnostics {
        let label = one.secondary.last().expect("a caller");
        let place = outcome.sources.place(label.span);
        given.push(format!("{} {} {place}", one.code, label.message));
    }
    assert_eq!(
        given,
        [
            "P0504 `rev` is given here plan.yaml:4:39",
            "P0505 `old` is given here plan.yaml:4:54",
        ]
    );
}
