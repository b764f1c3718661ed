//! What the parameters of a kind must be beyond their types: names, versions, addresses, selectors, and what goes with
//! what. Asked of values as soon as they are known, the last time by the run itself.

use std::collections::HashMap;

use super::tree::{Branch, Tree};
use super::words;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::mesh::query;
use crate::mesh::version::Version;
use crate::model::Kind;
use crate::model::action::is_http_url;
use crate::model::id::is_dns_label;
use crate::source::{Core, Key, Span};

/// Looks at the parameters of a step, as far as they are known.
pub(super) fn forms(kind: Kind, with: &Tree, out: &mut Diagnostics) {
    if kind != Kind::Precheck {
        out.extend(with.get("revision").and_then(revision));
    }
    for check in ["http", "prometheus"] {
        let url = with.get(check).and_then(|check| check.get("url"));
        out.extend(url.and_then(address));
    }
    for name in ["version", "from", "to"] {
        out.extend(with.get(name).and_then(version));
    }
    if let Some(namespaces) = with.get("namespaces") {
        distinct(namespaces, out);
        selector(namespaces, out);
    }
    match kind {
        Kind::Restart => selector(with, out),
        Kind::InstallRevision => source(with, out),
        _ => {}
    }
}

/// The selector in a map that may have one.
pub(super) fn selector(holder: &Tree, out: &mut Diagnostics) {
    let Some((tree, text)) = holder.get("selector").and_then(said) else {
        return;
    };
    if let Err(error) = query::check(text) {
        out.push(
            Diagnostic::new(
                Code::BadValue,
                format!("`{text}` is no label selector: {error}"),
            )
            .at(tree.span, "cannot be read")
            .help("write it as for kubectl: `app=web,tier in (a, b),!legacy`"),
        );
    }
}

/// The text of a value that is there: null is told by its type.
fn said(tree: &Tree) -> Option<(&Tree, &str)> {
    let scalar = tree.scalar().filter(|one| one.core() != Core::Null)?;
    Some((tree, &scalar.text))
}

fn revision(tree: &Tree) -> Option<Diagnostic> {
    let (tree, text) = said(tree).filter(|(_, text)| !is_dns_label(text))?;
    let problem = |message| Diagnostic::new(Code::InvalidRevision, message);
    if text.is_empty() {
        let problem = problem("the name of the revision is empty".to_owned());
        return Some(
            problem
                .at(tree.span, "not a DNS label")
                .help("the revision without a name of its own is called `default`"),
        );
    }
    let proposal = text.to_lowercase().replace(['.', '_', ' '], "-");
    Some(
        problem(format!("`{text}` is no name of a revision"))
            .at(tree.span, "not a DNS label")
            .help(format!(
                "a revision is made of small letters, digits and `-`: `{proposal}`"
            )),
    )
}

fn address(tree: &Tree) -> Option<Diagnostic> {
    let (tree, text) = said(tree).filter(|(_, text)| !is_http_url(text))?;
    Some(
        Diagnostic::new(Code::BadValue, format!("`{text}` is no address to ask"))
            .at(tree.span, "not such as http://prometheus:9090")
            .help("write a URL with `http://` or `https://` and a host"),
    )
}

fn version(tree: &Tree) -> Option<Diagnostic> {
    // That one is empty is told by the schema.
    let wrong = |text: &str| !text.is_empty() && text.parse::<Version>().is_err();
    let (tree, text) = said(tree).filter(|(_, text)| wrong(text))?;
    Some(
        Diagnostic::new(Code::BadValue, format!("`{text}` is no version"))
            .at(tree.span, "not such as 1.29.1"),
    )
}

/// No namespace is named twice.
fn distinct(names: &Tree, out: &mut Diagnostics) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for (tree, text) in names.items().iter().filter_map(said) {
        if let Some(first) = seen.insert(text, tree.span) {
            let problem = Diagnostic::new(Code::BadValue, format!("`{text}` is named twice"));
            let problem = problem.at(tree.span, "again");
            out.push(if first == tree.span {
                problem
            } else {
                problem.also(first, "first here")
            });
        }
    }
}

/// What the source of an install needs, and what it has no use for.
fn source(with: &Tree, out: &mut Diagnostics) {
    let given = with.get("source");
    let source = match given {
        Some(tree) => match said(tree) {
            Some((_, text)) => text,
            None => return,
        },
        None => "istioctl",
    };
    let (needed, unused): (_, &[&str]) = match source {
        "istioctl" => (None, &["files", "digest"]),
        "helm" => (Some("charts"), &["files", "digest", "profile"]),
        "manifests" => (
            Some("files"),
            &["profile", "set", "charts", "values", "binary"],
        ),
        _ => return,
    };
    if let Some(needed) = needed
        && with.get(needed).is_none_or(is_empty)
        && let Some(tree) = given
    {
        let place = with.get(needed).unwrap_or(tree).span;
        out.push(
            Diagnostic::new(
                Code::MissingKey,
                format!("`source: {source}` needs `{needed}`"),
            )
            .at(place, format!("lacks `{needed}`")),
        );
    }
    let pairs = with.pairs().iter();
    for (key, _) in pairs.filter(|(key, _)| unused.contains(&key.text.as_str())) {
        out.push(of_no_use(key, source, given));
    }
}

/// Whether it is a list of nothing.
fn is_empty(tree: &Tree) -> bool {
    matches!(&tree.value, Branch::Seq(items) if items.is_empty())
}

fn of_no_use(key: &Key, source: &str, given: Option<&Tree>) -> Diagnostic {
    let name = &key.text;
    let users: &[&str] = match name.as_str() {
        "files" | "digest" => &["manifests"],
        "profile" => &["istioctl"],
        _ => &["istioctl", "helm"],
    };
    let problem = Diagnostic::new(
        Code::ConflictingKeys,
        format!("`source: {source}` makes no use of `{name}`"),
    )
    .at(key.span, "would be left out")
    .help(format!(
        "`{name}` is for the source {}",
        words::quoted(users)
    ));
    match given {
        Some(tree) => problem.also(tree.span, "because of this"),
        None => problem,
    }
}
