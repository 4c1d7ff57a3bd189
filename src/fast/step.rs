//! Steps of neurons that share their constants through buckets in which they do not fire.

use super::grid::{gain, loss_of};
use super::plan::{Modes, Pair, State};
use super::walk::MOST_RECEPTORS;
use crate::Real;
use crate::layer::ModeBank;

/// What takes a neuron through a bucket.
#[derive(Debug)]
pub(super) struct Step<F> {
    /// What V loses of itself over a bucket, negated, and of each current its loss and the response of V. Decays are
    /// near 1, and their rounding would have the same sign in every bucket.
    loss_mem: F,
    loss: [F; MOST_RECEPTORS],
    response: [F; MOST_RECEPTORS],
    gain: [F; MOST_RECEPTORS],
    /// width / tau_mem.
    rate: F,
    /// Slightly below the threshold.
    limit: F,
}

impl<F: Real> Step<F> {
    /// Through a bucket of some width in ms.
    pub fn new(bank: &ModeBank<F>, width: f64) -> Self {
        let mut loss = [F::zero(); MOST_RECEPTORS];
        let (mut response, mut gains) = (loss, loss);
        bank.propagator(F::of(width), |r, _, v| {
            loss[r] = loss_of(width, bank.tau_syn()[r]);
            response[r] = v;
            gains[r] = gain(bank, r);
        });
        let threshold = bank.threshold().unwrap_or(F::infinity());
        Self {
            loss_mem: loss_of(width, bank.tau_mem()),
            loss,
            response,
            gain: gains,
            rate: F::of(width) / bank.tau_mem(),
            limit: threshold * (F::one() - F::of(8.0) * F::epsilon()),
        }
    }

    /// Whether a neuron may fire in a bucket, or is no longer a number: V' <= (drive - V) / tau_mem, with all that
    /// excites arriving at once. That adds no more than `rise` to the currents.
    #[inline]
    pub fn may_fire<const R: usize>(&self, state: &State<F, R>, rise: [F; R]) -> bool {
        let mut drive = F::zero();
        for (current, rise) in state.syn.iter().zip(rise) {
            drive += current.max(F::zero()) + rise;
        }
        let most = state.mem + (drive - state.mem).max(F::zero()) * self.rate;
        // Nothing that is not a number stays below: no V but a finite one leads to a finite bound.
        let stays_below = most < self.limit;
        !stays_below
    }

    /// Whether a neuron cannot fire as long as nothing arrives, whatever the width: V never exceeds the drive unless it falls,
    /// and the drive is no more than what excites now.
    pub fn stays_below<const R: usize>(&self, state: &State<F, R>) -> bool {
        let drive: F = state.syn.iter().map(|current| current.max(F::zero())).sum();
        // Nothing that is not a number stays below.
        state.mem < self.limit && drive < self.limit && state.is_finite()
    }

    /// Takes a state through a bucket, given the modes of what arrives in it at its end.
    #[inline]
    pub fn take<const R: usize>(&self, arrived: &Modes<F, R>, state: &mut State<F, R>) {
        let Pair { mem, syn } = *arrived;
        let mut change = state.mem * self.loss_mem + mem;
        for (r, (current, arrived)) in state.syn.iter_mut().zip(syn).enumerate() {
            change += *current * self.response[r] + self.gain[r] * arrived;
            *current += *current * self.loss[r] + arrived;
        }
        state.mem += change;
    }
}
