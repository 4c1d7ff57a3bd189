//! The fast engine: exact at the speed of a time-stepped code.
//!
//! It handles groups of layers of linear neurons under heavy loads. Everything else runs on the plain
//! engine of `simulate`, which is also its reference in the tests.

mod backward;
mod forward;
mod grid;
mod inbox;
mod integrator;
mod reader;
mod step;
mod walk;
mod wiring;

use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::network::{Origin, Projection};
use crate::trace::LayerTrace;
use crate::{
    PotentialSensitivity, Presynaptic, Real, SimulationError, SpikeTrains, SpikingNetwork, Trace,
};
pub(crate) use backward::Integral;
use backward::{GroupReads, Population};
use forward::GroupRun;
use grid::{Afferent, Grid, Spikes};
pub(crate) use integrator::voltage_integrals;
use walk::MOST_RECEPTORS;
use wiring::parts;

/// Time constants closer than this share are left to the plain engine: the sums over buckets are
/// those of single modes, which cancel as the constants meet.
const LEAST_GAP: f64 = 0.25;

/// Buckets that a neuron is simulated over at a time if it drives no other of its group.
const SLAB: usize = 4096;

/// Buckets that the neurons of a group are simulated over at a time if they drive each other: few
/// enough that those of all neurons stay in the caches, many enough that most of what a spike sends
/// arrives later.
///
/// The buckets of neurons must not lie a power of two apart, or they compete for the same lines of the
/// caches.
const SHARED_SLAB: usize = 251;

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
    let inside = |p: &Projection<F>| is_inside(p, group);
    let known = |p: &Projection<F>| (!inside(p)).then(|| trains(p));
    let grid = grid(network, group, duration, &known)?;
    let afferents = afferents(network, group, grid, |p| match p.origin {
        Origin::Layer(layer) if inside(p) => {
            let sources = p.synapses.shape().1;
            let (factors, fresh) = (vec![Vec::new(); sources], vec![false; sources]);
            Spikes::Group { layer, factors, fresh }
        }
        _ => known_spikes(p, trains(p)),
    })?;
    let slab = if recurrent { SHARED_SLAB } else { SLAB };
    macro_rules! run {
        ($receptors:literal) => {{
            let run = GroupRun::<F, $receptors>::new(network, group, grid, slab, afferents)?;
            if recurrent { run.together() } else { run.one_by_one() }
        }};
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

fn is_inside<F: Real>(projection: &Projection<F>, group: &[usize]) -> bool {
    let from_group = matches!(projection.origin, Origin::Layer(l) if group.contains(&l));
    from_group && group.contains(&projection.target)
}

fn known_spikes<'a, F: Real>(projection: &Projection<F>, trains: &'a SpikeTrains) -> Spikes<'a, F> {
    Spikes::Known { trains, first: projection.origin.first(), factors: Vec::new() }
}

/// The projections onto a group, in order.
fn afferents<'a, F: Real>(
    network: &'a SpikingNetwork<F>,
    group: &[usize],
    grid: Grid,
    spikes: impl Fn(&Projection<F>) -> Spikes<'a, F>,
) -> Option<Vec<Afferent<'a, F>>> {
    let projections = network.projections.iter().enumerate();
    let onto = projections.filter(|(_, p)| group.contains(&p.target));
    let afferent = |(number, p): (usize, &'a Projection<F>)| {
        let bank = network.layers[p.target].layer.mode_bank()?;
        Some(Afferent::new(number, p, bank, grid, spikes(p)))
    };
    onto.map(afferent).collect()
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
    /// Those by the weights, the delays and the spikes of an afferent.
    fn of(&mut self, afferent: &Afferent<'_, F>) -> (&mut [F], &mut [F], &mut [F]) {
        let times = match afferent.projection.origin {
            Origin::Input { .. } => &mut *self.input_times,
            Origin::Layer(l) => self.layer_times[l].as_mut_slice(),
        };
        (&mut self.weights[afferent.number], &mut self.delays[afferent.number], times)
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
    let grid = grid(network, group, trace.duration, &|p| Some(trace.sources(p.origin)))?;
    let afferents = afferents(network, group, grid, |p| known_spikes(p, trace.sources(p.origin)))?;
    let parts = parts(network, group, &afferents).into_iter().zip(integrals);
    let populations = parts.map(|(part, integrals)| {
        let bank = network.layers[part.layer].layer.mode_bank()?;
        let fired = &trace.layers[part.layer];
        Some(Population { part, bank, fired, integrals })
    });
    let populations: Vec<_> = populations.collect::<Option<_>>()?;
    let slab = if recurrent { SHARED_SLAB } else { SLAB };
    macro_rules! run {
        ($receptors:literal) => {{
            let reads = GroupReads::<F, $receptors>::new(
                trace,
                grid,
                slab,
                populations,
                afferents,
                gathered,
            );
            if recurrent { reads.together() } else { reads.one_by_one() }
        }};
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
