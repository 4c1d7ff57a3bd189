//! The transposes of what a linear neuron does.

use super::ModeBank;
use crate::Real;
use crate::layer::ArrivalGradient;
use crate::layer::exponentials::{Few, decay_integral};
use smallvec::smallvec;

impl<F: Real> ModeBank<F> {
    /// Adds `gradient` times the derivative of the integral without hold by V and the currents.
    pub(crate) fn integral_back(&self, dt: F, rate: F, gradient: F, adjoint: &mut [F]) {
        self.response_integrals(dt, rate, |r, response| adjoint[r + 1] += gradient * response);
        adjoint[0] += gradient * decay_integral(self.rate_mem() + rate, dt);
    }

    /// Adds `gradient` times the derivative of [`ModeBank::integral`] by the state.
    pub(in crate::layer) fn integral_back_from(
        &self,
        state: &[F],
        dt: F,
        rate: F,
        gradient: F,
        adjoint: &mut [F],
    ) {
        let held = self.held(state);
        if held == F::zero() {
            return self.integral_back(dt, rate, gradient, adjoint);
        }
        adjoint[0] += gradient * decay_integral(rate, held.min(dt));
        if let Some((released, left)) = self.released(dt, state) {
            let mut later: Few<F> = smallvec![F::zero(); adjoint.len()];
            self.integral_back(left, rate, gradient * (-rate * held).exp(), &mut later);
            self.hold_back(held, &released, &mut later);
            adjoint.iter_mut().zip(later).for_each(|(p, more)| *p += more);
        }
    }

    /// The transpose of [`ModeBank::flow`] without hold, of V and the currents.
    pub(crate) fn flow_back(&self, dt: F, adjoint: &mut [F]) {
        let (v, currents) = adjoint.split_at_mut(1);
        let decay_mem = self.propagator(dt, |r, decay, response| {
            currents[r] = currents[r] * decay + v[0] * response;
        });
        v[0] *= decay_mem;
    }

    /// The transpose of [`ModeBank::flow`].
    pub(in crate::layer) fn flow_back_from(&self, state: &[F], dt: F, adjoint: &mut [F]) {
        let held = self.held(state);
        if held < dt {
            self.flow_back(dt - held, adjoint);
            if let Some(raise) = self.raise {
                adjoint[self.raise_at()] *= (-(dt - held) / raise.tau).exp();
            }
        }
        if held == F::zero() {
            return;
        }
        if held > dt {
            return self.decay_back(dt, adjoint);
        }
        // Also if V is released at the very end: what comes then moves with it.
        self.hold_back(held, &self.at_release(state), adjoint);
    }

    /// Takes the adjoint from the release of V, whose state this is, back by `held`.
    fn hold_back(&self, held: F, released: &[F], adjoint: &mut [F]) {
        if let Some(at) = self.hold_at() {
            // A later release takes from V what it would have gained.
            adjoint[at] = -adjoint[0] * (self.drive(released) - released[0]) * self.rate_mem();
        }
        self.decay_back(held, adjoint);
    }

    /// The transpose of [`ModeBank::hold`].
    fn decay_back(&self, dt: F, adjoint: &mut [F]) {
        for (p, &tau) in adjoint[1..].iter_mut().zip(&self.tau_syn) {
            *p *= (-dt / tau).exp();
        }
        if let Some(raise) = self.raise {
            adjoint[self.raise_at()] *= (-dt / raise.tau).exp();
        }
    }

    /// dL/dw = p_r and dL/dt of the arrival = w (p_r / tau_r - p_V / tau_mem); while V is held the
    /// current does not move it.
    pub(in crate::layer) fn receive_back(
        &self,
        receptor: usize,
        weight: F,
        state: &[F],
        adjoint: &[F],
    ) -> ArrivalGradient<F> {
        let p = adjoint[receptor + 1];
        let free = self.held(state) == F::zero();
        let gain = if free { adjoint[0] * self.rate_mem() } else { F::zero() };
        ArrivalGradient { weight: p, time: weight * (p / self.tau_syn[receptor] - gain) }
    }

    /// The rank-one update p -= e_V K / V' of a plain neuron, where K adds to the given gradient by the
    /// spike's time what the jump itself contributes.
    pub(crate) fn fire_back(&self, slope: F, time_gradient: F, adjoint: &mut [F]) {
        if let Some(threshold) = self.threshold {
            let jump = self.reset - threshold;
            let total = time_gradient + adjoint[0] * jump * self.rate_mem();
            adjoint[0] -= total / slope;
        }
    }

    /// The same for any neuron; `state` is the one before the spike, `slope` how fast V neared the
    /// threshold, or what a limiter puts in its place.
    ///
    /// What jumps by a constant keeps its p, and contributes p times the change of its slope. V is set: its p counts through
    /// the slope that V has then, and is left over unless K has it times the slope before.
    pub(crate) fn fire_back_from(
        &self,
        state: &[F],
        slope: F,
        time_gradient: F,
        adjoint: &mut [F],
    ) {
        if self.is_plain() {
            return self.fire_back(slope, time_gradient, adjoint);
        }
        let mut total = time_gradient;
        if let (Some(kick), Some(&tau)) = (self.kick, self.tau_syn.last()) {
            total += adjoint[self.tau_syn.len()] * kick / tau;
        }
        if let Some(raise) = self.raise {
            total += adjoint[self.raise_at()] * raise.jump / raise.tau;
        }
        match self.hold_at().filter(|_| self.refractory > Some(F::zero())) {
            // V waits, and the time for which it is held runs down.
            Some(at) => {
                total += std::mem::take(&mut adjoint[at]) + adjoint[0] * self.approach(state);
            }
            // How fast V nears the threshold, less the slope of V after: what drives V in both is not in it.
            None => {
                let jump = self.reset - state[0] - self.kick();
                total += adjoint[0] * (jump * self.rate_mem() + self.falls(state));
            }
        }
        adjoint[0] -= total / slope;
        if self.raise.is_some() {
            // The threshold takes the time from V.
            adjoint[self.raise_at()] -= adjoint[0];
        }
    }
}
