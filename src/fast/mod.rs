//! The fast engine: exact at the speed of a time-stepped code.
//!
//! It handles groups of layers of linear neurons under heavy loads. The light engine and the plain one
//! of `simulate`, which is also the reference in the tests, take the rest.

mod afferent;
mod backward;
mod cache;
mod fan;
mod forward;
mod grid;
mod inbox;
mod integrator;
mod plan;
mod prefetch;
mod walk;

use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use crate::trace::{Fired, LayerTrace};
use crate::{PotentialSensitivity, Real, SimulationError, SpikeTrains, SpikingNetwork, Trace};
use afferent::inside;
pub(crate) use cache::Cache;
use grid::Grid;
pub(crate) use integrator::voltage_integrals;
use plan::{Plan, Population};
use std::sync::Arc;
use walk::MOST_RECEPTORS;

/// Time constants closer than this share are left to the plain engine: the sums over buckets are
/// those of single modes, which cancel as the constants meet.
const LEAST_GAP: f64 = 0.25;

/// Synapses that one block of neurons should have, so that they stay in the caches, and its least size.
const BLOCK_SYNAPSES: usize = 32_768;
const LEAST_BLOCK: usize = 8;

/// Spikes per ms that neurons of a recurrent group are expected to fire. Only the width of buckets depends on it.
const GUESSED_RATE: f64 = 0.008;

/// The memory of the engine, to be used again. One receptor is what most models have.
#[derive(Debug)]
struct Memory<F, const R: usize> {
    forward: forward::Space<F, R>,
    backward: backward::Space<F, R>,
}

impl<F: Real, const R: usize> Default for Memory<F, R> {
    fn default() -> Self {
        Self { forward: forward::Space::new(), backward: backward::Space::new() }
    }
}

/// The memory of the engine for any number of receptors.
#[derive(Debug)]
pub(crate) struct Scratch<F> {
    one: Memory<F, 1>,
    several: Memory<F, MOST_RECEPTORS>,
    integrals: integrator::Space<F>,
}

impl<F: Real> Default for Scratch<F> {
    fn default() -> Self {
        let integrals = integrator::Space::default();
        Self { one: Memory::default(), several: Memory::default(), integrals }
    }
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
    if let (&[layer], false) = (group, recurrent) {
        if let Some(checked) = silence(network, layer) {
            let size = network.layers[layer].layer.size();
            return Some(checked.map(|()| {
                layers[layer].fill(size, std::iter::empty());
                0
            }));
        }
    }
    let trains = |p: &Projection<F>| p.origin.spikes(input, layers);
    let plan = match plan(network, group, recurrent, duration, &trains)? {
        Ok(plan) => plan,
        Err(error) => return Some(Err(error)),
    };
    let (ties, fired) = if one_receptor(&plan) {
        let space = &mut scratch.one.forward;
        (space.run(network, &plan, duration, trains), &space.fired)
    } else {
        let space = &mut scratch.several.forward;
        (space.run(network, &plan, duration, trains), &space.fired)
    };
    for Population { layer, slots, .. } in &plan.populations {
        let own = fired.iter().filter(|f| slots.contains(&f.neuron));
        let own = own.map(|f| Fired { neuron: f.neuron - slots.start, ..*f });
        layers[*layer].fill(slots.len(), own);
    }
    Some(ties)
}

fn one_receptor<F: Real>(plan: &Plan<F>) -> bool {
    plan.populations.iter().all(|p| p.bank.tau_syn().len() == 1)
}

/// Checks the synapses onto a layer if it is one of linear neurons that never fire.
fn silence<F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
) -> Option<Result<(), SimulationError>> {
    let model = &network.layers[layer].layer;
    model.mode_bank().filter(|bank| bank.threshold().is_none())?;
    let mut onto = network.projections.iter().filter(|p| p.target == layer);
    Some(onto.try_for_each(|p| (0..model.size()).try_for_each(|n| check_row(p, n))))
}

/// How to simulate a group, or `None` if it is left to the plain engine. It is the same for the forward and
/// the backward pass.
fn plan<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
    recurrent: bool,
    duration: f64,
    trains: &impl Fn(&Projection<F>) -> &'a SpikeTrains,
) -> Option<Result<Arc<Plan<F>>, SimulationError>> {
    let mut shortest = f64::INFINITY;
    let (mut most, mut neurons, mut sources) = (0.0_f64, 0, 0);
    for &layer in group {
        let bank = network.layers[layer].layer.mode_bank()?;
        if bank.tau_syn().len() > MOST_RECEPTORS || !constants_apart(bank) {
            return None;
        }
        let taus = bank.tau_syn().iter().map(|t| t.as_f64());
        shortest = taus.fold(shortest.min(bank.tau_mem().as_f64()), f64::min);
        let mut arrivals = 0.0;
        for projection in network.projections.iter().filter(|p| p.target == layer) {
            let synapses = projection.synapses.synapses();
            let (posts, pres) = projection.synapses.shape();
            u32::try_from(synapses).ok()?;
            sources += pres;
            // The mean over the neurons, if the sources were alike.
            let share = synapses as f64 / posts as f64 / pres as f64;
            let spikes = match inside(projection, group) {
                None => trains(projection).len() as f64,
                Some(_) => GUESSED_RATE * duration * pres as f64,
            };
            arrivals += share * spikes;
        }
        most = most.max(arrivals);
        neurons += network.layers[layer].layer.size();
    }
    let block = (BLOCK_SYNAPSES / sources.max(1)).max(LEAST_BLOCK);
    let block = if recurrent { neurons } else { block.min(neurons) };
    let grid = Grid::new(duration, most, block, grid::leg::<F>(shortest))?;
    Some(network.cache.plan(network, group, grid, block))
}

/// Whether the modes of V do not cancel.
fn constants_apart<F: Real>(bank: &ModeBank<F>) -> bool {
    let tau_mem = bank.tau_mem().as_f64();
    bank.tau_syn().iter().all(|tau| (tau.as_f64() - tau_mem).abs() > LEAST_GAP * tau_mem)
}

/// Gradients by projection and by population, as they are gathered.
pub(crate) struct Gathered<'a, F> {
    pub weights: &'a mut [Vec<F>],
    pub delays: &'a mut [Vec<F>],
    pub input_times: &'a mut [F],
    pub layer_times: &'a mut [Vec<F>],
    /// By layer: what stands in for smaller slopes.
    pub slope_floors: &'a [F],
}

impl<F: Real> Gathered<'_, F> {
    /// Those by the spikes of a population.
    pub fn times(&mut self, origin: Origin) -> &mut [F] {
        match origin {
            Origin::Input { .. } => self.input_times,
            Origin::Layer(l) => &mut self.layer_times[l],
        }
    }
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
    // At ties inside a group the order of firing decides, which only the plain engine follows.
    let unsuited = |&layer: &usize| !potentials[layer].is_empty();
    if group.iter().any(unsuited) || (recurrent && trace.ties > 0) {
        return None;
    }
    let trains = |p: &Projection<F>| trace.sources(p.origin);
    // A network that made a trace has no synapses without meaning.
    let plan = plan(network, group, recurrent, trace.duration, &trains)?.ok()?;
    if one_receptor(&plan) {
        scratch.one.backward.run(trace, &plan, gathered);
    } else {
        scratch.several.backward.run(trace, &plan, gathered);
    }
    Some(())
}

/// Whether the particular solution of an integral and the free one would cancel over a trial that is
/// short to both.
fn too_short<F: Real>(bank: &ModeBank<F>, rate: F, duration: f64) -> bool {
    (bank.tau_mem().recip() + rate) * F::of(duration) < F::of(0.1)
}
