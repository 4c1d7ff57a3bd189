//! What is derived from the parameters of a network, kept until they change.

use super::fan::{Fans, Making};
use super::grid::Grid;
use super::plan::Plan;
use crate::layer::ModeBank;
use crate::{Real, SimulationError, SpikingNetwork};
use std::sync::{Arc, Mutex, PoisonError};

/// The fans and plans of a network, shared by all that simulate it. A clone starts empty.
pub(crate) struct Cache<F> {
    fans: Mutex<Vec<Kept<F>>>,
    plans: Mutex<Vec<Arc<Plan<F>>>>,
}

struct Kept<F> {
    version: u64,
    projection: usize,
    /// Whether the targets share their constants.
    shared: bool,
    fans: Arc<Making<F>>,
}

impl<F: Real> Cache<F> {
    /// The fans of a projection, made if need be. `bank` are the constants that all targets share.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub(super) fn fans(
        &self,
        network: &SpikingNetwork<F>,
        number: usize,
        bank: Option<&ModeBank<F>>,
        leg: f64,
        block: usize,
    ) -> Result<Arc<Fans<F>>, SimulationError> {
        let projection = &network.projections[number];
        let making = self.making(network, number, bank.is_some(), block)?;
        Ok(making.finish(projection, bank, leg))
    }

    fn making(
        &self,
        network: &SpikingNetwork<F>,
        number: usize,
        shared: bool,
        block: usize,
    ) -> Result<Arc<Making<F>>, SimulationError> {
        let mut kept = self.fans.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |k: &&Kept<F>| {
            k.version == network.version
                && (k.projection, k.shared) == (number, shared)
                && k.fans.block == block
        };
        if let Some(found) = kept.iter().find(same) {
            return Ok(found.fans.clone());
        }
        let other = |k: &Kept<F>| (k.projection, k.shared) != (number, shared);
        kept.retain(|k| k.version == network.version && other(k));
        let fans = Arc::new(Making::new(&network.projections[number], block)?);
        let version = network.version;
        kept.push(Kept { version, projection: number, shared, fans: fans.clone() });
        Ok(fans)
    }

    /// The plan of a group on a grid, made if need be.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub(super) fn plan(
        &self,
        network: &SpikingNetwork<F>,
        group: &[usize],
        grid: Grid,
        block: usize,
        own: bool,
    ) -> Result<Arc<Plan<F>>, SimulationError> {
        let lock = || self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |p: &&Arc<Plan<F>>| {
            p.version == network.version
                && p.group == group
                && p.grid == grid
                && (p.block, p.own) == (block, own)
        };
        if let Some(found) = lock().iter().find(same) {
            return Ok(found.clone());
        }
        // Not under the lock: who comes meanwhile can help with the fans. The rest of a plan is made in no time.
        let plan = Arc::new(Plan::new(network, group, grid, block, own)?);
        let mut kept = lock();
        kept.retain(|p| p.version == network.version);
        if let Some(found) = kept.iter().find(same) {
            return Ok(found.clone());
        }
        kept.push(plan.clone());
        Ok(plan)
    }
}

impl<F> Default for Cache<F> {
    fn default() -> Self {
        Self { fans: Mutex::default(), plans: Mutex::default() }
    }
}

impl<F> Clone for Cache<F> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<F> std::fmt::Debug for Cache<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}
