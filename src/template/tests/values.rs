//! What templates give.

use super::*;

#[test]
fn one_whole_expression_keeps_its_type() {
    assert_eq!(value("${{ inputs.list }}"), json!(["shop", "pay"]));
    assert_eq!(value("${{ inputs.n }}"), json!(3));
    assert_eq!(value("${{ inputs.n }}\n"), json!(3));
    assert_eq!(value("${{inputs.n}} pods"), json!("3 pods"));
    assert_eq!(value("${{ inputs.map.a.b + 1 }}"), json!(8));
    assert_eq!(value("${{ {'a': {'b': 1}} }}"), json!({"a": {"b": 1}}));
    assert_eq!(value("${{ 1.5 * 2 }}"), json!(3.0));
    assert_eq!(
        value("to ${{ inputs.list }}: ${{ inputs.on }}"),
        json!(r#"to ["shop","pay"]: true"#)
    );
    assert_eq!(
        value("istio-${{ inputs.to | dns_label }}"),
        json!("istio-1-6-14")
    );
    assert_eq!(
        value("${{ steps['wait-ready'].outputs.pods | length }}"),
        json!(1)
    );
}

#[test]
fn only_the_mark_is_special() {
    for text in [
        "{% if x %}",
        "{# no #}",
        "{{ inputs.to }}",
        "$ { {",
        "}}",
        "",
    ] {
        assert!(parse(text).is_literal());
        assert_eq!(value(text), json!(text));
    }
    assert_eq!(value("${{ '${{ x }}' }}"), json!("${{ x }}"));
    assert_eq!(value("${{ 'a\\'}}' }}-${{ \"}}\" }}"), json!("a'}}-}}"));
}

#[test]
fn versions_are_ordered_by_a_test() {
    for (requirement, met) in [
        (">= 1.10", false),
        (">= 1.5, < 1.7", true),
        ("== 1.6", true),
        ("1.6.14", true),
        ("<= 1.6", true),
        ("> 1.6", false),
        ("!= 1.6.14", false),
    ] {
        let text = format!("${{{{ inputs.to is version('{requirement}') }}}}");
        assert_eq!(value(&text), json!(met), "{requirement}");
    }
    assert!(fails("${{ inputs.n is version('>= 1.10') }}").contains("a version is a text"));
    assert_eq!(
        wrong("${{ inputs.to is version('=> 1') }}"),
        [
            "P0308 at `'=> 1'`: `=> 1` is no requirement: write a comparison and a version, such as `>= 1.10` (-)"
        ]
    );
}

#[test]
fn what_depends_on_the_unknown_is_unknown() {
    let unknown = |text: &str, causes: &[&str]| {
        let causes = causes.iter().map(|&cause| cause.to_owned()).collect();
        assert_eq!(
            parse(text).eval(&names()),
            Ok(Evaluated::Unknown(causes)),
            "{text}"
        );
    };
    unknown("${{ inputs.later }}", &["inputs.later"]);
    unknown(
        "${{ inputs.later }}/${{ steps.ready.outputs.pods }}",
        &["inputs.later", "steps.ready.outputs.pods"],
    );
    unknown("${{ inputs.later | default('x') }}", &["inputs.later"]);
    unknown("${{ inputs.on and inputs.later }}", &["inputs.later"]);
    unknown("${{ inputs.later and false }}", &["inputs.later"]);
    unknown("${{ not inputs.later }}", &["inputs.later"]);
    for (text, known) in [
        ("${{ not inputs.on and inputs.later }}", json!(false)),
        ("${{ inputs.on or inputs.later }}", json!(true)),
        ("${{ 1 if inputs.on else inputs.later }}", json!(1)),
        ("${{ not (inputs.on or inputs.later) }}", json!(false)),
    ] {
        assert_eq!(value(text), known, "{text}");
    }
}

#[test]
fn what_is_not_there_is_an_error_with_its_place() {
    assert_eq!(
        value("${{ steps.off.outputs.x | default('none') }}"),
        json!("none")
    );
    assert_eq!(value("${{ steps.off.outputs.x is defined }}"), json!(false));
    assert_eq!(
        fails("a ${{ steps.off.outputs.x }}"),
        "P0309 at `steps.off.outputs.x`: `steps.off.outputs.x` has no value: it was skipped (where that may be, use `… | default('…')`)"
    );
    assert!(fails("${{ steps.off.outputs.x ~ 'y' }}").contains("it was skipped"));
    assert!(fails("${{ inputs.map.c }}").contains("`inputs.map.c` has no value"));
    assert!(fails("${{ inputs.to - 1 }}").starts_with("P0309 at `inputs.to - 1`"));
}

#[test]
fn versions_are_ordered_as_versions() {
    let list = "['1.9.0', '1.10.0', '1.2']";
    for (text, expected) in [
        ("max", json!("1.10.0")),
        ("min", json!("1.2")),
        ("sort", json!(["1.2", "1.9.0", "1.10.0"])),
        ("sort(reverse=true) | first", json!("1.10.0")),
    ] {
        assert_eq!(
            value(&format!("${{{{ {list} | {text} }}}}")),
            expected,
            "{text}"
        );
    }
    assert_eq!(value("${{ ['b', '1.2', 'a'] | sort | last }}"), json!("b"));
    assert_eq!(
        value("${{ [3, 20, 1] | select('gt', 2) | max }}"),
        json!(20)
    );
    let refused = fails(&format!("${{{{ {list} | select('gt', '1.9') | list }}}}"));
    assert!(
        refused.contains("versions are compared as text"),
        "{refused}"
    );
}
