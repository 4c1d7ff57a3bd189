//! Why graphs are refused.

use crate::BuildError;
use thiserror::Error;

/// Why a NIR graph was not read, written, made or understood.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NirError {
    /// The system refused.
    #[error("{path}: {problem}")]
    Io {
        /// The file.
        path: String,
        /// What it says.
        problem: String,
    },
    /// What is wrong with a file.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        cause: Box<NirError>,
    },
    /// No HDF5 file, or one that is damaged.
    #[error("`{place}` of the HDF5 file: {problem}")]
    Hdf5 {
        /// Where in it.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A file that asks for far more memory than it is long.
    #[error("`{place}` needs {wanted} bytes of memory, more than a file of {file} bytes can hold")]
    TooLarge {
        /// Where in it.
        place: String,
        /// How much it asks for.
        wanted: u64,
        /// The size of the file.
        file: u64,
    },
    /// A field that a node must have.
    #[error("node `{node}` has no field `{field}` that could be read as {expected}")]
    Field {
        /// The node.
        node: String,
        /// The field.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Metadata that contradict the node, or themselves.
    #[error("the metadata `{key}` of node `{node}` do not fit it")]
    Metadata {
        /// The node.
        node: String,
        /// The entry.
        key: &'static str,
    },
    /// Sizes that do not fit.
    #[error("node `{node}` has {found} {what}, but {expected} are needed there")]
    Size {
        /// The node.
        node: String,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// An edge to or from a node that does not exist.
    #[error("an edge leads to or from node `{node}`, which does not exist")]
    UnknownNode {
        /// The node.
        node: String,
    },
    /// The same edge twice.
    #[error("there are two edges from `{from}` to `{to}`")]
    DuplicateEdge {
        /// Its start.
        from: String,
        /// Its end.
        to: String,
    },
    /// A type of node that there is nothing like here.
    #[error(
        "node `{node}` is a `{kind}`; only Input, Output, Linear, Affine, Delay, CubaLIF, CubaLI, LIF and LI are understood"
    )]
    UnknownKind {
        /// The node.
        node: String,
        /// Its type.
        kind: String,
    },
    /// Nodes that are connected in a way that there is nothing like here.
    #[error("node `{node}`: {problem}")]
    Unsupported {
        /// The node.
        node: String,
        /// What there is nothing like.
        problem: &'static str,
    },
    /// A time step that is none.
    #[error("the time step is {dt} ms, but must be finite and above 0")]
    TimeStep {
        /// The time step in ms.
        dt: f64,
    },
    /// A resistance that is none.
    #[error("the resistance is {value}, but must be finite and not 0")]
    Resistance {
        /// The value.
        value: f64,
    },
    /// Delays that no node can hold, and no choice what to do about them.
    #[error(
        "the delays of projection `{projection}` differ from synapse to synapse, for which NIR has no node; choose with `Export::delays`"
    )]
    DelaysPerSynapse {
        /// The projection.
        projection: String,
    },
    /// No levels for delays.
    #[error("delays cannot be moved to 0 levels; there must be at least 1")]
    NoLevels,
    /// Neurons of a type from outside of the crate.
    #[error("layer `{layer}` is of a type from outside the crate, which NIR has no node for")]
    ForeignLayer {
        /// The layer.
        layer: String,
    },
    /// The network was refused.
    #[error(transparent)]
    Build(#[from] BuildError),
}
