//! Why a checkpoint was refused.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a checkpoint could not be written, read or used.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// An error that belongs to one file.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<CheckpointError>,
    },
    /// The operating system refused to read or write.
    #[error("cannot be read or written: {message}")]
    Io {
        /// The kind of error.
        kind: io::ErrorKind,
        /// The system's own words.
        message: String,
    },
    /// Not a safetensors file, or a part of one.
    #[error("not a complete safetensors file: {what}")]
    Format {
        /// What is wrong.
        what: String,
    },
    /// A safetensors file of something else.
    #[error("not a checkpoint of this crate: {what}")]
    Foreign {
        /// What is missing.
        what: &'static str,
    },
    /// Of a version that this crate does not know.
    #[error("version {found} of the format, but this crate reads version {expected}")]
    Version {
        /// That of the file.
        found: u64,
        /// That of the crate.
        expected: u64,
    },
    /// The content is not what was written.
    #[error(
        "the checksum is {found:016x}, but the content gives {expected:016x}: the file is damaged"
    )]
    Checksum {
        /// What the file says.
        found: u64,
        /// What its content gives.
        expected: u64,
    },
    /// The metadata cannot be read.
    #[error("the metadata is damaged: {what}")]
    Metadata {
        /// What is wrong.
        what: String,
    },
    /// A tensor is missing, is one too many, or is of another network or precision.
    #[error("tensor `{name}` {found}, but {expected}")]
    Tensor {
        /// Its name.
        name: String,
        /// What it is in the file.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// What is not trained is another than that of the checkpoint's network.
    #[error(
        "`{name}` has other constants (a layer), or other fixed weights or delays, other synapses that share a delay, another range of weights or another receptor (a projection) than in the checkpoint, or is in only one of the two; build the network with the same seed, ranges and constants (fixed values count as they act: of a network that acts rounded, rounded), or save the whole of it with `SpikingNetwork::save`"
    )]
    Fixed {
        /// The projection or layer.
        name: String,
    },
    /// Training was begun with another setting.
    #[error(
        "the training was begun with another setting: {what}: {found} then, {expected} now; resume with the settings of the first run, or use another folder"
    )]
    Setting {
        /// Its name.
        what: String,
        /// In the checkpoint.
        found: String,
        /// In the trainer.
        expected: String,
    },
    /// There is no training state in it to resume from.
    #[error("holds parameters alone, and no training to resume")]
    NoTraining,
    /// There are checkpoints in the folder, but they were not asked for.
    #[error("holds checkpoints already; resume from them, or use another folder")]
    Occupied,
}

impl CheckpointError {
    pub(super) fn io(error: &io::Error) -> Self {
        Self::Io { kind: error.kind(), message: error.to_string() }
    }

    /// Whether the content is not what was written, so that nothing is lost with it.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::File { cause, .. } => cause.is_damage(),
            Self::Io { .. } | Self::Version { .. } => false,
            _ => true,
        }
    }

    pub(super) fn at(self, path: &Path) -> Self {
        Self::File { path: path.to_owned(), cause: Box::new(self) }
    }
}
