//! What can never work is found by the check, at its value.

use super::told::faults;
use super::*;

/// A folder with one plan, one file beside it, and a link that leads out of it.
struct Folder<'a>(&'a str);

impl ReadFile for Folder<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("plan.yaml") => Ok(self.0.as_bytes().to_vec()),
            Some("there.yaml" | "link.yaml") => Ok(Vec::new()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("link.yaml") => Ok(PathBuf::from("/elsewhere/there.yaml")),
            Some("nothing") => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(Path::new("/plans").join(path)),
        }
    }
}

/// The places and codes that are told of an install with these parameters.
fn installed(with: &str) -> Vec<String> {
    let text = format!(
        "version: 1\nname: x\ninputs:\n  rev: {{ type: revision }}\nsteps:\n  a:\n    uses: install-revision\n    with: {{ revision: \"${{{{ inputs.rev }}}}\", version: 1.29.1, {with} }}\n"
    );
    let folder = Folder(&text);
    let loaded = check::load(
        Path::new("plan.yaml"),
        &folder,
        &Given::default(),
        Purpose::Validate,
    );
    let outcome = loaded.check(None, &BTreeMap::new(), &Slice::default());
    told::places(&text, &outcome)
}

#[test]
fn files_are_below_the_directory_of_the_plan() {
    for (with, expected) in [
        ("values: [there.yaml, ./there.yaml]", vec![]),
        ("values: [/etc/hostname]", vec!["/etc P0602"]),
        (
            "source: manifests, files: [there.yaml, ../../m.yaml]",
            vec!["../. P0602"],
        ),
        ("values: [sub/../link.yaml]", vec!["sub/ P0602"]),
        ("values: [gone.yaml]", vec!["gone P0610"]),
    ] {
        assert_eq!(installed(with), expected, "{with}");
    }
}

#[test]
fn an_install_is_given_what_its_source_needs_and_nothing_else() {
    for (with, expected) in [
        (
            "source: helm, charts: ./there, values: [there.yaml]",
            vec![],
        ),
        ("source: manifests", vec!["mani P0203"]),
        ("source: manifests, files: []", vec!["[] } P0203"]),
        ("source: helm", vec!["helm P0203"]),
        ("files: [there.yaml]", vec!["file P0215"]),
        (
            "source: manifests, files: [there.yaml], profile: demo, set: {}, binary: helm",
            vec!["prof P0215", "set: P0215", "bina P0215"],
        ),
        (
            "take_over: [ClusterRole/*, ClusterRole]",
            vec!["Clus P0204"],
        ),
    ] {
        assert_eq!(installed(with), expected, "{with}");
    }
}

/// The places and codes that are told of a step of this kind.
fn told_of(kind: &str, with: &str) -> Vec<String> {
    let allow = "allow: [{ code: P0501, reason: r }, { code: P0502, reason: r }]";
    let allow = match kind {
        "restart" | "label-ns" => allow,
        _ => "needs: []",
    };
    faults(&format!(
        "  a: {{ uses: {kind}, {allow}, with: {{ {with} }} }}\n"
    ))
}

#[test]
fn names_that_are_empty_are_none() {
    for (kind, with, expected) in [
        ("wait-ready", "revision: \"\"", vec!["\"\" } P0504"]),
        (
            "wait-ready",
            "revision: a, version: \"\"",
            vec!["\"\" } P0204"],
        ),
        ("precheck", "from: \"\", to: 1.2", vec!["\"\", P0204"]),
        ("gate", "health: { namespace: \"\" }", vec!["\"\" } P0204"]),
        (
            "gate",
            "approval: { message: \"\" }",
            vec!["a: { P0503", "\"\" } P0204"],
        ),
    ] {
        assert_eq!(told_of(kind, with), expected, "{with}");
    }
}

#[test]
fn namespaces_are_dns_labels_and_named_once() {
    for (kind, with, expected) in [
        ("restart", "namespace: Shop Front", vec!["Shop P0204"]),
        (
            "wait-ready",
            "revision: a, istio_namespace: A B",
            vec!["A B P0204"],
        ),
        (
            "label-ns",
            "revision: a, namespaces: [a, a, B_]",
            vec!["a, B P0204", "B_] P0204"],
        ),
        (
            "label-ns",
            "revision: a, namespaces: []",
            vec!["[] } P0204"],
        ),
        (
            "precheck",
            "from: 1.1.1, to: 1.2.1, namespaces: [b, b]",
            vec!["b] } P0204"],
        ),
    ] {
        let mut told = told_of(kind, with);
        told.sort();
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        expected.sort();
        assert_eq!(told, expected, "{with}");
    }
}

#[test]
fn a_selector_is_one() {
    for (kind, with) in [
        ("restart", "namespace: a, selector: \"a=(b\""),
        (
            "label-ns",
            "revision: a, namespaces: { selector: \"a=(b\" }",
        ),
    ] {
        assert_eq!(told_of(kind, with), ["\"a=( P0204"], "{with}");
    }
    let group = "  a: { for_each: { namespaces: { selector: \"a=(b\" } }, as: x, steps: { g: { uses: gate, with: { soak: 1s } } } }\n";
    assert_eq!(faults(group), ["\"a=( P0204"]);
}

#[test]
fn times_leave_room_for_what_they_bound() {
    for (step, expected) in [
        ("timeout: 0s, with: { soak: 0s }", vec!["0s, P0204"]),
        ("timeout: {}, with: { soak: 1s }", vec!["{}, P0204"]),
        (
            "timeout: { attempt: 2m, total: 1s }, with: { http: { url: http://a } }",
            vec!["2m, P0204"],
        ),
        ("timeout: 1m, with: { soak: 2m }", vec!["2m } P0204"]),
        (
            "timeout: 1m, with: { prometheus: { url: http://a, query: q, expect: < 1, window: 2m } }",
            vec!["2m } P0204"],
        ),
        ("retry: { on: [] }, with: { soak: 1s }", vec!["[] } P0204"]),
        (
            "retry: { backoff: { factor: -1 } }, with: { soak: 1s }",
            vec!["-1 } P0204"],
        ),
        (
            "retry: { backoff: { factor: .nan } }, with: { soak: 1s }",
            vec![".nan P0204"],
        ),
        (
            "retry: { backoff: { initial: 2s, max: 1s } }, with: { soak: 1s }",
            vec!["2s, P0204"],
        ),
    ] {
        let told = faults(&format!("  a: {{ uses: gate, {step} }}\n"));
        assert_eq!(told, expected, "{step}");
    }
}

#[test]
fn what_a_metric_is_compared_with_is_a_number() {
    for expect in ["< 5.5.5", "< .", "<"] {
        let step = format!(
            "  a: {{ uses: gate, timeout: 1m, with: {{ prometheus: {{ url: http://a, query: q, expect: \"{expect}\" }} }} }}\n"
        );
        assert_eq!(faults(&step).len(), 1, "{expect}");
    }
}
