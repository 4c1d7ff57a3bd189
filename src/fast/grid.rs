//! Buckets of time, and exponentials split so that an arrival needs none.
//!
//! An arrival at t_i + d falls into the bucket of t_i, moved by that of d, or into the one after. So
//! exp((t_i + d - start) / tau), with the start of the arrival's own bucket, is a factor of the spike
//! times one of two factors of the synapse. Every exponent is at most a bucket long: nothing loses
//! digits or overflows, whatever the length of the trial.

use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use crate::{Real, SpikeTrains};

/// Mean arrivals per bucket: few enough to step through, many enough to be worth summing.
const PER_BUCKET: f64 = 4.0;

/// The length of a bucket in the shortest time constant, at most. Exponents within a bucket are no
/// larger, which [`exp_small`] relies on.
const LONGEST: f64 = 0.25;

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

/// Equal buckets over a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    pub width: f64,
    pub buckets: usize,
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
        let pays = buckets >= 1.0 && buckets <= arrivals && buckets < f64::from(u32::MAX) / 4.0;
        let (width, per_ms) = (duration / buckets, buckets / duration);
        pays.then_some(Self { width, buckets: buckets as usize, per_ms })
    }

    /// The bucket of a time, and the time since its start. Rounding may put a time next to a boundary
    /// into the neighbour, with an offset that says so. The bucket of a time far outside of the trial
    /// saturates.
    #[inline]
    pub fn split(&self, time: f64) -> (u32, f64) {
        let bucket = (time * self.per_ms) as u32;
        (bucket, time - f64::from(bucket) * self.width)
    }

    pub fn start(&self, bucket: usize) -> f64 {
        bucket as f64 * self.width
    }
}

/// A spike as its targets see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpikeFactors<F> {
    /// Since the start of its bucket, in ms.
    pub offset: f64,
    /// exp(offset / tau_mem).
    pub mem: F,
    /// exp(offset / tau_syn).
    pub syn: F,
    pub bucket: u32,
    /// The source neuron.
    pub pre: u32,
}

/// A synapse as its spikes see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SynapseFactors<F> {
    pub offset: f64,
    /// exp(offset / tau_mem), times whatever all its arrivals share.
    pub mem: F,
    /// exp(offset / tau_syn), likewise.
    pub syn: F,
    pub bucket: u32,
}

/// The spikes of a projection's source in the order of time, and the constants of its receptor.
///
/// In that order the buckets that are written to lie close together.
pub(super) struct Afferent<'a, F: Real> {
    pub projection: &'a Projection<F>,
    pub number: usize,
    pub spikes: Vec<SpikeFactors<F>>,
    /// The time of each, and its place among the source's spike trains.
    pub times: Vec<f64>,
    pub places: Vec<u32>,
    /// exp(-carry width / tau_mem) for carry 0 and 1.
    pub carry_mem: [F; 2],
    pub carry_syn: [F; 2],
    rate_mem: F,
    rate_syn: F,
}

impl<'a, F: Real> Afferent<'a, F> {
    pub fn new(
        number: usize,
        projection: &'a Projection<F>,
        trains: &'a SpikeTrains,
        bank: &ModeBank<F>,
        grid: Grid,
    ) -> Self {
        let rate_mem = bank.tau_mem().recip();
        let rate_syn = bank.tau_syn()[projection.receptor].recip();
        let first = match projection.origin {
            Origin::Input { first } => first,
            Origin::Layer(_) => 0,
        };
        let sources = projection.synapses.shape().1;
        let mut order: Vec<(f64, u32, u32)> = (first..first + sources)
            .flat_map(|channel| {
                let from = trains.offsets()[channel];
                let pre = (channel - first) as u32;
                let train = trains.channel(channel).iter().enumerate();
                train.map(move |(k, &time)| (time, (from + k) as u32, pre))
            })
            .collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let factors = |&(time, _, pre): &(f64, u32, u32)| {
            let (bucket, offset) = grid.split(time);
            let x = F::of(offset);
            let (mem, syn) = (exp_small(x * rate_mem), exp_small(x * rate_syn));
            SpikeFactors { offset, mem, syn, bucket, pre }
        };
        let width = F::of(grid.width);
        Self {
            projection,
            number,
            spikes: order.iter().map(factors).collect(),
            times: order.iter().map(|o| o.0).collect(),
            places: order.iter().map(|o| o.1).collect(),
            carry_mem: [F::one(), (-width * rate_mem).exp()],
            carry_syn: [F::one(), (-width * rate_syn).exp()],
            rate_mem,
            rate_syn,
        }
    }

    /// The factors of every synapse onto a neuron, times `mem` and `syn` of its weight.
    pub fn synapses(
        &self,
        neuron: usize,
        grid: Grid,
        mem: impl Fn(F) -> F,
        syn: impl Fn(F) -> F,
        out: &mut Vec<SynapseFactors<F>>,
    ) {
        out.clear();
        let row = self.projection.synapses.row(neuron);
        out.extend(row.weights.iter().zip(row.delays).map(|(&weight, delay)| {
            let (bucket, offset) = grid.split(delay.as_f64());
            let x = F::of(offset);
            SynapseFactors {
                offset,
                mem: mem(weight) * exp_small(x * self.rate_mem),
                syn: syn(weight) * exp_small(x * self.rate_syn),
                bucket,
            }
        }));
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
