//! Classes with targets of their own.

use super::classes::arg_max;
use super::{Loss, LossError};
use crate::{Reading, Real};
use std::borrow::Borrow;

/// A target for each class, such as a spike pattern or a curve, for a loss that compares with it. So the target is a
/// label, as [`Trainer`](crate::train::Trainer) wants it; the class whose target is nearest is predicted, the first if
/// several are, and none if all are. For regression see [`ClassTargets::per_sample`].
///
/// ```
/// use eventprop::{ClassTargets, Objective, SpikeTimes, SpikeTrains, VanRossum};
/// // What the two output neurons are to fire for class 0 and for class 1, in ms.
/// let patterns = [[vec![10.0, 20.0], vec![]], [vec![], vec![15.0]]];
/// let patterns = patterns.map(|trains| SpikeTrains::from_channels(trains));
/// let patterns = patterns.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let objective = Objective::new(SpikeTimes, ClassTargets::new(VanRossum::new(10.0), patterns));
/// # let _ = objective;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassTargets<L, T> {
    loss: L,
    targets: Vec<T>,
    predicts: bool,
}

impl<L, T> ClassTargets<L, T> {
    /// With one target per class.
    pub fn new(loss: L, targets: impl Into<Vec<T>>) -> Self {
        Self { loss, targets: targets.into(), predicts: true }
    }

    /// With one target per sample: the label of a sample is the number of its target, and nothing is predicted.
    pub fn per_sample(loss: L, targets: impl Into<Vec<T>>) -> Self {
        Self { predicts: false, ..Self::new(loss, targets) }
    }
}

impl<F, L, T> Loss<F> for ClassTargets<L, T>
where
    F: Real,
    L: Loss<F>,
    T: Borrow<L::Target> + Send + Sync,
{
    type Target = usize;

    fn evaluate(&self, y: &Reading<F>, &label: &usize, gradient: &mut [F]) -> Result<F, LossError> {
        let classes = self.targets.len();
        let target = self.targets.get(label).ok_or(LossError::MissingClass {
            what: "targets",
            label,
            classes,
        })?;
        self.loss.evaluate(y, target.borrow(), gradient)
    }

    fn predict(&self, y: &Reading<F>) -> Option<usize> {
        if !self.predicts {
            return None;
        }
        let mut unused = vec![F::zero(); y.values().len()];
        let mut loss = |target: &T| self.loss.evaluate(y, target.borrow(), &mut unused).ok();
        let losses = self.targets.iter().map(&mut loss).enumerate();
        let fitting = losses.filter_map(|(class, loss)| Some((class, loss?)));
        let (classes, losses): (Vec<usize>, Vec<F>) = fitting.unzip();
        arg_max(&losses, -F::one()).map(|nearest| classes[nearest])
    }

    fn classifies(&self) -> bool {
        self.predicts
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MeanSquaredError, numbers};
    use super::*;

    #[test]
    fn the_label_chooses_the_target_and_the_nearest_target_the_label() {
        let targets = vec![vec![0.0, 1.0], vec![1.0, 0.0], vec![1.0, 0.0]];
        let loss = ClassTargets::new(MeanSquaredError, targets.clone());
        for (y, nearest) in [([0.2, 0.9], 0), ([0.9, 0.2], 1)] {
            let y = numbers(&y);
            assert_eq!(loss.predict(&y), Some(nearest));
            for (label, target) in targets.iter().enumerate() {
                let (mut own, mut expected) = ([0.0; 2], [0.0; 2]);
                let value = MeanSquaredError.evaluate(&y, &target[..], &mut expected);
                assert_eq!(loss.evaluate(&y, &label, &mut own), value);
                assert_eq!(own, expected);
            }
        }
        let error = Err(LossError::MissingClass { what: "targets", label: 3, classes: 3 });
        assert_eq!(loss.evaluate(&numbers(&[0.0, 0.0]), &3, &mut [0.0; 2]), error);
        // The same distance to all tells nothing.
        assert_eq!(loss.predict(&numbers(&[f64::INFINITY; 2])), None);
        // One that does not fit is not near.
        assert_eq!(loss.predict(&numbers(&[0.0])), None);
        let mixed = ClassTargets::new(MeanSquaredError, [vec![0.0], vec![0.0, 9.0]]);
        assert_eq!(mixed.predict(&numbers(&[0.0, 1.0])), Some(1));
        // One target per sample is no classification.
        let single = ClassTargets::per_sample(MeanSquaredError, [vec![0.5], vec![2.0]]);
        assert_eq!(single.predict(&numbers(&[0.5])), None);
        assert_eq!(single.evaluate(&numbers(&[1.0]), &1, &mut [0.0]), Ok(1.0));
        assert!(!Loss::<f64>::classifies(&single));
    }
}
