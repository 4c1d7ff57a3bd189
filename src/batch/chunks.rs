//! Batches chunk by chunk: over threads, and over the processes that share them.

use super::BatchSummary;
use crate::parallel::{for_each, for_each_segment, round};
use crate::pool::Pool;
use crate::{Assessment, Block, Deferred, Error, Gradients, Network, Real, Trace};
use std::ops::Range;

/// Chunks of a batch, if it has as many samples: so many threads have something to do.
const FEWEST: usize = 16;

/// The most samples of a chunk: more would save little of what is done once per chunk.
const LONGEST: usize = 8;

/// Chunks of a batch. They must not depend on the number of threads, because gradients are summed chunk by chunk.
fn count(samples: usize) -> usize {
    samples.min(FEWEST).max(samples.div_ceil(LONGEST))
}

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
        round()
    }

    fn gather(&self, total: &mut Chunk<F>, own: &mut [Chunk<F>]) -> Result<(), Error> {
        for chunk in own.iter_mut() {
            std::mem::replace(&mut chunk.result, Ok(()))?;
            total.summary.append(&chunk.summary);
        }
        let add = |start, values: &mut [F]| Chunk::add_gradients(own, start, values);
        for_each_segment(total.gradients.values_mut(), add);
        Ok(())
    }

    fn check(&self, _: usize, _: usize) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: Real> Chunk<F> {
    pub(super) fn new(network: &dyn Network<F>, layout: Vec<Block>) -> Self {
        let (summary, gradients) = (BatchSummary::new(network), Gradients::zeros(layout));
        Self { summary, gradients, result: Ok(()) }
    }

    /// Sums over no samples. At first there is no memory for gradients, so that each thread takes that of its chunks.
    fn clear(&mut self, layout: &[Block]) {
        self.summary.clear();
        if self.gradients.layout() == layout {
            self.gradients.values_mut().fill(F::zero());
        } else {
            self.gradients = Gradients::zeros(layout.to_vec());
        }
    }

    /// Adds the gradients of all chunks, in order, to those from number `start` on.
    pub(crate) fn add_gradients(chunks: &[Self], start: usize, values: &mut [F]) {
        for chunk in chunks {
            let part = &chunk.gradients.values()[start..];
            values.iter_mut().zip(part).for_each(|(sum, x)| *sum += *x);
        }
    }
}

/// What a sample adds to its chunk, by its number.
pub(super) type Step<'a, F> =
    &'a (dyn Fn(usize, &mut Worker<F>, &mut Chunk<F>) -> Result<(), Error> + Sync);

/// Adds up in `total` what so many samples come to. The loss is the mean.
pub(super) fn run<F: Real>(
    gather: &dyn Gather<F>,
    network: &dyn Network<F>,
    samples: usize,
    total: &mut Chunk<F>,
    step: Step<'_, F>,
) -> Result<(), Error> {
    let workers = Pool::<Worker<F>>::default();
    let layout = total.gradients.layout().to_vec();
    let all = |chunk: &mut Chunk<F>, samples: Range<usize>| {
        let mut worker = workers.take();
        chunk.clear(&layout);
        let done = samples.into_iter().try_for_each(|index| {
            let in_sample = |e| Error::Sample { index, cause: Box::new(e) };
            step(index, &mut worker, chunk).map_err(in_sample)?;
            chunk.summary.count(&worker.trace, &worker.assessment.evaluation);
            Ok(())
        });
        let settled = network.settle(&mut worker.deferred, &mut chunk.gradients);
        chunk.result = done.and(settled.map_err(Error::from));
        let own = chunk.gradients.layout();
        assert_eq!(own, layout, "gradients of different networks cannot be added");
    };
    let (rank, ranks) = gather.place();
    let count = count(samples);
    let start = |chunk: usize| (chunk as u64 * samples as u64 / count as u64) as usize;
    let most = gather.at_once().min(count.div_ceil(ranks)).max(1);
    let new = || Chunk::new(network, Vec::new());
    let mut chunks: Vec<Chunk<F>> = std::iter::repeat_with(new).take(most.min(count)).collect();
    total.summary.predictions.reserve(samples);
    for round in (0..count).step_by(most * ranks) {
        let first = (round + rank * most).min(count);
        let own = first..(first + most).min(count);
        let chunks = &mut chunks[..own.len()];
        for_each(chunks, |k, chunk| all(chunk, start(own.start + k)..start(own.start + k + 1)));
        gather.gather(total, chunks)?;
    }
    gather.check(total.summary.samples, samples)?;
    if samples > 0 {
        let BatchSummary { loss, losses, .. } = &mut total.summary;
        std::iter::once(loss).chain(losses).for_each(|loss| *loss /= F::of(samples as f64));
    }
    Ok(())
}
