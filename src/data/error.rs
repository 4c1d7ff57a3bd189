//! Why data was refused.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a data set, or a sample of it, was refused. Positions count from 0.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// Something that is wrong with a file.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<DataError>,
    },
    /// The operating system refused to read or write.
    #[error("cannot be read or written: {message}")]
    Io {
        /// The kind of error.
        kind: std::io::ErrorKind,
        /// The system's own words.
        message: String,
    },
    /// The file is not of the expected form.
    #[error("{what}")]
    Format {
        /// What was found and what would be right.
        what: String,
    },
    /// The time of an event is not a number from 0 to the duration.
    #[error("sample {sample}, event {event}: time {time} ms is not in 0 ..= {duration} ms")]
    BadTime {
        /// The sample.
        sample: usize,
        /// Position within the sample as it is stored.
        event: usize,
        /// The offending time in ms.
        time: f64,
        /// The duration of the samples in ms; infinite where none was set.
        duration: f64,
    },
    /// The channel of an event does not exist.
    #[error(
        "sample {sample}, event {event}: channel {channel}, but there are {channels} channels (0-based)"
    )]
    BadChannel {
        /// The sample.
        sample: usize,
        /// Position within the sample as it is stored.
        event: usize,
        /// The channel named.
        channel: u64,
        /// The number of channels.
        channels: usize,
    },
    /// A label names a class that does not exist.
    #[error("sample {sample}: label {label}, but there are {classes} classes (0-based){}", hint(*classes))]
    BadLabel {
        /// The sample.
        sample: usize,
        /// The label.
        label: u64,
        /// The number of classes.
        classes: usize,
    },
    /// Spike trains with another number of channels than the set.
    #[error("sample {sample} has {found} channels, the set has {channels}")]
    BadChannels {
        /// The sample.
        sample: usize,
        /// Its number of channels.
        found: usize,
        /// The number of channels of the set.
        channels: usize,
    },
    /// There is no such sample.
    #[error("there is no sample {index}: the set has {len}")]
    NoSample {
        /// The position asked for.
        index: usize,
        /// The number of samples.
        len: usize,
    },
    /// A setting that makes no sense.
    #[error("{what} cannot be {value}: {rule}")]
    BadSetting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        rule: &'static str,
    },
    /// A split that these samples do not allow.
    #[error("cannot split: {what}")]
    Split {
        /// What stands in the way.
        what: String,
    },
}

impl DataError {
    pub(crate) fn format(what: impl Into<String>) -> Self {
        Self::Format { what: what.into() }
    }

    pub(crate) fn setting(
        what: &'static str,
        value: impl std::fmt::Display,
        rule: &'static str,
    ) -> Self {
        Self::BadSetting { what, value: value.to_string(), rule }
    }

    /// The error, with the file that it belongs to; one that has a file already keeps it.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::File { .. } => self,
            cause => Self::File { path: path.into(), cause: Box::new(cause) },
        }
    }
}

impl From<std::io::Error> for DataError {
    fn from(error: std::io::Error) -> Self {
        Self::Io { kind: error.kind(), message: error.to_string() }
    }
}

/// What may be missing where there are no classes.
fn hint(classes: usize) -> &'static str {
    if classes == 0 { "; give their number or their names before samples" } else { "" }
}
