//! The backward pass of a block of neurons by segments.
//!
//! Between two spikes of a neuron its adjoint is a sum of exponentials: in the frame of a slab,
//!
//! ```text
//! p_V(t) = M exp(x / tau_mem)      p_r(t) = S_r exp(x / tau_r) - gain_r M exp(x / tau_mem)
//! ```
//!
//! with x the time from its start and M and S constant. So an arrival is read with the factors of the
//! forward pass, and no list of events is needed.
//!
//! Neurons with constants of their own have no such frame: their adjoint is written down as of the end of each
//! bucket, and an arrival is taken from there. Where V is held no arrival moves it, so p_V is 0 there.
//!
//! The slabs of the forward pass are taken in reverse. First come the spikes of a slab, latest first;
//! each reads what it did inside of the slab. Then all that arrived from before the slab is read.

use super::afferent::{Afferent, Flight, Queue, Traffic};
use super::fan::{Branch, Fan};
use super::grid::{Window, exp_of};
use super::own::{Back, MOST_CURRENTS, Own, Owns, Sums};
use super::plan::{Block, Pair, Plan};
use super::prefetch::prefetch_back;
use crate::adjoint::Gathered;
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{ParameterKind, Real, SpikingNetwork, Trace};
use std::cmp::Reverse;
use std::ops::Range;

/// A stretch between two spikes: its end, and the adjoint in it, or at its end for neurons with constants of
/// their own.
#[derive(Debug, Clone, Copy)]
struct Segment<F, const R: usize, const K: usize> {
    end: f64,
    mode: Back<F, R, K>,
}

/// The spikes of one afferent, whose arrivals are read latest first.
#[derive(Debug, Default)]
struct Reads<F> {
    traffic: Traffic<F>,
    /// Of every branch, the sums of the modes that its arrivals saw; for targets with constants of their own
    /// the sums of dL/dw, and of dL/dt for weight 1.
    seen: Vec<(F, F)>,
}

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
pub(super) struct Space<F, const R: usize, const OWN: bool, const K: usize> {
    reads: Vec<Reads<F>>,
    /// Latest first.
    events: Vec<Event<F>>,
    /// The source and the number of the spikes that are on their way.
    active: Vec<(usize, usize)>,
    /// By neuron, for gradients by constants.
    sums: Vec<Sums<F, R>>,
    adjoint: Adjoint<F, R, OWN, K>,
}

/// What is carried back through a neuron with constants of its own besides what arrivals read.
#[derive(Debug, Clone, Copy)]
struct Aside<F> {
    /// dL/d of the raise of the threshold.
    raise: F,
    /// While V is held: dL/d of the time left, and p_V and W of the release.
    hold: F,
    released: (F, F),
}

impl<F: Real> Aside<F> {
    fn zero() -> Self {
        Self { raise: F::zero(), hold: F::zero(), released: (F::zero(), F::zero()) }
    }
}

/// The adjoint of the neurons of a block in a slab.
#[derive(Debug)]
struct Adjoint<F, const R: usize, const OWN: bool, const K: usize> {
    /// Before all that has been passed; for neurons with constants of their own as of the time that is passed.
    present: Vec<Back<F, R, K>>,
    /// Of those what is not read.
    aside: Vec<Aside<F>>,
    /// Bucket by bucket, that of all neurons; NaN where a spike falls into the bucket.
    rows: Vec<Back<F, R, K>>,
    /// Of the neurons that fire in the slab, latest first.
    segments: Vec<Vec<Segment<F, R, K>>>,
}

impl<F: Real, const R: usize, const OWN: bool, const K: usize> Space<F, R, OWN, K> {
    pub fn new() -> Self {
        let (present, aside, rows) = (Vec::new(), Vec::new(), Vec::new());
        let adjoint = Adjoint { present, aside, rows, segments: Vec::new() };
        let (reads, events, active) = (Vec::new(), Vec::new(), Vec::new());
        Self { reads, events, active, sums: Vec::new(), adjoint }
    }

    /// Differentiates a group, or leaves it to another engine if the one that fired did not tell all.
    pub fn run(
        &mut self,
        network: &SpikingNetwork<F>,
        trace: &Trace<F>,
        plan: &Plan<F>,
        gathered: &mut Gathered<'_, F>,
    ) -> Option<()> {
        if OWN && !tells_releases(trace, plan) {
            return None;
        }
        self.reads.resize_with(plan.afferents.len().max(self.reads.len()), Reads::default);
        for (afferent, reads) in plan.afferents.iter().zip(&mut self.reads) {
            let trains = trace.sources(afferent.origin);
            afferent.flights(&plan.grid, trains, trace.duration, &mut reads.traffic);
        }
        for block in plan.blocks() {
            let window = plan.grid.window(0, trace.duration);
            Run { network, trace, plan, block, window, space: self, gathered }.run();
        }
        Some(())
    }
}

/// When V is released after a spike, if it is within the trial.
fn release<F: Real>(trace: &Trace<F>, bank: &ModeBank<F>, spike: f64) -> Option<f64> {
    let release = spike + bank.rest()?.as_f64();
    (release < trace.duration).then_some(release)
}

/// Whether a trace has V' of all releases.
fn tells_releases<F: Real>(trace: &Trace<F>, plan: &Plan<F>) -> bool {
    plan.populations.iter().all(|population| {
        let LayerTrace { spikes, releases, .. } = &trace.layers[population.layer];
        let offsets = spikes.offsets();
        (0..spikes.channels()).all(|neuron| {
            let bank = population.bank(neuron);
            (offsets[neuron]..offsets[neuron + 1]).all(|place| {
                let told = releases.get(place).is_some_and(|slope| !slope.is_nan());
                told || release(trace, bank, spikes.times()[place]).is_none()
            })
        })
    })
}

struct Run<'a, 'g, F: Real, const R: usize, const OWN: bool, const K: usize> {
    network: &'a SpikingNetwork<F>,
    trace: &'a Trace<F>,
    plan: &'a Plan<F>,
    block: Block,
    window: Window,
    space: &'a mut Space<F, R, OWN, K>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real, const R: usize, const OWN: bool, const K: usize> Run<'_, '_, F, R, OWN, K> {
    fn run(&mut self) {
        self.prepare();
        let mut events = 0;
        for slab in (0..self.plan.grid.slabs(self.trace.duration)).rev() {
            self.window = self.plan.grid.window(slab, self.trace.duration);
            if !OWN {
                self.turn();
            }
            let first = events;
            for bucket in (0..self.window.buckets).rev() {
                self.space.adjoint.tabulate(bucket);
                let before = events;
                while let Some(&event) =
                    self.space.events.get(events).filter(|e| {
                        e.time >= self.window.start && self.window.bucket(e.time) == bucket
                    })
                {
                    match (event.releases, OWN) {
                        (true, _) => self.release(event, bucket),
                        (false, true) => self.spike_own(event, bucket),
                        (false, false) => self.spike(event, bucket),
                    }
                    events += 1;
                }
                if OWN {
                    self.pass(bucket, before..events);
                }
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
        let Space { reads, events, sums, adjoint, .. } = &mut **space;
        for (afferent, reads) in plan.afferents.iter().zip(reads) {
            reads.prepare(&afferent.fans.blocks[block.number], trace.duration);
        }
        events.clear();
        for (population, p) in plan.populations.iter().enumerate() {
            let fired = &trace.layers[p.layer];
            let offsets = fired.spikes.offsets();
            for slot in block.slots(p) {
                let neuron = block.neurons.start + slot - p.slots.start;
                let (bank, mut raise, mut last) = (p.bank(neuron), F::zero(), 0.0);
                for place in offsets[neuron]..offsets[neuron + 1] {
                    let (time, rank) = (fired.spikes.times()[place], fired.ranks[place]);
                    let (population, slot, place) = (population as u32, slot as u32, place as u32);
                    if OWN {
                        raise *= bank.raise_decay(F::of(time - last));
                    }
                    let own = &fired.spikes.times()[..offsets[neuron + 1]];
                    let next = own.get(place as usize + 1).map_or(trace.duration, |&next| next);
                    let releases = false;
                    let event =
                        Event { time, rank, releases, raise, next, population, slot, place };
                    events.push(event);
                    if OWN {
                        (raise, last) = (raise + bank.jump(), time);
                        let released = release(trace, bank, time);
                        events.extend(released.map(|time| Event { time, releases: true, ..event }));
                    }
                }
            }
        }
        events.sort_unstable_by_key(|e| Reverse((e.time.to_bits(), e.rank, e.releases, e.place)));
        let size = block.neurons.len();
        adjoint.present.clear();
        adjoint.present.resize(size, Back::zero());
        adjoint.aside.clear();
        adjoint.aside.resize(if OWN { size } else { 0 }, Aside::zero());
        sums.clear();
        sums.resize(if OWN { size } else { 0 }, Sums::zero());
        adjoint.rows.clear();
        adjoint.rows.resize(size * plan.grid.slab, Back::zero());
        adjoint.segments.resize_with(size.max(adjoint.segments.len()), Vec::new);
    }

    /// Sees the adjoint from the start of the slab instead of from its end.
    fn turn(&mut self) {
        for population in &self.plan.populations {
            let decay = population.decays(self.plan.grid.slab);
            let slots = self.block.slots(population);
            self.space.adjoint.present[slots].iter_mut().for_each(|p| p.0[0].scale(&decay));
        }
    }

    /// Gathers dL/dt of a spike: that with what it did in the slab.
    fn by_time(&mut self, spike: &Event<F>) -> F {
        let (slot, place) = (spike.slot as usize, spike.place as usize);
        let population = &self.plan.populations[spike.population as usize];
        let neuron = self.block.neurons.start + slot - population.slots.start;
        let first = self.trace.layers[population.layer].spikes.offsets()[neuron];
        for (k, afferent) in self.plan.afferents.iter().enumerate() {
            if afferent.source == Some(spike.population as usize) {
                let by_time = self.read(k, neuron, place - first);
                self.gathered.layer_times[population.layer][place] += by_time;
            }
        }
        self.gathered.layer_times[population.layer][place]
    }

    /// Takes a neuron's adjoint back over one of its spikes.
    fn spike(&mut self, spike: Event<F>, bucket: usize) {
        let by_time = self.by_time(&spike);
        let (slot, place) = (spike.slot as usize, spike.place as usize);
        let population = &self.plan.populations[spike.population as usize];
        let bank = population.bank(0);
        let x = spike.time - self.window.start;
        let slope = self.trace.layers[population.layer].slopes[place];
        let slope = slope.max(self.gathered.slope_floors[population.layer]);
        let adjoint = &mut self.space.adjoint;
        let after = *adjoint.present[slot].p();
        let mut p = [after.mem * exp_of(x, bank.tau_mem())];
        let old = p[0];
        bank.fire_back(slope, by_time, &mut p);
        let jump = p[0] - old;
        let mut before = after;
        before.mem += jump * exp_of(-x, bank.tau_mem());
        for (r, &tau) in bank.tau_syn().iter().enumerate() {
            before.syn[r] += population.gain[r] * jump * exp_of(-x, tau);
        }
        adjoint.pass(
            slot,
            (bucket, f64::INFINITY),
            Segment { end: spike.time, mode: Back([before; K]) },
        );
    }

    /// The same for a neuron with constants of its own.
    fn spike_own(&mut self, spike: Event<F>, bucket: usize) {
        let by_time = self.by_time(&spike);
        let (slot, place) = (spike.slot as usize, spike.place as usize);
        let population = &self.plan.populations[spike.population as usize];
        let neuron = self.block.neurons.start + slot - population.slots.start;
        let bank = population.bank(neuron);
        let approach = self.trace.layers[population.layer].slopes[place];
        let slope = approach.max(self.gathered.slope_floors[population.layer]);
        let mut after = self.back_to(&spike, bucket);
        let Space { adjoint, sums, .. } = &mut *self.space;
        let aside = std::mem::replace(&mut adjoint.aside[slot], Aside::zero());
        let currents = bank.tau_syn().len();
        let mut all = [F::zero(); MOST_CURRENTS + 3];
        let p = &mut all[..bank.state_len()];
        p[0] = after.0[0].mem + aside.released.0;
        p[1..=currents].copy_from_slice(&after.0[0].syn[..currents]);
        if let Some(at) = bank.raise_place() {
            p[at] = aside.raise;
        }
        if let Some(at) = bank.hold_at() {
            p[at] = aside.hold;
        }
        let mut by_constants = |of: &dyn Fn((ParameterKind, usize)) -> F| {
            let Some(neurons) = self.network.layers[population.layer].layer.linear() else {
                return;
            };
            let gradients = &mut self.gathered.constants[population.layer];
            neurons.for_each_trainable(neuron, |constant, factor, at| {
                gradients[at] += factor * of(constant);
            });
        };
        if K > 1 {
            let (sums, w) = (&mut sums[slot].parts, after.0[1].mem + aside.released.1);
            sums.mem += bank.reset() * w + bank.kick() * after.0[1].syn[currents - 1];
            sums.syn[currents - 1] += bank.kick() * after.0[2].syn[currents - 1];
            let raised = (spike.raise + bank.jump()) * F::of(spike.next - spike.time);
            by_constants(&|(kind, _)| match kind {
                ParameterKind::TauRaise => aside.raise * raised / bank.tau_raise().powi(2),
                kind => bank.fire_by(kind, p),
            });
            after.0[1].mem = F::zero();
        }
        bank.fire_back_from(&bank.before_spike(approach, spike.raise), slope, by_time, p);
        if K > 1 {
            by_constants(&|(kind, _)| bank.cross_by(kind, p));
        }
        after.0[0].mem = p[0];
        adjoint.aside[slot].raise = bank.raise_place().map_or(F::zero(), |at| p[at]);
        let end = self.window.end_of(bucket);
        adjoint.pass(slot, (bucket, end), Segment { end: spike.time, mode: after });
    }

    /// Takes a neuron's adjoint back over the release of V: a later one would take from V what it gains there, and
    /// before it nothing moves V.
    fn release(&mut self, event: Event<F>, bucket: usize) {
        let slot = event.slot as usize;
        let population = &self.plan.populations[event.population as usize];
        let slope = self.trace.layers[population.layer].releases[event.place as usize];
        let mut after = self.back_to(&event, bucket);
        let adjoint = &mut self.space.adjoint;
        let aside = &mut adjoint.aside[slot];
        let p_v = std::mem::take(&mut after.0[0].mem);
        (aside.hold, aside.released.0) = (-p_v * slope, p_v);
        if K > 1 {
            aside.released.1 = std::mem::take(&mut after.0[1].mem);
        }
        let end = self.window.end_of(bucket);
        adjoint.pass(slot, (bucket, end), Segment { end: event.time, mode: after });
    }

    /// The adjoint of a neuron with constants of its own right after an event in a bucket.
    fn back_to(&mut self, event: &Event<F>, bucket: usize) -> Back<F, R, K> {
        let population = &self.plan.populations[event.population as usize];
        let slot = event.slot as usize;
        let neuron = self.block.neurons.start + slot - population.slots.start;
        let constants = (population.bank(neuron), population.own_of(neuron));
        let end = self.window.end_of(bucket);
        let Space { adjoint, sums, .. } = &mut *self.space;
        adjoint.back(slot, constants, (end, event.time), &mut sums[slot])
    }

    /// Takes all neurons with constants of their own to the start of a bucket.
    fn pass(&mut self, bucket: usize, events: Range<usize>) {
        let start = self.window.start + bucket as f64 * self.window.width;
        let end = self.window.end_of(bucket);
        let Space { events: all, adjoint, sums, .. } = &mut *self.space;
        let size = adjoint.present.len();
        for event in &all[events] {
            let slot = event.slot as usize;
            // The first to come takes it there.
            if adjoint.segments[slot].last().is_some_and(|s| s.end > start) {
                let population = &self.plan.populations[event.population as usize];
                let neuron = self.block.neurons.start + slot - population.slots.start;
                let constants = (population.bank(neuron), population.own_of(neuron));
                let mode = adjoint.back(slot, constants, (end, start), &mut sums[slot]);
                adjoint.present[slot] = mode;
                adjoint.segments[slot].push(Segment { end: start, mode });
            }
        }
        for population in &self.plan.populations {
            let owns = self.block.owns(population);
            for (k, slot) in self.block.slots(population).enumerate() {
                if !adjoint.rows[bucket * size + slot].p().mem.is_nan() {
                    let more = (&mut adjoint.aside[slot].raise, &mut sums[slot]);
                    owns.of(k).take_back(&mut adjoint.present[slot], more);
                }
            }
        }
    }

    /// Reads the adjoint at every arrival in the slab of spikes from before it.
    fn read_all(&mut self, k: usize) {
        let afferent = &self.plan.afferents[k];
        let fan = &afferent.fans.blocks[self.block.number];
        let target = &self.plan.populations[afferent.target];
        let place = (self.block.slots(target).start, self.block.owns(target));
        let offsets = self.trace.sources(afferent.origin).offsets();
        let times = self.gathered.times(afferent.origin);
        let Space { reads, adjoint, active, sums, .. } = &mut *self.space;
        let Reads { traffic, seen } = &mut reads[k];
        let queues = traffic.queues();
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
                prefetch_back(&fan.branches, next);
                prefetch_back(seen, next);
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
        let fan = &afferent.fans.blocks[self.block.number];
        let Space { reads, adjoint, sums, .. } = &mut *self.space;
        let Reads { traffic, seen } = &mut reads[k];
        let flight = &mut traffic.queues()[source].flights[number];
        adjoint.read(afferent, fan, place, flight, (seen, sums), &self.window)
    }

    /// From what the branches saw to the gradients of their synapses, and from sums to those of constants.
    fn finish(&mut self) {
        for population in self.plan.populations.iter().filter(|_| K > 1) {
            let layer = population.layer;
            let Some(neurons) = self.network.layers[layer].layer.linear() else { continue };
            let gradients = &mut self.gathered.constants[layer];
            for slot in self.block.slots(population) {
                let neuron = self.block.neurons.start + slot - population.slots.start;
                let (sums, bank) = (&self.space.sums[slot], population.bank(neuron));
                neurons.for_each_trainable(neuron, |constant, factor, at| {
                    gradients[at] += factor * sums.by(bank, constant);
                });
            }
        }
        for (afferent, reads) in self.plan.afferents.iter().zip(&self.space.reads) {
            let fan = &afferent.fans.blocks[self.block.number];
            let weights = &mut self.gathered.weights[afferent.number];
            let delays = &mut self.gathered.delays[afferent.number];
            let Some((tau_mem, tau_syn)) = afferent.taus else {
                for (branch, seen) in fan.branches.iter().zip(&reads.seen) {
                    weights[branch.synapse as usize] += seen.0;
                    delays[branch.synapse as usize] += branch.syn * seen.1;
                }
                continue;
            };
            let (rate_mem, rate_syn) = (tau_mem.recip(), tau_syn.recip());
            for ((branch, unit), seen) in fan.branches.iter().zip(&fan.units).zip(&reads.seen) {
                let synapse = branch.synapse as usize;
                weights[synapse] += unit.0 * seen.0 + unit.1 * seen.1;
                delays[synapse] += rate_mem * branch.mem * seen.0 + rate_syn * branch.syn * seen.1;
            }
        }
    }
}

impl<F: Real> Reads<F> {
    /// All flights at their last arrival.
    fn prepare(&mut self, fan: &Fan<F>, duration: f64) {
        let Self { traffic, seen } = self;
        for (source, Queue { flights, flying }) in traffic.queues().iter_mut().enumerate() {
            let range = fan.of(source);
            let branches = &fan.branches[range.clone()];
            *flying = flights.len()..flights.len();
            for flight in flights {
                let within = match branches.last() {
                    Some(last) if flight.time + last.delay >= duration => {
                        branches.partition_point(|b| flight.time + b.delay < duration)
                    }
                    _ => branches.len(),
                };
                flight.next = (range.start + within) as u32;
            }
        }
        seen.clear();
        seen.resize(fan.branches.len(), (F::zero(), F::zero()));
    }
}

impl<F: Real, const R: usize, const OWN: bool, const K: usize> Adjoint<F, R, OWN, K> {
    /// Writes down the adjoint of all neurons at the end of a bucket.
    fn tabulate(&mut self, bucket: usize) {
        let size = self.present.len();
        self.rows[bucket * size..(bucket + 1) * size].copy_from_slice(&self.present);
    }

    /// A neuron's adjoint passes an event of its own in a bucket, up to whose end it is what it is at present if
    /// this is the first.
    fn pass(&mut self, slot: usize, (bucket, end): (usize, f64), before: Segment<F, R, K>) {
        let segments = &mut self.segments[slot];
        let row = &mut self.rows[bucket * self.present.len() + slot];
        if segments.is_empty() || (OWN && !row.p().mem.is_nan()) {
            segments.push(Segment { end, mode: self.present[slot] });
        }
        segments.push(before);
        row.0[0].mem = F::nan();
        self.present[slot] = before.mode;
    }

    /// The adjoint of a neuron with constants of its own at an earlier time in a bucket that ends at `end`. Takes
    /// that of its raise there too.
    fn back(
        &mut self,
        slot: usize,
        (bank, own): (&ModeBank<F>, &Own<F>),
        (end, time): (f64, f64),
        sums: &mut Sums<F, R>,
    ) -> Back<F, R, K> {
        let last = self.segments[slot].last().map_or(end, |s| s.end.min(end));
        let dt = F::of(last - time);
        let mut mode = self.present[slot];
        own.flow_back(dt, &mut mode, sums);
        self.aside[slot].raise *= bank.raise_decay(dt);
        mode
    }

    /// Where a spike falls into the bucket: its side decides. A spike precedes an arrival of its time.
    fn beside_spike(&self, slot: usize, time: f64) -> (&Back<F, R, K>, f64) {
        let segments = &self.segments[slot];
        let after = segments.partition_point(|s| s.end > time).saturating_sub(1);
        segments.get(after).map_or((&self.present[slot], time), |s| (&s.mode, s.end))
    }

    /// What a spike sees where it arrives through a branch at a neuron with constants of its own: dL/dw, and dL/dt
    /// for weight 1. Adds to the sums for gradients by constants.
    #[inline]
    fn see(
        &self,
        (slot, own, sums): (usize, &Own<F>, &mut Sums<F, R>),
        (receptor, weight): (usize, F),
        time: f64,
        window: &Window,
    ) -> (F, F) {
        let bucket = window.bucket(time);
        let row = &self.rows[bucket * self.present.len() + slot];
        let (row, end) = if row.p().mem.is_nan() {
            self.beside_spike(slot, time)
        } else {
            (row, window.end_of(bucket))
        };
        let Pair { mem, syn } = row.p();
        let (p_v, p_r) = (*mem, syn[receptor]);
        let dt = F::of(end - time);
        let (decay_mem, decay, response) = own.after(receptor, dt);
        if K > 1 {
            let lags = own.lags_after(receptor, dt);
            let x = row.0[1].syn[receptor] * decay + row.0[1].mem * response + p_v * lags.0;
            let q = (row.0[2].syn[receptor] + dt * p_r) * decay + p_v * lags.1;
            sums.parts.mem += weight * x;
            sums.parts.syn[receptor] += weight * q;
        }
        let by_weight = p_r * decay + p_v * response;
        (by_weight, by_weight * own.rate_syn[receptor] - p_v * decay_mem * own.rate_mem)
    }

    /// Reads where a spike arrives in a slab: adds to what its branches have seen, and returns its dL/dt.
    fn read(
        &self,
        afferent: &Afferent<F>,
        fan: &Fan<F>,
        (slot, owns): (usize, Owns<'_, F>),
        flight: &mut Flight<F>,
        (seen, sums): (&mut [(F, F)], &mut [Sums<F, R>]),
        window: &Window,
    ) -> F {
        let receptor = if R == 1 { 0 } else { afferent.receptor };
        let (tau_mem, tau_syn) = afferent.taus.unwrap_or((F::one(), F::one()));
        let (rate_mem, rate_syn) = (tau_mem.recip(), tau_syn.recip());
        let start = fan.of(flight.source as usize).start;
        let (size, time) = (self.present.len(), flight.time);
        let mut by_time = F::zero();
        while flight.next as usize > start {
            let branches = &fan.branches[start..flight.next as usize];
            let seen = &mut seen[start..flight.next as usize];
            let Some(last) = branches.last().filter(|b| time + b.delay >= window.start) else {
                break;
            };
            let (by_mem, by_syn, leg) = afferent.leg(flight, last.delay, window.number);
            let in_leg = match branches.first() {
                Some(first) if first.delay < leg.start => {
                    branches.partition_point(|b| b.delay < leg.start)
                }
                _ => 0,
            };
            // To look back where this ends also brings it into the cache, all at once.
            let within = |b: &&Branch<F>| time + b.delay >= window.start;
            let arrive = branches[in_leg..].iter().rev().take_while(within).count();
            let from = branches.len() - arrive;
            let (branches, seen) = (&branches[from..], &mut seen[from..]);
            flight.next -= arrive as u32;
            if OWN {
                for (branch, seen) in branches.iter().zip(seen) {
                    let post = branch.post as usize;
                    let target = (slot + post, owns.of(post), &mut sums[slot + post]);
                    let through = (receptor, branch.syn);
                    let (by_weight, unit) = self.see(target, through, time + branch.delay, window);
                    seen.0 += by_weight;
                    seen.1 += unit;
                    by_time += branch.syn * unit;
                }
                continue;
            }
            let (mut mem, mut syn) = (F::zero(), F::zero());
            let mut done = 0;
            while done < arrive {
                for (branch, seen) in branches[done..].iter().zip(&mut seen[done..]) {
                    let at = window.bucket(time + branch.delay) * size + slot;
                    let row = &self.rows[at + branch.post as usize];
                    let (m, s) = (row.p().mem, row.p().syn[receptor]);
                    if m.is_nan() {
                        break;
                    }
                    seen.0 += by_mem * m;
                    seen.1 += by_syn * s;
                    mem += branch.mem * m;
                    syn += branch.syn * s;
                    done += 1;
                }
                // Outside of the loop, whose sums stay in registers.
                if let Some(branch) = branches.get(done) {
                    let slot = slot + branch.post as usize;
                    let mode = self.beside_spike(slot, time + branch.delay).0.p();
                    let (m, s) = (mode.mem, mode.syn[receptor]);
                    seen[done].0 += by_mem * m;
                    seen[done].1 += by_syn * s;
                    mem += branch.mem * m;
                    syn += branch.syn * s;
                    done += 1;
                }
            }
            by_time += rate_mem * (by_mem * mem) + rate_syn * (by_syn * syn);
        }
        by_time
    }
}
