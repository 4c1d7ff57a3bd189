//! Classes that count more than others.

use super::{Loss, LossError, check_constant};
use crate::{Reading, Real};

/// Multiplies the loss of a sample by the weight of its class, for data with many samples of some classes and few of
/// others, in validation too. Predictions are those of the loss within. The mean over a batch is by its samples, not by
/// the sum of their weights.
///
/// ```
/// use eventprop::{ClassWeights, CrossEntropy, MaxVoltage, Objective};
/// // Nine samples of class 0 for each of class 1.
/// let loss = ClassWeights::new(CrossEntropy::new().temperature(0.1), [1.0, 9.0]);
/// let objective = Objective::new(MaxVoltage, loss);
/// # let _ = objective;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassWeights<L> {
    loss: L,
    weights: Vec<f64>,
}

impl<L> ClassWeights<L> {
    /// With one weight per class, finite and not negative.
    pub fn new(loss: L, weights: impl Into<Vec<f64>>) -> Self {
        Self { loss, weights: weights.into() }
    }
}

impl<F: Real, L: Loss<F, Target = usize>> Loss<F> for ClassWeights<L> {
    type Target = usize;

    fn evaluate(&self, y: &Reading<F>, label: &usize, gradient: &mut [F]) -> Result<F, LossError> {
        let loss = self.loss.evaluate(y, label, gradient)?;
        let classes = self.weights.len();
        let &weight = self.weights.get(*label).ok_or(LossError::MissingClass {
            what: "weights",
            label: *label,
            classes,
        })?;
        let (what, rule) = ("the weight of a class", "finite and not negative");
        check_constant::<F>(what, weight, |w| w >= 0.0, rule)?;
        let factor = F::of(weight);
        gradient.iter_mut().for_each(|g| *g *= factor);
        Ok(factor * loss)
    }

    fn predict(&self, y: &Reading<F>) -> Option<usize> {
        self.loss.predict(y)
    }

    fn classifies(&self) -> bool {
        self.loss.classifies()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CrossEntropy, check_gradient, numbers};
    use super::*;

    #[test]
    fn a_class_counts_as_often_as_its_weight_says() {
        let loss = ClassWeights::new(CrossEntropy::new(), [1.0, 2.5, 0.0]);
        check_gradient(&loss, &[&[0.3], &[-1.2], &[2.0]], &1);
        let y = numbers(&[0.3, -1.2, 2.0]);
        let mut g = [0.0; 3];
        let alone: f64 = CrossEntropy::new().evaluate(&y, &1, &mut g).unwrap();
        assert_eq!(loss.evaluate(&y, &1, &mut g), Ok(2.5 * alone));
        assert_eq!(loss.evaluate(&y, &2, &mut g), Ok(0.0));
        assert_eq!(g, [0.0; 3]);
        assert_eq!(loss.predict(&y), Some(2));
    }

    #[test]
    fn weights_are_checked() {
        let y = numbers(&[0.0, 1.0, 2.0]);
        let mut g = [0.0; 3];
        let few = ClassWeights::new(CrossEntropy::new(), [1.0, -1.0]);
        let error = Err(LossError::MissingClass { what: "weights", label: 2, classes: 2 });
        assert_eq!(few.evaluate(&y, &2, &mut g), error);
        assert!(few.evaluate(&y, &1, &mut g).is_err());
        assert!(few.evaluate(&y, &3, &mut g).is_err());
    }
}
