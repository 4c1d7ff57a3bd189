//! The bucketed forward pass of a group of neurons.
//!
//! Modes add: over a bucket in which a neuron cannot fire only the sums of its arrivals count. A
//! rigorous bound says which buckets those are; the few others are sorted and stepped through.
//!
//! Neurons that do not drive each other are a group of one. Those that do go through time together,
//! slab by slab, and in a slab bucket by bucket. What a spike sends to the present slab is added at
//! once, and may call a neuron back that was not expected to fire in this bucket. What it sends to
//! later slabs is found when those start.

use super::grid::{Afferent, Grid, Spikes, gain, source};
use super::inbox::{Bucket, Inbox};
use super::step::Step;
use super::walk::{Arrival, State, Walk};
use super::wiring::{Outgoing, Part, outgoing, parts};
use crate::arrivals::check_row;
use crate::layer::ModeBank;
use crate::trace::LayerTrace;
use crate::{Real, Row, SimulationError, SpikeTrains, SpikingNetwork};

/// A layer of the group.
struct Population<'a, F: Real, const R: usize> {
    part: Part,
    name: &'a str,
    bank: &'a ModeBank<F>,
    step: Step<F, R>,
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

pub(super) struct GroupRun<'a, F: Real, const R: usize> {
    network: &'a SpikingNetwork<F>,
    grid: Grid,
    slab: usize,
    populations: Vec<Population<'a, F, R>>,
    afferents: Vec<Afferent<'a, F>>,
    outgoing: Vec<Outgoing>,
    members: Vec<Member<F>>,
    neurons: Vec<Neuron<F>>,
    /// Neuron by neuron, those of a slab.
    buckets: Vec<Bucket<F, R>>,
    /// The synapses of a row that are to be looked at.
    due: Vec<u32>,
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
        let populations = parts(network, layers, &afferents).into_iter().map(|part| {
            let named = &network.layers[part.layer];
            let bank = named.layer.mode_bank()?;
            Some(Population { part, name: &named.name, bank, step: Step::new(bank, &grid) })
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
            due: Vec::new(),
            hot: Vec::new(),
            hots: 0,
            rank: 0,
            ties: 0,
        })
    }

    /// Simulates a layer whose neurons do not drive each other.
    pub fn one_by_one(mut self) -> Result<super::Simulated<F>, SimulationError> {
        let size = self.populations[0].part.slots.len();
        self.populations[0].part.slots = 0..1;
        let mut fired = Fired::default();
        let mut offsets = vec![0];
        self.allocate(1);
        for index in 0..size {
            self.prepare(0, 0, index)?;
            self.run()?;
            fired.append(&mut self.members[0].fired);
            offsets.push(fired.times.len());
        }
        Ok((vec![fired.into_trace(offsets)], self.ties))
    }

    /// Simulates layers whose neurons may drive each other.
    pub fn together(mut self) -> Result<super::Simulated<F>, SimulationError> {
        let slots: Vec<_> = self.populations.iter().map(|p| p.part.slots.clone()).collect();
        self.allocate(slots.iter().map(|s| s.len()).sum());
        for (population, slots) in slots.iter().enumerate() {
            for (index, slot) in slots.clone().enumerate() {
                self.prepare(slot, population, index)?;
            }
        }
        let parts: Vec<&Part> = self.populations.iter().map(|p| &p.part).collect();
        let members = &self.members;
        self.outgoing = outgoing(&parts, &self.afferents, |s| &members[s].inbox.synapses);
        self.run()?;
        let traces = slots.into_iter().map(|slots| {
            let mut fired = Fired::default();
            let mut offsets = vec![0];
            for member in &mut self.members[slots] {
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
        let Population { bank, part, .. } = &populations[population];
        let member = &mut members[slot];
        member.population = population;
        member.index = index;
        member.last_spike = None;
        member.inbox.synapses.clear();
        for afferent in part.afferents.iter().map(|&a| &afferents[a]) {
            let projection = afferent.projection;
            check_row(projection, index)?;
            let row = projection.synapses.row(index);
            let gain = gain(bank, projection.receptor);
            let synapses = &mut member.inbox.synapses;
            afferent.synapses(&row, grid, |w| -gain * w, |w| w, synapses);
        }
        member.inbox.start();
        neurons[slot] = Neuron { state: State::default(), received: 0, hot: 0 };
        Ok(())
    }

    fn run(&mut self) -> Result<(), SimulationError> {
        let mut from = 0;
        while from < self.grid.buckets {
            let end = self.grid.buckets.min(from + self.slab);
            for slot in 0..self.members.len() {
                let Member { population, index, inbox, .. } = &mut self.members[slot];
                let own = self.populations[*population].part.afferents.iter();
                let afferents = own.map(|&a| {
                    let afferent = &self.afferents[a];
                    (afferent, afferent.projection.synapses.row(*index))
                });
                let start = slot * self.slab;
                let buckets = &mut self.buckets[start..start + end - from];
                inbox.pull(afferents, from, buckets, &mut self.due);
            }
            for afferent in &mut self.afferents {
                if let Spikes::Group { fresh, .. } = &mut afferent.spikes {
                    fresh.fill(false);
                }
            }
            for bucket in from..end {
                self.bucket(bucket, from, end)?;
            }
            from = end;
        }
        Ok(())
    }

    /// Takes all neurons through one bucket.
    fn bucket(&mut self, number: usize, from: usize, end: usize) -> Result<(), SimulationError> {
        let local = number - from;
        for population in 0..self.populations.len() {
            for slot in self.populations[population].part.slots.clone() {
                if self.may_fire(population, slot, local) {
                    self.heat(slot, number, local);
                }
            }
        }
        while let Some(first) = self.first_to_fire() {
            self.fire(first, number, from, end)?;
        }
        for Population { step, part, .. } in &self.populations {
            for slot in part.slots.clone() {
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

    /// Whether a neuron may fire in a bucket, or is no longer a number.
    #[inline]
    fn may_fire(&self, population: usize, slot: usize, local: usize) -> bool {
        let step = &self.populations[population].step;
        let state = &self.neurons[slot].state;
        let rise = self.buckets[slot * self.slab + local].rise;
        step.bound(state, rise) >= step.limit || !state[0].is_finite()
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
        let mut afferents = self.populations[population].part.afferents.iter().map(|&a| {
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
        let pre = source(&row, k);
        let (sent, rank) = match afferent.spikes {
            Spikes::Known { trains, first, .. } => (trains.channel(first + pre)[spike as usize], 0),
            Spikes::Group { layer, .. } => {
                let of_layer = self.populations.iter().find(|p| p.part.layer == layer);
                let first = of_layer.expect("a layer of the group").part.slots.start;
                let fired = &self.members[first + pre].fired;
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
        let population = member.population;
        let Population { name, bank, .. } = self.populations[population];
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
            let Outgoing { afferent, source, .. } = self.outgoing[k];
            if source != population {
                continue;
            }
            let factors = self.afferents[afferent].factors(&self.grid, number, offset);
            if let Spikes::Group { factors: sent, fresh, .. } = &mut self.afferents[afferent].spikes
            {
                sent[index].push(factors);
                fresh[index] = true;
            }
            for j in 0..self.outgoing[k].from(index).len() {
                let target = self.outgoing[k].from(index)[j];
                let (at, carry) = factors.fixed.meet(target.delay);
                if at >= end {
                    continue;
                }
                let slot = target.slot as usize;
                let bucket = &mut self.buckets[slot * self.slab + at - from];
                let entry = (target.number, nth);
                let inbox = &mut self.members[slot].inbox;
                inbox.push(&self.afferents[afferent], carry, &factors, entry, bucket);
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
            if self.may_fire(self.members[slot].population, slot, local) {
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
