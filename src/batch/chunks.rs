//! Batches chunk by chunk: over threads, and over the processes that share them.

use super::{BatchSummary, Sample};
use crate::pool::Pool;
use crate::{Assessment, Block, Deferred, Error, Gradients, Network, Real, Trace};

/// Samples per unit of parallel work. Fixed, because gradients are summed chunk by chunk and must not
/// depend on the number of threads.
const CHUNK: usize = 8;

/// Chunks per thread in a round, after which their sums are added up, in order. So what is alive at one
/// time does not grow with the batch; the result does not depend on it. A single thread needs no more
/// than one.
const ROUND: usize = 4;

/// What one sample after the other needs; kept for its memory.
#[derive(Default)]
pub(super) struct Worker<F: Real> {
    pub trace: Trace<F>,
    pub assessment: Assessment<F>,
    pub deferred: Deferred<F>,
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

    /// Refuses a sum over another number of samples than this process was given.
    fn check(&self, found: usize, expected: usize) -> Result<(), Error>;
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

    fn check(&self, _: usize, _: usize) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: Real> Chunk<F> {
    pub(super) fn new(network: &impl Network<F>, layout: Vec<Block>) -> Self {
        let (summary, gradients) = (BatchSummary::new(network), Gradients::zeros(layout));
        Self { summary, gradients, result: Ok(()) }
    }

    fn clear(&mut self) {
        self.summary.clear();
        self.gradients.values_mut().fill(F::zero());
    }
}

/// Adds up in `total` what `assess` makes of each sample, which has been simulated. The loss is the mean.
pub(super) fn run<F: Real, N: Network<F>, T: Sync + ?Sized>(
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
        let done = samples.iter().enumerate().try_for_each(|(k, sample)| {
            let in_sample = |e| Error::Sample { index: start + k, source: Box::new(e) };
            one(&mut worker, chunk, start + k, sample).map_err(in_sample)
        });
        let settled = network.settle(&mut worker.deferred, &mut chunk.gradients);
        chunk.result = done.and(settled.map_err(Error::from));
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
    gather.check(total.summary.samples, samples.len())?;
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
