//! The state of a linear neuron: a membrane driven by exponential currents.

use super::exponentials::{
    Few, Term, ascending_root, decay_and_difference, decay_integral, difference_integral,
    sign_changes,
};
use super::{ArrivalGradient, LayerError};
use crate::Real;
use smallvec::smallvec;

/// The constants of a linear neuron: tau_mem V' = -V + sum_r I_r, tau_r I_r' = -I_r.
///
/// An arrival at receptor r adds its weight to I_r. If V reaches `threshold` with a positive slope
/// the neuron fires and V falls to `reset`; the currents go on. Without threshold it is a leaky
/// integrator. This is the model of Wunderlich and Pehle (2021, Table 1) with any number of receptors.
///
/// The state is `[V, I_0, I_1, ...]`. These are the neuron's exponential modes in a basis that
/// stays well conditioned for equal and nearly equal constants.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ModeBank<F = f64> {
    pub(super) tau_mem: F,
    /// The time constant of each receptor.
    pub(super) tau_syn: Vec<F>,
    pub(super) threshold: Option<F>,
    pub(super) reset: F,
}

impl<F: Real> ModeBank<F> {
    /// A bank with membrane time constant `tau_mem` and one receptor per entry of `tau_syn` (ms).
    /// Without `threshold` it never fires. Values are checked when a network is built.
    pub fn new(tau_mem: F, tau_syn: Vec<F>, threshold: Option<F>, reset: F) -> Self {
        Self { tau_mem, tau_syn, threshold, reset }
    }

    /// The membrane time constant in ms.
    pub fn tau_mem(&self) -> F {
        self.tau_mem
    }

    /// The synaptic time constant of each receptor in ms.
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

    /// Refuses constants that have no meaning.
    pub(crate) fn validate(&self) -> Result<(), LayerError> {
        positive("tau_mem", self.tau_mem)?;
        if self.tau_syn.is_empty() {
            return Err(LayerError::NoReceptor);
        }
        for &tau in &self.tau_syn {
            positive("tau_syn", tau)?;
        }
        if let Some(threshold) = self.threshold {
            positive("threshold", threshold)?;
            if !self.reset.is_finite() || self.reset >= threshold {
                return Err(LayerError::ResetNotBelowThreshold {
                    reset: self.reset.as_f64(),
                    threshold: threshold.as_f64(),
                });
            }
        }
        Ok(())
    }

    /// The receptor with time constant `tau`, added if there is none; `None` asks for the first.
    pub(crate) fn receptor(&mut self, tau: Option<F>) -> Result<usize, LayerError> {
        let Some(tau) = tau else { return Ok(0) };
        positive("tau_syn", tau)?;
        Ok(self.tau_syn.iter().position(|&t| t == tau).unwrap_or_else(|| {
            self.tau_syn.push(tau);
            self.tau_syn.len() - 1
        }))
    }

    fn rate_mem(&self) -> F {
        self.tau_mem.recip()
    }

    /// Calls `f(r, decay of I_r, response of V to I_r)` for every receptor; returns the decay of V.
    pub(crate) fn propagator(&self, dt: F, mut f: impl FnMut(usize, F, F)) -> F {
        let rate_mem = self.rate_mem();
        let decay_mem = (-rate_mem * dt).exp();
        for (r, tau) in self.tau_syn.iter().enumerate() {
            let (decay, difference) = decay_and_difference(rate_mem, tau.recip(), dt, decay_mem);
            f(r, decay, rate_mem * difference);
        }
        decay_mem
    }

    pub(crate) fn flow(&self, dt: F, state: &mut [F]) {
        let (v, currents) = state.split_at_mut(1);
        let mut gain = F::zero();
        let decay_mem = self.propagator(dt, |r, decay, response| {
            gain += currents[r] * response;
            currents[r] *= decay;
        });
        v[0] = v[0] * decay_mem + gain;
    }

    /// V and V' after `dt`.
    fn peek(&self, state: &[F], dt: F) -> (F, F) {
        let (mut gain, mut drive) = (F::zero(), F::zero());
        let decay_mem = self.propagator(dt, |r, decay, response| {
            gain += state[r + 1] * response;
            drive += state[r + 1] * decay;
        });
        let v = state[0] * decay_mem + gain;
        (v, (drive - v) * self.rate_mem())
    }

    pub(crate) fn slope(&self, state: &[F]) -> F {
        (state[1..].iter().copied().sum::<F>() - state[0]) * self.rate_mem()
    }

    /// The time to the next upward crossing of the threshold, at most `horizon`.
    ///
    /// exp(t / tau_mem) (V - threshold) ascends exactly while the total current exceeds the
    /// threshold. So every interval in which it does holds one crossing or none, and its ends decide.
    pub(crate) fn next_spike(&self, state: &[F], horizon: F) -> Option<F> {
        let threshold = self.threshold?;
        let currents = &state[1..];
        let most: F = currents.iter().map(|i| i.max(F::zero())).sum();
        // V' <= (most - V) / tau_mem, so V rises by less than this.
        let rise = (most - state[0]).max(F::zero()) * self.rate_mem() * horizon;
        let bound = state[0] + rise;
        let margin = F::one() - F::of(8.0) * F::epsilon();
        if most <= threshold || bound < threshold * margin {
            return None;
        }
        if let [current] = *currents {
            let end = self.tau_syn[0] * (current / threshold).ln();
            return self.crossing_in(state, threshold, F::zero(), end, horizon);
        }
        let mut terms: Few<_> = smallvec![Term { coefficient: -threshold, rate: F::zero() }];
        terms.extend(
            currents
                .iter()
                .zip(&self.tau_syn)
                .map(|(&coefficient, tau)| Term { coefficient, rate: tau.recip() }),
        );
        // The constant term dominates in the end, so the last interval is finite.
        let last = self.drive_below(most, threshold);
        let mut from = F::zero();
        for to in sign_changes(&terms, last).into_iter().chain([last]) {
            if from >= horizon {
                return None;
            }
            // The drive keeps its side of the threshold throughout, so its middle tells.
            if self.drive(state, from + (to - from) / F::of(2.0)) > threshold {
                let found = self.crossing_in(state, threshold, from, to, horizon);
                if found.is_some() {
                    return found;
                }
            }
            from = to;
        }
        None
    }

    /// The sum of the currents after `dt`.
    fn drive(&self, state: &[F], dt: F) -> F {
        let decayed = |(&i, &tau): (&F, &F)| i * (-dt / tau).exp();
        state[1..].iter().zip(&self.tau_syn).map(decayed).sum()
    }

    /// A time after which the currents, `most` at first, no longer add up to `threshold`.
    fn drive_below(&self, most: F, threshold: F) -> F {
        let slowest = self.tau_syn.iter().copied().fold(F::zero(), F::max);
        slowest * (most / threshold).ln()
    }

    /// The crossing in the interval [from, to] in which the drive exceeds the threshold.
    fn crossing_in(&self, state: &[F], threshold: F, from: F, to: F, horizon: F) -> Option<F> {
        let excess = |s| {
            let (v, slope) = self.peek(state, s);
            (v - threshold, slope)
        };
        let at_start = if from == F::zero() { state[0] - threshold } else { excess(from).0 };
        if at_start >= F::zero() {
            return Some(from);
        }
        let end = to.min(horizon);
        let at_end = excess(end).0;
        // At `to` the potential turns back: reaching the threshold only there is a touch.
        let crosses = if horizon < to { at_end >= F::zero() } else { at_end > F::zero() };
        // The search does not know the horizon: a spike is the same number whatever comes after it.
        crosses.then(|| ascending_root(from, to, excess).min(end))
    }

    /// Appends the times in (0, dt) at which V is stationary to `points`.
    ///
    /// exp(t / tau_mem) V' has the derivative -sum_r I_r / tau_r exp(-t / tau_r), up to a positive
    /// factor, whose sign changes separate its roots.
    pub(crate) fn stationary_points(&self, state: &[F], dt: F, points: &mut Vec<F>) {
        let terms: Few<Term<F>> = state[1..]
            .iter()
            .zip(&self.tau_syn)
            .map(|(&i, tau)| Term { coefficient: -i / *tau, rate: tau.recip() })
            .collect();
        let mut from = F::zero();
        let mut slope = self.slope(state);
        for to in sign_changes(&terms, dt).into_iter().chain([dt]) {
            let before = std::mem::replace(&mut slope, self.peek(state, to).1);
            let start = std::mem::replace(&mut from, to);
            let sign = if before < F::zero() && slope > F::zero() {
                F::one()
            } else if before > F::zero() && slope < F::zero() {
                -F::one()
            } else {
                continue;
            };
            points.push(ascending_root(start, to, |s| {
                let (value, curvature) = self.slope_and_curvature(state, s);
                (sign * value, sign * curvature)
            }));
        }
    }

    fn slope_and_curvature(&self, state: &[F], dt: F) -> (F, F) {
        let mut drive_slope = F::zero();
        self.propagator(dt, |r, decay, _| {
            drive_slope -= state[r + 1] * decay / self.tau_syn[r];
        });
        let (_, slope) = self.peek(state, dt);
        (slope, (drive_slope - slope) * self.rate_mem())
    }

    /// int_0^dt V exp(-rate s) ds.
    pub(crate) fn integral(&self, state: &[F], dt: F, rate: F) -> F {
        let mut sum = state[0] * decay_integral(self.rate_mem() + rate, dt);
        self.response_integrals(dt, rate, |r, response| sum += state[r + 1] * response);
        sum
    }

    /// Calls `f(r, int_0^dt exp(-rate s) (response of V to I_r) ds)` for every receptor.
    fn response_integrals(&self, dt: F, rate: F, mut f: impl FnMut(usize, F)) {
        let rate_mem = self.rate_mem();
        self.propagator(dt, |r, _, response| {
            let (rate_syn, difference) = (self.tau_syn[r].recip(), response / rate_mem);
            let integral = difference_integral(rate_mem, rate_syn, rate, dt, difference);
            f(r, rate_mem * integral);
        });
    }

    /// Adds `gradient` times the derivative of [`ModeBank::integral`] by the state.
    pub(crate) fn integral_back(&self, dt: F, rate: F, gradient: F, adjoint: &mut [F]) {
        self.response_integrals(dt, rate, |r, response| adjoint[r + 1] += gradient * response);
        adjoint[0] += gradient * decay_integral(self.rate_mem() + rate, dt);
    }

    /// The transpose of [`ModeBank::flow`].
    pub(crate) fn flow_back(&self, dt: F, adjoint: &mut [F]) {
        let (v, currents) = adjoint.split_at_mut(1);
        let decay_mem = self.propagator(dt, |r, decay, response| {
            currents[r] = currents[r] * decay + v[0] * response;
        });
        v[0] *= decay_mem;
    }

    /// dL/dw = p_r and dL/dt of the arrival = w (p_r / tau_r - p_V / tau_mem).
    pub(crate) fn receive_back(
        &self,
        receptor: usize,
        weight: F,
        adjoint: &[F],
    ) -> ArrivalGradient<F> {
        let p = adjoint[receptor + 1];
        let time = weight * (p / self.tau_syn[receptor] - adjoint[0] * self.rate_mem());
        ArrivalGradient { weight: p, time }
    }

    pub(crate) fn fire(&self, state: &mut [F]) {
        // Exactly at threshold: this is the constant jump V -= threshold - reset.
        if self.threshold.is_some() {
            state[0] = self.reset;
        }
    }

    /// The rank-one update p -= e_V G / V', where G adds to the given gradient by the spike's time
    /// what the jump itself contributes.
    pub(crate) fn fire_back(&self, slope: F, time_gradient: F, adjoint: &mut [F]) {
        if let Some(threshold) = self.threshold {
            let jump = self.reset - threshold;
            let total = time_gradient + adjoint[0] * jump * self.rate_mem();
            adjoint[0] -= total / slope;
        }
    }
}

fn positive<F: Real>(constant: &'static str, value: F) -> Result<(), LayerError> {
    if value.is_finite() && value > F::zero() {
        Ok(())
    } else {
        Err(LayerError::NotPositive { constant, value: value.as_f64() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn bank(tau_mem: f64, tau_syn: f64) -> ModeBank {
        ModeBank::new(tau_mem, vec![tau_syn], Some(1.0), 0.0)
    }

    #[test]
    fn equal_constants_cross_at_the_closed_form() {
        // V = I t/tau exp(-t/tau) reaches I/(2e) ... choose I so that t = tau/2 is the crossing.
        let tau = 8.0;
        let current = 2.0 * 0.5f64.exp();
        let spike = bank(tau, tau).next_spike(&[0.0, current], 100.0).unwrap();
        assert_relative_eq!(spike, tau / 2.0, max_relative = 1e-14);
    }

    #[test]
    fn ratio_two_crosses_at_the_closed_form() {
        // tau_mem = 2 tau_syn: with x = exp(-t/tau_mem), V = I (x - x^2), a quadratic.
        let current = 5.0;
        let x = (1.0 + (1.0f64 - 4.0 / current).sqrt()) / 2.0;
        let spike = bank(20.0, 10.0).next_spike(&[0.0, current], 100.0).unwrap();
        assert_relative_eq!(spike, -20.0 * x.ln(), max_relative = 1e-14);
    }

    #[test]
    fn a_touch_is_no_spike() {
        // The maximum of V is I tau/(e tau) = 1 for I = e, at t = tau.
        let bank = bank(8.0, 8.0);
        let e = std::f64::consts::E;
        assert_eq!(bank.next_spike(&[0.0, e * (1.0 - 1e-14)], 100.0), None);
        let just = bank.next_spike(&[0.0, e * (1.0 + 1e-9)], 100.0).unwrap();
        assert!(just < 8.0 && just > 7.9);
        // Exactly at the threshold with a falling potential: no spike either.
        assert_eq!(bank.next_spike(&[1.0, 0.5], 100.0), None);
        assert_eq!(bank.next_spike(&[1.0, 1.5], 100.0), Some(0.0));
    }

    #[test]
    fn several_receptors_may_cross_late() {
        // A fast inhibitory and a slow excitatory current: below threshold at first, above later.
        let bank = ModeBank::new(10.0, vec![2.0, 30.0], Some(1.0), 0.0);
        let state = [0.0, -6.0, 4.0];
        let spike = bank.next_spike(&state, 100.0).unwrap();
        let mut at = state;
        bank.flow(spike, &mut at);
        assert_relative_eq!(at[0], 1.0, max_relative = 1e-14);
        let first = (1..100_000).map(|k| k as f64 * 1e-3).find(|&s| bank.peek(&state, s).0 > 1.0);
        assert!((first.unwrap() - spike).abs() <= 1e-3);
    }

    #[test]
    fn a_crossing_does_not_depend_on_the_horizon() {
        let two = ModeBank::new(10.0, vec![2.0, 30.0], Some(1.0), 0.0);
        for (bank, state) in [(bank(20.0, 5.0), vec![-0.5, 9.0]), (two, vec![0.3, -6.0, 4.0])] {
            let spike = bank.next_spike(&state, 1e3).unwrap();
            for k in 1..1000 {
                let horizon = spike * (1.0 + 1e-12 + 1e-3 * f64::from(k));
                assert_eq!(bank.next_spike(&state, horizon), Some(spike));
                assert_eq!(bank.next_spike(&state, spike * (1.0 - 1e-3 * f64::from(k))), None);
            }
        }
    }

    #[test]
    fn long_silences_do_not_overflow() {
        for (tau_mem, tau_syn) in [(1.0, 1000.0), (1000.0, 1.0), (1.0, 1.0)] {
            let mut state = [0.3, 0.7];
            bank(tau_mem, tau_syn).flow(1e7, &mut state);
            assert!(state.iter().all(|x| x.abs() < 1e-300));
        }
    }

    #[test]
    fn the_integral_is_that_of_the_flow() {
        let bank = ModeBank::new(10.0, vec![2.0, 10.0], None, 0.0);
        let state = [0.4, -1.5, 2.5];
        let (dt, rate, n) = (12.0, 0.03, 200_000);
        let h = dt / n as f64;
        let sampled: f64 = (0..n)
            .map(|k| {
                let s = (k as f64 + 0.5) * h;
                bank.peek(&state, s).0 * (-rate * s).exp() * h
            })
            .sum();
        assert_relative_eq!(bank.integral(&state, dt, rate), sampled, max_relative = 1e-9);
    }
}
