//! The backward pass of a group of neurons by segments.
//!
//! Between two spikes of a neuron its adjoint is a handful of exponentials. So an arrival is read in
//! closed form at its time, with the factors of the forward pass, and no list of events is needed.
//!
//! The slabs and pages of the forward pass are taken in reverse. For all spikes of a page what they
//! did in later pages of the slab is read, target by target. Then come the spikes, latest first; each
//! reads what it did inside of the page. At last all that arrived from before the slab is read.
//!
//! A loss that reads int V exp(-q t) dt adds a particular solution X exp(-q t) to the adjoint; what is
//! left decays freely.

use super::grid::{Afferent, Factors, Grid, source};
use super::walk::State;
use super::{Gathered, PAGE};
use crate::layer::ModeBank;
use crate::network::Origin;
use crate::trace::LayerTrace;
use crate::{Real, Trace};

/// The freely decaying part of the adjoint at the start of a bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket<F, const R: usize> {
    /// That of V; NaN where a spike falls into the bucket.
    mem: F,
    /// That of I_r, less what V contributes to it.
    syn: [F; R],
}

/// A stretch between two spikes: its end, and the free part of the adjoint there.
#[derive(Debug, Clone, Copy)]
struct Segment<F, const R: usize> {
    end: f64,
    mem: F,
    syn: [F; R],
}

/// How the loss depends on a potential: through int_0^T V exp(-rate t) dt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Integral<F> {
    pub rate: F,
    pub gradient: F,
}

/// A layer of the group.
pub(super) struct Population<'a, F: Real> {
    pub layer: usize,
    pub bank: &'a ModeBank<F>,
    pub fired: &'a LayerTrace<F>,
    /// One per neuron, all at one rate; empty if the loss does not integrate potentials.
    pub integrals: Vec<Integral<F>>,
    pub afferents: Vec<usize>,
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
}

/// The delays from each neuron of one layer of the group to all of another.
struct Outgoing<F> {
    afferent: usize,
    source: usize,
    target: usize,
    size: usize,
    skip: usize,
    synapses: Vec<Factors<F>>,
}

pub(super) struct GroupReads<'a, 'g, 'h, F: Real, const R: usize> {
    trace: &'a Trace<F>,
    grid: Grid,
    slab: usize,
    populations: Vec<Population<'a, F>>,
    afferents: Vec<Afferent<'a, F>>,
    /// exp(-rate t) of every spike of each afferent, where the loss integrates potentials.
    discounts: Vec<Vec<F>>,
    outgoing: Vec<Outgoing<F>>,
    members: Vec<Member<F, R>>,
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
            let target = populations.iter().find(|p| p.layer == afferent.projection.target);
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
            gathered,
        }
    }

    /// Neurons that do not drive each other.
    pub fn one_by_one(mut self) {
        self.allocate(1);
        for index in 0..self.populations[0].fired.spikes.channels() {
            self.prepare(0, 0, index);
            self.run();
        }
    }

    /// Neurons that may drive each other.
    pub fn together(mut self) {
        let sizes: Vec<usize> =
            self.populations.iter().map(|p| p.fired.spikes.channels()).collect();
        self.allocate(sizes.iter().sum());
        let mut slot = 0;
        for (population, &size) in sizes.iter().enumerate() {
            for index in 0..size {
                self.prepare(slot, population, index);
                slot += 1;
            }
        }
        self.link(&sizes);
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
        });
        let empty = Bucket { mem: F::zero(), syn: [F::zero(); R] };
        self.buckets.resize(members * self.slab, empty);
    }

    /// The adjoint of a neuron at the end of the trial.
    fn prepare(&mut self, slot: usize, population: usize, index: usize) {
        let Self { grid, populations, afferents, members, trace, .. } = self;
        let Population { bank, integrals, afferents: own, .. } = &populations[population];
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
        member.segments.push(segment(bank, trace.duration, &member.free));
        member.synapses.clear();
        member.cursors.clear();
        for afferent in own.iter().map(|&a| &afferents[a]) {
            let projection = afferent.projection;
            let row = projection.synapses.row(index);
            let mixing = mixing(bank, projection.receptor);
            afferent.synapses(&row, grid, |_| mixing, |_| F::one(), &mut member.synapses);
            let counts = (0..row.weights.len()).map(|k| afferent.of(source(&row, k)).len() as u32);
            member.cursors.extend(counts);
        }
    }

    /// Sorts the synapses inside the group by source.
    fn link(&mut self, sizes: &[usize]) {
        let first = |p: usize| sizes[..p].iter().sum::<usize>();
        for (number, afferent) in self.afferents.iter().enumerate() {
            let Origin::Layer(origin) = afferent.projection.origin else { continue };
            let of = |layer| self.populations.iter().position(|p| p.layer == layer);
            let (Some(source), Some(at)) = (of(origin), of(afferent.projection.target)) else {
                continue;
            };
            let before = self.populations[at].afferents.iter().take_while(|&&a| a < number);
            let sources = |a: usize| self.afferents[a].projection.synapses.shape().1;
            let skip: usize = before.map(|&a| sources(a)).sum();
            let target = first(at);
            let mut synapses = Vec::with_capacity(sources(number) * sizes[at]);
            for pre in 0..sources(number) {
                let targets = &self.members[target..target + sizes[at]];
                synapses.extend(targets.iter().map(|m| m.synapses[skip + pre]));
            }
            let (afferent, size) = (number, sizes[at]);
            self.outgoing.push(Outgoing { afferent, source, target, size, skip, synapses });
        }
    }

    fn run(&mut self) {
        let mut end = self.grid.buckets;
        while end > 0 {
            let from = (end - 1) / self.slab * self.slab;
            for slot in 0..self.members.len() {
                let segments = &mut self.members[slot].segments;
                let last = segments.len() - 1;
                segments.drain(..last);
                let low = self.previous(slot, end, from);
                self.tabulate(slot, from, low, end - 1);
            }
            let page = if self.outgoing.is_empty() { self.slab } else { PAGE };
            let mut page_end = end;
            while page_end > from {
                let start = from + (page_end - 1 - from) / page * page;
                let spikes = self.spikes(start, page_end);
                self.read_page(&spikes, from, page_end, end);
                for spike in spikes {
                    self.spike(&spike, from, page_end, end);
                }
                page_end = start;
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
            let times = fired.spikes.channel(member.index);
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

    /// The bucket of the last spike of a neuron before bucket `end`, if that is not before `from`.
    fn previous(&self, slot: usize, end: usize, from: usize) -> usize {
        let member = &self.members[slot];
        let times = self.populations[member.population].fired.spikes.channel(member.index);
        let before = times.partition_point(|&t| self.bucket_of(t) < end);
        times[..before].last().map_or(from, |&t| self.bucket_of(t).max(from))
    }

    /// The bucket of a spike of the group.
    fn bucket_of(&self, time: f64) -> usize {
        self.grid.split(time).0.min(self.grid.buckets - 1)
    }

    /// Takes a neuron's adjoint back over one of its spikes.
    fn spike(&mut self, spike: &Own, from: usize, page_end: usize, end: usize) {
        let population = self.members[spike.slot].population;
        let layer = self.populations[population].layer;
        let index = self.members[spike.slot].index;
        for k in 0..self.outgoing.len() {
            if self.outgoing[k].source == population {
                let size = self.outgoing[k].size;
                let factors = self.afferents[self.outgoing[k].afferent].of(index)[spike.nth];
                let mut total = F::zero();
                for j in 0..size {
                    let synapse = self.outgoing[k].synapses[index * size + j];
                    let (at, carry) = factors.meet(&synapse);
                    if at < page_end {
                        total +=
                            self.read_one(k, j, (index, spike.nth), &synapse, (at - from, carry));
                    }
                }
                self.gathered.layer_times[layer][spike.place] += total;
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
        member.segments.push(segment(bank, spike.time, &member.free));
        let bucket = self.bucket_of(spike.time);
        let earlier = self.populations[population].fired.spikes.channel(index)[..spike.nth].last();
        let low = earlier.map_or(from, |&t| self.bucket_of(t).max(from));
        self.tabulate(spike.slot, from, low, bucket);
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

    /// The free part of a neuron's adjoint at the start of the buckets `low` to `top`, which its last
    /// segment touches.
    fn tabulate(&mut self, slot: usize, from: usize, low: usize, top: usize) {
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

    /// Reads what the spikes of a page did in the rest of the slab.
    fn read_page(&mut self, spikes: &[Own], from: usize, page_end: usize, end: usize) {
        for k in 0..self.outgoing.len() {
            let Outgoing { afferent: which, source, target, size, skip, .. } = self.outgoing[k];
            let population = &self.populations[source];
            let afferent = &self.afferents[which];
            let spikes = spikes.iter().filter(|s| self.members[s.slot].population == source);
            let sent: Vec<_> = spikes
                .map(|s| (self.members[s.slot].index, s.nth, s.place))
                .map(|(pre, nth, place)| (pre, nth, place, afferent.of(pre)[nth]))
                .collect();
            let (weights, delays, times) = self.gathered.of(afferent);
            for slot in target..target + size {
                let member = &self.members[slot];
                let row = afferent.projection.synapses.row(member.index);
                let mut reader =
                    Reader::new(&self.populations[member.population], member, afferent);
                let table = &self.buckets[slot * self.slab..];
                let synapses = &member.synapses[skip..skip + row.weights.len()];
                for (pre, nth, place, spike) in &sent {
                    let synapse = &synapses[*pre];
                    let (at, carry) = spike.meet(synapse);
                    if at < page_end || at >= end {
                        continue;
                    }
                    let delay = row.delays[*pre];
                    reader.lag(delay);
                    let time = || population.fired.spikes.times()[*place] + delay.as_f64();
                    let synapse = &reader.carried(synapse)[carry];
                    let free = reader.free(&table[at - from], synapse, spike, time);
                    let discount = self.discounts[which].get(afferent.place(*pre) + nth).copied();
                    let (by_weight, by_time) = reader.gradient(free, discount);
                    let by_time = row.weights[*pre] * by_time;
                    weights[row.first + pre] += by_weight;
                    delays[row.first + pre] += by_time;
                    times[*place] += by_time;
                }
            }
        }
    }

    /// Reads what a spike of the group did to one target in a bucket of the slab; what that adds to
    /// its dL/dt.
    fn read_one(
        &mut self,
        k: usize,
        j: usize,
        (pre, nth): (usize, usize),
        synapse: &Factors<F>,
        (at, carry): (usize, usize),
    ) -> F {
        let Outgoing { afferent: which, target, .. } = self.outgoing[k];
        let afferent = &self.afferents[which];
        let spike = &afferent.of(pre)[nth];
        let slot = target + j;
        let row = afferent.projection.synapses.row(self.members[slot].index);
        let reader = self.reader(slot, which, row.delays[pre]);
        let bucket = &self.buckets[slot * self.slab + at];
        let time = || afferent.of_source(pre)[nth] + row.delays[pre].as_f64();
        let free = reader.free(bucket, &reader.carried(synapse)[carry], spike, time);
        let discount = self.discounts[which].get(afferent.place(pre) + nth).copied();
        let (by_weight, by_time) = reader.gradient(free, discount);
        let by_time = row.weights[pre] * by_time;
        self.gathered.weights[afferent.number][row.first + pre] += by_weight;
        self.gathered.delays[afferent.number][row.first + pre] += by_time;
        by_time
    }

    /// Reads the adjoint of a neuron at every arrival in the buckets `from..end` of a spike from
    /// outside of the group or from before them.
    fn pull(&mut self, slot: usize, from: usize, end: usize) {
        let population = &self.populations[self.members[slot].population];
        let mut cursors = std::mem::take(&mut self.members[slot].cursors);
        let member = &self.members[slot];
        let table = &self.buckets[slot * self.slab..slot * self.slab + end - from];
        let mut number = 0;
        for &which in &population.afferents {
            let afferent = &self.afferents[which];
            let row = afferent.projection.synapses.row(member.index);
            let inside = self.outgoing.iter().any(|o| o.afferent == which);
            let (weights, delays, times) = self.gathered.of(afferent);
            let mut reader = Reader::new(population, member, afferent);
            for (k, (&weight, &delay)) in row.weights.iter().zip(row.delays).enumerate() {
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
                for (nth, spike) in spikes.iter().enumerate().rev() {
                    let (at, carry) = spike.meet(&member.synapses[number]);
                    if at < from {
                        left = nth + 1;
                        break;
                    }
                    let Some(bucket) = table.get(at - from) else { continue };
                    if inside && spike.bucket() >= from {
                        continue;
                    }
                    let time = || sent[nth] + delay.as_f64();
                    let free = reader.free(bucket, &synapse[carry], spike, time);
                    let (by_w, by_t) = reader.gradient(free, discounts.map(|d| d[nth]));
                    by_weight += by_w;
                    by_time += by_t;
                    times[nth] += weight * by_t;
                }
                cursors[number] = left as u32;
                weights[row.first + k] += by_weight;
                delays[row.first + k] += weight * by_time;
                number += 1;
            }
        }
        self.members[slot].cursors = cursors;
    }

    fn reader(&self, slot: usize, which: usize, delay: F) -> Reader<'_, F, R> {
        let member = &self.members[slot];
        let population = &self.populations[member.population];
        let mut reader = Reader::new(population, member, &self.afferents[which]);
        reader.lag(delay);
        reader
    }
}

/// Reads the adjoint of one neuron for arrivals at one receptor.
struct Reader<'a, F: Real, const R: usize> {
    bank: &'a ModeBank<F>,
    segments: &'a [Segment<F, R>],
    receptor: usize,
    carry_mem: [F; 2],
    carry_syn: [F; 2],
    rate_mem: F,
    rate_syn: F,
    mixing: F,
    /// The rate of the integral in the loss, the particular solution of I at time 0, and that at the
    /// delay of a synapse.
    rate: F,
    scale: F,
    lagged: F,
}

impl<'a, F: Real, const R: usize> Reader<'a, F, R> {
    fn new(
        population: &Population<'a, F>,
        member: &'a Member<F, R>,
        afferent: &Afferent<'_, F>,
    ) -> Self {
        let bank = population.bank;
        let receptor = afferent.projection.receptor;
        Self {
            bank,
            segments: &member.segments,
            receptor,
            carry_mem: afferent.carry_mem,
            carry_syn: afferent.carry_syn,
            rate_mem: bank.tau_mem().recip(),
            rate_syn: bank.tau_syn()[receptor].recip(),
            mixing: mixing(bank, receptor),
            rate: member.integral.map_or(F::zero(), |i| i.rate),
            scale: member.particular[receptor + 1],
            lagged: F::zero(),
        }
    }

    /// Turns to a synapse with this delay.
    fn lag(&mut self, delay: F) {
        if self.scale != F::zero() {
            self.lagged = self.scale * (-self.rate * delay).exp();
        }
    }

    /// The two exponentials of the free part of p_I at an arrival.
    #[inline]
    fn free(
        &self,
        bucket: &Bucket<F, R>,
        &(by_mem, by_syn): &(F, F),
        spike: &Factors<F>,
        time: impl FnOnce() -> f64,
    ) -> (F, F) {
        let mem = bucket.mem * by_mem * spike.mem;
        if mem.is_nan() {
            return self.beside_spike(time());
        }
        (mem, bucket.syn[self.receptor] * by_syn * spike.syn)
    }

    /// The two factors of a synapse, without and with carry.
    #[inline]
    fn carried(&self, synapse: &Factors<F>) -> [(F, F); 2] {
        let carried = |c: usize| (synapse.mem * self.carry_mem[c], synapse.syn * self.carry_syn[c]);
        [carried(0), carried(1)]
    }

    /// The same at a time near a spike. A spike precedes an arrival of its time.
    #[cold]
    #[inline(never)]
    fn beside_spike(&self, time: f64) -> (F, F) {
        let after = self.segments.partition_point(|s| s.end > time).saturating_sub(1);
        let segment = &self.segments[after];
        let gap = F::of((segment.end - time).max(0.0));
        let mem = segment.mem * self.mixing * (-gap * self.rate_mem).exp();
        (mem, segment.syn[self.receptor] * (-gap / self.bank.tau_syn()[self.receptor]).exp())
    }

    /// dL/dw and, for weight 1, dL/dt of an arrival. p_I is the sum of its parts; with their rates
    /// that gives dL/dt.
    #[inline]
    fn gradient(&self, (mem, syn): (F, F), discount: Option<F>) -> (F, F) {
        let (by_weight, by_time) = (mem + syn, self.rate_mem * mem + self.rate_syn * syn);
        match discount {
            None => (by_weight, by_time),
            Some(discount) => {
                let x = self.lagged * discount;
                (by_weight + x, by_time - self.rate * x)
            }
        }
    }
}

/// alpha / (beta_r - alpha).
fn mixing<F: Real>(bank: &ModeBank<F>, receptor: usize) -> F {
    let tau = bank.tau_syn()[receptor];
    tau / (bank.tau_mem() - tau)
}

fn segment<F: Real, const R: usize>(
    bank: &ModeBank<F>,
    end: f64,
    free: &State<F>,
) -> Segment<F, R> {
    let mut syn = [F::zero(); R];
    for (r, s) in syn.iter_mut().enumerate().take(bank.tau_syn().len()) {
        *s = free[r + 1] - free[0] * mixing(bank, r);
    }
    Segment { end, mem: free[0], syn }
}
