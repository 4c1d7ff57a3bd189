//! Rounding of lists of values.

use super::{MOST_STEPS, Quantization, levels};
use crate::Real;

impl Quantization {
    /// Puts delays on the grid, none above `max`; the number that lay beyond its end. What is no number stays.
    pub(super) fn round_delays<F: Real>(&self, delays: &mut [F], max: Option<F>) -> usize {
        let Some(step) = self.step else { return 0 };
        let point = |k: u32| F::of(f64::from(k) * step);
        let mut top = self.max_steps.unwrap_or(MOST_STEPS);
        if let Some(max) = max {
            // Division rounds; the points decide.
            let whole = (max.as_f64() / step).min(f64::from(top)) as u32;
            let near = (whole + 1).min(top);
            top = (0..=near).rev().take(3).find(|&k| point(k) <= max).unwrap_or(0);
        }
        let mut clipped = 0;
        let mut places = vec![0; delays.len()];
        for (place, delay) in places.iter_mut().zip(delays.iter()) {
            // The conversion saturates, and what is no number gives 0.
            *place = (delay.as_f64() / step).round() as u32;
            clipped += usize::from(*place > top);
            *place = top.min(*place);
        }
        if let Some(most) = self.levels {
            levels::fewest(&mut places, most);
        }
        for (delay, place) in delays.iter_mut().zip(places) {
            *delay = if delay.is_finite() { point(place) } else { *delay };
        }
        clipped
    }

    /// Rounds weights to integers times a scale: how many lay beyond the largest, and the scale. What is no
    /// number stays.
    pub(super) fn round_weights<F: Real>(&self, weights: &mut [F]) -> (usize, Option<f64>) {
        let Some(bits) = self.bits else { return (0, None) };
        let steps = f64::from((1_u32 << (bits - 1)) - 1);
        let sizes = weights.iter().map(|w| w.as_f64().abs());
        let mut sizes: Vec<f64> = sizes.filter(|size| *size > 0.0).collect();
        sizes.sort_unstable_by(|a, b| b.total_cmp(a));
        // The product may be just below a whole number.
        let beyond = (self.clip * sizes.len() as f64 + 1e-9) as usize;
        let Some(&largest) = sizes.get(beyond).filter(|size| size.is_finite()) else {
            return (0, Some(0.0));
        };
        let mut clipped = 0;
        for weight in weights.iter_mut().filter(|w| w.is_finite()) {
            let place = (weight.as_f64() / largest * steps).round();
            clipped += usize::from(place.abs() > steps);
            // In this order the largest stays the same number, and so do all in a second rounding. No
            // negative zeros.
            *weight = F::of(largest * (place.clamp(-steps, steps) / steps)) + F::zero();
        }
        (clipped, Some(largest / steps))
    }
}
