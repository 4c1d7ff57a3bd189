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

/// Equal buckets over a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    pub width: f64,
    pub buckets: usize,
}

impl Grid {
    /// Buckets for a neuron that receives this many arrivals, or `None` if they are so few that
    /// buckets do not pay.
    pub fn new(duration: f64, arrivals: usize, shortest_tau: f64) -> Option<Self> {
        let arrivals = arrivals as f64;
        let width = (PER_BUCKET * duration / arrivals).min(0.25 * shortest_tau);
        let buckets = (duration / width).ceil();
        // Also false if anything overflowed.
        let pays = buckets <= arrivals && buckets < f64::from(u32::MAX) / 4.0;
        pays.then(|| Self { width: duration / buckets, buckets: buckets as usize })
    }

    /// The bucket of a time, and the time since its start; bucket `u32::MAX / 2` is far outside.
    pub fn split(&self, time: f64) -> (u32, f64) {
        let bucket = (time / self.width).floor().min(f64::from(u32::MAX / 2));
        (bucket as u32, bucket.mul_add(-self.width, time))
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
}

/// A synapse's share of the factors: without and with a carry into the next bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct SynapseFactors<F> {
    pub offset: f64,
    pub bucket: u32,
    /// exp((offset - carry width) / tau_mem).
    pub mem: [F; 2],
    /// exp((offset - carry width) / tau_syn).
    pub syn: [F; 2],
}

/// The spikes of a projection's source, and the constants of its receptor.
pub(super) struct Afferent<'a, F: Real> {
    pub projection: &'a Projection<F>,
    pub number: usize,
    /// The source's spikes; its channels start at `first`.
    pub trains: &'a SpikeTrains,
    pub first: usize,
    pub factors: Vec<SpikeFactors<F>>,
    rate_mem: F,
    rate_syn: F,
    carry_mem: F,
    carry_syn: F,
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
        let factors = trains
            .times()
            .iter()
            .map(|&time| {
                let (bucket, offset) = grid.split(time);
                let x = F::of(offset);
                let (mem, syn) = ((x * rate_mem).exp(), (x * rate_syn).exp());
                SpikeFactors { offset, mem, syn, bucket }
            })
            .collect();
        let width = F::of(grid.width);
        let carry_mem = (-width * rate_mem).exp();
        let carry_syn = (-width * rate_syn).exp();
        Self {
            projection,
            number,
            trains,
            first,
            factors,
            rate_mem,
            rate_syn,
            carry_mem,
            carry_syn,
        }
    }

    pub fn synapse(&self, grid: Grid, delay: f64) -> SynapseFactors<F> {
        let (bucket, offset) = grid.split(delay);
        let x = F::of(offset);
        let (mem, syn) = ((x * self.rate_mem).exp(), (x * self.rate_syn).exp());
        SynapseFactors {
            offset,
            bucket,
            mem: [mem, mem * self.carry_mem],
            syn: [syn, syn * self.carry_syn],
        }
    }
}
