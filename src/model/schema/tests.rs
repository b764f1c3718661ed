use serde_json::{Value, json};

use super::*;

fn shipped() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/plan.schema.json")
}

fn errors(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::draft7::new(schema).expect("a schema");
    let line =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(instance).map(line).collect()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).expect("YAML")
}

/// `PLAN_UPDATE=1` writes it.
#[test]
fn the_shipped_schema_is_that_of_the_types() {
    let made = format!("{:#}\n", plan_schema());
    #[expect(clippy::disallowed_methods, reason = "a switch of this test")]
    let update = std::env::var_os("PLAN_UPDATE").is_some();
    if update {
        fs_err::write(shipped(), &made).expect("written");
    }
    let file = fs_err::read_to_string(shipped()).expect("the shipped schema");
    assert!(file == made, "run the tests once with PLAN_UPDATE=1");
}

#[test]
fn it_is_draft_07() {
    jsonschema::draft7::meta::validate(&plan_schema()).expect("draft 7");
    for kind in Kind::ALL {
        jsonschema::draft7::meta::validate(&kind_schema(kind)).expect("draft 7");
    }
}

/// The properties, each with its path, wherever they are.
fn properties(schema: &Value, path: &str, seen: &mut Vec<(String, Value)>) {
    match schema {
        Value::Object(map) => {
            for (key, part) in map {
                let below = format!("{path}/{key}");
                if key == "properties"
                    && !path.ends_with("/if")
                    && !path.contains("/then")
                    && !path.ends_with("step/else")
                {
                    for (name, property) in part.as_object().expect("properties") {
                        seen.push((format!("{below}/{name}"), property.clone()));
                    }
                }
                properties(part, &below, seen);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| properties(part, path, seen)),
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_no_other_is_taken() {
    let mut seen = Vec::new();
    properties(&plan_schema(), "", &mut seen);
    assert!(seen.len() > 80, "{}", seen.len());
    for (path, property) in &seen {
        assert!(property["description"].is_string(), "{path}: {property}");
    }
    for kind in Kind::ALL {
        assert_eq!(kind_schema(kind)["additionalProperties"], json!(false));
    }
    let text = plan_schema().to_string();
    assert!(
        !text.contains("null"),
        "an optional value is left out, not null"
    );
}

#[test]
fn shipped_plans_fit() {
    let plans = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut seen = 0;
    for entry in fs_err::read_dir(plans).expect("plans") {
        let text = fs_err::read_to_string(entry.expect("an entry").path()).expect("a plan");
        assert_eq!(errors(&plan_schema(), &yaml(&text)), Vec::<String>::new());
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn examples_fit_and_are_read() {
    for kind in Kind::ALL {
        let step = yaml(explain::example(kind));
        assert_eq!(
            errors(&kind_schema(kind), &step["with"]),
            Vec::<String>::new()
        );
        let action = kind.decode(&step["with"]).expect("parameters");
        assert_eq!(action.kind(), kind);
        let plan = json!({ "version": 1, "name": "x", "steps": { "a": step } });
        assert_eq!(errors(&plan_schema(), &plan), Vec::<String>::new());
    }
}

#[test]
fn templates_and_unquoted_numbers_are_taken() {
    for (kind, with) in [
        (
            Kind::Precheck,
            "{from: 1.10, to: '${{ inputs.to }}', max_hop: '${{ inputs.n }}', namespaces: '${{ inputs.list }}'}",
        ),
        (
            Kind::Precheck,
            "{from: 1.10, to: 2, fail_on: ['${{ x }}', eol]}",
        ),
        (
            Kind::InstallRevision,
            "{revision: '${{ r }}', version: 1.10, source: '${{ s }}', set: {a: 1, b: [x]}, take_over: [A/b, '${{ b }}']}",
        ),
        (Kind::LabelNs, "{namespaces: [a, 1], revision: on}"),
        (
            Kind::LabelNs,
            "{namespaces: {selector: '${{ s }}', exclude: '${{ l }}'}, revision: on}",
        ),
        (Kind::Gate, "{soak: '${{ inputs.soak }}'}"),
        (Kind::Gate, "{http: {url: x, status: '${{ s }}'}}"),
    ] {
        assert_eq!(
            errors(&kind_schema(kind), &yaml(with)),
            Vec::<String>::new(),
            "{with}"
        );
    }
}

#[test]
fn timeouts_may_be_templates_wherever_they_stand() {
    let plan = yaml(
        "{version: 1, name: x, timeout: '${{ inputs.t }}', defaults: {timeout: {total: '${{ inputs.t }}'}}, steps: {a: {uses: gate, with: {soak: 1s}}}}",
    );
    assert_eq!(errors(&plan_schema(), &plan), Vec::<String>::new());
}

#[test]
fn what_is_wrong_is_said_once_and_where_it_is() {
    for (kind, with, expected) in [
        (
            Kind::Precheck,
            "{from: a, to: b, max_hop: x}",
            "/max_hop: \"x\" is not of type \"integer\"",
        ),
        (
            Kind::Precheck,
            "{from: a}",
            ": \"to\" is a required property",
        ),
        (
            Kind::Precheck,
            "{from: [a], to: b}",
            "/from: [\"a\"] is not of types \"boolean\", \"number\", \"string\"",
        ),
        (
            Kind::Precheck,
            "{from: a, to: b, fail_on: [maybe]}",
            "/fail_on/0: \"maybe\" is not one of",
        ),
        (
            Kind::LabelNs,
            "{namespaces: {select: x}, revision: a}",
            "/namespaces: ",
        ),
        (
            Kind::VerifyXds,
            "{namespace: a, revision: b, settle: 30}",
            "/settle: 30 is not of type \"string\"",
        ),
        (
            Kind::Restart,
            "{namespace: a, revison: b}",
            ": Additional properties are not allowed ('revison' was unexpected)",
        ),
        (Kind::Gate, "{soak: 1s, approval: {message: x}}", ": "),
        (Kind::Gate, "{}", ": "),
    ] {
        let told = errors(&kind_schema(kind), &yaml(with));
        assert!(
            !told.is_empty() && told[0].starts_with(expected),
            "{with}: {told:?}"
        );
    }
}

#[test]
fn steps_groups_and_sub_plans_are_told_apart() {
    let check = |step: &str| {
        let plan = json!({ "version": 1, "name": "x", "steps": { "a": yaml(step) } });
        errors(&plan_schema(), &plan)
    };
    for step in [
        "{uses: ./other.yaml, with: {anything: [1, 2]}, needs: [b]}",
        "{for_each: [a, {name: b}], as: x, waves: [1, 25%, '${{ w }}'], max_parallel: 2, steps: {b: {uses: gate, with: {soak: 1s}}}, between: {steps: {c: {uses: gate, with: {soak: 0s}}}}}",
        "{for_each: {namespaces: {selector: a=b}}, steps: {b: {uses: gate, with: {soak: 1s}}}}",
        "{for_each: '${{ inputs.list }}', steps: {b: {uses: gate, with: {soak: 1s}}}}",
        "{uses: gate, with: {soak: 1s}, when: true, timeout: {attempt: 1m}, retry: {attempts: unlimited, budget: 5m}}",
        "{uses: gate, with: {soak: 1s}, timeout: '${{ inputs.t }}', on_failure: continue, allow: [{code: P0501, reason: x}]}",
    ] {
        assert_eq!(check(step), Vec::<String>::new(), "{step}");
    }
    for step in [
        "{}",
        "{uses: gates}",
        "{uses: precheck}",
        "{uses: gate, with: {soak: 1s}, waves: [1]}",
        "{uses: gate, steps: {b: {uses: gate, with: {soak: 1s}}}}",
        "{steps: {}}",
        "{steps: {B: {uses: gate, with: {soak: 1s}}}}",
        "{uses: gate, with: {soak: 1s}, retry: {attempts: 0}}",
        "{for_each: x, steps: {b: {uses: gate, with: {soak: 1s}}}}",
        "{for_each: {namespace: x}, steps: {b: {uses: gate, with: {soak: 1s}}}}",
        "{waves: [0], steps: {b: {uses: gate, with: {soak: 1s}}}}",
    ] {
        assert!(!check(step).is_empty(), "{step}");
    }
}

#[test]
fn a_kind_is_explained() {
    let page = explain_kind(Kind::LabelNs);
    for expected in [
        "# label-ns\n\nPoints namespaces at a revision",
        "- `revision` (string; required): The revision or tag",
        "- `namespaces` (list of string or map): ",
        "  - `selector` (string; required): A label selector",
        "- `istio_namespace` (string; default `istio-system`)",
        "- `before`: the two labels",
        "```yaml\nuses: label-ns\n",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(explain_kind(Kind::VerifyXds).contains("- `settle` (duration; default `30s`): "));
    assert!(explain_kind(Kind::VerifyXds).contains("  - `envoy`: The admin port"));
}
