//! The bucketed forward pass of a block of neurons.
//!
//! Modes add: over a bucket in which a neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.
//!
//! The neurons go through time together, slab by slab, and in a slab bucket by bucket. At the start of
//! a slab all spikes on their way deliver what arrives in it. What a spike of the group sends to the
//! present slab is added at once, and may call a neuron back that was not expected to fire.

mod hot;
mod rest;

use crate::fast::afferent::{Afferent, Flight};
use crate::fast::fan::Fan;
use crate::fast::grid::{Grid, Window};
use crate::fast::inbox::{Bucket, Inbox, Sent};
use crate::fast::own::{Beyond, Own};
use crate::fast::plan::{Block, Pair, Plan, State};
use crate::fast::prefetch::prefetch;
use crate::fast::step::Step;
use crate::trace::{Fired, LayerTrace};
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork};
use hot::Hot;

/// What is known of a neuron besides its state.
#[derive(Debug, Clone, Default)]
struct Neuron {
    population: u32,
    /// How many arrivals it has received.
    received: u32,
    spikes: u32,
    /// 1 + its place among those that are stepped through, or 0.
    hot: u32,
    last_spike: Option<(f64, u32)>,
}

impl Neuron {
    /// Takes a neuron that does not fire through a bucket and empties that; `end` are the decays at its end.
    #[inline]
    fn pass<F: Real, const R: usize>(
        &mut self,
        step: &Step<F>,
        end: &Pair<F, R>,
        state: &mut State<F, R>,
        bucket: &mut Bucket<F, R>,
    ) {
        self.received += bucket.count;
        step.take(&bucket.sum.times(end), state);
        *bucket = Bucket::empty();
    }

    /// The same for one with constants of its own.
    #[inline]
    fn pass_own<F: Real, const R: usize>(
        &mut self,
        own: &Own<F>,
        state: &mut State<F, R>,
        beyond: &mut Beyond<F>,
        bucket: &mut Bucket<F, R>,
    ) {
        self.received += bucket.count;
        own.take(&bucket.sum, state, beyond);
        *bucket = Bucket::empty();
    }
}

/// How many spikes ahead their synapses are asked for, and how many at least.
const AHEAD: usize = 3;
const AT_LEAST: usize = 8;

/// The spikes that reach the group through a projection.
#[derive(Debug, Default)]
struct Traffic<F> {
    /// Those that have started and not arrived everywhere.
    flying: Vec<Flight<F>>,
    /// Of each source how many have started, if they are known.
    started: Vec<u32>,
}

/// Whether a spike arrives anywhere else before the end of the trial.
fn arrives<F: Real>(flight: &Flight<F>, fan: &Fan<F>, duration: f64) -> bool {
    let next = flight.next as usize;
    next < fan.of(flight.source as usize).end && flight.time + fan.branches[next].delay < duration
}

impl<F: Real> Traffic<F> {
    /// Starts known spikes that were sent before `end`.
    fn start(
        &mut self,
        trains: &SpikeTrains,
        (afferent, fan): (&Afferent<F>, &Fan<F>),
        (grid, end): (&Grid, f64),
    ) {
        for (source, started) in self.started.iter_mut().enumerate() {
            let train = trains.channel(afferent.origin.first() + source);
            let next = fan.of(source).start as u32;
            let to_start = train[*started as usize..].iter().take_while(|&&time| time < end);
            for &time in to_start {
                self.flying.push(Flight { next, ..afferent.flight(grid, time, source) });
                *started += 1;
            }
        }
    }
}

/// The memory of a forward pass, to be used again.
#[derive(Debug)]
pub(super) struct Space<F, const R: usize, const N: usize, const OWN: bool> {
    inbox: Inbox<F, R>,
    states: Vec<State<F, R>>,
    /// Of neurons with constants of their own.
    beyond: Vec<Beyond<F>>,
    neurons: Vec<Neuron>,
    traffic: Vec<Traffic<F>>,
    hot: Vec<Hot<F, N>>,
    firing: hot::Firing,
    /// What arrives at those, each with the number of its target.
    sent: Vec<(u32, Sent)>,
    /// The neurons to look at closely.
    suspects: Vec<u32>,
    /// The spikes of the group, whose neurons are numbered through, in the order in which they came.
    pub fired: Vec<Fired<F>>,
}

impl<F: Real, const R: usize, const N: usize, const OWN: bool> Space<F, R, N, OWN> {
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            states: Vec::new(),
            beyond: Vec::new(),
            neurons: Vec::new(),
            traffic: Vec::new(),
            hot: Vec::new(),
            firing: hot::Firing::new(),
            sent: Vec::new(),
            suspects: Vec::new(),
            fired: Vec::new(),
        }
    }

    /// Simulates a group; its spikes are in `fired` then. Returns the number of ties.
    pub fn run(
        &mut self,
        network: &SpikingNetwork<F>,
        plan: &Plan<F>,
        duration: f64,
        known: (&SpikeTrains, &[LayerTrace<F>]),
    ) -> Result<usize, SimulationError> {
        self.fired.clear();
        self.traffic.resize_with(plan.afferents.len().max(self.traffic.len()), Traffic::default);
        let mut ties = 0;
        for block in plan.blocks() {
            let window = plan.grid.window(0, duration);
            let space = &mut *self;
            let mut run = Run {
                network,
                plan,
                known,
                duration,
                block,
                window,
                bucket: 0,
                hots: 0,
                queued: false,
                ties: 0,
                space,
            };
            run.run()?;
            ties += run.ties;
        }
        Ok(ties)
    }
}

struct Run<'a, F: Real, const R: usize, const N: usize, const OWN: bool> {
    network: &'a SpikingNetwork<F>,
    plan: &'a Plan<F>,
    /// The input and the traces of earlier groups.
    known: (&'a SpikeTrains, &'a [LayerTrace<F>]),
    duration: f64,
    block: Block,
    window: Window,
    /// The present bucket of the window.
    bucket: usize,
    hots: usize,
    /// Whether those about to fire are in the queue.
    queued: bool,
    ties: usize,
    space: &'a mut Space<F, R, N, OWN>,
}

impl<F: Real, const R: usize, const N: usize, const OWN: bool> Run<'_, F, R, N, OWN> {
    fn run(&mut self) -> Result<(), SimulationError> {
        self.prepare();
        for slab in 0..self.plan.grid.slabs(self.duration) {
            self.window = self.plan.grid.window(slab, self.duration);
            self.space.states.iter_mut().for_each(State::forget_traces);
            self.deliver()?;
            if self.rest() {
                continue;
            }
            for bucket in 0..self.window.buckets {
                self.bucket = bucket;
                self.step()?;
            }
        }
        Ok(())
    }

    fn prepare(&mut self) {
        let size = self.block.neurons.len();
        let Space { inbox, states, beyond, neurons, traffic, firing, .. } = self.space;
        // What an error left.
        firing.clear();
        inbox.clear(size, self.plan.grid.slab);
        states.clear();
        states.resize(size, State::zero());
        beyond.clear();
        beyond.resize(if OWN { size } else { 0 }, Beyond::none());
        neurons.clear();
        for (population, p) in self.plan.populations.iter().enumerate() {
            let population = population as u32;
            let within = p.slots.clone().filter(|n| self.block.neurons.contains(n));
            neurons.extend(within.map(|_| Neuron { population, ..Neuron::default() }));
        }
        for (traffic, afferent) in traffic.iter_mut().zip(&self.plan.afferents) {
            traffic.flying.clear();
            traffic.started.clear();
            let known = if afferent.source.is_none() { afferent.fans.sources } else { 0 };
            traffic.started.resize(known, 0);
        }
    }

    /// Delivers what arrives in the slab that starts, sent before it or known.
    fn deliver(&mut self) -> Result<(), SimulationError> {
        let Space { inbox, traffic, .. } = &mut *self.space;
        inbox.turn();
        for (k, afferent) in self.plan.afferents.iter().enumerate() {
            let fan = afferent.fans.of(self.block.number);
            let target = &self.plan.populations[afferent.target];
            let place = (self.block.slots(target).start, self.block.owns(target));
            if afferent.source.is_none() {
                let trains = afferent.origin.spikes(self.known.0, self.known.1);
                traffic[k].start(trains, (afferent, fan), (&self.plan.grid, self.window.end));
            }
            let flying = &mut traffic[k].flying;
            let (before, mut left) = (inbox.len(), 0);
            for at in 0..flying.len() {
                if let Some(flight) = flying.get(at + AHEAD) {
                    // What it brings is as much as of those before it, on average.
                    let expected = (inbox.len() - before) / at.max(1);
                    prefetch(&fan.branches, flight.next as usize, expected + AT_LEAST);
                }
                let mut flight = flying[at];
                if !inbox.deliver::<OWN>((k, afferent), fan, place, &mut flight, &self.window) {
                    return Err(SimulationError::TooManySpikes { most: u32::MAX as usize });
                }
                flying[left] = flight;
                left += usize::from(arrives(&flight, fan, self.duration));
            }
            flying.truncate(left);
        }
        Ok(())
    }

    /// Takes all neurons through one bucket.
    fn step(&mut self) -> Result<(), SimulationError> {
        let recurrent = self.plan.recurrent;
        self.space.suspects.clear();
        for population in &self.plan.populations {
            let slots = self.block.slots(population);
            let Space { inbox, states, beyond, neurons, suspects, .. } = &mut *self.space;
            let row = inbox.row(self.bucket, slots.clone());
            if OWN {
                let owns = self.block.owns(population);
                for (k, (slot, bucket)) in slots.zip(row).enumerate() {
                    let (own, state, beyond) = (owns.of(k), &mut states[slot], &mut beyond[slot]);
                    if own.may_fire(state, beyond, &bucket.rise) {
                        suspects.push(slot as u32);
                    } else if !recurrent {
                        neurons[slot].pass_own(own, state, beyond, bucket);
                    }
                }
                continue;
            }
            let Some(step) = &population.step else { continue };
            let start = population.decays(self.bucket);
            for ((slot, state), bucket) in slots.clone().zip(&states[slots]).zip(row) {
                if step.may_fire(state, bucket.rise(&start)) {
                    suspects.push(slot as u32);
                }
            }
        }
        for k in 0..self.space.suspects.len() {
            self.warm(self.space.suspects[k] as usize);
        }
        self.heat(0);
        while let Some(first) = self.first_to_fire() {
            self.fire(first)?;
        }
        for population in &self.plan.populations {
            let slots = self.block.slots(population);
            let Space { inbox, states, beyond, neurons, suspects, .. } = &mut *self.space;
            let row = inbox.row(self.bucket, 0..self.block.neurons.len());
            // Any neuron of a recurrent group might have been called back.
            if OWN {
                let (owns, first) = (self.block.owns(population), slots.start);
                let mut pass = |slot: usize| {
                    let (own, beyond) = (owns.of(slot - first), &mut beyond[slot]);
                    neurons[slot].pass_own(own, &mut states[slot], beyond, &mut row[slot]);
                };
                if recurrent {
                    slots.for_each(&mut pass);
                } else {
                    suspects.iter().for_each(|&slot| pass(slot as usize));
                }
                continue;
            }
            let Some(step) = &population.step else { continue };
            let end = population.decays(self.bucket + 1);
            let row = &mut row[slots.clone()];
            let passed = neurons[slots.clone()].iter_mut().zip(&mut states[slots]).zip(row);
            passed.for_each(|((n, state), bucket)| n.pass(step, &end, state, bucket));
        }
        self.cool()
    }
}
