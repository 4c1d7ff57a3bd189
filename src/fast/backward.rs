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
use super::afferent::{Afferent, Flight};
use super::fan::Branch;
use super::grid::{Grid, gain};
use super::walk::State;
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{Real, Trace};
use std::ops::Range;

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
    pub slots: Range<usize>,
    pub fired: &'a LayerTrace<F>,
    /// One per neuron, all at one rate; empty if the loss does not integrate potentials.
    pub integrals: Vec<Integral<F>>,
}

/// The freely decaying part of the adjoint of a neuron at the start of a bucket.
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

struct Member<F, const R: usize> {
    population: usize,
    integral: Option<Integral<F>>,
    /// (X_V, X_I) of the particular solution at time 0.
    particular: State<F>,
    /// The free part at time `time`.
    free: State<F>,
    time: f64,
    /// Latest first; those that the present slab touches.
    segments: Vec<Segment<F, R>>,
}

/// The spikes of one afferent, whose arrivals are read latest first.
struct Reads<F> {
    /// In the order of the sources; `next` is one more than the branch that is next.
    flights: Vec<Flight<F>>,
    /// The bucket of its last arrival and the number of each flight, the latest at the end.
    waiting: Vec<(usize, usize)>,
    flying: Vec<usize>,
    /// exp(-rate t) of every spike and exp(-rate d) of every branch, if the loss integrates the
    /// potentials of the target.
    discounts: Vec<F>,
    lags: Vec<F>,
    /// dL/dw and dL/dd of every branch.
    gradients: Vec<(F, F)>,
}

pub(super) struct GroupReads<'a, 'g, 'h, F: Real, const R: usize> {
    grid: Grid,
    populations: Vec<Population<'a, F>>,
    afferents: Vec<Afferent<'a, F>>,
    reads: Vec<Reads<F>>,
    members: Vec<Member<F, R>>,
    /// Neuron by neuron, those of a slab.
    buckets: Vec<Bucket<F, R>>,
    /// The buckets of a neuron. Odd: distances of a power of two compete for the same lines of the caches.
    stride: usize,
    gathered: &'g mut Gathered<'h, F>,
}

/// A spike of the group in a slab.
struct Own {
    time: f64,
    rank: u32,
    slot: usize,
    /// Counted from the first of its neuron.
    nth: usize,
}

impl<'a, 'g, 'h, F: Real, const R: usize> GroupReads<'a, 'g, 'h, F, R> {
    pub fn new(
        trace: &Trace<F>,
        grid: Grid,
        populations: Vec<Population<'a, F>>,
        afferents: Vec<Afferent<'a, F>>,
        gathered: &'g mut Gathered<'h, F>,
    ) -> Self {
        let rate = |a: &Afferent<'_, F>| populations[a.target].integrals.first().map(|i| i.rate);
        let reads = afferents.iter().map(|a| Reads::new(a, &grid, rate(a))).collect();
        let members = populations.iter().enumerate().flat_map(|(population, p)| {
            let integrals = (0..p.slots.len()).map(|n| p.integrals.get(n).copied());
            integrals.map(move |i| Member::new(population, p.bank, i, trace.duration))
        });
        let members: Vec<Member<F, R>> = members.collect();
        let stride = grid.slab(members.len()) | 1;
        let empty = Bucket { mem: F::zero(), syn: [F::zero(); R] };
        let buckets = vec![empty; members.len() * stride];
        Self { grid, populations, afferents, reads, members, buckets, stride, gathered }
    }

    /// Differentiates the group.
    pub fn run(mut self) {
        let slab = self.grid.slab(self.members.len());
        let mut end = self.grid.buckets;
        while end > 0 {
            let from = (end - 1) / slab * slab;
            for slot in 0..self.members.len() {
                let segments = &mut self.members[slot].segments;
                segments.drain(..segments.len() - 1);
                let times = self.own_spikes(slot);
                let before = times.partition_point(|&t| self.bucket_of(t) < end);
                self.tabulate(slot, before, from, end - 1);
            }
            for spike in self.spikes(from, end) {
                self.spike(&spike, from, end);
            }
            for k in 0..self.afferents.len() {
                self.read_all(k, from);
            }
            end = from;
        }
        for (afferent, Reads { gradients, .. }) in self.afferents.iter().zip(&self.reads) {
            let weights = &mut self.gathered.weights[afferent.number];
            let delays = &mut self.gathered.delays[afferent.number];
            for (&synapse, &(by_weight, by_delay)) in afferent.fan.synapses.iter().zip(gradients) {
                weights[synapse as usize] += by_weight;
                delays[synapse as usize] += by_delay;
            }
        }
    }

    /// The spikes of the group in some buckets, latest first.
    fn spikes(&self, from: usize, end: usize) -> Vec<Own> {
        let mut all = Vec::new();
        for (slot, member) in self.members.iter().enumerate() {
            let Population { fired, slots, .. } = &self.populations[member.population];
            let first = fired.spikes.offsets()[slot - slots.start];
            let times = self.own_spikes(slot);
            let low = times.partition_point(|&t| self.bucket_of(t) < from);
            let high = times.partition_point(|&t| self.bucket_of(t) < end);
            let own =
                |nth: usize| Own { time: times[nth], rank: fired.ranks[first + nth], slot, nth };
            all.extend((low..high).map(own));
        }
        all.sort_unstable_by_key(|s| std::cmp::Reverse((s.time.to_bits(), s.rank)));
        all
    }

    /// The times at which a neuron fires.
    fn own_spikes(&self, slot: usize) -> &'a [f64] {
        let Population { fired, slots, .. } = &self.populations[self.members[slot].population];
        fired.spikes.channel(slot - slots.start)
    }

    /// The bucket of a spike of the group.
    fn bucket_of(&self, time: f64) -> usize {
        (self.grid.split(time).0 as usize).min(self.grid.buckets - 1)
    }

    /// Takes a neuron's adjoint back over one of its spikes.
    fn spike(&mut self, spike: &Own, from: usize, end: usize) {
        let population = self.members[spike.slot].population;
        let Population { layer, slots, fired, .. } = &self.populations[population];
        let (layer, fired) = (*layer, *fired);
        let place = fired.spikes.offsets()[spike.slot - slots.start] + spike.nth;
        for k in 0..self.afferents.len() {
            if self.afferents[k].source == Some(population) {
                let by_time = self.read(k, place, from);
                self.gathered.layer_times[layer][place] += by_time;
            }
        }
        let bank = self.populations[population].bank;
        let member = &mut self.members[spike.slot];
        let len = bank.tau_syn().len() + 1;
        bank.flow_back(F::of(member.time - spike.time), &mut member.free[..len]);
        member.time = spike.time;
        let mut jump = member.free[0];
        let mut by_time = self.gathered.layer_times[layer][place];
        if let Some(Integral { rate, gradient }) = member.integral {
            let discount = (-rate * F::of(spike.time)).exp();
            jump += member.particular[0] * discount;
            // The integral also depends on the spike's time by itself: until then V is not reset.
            let drop = bank.threshold().map_or(F::zero(), |threshold| threshold - bank.reset());
            by_time += gradient * discount * drop;
        }
        let mut total = [jump];
        bank.fire_back(fired.slopes[place], by_time, &mut total);
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
        let start = spike.slot * self.stride;
        let mixed = &mut self.buckets[start + first - from..=start + last - from];
        mixed.iter_mut().for_each(|b| b.mem = F::nan());
    }

    /// The free part of a neuron's adjoint at the start of the buckets up to `top` that its last
    /// segment touches: back to the spike before its spike `nth`, or to bucket `from`.
    fn tabulate(&mut self, slot: usize, nth: usize, from: usize, top: usize) {
        let earlier = self.own_spikes(slot)[..nth].last();
        let low = earlier.map_or(from, |&t| self.bucket_of(t).max(from));
        let Self { grid, populations, members, buckets, stride, .. } = self;
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
        let start = slot * *stride;
        for bucket in buckets[start + low - from..=start + top - from].iter_mut().rev() {
            *bucket = Bucket { mem, syn };
            mem *= decay_mem;
            syn.iter_mut().zip(&decay).for_each(|(s, d)| *s *= *d);
        }
    }

    /// Reads the adjoint at every arrival in the slab of spikes from before it.
    fn read_all(&mut self, k: usize, from: usize) {
        let Reads { waiting, flying, .. } = &mut self.reads[k];
        let earlier = waiting.partition_point(|&(last, _)| last < from);
        flying.extend(waiting.drain(earlier..).map(|(_, flight)| flight));
        let mut flying = std::mem::take(flying);
        flying.retain(|&which| {
            let by_time = self.read(k, which, from);
            let afferent = &self.afferents[k];
            self.gathered.times(afferent)[afferent.first_place() + which] += by_time;
            let flight = &self.reads[k].flights[which];
            flight.next > afferent.fan.of(flight.source as usize).start
        });
        self.reads[k].flying = flying;
    }

    /// Reads the adjoint where a spike arrives, back to bucket `from`; what that adds to its dL/dt.
    fn read(&mut self, k: usize, which: usize, from: usize) -> F {
        let Self { reads, afferents, populations, members, buckets, stride, grid, .. } = self;
        let width = grid.width;
        let Reads { flights, discounts, lags, gradients, .. } = &mut reads[k];
        let (afferent, flight) = (&afferents[k], &mut flights[which]);
        let (fan, receptor) = (&afferent.fan, afferent.projection.receptor);
        let Population { bank, slots, .. } = &populations[afferent.target];
        let (rate_mem, rate_syn) = (bank.tau_mem().recip(), bank.tau_syn()[receptor].recip());
        let (spike, mixing) = (*flight, -gain(bank, receptor));
        let by_mem = fan.carry_mem.map(|c| spike.factors.mem * c * mixing);
        let by_syn = fan.carry_syn.map(|c| spike.factors.syn * c);
        let first = fan.of(flight.source as usize).start;
        let branches = &fan.branches[first..flight.next];
        let gradients = &mut gradients[first..flight.next];
        let mut total = F::zero();
        for (branch, gradient) in branches.iter().zip(gradients).rev() {
            let (time, at, carry) = spike.arrival(branch, width);
            if at < from {
                break;
            }
            flight.next -= 1;
            let slot = slots.start + branch.post as usize;
            let bucket = &buckets[slot * *stride + at - from];
            let mut mem = bucket.mem * (branch.factors.mem * by_mem[carry]);
            let mut syn = bucket.syn[receptor] * (branch.factors.syn * by_syn[carry]);
            if mem.is_nan() {
                let (m, s) = members[slot].beside_spike(bank, receptor, time);
                (mem, syn) = (m * mixing, s);
            }
            // p_I is the sum of its exponential parts; with their rates that gives dL/dt.
            let (mut by_weight, mut by_time) = (mem + syn, rate_mem * mem + rate_syn * syn);
            if let (Some(&discount), Some(&lag)) = (discounts.get(which), lags.get(flight.next)) {
                let member = &members[slot];
                let x = member.particular[receptor + 1] * lag * discount;
                by_weight += x;
                by_time -= member.integral.map_or(F::zero(), |i| i.rate) * x;
            }
            let by_time = branch.weight * by_time;
            gradient.0 += by_weight;
            gradient.1 += by_time;
            total += by_time;
        }
        total
    }
}

impl<F: Real> Reads<F> {
    fn new(afferent: &Afferent<'_, F>, grid: &Grid, rate: Option<F>) -> Self {
        let fan = &afferent.fan;
        let mut flights = afferent.flights(grid);
        let mut waiting = Vec::new();
        for (number, flight) in flights.iter_mut().enumerate() {
            let branches = &fan.branches[fan.of(flight.source as usize)];
            let at = |b: &Branch<F>| flight.arrival(b, grid.width).1;
            let within = branches.partition_point(|b| at(b) < grid.buckets);
            if let Some(last) = branches[..within].last() {
                waiting.push((at(last), number));
            }
            flight.next += within;
        }
        waiting.sort_unstable();
        let mut reads = Self {
            flights,
            waiting,
            flying: Vec::new(),
            discounts: Vec::new(),
            lags: Vec::new(),
            gradients: vec![(F::zero(), F::zero()); fan.branches.len()],
        };
        if let Some(rate) = rate {
            let times = afferent.times().iter();
            reads.discounts.extend(times.map(|&t| (-rate * F::of(t)).exp()));
            reads.lags.extend(fan.branches.iter().map(|b| (-rate * F::of(b.delay)).exp()));
        }
        reads
    }
}

impl<F: Real, const R: usize> Member<F, R> {
    /// The adjoint of a neuron at the end of the trial.
    fn new(
        population: usize,
        bank: &ModeBank<F>,
        integral: Option<Integral<F>>,
        duration: f64,
    ) -> Self {
        let mut particular = State::default();
        let mut free = State::default();
        if let Some(Integral { rate, gradient }) = integral {
            let rate_mem = bank.tau_mem().recip();
            particular[0] = gradient / (rate_mem + rate);
            for (x, tau) in particular[1..].iter_mut().zip(bank.tau_syn()) {
                *x = gradient / (rate_mem + rate) * rate_mem / (tau.recip() + rate);
            }
            let end = (-rate * F::of(duration)).exp();
            free = particular.map(|x| -x * end);
        }
        let segments = vec![Segment::new(bank, duration, &free)];
        Self { population, integral, particular, free, time: duration, segments }
    }

    /// The two exponentials of the free part of p_I, the first still to be mixed, at a time near a
    /// spike. A spike precedes an arrival of its time.
    #[cold]
    #[inline(never)]
    fn beside_spike(&self, bank: &ModeBank<F>, receptor: usize, time: f64) -> (F, F) {
        let after = self.segments.partition_point(|s| s.end > time).saturating_sub(1);
        let segment = &self.segments[after];
        let gap = F::of((segment.end - time).max(0.0));
        let mem = segment.mem * (-gap / bank.tau_mem()).exp();
        (mem, segment.syn[receptor] * (-gap / bank.tau_syn()[receptor]).exp())
    }
}

impl<F: Real, const R: usize> Segment<F, R> {
    /// From the free part of the adjoint at the end of the segment.
    fn new(bank: &ModeBank<F>, end: f64, free: &State<F>) -> Self {
        let mut syn = [F::zero(); R];
        for (r, s) in syn.iter_mut().enumerate().take(bank.tau_syn().len()) {
            *s = free[r + 1] + free[0] * gain(bank, r);
        }
        Self { end, mem: free[0], syn }
    }
}
