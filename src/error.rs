//! Any error of the crate, and how all of them are shown.

use crate::{
    AdjointError, BuildError, LossError, OptimizeError, QuantizeError, ReadoutError,
    SimulationError, SpikeTrainsError, SynapseError, check::CheckError, data::DataError,
    remedy::RemedyError,
};
use thiserror::Error;

/// Any error of this crate, for functions that meet several.
///
/// As with all errors here, what it displays tells the whole story, causes included. So its `source()` is `None`:
/// a program that prints the chain of sources says nothing twice. The `cause` fields are there to match on. `Debug` shows the
/// same text, since that is what `unwrap` and a `main` that returns an error print.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Spike trains were refused.
    #[error(transparent)]
    SpikeTrains(#[from] SpikeTrainsError),
    /// Data was refused.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A network was refused.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A network could not be saved or loaded.
    #[cfg(feature = "files")]
    #[error(transparent)]
    NetworkFile(#[from] crate::NetworkFileError),
    /// Synapses were refused.
    #[error(transparent)]
    Synapses(#[from] SynapseError),
    /// A trial could not be simulated.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// A trace could not be differentiated.
    #[error(transparent)]
    Adjoint(#[from] AdjointError),
    /// A layer could not be read out.
    #[error(transparent)]
    Readout(#[from] ReadoutError),
    /// A loss could not be computed.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// Parameters could not be stepped.
    #[error(transparent)]
    Optimize(#[from] OptimizeError),
    /// An error that belongs to one part of an objective.
    #[error("part {index} of the objective: {cause}")]
    Part {
        /// The part's position, in the order in which they were added.
        index: usize,
        /// What went wrong with it.
        cause: Box<Error>,
    },
    /// A gradient check was refused.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A remedy was refused.
    #[error(transparent)]
    Remedy(#[from] RemedyError),
    /// A network could not be quantised.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// Processes could not go on together.
    #[cfg(feature = "distributed")]
    #[error(transparent)]
    Distributed(#[from] crate::distributed::DistributedError),
    /// An error that belongs to one sample of a batch.
    #[error("sample {index} of the batch: {cause}")]
    Sample {
        /// The sample's position in the batch.
        index: usize,
        /// What went wrong with it.
        cause: Box<Error>,
    },
}

macro_rules! debug_shows_the_text {
    ($($(#[$when:meta])* $error:path),* $(,)?) => {$(
        $(#[$when])*
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_shows_the_text!(
    Error,
    AdjointError,
    BuildError,
    CheckError,
    DataError,
    crate::LayerError,
    LossError,
    OptimizeError,
    QuantizeError,
    ReadoutError,
    RemedyError,
    SimulationError,
    SpikeTrainsError,
    SynapseError,
    crate::train::TrainError,
    #[cfg(feature = "files")]
    crate::NetworkFileError,
    #[cfg(feature = "files")]
    crate::train::CheckpointError,
    #[cfg(feature = "distributed")]
    crate::distributed::DistributedError,
    #[cfg(feature = "plot")]
    crate::plot::PlotError,
    #[cfg(feature = "nir")]
    crate::exchange::nir::NirError,
    #[cfg(feature = "mlgenn")]
    crate::exchange::mlgenn::MlGennError,
    #[cfg(feature = "mlgenn")]
    crate::exchange::npy::NpyError,
    #[cfg(feature = "mlgenn")]
    crate::exchange::npy::NpyProblem,
);
