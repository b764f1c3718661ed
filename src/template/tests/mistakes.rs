//! What is found without values.

use super::*;

#[test]
fn references_are_told() {
    let template = parse(
        "${{ steps['wait-ready'].outputs.pods[0] ~ inputs.map.a }} ${{ namespace | default('x') }}",
    );
    let seen: Vec<_> = template
        .references()
        .iter()
        .map(|r| {
            (
                r.root.as_str(),
                r.path.join("/"),
                r.key().join("/"),
                &template.text()[r.span.range()],
                r.defaulted,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (
                "steps",
                "wait-ready/outputs/pods".into(),
                "wait-ready/outputs/pods".into(),
                "steps['wait-ready'].outputs.pods",
                false
            ),
            (
                "inputs",
                "map/a".into(),
                "map".into(),
                "inputs.map.a",
                false
            ),
            ("namespace", String::new(), String::new(), "namespace", true),
        ]
    );
    assert_eq!(template.references()[0].step(), Some("wait-ready"));
    assert_eq!(template.references()[0].output(), Some("pods"));
    let listed =
        parse("${{ inputs.list | select('in', [inputs.to, {'a': cluster.labels.zone}]) }}");
    let roots: Vec<_> = listed
        .references()
        .iter()
        .map(|r| r.path[0].as_str())
        .collect();
    assert_eq!(roots, ["list", "to", "labels"]);
}

#[test]
fn mistakes_are_found_without_values() {
    for (text, expected) in [
        (
            "${{ steps.wait-ready.outputs.x }}",
            "P0307 at `steps.wait-ready`: `steps.wait-ready` is a subtraction (write `steps['wait-ready']`)",
        ),
        (
            "${{ inputs.a | lenght }}",
            "P0314 at `lenght`: unknown filter `lenght` (did you mean `length`?)",
        ),
        (
            "${{ inputs.a is defind }}",
            "P0314 at `defind`: unknown test `defind` (did you mean `defined`?)",
        ),
        (
            "${{ range(10) }}",
            "P0314 at `range`: unknown function `range` (there are only `always()` and `failure()`, for `when`)",
        ),
        (
            "${{ inputs.a.upper() }}",
            "P0314 at `.upper()`: values have no methods (use a filter, such as `value | lower`)",
        ),
        (
            "${{ always() }}",
            "P0314 at `always()`: `always()` is for `when` only (-)",
        ),
        (
            "${{ steps.a }}",
            "P0303 at `steps.a`: `steps.a` is no value: it has `outcome` and `outputs.NAME` (-)",
        ),
        (
            "${{ steps.a.status }}",
            "P0303 at `steps.a.status`: a step has no `status` (it has `outcome` and `outputs.NAME`)",
        ),
        (
            "${{ cluster.nane }}",
            "P0303 at `cluster.nane`: `cluster` has no `nane` (did you mean `name`?)",
        ),
        (
            "a ${{ inputs.a",
            "P0308 at `${{ inputs.a`: an expression is not closed (close it with `}}`; for the text `${{` itself write `${{ '${{' }}`)",
        ),
        (
            "${{ it's }}",
            "P0308 at `${{ it's }}`: an expression is not closed (a string in it has no closing quote)",
        ),
        ("${{ }}", "P0308 at ``: an expression is empty (-)"),
    ] {
        assert_eq!(wrong(text), [expected], "{text}");
    }
    assert!(
        wrong("${{ inputs.a b }}")[0].starts_with("P0308 at `b`"),
        "{:?}",
        wrong("${{ inputs.a b }}")
    );
    assert_eq!(wrong("${{ inputs }} ${{ steps.a }}").len(), 2);
}

/// Who comes from another language is told the word of this one.
#[test]
fn foreign_words_are_recognised() {
    for (text, help) in [
        ("inputs.a && inputs.b", "write `and`"),
        ("!inputs.a", "write `not`"),
        ("inputs.a ? 1 : 2", "write `a if condition else b`"),
        ("success()", "leave it out"),
        ("contains(inputs.a, 'x')", "write `'part' in text`"),
        ("toJSON(inputs.a)", "it is a filter: write `value | tojson`"),
    ] {
        let told = wrong_condition(text);
        assert!(
            told.len() == 1 && told[0].contains(help),
            "{text}: {told:?}"
        );
    }
}

#[test]
fn what_is_listed_is_there_and_nothing_else() {
    for (filter, _) in FILTERS {
        let text = format!("${{{{ inputs.list | map('{filter}') | length }}}}");
        if let Err(problem) = parse(&text).eval(&names()) {
            assert!(
                !problem.message.contains("unknown"),
                "{filter}: {}",
                problem.message
            );
        }
    }
    for (test, _) in TESTS.iter().filter(|(test, _)| *test != "version") {
        let text = format!("${{{{ inputs.list | select('{test}') | list }}}}");
        if let Err(problem) = parse(&text).eval(&names()) {
            assert!(
                !problem.message.contains("unknown"),
                "{test}: {}",
                problem.message
            );
        }
    }
    let env = functions::environment();
    assert_eq!(env.globals().count(), 0);
    for filter in [
        "groupby",
        "pprint",
        "format",
        "safe",
        "attr",
        "urlencode",
        "dictsort",
    ] {
        assert!(
            env.compile_expression(&format!("[]|{filter}"))
                .is_ok_and(|e| e.eval(()).is_err()),
            "{filter}"
        );
    }
    let page = explain();
    for (name, what) in FILTERS.iter().chain(TESTS).chain(FUNCTIONS) {
        assert!(page.contains(name) && page.contains(what), "{name}");
    }
}

#[test]
fn a_condition_is_one_expression() {
    for text in [
        "failure() and inputs.on",
        "${{ failure() and inputs.on }}",
        " ${{failure()}} ",
    ] {
        let template = condition(text);
        assert!(template.calls_failure() && !template.calls_always());
        assert_eq!(
            template.eval(&names()),
            Ok(Evaluated::Known(json!(true))),
            "{text}"
        );
        assert_eq!(
            template.eval(&Names(names().0, None)),
            Ok(Evaluated::Unknown(vec!["`failure()`".to_owned()]))
        );
    }
    assert_eq!(
        condition("always()").eval(&names()),
        Ok(Evaluated::Known(json!(true)))
    );
    assert_eq!(wrong_condition("${{ inputs.on }} and true").len(), 1);
    assert!(wrong_condition("always")[0].contains("write `always()`"));
    let text = "inputs.list | length";
    let problem = condition(text).eval(&names()).expect_err("a number");
    assert_eq!(
        told(text, &[*problem]),
        ["P0311 at `inputs.list | length`: a condition must be true or false (-)"]
    );
}
