//! Losses: from a read-out and a target to a number and its gradient.

mod class_targets;
mod class_weights;
mod classes;
mod error;
mod spike_trains;
mod squares;

pub use class_targets::ClassTargets;
pub use class_weights::ClassWeights;
pub use classes::{CrossEntropy, TimeInvariant};
pub use error::LossError;
pub use spike_trains::{SpikeTimeSquares, VanRossum};
pub use squares::MeanSquaredError;

use crate::{Reading, Real, real};

/// Checks a constant as it is in the precision of the network.
pub(crate) fn check_constant<F: Real>(
    what: &'static str,
    value: f64,
    good: impl Fn(f64) -> bool,
    rule: &'static str,
) -> Result<(), LossError> {
    real::check::<F>(value, good, rule).map_err(|rule| LossError::Constant { what, value, rule })
}

/// Turns (y, target) into a number and dL/dy.
///
/// Implement it for a loss of your own; `examples/custom_loss.rs` shows how.
pub trait Loss<F: Real>: Send + Sync {
    /// What the read-out is compared with, such as a label (`usize`), values (`[F]`) or
    /// [`SpikeTrains`](crate::SpikeTrains).
    type Target: ?Sized + Sync;

    /// The loss; writes dL/dy to `gradient`, which is as long as [`Reading::values`] and in that order.
    ///
    /// # Errors
    /// A target or a read-out that does not fit, or a constant of the loss without meaning.
    fn evaluate(
        &self,
        y: &Reading<F>,
        target: &Self::Target,
        gradient: &mut [F],
    ) -> Result<F, LossError>;

    /// The class that y stands for, if this is a loss of a classifier and y tells one: the losses of this crate take the first
    /// of those that are equally good, and none if all are, as with outputs that are silent. Accuracies are of these.
    fn predict(&self, _y: &Reading<F>) -> Option<usize> {
        None
    }

    /// Whether this is a loss of a classifier, so that its prediction counts: of several parts of an objective, the first that
    /// classifies is asked, and a `None` from its [`Loss::predict`] is final.
    fn classifies(&self) -> bool {
        false
    }
}

/// Checks the gradient of a loss at `rows` against differences.
#[cfg(test)]
fn check_gradient<L: Loss<f64>>(loss: &L, rows: &[&[f64]], target: &L::Target) {
    let reading = |index: usize, step: f64| {
        let mut y = Reading::new(100.0);
        let mut place = 0;
        for row in rows {
            y.push_row(row.iter().enumerate().map(
                |(k, v)| {
                    if place + k == index { v + step } else { *v }
                },
            ));
            place += row.len();
        }
        y
    };
    let mut gradient = vec![f64::NAN; rows.concat().len()];
    let mut ignored = gradient.clone();
    loss.evaluate(&reading(0, 0.0), target, &mut gradient).unwrap();
    for (k, &g) in gradient.iter().enumerate() {
        let h = 1e-5;
        let mut at = |step| loss.evaluate(&reading(k, step), target, &mut ignored).unwrap();
        approx::assert_relative_eq!(g, (at(h) - at(-h)) / (2.0 * h), epsilon = 1e-8);
    }
}

/// A reading of one number per row.
#[cfg(test)]
fn numbers(values: &[f64]) -> Reading<f64> {
    let mut y = Reading::new(100.0);
    values.iter().for_each(|&value| y.push(value));
    y
}
