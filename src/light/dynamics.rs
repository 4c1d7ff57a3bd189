//! A linear neuron between its events.

use super::State;
use crate::Real;
use crate::layer::ModeBank;
use smallvec::{SmallVec, smallvec};

/// What the forward pass asks of a neuron.
pub(super) trait Neuron<F> {
    /// V and what else changes.
    type State;

    /// The state at the start of a trial.
    fn rest(&self) -> Self::State;

    /// The time to the next spike, at most `horizon`.
    fn next_spike(&self, state: &Self::State, horizon: F) -> Option<F>;

    /// Lets time pass without events.
    fn pass(&self, dt: F, state: &mut Self::State);

    /// Something arrives; whether the state is still one of numbers.
    fn receive(&self, receptor: usize, weight: F, state: &mut Self::State) -> bool;

    /// The neuron fires after `dt`; how fast it neared the threshold.
    fn fire(&self, dt: F, state: &mut Self::State) -> F;
}

/// Any linear neuron.
impl<F: Real> Neuron<F> for &ModeBank<F> {
    type State = SmallVec<[F; 8]>;

    fn rest(&self) -> Self::State {
        smallvec![F::zero(); self.state_len()]
    }
    fn next_spike(&self, state: &Self::State, horizon: F) -> Option<F> {
        ModeBank::next_spike(self, state, horizon)
    }
    fn pass(&self, dt: F, state: &mut Self::State) {
        self.flow(dt, state);
    }
    fn receive(&self, receptor: usize, weight: F, state: &mut Self::State) -> bool {
        state[receptor + 1] += weight;
        state.iter().all(|x| x.is_finite())
    }
    fn fire(&self, dt: F, state: &mut Self::State) -> F {
        self.flow(dt, state);
        let slope = self.approach(state);
        ModeBank::fire(self, state);
        slope
    }
}

/// Up to this product of the distance of two rates and a time, the difference of their exponentials is
/// taken without cancellation. Above it a few units in the last place are lost at most.
const NEAR: f64 = 1.0 / 32.0;

/// A [`ModeBank`] with `R` receptors and nothing beyond LIF, and what follows from its constants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dynamics<'a, F, const R: usize> {
    pub bank: &'a ModeBank<F>,
    pub threshold: F,
    pub rate_mem: F,
    pub receptors: [Receptor<F>; R],
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Receptor<F> {
    pub rate: F,
    /// By how much that exceeds the membrane's rate.
    gap: F,
    /// What a unit current adds to its own mode of V, negated.
    gain: F,
    /// The most that V rises from rest by a unit current.
    pub peak: F,
}

impl<F: Real> Receptor<F> {
    fn new(tau_mem: F, tau: F) -> Self {
        let (rate_mem, rate) = (tau_mem.recip(), tau.recip());
        // With q = tau / tau_mem, the response is greatest where it is q^(1 / (1 - q)).
        let excess = (tau - tau_mem) / tau_mem;
        let exponent = if excess == F::zero() {
            F::one()
        } else if excess < F::of(-0.5) {
            // Near -1 the excess has lost what q is.
            (tau / tau_mem).ln() / excess
        } else {
            excess.ln_1p() / excess
        };
        let gap = rate - rate_mem;
        Self { rate, gap, gain: rate_mem / gap, peak: (-exponent).exp() }
    }
}

impl<'a, F: Real, const R: usize> Dynamics<'a, F, R> {
    /// For a bank with this many receptors.
    pub fn new(bank: &'a ModeBank<F>) -> Self {
        let receptor = |r| Receptor::new(bank.tau_mem(), bank.tau_syn()[r]);
        let threshold = bank.threshold().unwrap_or(F::infinity());
        let receptors = std::array::from_fn(receptor);
        Self { bank, threshold, rate_mem: bank.tau_mem().recip(), receptors }
    }

    /// Calls `f(r, decay of I_r, response of V to I_r)` for every receptor; returns the decay of V.
    #[inline(always)]
    fn propagator(&self, dt: F, mut f: impl FnMut(usize, F, F)) -> F {
        let decay_mem = (-self.rate_mem * dt).exp();
        for (r, receptor) in self.receptors.iter().enumerate() {
            let x = receptor.gap * dt;
            if x.abs() > F::of(NEAR) {
                let decay = (-receptor.rate * dt).exp();
                f(r, decay, receptor.gain * (decay_mem - decay));
            } else {
                let change = (-x).exp_m1();
                let difference =
                    if receptor.gap == F::zero() { dt } else { -change / receptor.gap };
                f(r, decay_mem * (F::one() + change), self.rate_mem * decay_mem * difference);
            }
        }
        decay_mem
    }

    /// The state after `dt`.
    #[inline]
    pub fn flow(&self, dt: F, state: &State<F>) -> State<F> {
        let mut after = *state;
        let mut v = F::zero();
        let decay_mem = self.propagator(dt, |r, decay, response| {
            v += state[r + 1] * response;
            after[r + 1] *= decay;
        });
        after[0] = v + state[0] * decay_mem;
        after
    }

    /// The transpose of [`Dynamics::flow`].
    #[inline]
    pub fn flow_back(&self, dt: F, adjoint: &mut State<F>) {
        let v = adjoint[0];
        let decay_mem = self.propagator(dt, |r, decay, response| {
            adjoint[r + 1] = adjoint[r + 1] * decay + v * response;
        });
        adjoint[0] = v * decay_mem;
    }

    /// The neuron fires after `dt`: the currents go on, V is reset.
    #[inline]
    pub fn reset_after(&self, dt: F, state: &mut State<F>) {
        for (current, receptor) in state[1..].iter_mut().zip(&self.receptors) {
            *current *= (-receptor.rate * dt).exp();
        }
        state[0] = self.bank.reset();
    }

    /// The sum of the currents.
    #[inline]
    pub fn drive(&self, state: &State<F>) -> F {
        state[1..=R].iter().copied().sum()
    }
}

impl<F: Real, const R: usize> Neuron<F> for Dynamics<'_, F, R> {
    type State = State<F>;

    fn rest(&self) -> State<F> {
        super::rest()
    }
    #[inline]
    fn next_spike(&self, state: &State<F>, horizon: F) -> Option<F> {
        self.crossing(state, self.threshold, horizon)
    }
    #[inline]
    fn pass(&self, dt: F, state: &mut State<F>) {
        // Before the first arrival the neuron is at rest.
        if state[..=R].iter().any(|x| *x != F::zero()) {
            *state = self.flow(dt, state);
        }
    }
    #[inline]
    fn receive(&self, receptor: usize, weight: F, state: &mut State<F>) -> bool {
        state[receptor + 1] += weight;
        state[..=R].iter().all(|x| x.is_finite())
    }
    #[inline]
    fn fire(&self, dt: F, state: &mut State<F>) -> F {
        self.reset_after(dt, state);
        (self.drive(state) - self.threshold) * self.rate_mem
    }
}
