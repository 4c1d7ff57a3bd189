//! When V crosses the threshold, and where it is stationary.

use super::{ModeBank, Raise};
use crate::Real;
use crate::layer::exponentials::{Few, Term, ascending_root, sign_changes, sum};
use smallvec::smallvec;

/// Times are cut here, in units of the slowest constant: later, nothing is left of an exponential.
const FOREVER: f64 = 800.0;

impl<F: Real> ModeBank<F> {
    /// The time to the next upward crossing of the threshold, at most `horizon`.
    pub(crate) fn next_spike(&self, state: &[F], horizon: F) -> Option<F> {
        let held = self.held(state);
        if held == F::zero() {
            return self.next_crossing(state, horizon);
        }
        let (state, left) = self.released(horizon, state)?;
        self.next_crossing(&state, left).map(|wait| held + wait)
    }

    /// The same without hold. Let U be V less what the threshold is raised by.
    ///
    /// exp(t / tau_mem) (U - threshold) ascends exactly while the total drive exceeds the
    /// threshold. So every interval in which it does holds one crossing or none, and its ends decide.
    /// A raise that decays drives U like a current, of (tau_mem / tau - 1) times the raise.
    fn next_crossing(&self, state: &[F], horizon: F) -> Option<F> {
        let threshold = self.threshold?;
        let currents = &state[1..=self.tau_syn.len()];
        let falling = self.raise.map(|raise| Term {
            coefficient: self.raised(state) * (self.tau_mem / raise.tau - F::one()),
            rate: raise.tau.recip(),
        });
        let mut most: F = currents.iter().map(|i| i.max(F::zero())).sum();
        most += falling.map_or(F::zero(), |term| term.coefficient.max(F::zero()));
        // U' <= (most + bias - U) / tau_mem, so U rises by less than this.
        let start = state[0] - self.raised(state);
        let rise = (most + self.bias - start).max(F::zero()) * self.rate_mem() * horizon;
        let margin = F::one() - F::of(8.0) * F::epsilon();
        if most + self.bias <= threshold || start + rise < threshold * margin {
            return None;
        }
        if let ([current], true) = (currents, self.is_plain()) {
            let end = self.tau_syn[0] * (*current / threshold).ln();
            return self.crossing_in(state, threshold, F::zero(), end, horizon);
        }
        let lasting = self.bias - threshold;
        let mut terms: Few<_> = smallvec![Term { coefficient: lasting, rate: F::zero() }];
        let current = |(&coefficient, tau): (&F, &F)| Term { coefficient, rate: tau.recip() };
        terms.extend(currents.iter().zip(&self.tau_syn).map(current).chain(falling));
        let last = self.drive_lasts(most, lasting);
        let mut from = F::zero();
        for to in sign_changes(&terms, last).into_iter().chain([last]) {
            if from >= horizon {
                return None;
            }
            // The drive keeps its side of the threshold throughout, so its middle tells.
            if sum(&terms, from + (to - from) / F::of(2.0)) > F::zero() {
                let found = self.crossing_in(state, threshold, from, to, horizon);
                if found.is_some() {
                    return found;
                }
            }
            from = to;
        }
        None
    }

    /// A time after which a drive that lasts, less the threshold, and a decaying one that is `most` at
    /// first no longer add up to more than zero, or after which nothing changes any more.
    fn drive_lasts(&self, most: F, lasting: F) -> F {
        let raise = self.raise.map_or(F::zero(), |raise| raise.tau);
        let slowest = self.tau_syn.iter().copied().fold(raise, F::max);
        if lasting < F::zero() {
            return slowest * (most / -lasting).ln();
        }
        if lasting == F::zero() && self.bias > F::zero() {
            // The bias alone is the threshold. Then what comes on top of it lasts until rounding hides it.
            return slowest * (most / (self.bias * F::epsilon())).ln();
        }
        slowest.max(self.tau_mem) * F::of(FOREVER)
    }

    /// The crossing in the interval [from, to] in which the drive exceeds the threshold.
    fn crossing_in(&self, state: &[F], threshold: F, from: F, to: F, horizon: F) -> Option<F> {
        let excess = |s| {
            let (v, slope) = self.peek(state, s);
            match self.raise {
                None => (v - threshold, slope),
                Some(Raise { tau, .. }) => {
                    let raised = self.raised(state) * (-s / tau).exp();
                    (v - raised - threshold, slope + raised / tau)
                }
            }
        };
        let at_start = if from == F::zero() {
            state[0] - self.raised(state) - threshold
        } else {
            excess(from).0
        };
        if at_start >= F::zero() {
            return Some(from);
        }
        let end = to.min(horizon);
        let at_end = excess(end).0;
        // At `to` the potential turns back: reaching the threshold only there is a touch.
        let crosses = if horizon < to { at_end >= F::zero() } else { at_end > F::zero() };
        // The search does not know the horizon: a spike is the same number whatever comes after it.
        let guess = || if from == F::zero() { self.soon(state, -at_start) } else { from };
        crosses.then(|| ascending_root((from, to), guess(), excess).min(end))
    }

    /// About when U has risen by so much: when its parabola has, or 0 where that turns before.
    fn soon(&self, state: &[F], rise: F) -> F {
        let currents = state[1..].iter().zip(&self.tau_syn);
        let drive_slope: F = currents.map(|(&current, &tau)| -current / tau).sum();
        let mut bend = (drive_slope - self.slope(state)) * self.rate_mem();
        if let Some(Raise { tau, .. }) = self.raise {
            bend -= self.raised(state) / tau / tau;
        }
        let (slope, two) = (self.approach(state), F::of(2.0));
        let time = two * rise / (slope + (slope * slope + two * bend * rise).sqrt());
        if time.is_finite() { time } else { F::zero() }
    }

    /// Lets `dt` pass if the ends of it already tell that a neuron of one current does not fire; whether it did.
    pub(crate) fn flow_below(&self, dt: F, state: &mut [F]) -> bool {
        let (Some(threshold), &mut [v, current], true) =
            (self.threshold, &mut *state, self.is_plain())
        else {
            return false;
        };
        let mut later = [v, current];
        self.flow(dt, &mut later);
        // V only nears the threshold while the current exceeds it; if it does so throughout, the end decides.
        let below = v < threshold && later[0] < threshold;
        let certain = current.max(F::zero()) <= threshold || (below && later[1] > threshold);
        if certain {
            state.copy_from_slice(&later);
        }
        certain
    }

    /// Appends the times in (0, dt) at which V is stationary to `points`. While it is held there are
    /// none.
    ///
    /// exp(t / tau_mem) V' has the derivative -sum_r I_r / tau_r exp(-t / tau_r), up to a positive
    /// factor, whose sign changes separate its roots.
    pub(crate) fn stationary_points(&self, state: &[F], dt: F, points: &mut Vec<F>) {
        let held = self.held(state);
        if held > F::zero() {
            if let Some((state, left)) = self.released(dt, state) {
                let first = points.len();
                self.stationary_points(&state, left, points);
                points[first..].iter_mut().for_each(|point| *point += held);
            }
            return;
        }
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
            points.push(ascending_root((start, to), start, |s| {
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
}
