use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Format;
use crate::diagnostic::Look;
use crate::diagnostic::render;
use crate::source::SourceMap;
use crate::source::load;

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut sources = SourceMap::new();
    let mut diagnostics = Diagnostics::new();
    let (_, node) = load(&mut sources, "p.yaml", text.as_bytes(), &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    from_node(&node.unwrap()).map_err(|error| {
        let mut diagnostic = Diagnostic::from(error);
        if let Some(help) = diagnostic.help.take() {
            diagnostic.message = format!("{}; {help}", diagnostic.message);
        }
        let one: Diagnostics = [diagnostic].into_iter().collect();
        render(&one, &sources, Format::Concise, Look::Plain)
    })
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    uses: Kind,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    with: BTreeMap<String, serde_json::Value>,
    timeout: Option<String>,
    attempts: Option<u8>,
    factor: Option<f64>,
    quick: Option<bool>,
    retry: Option<Box<Self>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Kind {
    WaitReady,
    Gate(String),
    Http { url: String },
}

#[test]
fn a_plain_scalar_takes_the_type_of_its_place() {
    let text: Vec<String> = read("[1.10, no, on, 0x10, true, 1e3, '', ~x]").unwrap();
    assert_eq!(text, ["1.10", "no", "on", "0x10", "true", "1e3", "", "~x"]);
    let step: Step = read(
        "{uses: wait-ready, needs: [1], with: {a: 1.10, b: no, c: '1', d: [true, -1]}, timeout: 10, attempts: 3, \
         factor: 2, quick: true, retry: ~}",
    )
    .unwrap();
    assert_eq!(step.needs, ["1"]);
    assert_eq!(step.timeout.as_deref(), Some("10"));
    assert_eq!(
        (step.attempts, step.factor, step.quick),
        (Some(3), Some(2.0), Some(true))
    );
    assert_eq!(step.retry, None);
    assert_eq!(
        serde_json::to_value(&step.with).unwrap(),
        serde_json::json!({"a": "1.10", "b": "no", "c": "1", "d": [true, -1]})
    );
}

#[test]
fn enums_are_names_or_maps_of_one_key() {
    assert_eq!(read::<Kind>("wait-ready"), Ok(Kind::WaitReady));
    assert_eq!(read::<Kind>("gate: 5"), Ok(Kind::Gate("5".to_owned())));
    assert_eq!(
        read::<Kind>("http: {url: no}"),
        Ok(Kind::Http {
            url: "no".to_owned()
        })
    );
}

#[test]
fn errors_name_the_innermost_place() {
    for (text, expected) in [
        (
            "uses: wait-ready\nneed: [a]\n",
            "p.yaml:2:1: error[P0202]: unknown key `need`; did you mean `needs`?",
        ),
        ("needs: []\n", "error[P0203]: the key `uses` is missing"),
        (
            "uses: wait-ready\nretry:\n  needs: [a]\n",
            "p.yaml:2:1: error[P0203]: the key `uses` is missing",
        ),
        (
            "uses: wait-raedy\n",
            "p.yaml:1:7: error[P0204]: unknown value `wait-raedy`; did you mean `wait-ready`?",
        ),
        (
            "uses:\n  gate: [x]\n",
            "p.yaml:2:9: error[P0201]: expected a string, found a list",
        ),
        (
            "uses:\n  http: {uri: x}\n",
            "p.yaml:2:10: error[P0202]: unknown key `uri`; did you mean `url`?",
        ),
        (
            "uses:\n  http: {}\n",
            "p.yaml:2:3: error[P0203]: the key `url` is missing",
        ),
        (
            "uses: [x]\n",
            "p.yaml:1:7: error[P0201]: expected a name, or a map with one key, found a list",
        ),
        (
            "uses: gate\nneeds:\n  - a\n  -\n",
            "p.yaml:1:7: error[P0201]: expected a map with the name as its key, found the name alone",
        ),
        (
            "uses: wait-ready\nneeds:\n  - a\n  - {b: 1}\n",
            "p.yaml:4:5: error[P0201]: expected a string, found a map",
        ),
        (
            "uses: wait-ready\nneeds:\n  - ~\n",
            "p.yaml:3:5: error[P0201]: expected a string, found nothing",
        ),
        (
            "uses: wait-ready\nneeds: a\n",
            "p.yaml:2:8: error[P0201]: expected a list, found the string \"a\"",
        ),
        (
            "uses: wait-ready\nquick: yes\n",
            "p.yaml:2:8: error[P0201]: expected `true` or `false`, found the string \"yes\"",
        ),
        (
            "uses: wait-ready\nattempts: 300\n",
            "p.yaml:2:11: error[P0204]: expected a whole number, found the number `300`",
        ),
        (
            "uses: wait-ready\nattempts: '3'\n",
            "p.yaml:2:11: error[P0201]: expected a whole number, found the string \"3\"",
        ),
        (
            "- 1\n",
            "p.yaml:1:1: error[P0201]: expected a map, found a list",
        ),
    ] {
        assert_eq!(
            read::<Step>(text).unwrap_err().trim_end(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn spanned_keys_and_values_know_their_place() {
    let read: IndexMap<Spanned<String>, Spanned<Vec<Spanned<u8>>>> =
        read("a: [1, 20]\n'b':\n  - 3\n").unwrap();
    let places: Vec<_> = read
        .iter()
        .map(|(key, list)| {
            let items: Vec<_> = list
                .iter()
                .map(|item| (item.span.range(), item.value))
                .collect();
            (key.as_str(), key.span.range(), list.span.range(), items)
        })
        .collect();
    assert_eq!(
        places,
        [
            ("a", 0..1, 3..10, vec![(4..5, 1), (7..9, 20)]),
            ("b", 11..14, 18..21, vec![(20..21, 3)]),
        ]
    );
}

#[test]
fn an_optional_spanned_value_may_be_absent() {
    #[derive(Deserialize)]
    struct Optional {
        a: Option<Spanned<String>>,
        b: Spanned<Option<String>>,
    }
    let read: Optional = read("a:\nb: ~\n").unwrap();
    assert!(read.a.is_none());
    assert_eq!((read.b.span.start, read.b.value), (6, None));
}
