//! Losses, and objectives: a read-out and a loss.

use crate::readout::{Readout, ReadoutError, Recording};
use crate::{Error, Evaluation, Network, Real, Sensitivity, Trace};
use thiserror::Error;

/// Why a loss could not be computed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LossError {
    /// The label is not one of the classes.
    #[error("label {label} is out of range: the output layer has {classes} neurons (0-based)")]
    Label {
        /// The label.
        label: usize,
        /// The number of output neurons.
        classes: usize,
    },
    /// The target has another length than the read-out.
    #[error("the target has {found} values, but the output layer has {expected} neurons")]
    TargetLength {
        /// The length of the target.
        found: usize,
        /// The length of the read-out.
        expected: usize,
    },
    /// A number that must be finite and not zero is not.
    #[error("{what} is {value}, but must be finite and {rule}")]
    Constant {
        /// Its name.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// The loss or its gradient left the range of the number type.
    #[error(
        "the loss is {loss}: it or its gradient overflowed; lower the weights or the scale of the loss"
    )]
    NotFinite {
        /// The loss.
        loss: f64,
    },
    /// A target value is not finite.
    #[error("target value {index} is {value}, but must be finite")]
    Target {
        /// Its position.
        index: usize,
        /// Its value.
        value: f64,
    },
}

/// Turns (y, target) into a number and dL/dy.
pub trait Loss<F: Real>: Send + Sync {
    /// What the read-out is compared with: a label (`usize`) or values (`[F]`).
    type Target: ?Sized + Sync;

    /// The loss; writes dL/dy to `gradient`, which is as long as `y`.
    ///
    /// # Errors
    /// A target that does not fit.
    fn evaluate(&self, y: &[F], target: &Self::Target, gradient: &mut [F]) -> Result<F, LossError>;

    /// The class that y stands for, if this is a loss of a classifier.
    fn predict(&self, _y: &[F]) -> Option<usize> {
        None
    }
}

fn check_label(label: usize, classes: usize) -> Result<(), LossError> {
    if label < classes { Ok(()) } else { Err(LossError::Label { label, classes }) }
}

/// The position of the greatest value; the first if several are equal.
fn arg_max<F: Real>(values: impl Iterator<Item = F>) -> Option<usize> {
    let mut best: Option<(usize, F)> = None;
    for (k, value) in values.enumerate() {
        if best.is_none_or(|(_, b)| value > b) {
            best = Some((k, value));
        }
    }
    best.map(|(k, _)| k)
}

/// Softmax cross-entropy: L = -log softmax(scale y)\[label\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy<F = f64> {
    scale: F,
}

impl<F: Real> Default for CrossEntropy<F> {
    fn default() -> Self {
        Self { scale: F::one() }
    }
}

impl<F: Real> CrossEntropy<F> {
    /// With y as logits: the greatest y wins.
    pub fn new() -> Self {
        Self::default()
    }

    /// With y / temperature as logits.
    pub fn temperature(temperature: F) -> Self {
        Self { scale: temperature.recip() }
    }

    /// With -y / tau0 as logits, for y in ms: the first to fire wins (Mészáros et al. 2025, TTFS).
    pub fn first_to_fire(tau0: F) -> Self {
        Self { scale: -tau0.recip() }
    }
}

impl<F: Real> Loss<F> for CrossEntropy<F> {
    type Target = usize;

    fn evaluate(&self, y: &[F], &label: &usize, gradient: &mut [F]) -> Result<F, LossError> {
        check_label(label, y.len())?;
        if !self.scale.is_finite() || self.scale == F::zero() {
            let value = self.scale.recip().as_f64();
            let rule = "not 0";
            return Err(LossError::Constant { what: "the temperature", value, rule });
        }
        let winner = arg_max(y.iter().map(|&y| y * self.scale)).unwrap_or(label);
        for (g, &value) in gradient.iter_mut().zip(y) {
            *g = ((value - y[winner]) * self.scale).exp();
        }
        // The winner's own term is 1. Kept apart, so that small losses and gradients keep their digits.
        let mut others = F::zero();
        for (k, &g) in gradient.iter().enumerate() {
            others += if k == winner { F::zero() } else { g };
        }
        let mut wrong = F::zero();
        for (k, g) in gradient.iter_mut().enumerate() {
            *g = *g / (F::one() + others) * self.scale;
            wrong += if k == label { F::zero() } else { *g };
        }
        gradient[label] = -wrong;
        Ok(others.ln_1p() + (y[winner] - y[label]) * self.scale)
    }

    fn predict(&self, y: &[F]) -> Option<usize> {
        arg_max(y.iter().map(|&y| y * self.scale))
    }
}

/// Mean squared error: L = 1/n sum (y - target)^2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeanSquaredError;

impl<F: Real> Loss<F> for MeanSquaredError {
    type Target = [F];

    fn evaluate(&self, y: &[F], target: &[F], gradient: &mut [F]) -> Result<F, LossError> {
        if y.len() != target.len() {
            return Err(LossError::TargetLength { found: target.len(), expected: y.len() });
        }
        if let Some(index) = target.iter().position(|t| !t.is_finite()) {
            return Err(LossError::Target { index, value: target[index].as_f64() });
        }
        let n = F::of(y.len() as f64);
        let mut sum = F::zero();
        for ((g, &y), &t) in gradient.iter_mut().zip(y).zip(target) {
            sum += (y - t) * (y - t);
            *g = F::of(2.0) * (y - t) / n;
        }
        Ok(sum / n)
    }
}

/// The time-invariant loss of first spike times t, L = 1/2 sum_{i != c} (t_i - t_c - delta)^2, c the
/// label (Mészáros et al. 2025, Yin-Yang): the others are to fire `delta` ms after the right one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeInvariant<F = f64> {
    delta: F,
}

impl<F: Real> TimeInvariant<F> {
    /// With this margin in ms.
    pub fn new(delta: F) -> Self {
        Self { delta }
    }
}

impl<F: Real> Loss<F> for TimeInvariant<F> {
    type Target = usize;

    fn evaluate(&self, y: &[F], &label: &usize, gradient: &mut [F]) -> Result<F, LossError> {
        check_label(label, y.len())?;
        if !self.delta.is_finite() {
            let value = self.delta.as_f64();
            return Err(LossError::Constant { what: "delta", value, rule: "a number of ms" });
        }
        let mut sum = F::zero();
        gradient.fill(F::zero());
        for (i, &t) in y.iter().enumerate().filter(|(i, _)| *i != label) {
            let miss = t - y[label] - self.delta;
            sum += miss * miss;
            gradient[i] += miss;
            gradient[label] -= miss;
        }
        Ok(sum / F::of(2.0))
    }

    fn predict(&self, y: &[F]) -> Option<usize> {
        arg_max(y.iter().map(|&y| -y))
    }
}

/// What a network is trained for: a read-out of one layer, and a loss of what it reads.
///
/// ```
/// use eventprop::{CrossEntropy, MaxVoltage, Objective};
/// let objective = Objective::new(MaxVoltage, CrossEntropy::<f64>::new());
/// # let _ = objective;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective<R, L> {
    readout: R,
    loss: L,
    layer: Option<usize>,
}

impl<R, L> Objective<R, L> {
    /// Reads the network's last layer.
    pub fn new(readout: R, loss: L) -> Self {
        Self { readout, loss, layer: None }
    }

    /// Reads another layer, by number.
    pub fn on_layer(mut self, layer: usize) -> Self {
        self.layer = Some(layer);
        self
    }

    fn layer_of<F: Real>(&self, network: &impl Network<F>) -> Result<usize, ReadoutError> {
        let layers = network.layers();
        let layer = self.layer.unwrap_or(layers.saturating_sub(1));
        if layer < layers { Ok(layer) } else { Err(ReadoutError::NoSuchLayer { layer, layers }) }
    }

    /// Evaluates a trace.
    pub(crate) fn evaluate<F: Real>(
        &self,
        network: &impl Network<F>,
        trace: &Trace<F>,
        target: &L::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error>
    where
        R: Readout<F>,
        L: Loss<F>,
    {
        let recording = network.record(trace, self.layer_of(network)?)?;
        self.assess(&recording, target, assessment)
    }

    /// Evaluates a trace, and finds the sensitivity of the loss.
    pub(crate) fn differentiate<F: Real>(
        &self,
        network: &impl Network<F>,
        trace: &Trace<F>,
        target: &L::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error>
    where
        R: Readout<F>,
        L: Loss<F>,
    {
        let layer = self.layer_of(network)?;
        let recording = network.record(trace, layer)?;
        self.assess(&recording, target, assessment)?;
        let Assessment { gradient, sensitivity, .. } = assessment;
        sensitivity.reset(trace);
        self.readout.pull_back(&recording, gradient, &mut sensitivity.layers[layer])?;
        Ok(())
    }

    /// The evaluation, and dL/dy.
    fn assess<F: Real>(
        &self,
        recording: &Recording<'_, F>,
        target: &L::Target,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error>
    where
        R: Readout<F>,
        L: Loss<F>,
    {
        let Assessment { evaluation: Evaluation { loss, readout, prediction }, gradient, .. } =
            assessment;
        readout.clear();
        self.readout.read(recording, readout)?;
        gradient.clear();
        gradient.resize(readout.len(), F::zero());
        *loss = self.loss.evaluate(readout, target, gradient)?;
        if !(loss.is_finite() && gradient.iter().all(|g| g.is_finite())) {
            return Err(LossError::NotFinite { loss: loss.as_f64() }.into());
        }
        *prediction = self.loss.predict(readout);
        Ok(())
    }
}

/// What an objective makes of a trace; kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Assessment<F> {
    pub evaluation: Evaluation<F>,
    /// dL/dy.
    gradient: Vec<F>,
    pub sensitivity: Sensitivity<F>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn check<L: Loss<f64>>(loss: &L, y: &[f64], target: &L::Target) {
        let mut gradient = vec![f64::NAN; y.len()];
        let mut ignored = gradient.clone();
        loss.evaluate(y, target, &mut gradient).unwrap();
        for k in 0..y.len() {
            let h = 1e-5;
            let mut moved = y.to_vec();
            moved[k] += h;
            let up = loss.evaluate(&moved, target, &mut ignored).unwrap();
            moved[k] -= 2.0 * h;
            let down = loss.evaluate(&moved, target, &mut ignored).unwrap();
            assert_relative_eq!(gradient[k], (up - down) / (2.0 * h), epsilon = 1e-8);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        let y = [0.3, -1.2, 2.0];
        check(&CrossEntropy::new(), &y, &1);
        check(&CrossEntropy::temperature(0.3), &y, &0);
        check(&CrossEntropy::first_to_fire(2.0), &y, &2);
        check(&MeanSquaredError, &y, &[1.0, 2.0, 3.0]);
        check(&TimeInvariant::new(0.5), &y, &1);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let mut gradient = [0.0; 2];
        let loss = CrossEntropy::new().evaluate(&[1e6, -1e6], &1, &mut gradient).unwrap();
        assert_eq!(loss, 2e6);
        assert_eq!(gradient, [1.0, -1.0]);
    }

    #[test]
    fn small_losses_keep_their_digits() {
        let mut gradient = [0.0; 2];
        let loss = CrossEntropy::new().evaluate(&[1000.0, 960.0], &0, &mut gradient).unwrap();
        assert_relative_eq!(loss, (-40f64).exp(), max_relative = 1e-15);
        assert_relative_eq!(gradient[0], -(-40f64).exp(), max_relative = 1e-15);
    }

    #[test]
    fn predictions() {
        assert_eq!(CrossEntropy::new().predict(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(CrossEntropy::first_to_fire(1.0).predict(&[5.0, 3.0, 4.0]), Some(1));
        assert_eq!(TimeInvariant::new(1.0).predict(&[5.0, 3.0, 4.0]), Some(1));
        assert_eq!(Loss::<f64>::predict(&MeanSquaredError, &[1.0]), None);
    }

    #[test]
    fn targets_are_checked() {
        let mut g = [0.0; 2];
        let y = [0.0, 1.0];
        assert_eq!(
            CrossEntropy::new().evaluate(&y, &2, &mut g),
            Err(LossError::Label { label: 2, classes: 2 })
        );
        assert!(TimeInvariant::new(1.0).evaluate(&y, &7, &mut g).is_err());
        assert!(TimeInvariant::new(f64::NAN).evaluate(&y, &1, &mut g).is_err());
        assert!(CrossEntropy::temperature(0.0).evaluate(&y, &1, &mut g).is_err());
        assert!(MeanSquaredError.evaluate(&y, &[1.0], &mut g).is_err());
        assert!(MeanSquaredError.evaluate(&y, &[1.0, f64::NAN], &mut g).is_err());
    }
}
