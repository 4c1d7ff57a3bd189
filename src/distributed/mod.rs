//! Training by several processes, on one machine or many, with the bits of a single one.
//!
//! Every process (a *rank*) runs the same program with the same seed and the same network. Of each batch it
//! simulates its share; the gradients are added up over all ranks, in the order of the samples, and each rank takes
//! the same step. So parameters are never sent, and the result does not depend on the number of ranks, to the last
//! bit. [Scaling](crate::guide::scaling) tells how far this goes.
//!
//! | to | use |
//! |---|---|
//! | connect processes | `Mpi` (feature `mpi`), [`InProcess`] for tests, or a [`Communicator`] of your own |
//! | train | [`Trainer::fit_on`](crate::train::Trainer::fit_on) |
//! | take steps yourself | [`backward_batch`], [`evaluate_batch`] |
//!
//! ```
//! use eventprop::distributed::{self, Communicator, InProcess};
//! use eventprop::{BackwardOptions, CrossEntropy, Dense, FirstSpikeTime, Lif, NetworkBuilder, Objective, Sample, SpikeTrains};
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//!
//! let share = |ranks: &InProcess| {
//!     let mut net = NetworkBuilder::<f64>::new();
//!     let input = net.input("input", 2);
//!     let output = net.layer("output", Lif::new(2));
//!     net.connect(input, output, Dense::weights(6.0).delays(1.0));
//!     let net = net.build(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
//!     let inputs: Vec<_> = (0..40)
//!         .map(|k| SpikeTrains::from_channels([[1.0], [1.1 + 0.1 * k as f64]]).unwrap())
//!         .collect();
//!     let samples: Vec<_> = inputs.iter().map(|input| Sample { input, target: &0_usize }).collect();
//!     let goal = Objective::new(FirstSpikeTime, CrossEntropy::first_to_fire(1.0));
//!     let options = BackwardOptions::new();
//!     distributed::backward_batch(ranks, &net, &samples, 50.0, &goal, &options).unwrap()
//! };
//! let threads: Vec<_> =
//!     InProcess::ranks(3).into_iter().map(|ranks| std::thread::spawn(move || share(&ranks))).collect();
//! let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
//! assert!(results.iter().all(|(summary, gradients)| summary.samples == 40 && *gradients == results[0].1));
//! ```

mod error;
mod in_process;
#[cfg(feature = "mpi")]
mod mpi;
mod ring;

#[cfg(feature = "mpi")]
pub use self::mpi::Mpi;
pub use error::{DistributedError, Failure};
pub use in_process::InProcess;

use crate::batch::{self, Chunk, Gather};
use crate::{BackwardOptions, BatchSummary, Error, Goal, Gradients, Network, Real, Sample, health};
use std::borrow::Borrow;

/// The processes that work together, seen from one of them: its transport of messages.
///
/// Messages between two processes arrive whole and in the order in which they were sent. Sending may wait until the
/// message is received.
pub trait Communicator {
    /// The number of this process, below [`Communicator::size`].
    fn rank(&self) -> usize;

    /// How many processes there are; at least 1.
    fn size(&self) -> usize;

    /// Sends a message to another process.
    ///
    /// # Errors
    /// A process that has ended, or a connection that is lost.
    fn send(&self, to: usize, message: &[u8]) -> Result<(), DistributedError>;

    /// Waits for the next message of another process.
    ///
    /// # Errors
    /// A process that has ended, or a connection that is lost.
    fn receive(&self, from: usize) -> Result<Vec<u8>, DistributedError>;
}

/// The mean loss of a batch and its gradient, each rank having its share of the work: the same bits as those of
/// [`backward_batch_with`](crate::backward_batch_with) on all ranks.
///
/// All ranks call it with all samples of the batch; of those of others only the number matters. A share consists of
/// whole chunks: a batch has 16, or more of eight samples at most. More ranks than there are chunks do not help.
///
/// # Errors
/// The error of the first sample that has one, on the rank that simulates it; on others
/// [`DistributedError::Failed`] with its text. A rank that is lost or out of step.
pub fn backward_batch<F, G, T>(
    ranks: &dyn Communicator,
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
    batch::backward(&Ranks(ranks), network, &(samples, goal), duration, options)
}

/// The mean loss of a batch, its predictions and spikes, each rank having its share of the work.
///
/// # Errors
/// As [`backward_batch`].
pub fn evaluate_batch<F, G, T>(
    ranks: &dyn Communicator,
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
    batch::evaluate(&Ranks(ranks), network, &(samples, goal), duration)
}

/// Tells all others, in the next sum that they take part in, that this one has failed.
pub(crate) fn fail(ranks: &dyn Communicator, reason: &str) {
    ring::fail(ranks, reason);
}

/// Whether any rank says yes. All must ask.
pub(crate) fn any(ranks: &dyn Communicator, own: bool) -> Result<bool, DistributedError> {
    let add = |head: Vec<u8>| Ok(if own { vec![1] } else { head });
    Ok(ring::sum::<f64>(ranks, vec![0], add, &mut [], |_, _| {})? == [1])
}

/// Fails on all ranks if one has another value than the first.
pub(crate) fn same(
    ranks: &dyn Communicator,
    value: u64,
    what: &str,
) -> Result<(), DistributedError> {
    let own = value.to_le_bytes().to_vec();
    let add = |head: Vec<u8>| {
        if head == own { Ok(head) } else { Err(format!("it has {what} than rank 0")) }
    };
    let first = own.clone();
    ring::sum::<f64>(ranks, first, add, &mut [], |_, _| {}).map(|_| ())
}

/// Chunks that a rank has in memory at one time: their sums are added to the total one by one, so they are kept until
/// the total comes by.
const SHARE: usize = 16;

pub(crate) struct Ranks<'a>(pub &'a dyn Communicator);

impl<F: Real> Gather<F> for Ranks<'_> {
    fn place(&self) -> (usize, usize) {
        (self.0.rank(), self.0.size())
    }

    fn at_once(&self) -> usize {
        SHARE
    }

    fn gather(&self, total: &mut Chunk<F>, own: &mut [Chunk<F>]) -> Result<(), Error> {
        let rank = self.0.rank();
        let failed =
            own.iter_mut().find_map(|chunk| std::mem::replace(&mut chunk.result, Ok(())).err());
        let own = &*own;
        let add = |head: Vec<u8>| {
            if let Some(error) = &failed {
                return Err(error.to_string());
            }
            let mut summary = narrow(&ring::decode(&head, rank).map_err(|e| e.to_string())?);
            own.iter().for_each(|chunk| summary.append(&chunk.summary));
            Ok(ring::encode(&widen(&summary)))
        };
        let add_values = |start: usize, values: &mut [F]| Chunk::add_gradients(own, start, values);
        let head = ring::encode(&widen(&total.summary));
        let sum = ring::sum(self.0, head, add, total.gradients.values_mut(), add_values);
        match (sum, failed) {
            (Ok(head), _) => {
                total.summary = narrow(&ring::decode(&head, rank)?);
                Ok(())
            }
            (Err(DistributedError::Failed(first)), Some(own)) if first.rank == rank => Err(own),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn check(&self, found: usize, expected: usize) -> Result<(), Error> {
        if found == expected {
            return Ok(());
        }
        let reason = format!(
            "the ranks have {found} samples in all, but this one was given a batch of {expected}"
        );
        Err(DistributedError::OutOfStep { rank: self.0.rank(), reason }.into())
    }
}

/// In double precision, which holds every number.
fn widen<F: Real>(summary: &BatchSummary<F>) -> BatchSummary<f64> {
    convert(summary, F::as_f64)
}

fn narrow<F: Real>(summary: &BatchSummary<f64>) -> BatchSummary<F> {
    convert(summary, F::of)
}

fn convert<A: Copy, B>(summary: &BatchSummary<A>, number: fn(A) -> B) -> BatchSummary<B> {
    BatchSummary {
        samples: summary.samples,
        loss: number(summary.loss),
        losses: summary.losses.iter().map(|loss| number(*loss)).collect(),
        predictions: summary.predictions.clone(),
        spikes: summary.spikes.clone(),
        silent: summary.silent.clone(),
        health: health::convert(&summary.health, number),
    }
}
