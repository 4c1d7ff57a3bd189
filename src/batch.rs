//! Batches: the mean loss and gradient of many samples, on all cores.

use crate::pool::Pool;
use crate::{
    Assessment, BackwardOptions, Block, Deferred, Error, Evaluation, Goal, Gradients, Health,
    Network, Real, SpikeTrains, Trace,
};
use std::borrow::Borrow;

/// One sample of a batch.
#[derive(Debug)]
pub struct Sample<'a, T: ?Sized> {
    /// The input.
    pub input: &'a SpikeTrains,
    /// What the read-out is compared with: a label or values.
    pub target: &'a T,
}

// Derived ones would ask the same of the target.
impl<T: ?Sized> Copy for Sample<'_, T> {}
impl<T: ?Sized> Clone for Sample<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

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
    /// The prediction for each sample, if the loss is one that classifies.
    pub predictions: Vec<Option<usize>>,
    /// The number of spikes of each neuron, over all samples; by layer.
    pub spikes: Vec<Vec<u64>>,
    /// In how many samples each neuron was silent; by layer.
    pub silent: Vec<Vec<u64>>,
    /// What the backward passes met; empty if there were none.
    pub health: Health<F>,
}

impl<F: Real> BatchSummary<F> {
    fn new(network: &impl Network<F>) -> Self {
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
        // Sums add up; means do not.
        self.scale_losses(F::of(self.samples as f64));
        other.scale_losses(F::of(other.samples as f64));
        self.append(&other);
        if self.samples > 0 {
            self.scale_losses(F::of(self.samples as f64).recip());
        }
    }

    fn scale_losses(&mut self, by: F) {
        self.loss *= by;
        self.losses.iter_mut().for_each(|loss| *loss *= by);
    }

    fn clear(&mut self) {
        self.samples = 0;
        self.loss = F::zero();
        self.losses.clear();
        self.predictions.clear();
        self.spikes.iter_mut().chain(&mut self.silent).for_each(|counts| counts.fill(0));
        self.health.clear();
    }

    /// Adds a sample.
    fn count(&mut self, trace: &Trace<F>, evaluation: &Evaluation<F>) {
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
        self.losses.resize(losses.len(), F::zero());
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

/// Samples per unit of parallel work. Fixed, because gradients are summed chunk by chunk and must not
/// depend on the number of threads.
const CHUNK: usize = 8;

/// Chunks per thread in a round, after which their sums are added up, in order. So what is alive at one
/// time does not grow with the batch; the result does not depend on it. A single thread needs no more
/// than one.
const ROUND: usize = 4;

/// The mean loss of a batch and its gradient.
///
/// Samples are spread over the threads of the current `rayon` pool. Gradients are added in a fixed
/// order: the result is the same bits for any number of threads. The memory needed grows with their
/// number, not with that of the samples, and samples use it one after the other.
///
/// # Errors
/// The error of the first sample that has one, as [`Error::Sample`].
pub fn backward_batch<F, N, G, T>(
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
) -> Result<(BatchSummary<F>, Gradients<F>), Error>
where
    F: Real,
    N: Network<F>,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    backward_batch_with(network, samples, duration, goal, &BackwardOptions::new())
}

/// The mean loss of a batch and its gradient, with the remedies that are named.
///
/// A [`SpikeCountRegularizer`](crate::remedy::SpikeCountRegularizer) that goes by the mean of the batch has
/// the batch simulated once more, in order to count spikes.
///
/// # Errors
/// As [`backward_batch`], and options that have no meaning.
pub fn backward_batch_with<F, N, G, T>(
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
    options: &BackwardOptions<F>,
) -> Result<(BatchSummary<F>, Gradients<F>), Error>
where
    F: Real,
    N: Network<F>,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    backward(&Alone, network, samples, duration, goal, options)
}

/// The same, with the work shared as `gather` says.
pub(crate) fn backward<F, N, G, T>(
    gather: &dyn Gather<F>,
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
    options: &BackwardOptions<F>,
) -> Result<(BatchSummary<F>, Gradients<F>), Error>
where
    F: Real,
    N: Network<F>,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    options.check(network.layers())?;
    let mut counted = None;
    if options.needs_batch() {
        let mut total = Chunk::new(network, Vec::new());
        run(gather, network, samples, duration, &mut total, |_, _, _, _| Ok(()))?;
        counted = Some(total.summary);
    }
    let mut total = Chunk::new(network, network.layout());
    run(gather, network, samples, duration, &mut total, |number, target, worker, chunk| {
        let Worker { trace, assessment, deferred } = worker;
        assessment.differentiate(network, trace, goal, target.borrow())?;
        let (health, sensitivity) = (&mut chunk.summary.health, &mut assessment.sensitivity);
        options.prepare(trace, counted.as_ref(), sensitivity, health);
        network.adjoint_deferred(trace, sensitivity, &mut chunk.gradients, deferred)?;
        health.record(number, trace, sensitivity, network.count_arrivals(trace, options.near())?);
        Ok(())
    })?;
    let Chunk { mut summary, mut gradients, .. } = total;
    if !samples.is_empty() {
        gradients.scale(F::of(samples.len() as f64).recip());
    }
    summary.health.inspect(network, &gradients);
    options.finish(&mut gradients, &mut summary.health)?;
    Ok((summary, gradients))
}

/// The mean loss of a batch, its predictions and spikes, without gradients.
///
/// # Errors
/// As [`backward_batch`].
pub fn evaluate_batch<F, N, G, T>(
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
) -> Result<BatchSummary<F>, Error>
where
    F: Real,
    N: Network<F>,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    evaluate(&Alone, network, samples, duration, goal)
}

/// The same, with the work shared as `gather` says.
pub(crate) fn evaluate<F, N, G, T>(
    gather: &dyn Gather<F>,
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
) -> Result<BatchSummary<F>, Error>
where
    F: Real,
    N: Network<F>,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    let mut total = Chunk::new(network, Vec::new());
    run(gather, network, samples, duration, &mut total, |_, target, worker, _| {
        let Worker { trace, assessment, .. } = worker;
        assessment.judge(network, trace, goal, target.borrow())
    })?;
    Ok(total.summary)
}

/// What one sample after the other needs; kept for its memory.
#[derive(Default)]
struct Worker<F: Real> {
    trace: Trace<F>,
    assessment: Assessment<F>,
    deferred: Deferred<F>,
}

/// The sums over consecutive samples.
pub(crate) struct Chunk<F> {
    pub summary: BatchSummary<F>,
    pub gradients: Gradients<F>,
    pub result: Result<(), Error>,
}

/// Who has which chunks of a batch, and how their sums come together.
pub(crate) trait Gather<F: Real> {
    /// The number of this process, and how many share the work.
    fn place(&self) -> (usize, usize);

    /// How many chunks a process has in memory at one time.
    fn at_once(&self) -> usize;

    /// Adds to `total` a round of chunks, those of all processes, in order. `own` are those of this one.
    fn gather(&self, total: &mut Chunk<F>, own: &mut [Chunk<F>]) -> Result<(), Error>;
}

/// A single process.
pub(crate) struct Alone;

impl<F: Real> Gather<F> for Alone {
    fn place(&self) -> (usize, usize) {
        (0, 1)
    }

    fn at_once(&self) -> usize {
        match threads() {
            1 => 1,
            threads => ROUND * threads,
        }
    }

    fn gather(&self, total: &mut Chunk<F>, own: &mut [Chunk<F>]) -> Result<(), Error> {
        for chunk in own {
            std::mem::replace(&mut chunk.result, Ok(()))?;
            total.summary.append(&chunk.summary);
            total.gradients.add(&chunk.gradients);
        }
        Ok(())
    }
}

impl<F: Real> Chunk<F> {
    fn new(network: &impl Network<F>, layout: Vec<Block>) -> Self {
        let (summary, gradients) = (BatchSummary::new(network), Gradients::zeros(layout));
        Self { summary, gradients, result: Ok(()) }
    }

    fn clear(&mut self) {
        self.summary.clear();
        self.gradients.values_mut().fill(F::zero());
    }
}

/// Adds up in `total` what `assess` makes of each sample, which has been simulated. The loss is the mean.
fn run<F: Real, N: Network<F>, T: Sync + ?Sized>(
    gather: &dyn Gather<F>,
    network: &N,
    samples: &[Sample<'_, T>],
    duration: f64,
    total: &mut Chunk<F>,
    assess: impl Fn(usize, &T, &mut Worker<F>, &mut Chunk<F>) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let workers = Pool::<Worker<F>>::default();
    let one = |worker: &mut Worker<F>, chunk: &mut Chunk<F>, number, sample: &Sample<'_, T>| {
        network.forward_into(sample.input, duration, &mut worker.trace)?;
        assess(number, sample.target, worker, chunk)?;
        chunk.summary.count(&worker.trace, &worker.assessment.evaluation);
        Ok(())
    };
    let all = |chunk: &mut Chunk<F>, start: usize, samples: &[Sample<'_, T>]| {
        let mut worker = workers.take();
        chunk.clear();
        chunk.result = samples.iter().enumerate().try_for_each(|(k, sample)| {
            let in_sample = |e| Error::Sample { index: start + k, source: Box::new(e) };
            one(&mut worker, chunk, start + k, sample).map_err(in_sample)
        });
        let settled = network.settle(&mut worker.deferred, &mut chunk.gradients);
        if chunk.result.is_ok() {
            chunk.result = settled.map_err(Error::from);
        }
    };
    let (rank, ranks) = gather.place();
    let most = gather.at_once().min(samples.len().div_ceil(CHUNK).div_ceil(ranks)).max(1);
    let share = CHUNK * most;
    let layout = total.gradients.layout();
    let new = || Chunk::new(network, layout.to_vec());
    let mut chunks: Vec<Chunk<F>> =
        std::iter::repeat_with(new).take(most.min(samples.len())).collect();
    total.summary.predictions.reserve(samples.len());
    for (round, samples) in samples.chunks(share * ranks).enumerate() {
        let own = samples.chunks(share).nth(rank).unwrap_or_default();
        let first = (round * ranks + rank) * share;
        for_each_chunk(&mut chunks, own, |number, chunk, samples| {
            all(chunk, first + number * CHUNK, samples);
        });
        gather.gather(total, &mut chunks[..own.len().div_ceil(CHUNK)])?;
    }
    if !samples.is_empty() {
        let BatchSummary { loss, losses, .. } = &mut total.summary;
        std::iter::once(loss).chain(losses).for_each(|loss| *loss /= F::of(samples.len() as f64));
    }
    Ok(())
}

/// The number of threads that [`for_each_chunk`] uses.
fn threads() -> usize {
    #[cfg(feature = "rayon")]
    {
        rayon::current_num_threads()
    }
    #[cfg(not(feature = "rayon"))]
    {
        1
    }
}

/// Calls `f(number, chunk, its samples)` for every chunk of samples.
fn for_each_chunk<C: Send, S: Sync>(
    chunks: &mut [C],
    samples: &[S],
    f: impl Fn(usize, &mut C, &[S]) + Sync,
) {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        let pairs = chunks.par_iter_mut().zip(samples.par_chunks(CHUNK)).enumerate();
        pairs.for_each(|(number, (chunk, samples))| f(number, chunk, samples));
    }
    #[cfg(not(feature = "rayon"))]
    {
        let pairs = chunks.iter_mut().zip(samples.chunks(CHUNK)).enumerate();
        pairs.for_each(|(number, (chunk, samples))| f(number, chunk, samples));
    }
}
