//! What is to arrive at a neuron, bucket by bucket.

use super::grid::{Afferent, Factors, source};
use crate::{Real, Row};

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

    #[inline]
    fn add(&mut self, mem: F, receptor: usize, syn: F, entries: &mut Vec<Entry>, new: (u32, u32)) {
        self.mem += mem;
        self.syn[receptor] += syn;
        // exp(s / tau) >= 1: no less than the weight, if that is positive.
        self.rise += syn.max(F::zero());
        self.count += 1;
        entries.push(Entry { next: self.head, synapse: new.0, spike: new.1 });
        self.head = entries.len() as u32;
    }
}

/// One arrival, in the list of those of its bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    next: u32,
    /// The synapse, counted over all that lead to the neuron.
    pub synapse: u32,
    /// The spike, counted from the first of its source neuron.
    pub spike: u32,
}

/// The arrivals at one neuron in a slab of buckets. Reused from slab to slab.
#[derive(Debug, Default)]
pub(super) struct Inbox<F> {
    /// The factors of all synapses onto the neuron.
    pub synapses: Vec<Factors<F>>,
    /// How many spikes of each synapse's source have been taken.
    cursors: Vec<u32>,
    entries: Vec<Entry>,
}

impl<F: Real> Inbox<F> {
    /// Starts a trial, with `synapses` filled in.
    pub fn start(&mut self) {
        self.cursors.clear();
        self.cursors.resize(self.synapses.len(), 0);
    }

    /// Takes from every afferent what arrives in the slab of buckets that starts with `from`. What
    /// arrives before it was pushed.
    pub fn pull<'a, const R: usize>(
        &mut self,
        afferents: impl Iterator<Item = (&'a Afferent<'a, F>, Row<'a, F>)>,
        from: usize,
        buckets: &mut [Bucket<F, R>],
    ) where
        F: 'a,
    {
        let Self { synapses, cursors, entries } = self;
        entries.clear();
        let end = from + buckets.len();
        let mut number = 0;
        for (afferent, row) in afferents {
            let receptor = afferent.projection.receptor;
            let of_row = number..number + row.weights.len();
            let synapses = synapses[of_row.clone()].iter().zip(&mut cursors[of_row]);
            for (k, (synapse, cursor)) in synapses.enumerate() {
                let mem = afferent.carry_mem.map(|c| c * synapse.mem);
                let syn = afferent.carry_syn.map(|c| c * synapse.syn);
                let spikes = afferent.of(source(&row, k));
                let mut next = *cursor as usize;
                while let Some(spike) = spikes.get(next) {
                    let (at, carry) = spike.meet(synapse);
                    if at >= end {
                        break;
                    }
                    if let Some(bucket) = buckets.get_mut(at.wrapping_sub(from)) {
                        let (mem, syn) = (spike.mem * mem[carry], spike.syn * syn[carry]);
                        bucket.add(mem, receptor, syn, entries, (number as u32, next as u32));
                    }
                    next += 1;
                }
                *cursor = next as u32;
                number += 1;
            }
        }
    }

    /// Adds one arrival to a bucket of the present slab.
    #[inline]
    pub fn push<const R: usize>(
        &mut self,
        afferent: &Afferent<'_, F>,
        carry: usize,
        (spike, synapse): (&Factors<F>, &Factors<F>),
        entry: (u32, u32),
        bucket: &mut Bucket<F, R>,
    ) {
        let mem = spike.mem * (afferent.carry_mem[carry] * synapse.mem);
        let syn = spike.syn * (afferent.carry_syn[carry] * synapse.syn);
        bucket.add(mem, afferent.projection.receptor, syn, &mut self.entries, entry);
    }

    /// The arrivals in a bucket, in no order.
    pub fn entries<const R: usize>(&self, bucket: &Bucket<F, R>) -> impl Iterator<Item = Entry> {
        let mut head = bucket.head;
        std::iter::from_fn(move || {
            let entry = *self.entries.get((head as usize).checked_sub(1)?)?;
            head = entry.next;
            Some(entry)
        })
    }
}
