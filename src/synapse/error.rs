//! Why synapses are refused.

use super::DelayPer;
use crate::ParameterKind;
use thiserror::Error;

/// Why synapses were refused.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SynapseError {
    /// A weight or a delay is NaN or infinite.
    #[error(
        "{kind} of synapse (post {post}, pre {pre}) is {value}, but must be finite{}",
        if value.is_nan() { " (it is NaN where `Init::within` finds nothing in its range)" } else { "" }
    )]
    NotFinite {
        /// Weight or delay.
        kind: ParameterKind,
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The value.
        value: f64,
    },
    /// A weight lies outside of the range that it is learned in.
    #[error(
        "weight of synapse (post {post}, pre {pre}) is {value}, but must lie in [{min}, {max}]; `Init::within` keeps random ones there"
    )]
    WeightOutOfRange {
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The weight.
        value: f64,
        /// The least weight.
        min: f64,
        /// The greatest weight.
        max: f64,
    },
    /// The range of weights has no meaning.
    #[error("the range of weights is [{min}, {max}]; its ends must be finite and in order")]
    BadWeightRange {
        /// The least weight; -inf if there is none.
        min: f64,
        /// The greatest weight; inf if there is none.
        max: f64,
    },
    /// A delay lies outside of [0, max_delay].
    #[error(
        "delay of synapse (post {post}, pre {pre}) is {value} ms, but must lie in [0, {max}] ms; `Init::within` keeps random ones there"
    )]
    DelayOutOfRange {
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The delay in ms.
        value: f64,
        /// The greatest delay in ms.
        max: f64,
    },
    /// A delay that is learned smoothly starts on a bound, which it could never leave.
    #[error(
        "delay of synapse (post {post}, pre {pre}) is {value} ms, but a smooth one must lie inside of (0, {max}) ms"
    )]
    DelayOnBound {
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The delay in ms.
        value: f64,
        /// The greatest delay in ms.
        max: f64,
    },
    /// A delay that several synapses share lies outside of its bounds.
    #[error(
        "{} is {value} ms, but must lie {} {max}{} ms",
        if *.per == DelayPer::Projection { "the delay of the projection".into() } else { format!("delay {place} of those per {per}") },
        if *.smooth { "inside of (0," } else { "in [0," },
        if *.smooth { ")" } else { "]" }
    )]
    SharedDelay {
        /// What has a delay of its own.
        per: DelayPer,
        /// Which of them, or which group.
        place: usize,
        /// The delay in ms.
        value: f64,
        /// The greatest delay in ms.
        max: f64,
        /// Whether it is learned smoothly.
        smooth: bool,
    },
    /// The bound on delays has no meaning.
    #[error(
        "max_delay is {value} ms, but must be finite, not negative, and above 0 for smooth delays"
    )]
    BadMaxDelay {
        /// The bound in ms.
        value: f64,
    },
    /// Smooth delays without a bound.
    #[error("smooth delays need a maximum; give it with `max` or `max_delay`")]
    SmoothWithoutMax,
    /// A bound of delays, but no delays.
    #[error("`max_delay` bounds delays, but there are none; give them with `delays`")]
    MaxWithoutDelays,
    /// A matrix does not fit the layers it connects.
    #[error("{kind} matrix is {found:?}, but the layers need {expected:?} (post x pre)")]
    Shape {
        /// Weight or delay.
        kind: ParameterKind,
        /// The shape given.
        found: (usize, usize),
        /// The shape needed.
        expected: (usize, usize),
    },
    /// A matrix where there is no value for each pair of neurons.
    #[error("{kind}s that neurons share are no matrix (post x pre); give a list of {expected}")]
    Matrix {
        /// Weight or delay.
        kind: ParameterKind,
        /// The number needed.
        expected: usize,
    },
    /// A list has another length than there are values.
    #[error("{found} {kind}s were given, but {expected} are needed")]
    Count {
        /// Weight or delay.
        kind: ParameterKind,
        /// The number given.
        found: usize,
        /// The number needed.
        expected: usize,
    },
    /// Groups that do not fit.
    #[error("groups of delays must be {members} numbers below {members}, one per {per}")]
    Groups {
        /// What is grouped.
        per: DelayPer,
        /// How many there are.
        members: usize,
    },
    /// A mask does not fit the layers it connects.
    #[error("the mask is {found:?}, but the layers need {expected:?} (post x pre)")]
    Mask {
        /// The shape given.
        found: (usize, usize),
        /// The shape needed.
        expected: (usize, usize),
    },
    /// A probability that is none.
    #[error("the probability of a synapse is {value}, but must lie in [0, 1]")]
    Probability {
        /// The value.
        value: f64,
    },
    /// A neuron would need more sources than there are.
    #[error(
        "a fan-in of {fan_in} was asked for, but there are only {sources} sources; use `copies` for parallel synapses"
    )]
    FanIn {
        /// The fan-in.
        fan_in: usize,
        /// The number of sources.
        sources: usize,
    },
    /// A number of synapses that leaves none.
    #[error("{what} is 0, but must be at least 1")]
    None {
        /// Which number.
        what: &'static str,
    },
    /// An edge between neurons that do not exist.
    #[error(
        "there is no synapse (post {post}, pre {pre}) between layers of {shape:?} neurons (post x pre); edges are (source, target)"
    )]
    EdgeOutOfRange {
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// (targets, sources).
        shape: (usize, usize),
    },
    /// More synapses, or neurons, than can be numbered.
    #[error("the projection needs {synapses} synapses or neurons; at most {most} are supported")]
    TooMany {
        /// How many it needs.
        synapses: u128,
        /// The limit.
        most: usize,
    },
    /// No memory for the synapses.
    #[error("the synapses need at least {bytes} bytes of memory, which cannot be had")]
    Memory {
        /// What they need at least.
        bytes: u128,
    },
    /// Stored synapses whose lists contradict each other.
    #[error("the stored lists of row starts and sources do not describe ordered rows of synapses")]
    Pattern,
    /// Synapses of a type whose connections cannot be changed.
    #[error("these synapses cannot be rewired")]
    Rigid,
    /// A synapse to be removed that does not exist.
    #[error("synapse {index} cannot be removed: there are {synapses}, numbered from 0")]
    UnknownSynapse {
        /// Its number.
        index: usize,
        /// How many there are.
        synapses: usize,
    },
    /// A new synapse cannot have the delay that it shall have.
    #[error(
        "synapse (post {post}, pre {pre}) cannot be added with a delay of {value} ms of its own: {why}"
    )]
    NewDelay {
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The delay in ms.
        value: f64,
        /// Why.
        why: &'static str,
    },
    /// A row of synapses from outside of the crate contradicts itself or the others.
    #[error("the synapses onto target {post}: {what}")]
    Row {
        /// The target neuron.
        post: usize,
        /// What is wrong.
        what: String,
    },
    /// Any other reason, of synapses from outside of the crate.
    #[error("{0}")]
    Other(String),
    /// An initialising distribution has no meaning.
    #[error("the standard deviation is {value}, but must be finite and not negative")]
    Deviation {
        /// The value.
        value: f64,
    },
}
