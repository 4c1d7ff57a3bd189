//! Remedies that raise weights in the course of training.

use crate::remedy::{RemedyError, SilentNeuronLift, WeightBump};
use crate::{BatchSummary, Network, Real};

/// How often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// After each batch, by what it came to.
    Batch,
    /// After each epoch, by what all its batches came to.
    Epoch,
}

/// A remedy that raises weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raise<F = f64> {
    /// By a fixed amount.
    Lift(SilentNeuronLift<F>),
    /// By an amount that grows.
    Bump(WeightBump<F>),
}

impl<F> From<SilentNeuronLift<F>> for Raise<F> {
    fn from(lift: SilentNeuronLift<F>) -> Self {
        Self::Lift(lift)
    }
}

impl<F> From<WeightBump<F>> for Raise<F> {
    fn from(bump: WeightBump<F>) -> Self {
        Self::Bump(bump)
    }
}

/// One in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<F> {
    pub every: Every,
    pub layer: usize,
    pub raise: Raise<F>,
}

impl<F: Real> Placed<F> {
    pub fn check(&self, network: &dyn Network<F>) -> Result<(), RemedyError> {
        match &self.raise {
            Raise::Lift(lift) => lift.check(network, self.layer),
            Raise::Bump(bump) => bump.check(network, self.layer),
        }
    }

    pub fn apply(
        &mut self,
        network: &mut dyn Network<F>,
        summary: &mut BatchSummary<F>,
    ) -> Result<usize, RemedyError> {
        match &mut self.raise {
            Raise::Lift(lift) => lift.apply(network, self.layer, summary),
            Raise::Bump(bump) => bump.apply(network, self.layer, summary),
        }
    }

    /// What a series of bumps has grown to.
    #[cfg(feature = "files")]
    pub fn series(&mut self) -> Option<&mut Option<F>> {
        match &mut self.raise {
            Raise::Lift(_) => None,
            Raise::Bump(bump) => Some(bump.series()),
        }
    }
}
