//! Batches: the mean loss and gradient of many samples, on all cores.

use crate::{
    Error, Evaluation, Gradients, Loss, Network, Objective, Readout, Real, SpikeTrains, Trace,
};
use std::borrow::Borrow;

/// One sample of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a, T: ?Sized> {
    /// The input.
    pub input: &'a SpikeTrains,
    /// What the read-out is compared with: a label or values.
    pub target: &'a T,
}

/// What a batch came to.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchSummary<F = f64> {
    /// The number of samples.
    pub samples: usize,
    /// The mean loss.
    pub loss: F,
    /// The prediction for each sample, if the loss is one that classifies.
    pub predictions: Vec<Option<usize>>,
    /// The number of spikes of each neuron, over all samples; by layer.
    pub spikes: Vec<Vec<u64>>,
    /// In how many samples each neuron was silent; by layer.
    pub silent: Vec<Vec<u64>>,
    /// See [`Trace::ties`].
    pub ties: usize,
}

impl<F: Real> BatchSummary<F> {
    fn new(network: &impl Network<F>) -> Self {
        let zeros: Vec<Vec<u64>> =
            (0..network.layers()).map(|l| vec![0; network.layer_info(l).1]).collect();
        Self {
            samples: 0,
            loss: F::zero(),
            predictions: Vec::new(),
            spikes: zeros.clone(),
            silent: zeros,
            ties: 0,
        }
    }

    /// How many predictions are right.
    pub fn correct<'a>(&self, labels: impl IntoIterator<Item = &'a usize>) -> usize {
        self.predictions.iter().zip(labels).filter(|(p, l)| **p == Some(**l)).count()
    }

    fn count(&mut self, trace: &Trace<F>) {
        for layer in 0..trace.layers() {
            for (neuron, train) in trace.spikes(layer).iter().enumerate() {
                self.spikes[layer][neuron] += train.len() as u64;
                self.silent[layer][neuron] += u64::from(train.is_empty());
            }
        }
        self.ties += trace.ties();
    }

    /// Appends another summary; losses are sums until the whole batch is in.
    fn append(&mut self, other: Self) {
        self.samples += other.samples;
        self.loss += other.loss;
        self.predictions.extend(other.predictions);
        self.ties += other.ties;
        for (mine, theirs) in [(&mut self.spikes, other.spikes), (&mut self.silent, other.silent)] {
            for (a, b) in mine.iter_mut().flatten().zip(theirs.into_iter().flatten()) {
                *a += b;
            }
        }
    }
}

/// Samples per unit of parallel work. Fixed, because sums are taken chunk by chunk and must not
/// depend on the number of threads.
const CHUNK: usize = 8;

/// The mean loss of a batch and its gradient.
///
/// Samples are spread over the threads of the current `rayon` pool. Gradients are added in a fixed
/// order: the result is the same bits for any number of threads.
///
/// # Errors
/// The error of the first sample that has one, as [`Error::Sample`].
pub fn backward_batch<F, N, R, L, T>(
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    objective: &Objective<R, L>,
) -> Result<(BatchSummary<F>, Gradients<F>), Error>
where
    F: Real,
    N: Network<F>,
    R: Readout<F>,
    L: Loss<F>,
    T: Borrow<L::Target> + Sync + ?Sized,
{
    let chunk = |start: usize, samples: &[Sample<'_, T>]| {
        let mut sum = Gradients::zeros(network.layout());
        let summary = summarize(network, start, samples, duration, |trace, target| {
            let (evaluation, gradients) = network.backward(trace, objective, target.borrow())?;
            sum.add(&gradients);
            Ok(evaluation)
        })?;
        Ok((summary, sum))
    };
    let mut summary = BatchSummary::new(network);
    let mut total = Gradients::zeros(network.layout());
    for part in map_chunks(samples, chunk) {
        let (part, gradients) = part?;
        summary.append(part);
        total.add(&gradients);
    }
    if !samples.is_empty() {
        let n = F::of(samples.len() as f64);
        summary.loss /= n;
        total.scale(n.recip());
    }
    Ok((summary, total))
}

/// The mean loss of a batch, its predictions and spikes, without gradients.
///
/// # Errors
/// As [`backward_batch`].
pub fn evaluate_batch<F, N, R, L, T>(
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    objective: &Objective<R, L>,
) -> Result<BatchSummary<F>, Error>
where
    F: Real,
    N: Network<F>,
    R: Readout<F>,
    L: Loss<F>,
    T: Borrow<L::Target> + Sync + ?Sized,
{
    let chunk = |start: usize, samples: &[Sample<'_, T>]| {
        summarize(network, start, samples, duration, |trace, target| {
            network.evaluate(trace, objective, target.borrow())
        })
    };
    let mut summary = BatchSummary::new(network);
    for part in map_chunks(samples, chunk) {
        summary.append(part?);
    }
    if !samples.is_empty() {
        summary.loss /= F::of(samples.len() as f64);
    }
    Ok(summary)
}

/// Simulates consecutive samples, of which the first has the number `start`, and sums up what
/// `evaluate` makes of each.
fn summarize<F: Real, N: Network<F>, T: ?Sized>(
    network: &N,
    start: usize,
    samples: &[Sample<'_, T>],
    duration: f64,
    mut evaluate: impl FnMut(&Trace<F>, &T) -> Result<Evaluation<F>, Error>,
) -> Result<BatchSummary<F>, Error> {
    let mut summary = BatchSummary::new(network);
    for (k, sample) in samples.iter().enumerate() {
        let in_sample = |source| Error::Sample { index: start + k, source: Box::new(source) };
        let trace = network.forward(sample.input, duration).map_err(|e| in_sample(e.into()))?;
        let evaluation = evaluate(&trace, sample.target).map_err(in_sample)?;
        summary.count(&trace);
        summary.samples += 1;
        summary.loss += evaluation.loss;
        summary.predictions.push(evaluation.prediction);
    }
    Ok(summary)
}

/// Calls `f(index of the first sample, samples)` for every chunk; results in order.
fn map_chunks<S: Sync, O: Send>(
    samples: &[S],
    f: impl Fn(usize, &[S]) -> Result<O, Error> + Sync,
) -> Vec<Result<O, Error>> {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        let chunks = samples.par_chunks(CHUNK).enumerate();
        chunks.map(|(k, samples)| f(k * CHUNK, samples)).collect()
    }
    #[cfg(not(feature = "rayon"))]
    {
        let chunks = samples.chunks(CHUNK).enumerate();
        chunks.map(|(k, samples)| f(k * CHUNK, samples)).collect()
    }
}
