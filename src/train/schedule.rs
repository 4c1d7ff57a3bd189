//! Learning-rate schedules.

use super::{History, Metric, TrainError};
use crate::{ParameterKind, Rates};

/// The factor of a learning rate in the course of training.
///
/// It is a function of what was done so far, and keeps nothing itself: the rates of the optimiser are
/// multiplied for the length of a step and stay what they are, so no error adds up and nothing is lost when
/// training resumes.
///
/// ```
/// use eventprop::train::{History, Schedule};
/// let schedule = Schedule::ease_in().and(Schedule::Exponential { factor: 0.95 });
/// let history = History::default();
/// assert_eq!(schedule.factor(0, 0, &history), 1e-3);
/// assert_eq!(schedule.factor(1_000, 2, &history), 0.95 * 0.95);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub enum Schedule {
    /// 1.
    Constant,
    /// From `start`, `growth` times as much with each batch, until 1.
    EaseIn {
        /// The factor of the first batch, above 0.
        start: f64,
        /// At least 1.
        growth: f64,
    },
    /// `factor` times as much with each epoch.
    Exponential {
        /// Above 0.
        factor: f64,
    },
    /// Half a cosine from 1 to `end`, which it stays at after `epochs` epochs.
    Cosine {
        /// At least 1.
        epochs: usize,
        /// Not negative.
        end: f64,
    },
    /// `factor` times as much every `epochs` epochs.
    Step {
        /// At least 1.
        epochs: usize,
        /// Above 0.
        factor: f64,
    },
    /// `factor` times as much whenever the metric has not become better for `patience` epochs.
    Plateau {
        /// What has to become better.
        metric: Metric,
        /// At least 1.
        patience: usize,
        /// Above 0.
        factor: f64,
    },
    /// The product of several.
    Product(Vec<Schedule>),
}

impl Schedule {
    /// That of Mészáros et al. (2025): a thousandth at first, 5 % more with each batch.
    pub fn ease_in() -> Self {
        Self::EaseIn { start: 1e-3, growth: 1.05 }
    }

    /// The product of this and another.
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::Product(mut all) => {
                all.push(other);
                Self::Product(all)
            }
            one => Self::Product(vec![one, other]),
        }
    }

    /// The factor for a step, after so many `batches` in all and these complete `epochs`, whose reports are
    /// in `history`.
    pub fn factor(&self, batches: u64, epochs: usize, history: &History) -> f64 {
        let power = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        match self {
            Self::Constant => 1.0,
            Self::EaseIn { start, growth } => {
                let batches = i32::try_from(batches).unwrap_or(i32::MAX);
                (start * growth.powi(batches)).min(1.0)
            }
            Self::Exponential { factor } => factor.powi(power(epochs)),
            Self::Cosine { epochs: length, end } => {
                let share = (epochs as f64 / *length as f64).min(1.0);
                end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
            Self::Step { epochs: length, factor } => factor.powi(power(epochs / (*length).max(1))),
            Self::Plateau { metric, patience, factor } => {
                factor.powi(power(plateaus(history, *metric, *patience)))
            }
            Self::Product(all) => all.iter().map(|s| s.factor(batches, epochs, history)).product(),
        }
    }

    /// The metrics that it asks for.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        match self {
            Self::Plateau { metric, .. } => vec![*metric],
            Self::Product(all) => all.iter().flat_map(Self::metrics).collect(),
            _ => Vec::new(),
        }
    }

    fn check(&self) -> Result<(), TrainError> {
        let number = |what, value: f64, good: bool, rule| {
            if value.is_finite() && good {
                Ok(())
            } else {
                Err(TrainError::Setting { what, value: value.to_string(), rule })
            }
        };
        let positive = |what, x: f64| number(what, x, x > 0.0, "finite and above 0");
        let count = |what, n: usize| number(what, n as f64, n > 0, "at least 1");
        match self {
            Self::Constant => Ok(()),
            Self::EaseIn { start, growth } => {
                positive("the start of an ease-in", *start)?;
                number("the growth of an ease-in", *growth, *growth >= 1.0, "finite, at least 1")
            }
            Self::Exponential { factor } => {
                positive("the factor of an exponential schedule", *factor)
            }
            Self::Cosine { epochs, end } => {
                count("the epochs of a cosine schedule", *epochs)?;
                number("the end of a cosine schedule", *end, *end >= 0.0, "finite and not negative")
            }
            Self::Step { epochs, factor } => {
                count("the epochs of a step schedule", *epochs)?;
                positive("the factor of a step schedule", *factor)
            }
            Self::Plateau { patience, factor, .. } => {
                count("the patience of a plateau schedule", *patience)?;
                positive("the factor of a plateau schedule", *factor)
            }
            Self::Product(all) => all.iter().try_for_each(Self::check),
        }
    }
}

/// How often a metric has been no better for `patience` epochs in a row.
fn plateaus(history: &History, metric: Metric, patience: usize) -> usize {
    let (mut best, mut stale, mut found) = (None, 0, 0);
    for report in &history.epochs {
        let value = metric.of(report);
        if value.is_some_and(|v| !v.is_nan() && best.is_none_or(|b| metric.is_better(v, b))) {
            (best, stale) = (value, 0);
        } else {
            stale += 1;
        }
        if stale >= patience {
            (stale, found) = (0, found + 1);
        }
    }
    found
}

/// A schedule for each kind of parameter.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Schedules {
    /// Of the learning rate of weights.
    pub weights: Schedule,
    /// Of the learning rate of delays.
    pub delays: Schedule,
    /// Of the learning rate of the constants of neurons.
    pub constants: Schedule,
}

/// The same for all.
impl From<Schedule> for Schedules {
    fn from(schedule: Schedule) -> Self {
        Self { weights: schedule.clone(), delays: schedule.clone(), constants: schedule }
    }
}

impl Schedules {
    fn each(&self) -> [(ParameterKind, &Schedule); 3] {
        [
            (ParameterKind::Weight, &self.weights),
            (ParameterKind::Delay, &self.delays),
            (ParameterKind::TauMem, &self.constants),
        ]
    }

    /// Whether any schedule is other than constant.
    pub(super) fn vary(&self) -> bool {
        self.each().iter().any(|(_, schedule)| **schedule != Schedule::Constant)
    }

    pub(super) fn metrics(&self) -> Vec<Metric> {
        self.each().iter().flat_map(|(_, schedule)| schedule.metrics()).collect()
    }

    pub(super) fn check(&self) -> Result<(), TrainError> {
        self.each().iter().try_for_each(|(_, schedule)| schedule.check())
    }

    /// The factors of weights, delays and constants.
    pub(super) fn factors(&self, batches: u64, history: &History) -> [f64; 3] {
        self.each().map(|(_, schedule)| schedule.factor(batches, history.epochs.len(), history))
    }
}

/// Multiplies rates by the factors of weights, delays and constants.
pub(super) fn scale(rates: &mut Rates, [weights, delays, constants]: [f64; 3]) {
    rates.weights *= weights;
    rates.delays *= delays;
    rates.constants *= constants;
}
