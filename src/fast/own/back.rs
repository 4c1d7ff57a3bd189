//! The adjoint of such neurons, and what gradients by their constants need.

use super::Own;
use crate::fast::plan::Pair;
use crate::layer::{ModeBank, decreasing_difference};
use crate::{ParameterKind, Real};

impl<F: Real> Own<F> {
    /// Takes the adjoint back through a bucket without spikes and releases.
    #[inline]
    pub fn take_back<const R: usize, const K: usize>(
        &self,
        adjoint: &mut Back<F, R, K>,
        (raise, sums): (&mut F, &mut Sums<F, R>),
    ) {
        if K > 1 {
            sums.integrate(adjoint, self.integrals);
        }
        adjoint
            .pass(self.width, self.decay_mem, |r| (self.decay[r], self.response[r], self.lags[r]));
        *raise *= self.decay_raise;
    }

    /// The same over another time, but for the raise.
    pub fn flow_back<const R: usize, const K: usize>(
        &self,
        dt: F,
        adjoint: &mut Back<F, R, K>,
        sums: &mut Sums<F, R>,
    ) {
        if K > 1 {
            sums.integrate(adjoint, integrals(self.rate_mem * dt, dt));
        }
        let decay_mem = (-self.rate_mem * dt).exp();
        adjoint.pass(dt, decay_mem, |r| {
            if r >= self.currents {
                return (F::zero(), F::zero(), (F::zero(), F::zero()));
            }
            let (_, decay, response) = self.after(r, dt);
            let lags = if K > 1 { self.lags_after(r, dt) } else { (F::zero(), F::zero()) };
            (decay, response, lags)
        });
    }

    /// What [`Back::earlier`] asks for.
    pub fn lags_after(&self, receptor: usize, dt: F) -> (F, F) {
        lags(self.rate_mem, self.rate_syn[receptor], dt)
    }
}

/// The adjoint of a neuron, and if `K` is 3 what its constants need.
///
/// dL/d tau_mem is -int p_V (drive - V) dt / tau_mem^2 and dL/d tau_r is int p_r I_r dt / tau_r^2. Both
/// integrals are linear in V and the currents, so a unit that arrives adds to them what can be told on the way
/// back: for the first one W if it arrives in V and X_r in a current, for the second Q_r:
///
/// ```text
/// -W' = -W / tau_mem - p_V      -X_r' = -X_r / tau_r + W / tau_mem + p_V      -Q_r' = -Q_r / tau_r + p_r
/// ```
#[derive(Debug, Clone, Copy)]
pub(in crate::fast) struct Back<F, const R: usize, const K: usize>(
    /// p; W and all X_r; and all Q_r.
    pub [Pair<F, R>; K],
);

impl<F: Real, const R: usize, const K: usize> Back<F, R, K> {
    pub fn zero() -> Self {
        Self([Pair::zero(); K])
    }

    /// p_V and p_r.
    #[inline]
    pub fn p(&self) -> &Pair<F, R> {
        &self.0[0]
    }

    /// Of a current p_r, X_r and Q_r a time earlier, given its decay, the response of V, and the same two with a
    /// lag.
    #[inline]
    pub fn earlier(&self, r: usize, dt: F, (decay, response, lags): (F, F, (F, F))) -> (F, F, F) {
        let (p_v, p_r) = (self.0[0].mem, self.0[0].syn[r]);
        let p = p_r * decay + p_v * response;
        if K == 1 {
            return (p, F::zero(), F::zero());
        }
        let x = self.0[1].syn[r] * decay + self.0[1].mem * response + p_v * lags.0;
        let late = self.0[2].syn[r] + dt * p_r;
        (p, x, late * decay + p_v * lags.1)
    }

    /// Back over a time, given the decay of V and what [`Back::earlier`] asks for of each current.
    #[inline]
    fn pass(&mut self, dt: F, decay_mem: F, of: impl Fn(usize) -> (F, F, (F, F))) {
        for r in 0..R {
            let (p, x, q) = self.earlier(r, dt, of(r));
            self.0[0].syn[r] = p;
            if K > 1 {
                (self.0[1].syn[r], self.0[2].syn[r]) = (x, q);
            }
        }
        let p_v = self.0[0].mem;
        if K > 1 {
            self.0[1].mem = (self.0[1].mem - dt * p_v) * decay_mem;
        }
        self.0[0].mem = p_v * decay_mem;
    }
}

/// What X_r and Q_r gain from a p_V of 1 within a time.
pub(super) fn lags<F: Real>(rate_mem: F, rate_syn: F, dt: F) -> (F, F) {
    let (x, y) = (rate_mem * dt, rate_syn * dt);
    let first = decreasing_difference([x, y]) - x * decreasing_difference([x, x, y]);
    (dt * first, x * dt * decreasing_difference([x, y, y]))
}

/// The integrals of exp(-t / tau_mem) and of t exp(-t / tau_mem).
pub(super) fn integrals<F: Real>(x: F, dt: F) -> (F, F) {
    let zero = F::zero();
    (dt * decreasing_difference([zero, x]), dt * dt * decreasing_difference([zero, x, x]))
}

/// The integrals that gradients by constants of a neuron consist of.
#[derive(Debug, Clone, Copy)]
pub(in crate::fast) struct Sums<F, const R: usize> {
    /// Of p_V (drive - V) without the bias, and of each p_r I_r.
    pub parts: Pair<F, R>,
    /// Of p_V and W where V is free.
    pub free: (F, F),
}

impl<F: Real, const R: usize> Sums<F, R> {
    pub fn zero() -> Self {
        Self { parts: Pair::zero(), free: (F::zero(), F::zero()) }
    }

    fn integrate<const K: usize>(&mut self, end: &Back<F, R, K>, (first, second): (F, F)) {
        let (p_v, w) = (end.0[0].mem, end.0[1].mem);
        self.free.0 += p_v * first;
        self.free.1 += w * first - p_v * second;
    }

    /// dL/d of a constant, but for what spikes add.
    pub fn by(&self, bank: &ModeBank<F>, constant: (ParameterKind, usize)) -> F {
        let a = bank.rate_mem();
        match constant.0 {
            ParameterKind::Bias => a * self.free.0,
            ParameterKind::TauMem => {
                -a * a * (self.parts.mem + bank.bias * (self.free.0 + a * self.free.1))
            }
            _ => bank.current(constant.0, constant.1).map_or(F::zero(), |r| {
                let tau = bank.tau_syn()[r];
                self.parts.syn[r] / (tau * tau)
            }),
        }
    }
}
