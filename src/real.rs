//! The number type of parameters and states.

use num_traits::{Float, FromPrimitive, NumAssign};
use std::fmt::{Debug, Display};
use std::iter::Sum;

/// The number types that networks run in: `f64` and `f32`.
///
/// Parameters and states are of this type. Spike times are always `f64`.
///
/// In `f32` spike times are mostly within 1e-4 ms of those in `f64`, and gradients within 1e-4 of the largest of their
/// block; the errors are measured: [precision](crate::guide::precision). Where the potential grazes the threshold, or an arrival
/// meets a spike, they are larger.
pub trait Real:
    Float + FromPrimitive + NumAssign + Sum + Default + Debug + Display + Send + Sync + 'static
{
    /// The nearest value of this type.
    fn of(x: f64) -> Self;
    /// This value as `f64`, without loss.
    fn as_f64(self) -> f64;
}

/// What a constant must be that is good as f64, and no longer once it is rounded to the precision of the network.
pub(crate) const ROUNDED: &str = "within the range of the precision of the network";

/// Checks a constant as it is in the precision of the network, where it must be finite and good. The error is what it must
/// be.
pub(crate) fn check<F: Real>(
    value: f64,
    good: impl Fn(f64) -> bool,
    rule: &'static str,
) -> Result<(), &'static str> {
    let is_good = |value: f64| value.is_finite() && good(value);
    match (is_good(F::of(value).as_f64()), is_good(value)) {
        (true, _) => Ok(()),
        (false, true) => Err(ROUNDED),
        (false, false) => Err(rule),
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn as_f64(self) -> f64 {
        self
    }
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
}
