//! Remedies for what exact gradients cannot see or make too large. Heuristics, each named, none on by
//! default, each counted in [`Health`](crate::Health). [`GradientClip`] only makes an exact gradient smaller.
//! [`SlopeLimiter`] bounds what one grazing spike adds; where terms cancel, the sum may become larger.
//!
//! The gradient says how spikes move, not how they appear or vanish, and it grows without bound where a
//! spike only just happens. What a remedy adds is no gradient of the loss; what it is, its own
//! documentation says.
//!
//! | symptom, and where it shows | remedy |
//! |---|---|
//! | neurons that are silent in all samples: [`LayerHealth::silent`](crate::LayerHealth::silent), `BatchSummary::silent` | [`SilentNeuronLift`] after each epoch |
//! | an output or hidden layer that often misses its spike | [`WeightBump`] after each batch |
//! | an output that is silent in some samples, under a loss of spike times | [`PhantomSpikeTime`] as the read-out |
//! | a layer that fires ever more, or hardly | [`SpikeCountRegularizer`] |
//! | [`Health::smallest_slope`](crate::Health::smallest_slope) near 0, [`AdjointError::ZeroSlope`](crate::AdjointError::ZeroSlope), rare huge [`Health::largest_adjoint`](crate::Health::largest_adjoint) | [`SlopeLimiter`] |
//! | [`Health::largest_gradients`](crate::Health::largest_gradients) that jump from batch to batch | [`GradientClip`] |
//!
//! Some symptoms have another cure: delays on a bound want a wider `max_delay`, lost arrivals a longer trial
//! or shorter delays, ties times that are not quantised.
//!
//! Remedies that act in the backward pass are given to it as [`BackwardOptions`](crate::BackwardOptions); the phantom spike is a
//! read-out; those that act between batches are applied to the network.

mod clip;
mod limiter;
pub(crate) mod options;
mod phantom;
mod silence;
mod spike_count;

pub use clip::GradientClip;
pub use limiter::SlopeLimiter;
pub use phantom::PhantomSpikeTime;
pub use silence::{SilentNeuronLift, WeightBump};
pub use spike_count::SpikeCountRegularizer;

use crate::real;
use crate::{Network, Real};
use thiserror::Error;

/// Why a remedy was refused. Nothing has changed when one of these is returned.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum RemedyError {
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
    /// The network has no such layer.
    #[error("the remedy is for layer {layer}, but the network has {layers} (0-based)")]
    NoSuchLayer {
        /// The layer asked for.
        layer: usize,
        /// The number of layers.
        layers: usize,
    },
    /// The layer has no spikes to go by.
    #[error("the remedy goes by the spikes of layer `{layer}`, whose neurons never fire")]
    NeverFires {
        /// The layer.
        layer: String,
    },
    /// The summary is not one of this network.
    #[error("the summary has {found} neurons in layer {layer}, but the network has {expected}")]
    Summary {
        /// The layer.
        layer: usize,
        /// The neurons of the summary.
        found: usize,
        /// The neurons of the network.
        expected: usize,
    },
}

/// Checks a constant as it is in the precision of the network.
fn check<F: Real>(
    what: &'static str,
    value: f64,
    good: impl Fn(f64) -> bool,
    rule: &'static str,
) -> Result<(), RemedyError> {
    real::check::<F>(value, good, rule).map_err(|rule| RemedyError::Constant { what, value, rule })
}

/// Refuses a layer without spikes to go by.
fn check_layer<F: Real>(network: &dyn Network<F>, layer: usize) -> Result<(), RemedyError> {
    let layers = network.layers();
    if layer >= layers {
        return Err(RemedyError::NoSuchLayer { layer, layers });
    }
    if network.fires(layer) {
        return Ok(());
    }
    Err(RemedyError::NeverFires { layer: network.layer_info(layer).0.to_owned() })
}
