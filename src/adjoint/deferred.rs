//! What adjoint passes of several trials put off.

use crate::adjoint::AdjointError;
use crate::fast::Seen;
use crate::{Gradients, Real, SpikingNetwork};
use std::fmt;

/// What the adjoint passes of several trials have put off, to be done once for all of them.
///
/// The gradient by a synapse is a sum over trials, and the way from synapses to parameters is linear. So
/// [`Network::adjoint_deferred`](crate::Network::adjoint_deferred) only adds to sums, and
/// [`Network::settle`](crate::Network::settle) goes that way. Where synapses are many and events few per synapse this saves
/// much of the time.
pub struct Deferred<F = f64> {
    sums: Option<Box<Sums<F>>>,
}

/// Sums over trials.
#[derive(Default)]
pub(crate) struct Sums<F> {
    /// Of the parameters of the network that they belong to.
    version: u64,
    /// dL/dw of every synapse of every projection.
    pub weights: Vec<Vec<F>>,
    /// dL/dd likewise.
    pub delays: Vec<Vec<F>>,
    /// The gradient by the parameters of every layer.
    pub constants: Vec<Vec<F>>,
    /// What the fast engine has read, by projection.
    pub seen: Vec<Seen<F>>,
}

impl<F> Deferred<F> {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { sums: None }
    }

    /// Whether there is nothing to settle.
    pub fn is_empty(&self) -> bool {
        self.sums.is_none()
    }

    /// Drops all sums.
    pub fn clear(&mut self) {
        self.sums = None;
    }
}

impl<F> Default for Deferred<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for Deferred<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.sums.as_ref().map(|sums| sums.version);
        f.debug_struct("Deferred").field("version", &version).finish_non_exhaustive()
    }
}

impl<F: Real> Deferred<F> {
    /// The sums for a network, zero if there are none yet.
    pub(crate) fn of(&mut self, network: &SpikingNetwork<F>) -> Result<&mut Sums<F>, AdjointError> {
        if self.sums.as_ref().is_some_and(|sums| sums.version != network.version) {
            return Err(AdjointError::StaleSums);
        }
        Ok(self.sums.get_or_insert_with(|| {
            let mut sums = network.sums.take_out();
            sums.begin(network);
            sums
        }))
    }

    /// Adds the gradients by all parameters, and is empty then.
    pub(crate) fn settle(
        &mut self,
        network: &SpikingNetwork<F>,
        gradients: &mut Gradients<F>,
    ) -> Result<(), AdjointError> {
        let Some(sums) = &mut self.sums else { return Ok(()) };
        if sums.version != network.version {
            return Err(AdjointError::StaleSums);
        }
        super::check_layout(network, gradients)?;
        sums.pull_back(network, gradients);
        self.sums.take().into_iter().for_each(|sums| network.sums.put_back(sums));
        Ok(())
    }
}

impl<F: Real> Sums<F> {
    fn begin(&mut self, network: &SpikingNetwork<F>) {
        self.version = network.version;
        for all in [&mut self.weights, &mut self.delays] {
            all.resize_with(network.projections.len(), Vec::new);
            for (values, projection) in all.iter_mut().zip(&network.projections) {
                values.clear();
                values.resize(projection.synapses.synapses(), F::zero());
            }
        }
        self.constants.resize_with(network.layers.len(), Vec::new);
        for (values, &count) in self.constants.iter_mut().zip(&network.constant_counts) {
            values.clear();
            values.resize(count, F::zero());
        }
        self.seen.resize_with(network.projections.len(), Seen::default);
    }

    fn pull_back(&mut self, network: &SpikingNetwork<F>, gradients: &mut Gradients<F>) {
        let mut rest = gradients.values_mut();
        let Self { weights, delays, constants, seen, .. } = self;
        let parts = network.projections.iter().zip(&network.parameter_counts);
        let sums = weights.iter_mut().zip(delays).zip(seen);
        for ((projection, &len), ((weights, delays), seen)) in parts.zip(sums) {
            seen.finish(projection, weights, delays);
            let (part, others) = rest.split_at_mut(len);
            projection.synapses.pull_back(weights, delays, part);
            rest = others;
        }
        for (total, part) in rest.iter_mut().zip(constants.iter().flatten()) {
            *total += *part;
        }
    }
}
