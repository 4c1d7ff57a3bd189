//! The bucketed forward pass of a block of neurons.
//!
//! Modes add: over a bucket in which a neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.
//!
//! The neurons go through time together, slab by slab, and in a slab bucket by bucket. At the start of
//! a slab all spikes on their way deliver what arrives in it. What a spike of the group sends to the
//! present slab is added at once, and may call a neuron back that was not expected to fire.

mod hot;

use crate::fast::afferent::{Queue, Traffic};
use crate::fast::grid::Window;
use crate::fast::inbox::{Bucket, Inbox};
use crate::fast::own::{Beyond, Own};
use crate::fast::plan::{Block, Pair, Plan, Population, State};
use crate::fast::prefetch::prefetch;
use crate::network::Projection;
use crate::trace::Fired;
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
        population: &Population<F>,
        end: &Pair<F, R>,
        state: &mut State<F, R>,
        bucket: &mut Bucket<F, R>,
    ) {
        self.received += bucket.count;
        population.take(end, &bucket.sum, state);
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

/// The memory of a forward pass, to be used again.
#[derive(Debug)]
pub(super) struct Space<F, const R: usize, const N: usize, const OWN: bool> {
    inbox: Inbox<F, R>,
    states: Vec<State<F, R>>,
    /// Of neurons with constants of their own.
    beyond: Vec<Beyond<F>>,
    neurons: Vec<Neuron>,
    traffic: Vec<Traffic<F>>,
    /// The source and the number of the spikes that are on their way.
    active: Vec<(usize, usize)>,
    hot: Vec<Hot<F, N>>,
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
            active: Vec::new(),
            hot: Vec::new(),
            suspects: Vec::new(),
            fired: Vec::new(),
        }
    }

    /// Simulates a group; its spikes are in `fired` then. Returns the number of ties.
    pub fn run<'t>(
        &mut self,
        network: &SpikingNetwork<F>,
        plan: &Plan<F>,
        duration: f64,
        trains: impl Fn(&Projection<F>) -> &'t SpikeTrains,
    ) -> Result<usize, SimulationError> {
        self.fired.clear();
        self.traffic.resize_with(plan.afferents.len().max(self.traffic.len()), Traffic::default);
        for (afferent, traffic) in plan.afferents.iter().zip(&mut self.traffic) {
            if afferent.source.is_none() {
                let trains = trains(&network.projections[afferent.number]);
                afferent.flights(&plan.grid, trains, duration, traffic);
            } else {
                traffic.clear(afferent.fans.sources);
            }
        }
        let mut ties = 0;
        for block in plan.blocks() {
            let window = plan.grid.window(0, duration);
            let space = &mut *self;
            let mut run =
                Run { network, plan, duration, block, window, bucket: 0, hots: 0, ties: 0, space };
            run.run()?;
            ties += run.ties;
        }
        Ok(ties)
    }
}

struct Run<'a, F: Real, const R: usize, const N: usize, const OWN: bool> {
    network: &'a SpikingNetwork<F>,
    plan: &'a Plan<F>,
    duration: f64,
    block: Block,
    window: Window,
    /// The present bucket of the window.
    bucket: usize,
    hots: usize,
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
            for bucket in 0..self.window.buckets {
                self.bucket = bucket;
                self.step()?;
            }
        }
        Ok(())
    }

    fn prepare(&mut self) {
        let size = self.block.neurons.len();
        let Space { inbox, states, beyond, neurons, traffic, .. } = self.space;
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
            let fan = afferent.fans.of(self.block.number);
            for (source, queue) in traffic.queues().iter_mut().enumerate() {
                queue.flying = 0..0;
                let next = fan.of(source).start as u32;
                queue.flights.iter_mut().for_each(|f| f.next = next);
            }
        }
    }

    /// Delivers what arrives in the slab that starts, sent before it or known.
    fn deliver(&mut self) -> Result<(), SimulationError> {
        let Space { inbox, traffic, active, .. } = &mut *self.space;
        inbox.turn();
        for (k, afferent) in self.plan.afferents.iter().enumerate() {
            let fan = afferent.fans.of(self.block.number);
            let target = &self.plan.populations[afferent.target];
            let place = (self.block.slots(target).start, self.block.owns(target));
            let mut numbered = true;
            let queues = traffic[k].queues();
            active.clear();
            for (source, Queue { flights, flying }) in queues.iter_mut().enumerate() {
                while flights.get(flying.end).is_some_and(|f| f.time < self.window.end) {
                    flying.end += 1;
                }
                active.extend(flying.clone().map(|number| (source, number)));
            }
            for (at, &(source, number)) in active.iter().enumerate() {
                if let Some(&(source, number)) = active.get(at + 1) {
                    prefetch(&fan.branches, queues[source].flights[number].next as usize);
                }
                let Queue { flights, flying } = &mut queues[source];
                let flight = &mut flights[number];
                numbered &= inbox.deliver::<OWN>((k, afferent), fan, place, flight, &self.window);
                flying.start += usize::from(flight.next as usize == fan.of(source).end);
            }
            if !numbered {
                return Err(SimulationError::TooManySpikes { most: u32::MAX as usize });
            }
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
            let start = population.decays(self.bucket);
            for ((slot, state), bucket) in slots.clone().zip(&states[slots]).zip(row) {
                if population.may_fire(&start, state, &bucket.rise) {
                    suspects.push(slot as u32);
                }
            }
        }
        for k in 0..self.space.suspects.len() {
            self.heat(self.space.suspects[k] as usize);
        }
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
            let end = population.decays(self.bucket + 1);
            let row = &mut row[slots.clone()];
            let passed = neurons[slots.clone()].iter_mut().zip(&mut states[slots]).zip(row);
            passed.for_each(|((n, state), bucket)| n.pass(population, &end, state, bucket));
        }
        self.cool()
    }
}
