//! Pictures of the graph.

use std::fmt::Write as _;

use serde::Serialize;

use super::picture;
use super::reduce::reduced;
use crate::source::{Place, SourceMap, Span};

/// What is drawn: nodes in an order that keeps every edge.
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    /// The plan's name.
    pub name: String,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges, from what is needed to what needs it.
    pub edges: Vec<Edge>,
    /// The files that all of them stand in.
    pub sources: SourceMap,
}

/// A node of a drawing.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name: `migrate[shop].verify`.
    pub id: String,
    /// What it is: a step kind, `group`, `end` of a group, or `wave`.
    pub kind: &'static str,
    /// The names of the groups that it is in, outermost first.
    pub groups: Vec<String>,
    /// Where it stands in the plan.
    pub span: Span,
    /// Its condition, where it has one.
    pub when: Option<String>,
    /// Whether it stands outside of a slice that needs it: it does not run, and must prove to be done.
    pub assumed: bool,
}

/// An edge of a drawing.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// The position of what is needed.
    pub from: usize,
    /// The position of what needs it.
    pub to: usize,
    /// Why: `needs`, `a reference to its outputs`, `inside`, `wave`.
    pub why: &'static str,
    /// Where that is written.
    pub span: Span,
}

/// How it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For programs: all edges, none left out.
    Json,
}

/// About as many bytes as a line of JSON has.
const LINE: usize = 96;

/// Draws the graph; `why` says for each edge where it comes from, and leaves none out.
pub fn render(drawing: &Drawing, format: Format, why: bool) -> String {
    let edges: Vec<&Edge> = if why || format == Format::Json {
        drawing.edges.iter().collect()
    } else {
        reduced(drawing)
    };
    match format {
        Format::Text => text(drawing, &edges, why),
        Format::Mermaid => picture::mermaid(drawing, &edges, why),
        Format::Dot => picture::dot(drawing, &edges, why),
        Format::Json => json(drawing),
    }
}

/// One line a node in the order of execution, indented by group, with what it comes after.
fn text(drawing: &Drawing, edges: &[&Edge], why: bool) -> String {
    let mut before: Vec<Vec<&Edge>> = vec![Vec::new(); drawing.nodes.len()];
    for edge in edges {
        before[edge.to].push(edge);
    }
    let width = drawing
        .nodes
        .iter()
        .map(|node| node.groups.len() * 2 + node.id.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for (at, node) in drawing.nodes.iter().enumerate() {
        let indent = node.groups.len() * 2;
        let name = width - indent;
        let names: Vec<&str> = before[at]
            .iter()
            .map(|edge| drawing.nodes[edge.from].id.as_str())
            .collect();
        let mut after = if names.is_empty() || why {
            String::new()
        } else {
            format!("  after {}", names.join(", "))
        };
        if node.assumed {
            after.push_str("  does not run: must be done");
        }
        line(
            &mut out,
            format_args!("{:indent$}{:<name$}  {:<16}{after}", "", node.id, node.kind),
        );
        if let Some(when) = &node.when {
            line(&mut out, format_args!("{:indent$}  when {when}", ""));
        }
        if why {
            for edge in &before[at] {
                let from = &drawing.nodes[edge.from].id;
                line(
                    &mut out,
                    format_args!(
                        "{:indent$}  after {from}: {} ({})",
                        "",
                        edge.why,
                        drawing.sources.place(edge.span)
                    ),
                );
            }
        }
    }
    out
}

#[derive(Serialize)]
struct DocumentNode<'d> {
    id: &'d str,
    kind: &'d str,
    groups: &'d [String],
    place: Place<'d>,
    when: Option<&'d str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    must_be_done: bool,
}

/// Its ends by their names: positions mean nothing outside.
#[derive(Serialize)]
struct DocumentEdge<'d> {
    from: &'d str,
    to: &'d str,
    why: &'d str,
    place: Place<'d>,
}

/// For programs, with one node or edge a line: a picture of a large plan is many megabytes when every word has its own.
fn json(drawing: &Drawing) -> String {
    let nodes = drawing.nodes.iter().map(|node| DocumentNode {
        id: &node.id,
        kind: node.kind,
        groups: &node.groups,
        place: drawing.sources.place(node.span),
        when: node.when.as_deref(),
        must_be_done: node.assumed,
    });
    let edges = drawing.edges.iter().map(|edge| DocumentEdge {
        from: &drawing.nodes[edge.from].id,
        to: &drawing.nodes[edge.to].id,
        why: edge.why,
        place: drawing.sources.place(edge.span),
    });
    // To grow by copying costs more than to write.
    let mut out = Vec::with_capacity(LINE * (drawing.nodes.len() + drawing.edges.len()));
    out.extend(b"{\n  \"name\": ");
    written(&mut out, &drawing.name);
    list(&mut out, "nodes", nodes);
    list(&mut out, "edges", edges);
    out.extend(b"\n}\n");
    String::from_utf8(out).unwrap_or_default()
}

fn list(out: &mut Vec<u8>, name: &str, items: impl Iterator<Item = impl Serialize>) {
    out.extend(format!(",\n  \"{name}\": [").bytes());
    for (at, item) in items.enumerate() {
        out.extend(if at == 0 { &b"\n    "[..] } else { b",\n    " });
        written(out, &item);
    }
    out.extend(b"\n  ]");
}

fn written(out: &mut Vec<u8>, value: &impl Serialize) {
    // Neither memory nor text can fail.
    let _infallible = serde_json::to_writer(out, value);
}

/// Adds a line, without blanks at its end.
pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "{text}");
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing() -> Drawing {
        let mut sources = SourceMap::new();
        let file = sources.add("a.yaml", "a:\n  b: 1\n");
        let node = |id: &str, kind, groups: &[&str]| Node {
            id: id.to_owned(),
            kind,
            groups: groups.iter().map(|&g| g.to_owned()).collect(),
            span: Span::at(file, 0, 1),
            when: None,
            assumed: false,
        };
        let edge = |from, to| Edge {
            from,
            to,
            why: "needs",
            span: Span::at(file, 5, 6),
        };
        Drawing {
            name: "a".to_owned(),
            nodes: vec![
                node("install", "install-revision", &[]),
                node("ready", "wait-ready", &[]),
                node("migrate[shop].label", "label-ns", &["migrate"]),
            ],
            edges: vec![edge(0, 1), edge(0, 2), edge(1, 2)],
            sources,
        }
    }

    #[test]
    fn text_leaves_out_what_follows_from_the_rest() {
        insta::assert_snapshot!(render(&drawing(), Format::Text, false), @r"
        install                install-revision
        ready                  wait-ready        after install
          migrate[shop].label  label-ns          after ready
        ");
    }

    #[test]
    fn why_shows_every_edge_with_its_place() {
        insta::assert_snapshot!(render(&drawing(), Format::Text, true), @r"
        install                install-revision
        ready                  wait-ready
          after install: needs (a.yaml:2:3)
          migrate[shop].label  label-ns
            after install: needs (a.yaml:2:3)
            after ready: needs (a.yaml:2:3)
        ");
    }

    #[test]
    fn mermaid_and_dot_draw_groups_and_name_nodes_safely() {
        let mut odd = drawing();
        odd.nodes[0].id = "a\"#\n".to_owned();
        insta::assert_snapshot!(render(&odd, Format::Mermaid, true), @r##"
        flowchart TD
            n0["a#quot;#35; <br/>install-revision"]
            n1["ready<br/>wait-ready"]
            subgraph g0 ["migrate"]
                n2["migrate[shop].label<br/>label-ns"]
            end
            n0 -->|"needs"| n1
            n0 -->|"needs"| n2
            n1 -->|"needs"| n2
        "##);
        insta::assert_snapshot!(render(&odd, Format::Dot, false), @r##"
        digraph "a" {
            node [shape=box];
            n0 [label="a\"# \ninstall-revision"];
            n1 [label="ready\nwait-ready"];
            subgraph cluster_g0 {
                label="migrate";
                n2 [label="migrate[shop].label\nlabel-ns"];
            }
            n0 -> n1;
            n1 -> n2;
        }
        "##);
    }

    #[test]
    fn json_names_the_ends_of_edges() {
        let text = render(&drawing(), Format::Json, false);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["edges"].as_array().unwrap().len(), 3);
        assert_eq!(value["edges"][2]["from"], "ready");
        assert_eq!(value["edges"][2]["place"], "a.yaml:2:3");
        assert_eq!(value["nodes"][2]["groups"][0], "migrate");
    }
}
