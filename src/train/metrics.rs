//! What a network makes of a set of samples.

use super::TrainError;
use super::batches::{self, Batch};
use super::processes::Processes;
use crate::data::{Augmentation, Dataset};
use crate::health::convert;
use crate::{BatchSummary, Goal, Health, Network, Real};
use std::collections::BTreeMap;

/// Samples in memory at one time during an evaluation.
const CHUNK: usize = 256;

/// Which class was taken for which. It takes no more memory than the samples, however many classes there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Confusion {
    /// Class, prediction, and how often they came together; sorted.
    counts: Vec<(usize, Option<usize>, u64)>,
}

impl Confusion {
    /// Of the class of each sample, and that which it was taken for, if it was for any.
    pub fn new(labels: &[usize], predictions: &[Option<usize>]) -> Self {
        let mut counts = BTreeMap::new();
        let pairs = labels.iter().copied().zip(predictions.iter().copied());
        pairs.for_each(|pair| *counts.entry(pair).or_insert(0) += 1);
        Self { counts: counts.into_iter().map(|((label, found), n)| (label, found, n)).collect() }
    }

    /// How many samples of a class were taken for another, or the same, or for none.
    pub fn count(&self, class: usize, prediction: Option<usize>) -> u64 {
        let place = self.counts.binary_search_by_key(&(class, prediction), |&(c, p, _)| (c, p));
        place.map_or(0, |place| self.counts[place].2)
    }

    /// All of these counts that are not 0: class, prediction, number of samples.
    pub fn counts(&self) -> impl Iterator<Item = (usize, Option<usize>, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// Of the samples of a class, the share that was taken for it; `None` if there is none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        self.share(class, |(label, ..)| label == class)
    }

    /// Of the samples that were taken for a class, the share that is of it; `None` if there is none.
    pub fn precision(&self, class: usize) -> Option<f64> {
        self.share(class, |(_, prediction, _)| prediction == Some(class))
    }

    /// What is right of a class, by `all` of something.
    fn share(
        &self,
        class: usize,
        all: impl Fn((usize, Option<usize>, u64)) -> bool,
    ) -> Option<f64> {
        let all = self.counts().filter(|&entry| all(entry));
        // A file may hold any numbers.
        let all = all.fold(0_u64, |sum, (.., n)| sum.saturating_add(n));
        (all > 0).then(|| self.count(class, Some(class)) as f64 / all as f64)
    }
}

/// What a network made of some samples.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Metrics {
    /// The number of samples.
    pub samples: usize,
    /// The mean loss.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub loss: f64,
    /// The mean loss of each part of the objective, without its weight.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::list"))]
    pub losses: Vec<f64>,
    /// How many predictions are right.
    pub correct: usize,
    /// Which class was taken for which.
    pub confusion: Confusion,
    /// The number of spikes of each neuron, over all samples; by layer.
    pub spikes: Vec<Vec<u64>>,
    /// In how many samples each neuron was silent; by layer.
    pub silent: Vec<Vec<u64>>,
    /// What the backward passes met; empty after an evaluation.
    pub health: Health<f64>,
}

impl Metrics {
    /// Of a summary, given the labels of its samples.
    pub(super) fn new<F: Real>(summary: &BatchSummary<F>, labels: &[usize]) -> Self {
        Self {
            samples: summary.samples,
            loss: summary.loss.as_f64(),
            losses: summary.losses.iter().map(|loss| loss.as_f64()).collect(),
            correct: summary.correct(labels),
            confusion: Confusion::new(labels, &summary.predictions),
            spikes: summary.spikes.clone(),
            silent: summary.silent.clone(),
            health: convert(&summary.health, F::as_f64),
        }
    }

    /// The share of samples with the right prediction; 0 without samples or predictions.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
    }

    /// The accuracy, if any sample got a prediction.
    pub(super) fn known_accuracy(&self) -> Option<f64> {
        let mut counts = self.confusion.counts();
        counts.any(|(_, prediction, _)| prediction.is_some()).then(|| self.accuracy())
    }

    /// The mean number of spikes of a neuron of a layer in a sample.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn spikes_per_neuron(&self, layer: usize) -> f64 {
        let spikes = &self.spikes[layer];
        let total: u64 = spikes.iter().sum();
        total as f64 / (spikes.len().max(1) as f64 * self.samples.max(1) as f64)
    }

    /// How many neurons of a layer did not fire in any sample.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn silent_neurons(&self, layer: usize) -> usize {
        self.spikes[layer].iter().filter(|&&spikes| spikes == 0).count()
    }
}

/// What a network makes of a data set, in trials of `duration` ms. Of the samples, 256 are in memory at one time.
///
/// # Errors
/// A sample that cannot be read, simulated or judged.
pub fn evaluate<F: Real>(
    network: &dyn Network<F>,
    data: &Dataset,
    duration: f64,
    goal: &dyn Goal<F, Target = usize>,
) -> Result<Metrics, TrainError> {
    evaluate_by(&Processes::one(), network, data, duration, goal)
}

/// Which class a network takes each sample of a set for, in trials of `duration` ms; `None` as in
/// [`Loss::predict`](crate::Loss::predict). For a single sample without a label: [`Objective::predict`](crate::Objective::predict).
///
/// # Errors
/// As [`evaluate`].
pub fn predict<F: Real>(
    network: &dyn Network<F>,
    data: &Dataset,
    duration: f64,
    goal: &dyn Goal<F, Target = usize>,
) -> Result<Vec<Option<usize>>, TrainError> {
    Ok(summarize(&Processes::one(), network, data, duration, goal)?.predictions)
}

/// See [`evaluate`]; by several processes.
pub(super) fn evaluate_by<F: Real>(
    processes: &Processes<'_>,
    network: &dyn Network<F>,
    data: &Dataset,
    duration: f64,
    goal: &dyn Goal<F, Target = usize>,
) -> Result<Metrics, TrainError> {
    let summary = summarize(processes, network, data, duration, goal)?;
    let labels: Vec<usize> = data.labels().collect();
    Ok(Metrics::new(&summary, &labels))
}

fn summarize<F: Real>(
    processes: &Processes<'_>,
    network: &dyn Network<F>,
    data: &Dataset,
    duration: f64,
    goal: &dyn Goal<F, Target = usize>,
) -> Result<BatchSummary<F>, TrainError> {
    let mut whole: Option<BatchSummary<F>> = None;
    let all: Vec<usize> = (0..data.len()).collect();
    for chunk in all.chunks(CHUNK) {
        let batch = Batch::take(data, &Augmentation::default(), 0, 0, chunk)?;
        let summary = processes
            .evaluate(network, &batch.samples(), duration, goal)
            .map_err(|error| batches::in_sample(error, chunk))?;
        match &mut whole {
            Some(whole) => whole.merge(&summary),
            None => whole = Some(summary),
        }
    }
    match whole {
        Some(whole) => Ok(whole),
        None => processes
            .evaluate(network, &[], duration, goal)
            .map_err(|error| batches::in_sample(error, &[])),
    }
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    #[test]
    fn recall_is_of_rows_and_precision_of_columns() {
        let predictions = [Some(0), Some(1), Some(1), None, Some(1), Some(usize::MAX)];
        let confusion = Confusion::new(&[0, 0, 1, 1, 1, 1], &predictions);
        assert_eq!([0, 1].map(|k| confusion.count(k, Some(1))), [1, 2]);
        assert_eq!([0, 1].map(|k| confusion.count(k, None)), [0, 1]);
        assert_eq!(confusion.counts().map(|(.., n)| n).sum::<u64>(), 6);
        assert_eq!([0, 1, 2].map(|k| confusion.recall(k)), [Some(0.5), Some(0.5), None]);
        let precision = [0, 1, 2].map(|k| confusion.precision(k));
        assert_eq!(precision, [Some(1.0), Some(2.0 / 3.0), None]);
    }
}
