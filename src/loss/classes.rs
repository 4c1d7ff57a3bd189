//! Losses of classifiers: the target is a label.

use super::{Loss, LossError, check_constant};
use crate::real::ROUNDED;
use crate::{Reading, Real};

fn check_label(label: usize, classes: usize) -> Result<(), LossError> {
    if label < classes { Ok(()) } else { Err(LossError::Label { label, classes }) }
}

/// The position of the greatest value; the first if several are equal, and none if all of several are.
pub(super) fn arg_max<F: Real>(values: &[F], scale: F) -> Option<usize> {
    if values.len() > 1 && values.iter().all(|value| *value == values[0]) {
        return None;
    }
    let mut best: Option<(usize, F)> = None;
    for (k, value) in values.iter().map(|&value| value * scale).enumerate() {
        if best.is_none_or(|(_, b)| value > b) {
            best = Some((k, value));
        }
    }
    best.map(|(k, _)| k)
}

/// Softmax cross-entropy: L = -log softmax(scale y)\[label\], in nats. One number per neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy {
    temperature: f64,
    /// Whether the least y wins.
    least: bool,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { temperature: 1.0, least: false }
    }
}

impl CrossEntropy {
    /// With y as logits: the greatest y wins. For times of first spikes there is [`CrossEntropy::first_to_fire`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes y / temperature for y; the temperature is in the unit of y, and 1 by default. The lower it is, the smaller
    /// a lead suffices. Above 0.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }

    /// With -y / tau0 as logits, for y and tau0 > 0 in ms: the first to fire wins (Mészáros et al. 2025, TTFS).
    pub fn first_to_fire(tau0: f64) -> Self {
        Self { temperature: tau0, least: true }
    }

    /// What y is multiplied by.
    fn scale<F: Real>(&self) -> F {
        let scale = F::of(self.temperature).recip();
        if self.least { -scale } else { scale }
    }
}

impl<F: Real> Loss<F> for CrossEntropy {
    type Target = usize;

    fn evaluate(&self, y: &Reading<F>, &label: &usize, gradient: &mut [F]) -> Result<F, LossError> {
        let y = y.one_per_row()?;
        check_label(label, y.len())?;
        let (what, value) = (if self.least { "tau0" } else { "the temperature" }, self.temperature);
        check_constant::<F>(what, value, |t| t > 0.0, "finite and above 0")?;
        let scale: F = self.scale();
        if !(scale.is_finite() && scale != F::zero()) {
            return Err(LossError::Constant { what, value, rule: ROUNDED });
        }
        let winner = arg_max(y, scale).unwrap_or(label);
        for (g, &value) in gradient.iter_mut().zip(y) {
            *g = ((value - y[winner]) * scale).exp();
        }
        // The winner's own term is 1. Kept apart, so that small losses and gradients keep their digits.
        let mut others = F::zero();
        for (k, &g) in gradient.iter().enumerate() {
            others += if k == winner { F::zero() } else { g };
        }
        let mut wrong = F::zero();
        for (k, g) in gradient.iter_mut().enumerate() {
            *g = *g / (F::one() + others) * scale;
            wrong += if k == label { F::zero() } else { *g };
        }
        gradient[label] = -wrong;
        Ok(others.ln_1p() + (y[winner] - y[label]) * scale)
    }

    fn predict(&self, y: &Reading<F>) -> Option<usize> {
        arg_max(y.one_per_row().ok()?, self.scale())
    }

    fn classifies(&self) -> bool {
        true
    }
}

/// The time-invariant loss of first spike times t, L = 1/2 sum_{i != c} (t_i - t_c - delta)^2 in ms^2, c the
/// label (Mészáros et al. 2025, Yin-Yang): the others are to fire `delta` ms after the right one. One number
/// per neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeInvariant {
    delta: f64,
}

impl TimeInvariant {
    /// With this margin in ms.
    pub fn new(delta: f64) -> Self {
        Self { delta }
    }
}

impl<F: Real> Loss<F> for TimeInvariant {
    type Target = usize;

    fn evaluate(&self, y: &Reading<F>, &label: &usize, gradient: &mut [F]) -> Result<F, LossError> {
        let y = y.one_per_row()?;
        check_label(label, y.len())?;
        check_constant::<F>("delta", self.delta, |_| true, "a finite number of ms")?;
        let delta = F::of(self.delta);
        let mut sum = F::zero();
        gradient.fill(F::zero());
        for (i, &t) in y.iter().enumerate().filter(|(i, _)| *i != label) {
            let miss = t - y[label] - delta;
            sum += miss * miss;
            gradient[i] += miss;
            gradient[label] -= miss;
        }
        Ok(sum / F::of(2.0))
    }

    fn predict(&self, y: &Reading<F>) -> Option<usize> {
        arg_max(y.one_per_row().ok()?, -F::one())
    }

    fn classifies(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{check_gradient, numbers};
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn gradients_agree_with_differences() {
        let y: [&[f64]; 3] = [&[0.3], &[-1.2], &[2.0]];
        check_gradient(&CrossEntropy::new(), &y, &1);
        check_gradient(&CrossEntropy::new().temperature(0.3), &y, &0);
        check_gradient(&CrossEntropy::first_to_fire(2.0), &y, &2);
        check_gradient(&TimeInvariant::new(0.5), &y, &1);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let mut gradient = [0.0; 2];
        let loss = CrossEntropy::new().evaluate(&numbers(&[1e6, -1e6]), &1, &mut gradient).unwrap();
        assert_eq!(loss, 2e6);
        assert_eq!(gradient, [1.0, -1.0]);
    }

    #[test]
    fn small_losses_keep_their_digits() {
        let y = numbers(&[1000.0, 960.0]);
        let mut gradient = [0.0; 2];
        let loss = CrossEntropy::new().evaluate(&y, &0, &mut gradient).unwrap();
        assert_relative_eq!(loss, (-40f64).exp(), max_relative = 1e-15);
        assert_relative_eq!(gradient[0], -(-40f64).exp(), max_relative = 1e-15);
    }

    #[test]
    fn a_temperature_divides_the_logits() {
        let mut gradient = [0.0; 2];
        let hot = CrossEntropy::new().temperature(4.0);
        // log(1 + exp(-2 / 4)), and its derivative.
        let loss = hot.evaluate(&numbers(&[3.0, 1.0]), &0, &mut gradient).unwrap();
        assert_relative_eq!(loss, (-0.5f64).exp().ln_1p(), max_relative = 1e-15);
        let expected = 0.25 / (1.0 + 0.5f64.exp());
        assert_relative_eq!(gradient[..], [-expected, expected], max_relative = 1e-14);
    }

    #[test]
    fn predictions() {
        assert_eq!(CrossEntropy::new().predict(&numbers(&[1.0, 3.0, 3.0])), Some(1));
        assert_eq!(CrossEntropy::first_to_fire(1.0).predict(&numbers(&[5.0, 3.0, 4.0])), Some(1));
        assert_eq!(TimeInvariant::new(1.0).predict(&numbers(&[5.0, 3.0, 4.0])), Some(1));
        // Outputs that are all silent tell nothing.
        let silent = numbers(&[60.0; 3]);
        assert_eq!(CrossEntropy::first_to_fire(1.0).predict(&silent), None);
        assert_eq!(TimeInvariant::new(1.0).predict(&silent), None);
        assert_eq!(CrossEntropy::new().predict(&numbers(&[0.0])), Some(0));
        let mut gradient = [0.0; 3];
        let loss = CrossEntropy::first_to_fire(1.0).evaluate(&silent, &2, &mut gradient).unwrap();
        assert_relative_eq!(loss, 3f64.ln());
    }

    #[test]
    fn targets_are_checked() {
        let mut g = [0.0; 2];
        let y = numbers(&[0.0, 1.0]);
        assert_eq!(
            CrossEntropy::new().evaluate(&y, &2, &mut g),
            Err(LossError::Label { label: 2, classes: 2 })
        );
        assert!(TimeInvariant::new(1.0).evaluate(&y, &7, &mut g).is_err());
        assert!(TimeInvariant::new(f64::NAN).evaluate(&y, &1, &mut g).is_err());
        for value in [0.0, -1.0, 1e-320, f64::INFINITY, f64::NAN] {
            assert!(CrossEntropy::new().temperature(value).evaluate(&y, &1, &mut g).is_err());
        }
        let (what, rule) = ("tau0", "finite and above 0");
        let error = Err(LossError::Constant { what, value: -1.0, rule });
        assert_eq!(CrossEntropy::first_to_fire(-1.0).evaluate(&y, &1, &mut g), error);
        let mut y = numbers(&[0.0]);
        y.push_row([1.0, 2.0]);
        let error = Err(LossError::NotOnePerRow { row: 1, found: 2 });
        let mut g = [0.0; 3];
        assert_eq!(CrossEntropy::new().evaluate(&y, &0, &mut g), error);
        assert_eq!(TimeInvariant::new(1.0).evaluate(&y, &0, &mut g), error);
        assert_eq!(CrossEntropy::new().predict(&y), None);
    }
}
