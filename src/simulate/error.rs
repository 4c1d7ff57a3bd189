//! Why a trial could not be simulated.

use crate::LayerError;
use thiserror::Error;

/// Why a trial could not be simulated.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The input has another number of channels than the network.
    #[error("the input has {found} channels, but the network has {expected}")]
    Channels {
        /// The channels of the input.
        found: usize,
        /// The channels of the network.
        expected: usize,
    },
    /// The duration of the trial is not positive or not finite.
    #[error("the duration is {duration} ms, but must be finite and above 0")]
    Duration {
        /// The duration in ms.
        duration: f64,
    },
    /// An input event on a channel that does not exist.
    #[error("an event is on channel {channel}, but the network has {channels} channels (0-based)")]
    NoSuchChannel {
        /// The channel of the event.
        channel: usize,
        /// The channels of the network.
        channels: usize,
    },
    /// A time that a stream cannot go to: past, or not finite.
    #[error("the time is {time} ms, but must be finite and not before the present, {present} ms")]
    BadTime {
        /// The time in ms.
        time: f64,
        /// The present time in ms.
        present: f64,
    },
    /// More spikes than can be numbered.
    #[error("more than {most} spikes in one trial are not supported; cut it into shorter trials")]
    TooManySpikes {
        /// The limit.
        most: usize,
    },
    /// A synapse was given a value that has no meaning after the network was built.
    #[error(
        "projection `{projection}`, synapse (post {post}, pre {pre}): {}",
        offence(*weight, *delay)
    )]
    BadSynapse {
        /// The projection.
        projection: String,
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// Its weight.
        weight: f64,
        /// Its delay in ms.
        delay: f64,
    },
    /// A layer was given a constant that has no meaning after the network was built.
    #[error("layer `{layer}`: {cause}")]
    BadConstant {
        /// The layer.
        layer: String,
        /// Why.
        cause: LayerError,
    },
    /// A state left the range of the number type.
    #[error(
        "the state of neuron {neuron} of layer `{layer}` overflowed by {time} ms; lower the weights"
    )]
    Overflow {
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
        /// When, in ms.
        time: f64,
    },
    /// A neuron would wait for its next spike for a time without meaning.
    #[error(
        "neuron {neuron} of layer `{layer}`: `next_spike` says in {wait} ms, but it must be from 0 to the horizon, {horizon} ms"
    )]
    BadWait {
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
        /// The time that it returned, in ms.
        wait: f64,
        /// The time that it was given, in ms.
        horizon: f64,
    },
    /// A neuron fired more often than the budget of the network allows.
    #[error(
        "neuron {neuron} of layer `{layer}` fired more than {budget} times by {time} ms; lower the weights that drive it (or the rates that made them large), or raise the budget with `max_spikes`"
    )]
    Runaway {
        /// The layer.
        layer: String,
        /// The neuron.
        neuron: usize,
        /// When, in ms.
        time: f64,
        /// The budget of spikes per neuron.
        budget: usize,
    },
    /// Any other reason, of a network from outside of the crate.
    #[error("{0}")]
    Other(String),
}

/// What is wrong with a synapse.
fn offence(weight: f64, delay: f64) -> String {
    if weight.is_finite() {
        format!(
            "the delay is {delay} ms, but must be finite and not negative; `Network::update` after a change of parameters keeps delays in their range"
        )
    } else {
        format!("the weight is {weight}, but must be finite")
    }
}
