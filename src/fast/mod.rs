//! The fast engine: exact at the speed of a time-stepped code.
//!
//! It handles groups of layers of linear neurons under heavy loads. The light engine and the plain one
//! of `simulate`, which is also the reference in the tests, take the rest.

mod afferent;
mod backward;
mod blocks;
mod cache;
mod fan;
mod forward;
mod grid;
mod inbox;
mod integrator;
mod own;
mod plan;
mod prefetch;
mod solo;
mod step;
mod walk;

use crate::adjoint::Gathered;
use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::network::Projection;
use crate::trace::{Fired, LayerTrace};
use crate::{PotentialSensitivity, Real, SimulationError, SpikeTrains, SpikingNetwork, Trace};
use afferent::inside;
pub(crate) use backward::Seen;
use backward::{OwnSpace, SharedSpace};
pub(crate) use cache::Cache;
use grid::Grid;
pub(crate) use integrator::{Inflows, MOST_RATES};
use own::MOST_CURRENTS;
use plan::{Plan, Population};
use std::sync::Arc;
use walk::MOST_RECEPTORS;

/// Neurons with time constants closer than this share go the way of those with constants of their own: sums over
/// buckets of single modes cancel as the constants meet.
const LEAST_GAP: f64 = 0.25;

/// Synapses that one block of neurons should have, so that they stay in the caches, and its least size.
const BLOCK_SYNAPSES: usize = 32_768;
const LEAST_BLOCK: usize = 8;

/// Spikes per ms that neurons of a recurrent group are expected to fire. How they are simulated depends on it, and nothing else:
/// a group that a few spikes set off may go on by itself, and one that stays silent takes no longer than in steps of time.
const GUESSED_RATE: f64 = 0.008;

/// The memory of the engine, to be used again, for groups whose neurons drive each other, share their constants, and have `R`
/// currents and states of `N` numbers.
#[derive(Debug)]
struct Shared<F, const R: usize, const N: usize> {
    forward: forward::Space<F, R, N, false>,
    backward: SharedSpace<R>,
}

impl<F: Real, const R: usize, const N: usize> Default for Shared<F, R, N> {
    fn default() -> Self {
        Self { forward: forward::Space::new(), backward: SharedSpace::new() }
    }
}

/// The same for neurons with constants of their own.
#[derive(Debug)]
struct Own<F, const R: usize, const N: usize> {
    forward: forward::Space<F, R, N, true>,
    backward: OwnSpace<F, R, 1>,
    /// With what trained constants need.
    learning: OwnSpace<F, R, 3>,
}

impl<F: Real, const R: usize, const N: usize> Default for Own<F, R, N> {
    fn default() -> Self {
        let (backward, learning) = (OwnSpace::new(), OwnSpace::new());
        Self { forward: forward::Space::new(), backward, learning }
    }
}

/// The states of neurons with constants of their own may also hold a raise and a rest.
const FEW_CURRENTS: usize = 2;
const FEW_NUMBERS: usize = FEW_CURRENTS + 3;
const MOST_NUMBERS: usize = MOST_CURRENTS + 3;

/// The memory of the engine for any number of currents. One receptor, and one more current with an adaptation,
/// is what most models have.
#[derive(Debug)]
pub(crate) struct Scratch<F> {
    one: Shared<F, 1, 2>,
    several: Shared<F, MOST_RECEPTORS, { MOST_RECEPTORS + 1 }>,
    few_own: Own<F, FEW_CURRENTS, FEW_NUMBERS>,
    most_own: Own<F, MOST_CURRENTS, MOST_NUMBERS>,
    solo: solo::Memory<F>,
    integrals: integrator::Space<F>,
}

/// Calls a macro with the memory for a plan, and says whether neurons have constants of their own.
macro_rules! with_memory {
    ($plan:expr, $scratch:expr, $run:ident) => {
        match ($plan.own, $plan.currents()) {
            (false, 1) => $run!(shared $scratch.one),
            (false, _) => $run!(shared $scratch.several),
            (true, ..=FEW_CURRENTS) => $run!(own $scratch.few_own),
            (true, _) => $run!(own $scratch.most_own),
        }
    };
}

impl<F: Real> Default for Scratch<F> {
    fn default() -> Self {
        Self {
            one: Shared::default(),
            several: Shared::default(),
            few_own: Own::default(),
            most_own: Own::default(),
            solo: solo::Memory::default(),
            integrals: integrator::Space::default(),
        }
    }
}

/// Thresholds, and dL/dt of spikes, in units of which sums over a stretch neither overflow nor lose digits.
const MAGNITUDES: std::ops::RangeInclusive<f64> = 1e-60..=1e60;

/// Whether thresholds are of a usual magnitude.
fn is_usual<F: Real>(network: &SpikingNetwork<F>, layer: usize) -> bool {
    let banks = network.layers[layer].layer.linear().into_iter().flat_map(|linear| linear.banks());
    let mut thresholds = banks.filter_map(ModeBank::threshold);
    thresholds.all(|threshold| MAGNITUDES.contains(&threshold.as_f64()))
}

/// Simulates a group of layers if this engine suits it: writes their traces to `layers`, which holds
/// those of earlier groups, and returns the number of ties.
pub(crate) fn forward<F: Real>(
    network: &SpikingNetwork<F>,
    group: &[usize],
    recurrent: bool,
    duration: f64,
    input: &SpikeTrains,
    layers: &mut [LayerTrace<F>],
    scratch: &mut Scratch<F>,
) -> Option<Result<usize, SimulationError>> {
    if !group.iter().all(|&layer| is_usual(network, layer)) {
        return None;
    }
    if let (&[layer], false) = (group, recurrent) {
        if let Some(checked) = silence(network, layer) {
            let size = network.layers[layer].layer.size();
            return Some(checked.map(|()| {
                layers[layer].fill(size, std::iter::empty());
                0
            }));
        }
        let done = solo::forward(network, (layer, duration), input, layers, &mut scratch.solo);
        if done.is_some() {
            return done;
        }
    }
    let trains = |p: &Projection<F>| p.origin.spikes(input, layers);
    let plan = match plan(network, group, (recurrent, false), (duration, None), &trains)? {
        Ok(plan) => plan,
        Err(error) => return Some(Err(error)),
    };
    macro_rules! run {
        ($kind:ident $memory:expr) => {{
            let space = &mut $memory.forward;
            (space.run(network, &plan, duration, (input, &*layers)), &space.fired)
        }};
    }
    let (ties, fired) = with_memory!(plan, scratch, run);
    for Population { layer, slots, .. } in &plan.populations {
        let own = fired.iter().filter(|f| slots.contains(&f.neuron));
        let own = own.map(|f| Fired { neuron: f.neuron - slots.start, ..*f });
        layers[*layer].fill(slots.len(), own);
    }
    Some(ties)
}

/// Checks the synapses onto a layer if it is one of linear neurons that never fire.
fn silence<F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
) -> Option<Result<(), SimulationError>> {
    let model = &network.layers[layer].layer;
    model.linear().filter(|neurons| !neurons.fire())?;
    let mut onto = network.projections.iter().filter(|p| p.target == layer);
    Some(onto.try_for_each(|p| (0..model.size()).try_for_each(|n| check_row(p, n))))
}

/// How to simulate a group, or `None` if it is left to another engine. It is the same for the forward and
/// the backward pass, unless constants are differentiated by.
fn plan<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
    (recurrent, learning): (bool, bool),
    (duration, spikes): (f64, Option<usize>),
    trains: &impl Fn(&Projection<F>) -> &'a SpikeTrains,
) -> Option<Result<Arc<Plan<F>>, SimulationError>> {
    let mut shortest = f64::INFINITY;
    let (mut most, mut total, mut neurons, mut synapses_per_neuron) = (0.0_f64, 0.0, 0, 0);
    let mut own = learning;
    let onto = |layer: usize| network.projections.iter().filter(move |p| p.target == layer);
    for &layer in group {
        let linear = network.layers[layer].layer.linear()?;
        let shared = |bank: &&ModeBank<F>| bank.tau_syn().len() <= MOST_RECEPTORS;
        own |= linear.common_bank().filter(shared).is_none_or(|bank| !constants_apart(bank));
        for bank in linear.banks() {
            if bank.tau_syn().len() > MOST_CURRENTS {
                return None;
            }
            shortest = shortest.min(grid::shortest_tau(bank));
        }
        let mut all = 0.0;
        for projection in onto(layer) {
            let synapses = projection.synapses.synapses();
            let (posts, pres) = projection.synapses.shape();
            u32::try_from(synapses).ok()?;
            synapses_per_neuron += synapses.div_ceil(posts);
            let spikes = match inside(projection, group) {
                None => trains(projection).len() as f64,
                Some(_) => GUESSED_RATE * duration * pres as f64,
            };
            all += arrivals(projection, spikes);
        }
        let size = network.layers[layer].layer.size();
        most = most.max(all);
        total += all * size as f64;
        neurons += size;
    }
    // Neurons that share their constants are taken one by one, or go on together where one drives another.
    if !own && !recurrent {
        return None;
    }
    // In single precision its sums lose more digits than the steps of the other engines do (`tests/suite/precision.rs`).
    if own && size_of::<F>() < size_of::<f64>() {
        return None;
    }
    let block = (BLOCK_SYNAPSES / synapses_per_neuron.max(1)).max(LEAST_BLOCK);
    let block = if recurrent { neurons } else { block.min(neurons) };
    let mean = total / neurons as f64;
    let mut grid = Grid::new(duration, (most, mean), block, grid::leg::<F>(shortest))?;
    if let Some(spikes) = spikes {
        let spikes = spikes as f64 / neurons as f64;
        grid = if own {
            grid.backward(duration, spikes, block)
        } else {
            grid.stretches(duration, spikes, block, shortest)
        };
    }
    Some(network.cache.plan(network, group, grid, block, own))
}

/// How many arrivals a neuron receives on average from so many spikes, if the sources are alike.
fn arrivals<F: Real>(projection: &Projection<F>, spikes: f64) -> f64 {
    let (posts, sources) = projection.synapses.shape();
    projection.synapses.synapses() as f64 / posts as f64 / sources as f64 * spikes
}

/// Whether the modes of V do not cancel.
fn constants_apart<F: Real>(bank: &ModeBank<F>) -> bool {
    let tau_mem = bank.tau_mem().as_f64();
    bank.tau_syn().iter().all(|tau| (tau.as_f64() - tau_mem).abs() > LEAST_GAP * tau_mem)
}

/// Differentiates a group of layers, if this engine suits it. Slopes have been checked.
pub(crate) fn backward<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    group: &[usize],
    recurrent: bool,
    potentials: &[Vec<PotentialSensitivity<F>>],
    gathered: &mut Gathered<'_, F>,
    scratch: &mut Scratch<F>,
) -> Option<()> {
    if let (&[layer], false) = (group, recurrent) {
        let space = &mut scratch.integrals;
        let done = integrator::backward(network, trace, layer, &potentials[layer], gathered, space);
        if done.is_some() {
            return done;
        }
    }
    if group.iter().any(|&layer| !potentials[layer].is_empty() || !is_usual(network, layer)) {
        return None;
    }
    let by_time = group.iter().flat_map(|&layer| &gathered.times.layers[layer]);
    let largest = by_time.fold(0.0, |most: f64, g| most.max(g.as_f64().abs()));
    if largest > 0.0 && !MAGNITUDES.contains(&largest) {
        return None;
    }
    let trains = |p: &Projection<F>| trace.sources(p.origin);
    // A network that made a trace has no synapses without meaning.
    let learning = group.iter().any(|&layer| network.constant_counts[layer] > 0);
    if let (&[layer], false, false) = (group, recurrent, learning) {
        let done = solo::backward(network, trace, layer, gathered, &mut scratch.solo);
        if done.is_some() {
            return done;
        }
    }
    let spikes = group.iter().map(|&layer| trace.layers[layer].spikes.len()).sum();
    let length = (trace.duration, Some(spikes));
    let plan = plan(network, group, (recurrent, learning), length, &trains)?.ok()?;
    macro_rules! run {
        (shared $memory:expr) => {{
            $memory.backward.run(trace, &plan, gathered);
            Some(())
        }};
        (own $memory:expr) => {
            if learning {
                $memory.learning.run(network, trace, &plan, gathered)
            } else {
                $memory.backward.run(network, trace, &plan, gathered)
            }
        };
    }
    with_memory!(plan, scratch, run)
}

/// Whether the particular solution of an integral and the free one would cancel over a trial that is
/// short to both, that of V or that of a current.
fn too_short<F: Real>(bank: &ModeBank<F>, rate: F, duration: f64) -> bool {
    let short = |tau: F| (tau.recip() + rate) * F::of(duration) < F::of(0.1);
    short(bank.tau_mem()) || bank.tau_syn().iter().any(|&tau| short(tau))
}
