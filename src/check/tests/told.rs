//! What is told of what is wrong in a plan, and of that alone.

use super::*;

/// What is wrong with a plan of one step on one line: the first letters at each place, and the code.
pub(super) fn faults(step: &str) -> Vec<String> {
    let text = format!(
        "version: 1\nname: x\ninputs:\n  m: {{ type: map, default: {{}} }}\nsteps:\n{step}"
    );
    places(&text, &checked(&text, &Slice::default()))
}

/// The first letters at the place of each error, and its code.
pub(super) fn places(text: &str, outcome: &Checkup) -> Vec<String> {
    let errors = outcome.diagnostics.iter().filter(|one| one.is_error());
    errors
        .map(|error| {
            let place = error.primary.as_ref().expect("a place").span.range();
            let letters: String = text[place.start..].chars().take(4).collect();
            format!("{} {}", letters.trim(), error.code)
        })
        .collect()
}

#[test]
fn what_is_wrong_in_an_expression_does_not_hide_what_else_is() {
    for (step, expected) in [
        (
            "  a: { uses: gate, when: inputs.m | uper == inputs.n, with: { soak: 1s } }\n",
            ["uper P0314", "inpu P0302"],
        ),
        (
            "  a: { uses: gate, when: true, with: { soak: \"${{ inputs.m | uper ~ lost }}\" } }\n",
            ["uper P0314", "lost P0303"],
        ),
        (
            "  a: { for_each: \"${{ steps.b.outcome | uper }}\", as: x, steps: { g: { uses: gate, with: { soak: 1s } } } }\n",
            ["step P0301", "uper P0314"],
        ),
    ] {
        assert_eq!(faults(step), expected, "{step}");
    }
}

#[test]
fn a_type_that_is_wrong_whatever_the_value_is_told_once() {
    let step =
        "  a: { uses: gate, timeout: { attempt: \"${{ inputs.m }}\" }, with: { soak: 1s } }\n";
    assert_eq!(faults(step), ["\"${{ P0312"]);
}

#[test]
fn every_wave_that_is_wrong_is_told_and_one_that_adds_nothing_is_dropped() {
    let waves = |waves: &str| {
        format!(
            "  a: {{ for_each: [p, q, r], as: x, waves: {waves}, steps: {{ g: {{ uses: gate, with: {{ soak: 1s }} }} }} }}\n"
        )
    };
    assert_eq!(
        faults(&waves("[x, 12.5%, [1], 2, 1]")),
        ["x, 1 P0211", "12.5 P0211", "[1], P0211", "1], P0211"]
    );
    let text = format!(
        "version: 1\nname: x\nsteps:\n{}",
        waves("[1, 1, 30%, 100%]")
    );
    let (tasks, _) = names(&text, &Slice::default());
    let wave = |name: &&String| name.contains(":wave");
    assert_eq!(tasks.iter().filter(wave).collect::<Vec<_>>(), ["a:wave[1]"]);
}

#[test]
fn values_are_judged_by_their_schemas_wherever_they_stand() {
    for (with, expected) in [
        // A misspelt key stands for the one that was meant, and what is in it is checked.
        (
            "http: { urll: x, statuss: 700 }",
            vec!["urll P0202", "stat P0202", "700 P0204"],
        ),
        ("window: { between: [\"22:00\"] }", vec!["[\"22 P0204"]),
        (
            "window: { between: [\"1\", \"22:00\", \"23:00\"], days: [mun] }",
            vec!["[\"1\" P0204", "\"1\", P0204", "mun] P0204"],
        ),
        ("soak: 99999999999999999999s", vec!["9999 P0204"]),
        ("command: { argv: [1.10, {}] }", vec!["{}] P0201"]),
        (
            "approval: { message: ~, quorum: 0 }",
            vec!["~, q P0201", "0 } P0204"],
        ),
    ] {
        let step = format!("  a: {{ uses: gate, timeout: 1h, with: {{ {with} }} }}\n");
        assert_eq!(faults(&step), expected, "{with}");
    }
}

#[test]
fn the_timeouts_of_a_plan_and_of_its_steps_may_be_made_of_inputs() {
    let text = "version: 1\nname: x\ninputs:\n  long: { type: duration, default: 2h }\n  short: { type: duration, default: 3m }\ndefaults: { timeout: { attempt: \"${{ inputs.short }}\", total: 20m } }\ntimeout: ${{ inputs.long }}\nsteps:\n  a: { uses: wait-ready, with: { revision: canary } }\n  b: { uses: gate, with: { soak: 1s } }\n";
    let outcome = checked(text, &Slice::default());
    let Some(plan) = &outcome.checked else {
        panic!("{}", said(&outcome));
    };
    assert_eq!(
        plan.timeout().map(|span| span.to_string()),
        Some("2h".to_owned())
    );
    let timeout = |at: usize| serde_json::to_value(plan.tasks()[at].timeout).unwrap();
    assert_eq!(
        timeout(0),
        serde_json::json!({ "attempt": "3m", "total": "20m" })
    );
    assert_eq!(
        timeout(1),
        serde_json::json!({ "attempt": null, "total": null })
    );

    let unfit = text.replace(
        "long: { type: duration, default: 2h }",
        "long: { type: string, default: soon }",
    );
    let told = said(&checked(&unfit, &Slice::default()));
    assert!(told.starts_with("plan.yaml:7:10: error[P0204]"), "{told}");
    let unknown = text.replace("inputs.short", "inputs.shrt");
    let told = said(&checked(&unknown, &Slice::default()));
    assert!(
        told.contains("plan.yaml:6:38: error[P0302]: there is no input `shrt`"),
        "{told}"
    );
}

#[test]
fn a_timeout_is_not_made_of_what_steps_give() {
    let text = "version: 1\nname: x\ntimeout: ${{ steps.a.outputs.version }}\ndefaults: { timeout: \"${{ steps.a.outputs.version }}\" }\nsteps:\n  a: { uses: wait-ready, with: { revision: canary } }\n  b: { uses: gate, timeout: \"${{ steps.a.outputs.version }}\", with: { http: { url: \"http://x\" } } }\n";
    let told = said(&checked(text, &Slice::default()));
    assert_eq!(told.lines().count(), 3, "{told}");
    assert_eq!(told.matches("P0305").count(), 3, "{told}");
}

#[test]
fn what_an_input_allows_must_be_of_its_type() {
    let told = |declared: &str| {
        let text = format!(
            "version: 1\nname: x\ninputs:\n  a: {{ {declared} }}\nsteps:\n  b: {{ uses: gate, timeout: 1h, with: {{ approval: {{ message: \"m ${{{{ inputs.a }}}}\" }} }} }}\n"
        );
        said(&checked(&text, &Slice::default()))
    };
    for (declared, wrong) in [
        ("type: number, default: 1, enum: [1, two]", "two"),
        ("type: bool, default: true, enum: [true, 1]", "1]"),
        ("type: list, items: number, default: [1], enum: [x]", "x]"),
        ("type: number, default: 1, pattern: '^1'", "pattern"),
        (
            "type: list, items: bool, default: [true], pattern: t",
            "pattern",
        ),
        ("type: map, default: {}, pattern: t", "pattern"),
        ("type: string, default: a, pattern: '('", "'('"),
    ] {
        let told = told(declared);
        let column = declared.find(wrong).unwrap() + "  a: { ".len() + 1;
        let expected = format!("plan.yaml:4:{column}: error[P0609]");
        assert!(
            told.starts_with(&expected) && told.lines().count() == 1,
            "{declared}: {told}"
        );
    }
    for sound in [
        "type: number, default: 1, enum: [1, 2.5]",
        "type: list, default: [a], enum: [a, b], pattern: '^[ab]$'",
        "type: version, default: '1.10', enum: ['1.10', 1.9.1]",
        "type: duration, default: 10m, pattern: 'm$'",
    ] {
        assert_eq!(told(sound), "", "{sound}");
    }
    let unquoted = told("type: version, default: '1.10', enum: [1.10]");
    assert!(
        unquoted.contains("warning[P0207]") && unquoted.lines().count() == 1,
        "{unquoted}"
    );
}

#[test]
fn the_names_given_to_a_step_of_an_unknown_kind_are_looked_at() {
    let text = "version: 1\nname: x\ninputs: { used: { type: string, default: a } }\nsteps:\n  a: { uses: zzzzzz, with: { x: \"${{ inputs.used }}\", y: [\"${{ inputs.gone }}\"], z: \"${{ steps.none.outcome }}\" } }\n  b: { with: { x: \"${{ inputs.other }}\" } }\n";
    let told = said(&checked(text, &Slice::default()));
    let codes: Vec<&str> = told
        .lines()
        .filter_map(|line| line.get(line.find('[')? + 1..line.find(']')?))
        .collect();
    assert_eq!(
        codes,
        ["P0208", "P0302", "P0301", "P0203", "P0302"],
        "{told}"
    );
}

#[test]
fn the_address_that_a_gate_asks_is_looked_at_as_soon_as_it_is_known() {
    let told = |url: &str| {
        let text = format!(
            "version: 1\nname: x\ninputs: {{ host: {{ type: string, default: \"a b\" }} }}\nsteps:\n  a: {{ uses: gate, timeout: 1h, with: {{ http: {{ url: \"{url}\" }} }} }}\n  b: {{ uses: gate, timeout: 1h, with: {{ prometheus: {{ url: \"${{{{ inputs.host }}}}\", query: q, expect: \"> 1\" }} }} }}\n"
        );
        said(&checked(&text, &Slice::default()))
    };
    for wrong in [
        "shop:8080",
        "ftp://shop",
        "http://",
        "http://a b",
        "/healthz",
        "http://${{ inputs.host }}/",
    ] {
        let told = told(wrong);
        assert_eq!(told.matches("[P0204]").count(), 2, "{wrong}: {told}");
        assert_eq!(told.lines().count(), 2, "{wrong}: {told}");
    }
    assert_eq!(told("https://shop:8443/healthz?x=1").lines().count(), 1);
}

#[test]
fn an_address_that_a_step_gives_fails_the_gate_at_once() {
    let gives = Ended(
        [("value".to_owned(), "no address".into())]
            .into_iter()
            .collect(),
    );
    let text = "version: 1\nname: x\nsteps:\n  a: { uses: gate, timeout: 1m, with: { command: { argv: [x] } } }\n  b: { uses: gate, timeout: 1h, with: { http: { url: \"${{ steps.a.outputs.value }}\" } } }\n";
    let outcome = checked(text, &Slice::default());
    let plan = outcome.checked.as_ref().unwrap();
    let Role::Step(Work::Deferred(_, with)) = &plan.tasks()[1].role else {
        panic!("it waits for a step");
    };
    let error = with.value.evaluate(&gives).unwrap_err();
    assert_eq!(
        error.message,
        "`no address` is no address to ask: not such as http://prometheus:9090"
    );
}

#[test]
fn a_step_of_a_group_that_is_named_without_its_item_is_found() {
    for (flag, slice) in [
        (
            "--only",
            Slice {
                only: Some("migrate.hold".to_owned()),
                ..Slice::default()
            },
        ),
        (
            "--from",
            Slice {
                from: Some("migrate.hold".to_owned()),
                ..Slice::default()
            },
        ),
        (
            "--until",
            Slice {
                until: Some("migrate.hold".to_owned()),
                ..Slice::default()
            },
        ),
    ] {
        let outcome = checked(WAVES, &slice);
        let mut problems = outcome.diagnostics.iter();
        let problem = problems.find(|one| one.message.contains(flag)).unwrap();
        assert_eq!(
            problem.help.as_deref(),
            Some(
                "it runs for each item: `migrate[a].hold`, `migrate[b%2Fc].hold`, `migrate[d].hold`"
            )
        );
    }
}

#[test]
fn a_number_in_quotes_is_none() {
    let text = "version: \"1\"\nname: x\nsteps:\n  a:\n    for_each: [one]\n    as: item\n    max_parallel: \"2\"\n    steps:\n      hold: { uses: gate, with: { soak: 1s } }\n";
    let told = said(&checked(text, &Slice::default()));
    assert!(
        told.starts_with("plan.yaml:1:10: error[P0201]: the version is a number, found a string"),
        "{told}"
    );
    assert!(told.contains("plan.yaml:7:19: error[P0204]"), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    let plain = text.replace('"', "");
    assert_eq!(said(&checked(&plain, &Slice::default())), "");
}

#[test]
fn a_value_that_does_not_fit_is_told_in_one_sentence() {
    let text = "version: 1\nname: x\ninputs:\n  a: { type: map, default: 4 }\nsteps:\n  b: { uses: gate, timeout: 1h, with: { approval: { message: \"m ${{ inputs.a }}\" } } }\n";
    assert_eq!(
        said(&checked(text, &Slice::default())).trim_end(),
        "plan.yaml:4:28: error[P0609]: the default does not fit: it is not a map"
    );
}

#[test]
fn a_mistake_in_a_block_is_told_at_its_line() {
    let text = "version: 1\nname: x\nsteps:\n  a:\n    uses: gate\n    timeout: 1h\n    with:\n      approval:\n        message: |\n          line one\n          then ${{ inputs.nope }} and\n            ${{ foo.bar }}\n  b:\n    uses: gate\n    with: { soak: \"\\u0031s${{ inputs.gone }}\" }\n";
    let told = said(&checked(text, &Slice::default()));
    for place in [
        "11:20: error[P0302]",
        "12:17: error[P0303]",
        "15:31: error[P0302]",
    ] {
        assert!(
            told.contains(&format!("plan.yaml:{place}")),
            "{place}: {told}"
        );
    }
}

#[test]
fn nothing_is_no_value() {
    let told = |with: &str| {
        let text = format!(
            "version: 1\nname: x\nsteps:\n  a: {{ uses: wait-ready, with: {{ revision: a, {with} }} }}\n"
        );
        said(&checked(&text, &Slice::default()))
    };
    for with in ["version: ", "version: ~", "version: null"] {
        let found = told(with);
        assert!(
            found.contains("error[P0201]: expected a string, found nothing"),
            "{found}"
        );
    }
    // What an expression makes nothing of is left out.
    assert_eq!(told("version: \"${{ none }}\""), "");
}

#[test]
fn a_number_keeps_its_text_where_nothing_asks_for_a_type() {
    let text = "version: 1\nname: x\nsteps:\n  a: { for_each: [{ name: shop, to: 1.20 }, { name: 1.10, to: '1.30' }], as: y, uses: wait-ready, with: { revision: a, version: \"${{ y.to }}\" } }\n  b: { uses: install-revision, with: { revision: b, version: 1.29.1, set: { x: 0x10, y: 12, z: 1.0 } } }\n";
    let outcome = checked(text, &Slice::default());
    let told = said(&outcome);
    assert_eq!(told.matches("warning[P0207]").count(), 3, "{told}");
    let rendered = check::render(outcome.checked.as_ref().expect("valid"));
    for kept in ["version: '1.20'", "a[1.10]", "x: '0x10'", "y: 12", "z: 1.0"] {
        assert!(rendered.contains(kept), "{kept}: {rendered}");
    }
}

/// A plan that uses another one.
struct Two;

impl ReadFile for Two {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = if path.ends_with("sub.yaml") {
            "version: 1\nname: sub\ninputs: { team: { type: string, default: nobody } }\nsteps:\n  each: { for_each: { namespaces: { selector: \"team=${{ inputs.team }}\" } }, as: n, uses: gate, with: { soak: 1s } }\n"
        } else {
            "version: 1\nname: root\ninputs: { team: { type: string, default: shop } }\nsteps:\n  a: { uses: ./sub.yaml, with: { team: \"${{ inputs.team }}\" } }\n  b: { uses: ./sub.yaml }\n"
        };
        Ok(text.into())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/plans").join(path))
    }
}

#[test]
fn a_sub_plan_looks_at_the_cluster_for_what_its_caller_gives() {
    let loaded = check::load(
        Path::new("plan.yaml"),
        &Two,
        &Given::default(),
        Purpose::Run,
    );
    let asked: Vec<(String, String)> = loaded
        .lookups()
        .into_iter()
        .map(|lookup| (lookup.node, lookup.query.selector))
        .collect();
    assert_eq!(
        asked,
        [("a.each", "team=shop"), ("b.each", "team=nobody")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
}
