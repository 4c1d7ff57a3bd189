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
//! The slabs of the forward pass are taken in reverse. First come the spikes of a slab, latest first;
//! each reads what it did inside of the slab. Then all that arrived from before the slab is read.

use super::Gathered;
use super::afferent::{Afferent, Flight, Queue, Traffic};
use super::fan::{Branch, Fan};
use super::grid::{Window, exp_of};
use super::plan::{Block, Pair, Plan};
use super::prefetch::prefetch_back;
use crate::{Real, Trace};
use std::cmp::Reverse;

/// A stretch between two spikes: its end, and the adjoint in it.
#[derive(Debug, Clone, Copy)]
struct Segment<F, const R: usize> {
    end: f64,
    mode: Pair<F, R>,
}

/// The spikes of one afferent, whose arrivals are read latest first.
#[derive(Debug, Default)]
struct Reads<F> {
    traffic: Traffic<F>,
    /// Of every branch, the sums of the modes that its arrivals saw.
    seen: Vec<(F, F)>,
}

/// A spike of the group.
#[derive(Debug, Clone, Copy)]
struct Own {
    time: f64,
    rank: u32,
    population: u32,
    /// In the block.
    slot: u32,
    /// Among the spikes of its layer.
    place: u32,
}

/// The memory of a backward pass, to be used again.
#[derive(Debug)]
pub(super) struct Space<F, const R: usize> {
    reads: Vec<Reads<F>>,
    /// Latest first.
    spikes: Vec<Own>,
    /// The source and the number of the spikes that are on their way.
    active: Vec<(usize, usize)>,
    adjoint: Adjoint<F, R>,
}

/// The adjoint of the neurons of a block in a slab.
#[derive(Debug)]
struct Adjoint<F, const R: usize> {
    /// Before all that has been passed.
    present: Vec<Pair<F, R>>,
    /// Bucket by bucket, that of all neurons; NaN where a spike falls into the bucket.
    rows: Vec<Pair<F, R>>,
    /// Of the neurons that fire in the slab, latest first.
    segments: Vec<Vec<Segment<F, R>>>,
}

impl<F: Real, const R: usize> Space<F, R> {
    pub fn new() -> Self {
        let adjoint = Adjoint { present: Vec::new(), rows: Vec::new(), segments: Vec::new() };
        Self { reads: Vec::new(), spikes: Vec::new(), active: Vec::new(), adjoint }
    }

    /// Differentiates a group.
    pub fn run(&mut self, trace: &Trace<F>, plan: &Plan<F>, gathered: &mut Gathered<'_, F>) {
        self.reads.resize_with(plan.afferents.len().max(self.reads.len()), Reads::default);
        for (afferent, reads) in plan.afferents.iter().zip(&mut self.reads) {
            let trains = trace.sources(afferent.origin);
            afferent.flights(&plan.grid, trains, trace.duration, &mut reads.traffic);
        }
        for block in plan.blocks() {
            let window = plan.grid.window(0, trace.duration);
            Run { trace, plan, block, window, space: self, gathered }.run();
        }
    }
}

struct Run<'a, 'g, F: Real, const R: usize> {
    trace: &'a Trace<F>,
    plan: &'a Plan<F>,
    block: Block,
    window: Window,
    space: &'a mut Space<F, R>,
    gathered: &'a mut Gathered<'g, F>,
}

impl<F: Real, const R: usize> Run<'_, '_, F, R> {
    fn run(&mut self) {
        self.prepare();
        let mut spikes = 0;
        for slab in (0..self.plan.grid.slabs(self.trace.duration)).rev() {
            self.window = self.plan.grid.window(slab, self.trace.duration);
            self.turn();
            let first = spikes;
            for bucket in (0..self.window.buckets).rev() {
                self.space.adjoint.tabulate(bucket);
                while let Some(&spike) =
                    self.space.spikes.get(spikes).filter(|s| {
                        s.time >= self.window.start && self.window.bucket(s.time) == bucket
                    })
                {
                    self.spike(spike, bucket);
                    spikes += 1;
                }
            }
            for k in 0..self.plan.afferents.len() {
                self.read_all(k);
            }
            for spike in &self.space.spikes[first..spikes] {
                self.space.adjoint.segments[spike.slot as usize].clear();
            }
        }
        self.finish();
    }

    fn prepare(&mut self) {
        let Self { trace, plan, block, space, .. } = self;
        let Space { reads, spikes, adjoint, .. } = &mut **space;
        for (afferent, reads) in plan.afferents.iter().zip(reads) {
            reads.prepare(&afferent.fans.blocks[block.number], trace.duration);
        }
        spikes.clear();
        for (population, p) in plan.populations.iter().enumerate() {
            let fired = &trace.layers[p.layer];
            let offsets = fired.spikes.offsets();
            for slot in block.slots(p) {
                let neuron = block.neurons.start + slot - p.slots.start;
                for place in offsets[neuron]..offsets[neuron + 1] {
                    let (time, rank) = (fired.spikes.times()[place], fired.ranks[place]);
                    let (population, slot, place) = (population as u32, slot as u32, place as u32);
                    spikes.push(Own { time, rank, population, slot, place });
                }
            }
        }
        spikes.sort_unstable_by_key(|s| Reverse((s.time.to_bits(), s.rank, s.place)));
        let size = block.neurons.len();
        adjoint.present.clear();
        adjoint.present.resize(size, Pair::zero());
        adjoint.rows.clear();
        adjoint.rows.resize(size * plan.grid.slab, Pair::zero());
        adjoint.segments.resize_with(size.max(adjoint.segments.len()), Vec::new);
    }

    /// Sees the adjoint from the start of the slab instead of from its end.
    fn turn(&mut self) {
        for population in &self.plan.populations {
            let decay = population.decays(self.plan.grid.slab);
            let slots = self.block.slots(population);
            self.space.adjoint.present[slots].iter_mut().for_each(|p| p.scale(&decay));
        }
    }

    /// Takes a neuron's adjoint back over one of its spikes.
    fn spike(&mut self, spike: Own, bucket: usize) {
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
        let bank = &population.bank;
        let x = spike.time - self.window.start;
        let by_time = self.gathered.layer_times[population.layer][place];
        let slope = self.trace.layers[population.layer].slopes[place];
        let slope = slope.max(self.gathered.slope_floors[population.layer]);
        let adjoint = &mut self.space.adjoint;
        let after = adjoint.present[slot];
        let mut p = [after.mem * exp_of(x, bank.tau_mem())];
        let old = p[0];
        bank.fire_back(slope, by_time, &mut p);
        let jump = p[0] - old;
        let mut before = after;
        before.mem += jump * exp_of(-x, bank.tau_mem());
        for (r, &tau) in bank.tau_syn().iter().enumerate() {
            before.syn[r] += population.gain[r] * jump * exp_of(-x, tau);
        }
        adjoint.pass(slot, bucket, Segment { end: spike.time, mode: before });
    }

    /// Reads the adjoint at every arrival in the slab of spikes from before it.
    fn read_all(&mut self, k: usize) {
        let afferent = &self.plan.afferents[k];
        let fan = &afferent.fans.blocks[self.block.number];
        let slot = self.block.slots(&self.plan.populations[afferent.target]).start;
        let offsets = self.trace.sources(afferent.origin).offsets();
        let times = self.gathered.times(afferent.origin);
        let Space { reads, adjoint, active, .. } = &mut *self.space;
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
            let place = offsets[afferent.origin.first() + source] + number;
            times[place] += adjoint.read(afferent, fan, slot, flight, seen, &self.window);
            flying.end -= usize::from(flight.next as usize == fan.of(source).start);
        }
    }

    /// Reads the adjoint where a spike of the group arrives in the slab; what that adds to its dL/dt.
    fn read(&mut self, k: usize, source: usize, number: usize) -> F {
        let afferent = &self.plan.afferents[k];
        let slot = self.block.slots(&self.plan.populations[afferent.target]).start;
        let fan = &afferent.fans.blocks[self.block.number];
        let Space { reads, adjoint, .. } = &mut *self.space;
        let Reads { traffic, seen } = &mut reads[k];
        let flight = &mut traffic.queues()[source].flights[number];
        adjoint.read(afferent, fan, slot, flight, seen, &self.window)
    }

    /// From what the branches saw to the gradients of their synapses.
    fn finish(&mut self) {
        for (afferent, reads) in self.plan.afferents.iter().zip(&self.space.reads) {
            let fan = &afferent.fans.blocks[self.block.number];
            let (rate_mem, rate_syn) = (afferent.tau_mem.recip(), afferent.tau_syn.recip());
            let weights = &mut self.gathered.weights[afferent.number];
            let delays = &mut self.gathered.delays[afferent.number];
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

impl<F: Real, const R: usize> Adjoint<F, R> {
    /// Writes down the adjoint of all neurons at the end of a bucket.
    fn tabulate(&mut self, bucket: usize) {
        let size = self.present.len();
        self.rows[bucket * size..(bucket + 1) * size].copy_from_slice(&self.present);
    }

    /// A neuron's adjoint passes its spike.
    fn pass(&mut self, slot: usize, bucket: usize, before: Segment<F, R>) {
        let segments = &mut self.segments[slot];
        if segments.is_empty() {
            segments.push(Segment { end: f64::INFINITY, mode: self.present[slot] });
        }
        segments.push(before);
        self.rows[bucket * self.present.len() + slot].mem = F::nan();
        self.present[slot] = before.mode;
    }

    /// Where a spike falls into the bucket: its side decides. A spike precedes an arrival of its time.
    fn beside_spike(&self, slot: usize, receptor: usize, time: f64) -> (F, F) {
        let segments = &self.segments[slot];
        let after = segments.partition_point(|s| s.end > time).saturating_sub(1);
        let mode = segments.get(after).map_or(self.present[slot], |s| s.mode);
        (mode.mem, mode.syn[receptor])
    }

    /// Reads where a spike arrives in a slab: adds to what its branches have seen, and returns its dL/dt.
    fn read(
        &self,
        afferent: &Afferent<F>,
        fan: &Fan<F>,
        slot: usize,
        flight: &mut Flight<F>,
        seen: &mut [(F, F)],
        window: &Window,
    ) -> F {
        let receptor = if R == 1 { 0 } else { afferent.receptor };
        let (rate_mem, rate_syn) = (afferent.tau_mem.recip(), afferent.tau_syn.recip());
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
            let (mut mem, mut syn) = (F::zero(), F::zero());
            let mut done = 0;
            while done < arrive {
                for (branch, seen) in branches[done..].iter().zip(&mut seen[done..]) {
                    let at = window.bucket(time + branch.delay) * size + slot;
                    let row = &self.rows[at + branch.post as usize];
                    let (m, s) = (row.mem, row.syn[receptor]);
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
                    let (m, s) = self.beside_spike(slot, receptor, time + branch.delay);
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
