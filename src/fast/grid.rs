//! Buckets of time, and exponentials split so that an arrival needs none.
//!
//! An arrival at t_i + d falls into the bucket of t_i, moved by that of d, or into the one after. So
//! exp((t_i + d - start) / tau), with the start of the arrival's own bucket, is a factor of the spike
//! times one of two factors of the synapse. Every exponent is at most a bucket long: nothing loses
//! digits or overflows, whatever the length of the trial.

use crate::Real;
use crate::layer::ModeBank;

/// Mean arrivals per bucket: few enough to step through, many enough to be worth summing.
const PER_BUCKET: f64 = 4.0;

/// The length of a bucket in the shortest time constant, at most. Exponents within a bucket are no
/// larger, which [`exp_small`] relies on.
const LONGEST: f64 = 0.25;

/// Buckets of all neurons of a group that are in memory.
const SLAB: usize = 32_768;

/// More buckets than a trial may have; delays are cut to it, so that sums of times do not overflow.
const MOST: f64 = 4_194_304.0;

/// exp(x) for 0 <= x <= [`LONGEST`], to rounding: a dozen terms of its series, without branches, so
/// that the compiler can do several at once.
#[inline]
pub(super) fn exp_small<F: Real>(x: F) -> F {
    const TERMS: [f64; 12] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    let sum = TERMS.iter().fold(F::zero(), |sum, &term| (sum + F::of(term)) * x);
    F::one() + sum
}

/// tau_r / (tau_r - tau_mem): what a unit current of a receptor adds to its own mode of V.
pub(super) fn gain<F: Real>(bank: &ModeBank<F>, receptor: usize) -> F {
    let tau = bank.tau_syn()[receptor];
    tau / (tau - bank.tau_mem())
}

/// Equal buckets over a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    pub width: f64,
    pub buckets: usize,
    pub duration: f64,
    per_ms: f64,
}

impl Grid {
    /// Buckets for a neuron that receives this many arrivals, or `None` if they are so few that
    /// buckets do not pay.
    pub fn new(duration: f64, arrivals: usize, shortest_tau: f64) -> Option<Self> {
        let arrivals = arrivals as f64;
        // Powers of two: few different grids, so that what depends on them can be used again.
        let enough = (arrivals / PER_BUCKET).log2().round();
        let least = (duration / (LONGEST * shortest_tau)).log2().ceil();
        let buckets = enough.max(least).max(0.0).exp2();
        // Also false if anything overflowed.
        let pays = buckets >= 1.0 && buckets <= arrivals && buckets < MOST;
        let (width, per_ms) = (duration / buckets, buckets / duration);
        pays.then_some(Self { width, buckets: buckets as usize, duration, per_ms })
    }

    /// The bucket of a time, and the time since its start. Rounding may put a time next to a boundary
    /// into the neighbour, with an offset that says so.
    #[inline]
    pub fn split(&self, time: f64) -> (u32, f64) {
        let bucket = (time * self.per_ms).min(MOST) as u32;
        (bucket, time - f64::from(bucket) * self.width)
    }

    /// How many buckets a group of this many neurons goes through at a time: few enough that those
    /// of all neurons stay in the caches.
    pub fn slab(&self, neurons: usize) -> usize {
        (SLAB / neurons.max(1)).clamp(1, self.buckets)
    }

    pub fn start(&self, bucket: usize) -> f64 {
        bucket as f64 * self.width
    }

    /// The end of a bucket; that of the last one is the end of the trial.
    pub fn end(&self, bucket: usize) -> f64 {
        if bucket + 1 == self.buckets { self.duration } else { self.start(bucket + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn small_exponentials_are_exact_to_rounding() {
        for k in -10..=1000 {
            let x = LONGEST * f64::from(k) / 1000.0;
            assert_relative_eq!(exp_small(x), x.exp(), max_relative = 4.0 * f64::EPSILON);
        }
    }

    #[test]
    fn times_split_and_add_up() {
        let grid = Grid::new(1000.0, 8000, 5.0).unwrap();
        for k in 0..1000 {
            let time = f64::from(k) * 0.9999;
            let (bucket, offset) = grid.split(time);
            assert_relative_eq!(grid.start(bucket as usize) + offset, time, epsilon = 1e-12);
            assert!(offset > -1e-9 && offset < grid.width + 1e-9);
        }
        assert!(grid.split(1e300).0 as usize > grid.buckets);
        assert_eq!(Grid::new(1000.0, 3, 5.0), None);
        assert_eq!(Grid::new(1e300, 1000, 5.0), None);
    }
}
