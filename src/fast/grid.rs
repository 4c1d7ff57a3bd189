//! Buckets of time, and exponentials split so that an arrival needs none.
//!
//! An arrival at t_i + d falls into the bucket of t_i, moved by that of d, or into the one after. So
//! exp((t_i + d - start) / tau), with the start of the arrival's own bucket, is a factor of the spike
//! times one of two factors of the synapse. Every exponent is at most a bucket long: nothing loses
//! digits or overflows, whatever the length of the trial.

use crate::layer::ModeBank;
use crate::network::Projection;
use crate::{Presynaptic, Real, Row, SpikeTrains};

/// Mean arrivals per bucket: few enough to step through, many enough to be worth summing.
const PER_BUCKET: f64 = 4.0;

/// The length of a bucket in the shortest time constant, at most. Exponents within a bucket are no
/// larger, which [`exp_small`] relies on.
const LONGEST: f64 = 0.25;

/// Bits of a fixed-point time below the bucket.
const BITS: u32 = 40;

/// More buckets than a trial may have; delays are cut to it, so that sums of times do not overflow.
const MOST: f64 = 4_194_304.0;

/// exp(x) for 0 <= x <= [`LONGEST`], to rounding: a dozen terms of its series, without branches, so
/// that the compiler can do several at once.
#[inline]
fn exp_small<F: Real>(x: F) -> F {
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
        let width = (PER_BUCKET * duration / arrivals).min(LONGEST * shortest_tau);
        let buckets = (duration / width).ceil();
        // Also false if anything overflowed.
        let pays = buckets >= 1.0 && buckets <= arrivals && buckets < MOST;
        let (width, per_ms) = (duration / buckets, buckets / duration);
        pays.then_some(Self { width, buckets: buckets as usize, duration, per_ms })
    }

    /// The bucket of a time, and the time since its start. Rounding may put a time next to a boundary
    /// into the neighbour, with an offset that says so.
    #[inline]
    pub fn split(&self, time: f64) -> (usize, f64) {
        let bucket = (time * self.per_ms).min(MOST) as u32;
        (bucket as usize, time - f64::from(bucket) * self.width)
    }

    /// A time in buckets, in fixed point.
    #[inline]
    fn fixed(&self, bucket: usize, offset: f64) -> Fixed {
        let one = (1_u64 << BITS) as f64;
        // The cast saturates at 0; delays beyond the greatest bucket have lost their offset.
        let part = ((offset * self.per_ms * one) as u64).min((1 << BITS) - 1);
        Fixed(((bucket as u64) << BITS) | part)
    }

    pub fn start(&self, bucket: usize) -> f64 {
        bucket as f64 * self.width
    }

    /// The end of a bucket; that of the last one is the end of the trial.
    pub fn end(&self, bucket: usize) -> f64 {
        if bucket + 1 == self.buckets { self.duration } else { self.start(bucket + 1) }
    }
}

/// A time or a delay in buckets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed(u64);

impl Fixed {
    /// The bucket.
    #[inline]
    pub fn bucket(self) -> usize {
        (self.0 >> BITS) as usize
    }

    /// The bucket of the sum, and whether the two offsets add up to more than one.
    #[inline]
    pub fn meet(self, other: Self) -> (usize, usize) {
        const MASK: u64 = (1 << BITS) - 1;
        let at = ((self.0 + other.0) >> BITS) as usize;
        let carry = ((self.0 & MASK) + (other.0 & MASK)) >> BITS;
        (at, (carry & 1) as usize)
    }
}

/// A spike as its targets see it, or a synapse as its spikes see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors<F> {
    /// exp(offset / tau_mem), with the offset from the start of the bucket; for a synapse times
    /// whatever all its arrivals share.
    pub mem: F,
    /// exp(offset / tau_syn), likewise.
    pub syn: F,
    /// The time or the delay.
    pub fixed: Fixed,
}

/// The spikes that reach a layer through one projection, and the constants of its receptor.
pub(super) struct Afferent<'a, F: Real> {
    pub projection: &'a Projection<F>,
    pub number: usize,
    /// exp(-carry width / tau_mem) for carry 0 and 1.
    pub carry_mem: [F; 2],
    pub carry_syn: [F; 2],
    rate_mem: F,
    rate_syn: F,
    pub spikes: Spikes<'a, F>,
}

/// The spikes of the source of a projection, channel by channel.
pub(super) enum Spikes<'a, F> {
    /// Known from the start; those of the projection's first source start at channel `first`.
    Known { trains: &'a SpikeTrains, first: usize, factors: Vec<Factors<F>> },
    /// Fired by a layer of the same group, as far as it has come.
    Group {
        layer: usize,
        factors: Vec<Vec<Factors<F>>>,
        /// Which sources fired in the present slab.
        fresh: Vec<bool>,
    },
}

impl<'a, F: Real> Afferent<'a, F> {
    pub fn new(
        number: usize,
        projection: &'a Projection<F>,
        bank: &ModeBank<F>,
        grid: Grid,
        spikes: Spikes<'a, F>,
    ) -> Self {
        let rate_mem = bank.tau_mem().recip();
        let rate_syn = bank.tau_syn()[projection.receptor].recip();
        let width = F::of(grid.width);
        let mut afferent = Self {
            projection,
            number,
            carry_mem: [F::one(), (-width * rate_mem).exp()],
            carry_syn: [F::one(), (-width * rate_syn).exp()],
            rate_mem,
            rate_syn,
            spikes,
        };
        let mut known = Vec::new();
        if let Spikes::Known { trains, first, .. } = &afferent.spikes {
            let channels = trains.offsets();
            let range = channels[*first]..channels[first + projection.synapses.shape().1];
            known.extend(trains.times()[range].iter().map(|&time| {
                let (bucket, offset) = grid.split(time);
                afferent.factors(&grid, bucket, offset)
            }));
        }
        if let Spikes::Known { factors, .. } = &mut afferent.spikes {
            *factors = known;
        }
        afferent
    }

    pub fn factors(&self, grid: &Grid, bucket: usize, offset: f64) -> Factors<F> {
        let x = F::of(offset);
        Factors {
            mem: exp_small(x * self.rate_mem),
            syn: exp_small(x * self.rate_syn),
            fixed: grid.fixed(bucket, offset),
        }
    }

    /// The spikes of a source neuron.
    #[inline]
    pub fn of(&self, pre: usize) -> &[Factors<F>] {
        match &self.spikes {
            Spikes::Known { trains, first, factors } => {
                let offsets = trains.offsets();
                let start = offsets[*first];
                &factors[offsets[first + pre] - start..offsets[first + pre + 1] - start]
            }
            Spikes::Group { factors, .. } => &factors[pre],
        }
    }

    /// The times of all spikes that are known from the start.
    pub fn times(&self) -> &[f64] {
        match &self.spikes {
            Spikes::Known { trains, first, factors } => {
                let start = trains.offsets()[*first];
                &trains.times()[start..start + factors.len()]
            }
            Spikes::Group { .. } => &[],
        }
    }

    /// The times of the spikes of a source neuron that are known from the start.
    pub fn of_source(&self, pre: usize) -> &[f64] {
        match &self.spikes {
            Spikes::Known { trains, first, .. } => trains.channel(first + pre),
            Spikes::Group { .. } => &[],
        }
    }

    /// The place of the projection's first spike among all of the trains it comes from.
    pub fn first_place(&self) -> usize {
        match &self.spikes {
            Spikes::Known { trains, first, .. } => trains.offsets()[*first],
            Spikes::Group { .. } => 0,
        }
    }

    /// The place of a source's first spike among those of the projection.
    pub fn place(&self, pre: usize) -> usize {
        match &self.spikes {
            Spikes::Known { trains, first, .. } => {
                trains.offsets()[first + pre] - trains.offsets()[*first]
            }
            Spikes::Group { .. } => 0,
        }
    }

    /// The factors of every synapse of a row, times `mem` and `syn` of its weight.
    pub fn synapses(
        &self,
        row: &Row<'_, F>,
        grid: &Grid,
        mem: impl Fn(F) -> F,
        syn: impl Fn(F) -> F,
        out: &mut Vec<Factors<F>>,
    ) {
        out.extend(row.weights.iter().zip(row.delays).map(|(&weight, delay)| {
            let (bucket, offset) = grid.split(delay.as_f64());
            let factors = self.factors(grid, bucket, offset);
            Factors { mem: mem(weight) * factors.mem, syn: syn(weight) * factors.syn, ..factors }
        }));
    }
}

/// The source of the k-th synapse of a row.
#[inline]
pub(super) fn source<F>(row: &Row<'_, F>, k: usize) -> usize {
    match row.sources {
        Presynaptic::All => k,
        Presynaptic::List(list) => list[k] as usize,
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
            assert_relative_eq!(grid.start(bucket) + offset, time, epsilon = 1e-12);
            assert!(offset > -1e-9 && offset < grid.width + 1e-9);
        }
        assert!(grid.split(1e300).0 > grid.buckets);
        assert_eq!(Grid::new(1000.0, 3, 5.0), None);
        assert_eq!(Grid::new(1e300, 1000, 5.0), None);
    }
}
