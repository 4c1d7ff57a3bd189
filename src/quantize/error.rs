//! Why a network is not quantised.

use crate::SynapseError;
use thiserror::Error;

/// Why a network was not quantised.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// An option has no meaning.
    #[error("{what} is {value}, but must be {rule}")]
    Option {
        /// Its name.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// An option that means nothing without `delay_step`.
    #[error("{what} counts points of a grid; give its step with `delay_step`")]
    WithoutStep {
        /// The option.
        what: &'static str,
    },
    /// A delay is longer than the finest grid reaches, and no `max_steps` says that it may be clipped.
    #[error(
        "projection `{projection}` has a delay of {delay} ms, which is more than {most} steps of {step} ms; take a coarser step, or allow clipping with `max_steps`"
    )]
    TooFine {
        /// The projection.
        projection: String,
        /// The delay in ms.
        delay: f64,
        /// The step of the grid in ms.
        step: f64,
        /// The most steps.
        most: u32,
    },
    /// Synapses whose values have no meaning.
    #[error("projection `{projection}`: {cause}")]
    Synapses {
        /// The projection.
        projection: String,
        /// Why.
        cause: SynapseError,
    },
    /// Synapses of a type from outside the crate: what their parameters mean is not known.
    #[error(
        "projection `{projection}` is of a type from outside the crate and cannot be quantised"
    )]
    Foreign {
        /// The projection.
        projection: String,
    },
}
