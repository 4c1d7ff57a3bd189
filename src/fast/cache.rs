//! What is derived from the parameters of a network, kept until they change.

use super::fan::Fan;
use super::grid::Grid;
use crate::layer::ModeBank;
use crate::{Real, SimulationError, SpikingNetwork};
use std::sync::{Arc, Mutex, PoisonError};

/// How many grids per projection are kept: samples of one data set differ little.
const GRIDS: usize = 2;

struct Kept<F> {
    version: u64,
    projection: usize,
    grid: Grid,
    fan: Arc<Fan<F>>,
}

/// The fans of a network, shared by all that simulate it. A clone starts empty.
pub(crate) struct Cache<F>(Mutex<Vec<Kept<F>>>);

impl<F: Real> Cache<F> {
    /// The fan of a projection, made if need be.
    ///
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub(super) fn fan(
        &self,
        network: &SpikingNetwork<F>,
        number: usize,
        bank: &ModeBank<F>,
        grid: Grid,
    ) -> Result<Arc<Fan<F>>, SimulationError> {
        // Held while it is made: others would make the same. A panic leaves no half-made fan behind.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|k| k.version == network.version);
        let same = |k: &&Kept<F>| k.projection == number && k.grid == grid;
        if let Some(found) = kept.iter().find(same) {
            return Ok(found.fan.clone());
        }
        let fan = Arc::new(Fan::new(&network.projections[number], bank, &grid)?);
        let mut others = kept.iter().enumerate().filter(|(_, k)| k.projection == number);
        if let (Some((oldest, _)), true) = (others.next(), others.count() + 1 >= GRIDS) {
            kept.remove(oldest);
        }
        let version = network.version;
        kept.push(Kept { version, projection: number, grid, fan: fan.clone() });
        Ok(fan)
    }
}

impl<F> Default for Cache<F> {
    fn default() -> Self {
        Self(Mutex::default())
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
