//! Names: of nodes, of runs, and the rules that ids keep.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// The name of an expanded node: `migrate[shop].verify`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(String);

impl NodeId {
    /// Wraps a name that expansion has made.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A child of this node: `a` and `b` give `a.b`.
    #[must_use]
    pub fn child(&self, id: &str) -> Self {
        Self(format!("{}.{id}", self.0))
    }

    /// The name without its items: `migrate[shop].verify` is `migrate.verify`.
    #[must_use]
    pub fn without_items(&self) -> String {
        let parts = self.0.split('[');
        parts
            .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest))
            .collect()
    }

    /// The name with its items as the plan writes them: `migrate[a%20b]` is `migrate[a b]`.
    #[must_use]
    pub fn readable(&self) -> String {
        let mut parts = self.0.split('%');
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let (code, rest) = part.split_at_checked(2).unwrap_or(("", part));
            bytes.extend(u8::from_str_radix(code, 16));
            bytes.extend(rest.as_bytes());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// One item of this node: `a` and `x` give `a[x]`, the item percent-escaped.
    #[must_use]
    pub fn item(&self, item: &str) -> Self {
        Self(format!("{}[{}]", self.0, escape_item(item)))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-escapes what would make a node's name ambiguous (`[`, `]`, `/`, `%` and spaces), and what a terminal would
/// take for a command.
fn escape_item(item: &str) -> String {
    let mut out = String::with_capacity(item.len());
    for c in item.chars() {
        match c {
            '[' => out.push_str("%5B"),
            ']' => out.push_str("%5D"),
            '/' => out.push_str("%2F"),
            '%' => out.push_str("%25"),
            ' ' => out.push_str("%20"),
            _ if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    // Writing to a String cannot fail.
                    let _infallible = write!(out, "%{byte:02X}");
                }
            }
            _ => out.push(c),
        }
    }
    out
}

/// The name of a run: sortable by its start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Wraps an id that the edge has drawn or the user has typed.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` is a step id: `[a-z][a-z0-9_-]*`.
pub fn is_step_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

/// Whether `text` is the name of an input or an `as` variable: a step id without `-`.
pub fn is_variable(text: &str) -> bool {
    is_step_id(text) && !text.contains('-')
}

/// What a DNS-1123 label looks like.
pub const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";

/// Whether `text` is a DNS-1123 label, as istioctl demands of a revision (`operator/cmd/mesh/install.go`).
pub fn is_dns_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_escaped() {
        let id = NodeId::new("migrate").item("a/b [1] 50%").child("verify");
        assert_eq!(id.as_str(), "migrate[a%2Fb%20%5B1%5D%2050%25].verify");
        assert_eq!(id.without_items(), "migrate.verify");
        assert_eq!(id.readable(), "migrate[a/b [1] 50%].verify");
        let id = NodeId::new("a").item("\u{1b}[31mx\0\n\u{9b}");
        assert_eq!(id.as_str(), "a[%1B%5B31mx%00%0A%C2%9B]");
    }

    #[test]
    fn ids_keep_their_rules() {
        assert!(is_step_id("wait-ready_2"));
        assert!(!is_step_id("2nd") && !is_step_id("A") && !is_step_id(""));
        assert!(is_variable("namespace") && !is_variable("name-space"));
        assert!(is_dns_label("1-29-1") && !is_dns_label("1.29.1") && !is_dns_label("-a"));
    }
}
