//! The backward pass of a group of neurons by segments.
//!
//! Between two spikes of a neuron its adjoint is a handful of exponentials. So an arrival is read in
//! closed form at its time, with the factors of the forward pass, and no list of events is needed.
//!
//! The slabs of the forward pass are taken in reverse. First come the spikes of a slab, latest first;
//! each reads what it did inside of the slab. Then all that arrived from before the slab is read.
//!
//! A loss that reads int V exp(-q t) dt adds a particular solution X exp(-q t) to the adjoint; what is
//! left decays freely.

use super::Gathered;
use super::grid::{Afferent, Factors, Grid, gain, source};
use super::inbox::mark;
use super::reader::{Bucket, Reader, Segment};
use super::walk::State;
use super::wiring::{Outgoing, Part, outgoing};
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{Real, Trace};

/// How the loss depends on a potential: through int_0^T V exp(-rate t) dt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Integral<F> {
    pub rate: F,
    pub gradient: F,
}

/// A layer of the group.
pub(super) struct Population<'a, F: Real> {
    pub part: Part,
    pub bank: &'a ModeBank<F>,
    pub fired: &'a LayerTrace<F>,
    /// One per neuron, all at one rate; empty if the loss does not integrate potentials.
    pub integrals: Vec<Integral<F>>,
}

struct Member<F, const R: usize> {
    population: usize,
    index: usize,
    integral: Option<Integral<F>>,
    /// (X_V, X_I) of the particular solution at time 0.
    particular: State<F>,
    /// The free part at time `time`.
    free: State<F>,
    time: f64,
    /// Latest first; those that the present slab touches.
    segments: Vec<Segment<F, R>>,
    synapses: Vec<Factors<F>>,
    /// How many spikes of each synapse's source are still to be read.
    cursors: Vec<u32>,
    /// No arrival that is still to be read is in a later bucket.
    last: Vec<u32>,
}

pub(super) struct GroupReads<'a, 'g, 'h, F: Real, const R: usize> {
    trace: &'a Trace<F>,
    grid: Grid,
    slab: usize,
    populations: Vec<Population<'a, F>>,
    afferents: Vec<Afferent<'a, F>>,
    /// exp(-rate t) of every spike of each afferent, where the loss integrates potentials.
    discounts: Vec<Vec<F>>,
    outgoing: Vec<Outgoing>,
    members: Vec<Member<F, R>>,
    /// The synapses of a row that are to be looked at.
    due: Vec<u32>,
    /// Neuron by neuron, those of a slab.
    buckets: Vec<Bucket<F, R>>,
    gathered: &'g mut Gathered<'h, F>,
}

/// A spike of the group in a slab.
struct Own {
    time: f64,
    rank: u32,
    slot: usize,
    /// Its place among the spikes of its layer, and among those of its neuron.
    place: usize,
    nth: usize,
}

impl<'a, 'g, 'h, F: Real, const R: usize> GroupReads<'a, 'g, 'h, F, R> {
    pub fn new(
        trace: &'a Trace<F>,
        grid: Grid,
        slab: usize,
        populations: Vec<Population<'a, F>>,
        afferents: Vec<Afferent<'a, F>>,
        gathered: &'g mut Gathered<'h, F>,
    ) -> Self {
        let discounts = afferents.iter().map(|afferent| {
            let target = populations.iter().find(|p| p.part.layer == afferent.projection.target);
            let rate = target.and_then(|p| p.integrals.first()).map(|i| i.rate);
            let of = |rate: F| afferent.times().iter().map(|&t| (-rate * F::of(t)).exp()).collect();
            rate.map(of).unwrap_or_default()
        });
        Self {
            discounts: discounts.collect(),
            trace,
            grid,
            slab: slab.min(grid.buckets),
            populations,
            afferents,
            outgoing: Vec::new(),
            members: Vec::new(),
            buckets: Vec::new(),
            due: Vec::new(),
            gathered,
        }
    }

    /// Neurons that do not drive each other.
    pub fn one_by_one(mut self) {
        self.allocate(1);
        for index in self.populations[0].part.slots.clone() {
            self.prepare(0, 0, index);
            self.run();
        }
    }

    /// Neurons that may drive each other.
    pub fn together(mut self) {
        let slots: Vec<_> = self.populations.iter().map(|p| p.part.slots.clone()).collect();
        self.allocate(slots.iter().map(|s| s.len()).sum());
        for (population, slots) in slots.into_iter().enumerate() {
            for (index, slot) in slots.enumerate() {
                self.prepare(slot, population, index);
            }
        }
        let parts: Vec<&Part> = self.populations.iter().map(|p| &p.part).collect();
        let members = &self.members;
        self.outgoing = outgoing(&parts, &self.afferents, |slot| &members[slot].synapses);
        self.run();
    }

    fn allocate(&mut self, members: usize) {
        self.members.resize_with(members, || Member {
            population: 0,
            index: 0,
            integral: None,
            particular: State::default(),
            free: State::default(),
            time: 0.0,
            segments: Vec::new(),
            synapses: Vec::new(),
            cursors: Vec::new(),
            last: Vec::new(),
        });
        let empty = Bucket { mem: F::zero(), syn: [F::zero(); R] };
        self.buckets.resize(members * self.slab, empty);
    }

    /// The adjoint of a neuron at the end of the trial.
    fn prepare(&mut self, slot: usize, population: usize, index: usize) {
        let Self { grid, populations, afferents, members, trace, .. } = self;
        let Population { bank, integrals, part, .. } = &populations[population];
        let member = &mut members[slot];
        member.population = population;
        member.index = index;
        member.integral = integrals.get(index).copied();
        member.particular = State::default();
        member.free = State::default();
        member.time = trace.duration;
        if let Some(Integral { rate, gradient }) = member.integral {
            let rate_mem = bank.tau_mem().recip();
            member.particular[0] = gradient / (rate_mem + rate);
            for (x, tau) in member.particular[1..].iter_mut().zip(bank.tau_syn()) {
                *x = gradient / (rate_mem + rate) * rate_mem / (tau.recip() + rate);
            }
            let end = (-rate * F::of(trace.duration)).exp();
            member.free = member.particular.map(|x| -x * end);
        }
        member.segments.clear();
        member.segments.push(Segment::new(bank, trace.duration, &member.free));
        member.synapses.clear();
        member.cursors.clear();
        for afferent in part.afferents.iter().map(|&a| &afferents[a]) {
            let projection = afferent.projection;
            let row = projection.synapses.row(index);
            let mixing = -gain(bank, projection.receptor);
            afferent.synapses(&row, grid, |_| mixing, |_| F::one(), &mut member.synapses);
            let counts = (0..row.weights.len()).map(|k| afferent.of(source(&row, k)).len() as u32);
            member.cursors.extend(counts);
        }
        member.last.clear();
        member.last.resize(member.cursors.len(), u32::MAX);
    }

    fn run(&mut self) {
        let mut end = self.grid.buckets;
        while end > 0 {
            let from = (end - 1) / self.slab * self.slab;
            for slot in 0..self.members.len() {
                let segments = &mut self.members[slot].segments;
                let last = segments.len() - 1;
                segments.drain(..last);
                let times = self.own_spikes(slot);
                let before = times.partition_point(|&t| self.bucket_of(t) < end);
                self.tabulate(slot, before, from, end - 1);
            }
            for spike in self.spikes(from, end) {
                self.spike(&spike, from, end);
            }
            for slot in 0..self.members.len() {
                self.pull(slot, from, end);
            }
            end = from;
        }
    }

    /// The spikes of the group in some buckets, latest first.
    fn spikes(&self, from: usize, end: usize) -> Vec<Own> {
        let mut all = Vec::new();
        for (slot, member) in self.members.iter().enumerate() {
            let fired = &self.populations[member.population].fired;
            let first = fired.spikes.offsets()[member.index];
            let times = self.own_spikes(slot);
            let bucket = |time: f64| self.bucket_of(time);
            let low = times.partition_point(|&t| bucket(t) < from);
            let high = times.partition_point(|&t| bucket(t) < end);
            all.extend((low..high).map(|nth| {
                let place = first + nth;
                Own { time: times[nth], rank: fired.ranks[place], slot, place, nth }
            }));
        }
        all.sort_unstable_by_key(|s| std::cmp::Reverse((s.time.to_bits(), s.rank)));
        all
    }

    /// The times at which a neuron fires.
    fn own_spikes(&self, slot: usize) -> &'a [f64] {
        let member = &self.members[slot];
        self.populations[member.population].fired.spikes.channel(member.index)
    }

    /// The bucket of a spike of the group.
    fn bucket_of(&self, time: f64) -> usize {
        self.grid.split(time).0.min(self.grid.buckets - 1)
    }

    /// Takes a neuron's adjoint back over one of its spikes.
    fn spike(&mut self, spike: &Own, from: usize, end: usize) {
        let population = self.members[spike.slot].population;
        let layer = self.populations[population].part.layer;
        let index = self.members[spike.slot].index;
        for k in 0..self.outgoing.len() {
            if self.outgoing[k].source == population {
                let by_time = self.read_spike(k, (index, spike.nth), from, end);
                self.gathered.layer_times[layer][spike.place] += by_time;
            }
        }
        let Population { bank, fired, .. } = &self.populations[population];
        let member = &mut self.members[spike.slot];
        let len = bank.tau_syn().len() + 1;
        bank.flow_back(F::of(member.time - spike.time), &mut member.free[..len]);
        member.time = spike.time;
        let mut jump = member.free[0];
        let mut by_time = self.gathered.layer_times[layer][spike.place];
        if let Some(Integral { rate, gradient }) = member.integral {
            let discount = (-rate * F::of(spike.time)).exp();
            jump += member.particular[0] * discount;
            // The integral also depends on the spike's time by itself: until then V is not reset.
            let drop = bank.threshold().map_or(F::zero(), |threshold| threshold - bank.reset());
            by_time += gradient * discount * drop;
        }
        let mut total = [jump];
        bank.fire_back(fired.slopes[spike.place], by_time, &mut total);
        member.free[0] += total[0] - jump;
        member.segments.push(Segment::new(bank, spike.time, &member.free));
        let bucket = self.bucket_of(spike.time);
        self.tabulate(spike.slot, spike.nth, from, bucket);
        // Where a spike falls, the side of it decides. So it does next to a boundary, which rounding
        // may have moved an arrival across.
        let near = 1e-6 * self.grid.width;
        let offset = spike.time - self.grid.start(bucket);
        let first = bucket.saturating_sub(usize::from(offset < near)).max(from);
        let last = (bucket + usize::from(offset > self.grid.width - near)).min(end - 1);
        let start = spike.slot * self.slab;
        let mixed = &mut self.buckets[start + first - from..=start + last - from];
        mixed.iter_mut().for_each(|b| b.mem = F::nan());
    }

    /// The free part of a neuron's adjoint at the start of the buckets up to `top` that its last
    /// segment touches: back to the spike before its spike `nth`, or to bucket `from`.
    fn tabulate(&mut self, slot: usize, nth: usize, from: usize, top: usize) {
        let earlier = self.own_spikes(slot)[..nth].last();
        let low = earlier.map_or(from, |&t| self.bucket_of(t).max(from));
        let Self { grid, populations, members, buckets, slab, .. } = self;
        let member = &members[slot];
        let bank = populations[member.population].bank;
        let Some(segment) = member.segments.last() else { return };
        let decays = |dt: f64| {
            let mut decay = [F::zero(); R];
            for (d, tau) in decay.iter_mut().zip(bank.tau_syn()) {
                *d = (-F::of(dt) / *tau).exp();
            }
            ((-F::of(dt) / bank.tau_mem()).exp(), decay)
        };
        let (decay_mem, decay) = decays(grid.width);
        let (to_start_mem, to_start) = decays(segment.end - grid.start(top));
        let mut mem = segment.mem * to_start_mem;
        let mut syn = segment.syn;
        syn.iter_mut().zip(&to_start).for_each(|(s, d)| *s *= *d);
        let start = slot * *slab;
        for bucket in buckets[start + low - from..=start + top - from].iter_mut().rev() {
            *bucket = Bucket { mem, syn };
            mem *= decay_mem;
            syn.iter_mut().zip(&decay).for_each(|(s, d)| *s *= *d);
        }
    }

    /// Reads what a spike of the group did inside of its slab; what that adds to its dL/dt.
    fn read_spike(&mut self, k: usize, (pre, nth): (usize, usize), from: usize, end: usize) -> F {
        let outgoing = &self.outgoing[k];
        let which = outgoing.afferent;
        let afferent = &self.afferents[which];
        let spike = &afferent.of(pre)[nth];
        let mut total = F::zero();
        for target in outgoing.from(pre) {
            let (at, carry) = spike.fixed.meet(target.delay);
            if at >= end {
                continue;
            }
            let slot = target.slot as usize;
            let member = &self.members[slot];
            let row = afferent.projection.synapses.row(member.index);
            let (weight, delay) =
                (row.weights[target.nth as usize], row.delays[target.nth as usize]);
            let bank = self.populations[member.population].bank;
            let mut reader = member.reader(bank, afferent);
            reader.lag(delay);
            let bucket = &self.buckets[slot * self.slab + at - from];
            let time = || afferent.of_source(pre)[nth] + delay.as_f64();
            let synapse = &reader.carried(&member.synapses[target.number as usize])[carry];
            let discount = self.discounts[which].get(afferent.place(pre) + nth).copied();
            let (by_weight, by_time) = reader.read(bucket, synapse, spike, discount, time);
            let by_time = weight * by_time;
            let place = row.first + target.nth as usize;
            self.gathered.weights[afferent.number][place] += by_weight;
            self.gathered.delays[afferent.number][place] += by_time;
            total += by_time;
        }
        total
    }

    /// Reads the adjoint of a neuron at every arrival in the buckets `from..end` of a spike from
    /// outside of the group or from before them.
    fn pull(&mut self, slot: usize, from: usize, end: usize) {
        let population = &self.populations[self.members[slot].population];
        let mut cursors = std::mem::take(&mut self.members[slot].cursors);
        let mut last = std::mem::take(&mut self.members[slot].last);
        let member = &self.members[slot];
        let table = &self.buckets[slot * self.slab..slot * self.slab + end - from];
        let mut first = 0;
        for &which in &population.part.afferents {
            let afferent = &self.afferents[which];
            let row = afferent.projection.synapses.row(member.index);
            let inside = self.outgoing.iter().any(|o| o.afferent == which);
            let (weights, delays, times) = self.gathered.of(afferent);
            let mut reader = member.reader(population.bank, afferent);
            let of_row = first..first + row.weights.len();
            mark(last[of_row.clone()].iter().map(|&at| at as usize >= from), &mut self.due);
            for &k in &self.due {
                let k = k as usize;
                let (number, weight, delay) = (first + k, row.weights[k], row.delays[k]);
                let pre = source(&row, k);
                let synapse = reader.carried(&member.synapses[number]);
                let left = cursors[number] as usize;
                let place = afferent.place(pre);
                let spikes = &afferent.of(pre)[..left];
                let sent = &afferent.of_source(pre)[..left];
                let discounts = self.discounts[which].get(place..place + left);
                let times = &mut times[afferent.first_place() + place..][..left];
                reader.lag(delay);
                let (mut by_weight, mut by_time) = (F::zero(), F::zero());
                let mut left = 0;
                last[number] = 0;
                for (nth, spike) in spikes.iter().enumerate().rev() {
                    let (at, carry) = spike.fixed.meet(member.synapses[number].fixed);
                    if at < from {
                        left = nth + 1;
                        last[number] = at as u32;
                        break;
                    }
                    let Some(bucket) = table.get(at - from) else { continue };
                    if inside && spike.fixed.bucket() >= from {
                        continue;
                    }
                    let time = || sent[nth] + delay.as_f64();
                    let discount = discounts.map(|d| d[nth]);
                    let (by_w, by_t) = reader.read(bucket, &synapse[carry], spike, discount, time);
                    by_weight += by_w;
                    by_time += by_t;
                    times[nth] += weight * by_t;
                }
                cursors[number] = left as u32;
                weights[row.first + k] += by_weight;
                delays[row.first + k] += weight * by_time;
            }
            first = of_row.end;
        }
        self.members[slot].cursors = cursors;
        self.members[slot].last = last;
    }
}

impl<F: Real, const R: usize> Member<F, R> {
    /// Reads the adjoint at the receptor of an afferent.
    fn reader<'m>(&'m self, bank: &'m ModeBank<F>, afferent: &Afferent<'_, F>) -> Reader<'m, F, R> {
        let rate = self.integral.map_or(F::zero(), |i| i.rate);
        Reader::new(bank, &self.segments, afferent, rate, &self.particular)
    }
}
