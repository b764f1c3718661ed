use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::source::{SourceMap, Style};

/// The file is the scalar itself, so that places are places in the text.
fn scalar(text: &str) -> (Scalar, Span) {
    let file = SourceMap::new().add("plan.yaml", text);
    let scalar = Scalar {
        text: text.to_owned(),
        style: Style::Plain,
    };
    (scalar, Span::at(file, 0, text.len()))
}

fn parse(text: &str) -> Template {
    let (scalar, span) = scalar(text);
    Template::parse(&scalar, span).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

fn condition(text: &str) -> Template {
    let (scalar, span) = scalar(text);
    Template::condition(&scalar, span).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

/// What is wrong: code, the text under the label, message, help.
fn told(text: &str, problems: &[Diagnostic]) -> Vec<String> {
    let line = |problem: &Diagnostic| {
        let under = problem
            .primary
            .as_ref()
            .map_or("", |label| &text[label.span.range()]);
        let help = problem.help.as_deref().unwrap_or("-");
        format!(
            "{} at `{under}`: {} ({help})",
            problem.code.as_str(),
            problem.message
        )
    };
    problems.iter().map(line).collect()
}

fn wrong(text: &str) -> Vec<String> {
    let (scalar, span) = scalar(text);
    told(text, &Template::parse(&scalar, span).expect_err(text))
}

fn wrong_condition(text: &str) -> Vec<String> {
    let (scalar, span) = scalar(text);
    told(text, &Template::condition(&scalar, span).expect_err(text))
}

/// Names by their dotted form. `?` stands for unknown, `!` for missing.
struct Names(BTreeMap<&'static str, Json>, Option<bool>);

impl Lookup for Names {
    fn get(&self, root: &str, key: &[String]) -> Found {
        let name = key
            .iter()
            .fold(root.to_owned(), |name, part| format!("{name}.{part}"));
        match self.0.get(name.as_str()) {
            Some(Json::String(text)) if text == "?" => Found::Unknown(name),
            Some(Json::String(text)) if text == "!" => Found::Missing("it was skipped".to_owned()),
            Some(value) => Found::Known(value.clone()),
            None => Found::Missing(format!("`{name}` is not there")),
        }
    }

    fn failure(&self) -> Option<bool> {
        self.1
    }
}

fn names() -> Names {
    Names(
        BTreeMap::from([
            ("inputs.to", json!("1.6.14")),
            ("inputs.list", json!(["shop", "pay"])),
            ("inputs.map", json!({"a": {"b": 7}})),
            ("inputs.n", json!(3)),
            ("inputs.on", json!(true)),
            ("inputs.later", json!("?")),
            ("steps.ready.outputs.pods", json!("?")),
            ("steps.wait-ready.outputs.pods", json!(["istiod-1"])),
            ("steps.wait-ready.outcome", json!("succeeded")),
            ("steps.off.outputs.x", json!("!")),
            ("namespace", json!("shop")),
        ]),
        Some(true),
    )
}

fn value(text: &str) -> Json {
    match parse(text).eval(&names()) {
        Ok(Evaluated::Known(value)) => value,
        other => panic!("{text}: {other:?}"),
    }
}

fn fails(text: &str) -> String {
    let problem = parse(text).eval(&names()).expect_err(text);
    told(text, &[*problem]).remove(0)
}

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

struct Declared;

impl Types for Declared {
    fn type_of(&self, root: &str, key: &[String]) -> Type {
        match (root, key.last().map_or("", String::as_str)) {
            ("inputs", "from" | "to") => Type::Version,
            ("inputs", "list") => Type::List,
            ("inputs", "n") => Type::Number,
            ("inputs", "on") => Type::Bool,
            ("inputs", "text") => Type::String,
            ("steps", "outcome") => Type::Outcome,
            _ => Type::Unknown,
        }
    }
}

#[test]
fn types_are_inferred() {
    for (text, expected) in [
        ("${{ inputs.to }}", Type::Version),
        ("${{ inputs.to }}-x", Type::String),
        ("${{ inputs.to == '1.6.14' }}", Type::Bool),
        ("${{ inputs.list | length + inputs.n }}", Type::Number),
        ("${{ inputs.list | join(',') }}", Type::String),
        ("${{ inputs.on or false }}", Type::Bool),
        ("${{ inputs.text | default('x') }}", Type::String),
        ("${{ [1] + inputs.list }}", Type::List),
        ("${{ 'a' if inputs.on else 'b' }}", Type::String),
        ("${{ item.name }}", Type::Unknown),
        ("${{ 1 < inputs.n < 5 }}", Type::Bool),
    ] {
        assert_eq!(parse(text).infer(&Declared), (expected, vec![]), "{text}");
    }
}

#[test]
fn wrong_types_are_reported() {
    for (text, expected) in [
        (
            "${{ inputs.from < inputs.to }}",
            "P0310 at `inputs.from < inputs.to`",
        ),
        ("${{ item >= '1.10' }}", "P0310 at `item >= '1.10'`"),
        (
            "${{ inputs.text - 1 }}",
            "P0312 at `inputs.text`: a number is wanted, and this is text",
        ),
        (
            "${{ inputs.list + 1 }}",
            "P0312 at `inputs.list + 1`: `+` between a list and a number",
        ),
        (
            "${{ inputs.n == 'x' }}",
            "P0312 at `'x'`: a number never equals text",
        ),
        (
            "${{ inputs.list < 3 }}",
            "P0312 at `3`: a list and a number have no order",
        ),
        (
            "${{ inputs.n is version('1.6') }}",
            "P0312 at `inputs.n`: a version is text",
        ),
        (
            "${{ steps.a.outcome in ['failed', 'timeout'] }}",
            "P0312 at `'timeout'`: no step ever ends as `timeout` (did you mean `timed_out`?)",
        ),
        (
            "${{ steps.a.outcome == 'success' }}",
            "P0312 at `'success'`: no step ever ends as `success` (",
        ),
    ] {
        let (_, problems) = parse(text).infer(&Declared);
        let problems = told(text, &problems);
        assert!(
            problems.len() == 1 && problems[0].starts_with(expected),
            "{text}: {problems:?}"
        );
    }
    let (kind, problems) = condition("inputs.text").infer(&Declared);
    assert_eq!((kind, problems[0].code), (Type::String, Code::WhenNotBool));
    assert_eq!(
        condition("steps.a.outcome == 'failed'").infer(&Declared),
        (Type::Bool, vec![])
    );
}

#[test]
fn hostile_templates_end() {
    for text in [
        format!("${{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("${{{{ {}1{} }}}}", "[".repeat(7_000), "]".repeat(7_000)),
        format!("${{{{ {}1 }}}}", "not ".repeat(4_000)),
        format!("${{{{ {}1 }}}}", "-".repeat(10_000)),
        format!("${{{{ 1{} }}}}", "+1".repeat(8_000)),
        format!("${{{{ a{} }}}}", ".a".repeat(8_000)),
        format!("${{{{ 1{} }}}}", " if 1 else 1".repeat(1_000)),
        format!("${{{{ {} }}}}", "a".repeat(20_000)),
        "${{ 1 }}".repeat(2_000),
        "${{".repeat(100_000),
    ] {
        assert_eq!(wrong(&text).len(), 1, "{}", &text[..40]);
    }
    for text in [
        "${{ 'a' * 10**9 }}",
        "${{ [1] * 10000000 }}",
        "${{ [[1] * 100000] * 100000 }}",
        "${{ ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'] * 90000 }}",
        "${{ 10 ** 10 ** 10 }}",
        "${{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    ] {
        fails(text);
    }
    let largest = format!("${{{{ {}1 }}}}", "-".repeat(limits::OPERATORS));
    assert_eq!(value(&largest), json!(1));
    let deepest = format!("${{{{ 0{} }}}}", "+1".repeat(limits::OPERATORS));
    assert_eq!(value(&deepest), json!(limits::OPERATORS));
    assert_eq!(parse(&deepest).infer(&Declared).0, Type::Number);
}

#[test]
fn quoted_scalars_map_and_escaped_ones_point_at_the_whole() {
    let file = SourceMap::new().add("plan.yaml", "");
    let quoted = |text: &str, len: usize| {
        let scalar = Scalar {
            text: text.to_owned(),
            style: Style::Quoted,
        };
        let template = Template::parse(&scalar, Span::at(file, 10, 10 + len)).expect("a template");
        template.references()[0].span.range()
    };
    assert_eq!(quoted("${{ inputs.a }}", 17), 15..23);
    assert_eq!(quoted("\t${{ inputs.a }}", 19), 10..29);
}

fn anything() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "${{",
        "}}",
        "inputs.to",
        "inputs.later",
        "steps.off.outputs.x",
        "steps.a-b",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "|",
        "is",
        "version('>=1.6')",
        "default(1)",
        "not",
        "and",
        "if",
        "else",
        "==",
        "<",
        "-",
        "+",
        "*",
        "**",
        "1",
        "9999999999999999999",
        "1.5",
        ".",
        ",",
        ":",
        "map('upper')",
        "sort",
        "é",
        "\n",
        "in",
        "always()",
    ]);
    prop::collection::vec(
        prop_oneof![9 => word.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)],
        0..24,
    )
    .prop_map(|words| format!("${{{{ {} }}}}", words.join(" ")))
}

proptest! {
    #[test]
    fn no_scalar_panics(text in prop_oneof![anything(), any::<String>()]) {
        let (scalar, span) = scalar(&text);
        for parsed in [Template::parse(&scalar, span), Template::condition(&scalar, span)] {
            match parsed {
                Ok(template) => {
                    template.infer(&Declared);
                    if let Err(problem) = template.eval(&names()) {
                        prop_assert!(problem.primary.is_some());
                    }
                }
                Err(problems) => prop_assert!(!problems.is_empty()),
            }
        }
    }
}
