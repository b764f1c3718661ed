use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Format;
use crate::diagnostic::Look;
use crate::diagnostic::render;

/// The tree with the text under each span, and the problems in one line each.
fn read(bytes: impl AsRef<[u8]>) -> String {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let (file, node) = load(&mut sources, "p.yaml", bytes.as_ref(), &mut diagnostics);
    let mut out = String::new();
    if let Some(node) = node {
        show(&node, sources.file(file), 0, &mut out);
    }
    out + &render(&diagnostics, &sources, Format::Concise, Look::Plain)
}

fn show(node: &Node, file: &SourceFile, depth: usize, out: &mut String) {
    let (line, column) = file.line_col(node.span.start);
    let place = format!("{line}:{column} {:?}", file.slice(node.span));
    match &node.value {
        Value::Scalar(scalar) => {
            let text = if file.slice(node.span) == scalar.text {
                String::new()
            } else {
                format!(" = {:?}", scalar.text)
            };
            writeln!(out, " {place}{text} {:?}", scalar.core()).unwrap();
        }
        Value::Seq(items) => {
            writeln!(out, " {place} list").unwrap();
            for item in items {
                write!(out, "{:1$}-", "", depth * 2).unwrap();
                show(item, file, depth + 1, out);
            }
        }
        Value::Map(entries) => {
            writeln!(out, " {place} map").unwrap();
            for entry in entries {
                assert_eq!(
                    file.slice(entry.key.span).trim_matches(['"', '\'']),
                    entry.key.text
                );
                let (line, column) = file.line_col(entry.key.span.start);
                write!(
                    out,
                    "{:2$}{line}:{column} {}:",
                    "",
                    entry.key.text,
                    depth * 2
                )
                .unwrap();
                show(&entry.value, file, depth + 1, out);
            }
        }
    }
}

fn parsed(text: &str) -> (Option<Node>, Vec<Code>) {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let (_, node) = load(&mut sources, "p.yaml", text.as_bytes(), &mut diagnostics);
    (node, diagnostics.iter().map(|one| one.code).collect())
}

#[test]
fn every_key_and_value_knows_its_place() {
    insta::assert_snapshot!(read(
        "# a comment\n\
         name: café # another\n\
         empty:\n\
         quoted: \"a\\tb\"\n\
         block: |\n  one\n  two\n\
         folded: >-\n  one\n  two\n\n\
         plain: one\n  two\n\
         list:\n  - 1\n  -\n  - {a: [x, 1.10], b: }\n\
         deep:\n  on: no\n  'q': ~\n\
         after: true\n"
    ), @r#"
     2:1 "name: café # another\nempty:\nquoted: \"a\\tb\"\nblock: |\n  one\n  two\nfolded: >-\n  one\n  two\n\nplain: one\n  two\nlist:\n  - 1\n  -\n  - {a: [x, 1.10], b: }\ndeep:\n  on: no\n  'q': ~\nafter: true" map
    2:1 name: 2:7 "café" Str
    3:1 empty: 3:6 "" Null
    4:1 quoted: 4:9 "\"a\\tb\"" = "a\tb" Str
    5:1 block: 6:3 "one\n  two" = "one\ntwo\n" Str
    8:1 folded: 9:3 "one\n  two" = "one two" Str
    12:1 plain: 12:8 "one\n  two" = "one two" Str
    14:1 list: 15:3 "- 1\n  -\n  - {a: [x, 1.10], b: }" list
      - 15:5 "1" Int(1)
      - 16:4 "" Null
      - 17:5 "{a: [x, 1.10], b: }" map
        17:6 a: 17:9 "[x, 1.10]" list
          - 17:10 "x" Str
          - 17:13 "1.10" Float(1.1)
        17:20 b: 17:21 "" Null
    18:1 deep: 19:3 "on: no\n  'q': ~" map
      19:3 on: 19:7 "no" Str
      20:3 q: 20:8 "~" Null
    21:1 after: 21:8 "true" Bool(true)
    "#);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    insta::assert_snapshot!(read("\u{feff}a: é\r\nb:\r\n  - x\r\n  - y\r\nb: 2\r\n"), @r#"
     1:1 "a: é\r\nb:\r\n  - x\r\n  - y" map
    1:1 a: 1:4 "é" Str
    2:1 b: 3:3 "- x\r\n  - y" list
      - 3:5 "x" Str
      - 4:5 "y" Str
    p.yaml:5:1: error[P0105]: the key `b` is given twice
    "#);
}

#[test]
fn nothing_is_nothing() {
    insta::assert_snapshot!(read(""), @r#" 1:1 "" Null"#);
    insta::assert_snapshot!(read("# only a comment\n"), @r#" 1:1 "" Null"#);
    insta::assert_snapshot!(read("---\n"), @r#" 1:4 "" Null"#);
}

#[test]
fn what_is_spoilt_is_left_out_and_the_rest_is_read() {
    insta::assert_snapshot!(read(
        "a: 1\n\
         a: 2\n\
         b: !!str 3\n\
         base: &base {x: 1}\n\
         c:\n  <<: *base\n  y: 2\n\
         d: *nowhere\n\
         ? [k]\n: v\n\
         {m: 1}: v\n\
         *base : v\n\
         : v\n\
         e: &self [*self, 5]\n\
         g: 7\n\
         ---\n\
         h: 8\n"
    ), @r#"
     1:1 "a: 1\na: 2\nb: !!str 3\nbase: &base {x: 1}\nc:\n  <<: *base\n  y: 2\nd: *nowhere\n? [k]\n: v\n{m: 1}: v\n*base : v\n: v\ne: &self [*self, 5]\ng: 7" map
    1:1 a: 1:4 "1" Int(1)
    3:1 b: 3:10 "3" Int(3)
    4:1 base: 4:13 "{x: 1}" map
      4:14 x: 4:17 "1" Int(1)
    5:1 c: 6:3 "<<: *base\n  y: 2" map
      7:3 y: 7:6 "2" Int(2)
    14:1 e: 14:10 "[*self, 5]" list
      - 14:18 "5" Int(5)
    15:1 g: 15:4 "7" Int(7)
    p.yaml:2:1: error[P0105]: the key `a` is given twice
    p.yaml:3:4: error[P0106]: the tag `!!str` is not supported
    p.yaml:6:3: error[P0107]: the merge key `<<` is not supported
    p.yaml:8:4: error[P0110]: no anchor `&nowhere` is defined before this alias
    p.yaml:9:3: error[P0114]: a list cannot be a key
    p.yaml:11:1: error[P0114]: a map cannot be a key
    p.yaml:12:1: error[P0114]: an alias cannot be a key
    p.yaml:13:1: error[P0114]: an empty name cannot be a key
    p.yaml:14:11: error[P0110]: an alias inside the value that its anchor names
    p.yaml:16:1: error[P0108]: a second YAML document begins; a plan is one document
    "#);
}

#[test]
fn aliases_are_copies_with_the_place_of_their_definition() {
    insta::assert_snapshot!(read("a: &x [1, {b: 2}]\nc: *x\nd:\n  - &y z\n  - *y\n"), @r#"
     1:1 "a: &x [1, {b: 2}]\nc: *x\nd:\n  - &y z" map
    1:1 a: 1:7 "[1, {b: 2}]" list
      - 1:8 "1" Int(1)
      - 1:11 "{b: 2}" map
        1:12 b: 1:15 "2" Int(2)
    2:1 c: 1:7 "[1, {b: 2}]" list
      - 1:8 "1" Int(1)
      - 1:11 "{b: 2}" map
        1:12 b: 1:15 "2" Int(2)
    3:1 d: 4:3 "- &y z" list
      - 4:8 "z" Str
      - 4:8 "z" Str
    "#);
}

#[test]
fn after_a_syntax_error_the_complete_entries_remain() {
    let texts = [
        ("colon", "a: 1\nb:\n  c: 2\nd: e: f\ng: 3\n"),
        ("quote", "a: 1\nb: \"open\nc: 2\n"),
        ("tab", "a: 1\nb:\n\tc: 2\n"),
        ("tab in a list", "a: 1\nb:\n\t- 2\n"),
        ("flow", "a: 1\nb: [1, 2\nc: 3\n"),
        (
            "expression",
            "a: 1\nwith: { namespace: ${{ inputs.namespace }} }\n",
        ),
        ("indentation", "a: 1\nb:\n    c: 1\n  d: 2\n"),
        ("no colon", "a: 1\nb\nc: 2\n"),
        ("at sign", "a: 1\nb: @x\n"),
        ("directive", "%YAML 1.1\n---\na: 1\n"),
        ("escape", "a: 1\nb: \"\\d\"\n"),
        ("list in a map", "a: 1\n- b\n"),
        ("own tag", "a: 1\nb: !mine!x 1\n"),
        ("escape sequence", "a: 1\nb: \u{1b}[31m\n"),
    ];
    let all = texts.iter().fold(String::new(), |all, (name, text)| {
        format!("{all}== {name}\n{}", read(text))
    });
    insta::assert_snapshot!(all, @r#"
    == colon
     1:1 "a: 1\nb:\n  c: 2" map
    1:1 a: 1:4 "1" Int(1)
    2:1 b: 3:3 "c: 2" map
      3:3 c: 3:6 "2" Int(2)
    p.yaml:4:5: error[P0104]: a `:` where no key can be
    == quote
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:2:4: error[P0104]: a quote is not closed
    == tab
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:3:1: error[P0109]: a tab is used for indentation
    == tab in a list
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:3:1: error[P0109]: a tab is used for indentation
    == flow
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:3:2: error[P0104]: a `:` where no key can be
    == expression
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:2:21: error[P0104]: expected `,` or `}`
    == indentation
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:4:3: error[P0104]: expected a key here
    == no colon
     1:1 "" map
    p.yaml:2:1: error[P0104]: expected a `:` after the key
    == at sign
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:2:4: error[P0104]: unexpected character: `@'
    == directive
    p.yaml:1:1: error[P0104]: YAML directives are not supported: a plan is YAML 1.2
    == escape
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:2:4: error[P0104]: an unknown escape in double quotes
    == list in a map
     1:1 "" map
    p.yaml:2:3: error[P0104]: expected a key here
    == own tag
     1:1 "a: 1" map
    1:1 a: 1:4 "1" Int(1)
    p.yaml:2:4: error[P0106]: tags are not supported
    == escape sequence
    p.yaml:2:4: error[P0104]: the file contains the control character U+001B
    "#);
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    insta::assert_snapshot!(read(b"a: 1\nb: \xff\n"), @"p.yaml:2:4: error[P0101]: the file is not valid UTF-8");
    insta::assert_snapshot!(read(b"\xef\xbb\xbfb: \xc3"), @"p.yaml:1:4: error[P0101]: the file is not valid UTF-8");
    insta::assert_snapshot!(read(b"a: 1\nb: x\0y\n"), @"p.yaml:2:5: error[P0102]: the file contains a NUL byte");
    insta::assert_snapshot!(read(vec![b'#'; MAX_FILE_BYTES + 1]), @"p.yaml:1:1: error[P0103]: the file has 8388609 bytes; at most 8 MiB are read");
}

#[test]
fn nesting_ends_at_the_limit_whatever_its_form() {
    let flow = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let maps = |depth: usize| format!("{}1{}", "{a: ".repeat(depth), "}".repeat(depth));
    let dashes = |depth: usize| format!("{}1\n", "- ".repeat(depth));
    let block =
        |depth: usize| (0..depth).fold(String::new(), |text, at| text + &" ".repeat(at) + "a:\n");
    for text in [
        flow(MAX_DEPTH),
        maps(MAX_DEPTH),
        dashes(MAX_DEPTH),
        block(MAX_DEPTH),
    ] {
        assert_eq!(parsed(&text).1, []);
    }
    for depth in [MAX_DEPTH + 1, MAX_DEPTH + 2, 10_000] {
        let text = block(depth.min(2_000));
        for text in [flow(depth), maps(depth), dashes(depth), text] {
            assert_eq!(parsed(&text).1, [Code::TooDeep], "{depth}: {}", &text[..20]);
        }
    }
    assert_eq!(parsed(&"[".repeat(10_000)).1, [Code::TooDeep]);
    insta::assert_snapshot!(read(flow(10_000)), @"p.yaml:1:66: error[P0112]: lists and maps are nested more than 64 deep");
    insta::assert_snapshot!(read(format!("ok: 1\nx: {}\n", flow(10_000))), @r#"
     1:1 "ok: 1" map
    1:1 ok: 1:5 "1" Int(1)
    p.yaml:2:69: error[P0112]: lists and maps are nested more than 64 deep
    "#);
}

#[test]
fn aliases_cannot_nest_deeper_than_the_limit() {
    let mut text = "a0: &a0 [1]\n".to_owned();
    for level in 1..=MAX_DEPTH {
        writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(parsed(&text).1, [Code::TooDeep]);
}

#[test]
fn an_alias_bomb_ends_at_the_budget() {
    let mut nodes = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(nodes, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    assert_eq!(parsed(&nodes).1, [Code::AliasBudget]);
    insta::assert_snapshot!(read(&nodes).lines().last().unwrap(), @"p.yaml:5:9: error[P0111]: the anchors and aliases stand for more than 200000 values or 16 MiB");

    let mut bytes = format!("a: &a {}\nb:\n", "x".repeat(1024 * 1024));
    bytes.push_str(&"- *a\n".repeat(100_000));
    assert_eq!(parsed(&bytes).1, [Code::AliasBudget]);
}

#[test]
fn the_number_of_values_and_of_problems_is_bounded() {
    assert_eq!(
        parsed(&format!("[{}]", "1,".repeat(MAX_NODES))).1,
        [Code::TooManyNodes]
    );
    assert_eq!(parsed(&"- !t x\n".repeat(10_000)).1.len(), 100);
}

#[test]
fn duplicate_keys_are_found_in_large_maps_too() {
    let mut text = (0..1_000).fold(String::new(), |text, at| text + &format!("k{at}: {at}\n"));
    text.push_str("k7: again\nnew: 1\nnew: 2\n");
    let (node, codes) = parsed(&text);
    assert_eq!(codes, [Code::DuplicateKey, Code::DuplicateKey]);
    let node = node.unwrap();
    assert_eq!(node.as_map().len(), 1_001);
    assert_eq!(node.get("k7").unwrap().as_str(), Some("7"));
}

#[test]
fn pointers_find_keys_and_values() {
    let (node, _) = parsed("a/b:\n  - x\n  - {'c~d': 1}\n");
    let node = node.unwrap();
    let (key, value) = node.pointer("/a~1b/1/c~0d").unwrap();
    assert_eq!(
        (key.unwrap().text.as_str(), value.as_str()),
        ("c~d", Some("1"))
    );
    assert!(node.pointer("/a~1b/1").unwrap().0.is_none());
    assert_eq!(node.pointer("").unwrap().1.kind(), "a map");
    for nowhere in ["/x", "/a~1b/2", "/a~1b/x", "/a~1b/0/y", "a"] {
        assert!(node.pointer(nowhere).is_none(), "{nowhere}");
    }
}

#[test]
fn json_follows_the_core_schema() {
    let (node, _) =
        parsed("{a: 1, b: 1.10, c: no, d: '1', e: , f: [true, .inf], g: 0x10, h: -1.5, i: 1.0}");
    assert_eq!(
        node.unwrap().to_json(),
        serde_json::json!({"a": 1, "b": "1.10", "c": "no", "d": "1", "e": null, "f": [true, ".inf"], "g": "0x10", "h": -1.5, "i": 1.0})
    );
}

/// Every span lies within the text, on character boundaries, and children within their parents unless aliased.
fn check_spans(node: &Node, text: &str) {
    assert!(text.get(node.span.range()).is_some(), "{:?}", node.span);
    for item in node.as_seq() {
        check_spans(item, text);
    }
    for entry in node.as_map() {
        assert!(
            text.get(entry.key.span.range()).is_some(),
            "{:?}",
            entry.key
        );
        check_spans(&entry.value, text);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_and_render(&bytes);
    }

    #[test]
    fn arbitrary_yaml_like_text_never_panics(
        text in r#"([ \t\r\n]|[-?:,&*!|>'"%@`#{}\[\]~é]|[a-c]|&a |\*a|- |: |\n  |<<: |---\n|\$\{\{|\}\}|1\.10){0,60}"#
    ) {
        read_and_render(text.as_bytes());
    }
}

fn read_and_render(bytes: &[u8]) {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let (file, node) = load(&mut sources, "p.yaml", bytes, &mut diagnostics);
    if let Some(node) = &node {
        check_spans(node, sources.file(file).text());
        drop(node.to_json());
    } else {
        assert!(diagnostics.has_errors());
    }
    for format in [
        Format::Full,
        Format::Concise,
        Format::Github,
        Format::Json,
        Format::Sarif,
    ] {
        let rendered = render(&diagnostics, &sources, format, Look::Plain);
        assert!(
            diagnostics.is_empty() || rendered.contains("P01"),
            "{format:?}"
        );
    }
}
