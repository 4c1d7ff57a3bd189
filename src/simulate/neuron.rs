//! A neuron in the middle of a trial.

use crate::arrivals::Arrival;
use std::collections::BinaryHeap;

/// What a neuron does next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Next {
    /// Fires.
    Spike,
    /// Receives the next of the arrivals known from the start.
    Known,
    /// Receives the first of the arrivals from its own group.
    Pending,
    /// Nothing before the end of the trial.
    Rest,
}

/// An arrival from the neuron's own group, ordered so that a heap yields the first.
pub(super) struct Pending<F>(pub Arrival<F>);

impl<F> PartialEq for Pending<F> {
    fn eq(&self, other: &Self) -> bool {
        !self.0.before(&other.0) && !other.0.before(&self.0)
    }
}
impl<F> Eq for Pending<F> {}
impl<F> PartialOrd for Pending<F> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<F> Ord for Pending<F> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Reversed: the heap has its greatest on top.
        self.0.before(&other.0).cmp(&other.0.before(&self.0))
    }
}

/// A neuron in the middle of a trial.
pub(super) struct Neuron<F> {
    pub layer: usize,
    pub index: usize,
    /// The time of the state.
    pub time: f64,
    pub state: Vec<F>,
    pub known: Vec<Arrival<F>>,
    /// How many of `known` have been received.
    pub received: usize,
    pub pending: BinaryHeap<Pending<F>>,
    /// Arrivals received of either sort.
    pub arrivals: u32,
    pub last_arrival: f64,
    /// Time and rank of the last spike.
    pub last_spike: Option<(f64, u32)>,
    pub spikes: usize,
    pub next: (f64, Next),
    /// Counts plans, so that the queue can tell outdated ones.
    pub plan: u64,
}

impl<F> Default for Neuron<F> {
    fn default() -> Self {
        Self {
            layer: 0,
            index: 0,
            time: 0.0,
            state: Vec::new(),
            known: Vec::new(),
            received: 0,
            pending: BinaryHeap::new(),
            arrivals: 0,
            last_arrival: -1.0,
            last_spike: None,
            spikes: 0,
            next: (0.0, Next::Rest),
            plan: 0,
        }
    }
}

impl<F> Neuron<F> {
    /// Forgets everything, but keeps the memory. Plans of the neuron that had this place before must be
    /// gone from the queue.
    pub fn reset(&mut self, layer: usize, index: usize) {
        let Self { state, known, pending, .. } = std::mem::take(self);
        *self = Self { layer, index, state, known, pending, ..Self::default() };
        self.state.clear();
        self.known.clear();
        self.pending.clear();
    }
}
