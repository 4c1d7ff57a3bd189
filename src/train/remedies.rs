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
pub enum Raise {
    /// By a fixed amount.
    Lift(SilentNeuronLift),
    /// By an amount that grows.
    Bump(WeightBump),
}

impl From<SilentNeuronLift> for Raise {
    fn from(lift: SilentNeuronLift) -> Self {
        Self::Lift(lift)
    }
}

impl From<WeightBump> for Raise {
    fn from(bump: WeightBump) -> Self {
        Self::Bump(bump)
    }
}

/// One in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub every: Every,
    pub layer: usize,
    pub raise: Raise,
}

impl Placed {
    pub fn check<F: Real>(&self, network: &dyn Network<F>) -> Result<(), RemedyError> {
        match &self.raise {
            Raise::Lift(lift) => lift.check(network, self.layer),
            Raise::Bump(bump) => bump.check(network, self.layer),
        }
    }

    pub fn apply<F: Real>(
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
    pub fn series(&mut self) -> Option<&mut Option<f64>> {
        match &mut self.raise {
            Raise::Lift(_) => None,
            Raise::Bump(bump) => Some(bump.series()),
        }
    }
}
