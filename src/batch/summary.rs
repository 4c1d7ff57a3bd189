//! What batches come to.

use crate::{Evaluation, Health, Network, Real, Trace};

/// What a batch came to.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
pub struct BatchSummary<F = f64> {
    /// The number of samples.
    pub samples: usize,
    /// The mean loss.
    #[cfg_attr(feature = "serde", serde(with = "crate::number"))]
    pub loss: F,
    /// The mean loss of each part of the objective, without its weight.
    #[cfg_attr(feature = "serde", serde(with = "crate::number::list"))]
    pub losses: Vec<F>,
    /// The prediction for each sample, if the loss is one that classifies and the read-out tells a class.
    pub predictions: Vec<Option<usize>>,
    /// The number of spikes of each neuron, over all samples; by layer.
    pub spikes: Vec<Vec<u64>>,
    /// In how many samples each neuron was silent; by layer.
    pub silent: Vec<Vec<u64>>,
    /// What the backward passes met; empty if there were none.
    pub health: Health<F>,
}

impl<F: Real> BatchSummary<F> {
    pub(super) fn new(network: &dyn Network<F>) -> Self {
        let zeros: Vec<Vec<u64>> =
            (0..network.layers()).map(|l| vec![0; network.layer_info(l).1]).collect();
        Self {
            samples: 0,
            loss: F::zero(),
            losses: Vec::new(),
            predictions: Vec::new(),
            spikes: zeros.clone(),
            silent: zeros,
            health: Health::new(network.layers()),
        }
    }

    /// How many predictions are right.
    pub fn correct<'a>(&self, labels: impl IntoIterator<Item = &'a usize>) -> usize {
        self.predictions.iter().zip(labels).filter(|(p, l)| **p == Some(**l)).count()
    }

    /// Appends the summary of other samples of the same network, as those of an epoch. The loss is the
    /// mean over all.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        // Means do not add up, but their shares of the whole do.
        let all = (self.samples + other.samples).max(1) as f64;
        self.scale_losses(F::of(self.samples as f64 / all));
        other.scale_losses(F::of(other.samples as f64 / all));
        self.append(&other);
    }

    pub(super) fn scale_losses(&mut self, by: F) {
        self.loss *= by;
        self.losses.iter_mut().for_each(|loss| *loss *= by);
    }

    pub(super) fn clear(&mut self) {
        self.samples = 0;
        self.loss = F::zero();
        self.losses.clear();
        self.predictions.clear();
        self.spikes.iter_mut().chain(&mut self.silent).for_each(|counts| counts.fill(0));
        self.health.clear();
    }

    /// Adds a sample.
    pub(super) fn count(&mut self, trace: &Trace<F>, evaluation: &Evaluation<F>) {
        self.samples += 1;
        self.loss += evaluation.loss;
        self.add_losses(&evaluation.losses);
        self.predictions.push(evaluation.prediction);
        for layer in 0..trace.layers() {
            for (neuron, train) in trace.spikes(layer).iter().enumerate() {
                self.spikes[layer][neuron] += train.len() as u64;
                self.silent[layer][neuron] += u64::from(train.is_empty());
            }
        }
    }

    fn add_losses(&mut self, losses: &[F]) {
        self.losses.resize(losses.len().max(self.losses.len()), F::zero());
        self.losses.iter_mut().zip(losses).for_each(|(sum, &loss)| *sum += loss);
    }

    /// Appends another summary; losses are sums until the whole batch is in.
    pub(crate) fn append(&mut self, other: &Self) {
        self.samples += other.samples;
        self.loss += other.loss;
        self.add_losses(&other.losses);
        self.predictions.extend_from_slice(&other.predictions);
        self.health.merge(&other.health);
        for (mine, theirs) in [(&mut self.spikes, &other.spikes), (&mut self.silent, &other.silent)]
        {
            for (a, b) in mine.iter_mut().flatten().zip(theirs.iter().flatten()) {
                *a += b;
            }
        }
    }
}
