//! Checkpoints: all that a resume needs, in files that are whole or not there.

mod content;
mod error;
mod file;
mod folder;

pub use error::CheckpointError;
pub use file::Checkpoint;
pub use folder::{Checkpoints, Latest};
