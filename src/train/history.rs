//! Reports of epochs.

use super::Metrics;
use std::fmt;

/// What came out of an epoch. Nothing in it depends on the clock or the machine.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EpochReport {
    /// The epoch, from 0.
    pub epoch: usize,
    /// The factors of the learning rates of weights, delays and constants in the last batch.
    pub factors: [f64; 3],
    /// Of the training samples, each as it was met in the course of the epoch, before the step.
    pub train: Metrics,
    /// Of the validation samples, after the epoch.
    pub validation: Option<Metrics>,
}

/// The reports of all epochs.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct History {
    /// In order.
    pub epochs: Vec<EpochReport>,
}

impl History {
    /// The epoch that was best by a metric; the first of several. `None` if no epoch has it.
    pub fn best(&self, metric: Metric) -> Option<&EpochReport> {
        let mut best: Option<(&EpochReport, f64)> = None;
        for report in &self.epochs {
            if let Some(value) = metric.of(report) {
                if !value.is_nan() && best.is_none_or(|(_, b)| metric.is_better(value, b)) {
                    best = Some((report, value));
                }
            }
        }
        best.map(|(report, _)| report)
    }

    /// The epochs since the best by a metric; those without the samples that it needs tell nothing, and do not count.
    pub(super) fn since_best(&self, metric: Metric) -> usize {
        let best = self.best(metric).map_or(0, |best| best.epoch.saturating_add(1));
        let tells = |e: &&EpochReport| e.validation.is_some() || !metric.needs_validation();
        self.epochs.iter().skip(best).filter(tells).count()
    }
}

/// A number by which epochs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Metric {
    /// The mean loss over the epoch.
    TrainLoss,
    /// The accuracy over the epoch.
    TrainAccuracy,
    /// The mean loss of the validation samples.
    ValidationLoss,
    /// The accuracy on the validation samples.
    ValidationAccuracy,
}

impl Metric {
    /// Its value; `None` if there were no validation samples. There is no accuracy either if no sample got a prediction, as
    /// of a loss that predicts nothing.
    pub fn of(self, report: &EpochReport) -> Option<f64> {
        match self {
            Self::TrainLoss => Some(report.train.loss),
            Self::TrainAccuracy => report.train.known_accuracy(),
            Self::ValidationLoss => report.validation.as_ref().map(|m| m.loss),
            Self::ValidationAccuracy => {
                report.validation.as_ref().and_then(Metrics::known_accuracy)
            }
        }
    }

    /// Whether the first value is better than the second. A NaN is never better.
    pub fn is_better(self, a: f64, b: f64) -> bool {
        match self {
            Self::TrainLoss | Self::ValidationLoss => a < b,
            Self::TrainAccuracy | Self::ValidationAccuracy => a > b,
        }
    }

    /// Whether an epoch has the samples that it is of.
    pub(super) fn could_be_of(self, report: &EpochReport) -> bool {
        !self.needs_validation() || report.validation.is_some()
    }

    pub(super) fn needs_validation(self) -> bool {
        matches!(self, Self::ValidationLoss | Self::ValidationAccuracy)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TrainLoss => "training loss",
            Self::TrainAccuracy => "training accuracy",
            Self::ValidationLoss => "validation loss",
            Self::ValidationAccuracy => "validation accuracy",
        })
    }
}
