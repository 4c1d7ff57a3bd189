//! The state of a linear neuron: a membrane driven by exponential currents.

mod adjoint;
mod constants;
mod crossing;

use super::exponentials::{Few, decay_and_difference, decay_integral, difference_integral, exp};
use crate::Real;

/// The constants of one linear neuron: tau_mem V' = -V + sum_r I_r + bias, tau_r I_r' = -I_r.
///
/// An arrival at receptor r adds its weight to I_r. If V reaches `threshold` with a positive slope
/// the neuron fires and V falls to `reset`; the currents go on. Without threshold it is a leaky
/// integrator. This is the model of Wunderlich and Pehle (2021, Table 1) with any number of receptors,
/// and with what [`Lif`](crate::Lif) adds.
///
/// The state is `[V, I_0, I_1, ...]`, followed, where the neuron has them, by the current of
/// adaptation (one more I), by how much the threshold is raised, and by how long V is still held at
/// the reset. V and the currents are the neuron's exponential modes in a basis that stays well
/// conditioned for equal and nearly equal constants.
#[derive(Debug, Clone, PartialEq)]
pub struct ModeBank<F = f64> {
    pub(super) tau_mem: F,
    /// The time constant of each current; that of adaptation, if there is one, comes last.
    pub(super) tau_syn: Few<F>,
    pub(super) threshold: Option<F>,
    pub(super) reset: F,
    pub(crate) bias: F,
    /// What a spike adds to the last current.
    pub(super) kick: Option<F>,
    /// What a spike adds to the threshold, and the time constant with which that decays.
    pub(super) raise: Option<Raise<F>>,
    /// How long V is held at the reset after a spike.
    pub(super) refractory: Option<F>,
}

/// A threshold that a spike raises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Raise<F> {
    pub jump: F,
    pub tau: F,
}

impl<F: Real> ModeBank<F> {
    /// A bank with membrane time constant `tau_mem` and one receptor per entry of `tau_syn` (ms).
    /// Without `threshold` it never fires. Values are checked when a network is built.
    pub fn new(tau_mem: F, tau_syn: Vec<F>, threshold: Option<F>, reset: F) -> Self {
        Self {
            tau_mem,
            tau_syn: tau_syn.into(),
            threshold,
            reset,
            bias: F::zero(),
            kick: None,
            raise: None,
            refractory: None,
        }
    }

    /// The membrane time constant in ms.
    pub fn tau_mem(&self) -> F {
        self.tau_mem
    }

    /// The time constant of each current in ms.
    pub fn tau_syn(&self) -> &[F] {
        &self.tau_syn
    }

    /// The threshold, if the neuron fires at all.
    pub fn threshold(&self) -> Option<F> {
        self.threshold
    }

    /// The value that V is reset to by a spike.
    pub fn reset(&self) -> F {
        self.reset
    }

    /// Whether there is nothing to it but a membrane, receptors, a threshold and a reset.
    pub(crate) fn is_plain(&self) -> bool {
        let Self { bias, kick, raise, refractory, .. } = self;
        *bias == F::zero() && kick.is_none() && raise.is_none() && refractory.is_none()
    }

    pub(crate) fn state_len(&self) -> usize {
        let more = usize::from(self.raise.is_some()) + usize::from(self.refractory.is_some());
        1 + self.tau_syn.len() + more
    }

    pub(crate) fn rate_mem(&self) -> F {
        self.tau_mem.recip()
    }

    /// Where the raise of the threshold is in the state.
    pub(crate) fn raise_at(&self) -> usize {
        1 + self.tau_syn.len()
    }

    /// How much the threshold is raised.
    pub(super) fn raised(&self, state: &[F]) -> F {
        if self.raise.is_some() { state[self.raise_at()] } else { F::zero() }
    }

    /// Where the time for which V is still held is in the state.
    pub(crate) fn hold_at(&self) -> Option<usize> {
        self.refractory.map(|_| self.state_len() - 1)
    }

    /// The same, if the threshold can be raised.
    pub(crate) fn raise_place(&self) -> Option<usize> {
        self.raise.map(|_| self.raise_at())
    }

    /// The share of a raise that is left after `dt`.
    pub(crate) fn raise_decay(&self, dt: F) -> F {
        self.raise.map_or(F::one(), |raise| (-dt / raise.tau).exp())
    }

    /// What a spike adds to the threshold.
    pub(crate) fn jump(&self) -> F {
        self.raise.map_or(F::zero(), |raise| raise.jump)
    }

    /// What a spike adds to the last current.
    pub(crate) fn kick(&self) -> F {
        self.kick.unwrap_or(F::zero())
    }

    /// The time constant of the raise.
    pub(crate) fn tau_raise(&self) -> F {
        self.raise.map_or(F::one(), |raise| raise.tau)
    }

    /// For how long a spike holds V, if it does at all.
    pub(crate) fn rest(&self) -> Option<F> {
        self.refractory.filter(|&time| time > F::zero())
    }

    /// V' when V is released, if that is within `dt`.
    pub(crate) fn release(&self, dt: F, state: &[F]) -> Option<F> {
        let held = self.held(state);
        (held > F::zero() && held <= dt).then(|| {
            let state = self.at_release(state);
            (self.drive(&state) - state[0]) * self.rate_mem()
        })
    }

    /// The state just before a spike as far as the way back asks: how fast V nears the threshold, and by how
    /// much that is raised, tell what drives V.
    pub(crate) fn before_spike(&self, approach: F, raise: F) -> Few<F> {
        let mut state = Few::from_elem(F::zero(), self.state_len());
        state[0] = self.threshold.unwrap_or(F::zero()) + raise;
        let falls = self.raise.map_or(F::zero(), |r| raise / r.tau);
        state[1] = state[0] + (approach - falls) * self.tau_mem - self.bias;
        if self.raise.is_some() {
            state[self.raise_at()] = raise;
        }
        state
    }

    /// For how long V is still held.
    pub(super) fn held(&self, state: &[F]) -> F {
        self.hold_at().map_or(F::zero(), |at| state[at])
    }

    /// Lets `dt` ms pass during which V is held.
    pub(super) fn hold(&self, dt: F, state: &mut [F]) {
        for (current, &tau) in state[1..].iter_mut().zip(&self.tau_syn) {
            *current *= (-dt / tau).exp();
        }
        if let Some(raise) = self.raise {
            state[self.raise_at()] *= (-dt / raise.tau).exp();
        }
        if let Some(at) = self.hold_at() {
            state[at] -= dt;
        }
    }

    /// The state when V is released.
    fn at_release(&self, state: &[F]) -> Few<F> {
        let mut released = Few::from_slice(state);
        self.hold(self.held(state), &mut released);
        released
    }

    /// The state when V is released, if that leaves any time of `dt`, and the time left.
    pub(super) fn released(&self, dt: F, state: &[F]) -> Option<(Few<F>, F)> {
        let held = self.held(state);
        (held < dt).then(|| (self.at_release(state), dt - held))
    }

    /// Calls `f(r, decay of I_r, response of V to I_r)` for every current; returns the decay of V.
    pub(crate) fn propagator(&self, dt: F, mut f: impl FnMut(usize, F, F)) -> F {
        let rate_mem = self.rate_mem();
        let decay_mem = exp(-rate_mem * dt);
        for (r, tau) in self.tau_syn.iter().enumerate() {
            let (decay, difference) = decay_and_difference(rate_mem, tau.recip(), dt, decay_mem);
            f(r, decay, rate_mem * difference);
        }
        decay_mem
    }

    /// What the bias adds to V within `dt`.
    pub(crate) fn bias_gain(&self, dt: F) -> F {
        if self.bias == F::zero() {
            return F::zero();
        }
        -self.bias * (-self.rate_mem() * dt).exp_m1()
    }

    pub(crate) fn flow(&self, dt: F, state: &mut [F]) {
        let held = self.held(state);
        if held == F::zero() {
            return self.free_flow(dt, state);
        }
        self.hold(held.min(dt), state);
        if held < dt {
            self.free_flow(dt - held, state);
        }
    }

    fn free_flow(&self, dt: F, state: &mut [F]) {
        let (v, currents) = state.split_at_mut(1);
        let mut gain = self.bias_gain(dt);
        let decay_mem = self.propagator(dt, |r, decay, response| {
            gain += currents[r] * response;
            currents[r] *= decay;
        });
        v[0] = v[0] * decay_mem + gain;
        if let Some(raise) = self.raise {
            state[self.raise_at()] *= (-dt / raise.tau).exp();
        }
    }

    /// V and V' after `dt` without hold.
    fn peek(&self, state: &[F], dt: F) -> (F, F) {
        let (mut gain, mut drive) = (self.bias_gain(dt), self.bias);
        let decay_mem = self.propagator(dt, |r, decay, response| {
            gain += state[r + 1] * response;
            drive += state[r + 1] * decay;
        });
        let v = state[0] * decay_mem + gain;
        (v, (drive - v) * self.rate_mem())
    }

    /// The sum of the currents and of the bias.
    pub(super) fn drive(&self, state: &[F]) -> F {
        state[1..=self.tau_syn.len()].iter().copied().sum::<F>() + self.bias
    }

    pub(crate) fn slope(&self, state: &[F]) -> F {
        if self.held(state) > F::zero() {
            return F::zero();
        }
        (self.drive(state) - state[0]) * self.rate_mem()
    }

    /// How fast V nears the threshold.
    pub(crate) fn approach(&self, state: &[F]) -> F {
        self.slope(state) + self.falls(state)
    }

    /// How fast a raised threshold falls.
    fn falls(&self, state: &[F]) -> F {
        self.raise.map_or(F::zero(), |raise| self.raised(state) / raise.tau)
    }

    /// int_0^dt V exp(-rate s) ds.
    pub(crate) fn integral(&self, state: &[F], dt: F, rate: F) -> F {
        let held = self.held(state);
        if held > F::zero() {
            let while_held = state[0] * decay_integral(rate, held.min(dt));
            let later = self
                .released(dt, state)
                .map(|(state, left)| (-rate * held).exp() * self.integral(&state, left, rate));
            return while_held + later.unwrap_or(F::zero());
        }
        let mut sum = state[0] * decay_integral(self.rate_mem() + rate, dt);
        self.response_integrals(dt, rate, |r, response| sum += state[r + 1] * response);
        if self.bias != F::zero() {
            let rate_mem = self.rate_mem();
            let difference = decay_integral(rate_mem, dt);
            let response = difference_integral(rate_mem, F::zero(), rate, dt, difference);
            sum += self.bias * rate_mem * response;
        }
        sum
    }

    /// Calls `f(r, int_0^dt exp(-rate s) (response of V to I_r) ds)` for every current.
    fn response_integrals(&self, dt: F, rate: F, mut f: impl FnMut(usize, F)) {
        let rate_mem = self.rate_mem();
        self.propagator(dt, |r, _, response| {
            let (rate_syn, difference) = (self.tau_syn[r].recip(), response / rate_mem);
            let integral = difference_integral(rate_mem, rate_syn, rate, dt, difference);
            f(r, rate_mem * integral);
        });
    }

    pub(crate) fn fire(&self, state: &mut [F]) {
        if self.threshold.is_none() {
            return;
        }
        // Exactly at threshold: for a plain neuron this is the constant jump V -= threshold - reset.
        state[0] = self.reset;
        if let Some(kick) = self.kick {
            state[self.tau_syn.len()] += kick;
        }
        if let Some(raise) = self.raise {
            state[self.raise_at()] += raise.jump;
        }
        if let (Some(at), Some(refractory)) = (self.hold_at(), self.refractory) {
            // Forever is a number here: states are finite.
            state[at] = refractory.min(F::max_value());
        }
    }
}

#[cfg(test)]
mod tests;
