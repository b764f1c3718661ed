//! Templates that are made to harm.

use super::*;

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
        let scalar = Scalar::new(text, Style::Quoted);
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
                Err(flawed) => prop_assert!(!flawed.problems.is_empty()),
            }
        }
    }
}
