//! The spikes that reach a layer through one projection.

use super::fan::{Branch, Fans};
use super::grid::{Grid, exp_of, leg_start};
use crate::Real;
use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use std::ops::Range;
use std::sync::Arc;

/// A spike on its way to the targets of its source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight<F> {
    /// When it was sent.
    pub time: f64,
    /// exp(time / tau_mem) and exp(time / tau_syn), with the time from the start of its slab.
    pub mem: F,
    pub syn: F,
    /// The slab in which it was sent.
    pub slab: u32,
    pub source: u32,
    /// The next branch of the fan, or one more than that if they are taken in reverse.
    pub next: u32,
    /// 0 if known from the start, else 1 + the rank in the group.
    pub rank: u32,
}

/// exp(x / tau_mem) and exp(x / tau_syn), or sums that belong to the two.
pub(super) type Both = [f64; 2];

/// A projection onto a layer of a group.
#[derive(Debug)]
pub(super) struct Afferent<F> {
    /// The number of the projection, and where it comes from.
    pub number: usize,
    pub origin: Origin,
    pub fans: Arc<Fans<F>>,
    /// The population of the group that it leads to, and the one that it comes from if inside.
    pub target: usize,
    pub source: Option<usize>,
    pub receptor: usize,
    /// tau_mem and tau_syn, if the targets share them. If not, all factors are 1.
    pub taus: Option<(F, F)>,
    /// exp(-k span / tau) for k from 0 to one more than the slabs of a leg.
    hops: Vec<(F, F)>,
    leg: f64,
}

impl<F: Real> Afferent<F> {
    pub fn new(
        projection: &Projection<F>,
        number: usize,
        group: &[usize],
        target: usize,
        fans: Arc<Fans<F>>,
        (bank, grid): (Option<&ModeBank<F>>, &Grid),
    ) -> Self {
        let receptor = projection.receptor;
        let taus = bank.map(|bank| (bank.tau_mem(), bank.tau_syn()[receptor]));
        let hops = (0..grid.slabs_per_leg() + 2).map(|k| factors(-(k as f64 * grid.span), taus));
        Self {
            number,
            origin: projection.origin,
            fans,
            target,
            source: inside(projection, group),
            receptor,
            taus,
            hops: hops.collect(),
            leg: grid.leg,
        }
    }

    /// A spike at its start.
    pub fn flight(&self, grid: &Grid, time: f64, source: usize) -> Flight<F> {
        let slab = grid.slab_of(time);
        let offset = time - slab as f64 * grid.span;
        let (mem, syn) = factors(offset, self.taus);
        Flight { time, mem, syn, slab: slab as u32, source: source as u32, next: 0, rank: 0 }
    }

    /// exp((t + leg - start) / tau) for a spike at t and the start of a slab in which it arrives after a delay
    /// within a leg; and where that leg starts and ends.
    #[inline]
    pub fn leg(&self, flight: &Flight<F>, delay: f64, slab: usize) -> (F, F, Range<f64>) {
        // Most delays end in the first one.
        let (start, slabs) = if delay < self.leg { (0.0, 0) } else { self.later_leg(delay) };
        // The rest of the delay is less than a leg, and the sum with the time may be rounded up.
        let ahead = slab.saturating_sub(flight.slab as usize + slabs).min(self.hops.len() - 1);
        let (mem, syn) = self.hops[ahead];
        (flight.mem * mem, flight.syn * syn, start..start + self.leg)
    }

    /// Where the leg starts that a delay ends in, in ms and in slabs.
    #[cold]
    fn later_leg(&self, delay: f64) -> (f64, usize) {
        let start = leg_start(delay, self.leg);
        (start, (start / self.leg) as usize * (self.hops.len() - 2))
    }

    /// The weight of a synapse.
    pub fn weight(&self, branch: &Branch<F>) -> F {
        // The table of units would tell, but to wait for it takes longer.
        let rest = branch.delay - leg_start(branch.delay, self.leg);
        self.taus.map_or(branch.syn, |(_, tau_syn)| branch.syn / exp_of::<F>(rest, tau_syn))
    }

    /// Where the leg starts and ends that a delay ends in.
    pub fn leg_of(&self, delay: f64) -> Range<f64> {
        let start = leg_start(delay, self.leg);
        start..start + self.leg
    }

    /// exp(x / tau_mem) and exp(x / tau_syn) of targets that share their constants.
    pub fn factors(&self, x: f64) -> Both {
        factors(x, self.taus.map(|(tau_mem, tau_syn)| (tau_mem.as_f64(), tau_syn.as_f64()))).into()
    }

    /// dL/dt of a spike for such targets, given its factors and the sums over its branches.
    pub fn by_time(&self, factors: Both, sums: Both) -> f64 {
        self.taus.map_or(0.0, |(mem, syn)| by_time([mem.as_f64(), syn.as_f64()], factors, sums))
    }
}

/// See [`Afferent::by_time`]; for targets with these constants.
pub(super) fn by_time(taus: Both, factors: Both, sums: Both) -> f64 {
    factors[0] * sums[0] / taus[0] + factors[1] * sums[1] / taus[1]
}

/// exp(x / tau_mem) and exp(x / tau_syn).
fn factors<F: Real>(x: f64, taus: Option<(F, F)>) -> (F, F) {
    taus.map_or((F::one(), F::one()), |(tau_mem, tau_syn)| (exp_of(x, tau_mem), exp_of(x, tau_syn)))
}

/// The layer of a group that a projection comes from.
pub(super) fn inside<F: Real>(projection: &Projection<F>, group: &[usize]) -> Option<usize> {
    match projection.origin {
        Origin::Layer(layer) => group.iter().position(|&l| l == layer),
        Origin::Input { .. } => None,
    }
}
