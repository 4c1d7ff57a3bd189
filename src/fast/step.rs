//! A neuron through a whole bucket at once.

use super::grid::{Grid, gain};
use super::inbox::Bucket;
use super::walk::State;
use crate::Real;
use crate::layer::ModeBank;

/// Constants of a layer's neurons over a whole bucket.
pub(super) struct Step<F, const R: usize> {
    decay_mem: F,
    decay: [F; R],
    response: [F; R],
    gain: [F; R],
    /// width / tau_mem.
    rate: F,
    /// Slightly below the threshold.
    limit: F,
}

impl<F: Real, const R: usize> Step<F, R> {
    pub fn new(bank: &ModeBank<F>, grid: &Grid) -> Self {
        let mut decay = [F::zero(); R];
        let mut response = [F::zero(); R];
        let decay_mem = bank.propagator(F::of(grid.width), |r, d, v| {
            decay[r] = d;
            response[r] = v;
        });
        let mut gains = [F::zero(); R];
        for (r, g) in gains.iter_mut().enumerate().take(bank.tau_syn().len()) {
            *g = gain(bank, r);
        }
        let threshold = bank.threshold().unwrap_or(F::infinity());
        let limit = threshold * (F::one() - F::of(8.0) * F::epsilon());
        let rate = F::of(grid.width) / bank.tau_mem();
        Self { decay_mem, decay, response, gain: gains, rate, limit }
    }

    /// Whether a neuron may fire in a bucket, or is no longer a number. `rise` is no less than all
    /// positive weights that arrive: V' <= (drive - V) / tau_mem, with all that excites arriving at once.
    #[inline]
    pub fn may_fire(&self, state: &State<F>, rise: F) -> bool {
        let currents = &state[1..=R];
        let drive = currents.iter().fold(rise, |sum, &i| sum + i.max(F::zero()));
        let most = state[0] + (drive - state[0]).max(F::zero()) * self.rate;
        most >= self.limit || most.is_nan() || !state[0].is_finite()
    }

    /// Takes a state through a bucket without spikes.
    #[inline]
    pub fn take(&self, bucket: &Bucket<F, R>, state: &mut State<F>) {
        let mut next = (state[0] + bucket.mem) * self.decay_mem;
        for (r, current) in state[1..=R].iter_mut().enumerate() {
            let arrived = bucket.syn[r] * self.decay[r];
            next += *current * self.response[r] + self.gain[r] * arrived;
            *current = *current * self.decay[r] + arrived;
        }
        state[0] = next;
    }
}
