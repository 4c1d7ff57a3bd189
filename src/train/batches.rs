//! Which samples make up an epoch, in which order, and how they come into memory.

use super::TrainError;
use crate::data::{Augmentation, Dataset};
use crate::parallel::in_order;
use crate::random::generator;
use crate::{Error, Sample, SpikeTrains};
use rand::seq::SliceRandom;

/// The last word of the keys of generators for orders.
const ORDER: u64 = 1;

/// The order of an epoch's samples, of which there are `len`.
pub(super) fn order(len: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut generator([seed, epoch as u64, 0, ORDER]));
    order
}

/// Samples in memory, with their labels.
pub(super) struct Batch(Vec<(SpikeTrains, usize)>);

impl Batch {
    /// Takes these samples of an epoch.
    pub fn take(
        data: &Dataset,
        augmentation: &Augmentation,
        seed: u64,
        epoch: usize,
        indices: &[usize],
    ) -> Result<Self, TrainError> {
        let take = |k: usize| {
            let index = indices[k];
            let sample = augmentation.sample(data, seed, epoch as u64, index);
            sample.map_err(|cause| TrainError::Data { index, cause })
        };
        let mut all = Vec::with_capacity(indices.len());
        in_order(indices.len(), take, |_, sample| {
            all.push(sample);
            Ok(())
        })?;
        Ok(Self(all))
    }

    /// As batches want them.
    pub fn samples(&self) -> Vec<Sample<'_, usize>> {
        self.0.iter().map(|(input, target)| Sample { input, target }).collect()
    }

    /// The labels, in order.
    pub fn labels(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(_, label)| *label)
    }
}

/// The error of a batch, by the index of the sample in its epoch.
pub(super) fn in_sample(error: Error, indices: &[usize]) -> TrainError {
    match error {
        Error::Sample { index, cause } if index < indices.len() => {
            TrainError::Sample { index: indices[index], cause }
        }
        cause => TrainError::Batch { cause: Box::new(cause) },
    }
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn the_order_is_a_function_of_seed_and_epoch() {
        let sorted = |mut order: Vec<usize>| {
            order.sort_unstable();
            order
        };
        assert_eq!(order(100, 1, 2), order(100, 1, 2));
        assert_ne!(order(100, 1, 2), order(100, 1, 3));
        assert_ne!(order(100, 1, 2), order(100, 2, 2));
        assert_eq!(sorted(order(100, 1, 2)), (0..100).collect::<Vec<_>>());
    }
}
