//! What is to arrive at the neurons of a group, bucket by bucket.

use super::afferent::{Afferent, Flight};
use super::fan::Branch;
use super::grid::gain;
use crate::Real;
use crate::layer::ModeBank;
use std::ops::Range;

/// What arrives in one bucket: the sums of the jumps, carried to its start, and who arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<F, const R: usize> {
    /// The sum of -g_r w exp(s / tau_mem).
    pub mem: F,
    /// The sum of w exp(s / tau_r), by receptor.
    pub syn: [F; R],
    /// A bound on the sum of positive weights.
    pub rise: F,
    pub count: u32,
    /// The last of its entries, counted from 1; 0 if there is none.
    head: u32,
}

impl<F: Real, const R: usize> Bucket<F, R> {
    pub fn empty() -> Self {
        Self { mem: F::zero(), syn: [F::zero(); R], rise: F::zero(), count: 0, head: 0 }
    }
}

/// One arrival, in the list of those of its bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<F> {
    pub time: f64,
    pub weight: F,
    next: u32,
    pub afferent: u32,
    /// The branch of the afferent's fan.
    pub branch: u32,
    /// That of the spike, see [`Flight`].
    pub rank: u32,
}

impl<F: Real> Entry<F> {
    pub fn new(time: f64, weight: F, afferent: usize, branch: usize, rank: u32) -> Self {
        let (afferent, branch) = (afferent as u32, branch as u32);
        Self { time, weight, next: 0, afferent, branch, rank }
    }
}

/// The arrivals at a group of neurons in a slab of buckets.
#[derive(Debug)]
pub(super) struct Inbox<F, const R: usize> {
    /// How many neurons there are.
    neurons: usize,
    /// The first bucket of the slab.
    from: usize,
    width: f64,
    /// Bucket by bucket, those of all neurons.
    buckets: Vec<Bucket<F, R>>,
    entries: Vec<Entry<F>>,
}

impl<F: Real, const R: usize> Inbox<F, R> {
    pub fn new(neurons: usize, slab: usize, width: f64) -> Self {
        let buckets = vec![Bucket::empty(); neurons * slab];
        Self { neurons, from: 0, width, buckets, entries: Vec::new() }
    }

    /// Turns to the slab that starts with bucket `from`; the buckets of the last one are empty again.
    pub fn turn_to(&mut self, from: usize) {
        self.from = from;
        self.entries.clear();
    }

    /// A bucket of one neuron.
    #[inline]
    pub fn bucket(&self, bucket: usize, slot: usize) -> &Bucket<F, R> {
        &self.buckets[(bucket - self.from) * self.neurons + slot]
    }

    /// A bucket of several neurons.
    #[inline]
    pub fn row(&mut self, bucket: usize, slots: Range<usize>) -> &mut [Bucket<F, R>] {
        let start = (bucket - self.from) * self.neurons;
        &mut self.buckets[start + slots.start..start + slots.end]
    }

    /// Adds what a spike does in the buckets before `end`, from where it is on.
    #[inline]
    pub fn deliver(
        &mut self,
        (number, afferent): (usize, &Afferent<'_, F>),
        bank: &ModeBank<F>,
        first_slot: usize,
        flight: &mut Flight<F>,
        end: usize,
    ) {
        let (neurons, from, width) = (self.neurons, self.from, self.width);
        let fan = &afferent.fan;
        let receptor = if R == 1 { 0 } else { afferent.projection.receptor };
        let (spike, gain) = (*flight, -gain(bank, receptor));
        let by_mem = fan.carry_mem.map(|c| spike.factors.mem * c * gain);
        let by_syn = fan.carry_syn.map(|c| spike.factors.syn * c);
        let last = fan.of(flight.source as usize).end;
        for branch in &fan.branches[flight.next..last] {
            let (time, at, carry) = spike.arrival(branch, width);
            if at >= end {
                break;
            }
            let &Branch { factors, weight, post, .. } = branch;
            let syn = weight * (factors.syn * by_syn[carry]);
            let bucket = &mut self.buckets[(at - from) * neurons + first_slot + post as usize];
            bucket.mem += weight * (factors.mem * by_mem[carry]);
            bucket.syn[receptor] += syn;
            // exp(s / tau) >= 1: no less than the weight, if that is positive.
            bucket.rise += syn.max(F::zero());
            bucket.count += 1;
            let entry = Entry::new(time, weight, number, flight.next, spike.rank);
            self.entries.push(Entry { next: bucket.head, ..entry });
            bucket.head = self.entries.len() as u32;
            flight.next += 1;
        }
    }

    /// The arrivals in a bucket of a neuron, in no order.
    pub fn entries(&self, bucket: usize, slot: usize) -> impl Iterator<Item = Entry<F>> {
        let mut head = self.bucket(bucket, slot).head;
        std::iter::from_fn(move || {
            let entry = *self.entries.get((head as usize).checked_sub(1)?)?;
            head = entry.next;
            Some(entry)
        })
    }
}
