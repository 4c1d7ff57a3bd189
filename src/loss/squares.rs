//! Squared errors of values.

use super::{Loss, LossError};
use crate::{Reading, Real};

/// Mean squared error: L = 1/n sum (y - target)^2 over all n values of the read-out, row after row. For training on data
/// sets, whose targets are labels, see [`ClassTargets`](super::ClassTargets): values by class or by sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeanSquaredError;

impl<F: Real> Loss<F> for MeanSquaredError {
    type Target = [F];

    fn evaluate(&self, y: &Reading<F>, target: &[F], gradient: &mut [F]) -> Result<F, LossError> {
        let y = y.values();
        if y.len() != target.len() {
            return Err(LossError::TargetLength { found: target.len(), expected: y.len() });
        }
        if let Some(index) = target.iter().position(|t| !t.is_finite()) {
            return Err(LossError::Target { index, value: target[index].as_f64() });
        }
        if y.is_empty() {
            return Err(LossError::NothingRead);
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

#[cfg(test)]
mod tests {
    use super::super::{check_gradient, numbers};
    use super::*;

    #[test]
    fn the_gradient_agrees_with_differences() {
        check_gradient(&MeanSquaredError, &[&[0.3], &[-1.2, 2.0]], &[1.0, 2.0, 3.0]);
    }

    #[test]
    fn targets_are_checked() {
        let mut g = [0.0; 2];
        let y = numbers(&[0.0, 1.0]);
        let error = MeanSquaredError.evaluate(&y, &[1.0], &mut g);
        assert_eq!(error, Err(LossError::TargetLength { found: 1, expected: 2 }));
        let error = MeanSquaredError.evaluate(&y, &[1.0, f64::INFINITY], &mut g);
        assert_eq!(error, Err(LossError::Target { index: 1, value: f64::INFINITY }));
        assert!(MeanSquaredError.evaluate(&y, &[f64::NAN, 1.0], &mut g).is_err());
        let error = MeanSquaredError.evaluate(&numbers(&[]), &[], &mut []);
        assert_eq!(error, Err(LossError::NothingRead));
        assert_eq!(Loss::<f64>::predict(&MeanSquaredError, &y), None);
    }
}
