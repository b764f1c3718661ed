//! Boxes and arrows: Mermaid and Graphviz, with groups as boxes around their steps.

use indexmap::IndexMap;

use super::draw::{Drawing, Edge, line};

/// A group with what is in it.
#[derive(Default)]
struct Group<'d> {
    nodes: Vec<usize>,
    inside: IndexMap<&'d str, Self>,
}

impl<'d> Group<'d> {
    fn of(drawing: &'d Drawing) -> Self {
        let mut whole = Self::default();
        for (at, node) in drawing.nodes.iter().enumerate() {
            let mut group = &mut whole;
            for name in &node.groups {
                group = group.inside.entry(name).or_default();
            }
            group.nodes.push(at);
        }
        whole
    }
}

/// The words of a language of pictures.
trait Language {
    fn node(&self, out: &mut String, indent: usize, at: usize, id: &str, kind: &str);
    fn open(&self, out: &mut String, indent: usize, number: usize, name: &str);
    fn close(&self) -> &'static str;
}

/// Writes a group's nodes, then the groups in it; each group gets the next number.
fn boxes(
    out: &mut String,
    group: &Group<'_>,
    drawing: &Drawing,
    language: &dyn Language,
    indent: usize,
    number: &mut usize,
) {
    for &at in &group.nodes {
        let node = &drawing.nodes[at];
        language.node(out, indent, at, &node.id, node.kind);
    }
    for (name, inner) in &group.inside {
        language.open(out, indent, *number, name);
        *number += 1;
        boxes(out, inner, drawing, language, indent + 4, number);
        line(out, format_args!("{:indent$}{}", "", language.close()));
    }
}

struct Mermaid;

impl Language for Mermaid {
    fn node(&self, out: &mut String, indent: usize, at: usize, id: &str, kind: &str) {
        let id = mermaid_text(id);
        line(
            out,
            format_args!("{:indent$}n{at}[\"{id}<br/>{kind}\"]", ""),
        );
    }

    fn open(&self, out: &mut String, indent: usize, number: usize, name: &str) {
        let name = mermaid_text(name);
        line(
            out,
            format_args!("{:indent$}subgraph g{number} [\"{name}\"]", ""),
        );
    }

    fn close(&self) -> &'static str {
        "end"
    }
}

struct Dot;

impl Language for Dot {
    fn node(&self, out: &mut String, indent: usize, at: usize, id: &str, kind: &str) {
        let id = dot_text(id);
        line(
            out,
            format_args!("{:indent$}n{at} [label=\"{id}\\n{kind}\"];", ""),
        );
    }

    fn open(&self, out: &mut String, indent: usize, number: usize, name: &str) {
        let name = dot_text(name);
        line(
            out,
            format_args!("{:indent$}subgraph cluster_g{number} {{", ""),
        );
        line(out, format_args!("{:indent$}    label=\"{name}\";", ""));
    }

    fn close(&self) -> &'static str {
        "}"
    }
}

pub(super) fn mermaid(drawing: &Drawing, edges: &[&Edge], why: bool) -> String {
    let mut out = String::from("flowchart TD\n");
    boxes(&mut out, &Group::of(drawing), drawing, &Mermaid, 4, &mut 0);
    for edge in edges {
        let (from, to) = (edge.from, edge.to);
        if why {
            let why = mermaid_text(edge.why);
            line(&mut out, format_args!("    n{from} -->|\"{why}\"| n{to}"));
        } else {
            line(&mut out, format_args!("    n{from} --> n{to}"));
        }
    }
    out
}

pub(super) fn dot(drawing: &Drawing, edges: &[&Edge], why: bool) -> String {
    let mut out = String::new();
    line(
        &mut out,
        format_args!("digraph \"{}\" {{", dot_text(&drawing.name)),
    );
    out.push_str("    node [shape=box];\n");
    boxes(&mut out, &Group::of(drawing), drawing, &Dot, 4, &mut 0);
    for edge in edges {
        let (from, to) = (edge.from, edge.to);
        if why {
            let why = dot_text(edge.why);
            line(
                &mut out,
                format_args!("    n{from} -> n{to} [label=\"{why}\"];"),
            );
        } else {
            line(&mut out, format_args!("    n{from} -> n{to};"));
        }
    }
    out.push_str("}\n");
    out
}

/// Text in a Mermaid label: its quotes, its entities and its tags are written as entities.
fn mermaid_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '#' => out.push_str("#35;"),
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn dot_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
