//! What is derived from the parameters of a network, kept until they change.

use super::fan::Fans;
use super::grid::Grid;
use super::plan::Plan;
use super::solo::{self, Rows};
use crate::layer::ModeBank;
use crate::{Real, SimulationError, SpikingNetwork};
use std::sync::{Arc, Mutex, PoisonError};

/// The fans and plans of a network, shared by all that simulate it. A clone starts empty.
pub(crate) struct Cache<F> {
    fans: Mutex<Vec<Kept<F>>>,
    plans: Mutex<Vec<Arc<Plan<F>>>>,
    rows: Mutex<Vec<KeptRows<F>>>,
    solo: Mutex<Vec<Arc<solo::Plan<F>>>>,
}

struct Kept<F> {
    version: u64,
    projection: usize,
    /// Whether the targets share their constants.
    shared: bool,
    fans: Arc<Fans<F>>,
}

struct KeptRows<F> {
    version: u64,
    projection: usize,
    rows: Arc<Rows<F>>,
}

impl<F: Real> Cache<F> {
    /// The fans of a projection, to be finished. `shared` if all targets share their constants.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub(super) fn fans(
        &self,
        network: &SpikingNetwork<F>,
        number: usize,
        shared: bool,
        block: usize,
    ) -> Result<Arc<Fans<F>>, SimulationError> {
        // Held while synapses are checked: others would check the same.
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
        let fans = Arc::new(Fans::new(&network.projections[number], block)?);
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
        let same =
            |p: &Plan<F>| p.group == group && p.grid == grid && (p.block, p.own) == (block, own);
        let make = || Plan::new(network, group, grid, block, own);
        find_or_make(&self.plans, |p| p.version == network.version, same, make)
    }

    /// The rows of a projection onto neurons with these constants, to be made.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub(super) fn rows(
        &self,
        network: &SpikingNetwork<F>,
        number: usize,
        bank: &ModeBank<F>,
    ) -> Result<Arc<Rows<F>>, SimulationError> {
        // Held while synapses are checked, as above.
        let mut kept = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| k.version == network.version);
        if let Some(found) = kept.iter().find(|k| k.projection == number) {
            return Ok(found.rows.clone());
        }
        let rows = Arc::new(Rows::new(&network.projections[number], bank)?);
        kept.push(KeptRows { version: network.version, projection: number, rows: rows.clone() });
        Ok(rows)
    }

    /// The plan of a layer whose neurons are taken one by one, made if need be. `None` if they cannot be.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub(super) fn solo(
        &self,
        network: &SpikingNetwork<F>,
        layer: usize,
    ) -> Option<Result<Arc<solo::Plan<F>>, SimulationError>> {
        let bank = network.layers[layer].layer.linear()?.common_bank()?;
        let make = || solo::Plan::new(network, (layer, bank));
        let is_current = |p: &solo::Plan<F>| p.version == network.version;
        Some(find_or_make(&self.solo, is_current, |p| p.layer == layer, make))
    }
}

/// The plan that is the `same`, made if need be. Those that are not current are forgotten.
fn find_or_make<P>(
    plans: &Mutex<Vec<Arc<P>>>,
    is_current: impl Fn(&P) -> bool,
    same: impl Fn(&P) -> bool,
    make: impl FnOnce() -> Result<P, SimulationError>,
) -> Result<Arc<P>, SimulationError> {
    let lock = || plans.lock().unwrap_or_else(PoisonError::into_inner);
    let find = |kept: &mut Vec<Arc<P>>| {
        // First of all, so that the memory of synapses that are out of date is free when there are new ones.
        kept.retain(|p| is_current(p));
        kept.iter().find(|p| same(p)).cloned()
    };
    if let Some(found) = find(&mut lock()) {
        return Ok(found);
    }
    // Not under the lock: who comes meanwhile helps with the synapses.
    let plan = Arc::new(make()?);
    let mut kept = lock();
    Ok(find(&mut kept).unwrap_or_else(|| {
        kept.push(plan.clone());
        plan
    }))
}

impl<F> Default for Cache<F> {
    fn default() -> Self {
        let (fans, plans) = (Mutex::default(), Mutex::default());
        Self { fans, plans, rows: Mutex::default(), solo: Mutex::default() }
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
