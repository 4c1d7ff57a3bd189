//! The gradient checker: adjoint gradients against finite differences.

mod moved;
mod report;
mod ridders;

pub use report::{CheckClass, CheckReport, Mismatch};

use crate::parallel::in_order;
use crate::parameter::block_names;
use crate::{AdjointError, Assessment, Error, Goal, Gradients, Network, Parameter, SpikeTrains};
use moved::{move_one, same_pattern, with_time};
use ridders::ridders;
use std::sync::{Mutex, PoisonError};

/// Checks gradients of any network and objective against finite differences.
///
/// Every parameter and every input time (or [some of them](GradientCheck::at_most)) is moved both ways (one way at a bound), with steps that
/// shrink from [`GradientCheck::step`], and the differences are extrapolated to step zero (Ridders
/// 1982), which also gives an estimate of their own error, until that is a hundredth of what passes.
/// The loss is smooth only as long as the same spikes occur and the same arrivals precede each: a
/// perturbation that changes this pattern however small it is gets skipped, and counted. So is one
/// that moves another parameter too, such as a threshold that pushes a reset down, and one for which the loss has a
/// derivative to each side but not the same, where the gradient is one of the two: an arrival at the very end of a refractory
/// period.
///
/// ```
/// use eventprop::check::GradientCheck;
/// use eventprop::{CrossEntropy, Dense, LeakyIntegrator, Lif, MeanVoltage, NetworkBuilder, Objective, SpikeTrains};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use rand_distr::Uniform;
///
/// let mut net = NetworkBuilder::new();
/// let input = net.input("input", 2);
/// let hidden = net.layer("hidden", Lif::new(3));
/// let output = net.layer("output", LeakyIntegrator::new(2));
/// net.connect(input, hidden, Dense::weights(Uniform::new(2.0, 5.0)?).delays(Uniform::new(0.0, 9.0)?));
/// net.connect(hidden, output, Dense::weights(Uniform::new(-1.0, 1.0)?).delays(1.0));
/// let net = net.build(&mut ChaCha8Rng::seed_from_u64(3))?;
/// let input = SpikeTrains::from_channels([[1.0, 8.0], [2.0, 12.5]])?;
/// let objective = Objective::new(MeanVoltage, CrossEntropy::new());
///
/// let report = GradientCheck::new().run(&net, &input, 50.0, &objective, &1)?;
/// assert!(report.passed(), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct GradientCheck {
    relative: f64,
    absolute: f64,
    step: f64,
    most: usize,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self { relative: 1e-6, absolute: 1e-9, step: 1e-2, most: usize::MAX }
    }
}

/// Where the pattern changes, the step is cut this often before a parameter is skipped.
const CUTS: usize = 7;
const CUT: f64 = 0.2;
/// What the estimated error must be down to, as a part of what passes.
const SMALL: f64 = 0.01;

/// To which sides of a parameter the loss is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sides {
    Both,
    Lower,
    Upper,
}

impl Sides {
    /// What is left of a range.
    fn within(self, center: f64, (lower, upper): (f64, f64)) -> (f64, f64) {
        match self {
            Self::Both => (lower, upper),
            Self::Lower => (lower, center),
            Self::Upper => (center, upper),
        }
    }
}

/// A check that means nothing.
#[derive(Clone, Copy, PartialEq, thiserror::Error)]
#[error("{what} of a gradient check is {value}, but must be finite and {rule}")]
pub struct CheckError {
    /// The step or a tolerance.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub rule: &'static str,
}

/// Makes a copy of a network.
type MakeCopy<'a> = dyn Fn() -> Box<dyn Network<f64> + 'a> + Sync + 'a;

impl GradientCheck {
    /// A check to 1e-6 relative or 1e-9 absolute, with a first step of 0.01.
    pub fn new() -> Self {
        Self::default()
    }

    /// The relative and the absolute error that pass; the larger of the two counts.
    pub fn tolerance(mut self, relative: f64, absolute: f64) -> Self {
        (self.relative, self.absolute) = (relative, absolute);
        self
    }

    /// The first step of the finite differences, in the unit of the parameter.
    pub fn step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }

    /// Checks no more than so many gradients of each class, evenly spread over it: for networks with so many parameters
    /// that there is no time for all. [`CheckClass::left_out`] counts the others.
    pub fn at_most(mut self, gradients: usize) -> Self {
        self.most = gradients;
        self
    }

    /// Checks the gradients of one trial, on all threads of the current `rayon` pool, each with a copy of the network. Hold no
    /// lock meanwhile that other work of this pool waits for.
    ///
    /// # Errors
    /// If the unperturbed trial fails, or the step or a tolerance means nothing.
    pub fn run<N, G>(
        &self,
        network: &N,
        input: &SpikeTrains,
        duration: f64,
        goal: &G,
        target: &G::Target,
    ) -> Result<CheckReport, Error>
    where
        N: Network<f64> + Clone,
        G: Goal<f64> + ?Sized,
    {
        let trace = network.forward(input, duration)?;
        let (_, gradients) = network.backward(&trace, goal, target)?;
        self.compare(network, input, duration, goal, target, &gradients)
    }

    /// Checks given gradients, from whatever source, of one trial, likewise: those of [`backward_batch`](crate::backward_batch) of
    /// this one sample, say, which is what training uses. A [`Network`] of your own may take another way there.
    ///
    /// # Errors
    /// If the unperturbed trial fails, the gradients are of another network or input, or the step or a tolerance means nothing.
    pub fn compare<N, G>(
        &self,
        network: &N,
        input: &SpikeTrains,
        duration: f64,
        goal: &G,
        target: &G::Target,
        gradients: &Gradients<f64>,
    ) -> Result<CheckReport, Error>
    where
        N: Network<f64> + Clone,
        G: Goal<f64> + ?Sized,
    {
        let copy = || -> Box<dyn Network<f64> + '_> { Box::new(network.clone()) };
        self.compare_copies((network, &copy), input, duration, &goal, target, gradients)
    }

    /// The same with copies of the network whose parameters may be moved.
    fn compare_copies<T: ?Sized + Sync>(
        &self,
        (network, copy): (&dyn Network<f64>, &MakeCopy<'_>),
        input: &SpikeTrains,
        duration: f64,
        goal: &dyn Goal<f64, Target = T>,
        target: &T,
        gradients: &Gradients<f64>,
    ) -> Result<CheckReport, Error> {
        self.validate()?;
        let times = gradients.input_times.len();
        if gradients.layout() != network.layout() || (times > 0 && times != input.len()) {
            return Err(AdjointError::Layout.into());
        }
        let reference = network.forward(input, duration)?;
        // `None` where the pattern of spikes differs from that of the unperturbed trial.
        let loss = |network: &dyn Network<f64>, input: &SpikeTrains| -> Option<f64> {
            let trace = network.forward(input, duration).ok()?;
            if !same_pattern(&reference, &trace) {
                return None;
            }
            let mut assessment = Assessment::default();
            assessment.judge(network, &trace, goal, target).ok()?;
            Some(assessment.evaluation.loss)
        };
        let unmoved = loss(network, input);
        // Copies that no thread is at.
        let copies = Mutex::new(Vec::new());
        let lock = || copies.lock().unwrap_or_else(PoisonError::into_inner);
        let by_parameter = |place: (usize, usize), adjoint: f64| {
            let (center, range) = {
                let parameters = network.parameters();
                let Parameter { values, bounds, .. } = &parameters[place.0].1;
                (values[place.1], (bounds.lower, bounds.upper))
            };
            let kept = lock().pop();
            let mut moved = kept.unwrap_or_else(copy);
            let found = self.settle(adjoint, &mut |step, sides| {
                let range = sides.within(center, range);
                self.differentiate(step, (center, unmoved?), range, &mut |x| {
                    move_one(network, &mut *moved, place, x)?;
                    loss(&*moved, input)
                })
            });
            lock().push(moved);
            found
        };
        let by_time = |index: usize, adjoint: f64| {
            let center = input.times()[index];
            self.settle(adjoint, &mut |step, sides| {
                let range = sides.within(center, (0.0, f64::INFINITY));
                self.differentiate(step, (center, unmoved?), range, &mut |x| {
                    loss(network, &with_time(input, index, x)?)
                })
            })
        };
        let blocks = gradients.layout();
        let classes = block_names(blocks).zip(blocks);
        let classes = classes.map(|(name, block)| CheckClass::new(name, Some(block.kind)));
        let last = CheckClass::new("input times".into(), None);
        let mut classes: Vec<_> = classes.chain([last]).collect();
        let values: Vec<_> =
            gradients.blocks().map(|(_, all)| all).chain([&gradients.input_times[..]]).collect();
        let mut chosen = Vec::new();
        for (number, (class, all)) in classes.iter_mut().zip(&values).enumerate() {
            let count = all.len().min(self.most);
            class.left_out = all.len() - count;
            // The middle ones of so many equal stretches.
            let stretch = all.len() as f64 / count as f64;
            chosen.extend((0..count).map(|k| (number, ((k as f64 + 0.5) * stretch) as usize)));
        }
        let difference = |k: usize| -> Result<_, Error> {
            let (class, index) = chosen[k];
            let adjoint = values[class][index];
            let is_time = class == gradients.layout().len();
            Ok(if is_time {
                by_time(index, adjoint)
            } else {
                by_parameter((class, index), adjoint)
            })
        };
        in_order(chosen.len(), difference, |k, numeric| {
            let (class, index) = chosen[k];
            classes[class].add(self, index, values[class][index], numeric);
            Ok(())
        })?;
        Ok(CheckReport { classes })
    }

    fn validate(&self) -> Result<(), CheckError> {
        let refuse = |what, value, rule| Err(CheckError { what, value, rule });
        let Self { relative, absolute, step, .. } = *self;
        if !(step.is_finite() && step > 0.0) {
            return refuse("the step", step, "above 0");
        }
        for (what, value) in
            [("the relative tolerance", relative), ("the absolute tolerance", absolute)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(what, value, "not negative");
            }
        }
        Ok(())
    }

    /// The finite difference to compare with, `None` if there is none. The loss may have a kink nearby that no pattern of spikes
    /// shows (where an arrival meets the end of a refractory period, say): where the first one disagrees,
    /// a finer one that agrees, and is exact enough to tell, takes its place. If the kink is at this very point, and the gradient is
    /// that of one side, there is none.
    fn settle(
        &self,
        adjoint: f64,
        difference: &mut dyn FnMut(f64, Sides) -> Option<(f64, f64)>,
    ) -> Option<(f64, f64)> {
        let first = difference(self.step, Sides::Both)?;
        let is_exact = |(numeric, error): &(f64, f64)| {
            *error <= self.allowed(adjoint.abs().max(numeric.abs()))
        };
        let agrees = |found: &(f64, f64)| {
            let allowed = self.allowed(adjoint.abs().max(found.0.abs()));
            (adjoint - found.0).abs() <= allowed && is_exact(found)
        };
        if agrees(&first) {
            return Some(first);
        }
        let finer = [CUT * CUT, CUT.powi(4)].map(|cut| cut * self.step);
        let settled =
            finer.into_iter().filter_map(|step| difference(step, Sides::Both)).find(agrees);
        if settled.is_some() {
            return settled;
        }
        let is_kink = finer.into_iter().any(|step| {
            let each = [Sides::Lower, Sides::Upper].map(|side| difference(step, side));
            let [Some(lower), Some(upper)] = each else { return false };
            is_exact(&lower) && is_exact(&upper) && agrees(&lower) != agrees(&upper)
        });
        (!is_kink).then_some(first)
    }

    /// The error that passes of a gradient of this size.
    fn allowed(&self, size: f64) -> f64 {
        self.absolute.max(self.relative * size)
    }

    /// (derivative, its estimated error) at `x` of `f`, which is `center` there, with arguments kept in a range.
    fn differentiate(
        &self,
        first_step: f64,
        (x, center): (f64, f64),
        (lower, upper): (f64, f64),
        f: &mut dyn FnMut(f64) -> Option<f64>,
    ) -> Option<(f64, f64)> {
        let small = |size: f64| SMALL * self.allowed(size);
        // What rounding leaves uncertain of a value; divided by the step, of the quotient.
        let noise = 16.0 * f64::EPSILON * center.abs();
        let mut step = first_step;
        for _ in 0..CUTS {
            let found = match (x - step >= lower, x + step <= upper) {
                (true, true) => ridders(step, 2, (noise, &small), &mut |h| {
                    Some((f(x + h)? - f(x - h)?) / (2.0 * h))
                }),
                (false, true) => {
                    ridders(step, 1, (noise, &small), &mut |h| Some((f(x + h)? - center) / h))
                }
                (true, false) => {
                    ridders(step, 1, (noise, &small), &mut |h| Some((center - f(x - h)?) / h))
                }
                (false, false) => None,
            };
            if found.is_some() {
                return found;
            }
            step *= CUT;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::ridders::{FEWEST_LEVELS, LEVELS};
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn ridders_differentiates() {
        let check = GradientCheck::new().tolerance(1e-11, 0.0);
        let mut calls = 0;
        let mut sine = |check: &GradientCheck| {
            let mut f = |x: f64| {
                calls += 1;
                Some(x.sin())
            };
            let at = (1.0, 1f64.sin());
            let found = check.differentiate(check.step, at, (-9.0, 9.0), &mut f).unwrap();
            (found, std::mem::take(&mut calls))
        };
        let ((d, error), calls) = sine(&check);
        assert_relative_eq!(d, 1f64.cos(), max_relative = 1e-11);
        assert!(error < 1e-10);
        assert_eq!(calls, 2 * LEVELS);
        // Good enough is enough.
        let ((d, error), calls) = sine(&GradientCheck::new());
        assert!((d - 1f64.cos()).abs() <= error && error <= 1e-8 * d, "{d} +- {error}");
        assert_eq!(calls, 2 * FEWEST_LEVELS);
        // One-sided at a bound.
        let exp = &mut |x: f64| Some(x.exp());
        let (d, error) = check.differentiate(check.step, (0.0, 1.0), (0.0, 9.0), exp).unwrap();
        assert_relative_eq!(d, 1.0, max_relative = 1e-9);
        assert!(error < 1e-8);
        let constant = &mut |x| (x == 0.0).then_some(0.0);
        assert_eq!(check.differentiate(check.step, (0.0, 0.0), (0.0, 9.0), constant), None);
    }

    #[test]
    fn a_kink_nearby_asks_for_finer_steps() {
        let check = GradientCheck::new();
        let slope = |x: f64, step: (f64, Sides)| {
            let mut f = |x: f64| Some(if x > 1e-3 { 3.0 * x - 2e-3 } else { x });
            let center = f(x)?;
            check.differentiate(step.0, (x, center), step.1.within(x, (-9.0, 9.0)), &mut f)
        };
        let settle = |adjoint, x| check.settle(adjoint, &mut |step, sides| slope(x, (step, sides)));
        let (found, _) = settle(1.0, 0.0).unwrap();
        assert_relative_eq!(found, 1.0, max_relative = 1e-9);
        // It does not make a wrong gradient right.
        let (found, _) = settle(1.01, 0.0).unwrap();
        assert!((found - 1.01).abs() > 1e-4);
        // At the kink itself there is no derivative to compare with, and a wrong gradient is that of neither side.
        assert_eq!((settle(1.0, 1e-3), settle(3.0, 1e-3)), (None, None));
        assert_relative_eq!(settle(2.5, 1e-3).unwrap().0, 2.0, max_relative = 1e-9);
    }

    #[test]
    fn wrong_and_missing_gradients_do_not_pass() {
        let check = GradientCheck::new();
        let mut class = CheckClass::new("x".into(), None);
        class.add(&check, 0, 1.0, Some((1.0 + 1e-9, 1e-12)));
        class.add(&check, 1, 1.0, None);
        class.add(&check, 2, 1.0, Some((1.001, 0.01)));
        assert_eq!((class.checked, class.skipped, class.inconclusive), (1, 1, 1));
        assert!(class.mismatches.is_empty());
        class.add(&check, 3, 1.0, Some((1.001, 1e-9)));
        class.add(&check, 4, f64::NAN, Some((1.0, 1e-9)));
        class.add(&check, 5, 2.0, Some((1.0, 1e-3)));
        let wrong: Vec<usize> = class.mismatches.iter().map(|m| m.index).collect();
        assert_eq!(wrong, [3, 4, 5]);
        assert_eq!((class.checked, class.small, class.worst), (4, 0, f64::INFINITY));
        for (adjoint, numeric) in
            [(f64::INFINITY, 1.0), (1.0, f64::NEG_INFINITY), (f64::INFINITY, f64::NAN)]
        {
            class.add(&check, 6, adjoint, Some((numeric, 1e-9)));
        }
        assert_eq!((class.checked, class.mismatches.len()), (7, 6));
        assert!(!CheckReport { classes: vec![class] }.passed());
        assert!(!CheckReport { classes: Vec::new() }.passed());
    }

    #[test]
    fn gradients_too_small_to_tell_do_not_pass_by_themselves() {
        let check = GradientCheck::new();
        let mut class = CheckClass::new("x".into(), None);
        class.add(&check, 0, 0.0, Some((0.0, 0.0)));
        class.add(&check, 1, 0.0, Some((5e-10, 1e-13)));
        class.add(&check, 2, -3e-10, Some((1e-10, 1e-13)));
        assert_eq!((class.checked, class.small, class.worst), (3, 3, 0.0));
        assert!(class.mismatches.is_empty());
        let report = CheckReport { classes: vec![class.clone()] };
        assert!(!report.passed() && report.to_string().contains("too small to tell"));
        // What agrees relative to its size tells something, however small it is.
        class.add(&check, 3, 1e-10, Some((1e-10 + 1e-17, 1e-17)));
        assert_eq!((class.checked, class.small), (4, 3));
        assert!(class.worst > 0.0 && CheckReport { classes: vec![class] }.passed());
    }
}
