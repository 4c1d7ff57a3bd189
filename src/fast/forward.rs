//! The bucketed forward pass of a block of neurons.
//!
//! Modes add: over a bucket in which a neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.
//!
//! The neurons go through time together, slab by slab, and in a slab bucket by bucket. At the start of
//! a slab all spikes on their way deliver what arrives in it. What a spike of the group sends to the
//! present slab is added at once, and may call a neuron back that was not expected to fire.

use super::afferent::{Flight, Queue, Traffic};
use super::grid::Window;
use super::inbox::{Bucket, Inbox};
use super::own::{Beyond, Own};
use super::plan::{Block, Pair, Plan, Population, State};
use super::prefetch::prefetch;
use super::walk::{Arrival, Walk};
use crate::network::Projection;
use crate::trace::Fired;
use crate::{Real, SimulationError, SpikeTrains, SpikingNetwork};

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

/// A neuron that is stepped through a bucket.
#[derive(Debug)]
struct Hot<F, const N: usize> {
    slot: usize,
    arrivals: Vec<Arrival<F>>,
    /// What is certain, and what follows unless more arrives.
    now: Walk<F, N>,
    ahead: Walk<F, N>,
    fires: bool,
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
            let fan = &afferent.fans.blocks[self.block.number];
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
        inbox.turn(self.window.start);
        for (k, afferent) in self.plan.afferents.iter().enumerate() {
            let fan = &afferent.fans.blocks[self.block.number];
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
            let (start, end) = (population.decays(self.bucket), population.decays(self.bucket + 1));
            let states = &mut states[slots.clone()];
            let neurons = &mut neurons[slots.clone()];
            for (((slot, neuron), state), bucket) in slots.zip(neurons).zip(states).zip(row) {
                if population.may_fire(&start, state, &bucket.rise) {
                    suspects.push(slot as u32);
                } else if !recurrent {
                    neuron.pass(population, &end, state, bucket);
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
            let mut pass = |slot: usize| {
                neurons[slot].pass(population, &end, &mut states[slot], &mut row[slot]);
            };
            if recurrent {
                slots.for_each(&mut pass);
            } else {
                suspects.iter().for_each(|&slot| pass(slot as usize));
            }
        }
        self.cool()
    }

    /// The hot neuron that fires next. Where none drives another any will do.
    fn first_to_fire(&self) -> Option<usize> {
        let mut firing = self.space.hot[..self.hots].iter().enumerate().filter(|(_, h)| h.fires);
        let key = |h: &Hot<F, N>| (h.ahead.time.to_bits(), h.slot);
        let first =
            if self.plan.recurrent { firing.min_by_key(|(_, h)| key(h)) } else { firing.next() };
        first.map(|(k, _)| k)
    }

    fn population(&self, slot: usize) -> &Population<F> {
        &self.plan.populations[self.space.neurons[slot].population as usize]
    }

    /// The end of the present bucket.
    fn end(&self) -> f64 {
        self.window.start + (self.bucket + 1) as f64 * self.plan.grid.width
    }

    /// Steps a neuron through the present bucket from its start.
    fn heat(&mut self, slot: usize) {
        let (end, duration, plan) = (self.end(), self.duration, self.plan);
        let start = self.window.start + self.bucket as f64 * plan.grid.width;
        let Space { inbox, states, beyond, neurons, hot: all, .. } = &mut *self.space;
        let neuron = &mut neurons[slot];
        let population = &plan.populations[neuron.population as usize];
        let bank = population.bank(self.block.neurons.start + slot - population.slots.start);
        let beyond = if OWN { beyond[slot] } else { Beyond::none() };
        let now = Walk::new(bank, (&states[slot], &beyond), start, neuron.last_spike);
        if self.hots == all.len() {
            all.push(Hot { slot, arrivals: Vec::new(), now, ahead: now, fires: false });
        }
        let hot = &mut all[self.hots];
        hot.slot = slot;
        hot.now = now;
        hot.ahead = now;
        hot.arrivals.clear();
        let from = (&plan.afferents[..], self.block.number);
        inbox.collect((self.bucket, slot), from, &mut hot.arrivals);
        hot.arrivals.sort_unstable_by_key(Arrival::key);
        hot.fires = hot.ahead.on(bank, &hot.arrivals, end, duration);
        self.hots += 1;
        neuron.hot = self.hots as u32;
    }

    /// The hot neuron `which` fires; its spike goes to all targets that it reaches in the slab.
    fn fire(&mut self, which: usize) -> Result<(), SimulationError> {
        let (end, duration, plan) = (self.end(), self.duration, self.plan);
        let rank = self.space.fired.len();
        if rank >= u32::MAX as usize - 1 {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize - 1 });
        }
        let rank = rank as u32;
        let Space { neurons, hot, fired, .. } = &mut *self.space;
        let hot = &mut hot[which];
        let slot = hot.slot;
        let neuron = &mut neurons[slot];
        let source = neuron.population as usize;
        let population = &plan.populations[source];
        let number = self.block.neurons.start + slot;
        let time = hot.ahead.time;
        let budget = self.network.spike_budget(time);
        if neuron.spikes as usize >= budget {
            return Err(SimulationError::Runaway {
                layer: self.network.layers[population.layer].name.clone(),
                neuron: number - population.slots.start,
                time,
                budget,
            });
        }
        neuron.spikes += 1;
        let arrivals = neuron.received + hot.ahead.next as u32;
        let bank = population.bank(number - population.slots.start);
        hot.ahead.tell_release(fired);
        let slope = hot.ahead.fire(bank, rank);
        neuron.last_spike = hot.ahead.last_spike;
        fired.push(Fired { neuron: number, time, slope, arrivals, rank, release: F::nan() });
        hot.now = hot.ahead;
        hot.fires = hot.ahead.on(bank, &hot.arrivals, end, duration);
        for (k, afferent) in plan.afferents.iter().enumerate() {
            if afferent.source == Some(source) {
                let flight = afferent.flight(&plan.grid, time, number - population.slots.start);
                self.send(k, Flight { rank: rank + 1, ..flight })?;
            }
        }
        Ok(())
    }

    /// A spike of the group starts.
    fn send(&mut self, k: usize, flight: Flight<F>) -> Result<(), SimulationError> {
        let afferent = &self.plan.afferents[k];
        let fan = &afferent.fans.blocks[self.block.number];
        let branches = fan.of(flight.source as usize);
        let source = flight.source as usize;
        let mut flight = Flight { next: branches.start as u32, ..flight };
        let target = &self.plan.populations[afferent.target];
        let slot = self.block.slots(target).start;
        let place = (slot, self.block.owns(target));
        let first = self.space.inbox.len();
        let inbox = &mut self.space.inbox;
        if !inbox.deliver::<OWN>((k, afferent), fan, place, &mut flight, &self.window) {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize });
        }
        self.space.traffic[k].queues()[source].flights.push(flight);
        for number in first..self.space.inbox.len() {
            let from = (&self.plan.afferents[..], self.block.number);
            let (arrival, post) = self.space.inbox.arrival(number, from);
            if self.window.bucket(arrival.time) > self.bucket {
                break;
            }
            self.recall(slot + post, arrival, flight.time);
        }
        Ok(())
    }

    /// Something more, sent at `sent`, arrives at a neuron in the bucket that is being simulated.
    fn recall(&mut self, slot: usize, arrival: Arrival<F>, sent: f64) {
        let Some(which) = (self.space.neurons[slot].hot as usize).checked_sub(1) else {
            let population = self.population(slot);
            let rise = &self.space.inbox.bucket(self.bucket, slot).rise;
            let state = &self.space.states[slot];
            let may_fire = if OWN {
                let own = self.block.owns(population).of(slot - self.block.slots(population).start);
                own.may_fire(state, &self.space.beyond[slot], rise)
            } else {
                population.may_fire(&population.decays(self.bucket), state, rise)
            };
            if may_fire {
                self.heat(slot);
            }
            return;
        };
        let (end, duration) = (self.end(), self.duration);
        let population = &self.plan.populations[self.space.neurons[slot].population as usize];
        let bank = population.bank(self.block.neurons.start + slot - population.slots.start);
        let hot = &mut self.space.hot[which];
        // Of two synapses from the same source, the first call brought both.
        if hot.arrivals.binary_search_by_key(&arrival.key(), Arrival::key).is_ok() {
            return;
        }
        // No spike is earlier than this one. If the neuron is about to fire at the same time, then
        // before it receives what arrives then.
        let about_to = hot.fires && hot.ahead.time <= sent;
        let certain = |time: f64| if about_to { time < sent } else { time <= sent };
        hot.now.settle(bank, &hot.arrivals, certain);
        let pending = &hot.arrivals[hot.now.next..];
        let place = hot.now.next + pending.partition_point(|a| a.key() < arrival.key());
        hot.arrivals.insert(place, arrival);
        // What comes after the next spike does not change it.
        if hot.fires && hot.ahead.time <= arrival.time && hot.ahead.next <= place {
            return;
        }
        hot.ahead = hot.now;
        hot.fires = hot.ahead.on(bank, &hot.arrivals, end, duration);
    }

    /// Ends a bucket for those that were stepped through it.
    fn cool(&mut self) -> Result<(), SimulationError> {
        for k in 0..self.hots {
            let Space { hot, states, beyond, neurons, fired, .. } = &mut *self.space;
            let Hot { slot, ahead, .. } = &mut hot[k];
            let slot = *slot;
            let population = &self.plan.populations[neurons[slot].population as usize];
            let bank = population.bank(self.block.neurons.start + slot - population.slots.start);
            ahead.tell_release(fired);
            let (state, time) = (ahead.state(bank), ahead.time);
            states[slot] = state;
            if OWN {
                beyond[slot] = ahead.beyond(bank);
            }
            neurons[slot].hot = 0;
            self.ties += ahead.ties;
            // What is not a number is hot from then on.
            if !state.is_finite() {
                let Population { layer, slots, .. } = self.population(slot);
                return Err(SimulationError::Overflow {
                    layer: self.network.layers[*layer].name.clone(),
                    neuron: self.block.neurons.start + slot - slots.start,
                    time,
                });
            }
        }
        self.hots = 0;
        Ok(())
    }
}
