//! One node of a graph.

use super::proto::{AttributeProto, NodeProto};
use crate::weights::WeightsError;

/// A node, and its place in the graph.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub proto: &'a NodeProto,
    /// From 0.
    pub index: usize,
}

impl<'a> Node<'a> {
    /// An error of this node.
    pub fn error(&self, reason: impl AsRef<str>) -> WeightsError {
        let NodeProto { name, op_type, .. } = self.proto;
        let node = if name.is_empty() { format!("{} ({op_type})", self.index) } else { format!("{name} ({op_type})") };
        WeightsError::node(node, reason)
    }

    /// An attribute, if the node has it.
    pub fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// A number, if the node has it, or its default.
    pub fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |attribute| attribute.f.into())
    }

    /// A whole number, if the node has it, or its default.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }
}
