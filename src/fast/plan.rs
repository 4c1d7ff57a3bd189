//! What a group of layers needs to be simulated on a grid.

use super::afferent::Afferent;
use super::fan::Fan;
use super::grid::{Grid, exp_of};
use super::own::{Own, Owns};
use super::step::Step;
use crate::layer::ModeBank;
use crate::{Real, SimulationError, SpikingNetwork};
use std::ops::Range;

/// One number for the membrane and one for each current.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<F, const R: usize> {
    pub mem: F,
    pub syn: [F; R],
}

impl<F: Real, const R: usize> Pair<F, R> {
    pub fn zero() -> Self {
        Self { mem: F::zero(), syn: [F::zero(); R] }
    }

    #[inline]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.mem += other.mem;
        sum.syn.iter_mut().zip(&other.syn).for_each(|(s, o)| *s += *o);
        sum
    }

    pub fn is_finite(&self) -> bool {
        self.mem.is_finite() && self.syn.iter().all(|s| s.is_finite())
    }

    /// Makes subnormal numbers zero: they would never decay to it, and are slow.
    pub fn forget_traces(&mut self) {
        for x in std::iter::once(&mut self.mem).chain(&mut self.syn) {
            if x.abs() < F::min_positive_value() {
                *x = F::zero();
            }
        }
    }

    #[inline]
    pub fn scale(&mut self, by: &Self) {
        *self = self.times(by);
    }

    #[inline]
    pub fn times(&self, by: &Self) -> Self {
        Self { mem: self.mem * by.mem, syn: std::array::from_fn(|r| self.syn[r] * by.syn[r]) }
    }
}

/// V and the currents of a neuron.
pub(super) type State<F, const R: usize> = Pair<F, R>;

/// What an arrival adds to the modes of a neuron in the frame of a slab:
///
/// ```text
/// V(t) = mem exp(-x / tau_mem) + sum_r gain_r syn_r exp(-x / tau_r)      I_r(t) = syn_r exp(-x / tau_r)
/// ```
///
/// with x the time from its start. There they only change at events, so what arrives simply adds up.
pub(super) type Modes<F, const R: usize> = Pair<F, R>;

/// A layer of the group.
#[derive(Debug)]
pub(super) struct Population<F> {
    pub layer: usize,
    /// Of each neuron, or of all if they are alike.
    banks: Vec<ModeBank<F>>,
    /// Likewise, if their modes have no frame that all share.
    pub own: Vec<Own<F>>,
    /// Its neurons among those of the group.
    pub slots: Range<usize>,
    /// If its modes have one.
    pub step: Option<Step<F>>,
    /// Likewise, exp(-x / tau) at the start x of every bucket and at the end of the slab, mode by mode.
    decays: Vec<F>,
}

impl<F: Real> Population<F> {
    fn new(
        layer: usize,
        banks: &[ModeBank<F>],
        slots: Range<usize>,
        grid: &Grid,
        own: bool,
    ) -> Self {
        let (bank, mut decays) = (&banks[0], Vec::new());
        if !own {
            for bucket in 0..=grid.slab {
                let x = bucket as f64 * grid.width;
                let taus = std::iter::once(bank.tau_mem()).chain(bank.tau_syn().iter().copied());
                decays.extend(taus.map(|tau| exp_of(-x, tau)));
            }
        }
        let own_of = |bank| Own::new(bank, grid.width);
        Self {
            layer,
            banks: banks.to_vec(),
            own: if own { banks.iter().map(own_of).collect() } else { Vec::new() },
            slots,
            step: (!own).then(|| Step::new(bank, grid.width)),
            decays,
        }
    }

    /// The constants of one of its neurons.
    #[inline]
    pub fn bank(&self, neuron: usize) -> &ModeBank<F> {
        &self.banks[if self.banks.len() == 1 { 0 } else { neuron }]
    }

    /// The same on the grid.
    pub fn own_of(&self, neuron: usize) -> &Own<F> {
        Owns { all: &self.own, first: 0 }.of(neuron)
    }

    /// exp(-x / tau) at the start of a bucket; there is one more than a slab has.
    pub fn decays<const R: usize>(&self, bucket: usize) -> Pair<F, R> {
        let modes = self.bank(0).tau_syn().len() + 1;
        let at = &self.decays[bucket * modes..(bucket + 1) * modes];
        let mut decays = Pair { mem: at[0], syn: [F::zero(); R] };
        decays.syn.iter_mut().zip(&at[1..]).for_each(|(d, a)| *d = *a);
        decays
    }
}

/// The layers of a group, and the projections onto them.
#[derive(Debug)]
pub(super) struct Plan<F> {
    pub version: u64,
    pub group: Vec<usize>,
    pub grid: Grid,
    /// Neurons that go through time together: all, if one drives another.
    pub block: usize,
    pub recurrent: bool,
    /// Whether neurons have constants, or more, of their own: see [`Own`].
    pub own: bool,
    pub populations: Vec<Population<F>>,
    pub afferents: Vec<Afferent<F>>,
}

impl<F: Real> Plan<F> {
    /// # Errors
    /// A weight or a delay that has no meaning.
    pub fn new(
        network: &SpikingNetwork<F>,
        group: &[usize],
        grid: Grid,
        block: usize,
        own: bool,
    ) -> Result<Self, SimulationError> {
        let mut populations = Vec::new();
        let mut slot = 0;
        for &layer in group {
            let model = &network.layers[layer].layer;
            let Some(neurons) = model.linear() else { continue };
            let slots = slot..slot + model.size();
            slot = slots.end;
            populations.push(Population::new(layer, neurons.banks(), slots, &grid, own));
        }
        let mut all = Vec::new();
        for (number, projection) in network.projections.iter().enumerate() {
            if let Some(target) = group.iter().position(|&l| l == projection.target) {
                let bank = (!own).then(|| populations[target].bank(0));
                let fans = network.cache.fans(network, number, bank.is_some(), block)?;
                all.push((number, projection, target, bank, fans));
            }
        }
        let make = |projection, bank| move |posts| Fan::new(projection, posts, bank, grid.leg);
        for (_, projection, _, bank, fans) in &all {
            fans.begin(make(projection, *bank));
        }
        let afferents = all.into_iter().map(|(number, projection, target, bank, fans)| {
            fans.finish(make(projection, bank));
            Afferent::new(projection, number, group, target, fans, (bank, &grid))
        });
        let afferents = afferents.collect();
        let recurrent = network.is_recurrent(group);
        let version = network.version;
        let group = group.into();
        Ok(Self { version, group, grid, block, recurrent, own, populations, afferents })
    }

    /// The most currents that a neuron has.
    pub fn currents(&self) -> usize {
        self.populations.iter().map(|p| p.bank(0).tau_syn().len()).max().unwrap_or(0)
    }

    /// The number of neurons.
    pub fn size(&self) -> usize {
        self.populations.last().map_or(0, |p| p.slots.end)
    }

    /// The neurons that go through time together, block after block.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + use<F> {
        let (size, block) = (self.size(), self.block);
        let starts = (0..size).step_by(block.max(1)).enumerate();
        starts.map(move |(number, first)| Block { number, neurons: first..size.min(first + block) })
    }
}

/// Neurons that go through time together.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub number: usize,
    /// Among those of the group.
    pub neurons: Range<usize>,
}

impl Block {
    /// The neurons of a population that are in the block, counted from its first.
    pub fn slots<F>(&self, population: &Population<F>) -> Range<usize> {
        let Range { start, end } = self.neurons;
        population.slots.start.max(start) - start..population.slots.end.min(end) - start
    }

    /// The neuron of a population that is at a slot of the block.
    #[inline]
    pub fn neuron<F>(&self, population: &Population<F>, slot: usize) -> usize {
        self.neurons.start + slot - population.slots.start
    }

    /// The constants of those neurons, counted likewise.
    pub fn owns<'a, F>(&self, population: &'a Population<F>) -> Owns<'a, F> {
        let first = self.neurons.start.saturating_sub(population.slots.start);
        Owns { all: &population.own, first }
    }
}
