//! Layers without recurrence whose neurons share their constants, neuron by neuron.
//!
//! What reaches such a layer is known before it is simulated. So a neuron goes through a stretch of time, mostly the whole
//! trial, on its own: synapse by synapse all spikes are added to its buckets, which stay in the caches, and then it goes
//! through those. Backward it goes through its spikes first, and then each synapse reads its adjoint.

mod backward;
mod forward;
mod inbox;
mod plan;
mod rows;
mod spikes;
mod steps;
mod stretch;

use super::grid::{self, Grid};
use super::{MOST_RECEPTORS, arrivals, constants_apart};
use crate::adjoint::Gathered;
use crate::network::Projection;
use crate::trace::LayerTrace;
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork, Trace};
pub(super) use plan::Plan;
pub(super) use rows::Rows;

/// The memory of the passes of layers whose neurons have `R` currents and states of `N` numbers, to be used again.
#[derive(Debug)]
struct Spaces<F, const R: usize, const N: usize> {
    forward: forward::Space<F, R, N>,
    backward: backward::Space<R>,
}

impl<F: Real, const R: usize, const N: usize> Default for Spaces<F, R, N> {
    fn default() -> Self {
        Self { forward: forward::Space::new(), backward: backward::Space::new() }
    }
}

/// The memory for any layer.
#[derive(Debug)]
pub(super) struct Memory<F> {
    one: Spaces<F, 1, 2>,
    several: Spaces<F, MOST_RECEPTORS, { MOST_RECEPTORS + 1 }>,
}

impl<F: Real> Default for Memory<F> {
    fn default() -> Self {
        Self { one: Spaces::default(), several: Spaces::default() }
    }
}

/// Simulates a layer without recurrence, if this is the way for it: writes its trace to `layers`, which holds those of
/// earlier ones, and returns the number of ties.
pub(super) fn forward<F: Real>(
    network: &SpikingNetwork<F>,
    (layer, duration): (usize, f64),
    input: &SpikeTrains,
    layers: &mut [LayerTrace<F>],
    memory: &mut Memory<F>,
) -> Option<Result<usize, SimulationError>> {
    let trains = |p: &Projection<F>| p.origin.spikes(input, layers);
    suits(network, layer, duration, &trains)?;
    let plan = match network.cache.solo(network, layer)? {
        Ok(plan) if plan.tells_legs(duration) => plan,
        Ok(_) => return None,
        Err(error) => return Some(Err(error)),
    };
    plan.finish(network);
    let Memory { one, several } = memory;
    let (ties, fired) = if plan.bank.tau_syn().len() == 1 {
        (one.forward.run(network, &plan, duration, trains), &one.forward.fired)
    } else {
        (several.forward.run(network, &plan, duration, trains), &several.forward.fired)
    };
    layers[layer].fill(plan.neurons, fired.iter().copied());
    Some(ties)
}

/// Differentiates a layer without recurrence and without constants to be trained, if this is the way for it. Slopes have been
/// checked, and no potentials are read.
pub(super) fn backward<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    gathered: &mut Gathered<'_, F>,
    memory: &mut Memory<F>,
) -> Option<()> {
    suits(network, layer, trace.duration, &|p: &Projection<F>| trace.sources(p.origin))?;
    let plan = network.cache.solo(network, layer)?.ok()?;
    if !plan.tells_legs(trace.duration) {
        return None;
    }
    plan.finish(network);
    let Memory { one, several } = memory;
    if plan.bank.tau_syn().len() == 1 {
        one.backward.run(network, trace, &plan, gathered);
    } else {
        several.backward.run(network, trace, &plan, gathered);
    }
    Some(())
}

/// Whether a layer without recurrence is to be taken this way. `trains` are the spikes of the source of a projection.
fn suits<'t, F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
    duration: f64,
    trains: &impl Fn(&Projection<F>) -> &'t SpikeTrains,
) -> Option<()> {
    let bank = network.layers[layer].layer.linear()?.common_bank()?;
    if bank.tau_syn().len() > MOST_RECEPTORS || !constants_apart(bank) {
        return None;
    }
    let mut all = 0.0;
    for projection in network.projections.iter().filter(|p| p.target == layer) {
        u32::try_from(projection.synapses.synapses()).ok()?;
        u32::try_from(trains(projection).len()).ok()?;
        all += arrivals(projection, trains(projection).len() as f64);
    }
    Grid::new(duration, (all, all), 1, grid::leg::<F>(grid::shortest_tau(bank))).map(|_| ())
}
