//! The bucketed forward pass of a group of neurons.
//!
//! Modes add: over a bucket in which a neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.
//!
//! Neurons that do not drive each other are a group of one. Those that do go through time together:
//! slab by slab, in a slab page by page, and in a page bucket by bucket. What a spike sends to the
//! present page is added at once, and may call a neuron back that was not expected to fire in this
//! bucket. What it sends to later pages of the slab is added at the end of the page, target by
//! target; what it sends to later slabs is found when those start.

use super::PAGE;
use super::grid::{Afferent, Factors, Grid, Spikes};
use super::inbox::{Bucket, Inbox};
use super::walk::{Arrival, State, Walk};
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{Real, Row, SimulationError, SpikeTrains, SpikingNetwork};
use std::ops::Range;

/// Constants of a layer's neurons over a whole bucket.
struct Step<F, const R: usize> {
    decay_mem: F,
    decay: [F; R],
    response: [F; R],
    gain: [F; R],
    /// width / tau_mem.
    rate: F,
    /// Slightly below the threshold.
    limit: F,
}

/// A layer of the group.
pub(super) struct Population<'a, F: Real, const R: usize> {
    pub layer: usize,
    name: &'a str,
    bank: &'a ModeBank<F>,
    step: Step<F, R>,
    /// What drives it.
    afferents: Vec<usize>,
    /// Its neurons among those of the group.
    slots: Range<usize>,
}

/// The part of a neuron that every bucket needs.
#[derive(Clone, Copy)]
struct Neuron<F> {
    state: State<F>,
    received: u32,
    /// 1 + its place among those that are stepped through, or 0.
    hot: u32,
}

/// The rest of it.
struct Member<F> {
    population: usize,
    index: usize,
    inbox: Inbox<F>,
    last_spike: Option<(f64, u32)>,
    fired: Fired<F>,
}

/// The spikes of one neuron or of several in a row.
#[derive(Default)]
struct Fired<F> {
    times: Vec<f64>,
    slopes: Vec<F>,
    arrivals: Vec<u32>,
    ranks: Vec<u32>,
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

/// The synapses from one layer of the group to another.
struct Outgoing<F> {
    afferent: usize,
    /// The layer that they start from.
    source: usize,
    /// The slot of the first target, and the number of targets.
    target: usize,
    size: usize,
    /// The number of synapses onto a target that come before these.
    skip: usize,
    /// Source by source.
    synapses: Vec<Factors<F>>,
    /// The spikes of the present page.
    sent: Vec<Sent<F>>,
}

#[derive(Clone, Copy)]
struct Sent<F> {
    pre: usize,
    nth: u32,
    factors: Factors<F>,
}

pub(super) struct GroupRun<'a, F: Real, const R: usize> {
    network: &'a SpikingNetwork<F>,
    grid: Grid,
    slab: usize,
    populations: Vec<Population<'a, F, R>>,
    afferents: Vec<Afferent<'a, F>>,
    outgoing: Vec<Outgoing<F>>,
    members: Vec<Member<F>>,
    neurons: Vec<Neuron<F>>,
    /// Neuron by neuron, those of a slab.
    buckets: Vec<Bucket<F, R>>,
    hot: Vec<Hot<F>>,
    hots: usize,
    rank: u32,
    ties: usize,
}

impl<'a, F: Real, const R: usize> GroupRun<'a, F, R> {
    pub fn new(
        network: &'a SpikingNetwork<F>,
        layers: &[usize],
        grid: Grid,
        slab: usize,
        afferents: Vec<Afferent<'a, F>>,
    ) -> Option<Self> {
        let populations = layers.iter().map(|&layer| {
            let named = &network.layers[layer];
            let bank = named.layer.mode_bank()?;
            let drives = |(_, a): &(usize, &Afferent<'_, F>)| a.projection.target == layer;
            Some(Population {
                layer,
                name: &named.name,
                bank,
                step: Step::new(bank, &grid),
                afferents: afferents.iter().enumerate().filter(drives).map(|(k, _)| k).collect(),
                slots: 0..1,
            })
        });
        Some(Self {
            network,
            grid,
            slab: slab.min(grid.buckets),
            populations: populations.collect::<Option<_>>()?,
            afferents,
            outgoing: Vec::new(),
            members: Vec::new(),
            neurons: Vec::new(),
            buckets: Vec::new(),
            hot: Vec::new(),
            hots: 0,
            rank: 0,
            ties: 0,
        })
    }

    /// Simulates a layer whose neurons do not drive each other.
    pub fn one_by_one(mut self) -> Result<(LayerTrace<F>, usize), SimulationError> {
        let size = self.network.layers[self.populations[0].layer].layer.size();
        let mut fired = Fired::default();
        let mut offsets = vec![0];
        self.allocate(1);
        for index in 0..size {
            self.prepare(0, 0, index)?;
            self.run()?;
            fired.append(&mut self.members[0].fired);
            offsets.push(fired.times.len());
        }
        Ok((fired.into_trace(offsets), self.ties))
    }

    /// Simulates layers whose neurons may drive each other; a trace for each.
    pub fn together(mut self) -> Result<super::Simulated<F>, SimulationError> {
        let size = |layer: usize| self.network.layers[layer].layer.size();
        let sizes: Vec<usize> = self.populations.iter().map(|p| size(p.layer)).collect();
        self.allocate(sizes.iter().sum());
        let mut slot = 0;
        for (population, &size) in sizes.iter().enumerate() {
            self.populations[population].slots = slot..slot + size;
            for index in 0..size {
                self.prepare(slot, population, index)?;
                slot += 1;
            }
        }
        self.link(&sizes);
        self.run()?;
        let mut members = self.members.iter_mut();
        let traces = sizes.iter().map(|&size| {
            let mut fired = Fired::default();
            let mut offsets = vec![0];
            for member in members.by_ref().take(size) {
                fired.append(&mut member.fired);
                offsets.push(fired.times.len());
            }
            fired.into_trace(offsets)
        });
        Ok((traces.collect(), self.ties))
    }

    fn allocate(&mut self, members: usize) {
        self.members.resize_with(members, || Member {
            population: 0,
            index: 0,
            inbox: Inbox::default(),
            last_spike: None,
            fired: Fired::default(),
        });
        let rest = Neuron { state: State::default(), received: 0, hot: 0 };
        self.neurons.resize(members, rest);
        self.buckets.resize(members * self.slab, Bucket::empty());
    }

    /// Puts a neuron to rest.
    fn prepare(
        &mut self,
        slot: usize,
        population: usize,
        index: usize,
    ) -> Result<(), SimulationError> {
        let Self { grid, populations, afferents, members, neurons, .. } = self;
        let Population { bank, afferents: own, .. } = &populations[population];
        let member = &mut members[slot];
        member.population = population;
        member.index = index;
        member.last_spike = None;
        member.inbox.synapses.clear();
        for afferent in own.iter().map(|&a| &afferents[a]) {
            let projection = afferent.projection;
            let row = projection.synapses.row(index);
            for synapse in row.iter() {
                crate::arrivals::check_synapse(projection, index, &synapse)?;
            }
            let tau = bank.tau_syn()[projection.receptor];
            let gain = tau / (tau - bank.tau_mem());
            let synapses = &mut member.inbox.synapses;
            afferent.synapses(&row, grid, |w| -gain * w, |w| w, synapses);
        }
        member.inbox.start();
        neurons[slot] = Neuron { state: State::default(), received: 0, hot: 0 };
        Ok(())
    }

    /// Sorts the synapses inside the group by source.
    fn link(&mut self, sizes: &[usize]) {
        for (number, afferent) in self.afferents.iter().enumerate() {
            let Spikes::Group { layer: source, .. } = afferent.spikes else { continue };
            let layer = afferent.projection.target;
            let Some(at) = self.populations.iter().position(|p| p.layer == layer) else { continue };
            let sources = |a: usize| self.afferents[a].projection.synapses.shape().1;
            let before = self.populations[at].afferents.iter().take_while(|&&a| a < number);
            let skip = before.map(|&a| sources(a)).sum();
            let (target, size) = (sizes[..at].iter().sum(), sizes[at]);
            let mut synapses = Vec::with_capacity(sources(number) * size);
            for pre in 0..sources(number) {
                let targets = &self.members[target..target + size];
                synapses.extend(targets.iter().map(|m| m.inbox.synapses[skip + pre]));
            }
            let (afferent, sent) = (number, Vec::new());
            self.outgoing.push(Outgoing { afferent, source, target, size, skip, synapses, sent });
        }
    }

    fn run(&mut self) -> Result<(), SimulationError> {
        let mut from = 0;
        while from < self.grid.buckets {
            let end = self.grid.buckets.min(from + self.slab);
            for slot in 0..self.members.len() {
                let Member { population, index, inbox, .. } = &mut self.members[slot];
                let own = self.populations[*population].afferents.iter();
                let afferents = own.map(|&a| {
                    let afferent = &self.afferents[a];
                    (afferent, afferent.projection.synapses.row(*index))
                });
                let start = slot * self.slab;
                inbox.pull(afferents, from, &mut self.buckets[start..start + end - from]);
            }
            let mut page = from;
            while page < end {
                let page_end = end.min(page + PAGE);
                for bucket in page..page_end {
                    self.bucket(bucket, from, page_end)?;
                }
                self.deliver(from, page_end, end);
                page = page_end;
            }
            from = end;
        }
        Ok(())
    }

    /// Adds what the spikes of a page send to the rest of the slab.
    fn deliver(&mut self, from: usize, page_end: usize, end: usize) {
        let Self { outgoing, afferents, members, buckets, slab, .. } = self;
        for outgoing in outgoing {
            let afferent = &afferents[outgoing.afferent];
            for slot in outgoing.target..outgoing.target + outgoing.size {
                let inbox = &mut members[slot].inbox;
                let buckets = &mut buckets[slot * *slab..];
                for Sent { pre, nth, factors } in &outgoing.sent {
                    let number = outgoing.skip + pre;
                    let synapse = inbox.synapses[number];
                    let (at, carry) = factors.meet(&synapse);
                    if at >= page_end && at < end {
                        let (both, entry) = ((factors, &synapse), (number as u32, *nth));
                        inbox.push(afferent, carry, both, entry, &mut buckets[at - from]);
                    }
                }
            }
            outgoing.sent.clear();
        }
    }

    /// Takes all neurons through one bucket.
    fn bucket(&mut self, number: usize, from: usize, end: usize) -> Result<(), SimulationError> {
        let local = number - from;
        for population in 0..self.populations.len() {
            for slot in self.populations[population].slots.clone() {
                let step = &self.populations[population].step;
                let rise = self.buckets[slot * self.slab + local].rise;
                let neuron = &self.neurons[slot];
                if step.bound(&neuron.state, rise) >= step.limit || !neuron.state[0].is_finite() {
                    self.heat(slot, number, local);
                }
            }
        }
        while let Some(first) = self.first_to_fire() {
            self.fire(first, number, from, end)?;
        }
        for Population { step, slots, .. } in &self.populations {
            for slot in slots.clone() {
                let bucket = &mut self.buckets[slot * self.slab + local];
                let neuron = &mut self.neurons[slot];
                neuron.received += bucket.count;
                if neuron.hot == 0 {
                    step.take(bucket, &mut neuron.state);
                }
                *bucket = Bucket::empty();
            }
        }
        self.cool()
    }

    /// The hot neuron that fires next.
    fn first_to_fire(&self) -> Option<usize> {
        let firing = self.hot[..self.hots].iter().enumerate().filter(|(_, h)| h.fires);
        let key = |h: &Hot<F>| (h.ahead.time.to_bits(), h.slot);
        firing.min_by_key(|(_, h)| key(h)).map(|(k, _)| k)
    }

    /// Steps a neuron through a bucket from its start.
    fn heat(&mut self, slot: usize, number: usize, local: usize) {
        if self.hots == self.hot.len() {
            let now = Walk::new(State::default(), 0.0, None);
            self.hot.push(Hot { slot, arrivals: Vec::new(), now, ahead: now, fires: false });
        }
        let mut arrivals = std::mem::take(&mut self.hot[self.hots].arrivals);
        self.gather(slot, local, &mut arrivals);
        let Member { population, last_spike, .. } = &self.members[slot];
        let bank = self.populations[*population].bank;
        let state = self.neurons[slot].state;
        let hot = &mut self.hot[self.hots];
        let now = Walk::new(state, self.grid.start(number), *last_spike);
        let mut ahead = now;
        let fires = ahead.on(bank, &arrivals, self.grid.end(number), self.grid.duration);
        *hot = Hot { slot, arrivals, now, ahead, fires };
        self.hots += 1;
        self.neurons[slot].hot = self.hots as u32;
    }

    /// Lists the arrivals of a bucket in the order in which they act.
    fn gather(&self, slot: usize, local: usize, out: &mut Vec<Arrival<F>>) {
        out.clear();
        let bucket = &self.buckets[slot * self.slab + local];
        let entries = self.members[slot].inbox.entries(bucket);
        let arrivals = entries.map(|e| self.arrival(slot, e.synapse, e.spike));
        out.extend(arrivals.filter(|a| a.time < self.grid.duration));
        out.sort_unstable_by_key(Arrival::key);
    }

    fn arrival(&self, slot: usize, synapse: u32, spike: u32) -> Arrival<F> {
        let Member { population, index, .. } = self.members[slot];
        let mut k = synapse as usize;
        let mut afferents = self.populations[population].afferents.iter().map(|&a| {
            let afferent = &self.afferents[a];
            (afferent, afferent.projection.synapses.row(index))
        });
        let (afferent, row): (_, Row<'_, F>) = loop {
            let (afferent, row) = afferents.next().expect("a synapse of one of the afferents");
            if k < row.weights.len() {
                break (afferent, row);
            }
            k -= row.weights.len();
        };
        let pre = super::grid::source(&row, k);
        let (sent, rank) = match afferent.spikes {
            Spikes::Known { trains, first, .. } => (trains.channel(first + pre)[spike as usize], 0),
            Spikes::Group { layer, .. } => {
                let fired = &self.members[self.first_of(layer) + pre].fired;
                (fired.times[spike as usize], fired.ranks[spike as usize] + 1)
            }
        };
        Arrival {
            time: sent + row.delays[k].as_f64(),
            rank,
            synapse,
            spike,
            receptor: afferent.projection.receptor as u32,
            weight: row.weights[k],
        }
    }

    /// The slot of the first neuron of a layer.
    fn first_of(&self, layer: usize) -> usize {
        let found = self.populations.iter().find(|p| p.layer == layer);
        found.map_or(0, |p| p.slots.start)
    }

    /// The hot neuron `which` fires; its spike goes to all targets that it reaches before `end`.
    fn fire(
        &mut self,
        which: usize,
        number: usize,
        from: usize,
        end: usize,
    ) -> Result<(), SimulationError> {
        let rank = self.rank;
        let hot = &mut self.hot[which];
        let slot = hot.slot;
        let member = &mut self.members[slot];
        let Population { layer, name, bank, .. } = self.populations[member.population];
        let mut walk = hot.ahead;
        let time = walk.time;
        let budget = self.network.spike_budget(time);
        if member.fired.times.len() >= budget {
            let (layer, neuron) = (name.into(), member.index);
            return Err(SimulationError::Runaway { layer, neuron, time, budget });
        }
        if rank >= u32::MAX - 1 {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize - 1 });
        }
        self.rank += 1;
        let arrivals = self.neurons[slot].received + walk.next as u32;
        let slope = walk.fire(bank, rank);
        member.last_spike = walk.last_spike;
        member.fired.push(time, slope, arrivals, rank);
        let (index, nth) = (member.index, member.fired.times.len() as u32 - 1);
        hot.now = walk;
        hot.ahead = walk;
        let bucket_end = self.grid.end(number);
        hot.fires = hot.ahead.on(bank, &hot.arrivals, bucket_end, self.grid.duration);

        // The bucket that is being simulated counts, even if rounding puts the time outside of it.
        let offset = (time - self.grid.start(number)).clamp(0.0, self.grid.width);
        for k in 0..self.outgoing.len() {
            let Outgoing { afferent, source, target, size, skip, .. } = self.outgoing[k];
            if source != layer {
                continue;
            }
            let factors = self.afferents[afferent].factors(&self.grid, number, offset);
            if let Spikes::Group { factors: sent, .. } = &mut self.afferents[afferent].spikes {
                sent[index].push(factors);
            }
            self.outgoing[k].sent.push(Sent { pre: index, nth, factors });
            let entry = ((skip + index) as u32, nth);
            for j in 0..size {
                let synapse = self.outgoing[k].synapses[index * size + j];
                let (at, carry) = factors.meet(&synapse);
                if at >= end {
                    continue;
                }
                let slot = target + j;
                let bucket = &mut self.buckets[slot * self.slab + at - from];
                let afferent = &self.afferents[afferent];
                let inbox = &mut self.members[slot].inbox;
                inbox.push(afferent, carry, (&factors, &synapse), entry, bucket);
                if at == number {
                    self.recall(slot, number, from, entry, time);
                }
            }
        }
        Ok(())
    }

    /// Something more, sent at `sent`, arrives at a neuron in the bucket that is being simulated.
    fn recall(
        &mut self,
        slot: usize,
        number: usize,
        from: usize,
        (synapse, spike): (u32, u32),
        sent: f64,
    ) {
        let local = number - from;
        let Some(which) = (self.neurons[slot].hot as usize).checked_sub(1) else {
            let rise = self.buckets[slot * self.slab + local].rise;
            let neuron = &self.neurons[slot];
            let step = &self.populations[self.members[slot].population].step;
            if step.bound(&neuron.state, rise) >= step.limit {
                self.heat(slot, number, local);
            }
            return;
        };
        let arrival = self.arrival(slot, synapse, spike);
        if arrival.time >= self.grid.duration {
            return;
        }
        let bank = self.populations[self.members[slot].population].bank;
        let hot = &mut self.hot[which];
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
            neuron.state = hot.ahead.state;
            neuron.hot = 0;
            self.ties += hot.ahead.ties;
            if !hot.ahead.is_finite() {
                let member = &self.members[hot.slot];
                return Err(SimulationError::Overflow {
                    layer: self.populations[member.population].name.into(),
                    neuron: member.index,
                    time: hot.ahead.time,
                });
            }
        }
        self.hots = 0;
        Ok(())
    }
}

impl<F: Real, const R: usize> Step<F, R> {
    fn new(bank: &ModeBank<F>, grid: &Grid) -> Self {
        let mut decay = [F::zero(); R];
        let mut response = [F::zero(); R];
        let decay_mem = bank.propagator(F::of(grid.width), |r, d, v| {
            decay[r] = d;
            response[r] = v;
        });
        let mut gain = [F::zero(); R];
        for (g, &tau) in gain.iter_mut().zip(bank.tau_syn()) {
            *g = tau / (tau - bank.tau_mem());
        }
        let threshold = bank.threshold().unwrap_or(F::infinity());
        let limit = threshold * (F::one() - F::of(8.0) * F::epsilon());
        let rate = F::of(grid.width) / bank.tau_mem();
        Self { decay_mem, decay, response, gain, rate, limit }
    }

    /// No potential in the bucket is greater, if `rise` is no less than all positive weights that
    /// arrive: V' <= (drive - V) / tau_mem, with all that excites arriving at once.
    #[inline]
    fn bound(&self, state: &State<F>, rise: F) -> F {
        let currents = &state[1..=R];
        let drive = currents.iter().fold(rise, |sum, &i| sum + i.max(F::zero()));
        state[0] + (drive - state[0]).max(F::zero()) * self.rate
    }

    /// Takes a state through a bucket without spikes.
    #[inline]
    fn take(&self, bucket: &Bucket<F, R>, state: &mut State<F>) {
        let mut next = (state[0] + bucket.mem) * self.decay_mem;
        for (r, current) in state[1..=R].iter_mut().enumerate() {
            let arrived = bucket.syn[r] * self.decay[r];
            next += *current * self.response[r] + self.gain[r] * arrived;
            *current = *current * self.decay[r] + arrived;
        }
        state[0] = next;
    }
}

impl<F: Real> Fired<F> {
    fn push(&mut self, time: f64, slope: F, arrivals: u32, rank: u32) {
        self.times.push(time);
        self.slopes.push(slope);
        self.arrivals.push(arrivals);
        self.ranks.push(rank);
    }

    fn append(&mut self, other: &mut Self) {
        self.times.append(&mut other.times);
        self.slopes.append(&mut other.slopes);
        self.arrivals.append(&mut other.arrivals);
        self.ranks.append(&mut other.ranks);
    }

    fn into_trace(self, offsets: Vec<usize>) -> LayerTrace<F> {
        let spikes = SpikeTrains::from_csr(offsets, self.times)
            .expect("a neuron fires at finite times that do not descend");
        LayerTrace { spikes, slopes: self.slopes, arrivals: self.arrivals, ranks: self.ranks }
    }
}
