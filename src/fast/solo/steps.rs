//! Steps through buckets in which a neuron cannot fire.

use super::Plan;
use super::inbox::Bucket;
use super::stretch::Lengths;
use crate::Real;
use crate::fast::backward::decay;
use crate::fast::plan::{Pair, State};
use crate::fast::step::Step;

/// What the neurons of a layer need for buckets of one length.
#[derive(Debug)]
pub(super) struct Steps<F, const R: usize> {
    version: u64,
    layer: usize,
    lengths: Lengths,
    /// exp(-x / tau) at the start x of every bucket of a stretch and at its end, mode by mode.
    decays: Vec<Pair<f64, R>>,
    step: Step<F>,
    /// Buckets of a leg, for longer than which no trace is subnormal.
    pub per_leg: usize,
}

impl<F: Real, const R: usize> Steps<F, R> {
    /// Those for a layer, in the memory of others.
    pub fn renewed(old: Option<Self>, plan: &Plan<F>, lengths: Lengths) -> Self {
        let mut decays = match old {
            Some(old)
                if (old.version, old.layer, old.lengths) == (plan.version, plan.layer, lengths) =>
            {
                return old;
            }
            old => old.map_or(Vec::new(), |old| old.decays),
        };
        decays.clear();
        let bank = &plan.bank;
        let starts = (0..=lengths.buckets()).map(|bucket| bucket as f64 * lengths.width);
        decays.extend(starts.map(|x| decay(bank, x)));
        Self {
            version: plan.version,
            layer: plan.layer,
            lengths,
            decays,
            step: Step::new(bank, lengths.width),
            per_leg: (plan.leg / lengths.width).max(1.0) as usize,
        }
    }

    /// Takes a state through buckets, which are empty then, from number `from` on to the first in which the neuron may fire,
    /// or to the end; where that is, and how much arrived on the way.
    pub fn pass(
        &self,
        from: usize,
        buckets: &mut [Bucket<R>],
        state: &mut State<F, R>,
    ) -> (usize, u32) {
        let decays = &self.decays[from..=from + buckets.len()];
        let (mut now, mut received) = (*state, 0);
        let mut number = from;
        let ends = &decays[1..];
        let mut start = &decays[0];
        for (bucket, end) in buckets.iter_mut().zip(ends) {
            let [rise, rest] = &bucket.sums;
            if self.step.may_fire(&now, narrow(&rise.times(start)).syn) {
                break;
            }
            self.step.take(&narrow(&rise.plus(rest).times(end)), &mut now);
            received += bucket.count;
            *bucket = Bucket::empty();
            start = end;
            number += 1;
        }
        *state = now;
        (number, received)
    }
}

/// In the precision of the network.
#[inline]
fn narrow<F: Real, const R: usize>(modes: &Pair<f64, R>) -> Pair<F, R> {
    Pair { mem: F::of(modes.mem), syn: modes.syn.map(F::of) }
}
