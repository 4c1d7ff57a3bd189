//! What comes next: spikes on their way, arrivals at the present time, and when each neuron acts.

use super::wiring::Fan;
use crate::Real;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// A spike on its way through one projection. It walks the synapses of its source by delay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    /// When it was fired.
    pub fired: f64,
    /// Its place in the order of all spikes, input events among them, from 1.
    pub number: u64,
    pub fan: usize,
    /// The next synapse, and the end of those that it has to reach.
    pub next: usize,
    pub end: usize,
}

impl Flight {
    /// When it reaches its next synapse, if there is one.
    pub fn arrival<F: Real>(&self, fan: &Fan<F>) -> Option<f64> {
        let contact = fan.contacts[self.next..self.end].first()?;
        // Beyond all numbers: never.
        Some(self.fired + contact.delay.as_f64()).filter(|time| time.is_finite())
    }
}

/// All spikes on their way, and which of them arrives next.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights {
    /// Small, because much is moved in it.
    turns: BinaryHeap<Turn>,
    all: Vec<Flight>,
    /// Places in `all` to be used again.
    free: Vec<usize>,
}

/// When a spike reaches its next synapse.
#[derive(Debug, Clone, Copy)]
struct Turn {
    time: f64,
    flight: usize,
}

impl Flights {
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    pub fn clear(&mut self) {
        self.turns.clear();
        self.all.clear();
        self.free.clear();
    }

    /// When the next arrival is; infinity if there is none.
    pub fn next(&self) -> f64 {
        self.turns.peek().map_or(f64::INFINITY, |turn| turn.time)
    }

    /// Adds a spike that has yet to reach its first synapse, at that time.
    pub fn launch(&mut self, flight: Flight, time: f64) {
        if self.turns.is_empty() {
            // A clone shall not copy what once was.
            self.clear();
        }
        let place = self.free.pop().unwrap_or(self.all.len());
        match self.all.get_mut(place) {
            Some(free) => *free = flight,
            None => self.all.push(flight),
        }
        self.turns.push(Turn { time, flight: place });
    }

    /// Hands over the spikes that arrive until `time`, one by one. `walk` has each reach synapses, and says when it reaches
    /// one after `time`, if it does.
    pub fn land(&mut self, time: f64, mut walk: impl FnMut(&mut Flight) -> Option<f64>) {
        while let Some(mut turn) = self.turns.peek_mut().filter(|turn| turn.time <= time) {
            match walk(&mut self.all[turn.flight]) {
                Some(next) => turn.time = next,
                None => self.free.push(PeekMut::pop(turn).flight),
            }
        }
    }
}

/// An arrival at the present time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Landing<F> {
    pub slot: usize,
    /// 0 for spikes from outside of the target's group, else the number of the spike.
    pub rank: u64,
    /// The projection, the synapse in it, and the number of the spike.
    pub fan: usize,
    pub synapse: u32,
    pub number: u64,
    pub weight: F,
}

impl<F> Landing<F> {
    /// Neuron by neuron; those of one neuron in the order in which a trial applies them.
    fn key(&self) -> (usize, u64, usize, u32, u64) {
        (self.slot, self.rank, self.fan, self.synapse, self.number)
    }
}

// Both are ordered so that a heap, which has its greatest on top, yields the first.
impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        // Times are not negative, and then their bits are in the same order, and faster to compare.
        other.time.to_bits().cmp(&self.time.to_bits())
    }
}
impl<F> Ord for Landing<F> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}
impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<F> PartialOrd for Landing<F> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<F> PartialEq for Landing<F> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Turn {}
impl<F> Eq for Landing<F> {}

/// One time per neuron, and the first of them: a knock-out tournament.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// The times, filled up with "never" to a power of two.
    times: Vec<f64>,
    /// The winner of each match: the final is at 1, and match k is between the winners of 2k and
    /// 2k + 1.
    winners: Vec<usize>,
}

impl Due {
    /// All neurons at "never".
    pub fn new(neurons: usize) -> Self {
        let size = neurons.next_power_of_two();
        let mut due = Self { times: vec![f64::INFINITY; size], winners: vec![0; size] };
        for k in (1..size).rev() {
            due.winners[k] = due.winner(2 * k);
        }
        due
    }

    fn winner(&self, k: usize) -> usize {
        let size = self.times.len();
        if k >= size { k - size } else { self.winners[k] }
    }

    /// The first time, and its neuron; the lowest of those that share it.
    pub fn first(&self) -> (f64, usize) {
        let slot = self.winner(1);
        (self.times[slot], slot)
    }

    /// That of a neuron.
    pub fn of(&self, slot: usize) -> f64 {
        self.times[slot]
    }

    pub fn set(&mut self, slot: usize, time: f64) {
        self.times[slot] = time;
        let mut k = (slot + self.times.len()) / 2;
        while k > 0 {
            let (left, right) = (self.winner(2 * k), self.winner(2 * k + 1));
            let winner = if self.times[left] <= self.times[right] { left } else { right };
            // The matches above know this result.
            if winner == self.winners[k] && winner != slot {
                return;
            }
            self.winners[k] = winner;
            k /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Due;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    #[test]
    fn the_first_of_all_neurons() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for size in [1, 2, 3, 7, 8, 100] {
            let mut due = Due::new(size);
            assert_eq!(due.first(), (f64::INFINITY, 0));
            let mut times = vec![f64::INFINITY; size];
            for _ in 0..500 {
                let slot = rng.random_range(0..size);
                // Coarse, so that there are ties.
                times[slot] = [1.0, 2.0, 3.0, f64::INFINITY][rng.random_range(0..4)];
                due.set(slot, times[slot]);
                let first = times.iter().copied().fold(f64::INFINITY, f64::min);
                let slot = times.iter().position(|t| *t == first).unwrap();
                assert_eq!(due.first(), (first, slot));
            }
        }
    }
}
