//! Read-outs: from what a layer did to a vector.

mod potentials;
mod reading;
mod recording;
mod spike_times;

pub use potentials::{ExpWeightedMeanVoltage, MaxVoltage, MeanVoltage, VoltageAt};
pub use reading::Reading;
pub(crate) use recording::Memory;
pub use recording::{Peak, PeakKind, Recording};
pub use spike_times::{FirstSpikeTime, SpikeCount, SpikeTimes};

use crate::remedy::RemedyError;
use crate::{LayerSensitivity, Real, SimulationError};
use thiserror::Error;

/// Why a layer could not be read out.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ReadoutError {
    /// The network has no such layer.
    #[error("the objective reads layer {layer}, but the network has {layers} (0-based)")]
    NoSuchLayer {
        /// The layer asked for.
        layer: usize,
        /// The number of layers.
        layers: usize,
    },
    /// The layer has no spikes to read.
    #[error(
        "the spikes of layer `{layer}` are to be read, but its neurons never fire; read their potential"
    )]
    NeverFires {
        /// The layer.
        layer: String,
    },
    /// The layer has no such neuron.
    #[error("neuron {neuron} is read, but layer `{layer}` has {neurons} (0-based)")]
    NoSuchNeuron {
        /// The layer.
        layer: String,
        /// The neuron asked for.
        neuron: usize,
        /// The number of neurons.
        neurons: usize,
    },
    /// The layer's model lacks a closed form that the read-out needs.
    #[error(
        "the model of layer `{layer}` has no closed form for {what}; `Layer::stationary_points` and `Layer::integral` give one"
    )]
    NoClosedForm {
        /// The layer.
        layer: String,
        /// What is missing.
        what: &'static str,
    },
    /// A potential is to be read outside of the trial.
    #[error(
        "the potential is to be read at {time} ms (time {index}), but the trial is [0, {duration}] ms"
    )]
    Time {
        /// Position in the list of times.
        index: usize,
        /// The time in ms.
        time: f64,
        /// The length of the trial in ms.
        duration: f64,
    },
    /// Potentials are to be read at no time at all.
    #[error("the list of times at which potentials are read is empty; give at least one")]
    NoTimes,
    /// The gain of the heuristic of spike counts is not finite.
    #[error("the gain of the voltage heuristic is {gain}, but must be finite")]
    Gain {
        /// The gain.
        gain: f64,
    },
    /// The trial could not be rebuilt.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// Any other reason, of a read-out from outside the crate.
    #[error("{0}")]
    Other(String),
    /// The read-out is a remedy, which was refused.
    #[error(transparent)]
    Remedy(#[from] RemedyError),
}

/// Turns what a layer did into a vector y, and dL/dy back into the sensitivity of the loss to the
/// layer's spikes and potentials.
///
/// Implement it for a read-out of your own; `examples/custom_loss.rs` shows how, and
/// [`GradientCheck`](crate::check::GradientCheck) tells whether the two methods fit.
pub trait Readout<F: Real>: Send + Sync {
    /// Writes the vector y to `y`, which is empty: a row for each neuron, or whatever is read.
    ///
    /// # Errors
    /// If the layer lacks what is read.
    fn read(&self, recording: &Recording<'_, F>, y: &mut Reading<F>) -> Result<(), ReadoutError>;

    /// Adds to `sensitivity` what `gradient` = dL/dy, as long as [`Reading::values`] and in that order,
    /// means for spikes and potentials.
    ///
    /// # Errors
    /// If the layer lacks what is read.
    fn pull_back(
        &self,
        recording: &Recording<'_, F>,
        gradient: &[F],
        sensitivity: &mut LayerSensitivity<F>,
    ) -> Result<(), ReadoutError>;
}
