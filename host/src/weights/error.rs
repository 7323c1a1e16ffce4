//! Errors of reading and writing weights of other frameworks.

use autoencoder_io::terminal::printable;

/// The reason that a file has no network for us, or a network no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The file as a whole.
    #[error("{0}")]
    File(String),
    /// One tensor.
    #[error("{name}: {reason}")]
    Tensor {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One node of an ONNX graph.
    #[error("node {node}: {reason}")]
    Node {
        /// Its name and its operator.
        node: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl WeightsError {
    /// An error of the file as a whole.
    pub(super) fn file(reason: impl AsRef<str>) -> Self {
        Self::File(printable(reason.as_ref()))
    }

    /// An error of one tensor.
    pub(super) fn tensor(name: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self::Tensor { name: printable(name.as_ref()), reason: printable(reason.as_ref()) }
    }

    /// An error of one node.
    pub(super) fn node(node: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self::Node { node: printable(node.as_ref()), reason: printable(reason.as_ref()) }
    }
}
