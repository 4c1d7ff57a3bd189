//! The processes that train together: one, or those of a communicator.

use super::TrainError;
#[cfg(feature = "distributed")]
use crate::StorageLayout;
use crate::batch::{self, Alone, Gather};
#[cfg(feature = "distributed")]
use crate::distributed::{self, Communicator};
use crate::{BackwardOptions, BatchSummary, Error, Goal, Gradients, Network, Real, Sample};
#[cfg(feature = "distributed")]
use std::cell::Cell;
use std::collections::BTreeMap;
#[cfg(feature = "distributed")]
use std::hash::{DefaultHasher, Hash, Hasher};

/// One process, or several.
#[derive(Default)]
pub(super) struct Processes<'a> {
    #[cfg(feature = "distributed")]
    ranks: Option<&'a dyn Communicator>,
    /// Whether all know that training has failed.
    #[cfg(feature = "distributed")]
    failed: Cell<bool>,
    #[cfg(not(feature = "distributed"))]
    one: std::marker::PhantomData<&'a ()>,
}

impl<'a> Processes<'a> {
    pub fn one() -> Self {
        Self::default()
    }

    #[cfg(feature = "distributed")]
    pub fn of(ranks: &'a dyn Communicator) -> Self {
        Self { ranks: Some(ranks), failed: Cell::new(false) }
    }

    /// Whether this process writes files.
    #[cfg(feature = "files")]
    pub fn leads(&self) -> bool {
        #[cfg(feature = "distributed")]
        {
            self.ranks.is_none_or(|ranks| ranks.rank() == 0)
        }
        #[cfg(not(feature = "distributed"))]
        {
            true
        }
    }

    /// The gradient of a batch, and its summary.
    pub fn backward<F: Real>(
        &self,
        network: &dyn Network<F>,
        samples: &[Sample<'_, usize>],
        duration: f64,
        goal: &dyn Goal<F, Target = usize>,
        options: &BackwardOptions,
    ) -> Result<(BatchSummary<F>, Gradients<F>), Error> {
        self.note(|gather| batch::backward(gather, network, &(samples, goal), duration, options))
    }

    /// The summary of a batch.
    pub fn evaluate<F: Real>(
        &self,
        network: &dyn Network<F>,
        samples: &[Sample<'_, usize>],
        duration: f64,
        goal: &dyn Goal<F, Target = usize>,
    ) -> Result<BatchSummary<F>, Error> {
        self.note(|gather| batch::evaluate(gather, network, &(samples, goal), duration))
    }

    /// Does what all do, and notes whether it failed, as all know then.
    fn note<F: Real, R>(
        &self,
        what: impl FnOnce(&dyn Gather<F>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        #[cfg(feature = "distributed")]
        if let Some(ranks) = self.ranks {
            let result = what(&distributed::Ranks(ranks));
            self.failed.set(matches!(result, Err(Error::Distributed(_) | Error::Sample { .. })));
            return result;
        }
        what(&Alone)
    }

    /// Whether any process wants to stop.
    pub fn any(&self, own: bool) -> Result<bool, TrainError> {
        #[cfg(feature = "distributed")]
        if let Some(ranks) = self.ranks {
            let result = distributed::any(ranks, own);
            self.failed.set(result.is_err());
            return Ok(result?);
        }
        Ok(own)
    }

    /// Fails if the processes do not start from the same network, settings and counts.
    pub fn same<F: Real>(
        &self,
        network: &dyn Network<F>,
        settings: &BTreeMap<String, String>,
        counts: &[usize],
    ) -> Result<(), TrainError> {
        #[cfg(feature = "distributed")]
        if let Some(ranks) = self.ranks {
            let mut hasher = DefaultHasher::new();
            for (_, parameter) in network.parameters() {
                parameter.values.iter().for_each(|x| hasher.write_u64(x.as_f64().to_bits()));
            }
            let StorageLayout { blocks, indices, delays, fixed } = network.storage();
            (blocks, indices, format!("{delays:?}"), fixed).hash(&mut hasher);
            (settings, counts).hash(&mut hasher);
            let what = "other parameters, synapses, settings or samples, or another checkpoint to resume from,";
            let result = distributed::same(ranks, hasher.finish(), what);
            self.failed.set(result.is_err());
            result?;
        }
        #[cfg(not(feature = "distributed"))]
        let _ = (network, settings, counts);
        Ok(())
    }

    /// Tells the others that this one gives up, unless they know.
    #[cfg(feature = "distributed")]
    pub fn fail(&self, error: &dyn std::fmt::Display) {
        if let Some(ranks) = self.ranks.filter(|_| !self.failed.get()) {
            distributed::fail(ranks, &error.to_string());
        }
    }
}
