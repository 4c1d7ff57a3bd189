//! A constant of linear neurons: fixed or trainable, shared or per neuron.

use super::LayerError;
use crate::{ParameterKind, Real};

/// A constant of the neurons of a layer: one value for all or one per neuron, fixed or trainable.
///
/// Numbers and vectors turn into fixed ones.
///
/// ```
/// use eventprop::{Constant, Lif};
/// let layer = Lif::<f64>::new(3)
///     .tau_mem(Constant::trainable(20.0)) // one that all share
///     .threshold(Constant::trainable(vec![1.0, 1.1, 0.9]))
///     .reset(-0.2)
///     .bias(vec![0.0, 0.1, 0.3]);
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Constant<F = f64> {
    values: Vec<F>,
    trainable: bool,
}

impl<F> Constant<F> {
    /// A parameter of the network, with these initial values.
    pub fn trainable(values: impl Into<Self>) -> Self {
        Self { trainable: true, ..values.into() }
    }
}

impl<F> From<F> for Constant<F> {
    fn from(value: F) -> Self {
        Self { values: vec![value], trainable: false }
    }
}

impl<F> From<Vec<F>> for Constant<F> {
    fn from(values: Vec<F>) -> Self {
        Self { values, trainable: false }
    }
}

impl<F, const N: usize> From<[F; N]> for Constant<F> {
    fn from(values: [F; N]) -> Self {
        Self { values: values.into(), trainable: false }
    }
}

/// The constants of one kind.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
pub(super) struct Slot<F> {
    pub kind: ParameterKind,
    /// One for all neurons or one per neuron; receptor by receptor. If trainable they are the
    /// parameters: logarithms where the kind says so.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::list"))]
    pub values: Vec<F>,
    pub trainable: bool,
}

impl<F: Real> Slot<F> {
    pub fn new(kind: ParameterKind, constant: Constant<F>) -> Self {
        let Constant { mut values, trainable } = constant;
        if trainable && kind.is_logarithm() {
            values.iter_mut().for_each(|value| *value = value.ln());
        }
        Self { kind, values, trainable }
    }

    pub fn is_logarithm(&self) -> bool {
        self.trainable && self.kind.is_logarithm()
    }

    /// How many values a receptor has.
    pub fn per_receptor(&self, receptors: usize) -> usize {
        match self.kind {
            ParameterKind::TauSyn => self.values.len() / receptors.max(1),
            _ => self.values.len(),
        }
    }

    /// Where the constant of a neuron is.
    pub fn place(&self, receptors: usize, r: usize, neuron: usize) -> usize {
        let each = self.per_receptor(receptors);
        r * each + if each == 1 { 0 } else { neuron }
    }

    pub fn value(&self, at: usize) -> F {
        let value = self.values.get(at).copied().unwrap_or(F::nan());
        if self.is_logarithm() { value.exp() } else { value }
    }
}

/// Whether linear neurons have such a constant.
pub(super) fn is_constant(kind: ParameterKind) -> bool {
    use ParameterKind::{Custom, Delay, Weight};
    !matches!(kind, Weight | Delay | Custom(_))
}

/// Refuses a value that such a constant cannot have.
pub(super) fn check<F: Real>(
    kind: ParameterKind,
    value: F,
    trainable: bool,
) -> Result<(), LayerError> {
    let (constant, zero) = (kind.name(), F::zero());
    let found = value.as_f64();
    match kind {
        // Compared with the threshold as a whole.
        ParameterKind::Reset => Ok(()),
        ParameterKind::Bias | ParameterKind::AdaptationJump => {
            if value.is_finite() {
                Ok(())
            } else {
                Err(LayerError::NotFinite { constant, value: found })
            }
        }
        // None at all, and forever, have a meaning unless they are trained.
        ParameterKind::Refractory | ParameterKind::ThresholdJump if !trainable && value == zero => {
            Ok(())
        }
        ParameterKind::Refractory if !trainable && value == F::infinity() => Ok(()),
        _ if value.is_finite() && value > zero => Ok(()),
        ParameterKind::Refractory | ParameterKind::ThresholdJump
            if !(trainable || value > zero) =>
        {
            Err(LayerError::Negative { constant, value: found })
        }
        _ => Err(LayerError::NotPositive { constant, value: found }),
    }
}
