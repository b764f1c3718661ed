use super::*;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// A diagnostic with everything, one without a place, and one in a second file that is allowed.
fn all(format: Format, look: Look) -> String {
    let mut sources = SourceMap::new();
    let plan = sources.add(
        "plans/a plan.yaml",
        "name: é\nsteps:\n  a: 1\n  b: 2\n  a: 3\n",
    );
    let sub = sources.add("./sub.yaml", "with: x\n");
    let diagnostics: Diagnostics = [
        Diagnostic::new(Code::DuplicateKey, "the key `a` is given twice")
            .at(Span::at(plan, 32, 33), "given again here")
            .also(Span::at(plan, 18, 19), "first defined here")
            .help("remove or rename one of the two"),
        Diagnostic::new(Code::InputWithoutValue, "no value for 100% of:\nit"),
        Diagnostic {
            allowed: Some("rehearsed on staging".to_owned()),
            ..Diagnostic::new(Code::RestartAllAtOnce, "everything at once, no waves")
                .at(Span::at(sub, 0, 4), "")
                .also(Span::at(plan, 6, 8), "from here")
                .node("migrate[shop].restart")
        },
    ]
    .into_iter()
    .collect();
    render(&diagnostics, &sources, format, look)
}

#[test]
fn full_shows_the_lines() {
    insta::assert_snapshot!(all(Format::Full, Look::Plain), @r"
    error[P0105]: the key `a` is given twice
     --> plans/a plan.yaml:5:3
      |
    3 |   a: 1
      |   - first defined here
    4 |   b: 2
    5 |   a: 3
      |   ^ given again here
      |
      = help: remove or rename one of the two

    error[P0605]: no value for 100% of:
                  it

    allowed[P0507]: everything at once, no waves
     --> ./sub.yaml:1:1
      |
    1 | with: x
      | ^^^^
      |
     ::: plans/a plan.yaml:1:7
      |
    1 | name: é
      |       - from here
      |
      = note: in migrate[shop].restart
      = note: allowed: rehearsed on staging
    ");
}

#[test]
fn colours_are_added_and_nothing_else() {
    let coloured = all(Format::Full, Look::Ansi);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        all(Format::Full, Look::Plain)
    );
}

#[test]
fn a_long_place_is_shown_by_its_first_line() {
    let mut sources = SourceMap::new();
    let text = "steps:\n  a: 1\n  b: 2\n  c: 3\n  d: 4\n";
    let file = sources.add("p.yaml", text);
    let one = Diagnostic::new(Code::WrongType, "m").at(Span::at(file, 9, text.len() - 1), "here");
    let one: Diagnostics = [one].into_iter().collect();
    insta::assert_snapshot!(render(&one, &sources, Format::Full, Look::Plain), @r"
    error[P0201]: m
     --> p.yaml:2:3
      |
    2 |   a: 1
      |   ^^^^ here
    ");
}

#[test]
fn what_a_plan_says_does_not_command_the_terminal() {
    let mut sources = SourceMap::new();
    let file = sources.add("p.yaml", "a: \u{202e}b\u{7}c\u{1b}[2J\n");
    let one = Diagnostic::new(Code::BadValue, "unknown value `\u{1b}[31m\u{7}`")
        .at(Span::at(file, 3, 7), "\u{1b}[1m");
    let one: Diagnostics = [one.help("\u{1b}]0;x\u{7}")].into_iter().collect();
    for format in [Format::Full, Format::Concise, Format::Json, Format::Sarif] {
        let shown = render(&one, &sources, format, Look::Plain);
        assert!(
            !shown.contains(['\u{1b}', '\u{7}']),
            "{format:?}: {shown:?}"
        );
    }
}

#[test]
fn marks_at_the_edges_of_a_file_are_shown() {
    let mut sources = SourceMap::new();
    let empty = sources.add("empty.yaml", "");
    let text = sources.add("text.yaml", "a: 1\r\nb:\r\n\r\n");
    let new = |file, start, end| {
        Diagnostic::new(Code::MissingKey, "m").at(Span::at(file, start, end), "here")
    };
    let all: Diagnostics = [
        new(empty, 0, 0),
        new(text, 3, 4),
        new(text, 8, 8),
        new(text, 12, 12),
    ]
    .into_iter()
    .collect();
    insta::assert_snapshot!(render(&all, &sources, Format::Full, Look::Plain), @r"
    error[P0203]: m
     --> empty.yaml:1:1
      |
    1 |
      | ^ here

    error[P0203]: m
     --> text.yaml:1:4
      |
    1 | a: 1
      |    ^ here

    error[P0203]: m
     --> text.yaml:2:3
      |
    2 | b:
      |   ^ here

    error[P0203]: m
     --> text.yaml:4:1
      |
    4 |
      | ^ here
    ");
}

#[test]
fn concise_is_one_line_each() {
    insta::assert_snapshot!(all(Format::Concise, Look::Plain), @r"
    plans/a plan.yaml:5:3: error[P0105]: the key `a` is given twice
    error[P0605]: no value for 100% of:\nit
    ./sub.yaml:1:1: allowed[P0507]: everything at once, no waves (in migrate[shop].restart) (allowed: rehearsed on staging)
    ");
}

#[test]
fn json_has_every_field() {
    insta::assert_snapshot!(all(Format::Json, Look::Plain), @r#"
    [
      {
        "code": "P0105",
        "severity": "error",
        "message": "the key `a` is given twice",
        "file": "plans/a plan.yaml",
        "line": 5,
        "column": 3,
        "end_line": 5,
        "end_column": 4,
        "help": "remove or rename one of the two",
        "node": null,
        "allowed": null,
        "labels": [
          {
            "file": "plans/a plan.yaml",
            "line": 5,
            "column": 3,
            "end_line": 5,
            "end_column": 4,
            "message": "given again here"
          },
          {
            "file": "plans/a plan.yaml",
            "line": 3,
            "column": 3,
            "end_line": 3,
            "end_column": 4,
            "message": "first defined here"
          }
        ]
      },
      {
        "code": "P0605",
        "severity": "error",
        "message": "no value for 100% of:\nit",
        "file": null,
        "line": null,
        "column": null,
        "end_line": null,
        "end_column": null,
        "help": null,
        "node": null,
        "allowed": null,
        "labels": []
      },
      {
        "code": "P0507",
        "severity": "warning",
        "message": "everything at once, no waves",
        "file": "./sub.yaml",
        "line": 1,
        "column": 1,
        "end_line": 1,
        "end_column": 5,
        "help": null,
        "node": "migrate[shop].restart",
        "allowed": "rehearsed on staging",
        "labels": [
          {
            "file": "plans/a plan.yaml",
            "line": 1,
            "column": 7,
            "end_line": 1,
            "end_column": 8,
            "message": "from here"
          }
        ]
      }
    ]
    "#);
}

#[test]
fn github_escapes_what_its_commands_need() {
    insta::assert_snapshot!(all(Format::Github, Look::Plain), @r"
    ::error file=plans/a plan.yaml,line=5,col=3,endLine=5,endColumn=3,title=P0105 a key is given twice::the key `a` is given twice%0Ahelp: remove or rename one of the two
    ::error title=P0605 an input without a value::no value for 100%25 of:%0Ait
    ::notice file=./sub.yaml,line=1,col=1,endLine=1,endColumn=4,title=P0507 everything is restarted at once::everything at once, no waves (in migrate[shop].restart) (allowed: rehearsed on staging)
    ");
}

fn sarif() -> serde_json::Value {
    serde_json::from_str(&all(Format::Sarif, Look::Plain)).unwrap()
}

#[test]
fn sarif_has_the_rules_that_occur() {
    let rules = &sarif()["runs"][0]["tool"]["driver"]["rules"];
    let ids: Vec<_> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    assert_eq!(ids, ["P0105", "P0507", "P0605"]);
    assert_eq!(rules[0]["help"]["markdown"], Code::DuplicateKey.explain());
    for rule in rules.as_array().unwrap() {
        assert!(
            rule["fullDescription"]["text"].as_str().unwrap().len() <= 1024,
            "{rule}"
        );
    }
    insta::assert_snapshot!(rules[1]["fullDescription"]["text"].as_str().unwrap(), @r"
    The restart covers every item at once. When the new sidecar does not come up, all namespaces are hit
    before the first check has looked; and istiod admits only about 25 new proxies a second, so that
    thousands of pods at once wait for their configuration.
    ");
}

#[test]
fn sarif_results_have_a_place_and_are_suppressed_when_allowed() {
    let results = &sarif()["runs"][0]["results"];
    let lines: Vec<_> = results
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"ruleId":"P0105","ruleIndex":0,"level":"error","message":{"text":"the key `a` is given twice\nhelp: remove or rename one of the two"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"plans/a%20plan.yaml"},"region":{"startLine":5,"startColumn":3,"endLine":5,"endColumn":4}},"message":{"text":"given again here"}}],"relatedLocations":[{"physicalLocation":{"artifactLocation":{"uri":"plans/a%20plan.yaml"},"region":{"startLine":3,"startColumn":3,"endLine":3,"endColumn":4}},"message":{"text":"first defined here"}}]}
    {"ruleId":"P0605","ruleIndex":2,"level":"error","message":{"text":"no value for 100% of:\nit"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"plans/a%20plan.yaml"},"region":{"startLine":1,"startColumn":1,"endLine":1,"endColumn":1}}}]}
    {"ruleId":"P0507","ruleIndex":1,"level":"warning","message":{"text":"everything at once, no waves (in migrate[shop].restart)"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"sub.yaml"},"region":{"startLine":1,"startColumn":1,"endLine":1,"endColumn":5}}}],"relatedLocations":[{"physicalLocation":{"artifactLocation":{"uri":"plans/a%20plan.yaml"},"region":{"startLine":1,"startColumn":7,"endLine":1,"endColumn":8}},"message":{"text":"from here"}}],"suppressions":[{"kind":"inSource","status":"accepted","justification":"rehearsed on staging"}]}
    "#);
}

#[test]
fn no_diagnostics_are_an_empty_document() {
    let nothing = |format| render(&Diagnostics::new(), &SourceMap::new(), format, Look::Plain);
    for format in [Format::Full, Format::Concise, Format::Github] {
        assert_eq!(nothing(format), "");
    }
    assert_eq!(nothing(Format::Json), "[]\n");
    assert!(nothing(Format::Sarif).contains("\"results\": []"));
}
