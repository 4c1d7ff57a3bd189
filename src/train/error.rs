//! Why training ended early.

use super::Metric;
use crate::data::DataError;
use crate::remedy::RemedyError;
use crate::{Error, OptimizeError, ParameterKind};
use thiserror::Error;

/// Why a network could not be trained or evaluated. The network keeps the parameters it has by then, or, where the
/// best epoch is tracked, those of the best so far.
#[derive(Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting has no meaning.
    #[error("{what} is {value}, but must be {rule}")]
    Setting {
        /// Its name.
        what: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A metric cannot be had.
    #[error("{metric} is asked for, but there are no validation samples")]
    NoValidation {
        /// The metric.
        metric: Metric,
    },
    /// No epoch has the accuracy that training goes by.
    #[error(
        "{metric} is asked for, but no sample got a prediction in {epochs} epochs: the outputs were all alike (are neurons silent? `Metrics::health` tells), or the loss predicts nothing (one that may is to say so, by `Loss::classifies`)"
    )]
    NoPrediction {
        /// The metric.
        metric: Metric,
        /// The epochs that were trained.
        epochs: usize,
    },
    /// Samples do not fit the network.
    #[error("the {what} have {found} channels, but the network has {expected}")]
    Channels {
        /// Which samples.
        what: &'static str,
        /// How many channels they have.
        found: usize,
        /// How many the network has.
        expected: usize,
    },
    /// Training and validation samples do not have the same classes.
    #[error(
        "class {class} is `{found}` of the validation samples, but `{expected}` of those for training"
    )]
    Classes {
        /// The class.
        class: usize,
        /// Its name in the validation samples.
        found: String,
        /// Its name in the training samples.
        expected: String,
    },
    /// The augmentation has a setting without meaning.
    #[error("augmentation: {0}")]
    Augmentation(DataError),
    /// The validation samples could not be read, simulated or judged.
    #[error("validation: {cause}")]
    Validation {
        /// Why.
        cause: Box<TrainError>,
    },
    /// A schedule, but an optimiser without learning rates.
    #[error(
        "the optimiser has no learning rates that a schedule could scale; use `Schedule::Constant`"
    )]
    NoRates,
    /// There is nothing to learn from.
    #[error("there are no training samples")]
    NoSamples,
    /// A sample could not be read.
    #[error("sample {index}: {cause}")]
    Data {
        /// Its index in the data set; those from the set's length on are blended ones.
        index: usize,
        /// Why.
        cause: DataError,
    },
    /// A sample could not be simulated, judged or differentiated.
    #[error("sample {index}: {cause}")]
    Sample {
        /// Its index in the data set; those from the set's length on are blended ones.
        index: usize,
        /// Why.
        cause: Box<Error>,
    },
    /// The whole of a batch was refused.
    #[error(transparent)]
    Batch {
        /// Why.
        cause: Box<Error>,
    },
    /// A step could not be taken.
    #[error(transparent)]
    Optimize(#[from] OptimizeError),
    /// A step led to a parameter that is no number.
    #[error(
        "{kind} {index} of `{owner}` is {value} after a step; lower its learning rate, or clip gradients"
    )]
    Diverged {
        /// The projection or the layer.
        owner: String,
        /// Which of its parameters.
        kind: ParameterKind,
        /// Position in the block.
        index: usize,
        /// What it is now.
        value: f64,
    },
    /// Weights could not be raised.
    #[error(transparent)]
    Remedy(#[from] RemedyError),
    /// An error in the course of an epoch.
    #[error("epoch {epoch}: {cause}")]
    Epoch {
        /// The epoch, from 0.
        epoch: usize,
        /// What went wrong.
        cause: Box<TrainError>,
    },
    /// An observer failed.
    #[error("an observer failed: {0}")]
    Observer(Box<dyn std::error::Error + Send + Sync>),
    /// The processes that train together could not go on.
    #[cfg(feature = "distributed")]
    #[error(transparent)]
    Distributed(#[from] crate::distributed::DistributedError),
    /// A checkpoint could not be written or used.
    #[cfg(feature = "files")]
    #[error(transparent)]
    Checkpoint(#[from] super::CheckpointError),
}
