//! What a network makes of a set of samples.

use super::TrainError;
use super::batches::{self, Batch};
use super::processes::Processes;
use crate::data::{Augmentation, Dataset};
use crate::health::convert;
use crate::{BatchSummary, Goal, Health, Network, Real};

/// Samples in memory at one time during an evaluation.
const CHUNK: usize = 256;

/// Which class was taken for which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Confusion {
    /// How many samples of each class (row) were taken for each class (column), of those that the set has.
    pub counts: Vec<Vec<u64>>,
    /// How many samples of each class got no prediction, or a class that the set does not have.
    pub undecided: Vec<u64>,
}

impl Confusion {
    /// Of predictions and the classes that would have been right, out of so many.
    fn new(predictions: &[Option<usize>], labels: &[usize], classes: usize) -> Self {
        let mut confusion =
            Self { counts: vec![vec![0; classes]; classes], undecided: vec![0; classes] };
        for (prediction, &label) in predictions.iter().zip(labels) {
            match prediction.filter(|&class| class < classes) {
                Some(class) => confusion.counts[label][class] += 1,
                None => confusion.undecided[label] += 1,
            }
        }
        confusion
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
    pub(super) fn new<F: Real>(
        summary: &BatchSummary<F>,
        labels: &[usize],
        classes: usize,
    ) -> Self {
        Self {
            samples: summary.samples,
            loss: summary.loss.as_f64(),
            losses: summary.losses.iter().map(|loss| loss.as_f64()).collect(),
            correct: summary.correct(labels),
            confusion: Confusion::new(&summary.predictions, labels, classes),
            spikes: summary.spikes.clone(),
            silent: summary.silent.clone(),
            health: convert(&summary.health, F::as_f64),
        }
    }

    /// The share of right predictions.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
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
    goal: &dyn Goal<F, Target = usize>,
    duration: f64,
) -> Result<Metrics, TrainError> {
    evaluate_by(&Processes::one(), network, data, goal, duration)
}

/// The same by several processes.
pub(super) fn evaluate_by<F: Real>(
    processes: &Processes<'_>,
    network: &dyn Network<F>,
    data: &Dataset,
    goal: &dyn Goal<F, Target = usize>,
    duration: f64,
) -> Result<Metrics, TrainError> {
    let mut whole: Option<BatchSummary<F>> = None;
    let all: Vec<usize> = (0..data.len()).collect();
    let labels: Vec<usize> = all.iter().map(|&index| data.label(index)).collect();
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
    let whole = match whole {
        Some(whole) => whole,
        None => processes
            .evaluate(network, &[], duration, goal)
            .map_err(|error| batches::in_sample(error, &[]))?,
    };
    Ok(Metrics::new(&whole, &labels, data.classes()))
}
