//! A limit to what grazing spikes do to gradients.

use super::{RemedyError, check};
use crate::{Real, Trace};

/// Limits the gradient through grazing spikes, those whose potential only just reaches the threshold.
///
/// A spike's time moves by -dV / slope with the potential, so exact gradients have heavy tails where slopes
/// come close to 0. With a limiter the backward pass divides by the larger of the slope and a floor. Spikes
/// above it keep their exact gradient. It also stands in for a slope of 0, which has no gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SlopeLimiter {
    /// The floor itself, a slope in 1/ms.
    Absolute(f64),
    /// 1/slope may be this many times what it is at the mean slope of the layer's spikes in the trial: the
    /// floor is that mean divided by this number, at least 1.
    Relative(f64),
}

impl SlopeLimiter {
    pub(super) fn check<F: Real>(&self) -> Result<(), RemedyError> {
        match *self {
            Self::Absolute(floor) => {
                check::<F>("the slope floor", floor, |f| f > 0.0, "finite and above 0")
            }
            Self::Relative(times) => {
                check::<F>("the greatest amplification", times, |t| t >= 1.0, "finite, at least 1")
            }
        }
    }

    /// The floor for a layer in a trial.
    pub(super) fn floor<F: Real>(&self, trace: &Trace<F>, layer: usize) -> F {
        match *self {
            Self::Absolute(floor) => F::of(floor),
            Self::Relative(times) => {
                let slopes = &trace.layers[layer].slopes;
                let sum: F = slopes.iter().copied().sum();
                // A sum that is not finite is left for the adjoint pass to refuse, spike by spike.
                let floor = sum / F::of(slopes.len().max(1) as f64) / F::of(times);
                if floor.is_finite() { floor.max(F::zero()) } else { F::zero() }
            }
        }
    }
}
