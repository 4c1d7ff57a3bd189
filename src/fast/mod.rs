//! The fast engine: exact at the speed of a time-stepped code.
//!
//! It handles groups of layers of linear neurons under heavy loads. Everything else runs on the plain
//! engine of `simulate`, which is also its reference in the tests.

mod afferent;
mod backward;
mod cache;
mod fan;
mod fired;
mod forward;
mod grid;
mod inbox;
mod integrator;
mod step;
mod walk;

use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use crate::trace::LayerTrace;
use crate::{
    PotentialSensitivity, Presynaptic, Real, SimulationError, SpikeTrains, SpikingNetwork, Trace,
};
use afferent::{Afferent, inside, slots};
pub(crate) use backward::Integral;
use backward::{GroupReads, Population};
pub(crate) use cache::Cache;
use forward::GroupRun;
use grid::Grid;
pub(crate) use integrator::voltage_integrals;
use walk::MOST_RECEPTORS;

/// Time constants closer than this share are left to the plain engine: the sums over buckets are
/// those of single modes, which cancel as the constants meet.
const LEAST_GAP: f64 = 0.25;

/// Calls a generic function for the number of receptors of a group.
macro_rules! with_receptors {
    ($network:expr, $group:expr, $run:ident) => {{
        let of = |l: &usize| $network.layers[*l].layer.receptors();
        match $group.iter().map(of).max() {
            Some(0 | 1) => $run!(1),
            Some(2) => $run!(2),
            _ => $run!(3),
        }
    }};
}

/// A trace for each layer of a group, and the number of ties.
type Simulated<F> = (Vec<LayerTrace<F>>, usize);

/// Simulates a group of layers if this engine suits it.
pub(crate) fn forward<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
    recurrent: bool,
    duration: f64,
    trains: impl Fn(&Projection<F>) -> &'a SpikeTrains,
) -> Option<Result<Simulated<F>, SimulationError>> {
    if let (&[layer], false) = (group, recurrent) {
        if let Some(silence) = silence(network, layer) {
            return Some(silence.map(|trace| (vec![trace], 0)));
        }
    }
    let inside = |p: &Projection<F>| inside(p, group).is_some();
    let known = |p: &Projection<F>| (!inside(p)).then(|| trains(p));
    let grid = grid(network, group, duration, &known)?;
    let afferents = match afferents(network, group, grid, known)? {
        Ok(afferents) => afferents,
        Err(error) => return Some(Err(error)),
    };
    let banks = banks(network, group)?;
    let slots = slots(network, group);
    macro_rules! run {
        ($receptors:literal) => {
            GroupRun::<F, $receptors>::new(network, grid, group, &banks, &slots, afferents).run()
        };
    }
    Some(with_receptors!(network, group, run))
}

/// The trace of a layer of linear neurons that never fire.
fn silence<F: Real>(
    network: &SpikingNetwork<F>,
    layer: usize,
) -> Option<Result<LayerTrace<F>, SimulationError>> {
    let model = &network.layers[layer].layer;
    model.mode_bank().filter(|bank| bank.threshold().is_none())?;
    let mut onto = network.projections.iter().filter(|p| p.target == layer);
    let checked = onto.try_for_each(|p| (0..model.size()).try_for_each(|n| check_row(p, n)));
    Some(checked.map(|()| LayerTrace {
        spikes: SpikeTrains::silent(model.size()),
        slopes: Vec::new(),
        arrivals: Vec::new(),
        ranks: Vec::new(),
    }))
}

/// The constants of the layers of a group, if all are linear.
fn banks<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
) -> Option<Vec<&'a ModeBank<F>>> {
    group.iter().map(|&layer| network.layers[layer].layer.mode_bank()).collect()
}

/// The projections onto a group, in order.
fn afferents<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
    grid: Grid,
    known: impl Fn(&Projection<F>) -> Option<&'a SpikeTrains>,
) -> Option<Result<Vec<Afferent<'a, F>>, SimulationError>> {
    let banks = banks(network, group)?;
    let onto = network.projections.iter().enumerate().filter_map(|(number, projection)| {
        let target = group.iter().position(|&l| l == projection.target)?;
        let fan = match network.cache.fan(network, number, banks[target], grid) {
            Ok(fan) => fan,
            Err(error) => return Some(Err(error)),
        };
        let (known, source) = (known(projection), inside(projection, group));
        Some(Ok(Afferent { projection, number, fan, known, target, source }))
    });
    Some(onto.collect())
}

/// The buckets for a group, or `None` if it is left to the plain engine.
fn grid<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
    duration: f64,
    known: &impl Fn(&Projection<F>) -> Option<&'a SpikeTrains>,
) -> Option<Grid> {
    let mut shortest = f64::INFINITY;
    let mut most = 0;
    for &layer in group {
        let bank: &ModeBank<F> = network.layers[layer].layer.mode_bank()?;
        if bank.tau_syn().len() > MOST_RECEPTORS || !constants_apart(bank) {
            return None;
        }
        let taus = bank.tau_syn().iter().map(|t| t.as_f64());
        shortest = taus.fold(shortest.min(bank.tau_mem().as_f64()), f64::min);
        let mut arrivals = 0_usize;
        for projection in network.projections.iter().filter(|p| p.target == layer) {
            if projection.synapses.row(0).sources != Presynaptic::All {
                return None;
            }
            arrivals += known(projection).map_or(0, SpikeTrains::len);
        }
        most = most.max(arrivals);
    }
    u32::try_from(most).ok()?;
    Grid::new(duration, most, shortest)
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
}

impl<F: Real> Gathered<'_, F> {
    /// Those by the spikes of an afferent.
    fn times(&mut self, afferent: &Afferent<'_, F>) -> &mut [F] {
        match afferent.projection.origin {
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
) -> Option<()> {
    if let (&[layer], false) = (group, recurrent) {
        let done = integrator::backward(network, trace, layer, &potentials[layer], gathered);
        if done.is_some() {
            return done;
        }
    }
    // At ties inside a group the order of firing decides, which only the plain engine follows.
    if recurrent && trace.ties > 0 {
        return None;
    }
    let integrals_of = |&layer: &usize| {
        let model = &network.layers[layer].layer;
        let integrals = integrals(&potentials[layer], model.size())?;
        let rate = integrals.first().map(|i| i.rate);
        let bank = model.mode_bank()?;
        (!rate.is_some_and(|rate| too_short(bank, rate, trace.duration))).then_some(integrals)
    };
    let integrals = group.iter().map(integrals_of).collect::<Option<Vec<_>>>()?;
    let inside = |p: &Projection<F>| inside(p, group).is_some();
    let trains = |p: &Projection<F>| Some(trace.sources(p.origin));
    // The grid of the forward pass.
    let grid = grid(network, group, trace.duration, &|p| trains(p).filter(|_| !inside(p)))?;
    // A network that made a trace has no synapses without meaning.
    let afferents = afferents(network, group, grid, trains)?.ok()?;
    let parts = group.iter().zip(banks(network, group)?).zip(slots(network, group)).zip(integrals);
    let populations = parts.map(|(((&layer, bank), slots), integrals)| {
        let fired = &trace.layers[layer];
        Population { layer, bank, slots, fired, integrals }
    });
    let populations = populations.collect();
    macro_rules! run {
        ($receptors:literal) => {
            GroupReads::<F, $receptors>::new(trace, grid, populations, afferents, gathered).run()
        };
    }
    with_receptors!(network, group, run);
    Some(())
}

/// Whether the particular solution of an integral and the free one would cancel over a trial that is
/// short to both.
fn too_short<F: Real>(bank: &ModeBank<F>, rate: F, duration: f64) -> bool {
    (bank.tau_mem().recip() + rate) * F::of(duration) < F::of(0.1)
}

/// One integral per neuron, all at one rate; empty if there is none, `None` if there is more.
fn integrals<F: Real>(
    potentials: &[PotentialSensitivity<F>],
    size: usize,
) -> Option<Vec<Integral<F>>> {
    let Some(first) = potentials.first() else { return Some(Vec::new()) };
    let PotentialSensitivity::Integral { rate: common, .. } = *first else { return None };
    let mut all = vec![Integral { rate: common, gradient: F::zero() }; size];
    for term in potentials {
        match *term {
            PotentialSensitivity::Integral { neuron, rate, gradient } if rate == common => {
                all[neuron].gradient += gradient;
            }
            _ => return None,
        }
    }
    Some(all)
}
