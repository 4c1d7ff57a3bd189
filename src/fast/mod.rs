//! The fast engine: exact at the speed of a time-stepped code.
//!
//! It handles layers of linear neurons whose input is known before they are simulated. Everything
//! else runs on the plain engine of `simulate`, which is also its reference in the tests.

mod backward;
mod forward;
mod grid;

use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use crate::trace::LayerTrace;
use crate::{
    PotentialSensitivity, Presynaptic, Real, SimulationError, SpikeTrains, SpikingNetwork, Trace,
};
pub(crate) use backward::Integral;
use backward::{LayerReads, Own, Sink};
use forward::LayerRun;
use grid::{Afferent, Grid};

/// Time constants closer than this share are left to the plain engine: the sums over buckets are
/// those of single modes, which cancel as the constants meet.
const LEAST_GAP: f64 = 0.1;

/// Simulates a layer if this engine suits it: its spikes, and the number of ties.
pub(crate) fn forward<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    layer: usize,
    duration: f64,
    trains: impl Fn(&Projection<F>) -> &'a SpikeTrains,
) -> Option<Result<(LayerTrace<F>, usize), SimulationError>> {
    let named = &network.layers[layer];
    let bank = named.layer.mode_bank()?;
    let grid = grid(network, layer, bank, duration, &trains)?;
    let afferents = network.projections.iter().enumerate().filter(|(_, p)| p.target == layer);
    let afferents: Vec<_> =
        afferents.map(|(number, p)| Afferent::new(number, p, trains(p), bank, grid)).collect();
    let budget: &dyn Fn(f64) -> usize = &|time| network.spike_budget(time);
    macro_rules! run {
        ($receptors:literal) => {{
            let name = named.name.as_str();
            LayerRun::<F, $receptors> { name, bank, grid, duration, budget, afferents }
                .run(named.layer.size())
        }};
    }
    Some(match bank.tau_syn().len() {
        1 => run!(1),
        2 => run!(2),
        _ => run!(3),
    })
}

/// The buckets for a layer, or `None` if it is left to the plain engine.
fn grid<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    layer: usize,
    bank: &ModeBank<F>,
    duration: f64,
    trains: &impl Fn(&Projection<F>) -> &'a SpikeTrains,
) -> Option<Grid> {
    let tau_mem = bank.tau_mem().as_f64();
    let taus = || bank.tau_syn().iter().map(|t| t.as_f64());
    let apart = |tau: f64| (tau - tau_mem).abs() > LEAST_GAP * tau_mem;
    if bank.tau_syn().len() > 3 || !taus().all(apart) {
        return None;
    }
    let mut arrivals = 0;
    for projection in network.projections.iter().filter(|p| p.target == layer) {
        if projection.synapses.row(0).sources != Presynaptic::All {
            return None;
        }
        arrivals += trains(projection).len();
    }
    u32::try_from(arrivals).ok()?;
    Grid::new(duration, arrivals, taus().fold(tau_mem, f64::min))
}

/// Gradients by projection and by population, as they are gathered.
pub(crate) struct Gathered<'a, F> {
    pub weights: &'a mut [Vec<F>],
    pub delays: &'a mut [Vec<F>],
    pub input_times: &'a mut [F],
    pub layer_times: &'a mut [Vec<F>],
}

/// Differentiates a layer that drives no layer of its own group, if this engine suits it; whether it
/// did. Slopes have been checked.
pub(crate) fn backward<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    layer: usize,
    potentials: &[PotentialSensitivity<F>],
    gathered: &mut Gathered<'_, F>,
) -> bool {
    let named = &network.layers[layer];
    let Some(bank) = named.layer.mode_bank() else { return false };
    let Some(integrals) = integrals(potentials, named.layer.size()) else { return false };
    // The particular solution and the free one would cancel over a trial that is short to both.
    let short =
        |i: &Integral<F>| (bank.tau_mem().recip() + i.rate) * F::of(trace.duration) < F::of(0.1);
    if integrals.first().copied().flatten().is_some_and(|i| short(&i)) {
        return false;
    }
    let trains = |p: &Projection<F>| match p.origin {
        Origin::Input { .. } => &trace.input,
        Origin::Layer(l) => &trace.layers[l].spikes,
    };
    let Some(grid) = grid(network, layer, bank, trace.duration, &trains) else { return false };
    let afferents = network.projections.iter().enumerate().filter(|(_, p)| p.target == layer);
    let afferents: Vec<_> =
        afferents.map(|(number, p)| Afferent::new(number, p, trains(p), bank, grid)).collect();
    let discounts: Vec<Vec<F>> = match integrals.first().copied().flatten() {
        None => Vec::new(),
        Some(Integral { rate, .. }) => {
            let of = |t: &f64| (-rate * F::of(*t)).exp();
            afferents.iter().map(|a| a.times.iter().map(of).collect()).collect()
        }
    };
    macro_rules! run {
        ($receptors:literal) => {{
            let mut reads = LayerReads::<F, $receptors>::new(
                bank,
                grid,
                trace.duration,
                &afferents,
                &discounts,
            );
            let spikes = &trace.layers[layer].spikes;
            for (neuron, range) in spikes.offsets().windows(2).enumerate() {
                let range = range[0]..range[1];
                let times = &spikes.times()[range.clone()];
                let integral = integrals.get(neuron).copied().flatten();
                let slopes = &trace.layers[layer].slopes[range.clone()];
                let gradients = &gathered.layer_times[layer][range];
                reads.sweep(&Own { times, slopes, gradients }, integral);
                for (which, afferent) in afferents.iter().enumerate() {
                    let source = match afferent.projection.origin {
                        Origin::Input { .. } => &mut *gathered.input_times,
                        Origin::Layer(l) => gathered.layer_times[l].as_mut_slice(),
                    };
                    let mut sink = Sink {
                        weights: &mut gathered.weights[afferent.number],
                        delays: &mut gathered.delays[afferent.number],
                        times: Some(source),
                    };
                    reads.read(neuron, which, times, integral, &mut sink);
                }
            }
        }};
    }
    match bank.tau_syn().len() {
        1 => run!(1),
        2 => run!(2),
        _ => run!(3),
    }
    true
}

/// One integral per neuron, all at one rate; empty if there is none, `None` if there is more.
fn integrals<F: Real>(
    potentials: &[PotentialSensitivity<F>],
    size: usize,
) -> Option<Vec<Option<Integral<F>>>> {
    let Some(first) = potentials.first() else { return Some(Vec::new()) };
    let PotentialSensitivity::Integral { rate: common, .. } = *first else { return None };
    let mut all = vec![Some(Integral { rate: common, gradient: F::zero() }); size];
    for term in potentials {
        match *term {
            PotentialSensitivity::Integral { neuron, rate, gradient } if rate == common => {
                all[neuron].as_mut()?.gradient += gradient;
            }
            _ => return None,
        }
    }
    Some(all)
}
