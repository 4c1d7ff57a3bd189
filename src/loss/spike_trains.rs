//! Losses of spike trains: rows of spike times against target trains.

use super::{Loss, LossError};
use crate::{Reading, Real, SpikeTrains};

/// What both losses ask of read-out and target.
fn check<F: Real>(y: &Reading<F>, target: &SpikeTrains) -> Result<(), LossError> {
    let (found, expected) = (target.channels(), y.rows().len());
    if found != expected {
        return Err(LossError::TargetChannels { found, expected });
    }
    let duration = y.duration();
    for (neuron, train) in target.iter().enumerate() {
        // They ascend.
        let index = train.partition_point(|&time| time < duration);
        if let Some(&time) = train.get(index) {
            return Err(LossError::TargetSpike { neuron, index, time, duration });
        }
    }
    let is_train = |row: &[F]| {
        row.iter().all(|t| t.is_finite()) && row.windows(2).all(|pair| pair[0] <= pair[1])
    };
    match y.rows().position(|row| !is_train(row)) {
        Some(row) => Err(LossError::NotSpikeTimes { row }),
        None => Ok(()),
    }
}

/// The squared distance of spike trains (van Rossum 2001), summed over neurons, in closed form.
///
/// Each train is filtered by a causal exponential, f(t) = sum_k exp(-(t - t_k) / tau) for t_k <= t, and
/// likewise g from the target's spikes u_k. Then L = sum over neurons of D^2,
///
/// ```text
/// D^2      = (1/tau) int_0^inf (f - g)^2 dt
///          = 1/2 sum_kl E(t_k, t_l) + 1/2 sum_kl E(u_k, u_l) - sum_kl E(t_k, u_l),   E(s, t) = exp(-|s - t| / tau)
/// dD^2/dt_k = (1/tau) [ sum_l sgn(t_l - t_k) E(t_k, t_l) - sum_l sgn(u_l - t_k) E(t_k, u_l) ]
/// ```
///
/// Alone, a spike too many or too few costs 1/2, and one out of place by d costs 1 - exp(-d / tau); L has no
/// unit. It takes the read-out [`SpikeTimes`](crate::SpikeTimes) and a train per neuron, which may be empty.
/// The work is linear in the number of spikes.
///
/// D^2 has a kink where a spike meets one of the target: there sgn(0) = 0, so a perfect match has no gradient.
/// And no gradient makes a missing spike appear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VanRossum {
    tau: f64,
}

impl VanRossum {
    /// With this time constant in ms: short ones tell times apart, long ones compare counts.
    pub fn new(tau: f64) -> Self {
        Self { tau }
    }
}

impl<F: Real> Loss<F> for VanRossum {
    type Target = SpikeTrains;

    fn evaluate(
        &self,
        y: &Reading<F>,
        target: &SpikeTrains,
        gradient: &mut [F],
    ) -> Result<F, LossError> {
        if !(self.tau.is_finite() && self.tau > 0.0) {
            let (what, rule) = ("tau of the van Rossum distance", "finite, above 0 ms");
            return Err(LossError::Constant { what, value: self.tau, rule });
        }
        check(y, target)?;
        let mut sum = 0.0;
        let mut rest = gradient;
        for (row, target) in y.rows().zip(target.iter()) {
            let (gradient, others) = rest.split_at_mut(row.len());
            rest = others;
            sum += self.distance(row, target, gradient);
        }
        Ok(F::of(sum))
    }
}

impl VanRossum {
    /// D^2 of two trains, and its gradient by the times of the first. Both ascend.
    ///
    /// x = f - g jumps by 1 at spikes of the first, by -1 at those of the second, and decays. D^2 is added up
    /// stretch by stretch, of terms that are not negative, so nothing cancels. The gradient is (what comes
    /// later - what came before) / tau, each a sum that decays from event to event.
    fn distance<F: Real>(&self, spikes: &[F], target: &[f64], gradient: &mut [F]) -> f64 {
        let time = |k: usize| spikes.get(k).map_or(f64::INFINITY, |t| t.as_f64());
        let wanted = |k: usize| target.get(k).copied().unwrap_or(f64::INFINITY);
        let time_before = |k: usize| if k == 0 { f64::NEG_INFINITY } else { time(k - 1) };
        let wanted_before = |k: usize| if k == 0 { f64::NEG_INFINITY } else { wanted(k - 1) };
        let (mut i, mut j, mut x, mut sum) = (0, 0, 0.0, 0.0);
        let mut last = time(0).min(wanted(0));
        while i < spikes.len() || j < target.len() {
            let now = time(i).min(wanted(j));
            let steps: f64 = (now - last) / self.tau;
            sum -= 0.5 * x * x * (-2.0 * steps).exp_m1();
            x *= (-steps).exp();
            let before = x;
            last = now;
            while time(i) == now {
                gradient[i] = F::of(-before);
                x += 1.0;
                i += 1;
            }
            while wanted(j) == now {
                x -= 1.0;
                j += 1;
            }
        }
        sum += 0.5 * x * x;
        // And back again.
        let mut after = 0.0;
        while i > 0 || j > 0 {
            let now = time_before(i).max(wanted_before(j));
            after *= (-(last - now) / self.tau).exp();
            let later = after;
            last = now;
            while time_before(i) == now {
                i -= 1;
                gradient[i] = (gradient[i] + F::of(later)) / F::of(self.tau);
                after += 1.0;
            }
            while wanted_before(j) == now {
                j -= 1;
                after -= 1.0;
            }
        }
        sum
    }
}

/// Squared errors of spike times, spike by spike, as in SpikeProp (Bohte et al. 2002) and its form for several
/// spikes (Booij and Nguyen 2005): L = 1/2 sum (t_k - u_k)^2 in ms^2.
///
/// The k-th spike t_k of a neuron is to come at the k-th time u_k of its target train. A missing spike counts
/// as one at the end of the trial and has no gradient, as in [`FirstSpikeTime`](crate::FirstSpikeTime); spikes
/// beyond the last target do not count. Where numbers of spikes matter, see [`VanRossum`].
///
/// It takes the read-out [`SpikeTimes`](crate::SpikeTimes) and a train per neuron, which may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpikeTimeSquares;

impl<F: Real> Loss<F> for SpikeTimeSquares {
    type Target = SpikeTrains;

    fn evaluate(
        &self,
        y: &Reading<F>,
        target: &SpikeTrains,
        gradient: &mut [F],
    ) -> Result<F, LossError> {
        check(y, target)?;
        gradient.fill(F::zero());
        let mut sum = F::zero();
        let mut rest = gradient;
        for (row, target) in y.rows().zip(target.iter()) {
            let (gradient, others) = rest.split_at_mut(row.len());
            rest = others;
            for (k, &wanted) in target.iter().enumerate() {
                let time = row.get(k).copied().unwrap_or(F::of(y.duration()));
                let miss = time - F::of(wanted);
                sum += miss * miss;
                if let Some(g) = gradient.get_mut(k) {
                    *g = miss;
                }
            }
        }
        Ok(sum / F::of(2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_gradient;
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    fn trains(trains: &[Vec<f64>]) -> SpikeTrains {
        SpikeTrains::from_channels(trains.iter().cloned()).unwrap()
    }

    fn reading(rows: &[Vec<f64>]) -> Reading<f64> {
        let mut y = Reading::new(100.0);
        rows.iter().for_each(|row| y.push_row(row.iter().copied()));
        y
    }

    fn distance(tau: f64, spikes: &[f64], target: &[f64]) -> (f64, Vec<f64>) {
        let mut gradient = vec![f64::NAN; spikes.len()];
        let (y, target) = (reading(&[spikes.to_vec()]), trains(&[target.to_vec()]));
        (VanRossum::new(tau).evaluate(&y, &target, &mut gradient).unwrap(), gradient)
    }

    /// The double sums of the documentation.
    fn by_definition(tau: f64, t: &[f64], u: &[f64]) -> (f64, Vec<f64>) {
        let kernel = |a: f64, b: f64| (-(a - b).abs() / tau).exp();
        let sum = |a: &[f64], b: &[f64]| -> f64 {
            a.iter().flat_map(|&a| b.iter().map(move |&b| kernel(a, b))).sum()
        };
        let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
        let pull = |from: f64, to: &[f64]| -> f64 {
            to.iter().map(|&to| sign(to - from) * kernel(from, to)).sum()
        };
        let gradient = t.iter().map(|&k| (pull(k, t) - pull(k, u)) / tau).collect();
        (0.5 * sum(t, t) + 0.5 * sum(u, u) - sum(t, u), gradient)
    }

    fn train() -> impl Strategy<Value = Vec<f64>> {
        let time = prop_oneof![3 => 0.0..99.0, 1 => (0..99u8).prop_map(f64::from)];
        prop::collection::vec(time, 0..12).prop_map(|mut times| {
            times.sort_by(f64::total_cmp);
            times
        })
    }

    proptest! {
        #[test]
        fn the_sweep_agrees_with_the_double_sum(t in train(), u in train(), tau in 0.3..200.0f64) {
            let (found, expected) = (distance(tau, &t, &u), by_definition(tau, &t, &u));
            prop_assert!((found.0 - expected.0).abs() < 1e-12);
            prop_assert!(found.0 >= 0.0);
            for (a, b) in found.1.iter().zip(&expected.1) {
                prop_assert!((a - b).abs() < 1e-12, "{a} against {b}");
            }
        }
    }

    #[test]
    fn distances_in_closed_form() {
        assert_eq!(distance(5.0, &[], &[]), (0.0, vec![]));
        // A spike too many, and one too few.
        assert_eq!(distance(5.0, &[3.0], &[]), (0.5, vec![0.0]));
        assert_eq!(distance(5.0, &[], &[3.0]).0, 0.5);
        assert_eq!(distance(5.0, &[3.0, 7.0], &[3.0, 7.0]), (0.0, vec![0.0, 0.0]));
        // One spike out of place by d: 1 - exp(-d / tau).
        let (value, gradient) = distance(5.0, &[13.0], &[10.0]);
        assert_relative_eq!(value, 1.0 - (-0.6f64).exp(), max_relative = 1e-15);
        assert_relative_eq!(gradient[0], (-0.6f64).exp() / 5.0, max_relative = 1e-15);
        // Nothing cancels where d is small.
        let d = 2f64.powi(-40);
        assert_relative_eq!(distance(1.0, &[1.0 + d], &[1.0]).0, d, max_relative = 1e-11);
        // Far apart, far too long a time constant and far too short a one.
        assert_eq!(distance(1e-300, &[1.0], &[2.0]), (1.0, vec![0.0]));
        let (value, _) = distance(1e300, &[1.0, 2.0, 3.0], &[50.0]);
        assert_relative_eq!(value, 0.5 * 4.0, max_relative = 1e-12);
    }

    #[test]
    fn gradients_agree_with_differences() {
        let rows: [&[f64]; 4] = [&[3.0, 8.0, 20.0], &[], &[15.0], &[1.0, 2.0]];
        // Missing spikes read 100 ms: a target far from that would drown the differences in rounding.
        let target = trains(&[vec![4.0, 22.0], vec![98.0], vec![], vec![3.0, 7.0, 99.0]]);
        check_gradient(&VanRossum::new(4.0), &rows, &target);
        check_gradient(&SpikeTimeSquares, &rows, &target);
    }

    #[test]
    fn spikes_are_paired_in_order() {
        let y = reading(&[vec![3.0, 8.0, 20.0], vec![6.0], vec![]]);
        let target = trains(&[vec![5.0, 7.0], vec![4.0, 90.0], vec![]]);
        let mut gradient = [f64::NAN; 4];
        let loss = SpikeTimeSquares.evaluate(&y, &target, &mut gradient).unwrap();
        // The last one is missing, and counts as one at 100 ms.
        assert_eq!(loss, 0.5 * (4.0 + 1.0 + 4.0 + 100.0));
        assert_eq!(gradient, [-2.0, 1.0, 0.0, 2.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let y = reading(&[vec![3.0], vec![]]);
        let refused = |y: &Reading<f64>, target: &SpikeTrains, error: LossError| {
            let mut g = vec![0.0; y.values().len()];
            assert_eq!(VanRossum::new(1.0).evaluate(y, target, &mut g), Err(error.clone()));
            assert_eq!(SpikeTimeSquares.evaluate(y, target, &mut g), Err(error));
        };
        let error = LossError::TargetChannels { found: 1, expected: 2 };
        refused(&y, &trains(&[vec![1.0]]), error);
        for time in [100.0, 1e300] {
            let error = LossError::TargetSpike { neuron: 1, index: 1, time, duration: 100.0 };
            refused(&y, &trains(&[vec![], vec![1.0, time]]), error);
        }
        for bad in [vec![f64::NAN], vec![2.0, 1.0], vec![f64::INFINITY]] {
            let error = LossError::NotSpikeTimes { row: 0 };
            refused(&reading(&[bad]), &SpikeTrains::silent(1), error);
        }
        for tau in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = VanRossum::new(tau).evaluate(&y, &SpikeTrains::silent(2), &mut [0.0]);
            assert!(matches!(error, Err(LossError::Constant { .. })));
        }
    }
}
