//! ONNX graphs: from the input to the output, one node after the other.

mod constants;
mod graph;
mod node;
mod proto;
mod write;

pub use graph::read;
pub use write::write;
