//! The next crossing of the threshold.

use super::State;
use super::dynamics::Dynamics;
use crate::Real;

/// Steps of the quick search.
const STEPS: usize = 6;

impl<F: Real, const R: usize> Dynamics<'_, F, R> {
    /// The time to the next upward crossing of the threshold, at most `horizon`.
    ///
    /// What bounds or a few steps cannot settle, such as a near touch, is left to
    /// [`ModeBank`](crate::ModeBank), which is slower and certain.
    #[inline]
    pub fn crossing(&self, state: &State<F>, threshold: F, horizon: F) -> Option<F> {
        if !self.may_fire(state, threshold, horizon) {
            return None;
        }
        // With inhibition the drive may rise, and there may be several crossings.
        if state[0] >= threshold || state[1..=R].iter().any(|i| *i < F::zero()) {
            return self.bank.next_spike(&state[..=R], horizon);
        }
        let found = self.search(state, threshold, horizon, false);
        found.or_else(|| self.decide(state, threshold, horizon))
    }

    /// Bounds on V that take no exponential.
    #[inline]
    fn may_fire(&self, state: &State<F>, threshold: F, horizon: F) -> bool {
        let (mut most, mut peak) = (F::zero(), F::zero());
        for (current, receptor) in state[1..].iter().zip(&self.receptors) {
            let current = current.max(F::zero());
            most += current;
            peak += current * receptor.peak;
        }
        let v = state[0];
        // V' <= (most - V) / tau_mem.
        let rise = (most - v).max(F::zero()) * self.rate_mem * horizon;
        let least = threshold * (F::one() - F::of(64.0) * F::epsilon());
        // The second bound is V alone and each current alone, all where they are greatest.
        most > threshold && v + rise >= least && v.max(F::zero()) + peak >= least
    }

    /// The crossing up to `horizon` of a neuron without inhibition, if a few steps find it. `exists` tells
    /// that there is one.
    ///
    /// Each step solves the Taylor polynomial of fourth order. Where the drive exceeds the threshold from
    /// the start to a crossing, there is none before.
    fn search(&self, state: &State<F>, threshold: F, horizon: F, exists: bool) -> Option<F> {
        let fastest = self.receptors.iter().map(|r| r.rate).fold(F::zero(), F::max);
        let both = fastest + self.rate_mem;
        let (mut at, mut now) = (F::zero(), *state);
        for _ in 0..STEPS {
            // The drive, and its derivatives but for their signs.
            let mut drive = [F::zero(); 4];
            for (current, receptor) in now[1..].iter().zip(&self.receptors) {
                let mut term = *current;
                for derivative in &mut drive {
                    *derivative += term;
                    term *= receptor.rate;
                }
            }
            let v = now[0];
            let slope = (drive[0] - v) * self.rate_mem;
            let second = -(drive[1] + slope) * self.rate_mem;
            let third = (drive[2] - second) * self.rate_mem;
            let fourth = -(drive[3] + third) * self.rate_mem;
            // t + a t^2 + b t^3 + c t^4 = newton at the root.
            let inverse = slope.recip();
            let newton = (threshold - v) * inverse;
            let a = second * inverse * F::of(1.0 / 2.0);
            let b = third * inverse * F::of(1.0 / 6.0);
            let c = fourth * inverse * F::of(1.0 / 24.0);
            let bend = newton * a;
            if bend < F::of(-0.24) && !exists {
                return None;
            }
            let step = if bend.abs() < F::of(1.0 / 16.0) {
                // The series of the inverse.
                let five = F::of(5.0);
                let last = (five * a * (b - a * a) - c) * newton;
                newton * (F::one() + newton * (newton * (F::of(2.0) * a * a - b + last) - a))
            } else {
                // The root of the parabola, or where it turns before that, and a Newton step.
                let steepness = (F::one() + F::of(4.0) * bend).max(F::of(0.01)).sqrt();
                let t = F::of(2.0) * newton / (F::one() + steepness);
                let value = t * (F::one() + t * (a + t * (b + t * c))) - newton;
                let slope =
                    F::one() + t * (F::of(2.0) * a + t * (F::of(3.0) * b + t * F::of(4.0) * c));
                t - value / slope.max(F::of(0.1))
            };
            at += step;
            if !(at > F::zero() && at <= horizon) {
                return None;
            }
            // A bound on the next term of the series, whose coefficients fall off by `both`.
            let (least, z) = (a.abs() + both * F::of(1.0 / 6.0), newton.abs());
            let small = least * z;
            let left = F::of(14.0) * bend.abs() * small * small * small * z;
            if left <= F::epsilon() * F::of(0.5) * at {
                // Well before the drive falls to the threshold?
                let drive = drive[0] * (F::one() - fastest * step.max(F::zero()));
                return (exists || drive > threshold * F::of(1.000_001)).then_some(at);
            }
            now = self.flow(at, state);
        }
        None
    }

    /// The crossing of a neuron without inhibition, from its ends.
    fn decide(&self, state: &State<F>, threshold: F, horizon: F) -> Option<F> {
        if R > 1 {
            return self.bank.next_spike(&state[..=R], horizon);
        }
        // V can only cross while the current exceeds the threshold, and at most once.
        let end = (state[1] / threshold).ln() / self.receptors[0].rate;
        let excess = self.flow(end.min(horizon), state)[0] - threshold;
        let rounding = F::of(8.0) * F::epsilon() * (state[1] + state[0].abs());
        if excess < -rounding {
            return None;
        }
        if horizon < end && excess <= rounding {
            // It falls on what comes then, and comes first.
            return Some(horizon);
        }
        let found = self.search(state, threshold, end.min(horizon), excess > rounding);
        found.or_else(|| self.bank.next_spike(&state[..=R], horizon))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rest;
    use super::*;
    use crate::layer::ModeBank;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    /// What came of random states.
    #[derive(Debug, Default)]
    struct Tally {
        spikes: usize,
        /// Those that the quick search found, of those it was asked for.
        quick: usize,
        asked: usize,
    }

    /// Compares with the bank, for neurons with the first `R` of these time constants.
    fn compare<const R: usize>(tau_mem: f64, taus: [f64; 2], least: f64, seed: u64) -> Tally {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut tally = Tally::default();
        for k in 0..4000 {
            let threshold = [1.0, 0.3, 5.0][k % 3];
            let bank = ModeBank::new(tau_mem, taus[..R].to_vec(), Some(threshold), 0.0);
            let dynamics = Dynamics::<f64, R>::new(&bank);
            let mut state: State<f64> = rest();
            let barely = k % 4 == 0 && R == 1;
            if barely {
                // Barely reached, or barely not.
                let beyond = 10f64.powf(rng.random_range(-12.0..-1.0));
                let sign = if rng.random_bool(0.8) { 1.0 } else { -1.0 };
                state[1] = threshold * (1.0 + sign * beyond) / dynamics.receptors[0].peak;
            } else {
                state[0] = threshold * rng.random_range(-1.0..1.02);
                state[1..=R].fill_with(|| threshold * rng.random_range(least..8.0 / R as f64));
            }
            let horizon = 10f64.powf(rng.random_range(-2.0..2.5));
            let found = dynamics.crossing(&state, threshold, horizon);
            let known = bank.next_spike(&state[..=R], horizon);
            assert_eq!(found.is_some(), known.is_some(), "{state:?} within {horizon}");
            let (Some(found), Some(known)) = (found, known) else { continue };
            tally.spikes += 1;
            let at = dynamics.flow(known, &state);
            let slope = ((at[1..=R].iter().sum::<f64>() - at[0]) / tau_mem).max(1e-9 * threshold);
            let rounding = 3e-15 * (known + state[1].abs().max(threshold) / slope);
            assert!((found - known).abs() <= rounding, "{state:?}: {found}, not {known}");
            if state[0] < threshold && state[1..=R].iter().all(|i| *i >= 0.0) {
                let quick = dynamics.search(&state, threshold, horizon, false);
                tally.asked += usize::from(!barely);
                tally.quick += usize::from(!barely && quick.is_some());
            } else {
                assert_eq!(found, known, "the quick search knows no inhibition");
            }
        }
        tally
    }

    #[test]
    fn crossings_are_those_of_the_bank_and_most_are_found_quickly() {
        // Slower, faster, nearly and exactly as the membrane.
        for (k, tau) in [5.0, 40.0, 20.0 * (1.0 + 1e-9), 20.0].into_iter().enumerate() {
            let k = k as u64;
            for tally in [
                compare::<1>(20.0, [tau, 0.0], 0.0, k),
                compare::<1>(20.0, [tau, 0.0], -2.0, k),
                compare::<2>(20.0, [tau, 8.0], 0.0, k),
                compare::<2>(20.0, [tau, 8.0], -4.0, k),
                // A membrane that is quick by the unit of time.
                compare::<1>(0.5, [tau / 40.0, 0.0], 0.0, k),
            ] {
                assert!(tally.spikes > 150, "tau {tau}: {tally:?}");
                assert!(2 * tally.quick > tally.asked, "tau {tau}: {tally:?}");
            }
        }
    }
}
