//! Steps through buckets in which a neuron cannot fire.

use super::Plan;
use super::inbox::Bucket;
use super::stretch::Lengths;
use crate::Real;
use crate::fast::backward::decay;
use crate::fast::grid::loss_of;
use crate::fast::plan::{Pair, State};

/// What the neurons of a layer need for buckets of one length.
#[derive(Debug)]
pub(super) struct Steps<F, const R: usize> {
    version: u64,
    layer: usize,
    lengths: Lengths,
    /// exp(-x / tau) at the start x of every bucket of a stretch and at its end, mode by mode.
    decays: Vec<Pair<f64, R>>,
    /// What V loses of itself over a bucket, negated, and of each current its loss and the response of V. Decays are
    /// near 1, and their rounding would have the same sign in every bucket.
    loss_mem: F,
    loss: [F; R],
    response: [F; R],
    gain: [F; R],
    /// width / tau_mem.
    rate: F,
    /// Slightly below the threshold.
    limit: F,
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
        let mut loss = [F::zero(); R];
        let mut response = [F::zero(); R];
        bank.propagator(F::of(lengths.width), |r, _, v| {
            loss[r] = loss_of(lengths.width, bank.tau_syn()[r]);
            response[r] = v;
        });
        let mut gain = [F::zero(); R];
        gain.iter_mut().zip(&plan.gain).for_each(|(g, all)| *g = *all);
        let threshold = bank.threshold().unwrap_or(F::infinity());
        Self {
            version: plan.version,
            layer: plan.layer,
            lengths,
            decays,
            loss_mem: loss_of(lengths.width, bank.tau_mem()),
            loss,
            response,
            gain,
            rate: F::of(lengths.width) / bank.tau_mem(),
            limit: threshold * (F::one() - F::of(8.0) * F::epsilon()),
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
            if self.may_fire(start, &now, &rise.syn) {
                break;
            }
            self.take(end, &rise.plus(rest), &mut now);
            received += bucket.count;
            *bucket = Bucket::empty();
            start = end;
            number += 1;
        }
        *state = now;
        (number, received)
    }

    /// Whether a neuron may fire in a bucket, or is no longer a number: V' <= (drive - V) / tau_mem, with all that excites
    /// arriving at once. `rise` is what it adds to the currents, and `decays` are those at the start of the bucket.
    #[inline]
    fn may_fire(&self, decays: &Pair<f64, R>, state: &State<F, R>, rise: &[f64; R]) -> bool {
        let mut drive = F::zero();
        for ((current, rise), decay) in state.syn.iter().zip(rise).zip(&decays.syn) {
            drive += current.max(F::zero()) + F::of(rise * decay);
        }
        let most = state.mem + (drive - state.mem).max(F::zero()) * self.rate;
        // Nothing that is not a number stays below: no V but a finite one leads to a finite bound.
        let stays_below = most < self.limit;
        !stays_below
    }

    /// Takes a state through a bucket without spikes, given what arrives; `decays` are those at its end.
    #[inline]
    fn take(&self, decays: &Pair<f64, R>, arrived: &Pair<f64, R>, state: &mut State<F, R>) {
        let mut change = state.mem * self.loss_mem + F::of(arrived.mem * decays.mem);
        for r in 0..R {
            let current = F::of(arrived.syn[r] * decays.syn[r]);
            change += state.syn[r] * self.response[r] + self.gain[r] * current;
            state.syn[r] += state.syn[r] * self.loss[r] + current;
        }
        state.mem += change;
    }
}
