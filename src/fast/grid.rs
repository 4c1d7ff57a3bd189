//! Windows of time.
//!
//! A trial is cut into slabs, a slab into buckets, and delays into legs of some slabs. All their lengths
//! are powers of two of a ms. So a time splits into them without rounding, and what falls on a boundary
//! belongs to what starts there.

use crate::Real;
use crate::layer::ModeBank;

/// Mean number of known arrivals per bucket: few enough to step through, many enough to be worth summing.
const PER_BUCKET: f64 = 4.0;

/// Buckets of a leg. In coarser ones V moves so far that few neurons are certain not to fire; finer ones
/// make slabs so short that little of what a spike does falls into one.
const COARSEST: f64 = 256.0;
const FINEST: f64 = 2048.0;

/// Buckets per arrival that still pay, and arrivals at a neuron below which nothing does.
const MOST_BUCKETS: f64 = 8.0;
const FEWEST: f64 = 64.0;

/// Buckets of all neurons of a group that are in memory, so that they stay in a cache; and the least of each, unless all are
/// too many. With fewer a spike brings so little in a slab that to fetch its synapses costs more.
const SLAB: usize = 32_768;
const LEAST_PER_SLAB: usize = 64;
const MOST: usize = 262_144;

/// Backward: mean spikes of a neuron per bucket, as reads of a bucket with a spike look closer.
const SPIKES_PER_BUCKET: f64 = 1.0 / 32.0;

/// Of neurons with constants of their own: buckets of a leg, and those of all neurons that are in memory.
const FEWEST_PER_LEG: f64 = 32.0;
const READ_SLAB: usize = 65_536;

/// Of neurons that share their constants: time constants of a slab, and buckets of all neurons in it.
const RANGE: f64 = 512.0;
const TABLE: usize = 262_144;
/// Buckets of a stretch: with more, a neuron would fire more often in it than the table of pieces can tell apart.
const MOST_PER_STRETCH: usize = 4096;

/// More slabs than a trial or a leg may have.
const MOST_SLABS: f64 = 65_536.0;

/// tau_r / (tau_r - tau_mem): what a unit current of a receptor adds to its own mode of V.
pub(super) fn gain<F: Real>(bank: &ModeBank<F>, receptor: usize) -> F {
    let tau = bank.tau_syn()[receptor];
    tau / (tau - bank.tau_mem())
}

/// The shortest time constant of a neuron in ms.
pub(super) fn shortest_tau<F: Real>(bank: &ModeBank<F>) -> f64 {
    bank.tau_syn().iter().map(|tau| tau.as_f64()).fold(bank.tau_mem().as_f64(), f64::min)
}

/// exp(x / tau). The rounding of the quotient, which the exponential would amplify by its size, is made good.
pub(super) fn exp_of<F: Real>(x: f64, tau: F) -> F {
    let tau = tau.as_f64();
    let quotient = x / tau;
    let rest = (-quotient).mul_add(tau, x) / tau;
    let rounded = quotient.exp();
    F::of(rounded + rounded * rest)
}

/// exp(-x / tau) - 1: what decays within x loses of itself, negated.
pub(super) fn loss_of<F: Real>(x: f64, tau: F) -> F {
    F::of((-x / tau.as_f64()).exp_m1())
}

/// The length of a leg in ms: exponentials of it stay far from overflow, and from losing digits.
pub(super) fn leg<F: Real>(shortest_tau: f64) -> f64 {
    let largest = F::max_value().as_f64().ln() / 3.2;
    (shortest_tau * largest.min(64.0)).log2().floor().exp2()
}

/// The whole legs of a delay.
pub(super) fn leg_start(delay: f64, leg: f64) -> f64 {
    (delay / leg).floor() * leg
}

/// The greatest power of two for which the buckets of all neurons are no more than `all`, or 1.
fn buckets_per_slab(all: usize, neurons: usize) -> usize {
    1 << (all / neurons.max(1)).max(1).ilog2()
}

/// The width of buckets with so many arrivals on average.
pub(super) fn width(duration: f64, arrivals: f64, per_bucket: f64, leg: f64) -> f64 {
    let enough = (duration * per_bucket / arrivals).log2().round().exp2();
    // Where little arrives, going through empty buckets costs more than to look closely at some.
    let is_sparse = duration / leg * COARSEST > 2.0 * arrivals;
    let coarsest = leg / if is_sparse { COARSEST / 2.0 } else { COARSEST };
    enough.clamp(leg / FINEST, coarsest)
}

/// The width of buckets of which few have a spike of a neuron that fires so many times in a trial.
pub(super) fn as_wide_as(spikes: f64, duration: f64) -> f64 {
    (duration * SPIKES_PER_BUCKET / spikes).log2().floor().exp2()
}

/// The greatest power of two that sums in double precision may span, or one that is longer than the trial.
pub(super) fn longest_stretch(shortest_tau: f64, duration: f64) -> f64 {
    (shortest_tau * RANGE).min(2.0 * duration).log2().floor().exp2()
}

/// Buckets, slabs and legs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    /// Of a bucket, a slab and a leg, in ms.
    pub width: f64,
    pub span: f64,
    pub leg: f64,
    /// Buckets per slab.
    pub slab: usize,
}

impl Grid {
    /// Buckets for neurons of which the busiest receive `most` arrivals and all `mean` on average, or `None` if these are so few
    /// that buckets do not pay. `neurons` go through time together.
    pub fn new(duration: f64, (most, mean): (f64, f64), neurons: usize, leg: f64) -> Option<Self> {
        let wide = |arrivals: f64| width(duration, arrivals, PER_BUCKET, leg);
        let pays = |width: f64| (duration / width).ceil() <= MOST_BUCKETS * mean;
        // Where few neurons receive most, buckets that suit these may not pay for the others.
        let (mut width, widest) = (wide(most), wide(mean));
        // One that underflowed to zero stays so.
        while 0.0 < width && width < widest && !pays(width) {
            width *= 2.0;
        }
        let buckets = (duration / width).ceil();
        let least = LEAST_PER_SLAB.min(buckets_per_slab(MOST, neurons));
        let slab = buckets_per_slab(SLAB, neurons).max(least).min((leg / width) as usize);
        let slab = slab.min(buckets as usize).next_power_of_two();
        let span = width * slab as f64;
        // Also false if anything overflowed.
        let pays = mean >= FEWEST && pays(width) && width > 0.0;
        let fits = duration / span < MOST_SLABS && leg / span < MOST_SLABS;
        (pays && fits).then_some(Self { width, span, leg, slab })
    }

    /// The grid for the way back of neurons with constants of their own that fired `spikes` times on average: there
    /// buckets may be as wide as the spikes allow.
    pub fn backward(self, duration: f64, spikes: f64, neurons: usize) -> Self {
        let most = (self.leg / FEWEST_PER_LEG).max(self.width);
        let width = as_wide_as(spikes, duration).clamp(self.width, most);
        self.with(width, buckets_per_slab(READ_SLAB, neurons).min((self.leg / width) as usize))
    }

    /// The grid for the way back of neurons that share their constants, whose slabs are as long as double precision
    /// allows: a neuron's adjoint has as many pieces as it fired, and buckets serve to find them.
    pub fn stretches(self, duration: f64, spikes: f64, neurons: usize, shortest_tau: f64) -> Self {
        let longest = longest_stretch(shortest_tau, duration);
        let width = as_wide_as(spikes, duration).min(longest);
        let most = buckets_per_slab(TABLE, neurons).min(MOST_PER_STRETCH);
        self.with(width, most.min((longest / width) as usize))
    }

    /// The same with other slabs, unless they are shorter.
    fn with(self, width: f64, slab: usize) -> Self {
        let span = width * slab as f64;
        if span < self.span { self } else { Self { width, span, slab, ..self } }
    }

    /// The slab of a time.
    #[inline]
    pub fn slab_of(&self, time: f64) -> usize {
        (time / self.span) as usize
    }

    /// The slabs of a trial.
    pub fn slabs(&self, duration: f64) -> usize {
        (duration / self.span).ceil() as usize
    }

    /// Slabs per leg.
    pub fn slabs_per_leg(&self) -> usize {
        (self.leg / self.span) as usize
    }

    pub fn window(&self, number: usize, duration: f64) -> Window {
        let start = number as f64 * self.span;
        let end = (start + self.span).min(duration);
        Window {
            number,
            start,
            end,
            width: self.width,
            buckets: self.slab.min(((end - start) / self.width).ceil() as usize),
            shift: 52 - self.slab.ilog2(),
            to_span: self.span - start,
            base: self.span.to_bits(),
            last: self.slab - 1,
        }
    }
}

/// One slab.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// The number of the slab.
    pub number: usize,
    pub start: f64,
    /// The end of the slab, or of the trial.
    pub end: f64,
    /// Of a bucket.
    pub width: f64,
    /// Those that start before the end.
    pub buckets: usize,
    shift: u32,
    to_span: f64,
    base: u64,
    last: usize,
}

impl Window {
    /// When a bucket ends.
    #[inline]
    pub fn end_of(&self, bucket: usize) -> f64 {
        self.start + (bucket + 1) as f64 * self.width
    }

    /// The bucket of a time, counted from the start of the slab that it lies in.
    ///
    /// Moved to [span, 2 span), the times of a slab share an exponent, and the leading digits of the rest
    /// are the bucket.
    #[inline]
    pub fn bucket(&self, time: f64) -> usize {
        // In the first slab the sum may round up, from the last digit of its last bucket.
        self.exact_bucket(time).min(self.last)
    }

    /// The same in another slab than the first, where the sum is exact.
    #[inline]
    pub fn exact_bucket(&self, time: f64) -> usize {
        let moved = (time + self.to_span).to_bits();
        (moved.wrapping_sub(self.base) >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_buckets_that_start_before_them() {
        let grid = Grid::new(1000.0, (8000.0, 8000.0), 100, 256.0).unwrap();
        assert_eq!(grid.width * grid.slab as f64, grid.span);
        for k in 0..100_000 {
            let time = f64::from(k) * 0.009_999;
            let slab = grid.slab_of(time);
            let window = grid.window(slab, 1000.0);
            let bucket = window.bucket(time);
            let start = window.start + bucket as f64 * grid.width;
            assert!(start <= time && time < start + grid.width && bucket < grid.slab);
        }
        let before = |time: f64| f64::from_bits(time.to_bits() - 1);
        let first = grid.window(0, 1000.0);
        assert_eq!(first.bucket(0.0), 0);
        assert_eq!(first.bucket(grid.width), 1);
        assert_eq!(first.bucket(before(grid.span)), grid.slab - 1);
        assert_eq!(grid.window(3, 1000.0).bucket(before(4.0 * grid.span)), grid.slab - 1);
    }

    #[test]
    fn light_loads_and_absurd_trials_are_refused() {
        assert_eq!(Grid::new(1000.0, (3.0, 3.0), 10, 256.0), None);
        assert!(Grid::new(1000.0, (100.0, 100.0), 10, 256.0).is_some());
        assert_eq!(Grid::new(1e300, (1000.0, 1000.0), 10, 256.0), None);
        assert_eq!(Grid::new(1e-300, (0.0, 0.0), 10, 256.0), None);
        assert_eq!(Grid::new(1e-323, (1e3, 1e-3), 10, 4e-321), None);
        // Of a few busy neurons among others.
        let few = |most, mean| Grid::new(1000.0, (most, mean), 2000, 256.0).map(|grid| grid.width);
        assert_eq!(few(16_000.0, 4000.0), few(16_000.0, 16_000.0));
        assert_eq!((few(16_000.0, 4000.0), few(16_000.0, 400.0)), (Some(0.25), Some(0.5)));
        assert_eq!(few(16_000.0, 10.0), None);
    }

    #[test]
    fn slabs_are_no_larger_than_memory_and_trials() {
        let slab =
            |duration, neurons| Grid::new(duration, (8000.0, 8000.0), neurons, 256.0).unwrap().slab;
        assert_eq!(
            [256, 512, 2048, 200_000].map(|neurons| slab(1000.0, neurons)),
            [128, 64, 64, 1]
        );
        let grid = Grid::new(4.5, (64.0, 64.0), 100, 256.0).unwrap();
        assert_eq!((grid.width, grid.slab), (0.25, 32));
        assert_eq!(grid.window(0, 4.5).buckets, 18);
    }

    #[test]
    fn exponentials_of_large_quotients_are_exact() {
        // exp(52.1 / 1.3) to the last digit.
        let exact = 2.5420643725344477e+17_f64;
        assert!((exp_of(52.1, 1.3) / exact - 1.0_f64).abs() < 3e-16);
        assert!(((52.1_f64 / 1.3).exp() / exact - 1.0).abs() > 5e-16);
    }

    #[test]
    fn legs_are_powers_of_two() {
        assert_eq!(leg::<f64>(5.0), 256.0);
        assert_eq!(leg::<f32>(5.0), 128.0);
    }
}
