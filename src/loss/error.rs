//! Why a loss could not be computed.

use thiserror::Error;

/// Why a loss could not be computed.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LossError {
    /// The label is not one of the classes.
    #[error(
        "label {label} is out of range: the read-out has {classes} values, one per class (0-based); are the outputs as many as the classes?"
    )]
    Label {
        /// The label.
        label: usize,
        /// The number of values.
        classes: usize,
    },
    /// Targets or weights by class lack one.
    #[error("the label is {label}, but {what} were given for {classes} classes only (0-based)")]
    MissingClass {
        /// What there is one of for each class.
        what: &'static str,
        /// The label.
        label: usize,
        /// How many classes have one.
        classes: usize,
    },
    /// The target has another length than the read-out.
    #[error("the target has {found} values, but the read-out has {expected}")]
    TargetLength {
        /// The length of the target.
        found: usize,
        /// The length of the read-out.
        expected: usize,
    },
    /// The target has another number of spike trains than the read-out has rows.
    #[error(
        "the target has {found} spike trains, but the layer that is read has {expected} neurons"
    )]
    TargetChannels {
        /// The number of trains.
        found: usize,
        /// The number of rows.
        expected: usize,
    },
    /// A target spike is not within the trial.
    #[error(
        "target spike {index} of neuron {neuron} is at {time} ms, but must be before the end of the trial, {duration} ms"
    )]
    TargetSpike {
        /// The neuron.
        neuron: usize,
        /// Position within its train.
        index: usize,
        /// When, in ms.
        time: f64,
        /// The length of the trial in ms.
        duration: f64,
    },
    /// A target value is not finite.
    #[error("target value {index} is {value}, but must be finite")]
    Target {
        /// Its position.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// The loss takes one number per row.
    #[error(
        "the loss takes one number per neuron, but row {row} of the read-out has {found}; choose another read-out"
    )]
    NotOnePerRow {
        /// The first such row.
        row: usize,
        /// How many it has.
        found: usize,
    },
    /// The loss takes spike times.
    #[error(
        "the loss takes spike trains, but row {row} of the read-out does not ascend or is not finite; read `SpikeTimes`"
    )]
    NotSpikeTimes {
        /// The first such row.
        row: usize,
    },
    /// The read-out has no values.
    #[error("the read-out has no values, so there is nothing to compare")]
    NothingRead,
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
    /// The loss, or the loss times its weight, left the range of the number type.
    #[error(
        "the loss is {loss}, or its product with its weight is no finite number: lower the weights of the network, the rates or the scale of the loss"
    )]
    NotFinite {
        /// The loss.
        loss: f64,
    },
    /// The gradient of the loss is no finite number.
    #[error("the loss is {loss}, but its gradient by value {index} of the read-out is {value}")]
    Gradient {
        /// The loss.
        loss: f64,
        /// Which of [`Reading::values`](crate::Reading::values).
        index: usize,
        /// Its gradient, times the weight of the objective.
        value: f64,
    },
    /// Any other reason, of a loss from outside the crate.
    #[error("{0}")]
    Other(String),
}
