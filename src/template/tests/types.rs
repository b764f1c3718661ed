//! Types of expressions.

use super::*;

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
            "${{ inputs.to is gt('1.9.0') }}",
            "P0310 at `inputs.to is gt('1.9.0'`",
        ),
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
