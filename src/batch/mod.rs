//! Batches: the mean loss and gradient of many samples, on all cores.

mod chunks;
mod summary;

pub(crate) use chunks::{Alone, Chunk, Gather};
pub use summary::BatchSummary;

use crate::{BackwardOptions, Error, Goal, Gradients, Network, Real, SpikeTrains};
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
    options.check(network)?;
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
