//! What goes wrong between processes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why processes could not go on together. All of them fail then.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DistributedError {
    /// A message could not be sent or received: the other process has ended, or the connection is gone.
    #[error("rank {rank} cannot be reached: {reason}")]
    Lost {
        /// The other process.
        rank: usize,
        /// What the transport says.
        reason: String,
    },
    /// Another process failed and said so.
    #[error("rank {} failed: {}", .0.rank, .0.reason)]
    Failed(Failure),
    /// The processes do not do the same thing.
    #[error(
        "rank {rank} is out of step: {reason}; all ranks need the same program, network, samples and settings"
    )]
    OutOfStep {
        /// The process that sent what was not expected.
        rank: usize,
        /// What does not fit.
        reason: String,
    },
    /// Processes could not be connected.
    #[error("the processes could not be connected: {reason}")]
    Start {
        /// Why.
        reason: String,
    },
}

/// Which process failed first, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The process.
    pub rank: usize,
    /// Its error.
    pub reason: String,
}
