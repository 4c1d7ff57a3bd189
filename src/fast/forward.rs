//! The bucketed forward pass of a group of neurons.
//!
//! Modes add: over a bucket in which a neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.
//!
//! The neurons go through time together, slab by slab, and in a slab bucket by bucket. At the start of
//! a slab all spikes on their way deliver what arrives in it. What a spike of the group sends to the
//! present slab is added at once, and may call a neuron back that was not expected to fire.

use super::afferent::{Afferent, Flight};
use super::fired::Fired;
use super::grid::Grid;
use super::inbox::{Entry, Inbox};
use super::step::Step;
use super::walk::{Arrival, State, Walk};
use crate::layer::ModeBank;
use crate::{Real, SimulationError, SpikingNetwork};
use std::ops::Range;

/// A layer of the group.
struct Population<'a, F: Real, const R: usize> {
    name: &'a str,
    bank: &'a ModeBank<F>,
    slots: Range<usize>,
    step: Step<F, R>,
}

/// What is known of a neuron besides its state.
#[derive(Default)]
struct Neuron<F> {
    population: usize,
    /// How many arrivals it has received.
    received: u32,
    /// 1 + its place among those that are stepped through, or 0.
    hot: u32,
    last_spike: Option<(f64, u32)>,
    fired: Fired<F>,
}

/// A neuron that is stepped through a bucket.
struct Hot<F> {
    slot: usize,
    arrivals: Vec<Arrival<F>>,
    /// What is certain, and what follows unless more arrives.
    now: Walk<F>,
    ahead: Walk<F>,
    fires: bool,
}

/// The spikes of one afferent that are on their way.
struct Traffic<F> {
    /// Known ones, latest first, and those that have been sent.
    waiting: Vec<Flight<F>>,
    flying: Vec<Flight<F>>,
}

pub(super) struct GroupRun<'a, F: Real, const R: usize> {
    network: &'a SpikingNetwork<F>,
    grid: Grid,
    populations: Vec<Population<'a, F, R>>,
    afferents: Vec<Afferent<'a, F>>,
    traffic: Vec<Traffic<F>>,
    /// Whether a neuron may drive another.
    recurrent: bool,
    states: Vec<State<F>>,
    neurons: Vec<Neuron<F>>,
    inbox: Inbox<F, R>,
    hot: Vec<Hot<F>>,
    hots: usize,
    /// The neurons to look at closely.
    suspects: Vec<usize>,
    rank: u32,
    ties: usize,
}

impl<'a, F: Real, const R: usize> GroupRun<'a, F, R> {
    /// `slots` are the neurons of each layer.
    pub fn new(
        network: &'a SpikingNetwork<F>,
        grid: Grid,
        layers: &[usize],
        banks: &[&'a ModeBank<F>],
        slots: &[Range<usize>],
        afferents: Vec<Afferent<'a, F>>,
    ) -> Self {
        let size = slots.last().map_or(0, |s| s.end);
        let mut neurons = Vec::new();
        let mut populations = Vec::new();
        for (population, ((&layer, &bank), slots)) in
            layers.iter().zip(banks).zip(slots).enumerate()
        {
            neurons.extend(slots.clone().map(|_| Neuron { population, ..Neuron::default() }));
            let name = &network.layers[layer].name;
            let step = Step::new(bank, &grid);
            populations.push(Population { name, bank, slots: slots.clone(), step });
        }
        let traffic = afferents.iter().map(|afferent| {
            let mut waiting = afferent.flights(&grid);
            waiting.sort_by_key(|f| std::cmp::Reverse((f.time + 0.0).to_bits()));
            Traffic { waiting, flying: Vec::new() }
        });
        Self {
            network,
            grid,
            populations,
            traffic: traffic.collect(),
            recurrent: afferents.iter().any(|a| a.source.is_some()),
            afferents,
            states: vec![State::default(); size],
            neurons,
            inbox: Inbox::new(size, grid.slab(size), grid.width),
            hot: Vec::new(),
            hots: 0,
            suspects: Vec::new(),
            rank: 0,
            ties: 0,
        }
    }

    /// Simulates the group.
    pub fn run(mut self) -> Result<super::Simulated<F>, SimulationError> {
        let slab = self.grid.slab(self.neurons.len());
        let mut from = 0;
        while from < self.grid.buckets {
            let end = self.grid.buckets.min(from + slab);
            self.deliver(from, end);
            for bucket in from..end {
                self.bucket(bucket, end)?;
            }
            from = end;
        }
        let traces = self.populations.iter().map(|p| {
            let fired = self.neurons[p.slots.clone()].iter().map(|n| &n.fired);
            Fired::into_trace(fired)
        });
        Ok((traces.collect(), self.ties))
    }

    /// Delivers what arrives in the slab that starts, sent before it or known.
    fn deliver(&mut self, from: usize, end: usize) {
        self.inbox.turn_to(from);
        for (k, Traffic { waiting, flying }) in self.traffic.iter_mut().enumerate() {
            let later = waiting.partition_point(|f| f.bucket as usize >= end);
            flying.extend(waiting.drain(later..).rev());
            let afferent = &self.afferents[k];
            let Population { bank, slots, .. } = &self.populations[afferent.target];
            flying.retain_mut(|flight| {
                self.inbox.deliver((k, afferent), bank, slots.start, flight, end);
                flight.next < afferent.fan.of(flight.source as usize).end
            });
        }
    }

    /// Takes all neurons through one bucket.
    fn bucket(&mut self, number: usize, end: usize) -> Result<(), SimulationError> {
        for Population { slots, step, .. } in &self.populations {
            let row = self.inbox.row(number, slots.clone());
            let states = &self.states[slots.clone()];
            for ((slot, state), bucket) in slots.clone().zip(states).zip(row) {
                if step.may_fire(state, bucket.rise) {
                    self.suspects.push(slot);
                }
            }
        }
        for k in 0..self.suspects.len() {
            self.heat(self.suspects[k], number);
        }
        self.suspects.clear();
        while let Some(first) = self.first_to_fire() {
            self.fire(first, number, end)?;
        }
        for Population { slots, step, .. } in &self.populations {
            let row = self.inbox.row(number, slots.clone());
            let states = &mut self.states[slots.clone()];
            for ((neuron, state), bucket) in
                self.neurons[slots.clone()].iter_mut().zip(states).zip(row)
            {
                neuron.received += bucket.count;
                step.take(bucket, state);
                *bucket = super::inbox::Bucket::empty();
            }
        }
        self.cool()
    }

    /// The hot neuron that fires next. Where none drives another any will do.
    fn first_to_fire(&self) -> Option<usize> {
        let mut firing = self.hot[..self.hots].iter().enumerate().filter(|(_, h)| h.fires);
        let key = |h: &Hot<F>| (h.ahead.time.to_bits(), h.slot);
        let first = if self.recurrent { firing.min_by_key(|(_, h)| key(h)) } else { firing.next() };
        first.map(|(k, _)| k)
    }

    /// Steps a neuron through a bucket from its start.
    fn heat(&mut self, slot: usize, number: usize) {
        if self.hots == self.hot.len() {
            let now = Walk::new(State::default(), 0.0, None);
            self.hot.push(Hot { slot, arrivals: Vec::new(), now, ahead: now, fires: false });
        }
        let mut arrivals = std::mem::take(&mut self.hot[self.hots].arrivals);
        arrivals.clear();
        let all = self.inbox.entries(number, slot).map(|entry| self.arrival(entry));
        arrivals.extend(all.filter(|a| a.time < self.grid.duration));
        arrivals.sort_unstable_by_key(Arrival::key);
        let Neuron { population, last_spike, .. } = self.neurons[slot];
        let bank = self.populations[population].bank;
        let hot = &mut self.hot[self.hots];
        let now = Walk::new(self.states[slot], self.grid.start(number), last_spike);
        let mut ahead = now;
        let fires = ahead.on(bank, &arrivals, self.grid.end(number), self.grid.duration);
        *hot = Hot { slot, arrivals, now, ahead, fires };
        self.hots += 1;
        self.neurons[slot].hot = self.hots as u32;
    }

    fn arrival(&self, entry: Entry<F>) -> Arrival<F> {
        let Entry { time, weight, afferent, branch, rank, .. } = entry;
        let receptor = self.afferents[afferent as usize].projection.receptor as u32;
        Arrival { time, rank, afferent, branch, receptor, weight }
    }

    /// The hot neuron `which` fires; its spike goes to all targets that it reaches before `end`.
    fn fire(&mut self, which: usize, number: usize, end: usize) -> Result<(), SimulationError> {
        let rank = self.rank;
        let hot = &mut self.hot[which];
        let slot = hot.slot;
        let neuron = &mut self.neurons[slot];
        let population = neuron.population;
        let Population { name, bank, slots, .. } = &self.populations[population];
        let mut walk = hot.ahead;
        let time = walk.time;
        let budget = self.network.spike_budget(time);
        if neuron.fired.times.len() >= budget {
            let (layer, neuron) = ((*name).into(), slot - slots.start);
            return Err(SimulationError::Runaway { layer, neuron, time, budget });
        }
        if rank >= u32::MAX - 1 {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize - 1 });
        }
        self.rank += 1;
        let arrivals = neuron.received + walk.next as u32;
        let slope = walk.fire(bank, rank);
        neuron.last_spike = walk.last_spike;
        neuron.fired.push(time, slope, arrivals, rank);
        let source = slot - slots.start;
        hot.now = walk;
        hot.ahead = walk;
        let bucket_end = self.grid.end(number);
        hot.fires = hot.ahead.on(bank, &hot.arrivals, bucket_end, self.grid.duration);

        // The bucket that is being simulated counts, even if rounding puts the time outside of it.
        let offset = (time - self.grid.start(number)).clamp(0.0, self.grid.width);
        for k in 0..self.afferents.len() {
            let afferent = &self.afferents[k];
            if afferent.source != Some(population) {
                continue;
            }
            let factors = afferent.fan.factors(offset);
            let Range { start: first, end: last } = afferent.fan.of(source);
            let (bucket, source, rank) = (number as u32, source as u32, rank + 1);
            let mut flight = Flight { time, bucket, factors, source, rank, next: first };
            let Population { bank, slots, .. } = &self.populations[afferent.target];
            let first_slot = slots.start;
            self.inbox.deliver((k, afferent), bank, first_slot, &mut flight, end);
            for branch in first..flight.next {
                let target = self.afferents[k].fan.branches[branch];
                let (arrives, at, _) = flight.arrival(&target, self.grid.width);
                if at > number {
                    break;
                }
                let entry = Entry::new(arrives, target.weight, k, branch, rank);
                self.recall(first_slot + target.post as usize, number, entry, time);
            }
            if flight.next < last {
                self.traffic[k].flying.push(flight);
            }
        }
        Ok(())
    }

    /// Something more, sent at `sent`, arrives at a neuron in the bucket that is being simulated.
    fn recall(&mut self, slot: usize, number: usize, entry: Entry<F>, sent: f64) {
        let population = &self.populations[self.neurons[slot].population];
        let Some(which) = (self.neurons[slot].hot as usize).checked_sub(1) else {
            let rise = self.inbox.bucket(number, slot).rise;
            if population.step.may_fire(&self.states[slot], rise) {
                self.heat(slot, number);
            }
            return;
        };
        let arrival = self.arrival(entry);
        if arrival.time >= self.grid.duration {
            return;
        }
        let bank = population.bank;
        let hot = &mut self.hot[which];
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
        let (end, duration) = (self.grid.end(number), self.grid.duration);
        hot.fires = hot.ahead.on(bank, &hot.arrivals, end, duration);
    }

    /// Ends a bucket for those that were stepped through it.
    fn cool(&mut self) -> Result<(), SimulationError> {
        for hot in &mut self.hot[..self.hots] {
            let neuron = &mut self.neurons[hot.slot];
            self.states[hot.slot] = hot.ahead.state;
            neuron.hot = 0;
            self.ties += hot.ahead.ties;
            if !hot.ahead.is_finite() {
                let Population { name, slots, .. } = &self.populations[neuron.population];
                return Err(SimulationError::Overflow {
                    layer: (*name).into(),
                    neuron: hot.slot - slots.start,
                    time: hot.ahead.time,
                });
            }
        }
        self.hots = 0;
        Ok(())
    }
}
