//! What aliases stand for, and the budget on it.

use std::collections::BTreeMap;

use super::Node;
use super::Value;

/// How many values all anchors and aliases of a file together may stand for.
pub const MAX_ALIAS_NODES: usize = 200_000;
/// How many bytes of text all anchors and aliases of a file together may stand for.
pub const MAX_ALIAS_BYTES: usize = 16 * 1024 * 1024;

/// The anchored values of one file. Defining and using one both make a copy, and both are paid for.
#[derive(Default)]
pub(super) struct Anchors {
    defined: BTreeMap<usize, (Node, Size)>,
    nodes: usize,
    bytes: usize,
}

/// The budget is spent.
pub(super) struct OverBudget;

/// How much a value is.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    bytes: usize,
    /// 0 for a scalar.
    height: usize,
}

impl Anchors {
    /// Remembers a value under an anchor.
    pub(super) fn define(&mut self, anchor: usize, node: &Node) -> Result<(), OverBudget> {
        let size = Size::of(node);
        self.pay(size)?;
        self.defined.insert(anchor, (node.clone(), size));
        Ok(())
    }

    /// How deep the value of an anchor is nested, if it is complete.
    pub(super) fn height(&self, anchor: usize) -> Option<usize> {
        self.defined.get(&anchor).map(|(_, size)| size.height)
    }

    /// A copy of the value of an anchor.
    pub(super) fn copy(&mut self, anchor: usize) -> Result<Option<Node>, OverBudget> {
        if let Some((_, size)) = self.defined.get(&anchor) {
            self.pay(*size)?;
        }
        Ok(self.defined.get(&anchor).map(|(node, _)| node.clone()))
    }

    fn pay(&mut self, size: Size) -> Result<(), OverBudget> {
        self.nodes += size.nodes;
        self.bytes += size.bytes;
        let within = self.nodes <= MAX_ALIAS_NODES && self.bytes <= MAX_ALIAS_BYTES;
        if within { Ok(()) } else { Err(OverBudget) }
    }
}

impl Size {
    /// Recursive: the tree is never deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    fn of(node: &Node) -> Self {
        match &node.value {
            Value::Scalar(scalar) => Self {
                nodes: 1,
                bytes: scalar.text.len(),
                height: 0,
            },
            Value::Seq(items) => Self::around(items.iter().map(Self::of)),
            Value::Map(entries) => Self::around(entries.iter().map(|entry| {
                let mut size = Self::of(&entry.value);
                size.bytes += entry.key.text.len();
                size
            })),
        }
    }

    fn around(children: impl Iterator<Item = Self>) -> Self {
        let empty = Self {
            nodes: 1,
            bytes: 0,
            height: 1,
        };
        children.fold(empty, |sum, child| Self {
            nodes: sum.nodes + child.nodes,
            bytes: sum.bytes + child.bytes,
            height: sum.height.max(child.height + 1),
        })
    }
}
