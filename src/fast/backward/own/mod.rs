//! The backward pass of neurons with constants of their own.
//!
//! Their adjoint is written down as of the end of each bucket, and an arrival is taken from there. Where V is held no
//! arrival moves it, so p_V is 0 there.
//!
//! Slabs are taken in reverse. First come the spikes of a slab, latest first; each reads what it did inside of the
//! slab. Then all that arrived from before the slab is read.

mod adjoint;
mod events;
mod traffic;

use crate::adjoint::Gathered;
use crate::fast::afferent::Flight;
use crate::fast::grid::Window;
use crate::fast::own::{Back, Sums};
use crate::fast::plan::{Block, Plan};
use crate::fast::prefetch::prefetch_back;
use crate::{Real, SpikingNetwork, Trace};
use adjoint::{Adjoint, Aside};
use events::{release, tells_releases};
use std::cmp::Reverse;
use traffic::{Queue, Traffic};

/// Synapses of the next spike that are asked for ahead of time.
const AHEAD: usize = 32;

/// A spike of the group, or the release of V after it.
#[derive(Debug, Clone, Copy)]
struct Event<F> {
    time: f64,
    rank: u32,
    releases: bool,
    /// By how much the threshold was raised before the spike.
    raise: F,
    /// When the neuron fires again, or the end of the trial.
    next: f64,
    population: u32,
    /// In the block.
    slot: u32,
    /// Among the spikes of its layer.
    place: u32,
}

/// The memory of a backward pass, to be used again.
#[derive(Debug)]
pub(in crate::fast) struct Space<F, const R: usize, const K: usize> {
    /// The spikes of each afferent, whose arrivals are read latest first.
    traffic: Vec<Traffic<F>>,
    /// Latest first.
    events: Vec<Event<F>>,
    /// The source and the number of the spikes that are on their way.
    active: Vec<(usize, usize)>,
    /// By neuron, for gradients by constants.
    sums: Vec<Sums<F, R>>,
    adjoint: Adjoint<F, R, K>,
}

impl<F: Real, const R: usize, const K: usize> Space<F, R, K> {
    pub fn new() -> Self {
        let (present, aside, rows) = (Vec::new(), Vec::new(), Vec::new());
        let adjoint = Adjoint { present, aside, rows, segments: Vec::new() };
        let (traffic, events, active) = (Vec::new(), Vec::new(), Vec::new());
        Self { traffic, events, active, sums: Vec::new(), adjoint }
    }

    /// Differentiates a group, or leaves it to another engine if the one that fired did not tell all.
    pub fn run(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        plan: &Plan<F>,
        gathered: &mut Gathered<'_, F>,
    ) -> Option<()> {
        if !tells_releases(trace, plan) {
            return None;
        }
        self.traffic.resize_with(plan.afferents.len().max(self.traffic.len()), Traffic::default);
        for (afferent, traffic) in plan.afferents.iter().zip(&mut self.traffic) {
            let trains = trace.sources(afferent.origin);
            traffic.fill(afferent, &plan.grid, trains, trace.duration);
            gathered.seen[afferent.number].begin(afferent);
        }
        for block in plan.blocks() {
            let window = plan.grid.window(0, trace.duration);
            Run { network, trace, plan, block, window, space: self, gathered }.run();
        }
        Some(())
    }
}

struct Run<'a, 'g, F: Real, const R: usize, const K: usize> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    plan: &'a Plan<F>,
    block: Block,
    window: Window,
    space: &'a mut Space<F, R, K>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real, const R: usize, const K: usize> Run<'_, '_, F, R, K> {
    /// The bucket of a time in the present slab. In the last digits before the end of the trial it would round up to one
    /// that is not there.
    fn bucket(&self, time: f64) -> usize {
        self.window.bucket(time).min(self.window.buckets - 1)
    }

    fn run(&mut self) {
        self.prepare();
        let mut events = 0;
        for slab in (0..self.plan.grid.slabs(self.trace.duration)).rev() {
            self.window = self.plan.grid.window(slab, self.trace.duration);
            let first = events;
            for bucket in (0..self.window.buckets).rev() {
                self.space.adjoint.tabulate(bucket);
                let before = events;
                while let Some(&event) = self
                    .space
                    .events
                    .get(events)
                    .filter(|e| e.time >= self.window.start && self.bucket(e.time) == bucket)
                {
                    if event.releases {
                        self.release(event, bucket);
                    } else {
                        self.spike(event, bucket);
                    }
                    events += 1;
                }
                self.pass(bucket, before..events);
            }
            for k in 0..self.plan.afferents.len() {
                self.read_all(k);
            }
            for event in &self.space.events[first..events] {
                self.space.adjoint.segments[event.slot as usize].clear();
            }
        }
        self.finish();
    }

    fn prepare(&mut self) {
        let Self { trace, plan, block, space, .. } = self;
        let Space { traffic, events, sums, adjoint, .. } = &mut **space;
        for (afferent, traffic) in plan.afferents.iter().zip(traffic) {
            traffic.rewind(afferent.fans.of(block.number), trace.duration);
        }
        events.clear();
        for (population, p) in plan.populations.iter().enumerate() {
            let fired = &trace.layers[p.layer];
            let offsets = fired.spikes.offsets();
            for slot in block.slots(p) {
                let neuron = block.neuron(p, slot);
                let (bank, mut raise, mut last) = (p.bank(neuron), F::zero(), 0.0);
                for place in offsets[neuron]..offsets[neuron + 1] {
                    let (time, rank) = (fired.spikes.times()[place], fired.ranks[place]);
                    let (population, slot, place) = (population as u32, slot as u32, place as u32);
                    raise *= bank.raise_decay(F::of(time - last));
                    let own = &fired.spikes.times()[..offsets[neuron + 1]];
                    let next = own.get(place as usize + 1).map_or(trace.duration, |&next| next);
                    let releases = false;
                    let event =
                        Event { time, rank, releases, raise, next, population, slot, place };
                    events.push(event);
                    (raise, last) = (raise + bank.jump(), time);
                    let released = release(trace, bank, time);
                    events.extend(released.map(|time| Event { time, releases: true, ..event }));
                }
            }
        }
        events.sort_unstable_by_key(|e| Reverse((e.time.to_bits(), e.rank, e.releases, e.place)));
        let size = block.neurons.len();
        adjoint.present.clear();
        adjoint.present.resize(size, Back::zero());
        adjoint.aside.clear();
        adjoint.aside.resize(size, Aside::zero());
        sums.clear();
        sums.resize(size, Sums::zero());
        adjoint.rows.clear();
        adjoint.rows.resize(size * plan.grid.slab, Back::zero());
        adjoint.segments.resize_with(size.max(adjoint.segments.len()), Vec::new);
    }

    /// Gathers dL/dt of a spike: that with what it did in the slab.
    fn by_time(&mut self, spike: &Event<F>) -> F {
        let (slot, place) = (spike.slot as usize, spike.place as usize);
        let population = &self.plan.populations[spike.population as usize];
        let neuron = self.block.neuron(population, slot);
        let first = self.trace.layers[population.layer].spikes.offsets()[neuron];
        for (k, afferent) in self.plan.afferents.iter().enumerate() {
            if afferent.source == Some(spike.population as usize) {
                let by_time = self.read(k, neuron, place - first);
                self.gathered.times.layers[population.layer][place] += by_time;
            }
        }
        self.gathered.times.layers[population.layer][place]
    }

    /// Reads the adjoint at every arrival in the slab of spikes from before it.
    fn read_all(&mut self, k: usize) {
        let afferent = &self.plan.afferents[k];
        let fan = afferent.fans.of(self.block.number);
        let target = &self.plan.populations[afferent.target];
        let place = (self.block.slots(target).start, self.block.owns(target));
        let offsets = self.trace.sources(afferent.origin).offsets();
        let Gathered { seen, times, .. } = &mut *self.gathered;
        let times = times.of(afferent.origin);
        let seen = seen[afferent.number].block(self.block.number);
        let Space { traffic, adjoint, active, sums, .. } = &mut *self.space;
        let queues = traffic[k].queues();
        active.clear();
        for (source, Queue { flights, flying }) in queues.iter_mut().enumerate() {
            let Some(last) = fan.branches[fan.of(source)].last() else { continue };
            let arrives = |f: &Flight<F>| f.time + last.delay >= self.window.start;
            while flying.start > 0 && arrives(&flights[flying.start - 1]) {
                flying.start -= 1;
            }
            active.extend(flying.clone().rev().map(|number| (source, number)));
        }
        for (at, &(source, number)) in active.iter().enumerate() {
            if let Some(&(source, number)) = active.get(at + 1) {
                let next = queues[source].flights[number].next as usize;
                prefetch_back(&fan.branches, next, AHEAD);
                prefetch_back(seen, next, AHEAD);
            }
            let Queue { flights, flying } = &mut queues[source];
            let flight = &mut flights[number];
            let spike = offsets[afferent.origin.first() + source] + number;
            times[spike] += adjoint.read(afferent, fan, place, flight, (seen, sums), &self.window);
            flying.end -= usize::from(flight.next as usize == fan.of(source).start);
        }
    }

    /// Reads the adjoint where a spike of the group arrives in the slab; what that adds to its dL/dt.
    fn read(&mut self, k: usize, source: usize, number: usize) -> F {
        let afferent = &self.plan.afferents[k];
        let target = &self.plan.populations[afferent.target];
        let place = (self.block.slots(target).start, self.block.owns(target));
        let fan = afferent.fans.of(self.block.number);
        let seen = self.gathered.seen[afferent.number].block(self.block.number);
        let Space { traffic, adjoint, sums, .. } = &mut *self.space;
        let flight = &mut traffic[k].queues()[source].flights[number];
        adjoint.read(afferent, fan, place, flight, (seen, sums), &self.window)
    }

    /// From sums to the gradients by constants.
    fn finish(&mut self) {
        for population in self.plan.populations.iter().filter(|_| K > 1) {
            let layer = population.layer;
            let Some(neurons) = self.network.layers[layer].layer.linear() else { continue };
            let gradients = &mut self.gathered.constants[layer];
            for slot in self.block.slots(population) {
                let neuron = self.block.neuron(population, slot);
                let (sums, bank) = (&self.space.sums[slot], population.bank(neuron));
                neurons.for_each_trainable(neuron, |constant, factor, at| {
                    gradients[at] += factor * sums.by(bank, constant);
                });
            }
        }
    }
}
