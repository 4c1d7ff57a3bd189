//! Why a trace could not be differentiated.

use crate::SimulationError;
use thiserror::Error;

/// Why a trace could not be differentiated.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum AdjointError {
    /// The trace was made by another network, or before the parameters changed.
    #[error(
        "the trace belongs to another network or to other parameters; run `forward` again after every change"
    )]
    StaleTrace,
    /// What was deferred belongs to another network, or to parameters before they changed.
    #[error(
        "what was deferred belongs to another network or to other parameters; run `settle` before they change"
    )]
    StaleSums,
    /// The network has no such layer.
    #[error("layer {layer} is asked for, but the network has {layers} (0-based)")]
    NoSuchLayer {
        /// The layer asked for.
        layer: usize,
        /// The number of layers.
        layers: usize,
    },
    /// The sensitivity does not fit the trace.
    #[error("the sensitivity does not fit the trace: {what} is {found}, but must be {expected}")]
    Sensitivity {
        /// What does not fit.
        what: &'static str,
        /// Its value.
        found: f64,
        /// What it should be.
        expected: String,
    },
    /// The gradients to be added to are those of another network.
    #[error("the gradients have other blocks than the network's parameters")]
    Layout,
    /// At a spike the potential does not rise: the spike's time has no derivative.
    #[error(
        "neuron {neuron} of layer `{layer}` fires at {time} ms with slope {slope}: its time has no derivative"
    )]
    ZeroSlope {
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
        /// When, in ms.
        time: f64,
        /// How fast V neared the threshold before the spike.
        slope: f64,
    },
    /// Any other reason, of a network from outside of the crate.
    #[error("{0}")]
    Other(String),
    /// The trial could not be rebuilt.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
}
