//! What can be wrong with data.

use crate::SpikeTrainsError;
use std::path::PathBuf;
use thiserror::Error;

/// Why data could not be read, made or split.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not of the format that it was read as, or is damaged.
    #[error("{} is not a good {format} file: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it was read as.
        format: &'static str,
        /// What is wrong.
        why: String,
    },
    /// An event has no meaning.
    #[error("event {event} of sample {sample}: the {what} is {value}, but must be {rule}")]
    Event {
        /// The sample.
        sample: usize,
        /// Its number within the sample, as it was given.
        event: usize,
        /// Which part of it.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        rule: String,
    },
    /// Labels, groups or names that do not fit.
    #[error("sample {sample}: the {what} is {found}, but must be {rule}")]
    Sample {
        /// The sample.
        sample: usize,
        /// Which property of it.
        what: &'static str,
        /// Its value.
        found: usize,
        /// What it must be.
        rule: String,
    },
    /// There is no such sample.
    #[error("there is no sample {index}: the set has {len}")]
    NoSuchSample {
        /// The number that was asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// A constant has no meaning.
    #[error("{what} is {value}, but must be {rule}")]
    Constant {
        /// Its name.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// A split that the set does not allow.
    #[error("the set cannot be split so: {why}")]
    Split {
        /// What is in the way.
        why: String,
    },
    /// Spike trains that have no meaning.
    #[error(transparent)]
    Spikes(#[from] SpikeTrainsError),
}
