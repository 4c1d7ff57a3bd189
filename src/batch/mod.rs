//! Batches: the mean loss and gradient of many samples, on all cores.

mod chunks;
mod summary;

pub(crate) use chunks::{Alone, Chunk, Gather};
pub use summary::BatchSummary;

use crate::{
    Assessment, BackwardOptions, Error, Goal, Gradients, Network, Real, SpikeTrains, Trace,
};
use chunks::{Worker, run};
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

/// Samples and what they are judged by, whatever their targets are.
pub(crate) trait Judged<F: Real>: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    fn input(&self, sample: usize) -> &SpikeTrains;

    /// See [`Goal::assess`]; also refuses a loss that is no number.
    fn assess(
        &self,
        sample: usize,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error>;
}

impl<F, T, G> Judged<F> for (&[Sample<'_, T>], &G)
where
    F: Real,
    T: Borrow<G::Target> + Sync + ?Sized,
    G: Goal<F> + ?Sized,
{
    fn count(&self) -> usize {
        self.0.len()
    }

    fn input(&self, sample: usize) -> &SpikeTrains {
        self.0[sample].input
    }

    fn assess(
        &self,
        sample: usize,
        network: &dyn Network<F>,
        trace: &Trace<F>,
        assessment: &mut Assessment<F>,
    ) -> Result<(), Error> {
        self.1.assess(network, trace, self.0[sample].target.borrow(), assessment)?;
        assessment.check()
    }
}

/// The mean loss of a batch and its gradient.
///
/// Samples are spread over the threads of the current `rayon` pool. Gradients are added in a fixed
/// order: the result is the same bits for any number of threads. The memory needed grows with their
/// number, not with that of the samples, and samples use it one after the other.
///
/// # Errors
/// The error of the first sample that has one, as [`Error::Sample`].
pub fn backward_batch<F, G, T>(
    network: &dyn Network<F>,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
) -> Result<(BatchSummary<F>, Gradients<F>), Error>
where
    F: Real,
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
pub fn backward_batch_with<F, G, T>(
    network: &dyn Network<F>,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
    options: &BackwardOptions,
) -> Result<(BatchSummary<F>, Gradients<F>), Error>
where
    F: Real,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    backward(&Alone, network, &(samples, goal), duration, options)
}

/// The same, with the work shared as `gather` says.
pub(crate) fn backward<F: Real>(
    gather: &dyn Gather<F>,
    network: &dyn Network<F>,
    samples: &dyn Judged<F>,
    duration: f64,
    options: &BackwardOptions,
) -> Result<(BatchSummary<F>, Gradients<F>), Error> {
    options.check(network)?;
    let count = samples.count();
    let mut counted = None;
    if options.needs_batch() {
        let mut total = Chunk::new(network, Vec::new());
        run(gather, network, count, &mut total, &|sample, worker, _| {
            Ok(network.forward_into(samples.input(sample), duration, &mut worker.trace)?)
        })?;
        counted = Some(total.summary);
    }
    let mut total = Chunk::new(network, network.layout());
    run(gather, network, count, &mut total, &|sample, worker, chunk| {
        let Worker { trace, assessment, deferred } = worker;
        network.forward_into(samples.input(sample), duration, trace)?;
        assessment.begin(Some(trace));
        samples.assess(sample, network, trace, assessment)?;
        let (health, sensitivity) = (&mut chunk.summary.health, &mut assessment.sensitivity);
        options.prepare(trace, counted.as_ref(), sensitivity, health)?;
        network.adjoint_deferred(trace, sensitivity, &mut chunk.gradients, deferred)?;
        health.record(sample, trace, sensitivity, network.count_arrivals(trace, options.near())?);
        Ok(())
    })?;
    let Chunk { mut summary, mut gradients, .. } = total;
    if count > 0 {
        gradients.scale(F::of(count as f64).recip());
    }
    summary.health.inspect(network, &gradients);
    options.finish(&mut gradients, &mut summary.health)?;
    Ok((summary, gradients))
}

/// The mean loss of a batch, its predictions and spikes, without gradients.
///
/// # Errors
/// As [`backward_batch`].
pub fn evaluate_batch<F, G, T>(
    network: &dyn Network<F>,
    samples: &[Sample<'_, T>],
    duration: f64,
    goal: &G,
) -> Result<BatchSummary<F>, Error>
where
    F: Real,
    G: Goal<F> + ?Sized,
    T: Borrow<G::Target> + Sync + ?Sized,
{
    evaluate(&Alone, network, &(samples, goal), duration)
}

/// The same, with the work shared as `gather` says.
pub(crate) fn evaluate<F: Real>(
    gather: &dyn Gather<F>,
    network: &dyn Network<F>,
    samples: &dyn Judged<F>,
    duration: f64,
) -> Result<BatchSummary<F>, Error> {
    let mut total = Chunk::new(network, Vec::new());
    run(gather, network, samples.count(), &mut total, &|sample, worker, _| {
        let Worker { trace, assessment, .. } = worker;
        network.forward_into(samples.input(sample), duration, trace)?;
        assessment.begin(None);
        samples.assess(sample, network, trace, assessment)
    })?;
    Ok(total.summary)
}
