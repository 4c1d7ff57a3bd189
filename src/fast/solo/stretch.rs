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
        // A stretch is no shorter than a leg, or the spikes of a leg would be looked through again and again.
        Self::new(plan, as_wide_as(spikes, duration).max(plan.leg / MOST_BUCKETS), duration)
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
        let whole = (duration / self.span).floor() + 1.0;
        // The last half of a bucket belongs to the stretch that follows.
        whole as usize + usize::from(whole * self.span - self.width / 2.0 < duration)
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

#[cfg(test)]
mod tests {
    use super::Lengths;

    #[test]
    fn stretches_and_their_buckets_cover_the_trial() {
        let up = |time: f64| f64::from_bits(time.to_bits() + 1);
        let down = |time: f64| f64::from_bits(time.to_bits() - 1);
        let lengths = Lengths { span: 64.0, width: 4.0 };
        // The next stretch starts at 62.
        for duration in [1.0, down(62.0), 62.0, up(62.0), 64.0, 190.0, up(190.0), 200.0] {
            let stretches = (0..lengths.stretches(duration)).map(|k| lengths.stretch(k, duration));
            let stretches: Vec<_> = stretches.collect();
            assert_eq!(stretches[0].start, -2.0);
            assert_eq!(stretches.last().unwrap().end, duration);
            for pair in stretches.windows(2) {
                assert_eq!(pair[0].end, pair[1].start);
            }
            for stretch in &stretches {
                assert!(stretch.start < stretch.end);
                for k in 0..=1000 {
                    let share = f64::from(k) / 1000.0;
                    let time = stretch.start + share * (stretch.end - stretch.start);
                    let time = if k == 1000 { down(stretch.end) } else { time.max(0.0) };
                    if time >= stretch.end {
                        continue;
                    }
                    let bucket = stretch.bucket(time);
                    assert!(bucket < stretch.buckets);
                    assert!(stretch.start_of(bucket) <= time);
                    assert!(time <= stretch.start_of(bucket + 1));
                }
            }
        }
    }
}
