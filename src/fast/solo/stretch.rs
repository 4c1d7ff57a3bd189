//! Stretches of time, and the buckets that they are cut into.

use super::Plan;
use crate::Real;
use crate::fast::grid::{as_wide_as, longest_stretch};

/// Buckets of a stretch, so that those of a neuron stay in the caches.
const MOST_BUCKETS: f64 = 4096.0;

/// The lengths of stretches and buckets in ms, which are powers of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lengths {
    pub span: f64,
    pub width: f64,
}

impl Lengths {
    /// For buckets of this width.
    pub fn forward<F: Real>(plan: &Plan<F>, width: f64, duration: f64) -> Self {
        Self::new(plan, width, duration)
    }

    /// For neurons that fired this often on average.
    pub fn backward<F: Real>(plan: &Plan<F>, spikes: f64, duration: f64) -> Self {
        Self::new(plan, as_wide_as(spikes, duration), duration)
    }

    fn new<F: Real>(plan: &Plan<F>, width: f64, duration: f64) -> Self {
        let longest = longest_stretch(plan.shortest_tau, duration);
        let width = width.min(longest);
        Self { span: longest.min(width * MOST_BUCKETS), width }
    }

    /// Buckets per stretch.
    pub fn buckets(&self) -> usize {
        (self.span / self.width) as usize
    }

    /// The stretches of a trial.
    pub fn stretches(&self, duration: f64) -> usize {
        ((duration + self.width / 2.0) / self.span).ceil() as usize
    }

    pub fn stretch(&self, number: usize, duration: f64) -> Stretch {
        let Self { span, width } = *self;
        let origin = number as f64 * span;
        let start = origin - width / 2.0;
        let end = (start + span).min(duration);
        let buckets = self.buckets().min(((end - start) / width).ceil() as usize);
        Stretch { start, span, end, buckets, width, rounding: 1.5 / f64::EPSILON * width - origin }
    }
}

/// One stretch. Its buckets are centred on multiples of their width, so that of a time is what the time is rounded to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub start: f64,
    pub span: f64,
    /// The end of the stretch, or of the trial.
    pub end: f64,
    /// Those that start before the end.
    pub buckets: usize,
    width: f64,
    /// The last digit of a sum with it is as large as a bucket.
    rounding: f64,
}

impl Stretch {
    /// When a bucket starts.
    pub fn start_of(&self, bucket: usize) -> f64 {
        self.start + bucket as f64 * self.width
    }

    /// The bucket of a time of the stretch. One on a boundary may belong to the bucket that ends there.
    #[inline]
    pub fn bucket(&self, time: f64) -> usize {
        (time + self.rounding).to_bits() as u32 as usize
    }
}
