//! How what a linear neuron does depends on its constants.

use super::ModeBank;
use crate::layer::exponentials::{Few, decreasing_difference};
use crate::{ParameterKind, Real};

impl<F: Real> ModeBank<F> {
    /// A constant; `r` counts the receptors.
    pub(in crate::layer) fn constant(&mut self, kind: ParameterKind, r: usize) -> Option<&mut F> {
        match kind {
            ParameterKind::TauMem => Some(&mut self.tau_mem),
            ParameterKind::TauSyn => self.tau_syn.get_mut(r),
            ParameterKind::Threshold => self.threshold.as_mut(),
            ParameterKind::Reset => Some(&mut self.reset),
            ParameterKind::Bias => Some(&mut self.bias),
            ParameterKind::AdaptationJump => self.kick.as_mut(),
            ParameterKind::TauAdaptation => self.tau_syn.last_mut(),
            ParameterKind::ThresholdJump => self.raise.as_mut().map(|raise| &mut raise.jump),
            ParameterKind::TauThreshold => self.raise.as_mut().map(|raise| &mut raise.tau),
            ParameterKind::Refractory => self.refractory.as_mut(),
            ParameterKind::Weight | ParameterKind::Delay | ParameterKind::Custom(_) => None,
        }
    }

    /// The current whose time constant this is.
    pub(crate) fn current(&self, kind: ParameterKind, r: usize) -> Option<usize> {
        match kind {
            ParameterKind::TauSyn => Some(r),
            ParameterKind::TauAdaptation => Some(self.tau_syn.len() - 1),
            _ => None,
        }
    }

    /// The derivative by a constant of what `adjoint` reads at the end of a flow from `state` over `dt`.
    pub(in crate::layer) fn flow_by(
        &self,
        (kind, r): (ParameterKind, usize),
        dt: F,
        state: &[F],
        adjoint: &[F],
    ) -> F {
        if let (ParameterKind::TauThreshold, Some(raise)) = (kind, self.raise) {
            let at = self.raise_at();
            return adjoint[at] * decay_by(state[at], dt, raise.tau);
        }
        let held = self.held(state);
        if held == F::zero() {
            return self.free_flow_by((kind, r), dt, state, adjoint);
        }
        let current = self.current(kind, r);
        let while_held = |time: F, adjoint: &[F]| {
            current.map_or(F::zero(), |r| {
                adjoint[r + 1] * decay_by(state[r + 1], time, self.tau_syn[r])
            })
        };
        let Some((released, left)) = self.released(dt, state) else {
            return while_held(dt, adjoint);
        };
        let mut at_release = Few::from_slice(adjoint);
        self.flow_back(left, &mut at_release);
        self.free_flow_by((kind, r), left, &released, adjoint) + while_held(held, &at_release)
    }

    fn free_flow_by(
        &self,
        (kind, r): (ParameterKind, usize),
        dt: F,
        state: &[F],
        adjoint: &[F],
    ) -> F {
        let a = self.rate_mem();
        let x = a * dt;
        match kind {
            ParameterKind::Bias => -(-x).exp_m1() * adjoint[0],
            ParameterKind::TauMem => {
                // By the rate a. The response to a current of rate b is a dt D(x, y), where D is the
                // decreasing difference and y = b dt.
                let decay = (-x).exp();
                let mut by_rate = (self.bias - state[0]) * dt * decay;
                for (&current, tau) in state[1..].iter().zip(&self.tau_syn) {
                    let y = dt / *tau;
                    let twice = decreasing_difference([x, x, y]);
                    // Two forms of one number; each keeps its digits where it is used.
                    let response = if y < x {
                        decay - y * twice
                    } else {
                        decreasing_difference([x, y]) - x * twice
                    };
                    by_rate += current * dt * response;
                }
                -a * a * by_rate * adjoint[0]
            }
            _ => {
                let Some(r) = self.current(kind, r) else { return F::zero() };
                let (current, b) = (state[r + 1], self.tau_syn[r].recip());
                let response = a * b * b * dt * dt * decreasing_difference([x, b * dt, b * dt]);
                adjoint[r + 1] * decay_by(current, dt, self.tau_syn[r])
                    + adjoint[0] * current * response
            }
        }
    }

    /// The derivative of [`ModeBank::integral`] by a constant.
    pub(in crate::layer) fn integral_by(
        &self,
        (kind, r): (ParameterKind, usize),
        state: &[F],
        dt: F,
        rate: F,
    ) -> F {
        let held = self.held(state);
        if held == F::zero() {
            return self.free_integral_by((kind, r), state, dt, rate);
        }
        let Some((released, left)) = self.released(dt, state) else { return F::zero() };
        let mut later = self.free_integral_by((kind, r), &released, left, rate);
        if let Some(r) = self.current(kind, r) {
            let mut adjoint: Few<F> = released.iter().map(|_| F::zero()).collect();
            self.integral_back(left, rate, F::one(), &mut adjoint);
            later += adjoint[r + 1] * decay_by(state[r + 1], held, self.tau_syn[r]);
        }
        later * (-rate * held).exp()
    }

    fn free_integral_by(
        &self,
        (kind, r): (ParameterKind, usize),
        state: &[F],
        dt: F,
        rate: F,
    ) -> F {
        let a = self.rate_mem();
        let x = (a + rate) * dt;
        let zero = F::zero();
        // The integral of the response to a current of rate b is a dt^2 D(0, x, y) with y = (b + rate) dt.
        match kind {
            ParameterKind::Bias => a * dt * dt * decreasing_difference([zero, x, rate * dt]),
            ParameterKind::TauMem => {
                let mut by_rate = -state[0] * dt * dt * decreasing_difference([zero, x, x]);
                let currents = state[1..].iter().zip(&self.tau_syn).map(|(&i, t)| (i, t.recip()));
                for (current, b) in currents.chain([(self.bias, zero)]) {
                    let y = (b + rate) * dt;
                    let response = decreasing_difference([zero, x, y])
                        - a * dt * decreasing_difference([zero, x, x, y]);
                    by_rate += current * dt * dt * response;
                }
                -a * a * by_rate
            }
            _ => {
                let Some(r) = self.current(kind, r) else { return F::zero() };
                let b = self.tau_syn[r].recip();
                let y = (b + rate) * dt;
                let response = decreasing_difference([zero, x, y, y]);
                state[r + 1] * a * b * b * dt * dt * dt * response
            }
        }
    }

    /// The derivative by a constant of what a spike makes jump, given the adjoint after it.
    pub(crate) fn fire_by(&self, kind: ParameterKind, adjoint: &[F]) -> F {
        match kind {
            ParameterKind::Reset => adjoint[0],
            ParameterKind::AdaptationJump => adjoint[self.tau_syn.len()],
            ParameterKind::ThresholdJump => adjoint[self.raise_at()],
            ParameterKind::Refractory => self.hold_at().map_or(F::zero(), |at| adjoint[at]),
            _ => F::zero(),
        }
    }

    /// The derivative by a constant of when a spike occurs, given the adjoint before it. V falls to the
    /// reset wherever the threshold is, so p_V before a spike only tells how that moves with V.
    pub(crate) fn cross_by(&self, kind: ParameterKind, adjoint: &[F]) -> F {
        if kind == ParameterKind::Threshold { -adjoint[0] } else { F::zero() }
    }
}

/// The derivative of i exp(-dt / tau) by tau.
fn decay_by<F: Real>(i: F, dt: F, tau: F) -> F {
    i * (-dt / tau).exp() * dt / (tau * tau)
}
