//! Neurons that are stepped through a bucket, and their spikes.

use super::{Run, Space, arrives};
use crate::fast::afferent::Flight;
use crate::fast::own::Beyond;
use crate::fast::plan::Population;
use crate::fast::walk::{Arrival, Walk};
use crate::layer::ModeBank;
use crate::trace::Fired;
use crate::{Real, SimulationError};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A neuron that is stepped through a bucket.
#[derive(Debug)]
pub(super) struct Hot<F, const N: usize> {
    slot: usize,
    arrivals: Vec<Arrival<F>>,
    /// What is certain, and what follows unless more arrives.
    now: Walk<F, N>,
    ahead: Walk<F, N>,
    fires: bool,
}

/// Hot neurons from which on those about to fire wait in a queue.
const MANY: usize = 512;

/// Neurons about to fire: the key of each and its number among the hot ones; the first comes first. Those whose future has
/// changed stay until they come.
pub(super) type Firing = BinaryHeap<Reverse<((u64, usize), usize)>>;

impl<F: Real, const N: usize> Hot<F, N> {
    /// By what those about to fire are ordered: the time, whose bits sort as it does, and the slot.
    fn key(&self) -> (u64, usize) {
        (self.ahead.time.to_bits(), self.slot)
    }

    /// Looks how far it comes; `which` is its number, for the queue if there is one.
    fn look_ahead(
        &mut self,
        bank: &ModeBank<F>,
        (end, duration): (f64, f64),
        (which, queue): (usize, Option<&mut Firing>),
    ) {
        self.fires = self.ahead.on(bank, &self.arrivals, end, duration);
        if let Some(queue) = queue.filter(|_| self.fires) {
            queue.push(Reverse((self.key(), which)));
        }
    }
}

impl<F: Real, const R: usize, const N: usize, const OWN: bool> Run<'_, F, R, N, OWN> {
    /// The hot neuron that fires next.
    pub(super) fn first_to_fire(&mut self) -> Option<usize> {
        let Space { hot, firing, .. } = &mut *self.space;
        let waiting = hot[..self.hots].iter().enumerate().filter(|(_, hot)| hot.fires);
        if self.hots <= MANY {
            // Where each spike reaches all, all have changed, and to look through them costs the least.
            return waiting.min_by_key(|(_, hot)| hot.key()).map(|(which, _)| which);
        }
        if !std::mem::replace(&mut self.queued, true) {
            firing.extend(waiting.map(|(which, hot)| Reverse((hot.key(), which))));
        }
        while let Some(&Reverse((key, which))) = firing.peek() {
            // Others have been overtaken by what has happened since.
            if hot[which].fires && hot[which].key() == key {
                return Some(which);
            }
            firing.pop();
        }
        None
    }

    fn population(&self, slot: usize) -> &Population<F> {
        &self.plan.populations[self.space.neurons[slot].population as usize]
    }

    /// The end of the present bucket.
    fn end(&self) -> f64 {
        self.window.start + (self.bucket + 1) as f64 * self.plan.grid.width
    }

    fn bank(&self, slot: usize) -> &ModeBank<F> {
        let population = self.population(slot);
        population.bank(self.block.neuron(population, slot))
    }

    /// A neuron at the start of the present bucket, on its way from there.
    pub(super) fn depart(&self, slot: usize) -> Walk<F, N> {
        let start = self.window.start + self.bucket as f64 * self.plan.grid.width;
        let Space { states, beyond, neurons, .. } = &*self.space;
        let beyond = if OWN { beyond[slot] } else { Beyond::none() };
        Walk::new(self.bank(slot), (&states[slot], &beyond), start, neurons[slot].last_spike)
    }

    /// Keeps how far it has come.
    pub(super) fn arrive(&mut self, slot: usize, mut walk: Walk<F, N>) {
        walk.tell_release(&mut self.space.fired);
        self.space.states[slot] = walk.state(self.bank(slot));
        if OWN {
            self.space.beyond[slot] = walk.beyond(self.bank(slot));
        }
    }

    /// Adds a neuron to those that are to be stepped through the present bucket.
    pub(super) fn warm(&mut self, slot: usize) {
        let now = self.depart(slot);
        let Space { neurons, hot: all, .. } = &mut *self.space;
        if self.hots == all.len() {
            all.push(Hot { slot, arrivals: Vec::new(), now, ahead: now, fires: false });
        }
        let hot = &mut all[self.hots];
        hot.slot = slot;
        hot.now = now;
        hot.ahead = now;
        hot.arrivals.clear();
        self.hots += 1;
        neurons[slot].hot = self.hots as u32;
    }

    /// Steps those that were added from number `first` on through the bucket, from its start.
    pub(super) fn heat(&mut self, first: usize) {
        let (end, duration, plan) = (self.end(), self.duration, self.plan);
        let from = (&plan.afferents[..], self.block.number);
        let Space { inbox, neurons, hot, sent, firing, .. } = &mut *self.space;
        let heated = &mut hot[first..self.hots];
        inbox.collect((self.bucket, heated.iter().map(|hot| hot.slot)), from, sent);
        for &(which, sent) in &*sent {
            heated[which as usize].arrivals.push(sent.arrive(from).0);
        }
        for (which, hot) in (first..).zip(heated) {
            let population = &plan.populations[neurons[hot.slot].population as usize];
            let bank = population.bank(self.block.neuron(population, hot.slot));
            hot.arrivals.sort_unstable_by_key(Arrival::key);
            let queue = self.queued.then_some(&mut *firing);
            hot.look_ahead(bank, (end, duration), (which, queue));
        }
    }

    /// The hot neuron `which` fires; its spike goes to all targets that it reaches in the slab.
    pub(super) fn fire(&mut self, which: usize) -> Result<(), SimulationError> {
        let (end, duration, plan) = (self.end(), self.duration, self.plan);
        let rank = self.space.fired.len();
        if rank >= u32::MAX as usize - 1 {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize - 1 });
        }
        let rank = rank as u32;
        let Space { neurons, hot, fired, firing, .. } = &mut *self.space;
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
        hot.look_ahead(bank, (end, duration), (which, self.queued.then_some(firing)));
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
        let fan = afferent.fans.of(self.block.number);
        let branches = fan.of(flight.source as usize);
        let mut flight = Flight { next: branches.start as u32, ..flight };
        let target = &self.plan.populations[afferent.target];
        let slot = self.block.slots(target).start;
        let place = (slot, self.block.owns(target));
        let first = self.space.inbox.len();
        let inbox = &mut self.space.inbox;
        if !inbox.deliver::<OWN>((k, afferent), fan, place, &mut flight, &self.window) {
            return Err(SimulationError::TooManySpikes { most: u32::MAX as usize });
        }
        if arrives(&flight, fan, self.duration) {
            self.space.traffic[k].flying.push(flight);
        }
        for number in first..self.space.inbox.len() {
            let from = (&self.plan.afferents[..], self.block.number);
            let (arrival, post) = self.space.inbox.sent(number).arrive(from);
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
            let bucket = self.space.inbox.bucket(self.bucket, slot);
            let state = &self.space.states[slot];
            let may_fire = if OWN {
                let own = self.block.owns(population).of(slot - self.block.slots(population).start);
                own.may_fire(state, &self.space.beyond[slot], &bucket.rise)
            } else {
                let rise = bucket.rise(&population.decays(self.bucket));
                population.step.as_ref().is_some_and(|step| step.may_fire(state, rise))
            };
            if may_fire {
                self.warm(slot);
                self.heat(self.hots - 1);
            }
            return;
        };
        let (end, duration) = (self.end(), self.duration);
        let population = &self.plan.populations[self.space.neurons[slot].population as usize];
        let bank = population.bank(self.block.neuron(population, slot));
        let Space { hot, firing, .. } = &mut *self.space;
        let hot = &mut hot[which];
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
        hot.look_ahead(bank, (end, duration), (which, self.queued.then_some(firing)));
    }

    /// Ends a bucket for those that were stepped through it.
    pub(super) fn cool(&mut self) -> Result<(), SimulationError> {
        for k in 0..self.hots {
            let Hot { slot, ahead, .. } = self.space.hot[k];
            self.arrive(slot, ahead);
            self.space.neurons[slot].hot = 0;
            self.ties += ahead.ties;
            // What is not a number is hot from then on.
            if !self.space.states[slot].is_finite() {
                let population = self.population(slot);
                return Err(SimulationError::Overflow {
                    layer: self.network.layers[population.layer].name.clone(),
                    neuron: self.block.neuron(population, slot),
                    time: ahead.time,
                });
            }
        }
        (self.hots, self.queued) = (0, false);
        self.space.firing.clear();
        Ok(())
    }
}
