//! What is to arrive at a neuron, bucket by bucket.

use super::grid::{Afferent, Factors, Spikes, source};
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

/// No further arrival is known.
const NEVER: u32 = u32::MAX;

/// The arrivals at one neuron in a slab of buckets. Reused from slab to slab.
#[derive(Debug, Default)]
pub(super) struct Inbox<F> {
    /// The factors of all synapses onto the neuron.
    pub synapses: Vec<Factors<F>>,
    /// How many spikes of each synapse's source have been taken.
    cursors: Vec<u32>,
    /// A bucket before which nothing more arrives through the synapse, unless its source fires again.
    next: Vec<u32>,
    entries: Vec<Entry>,
}

impl<F: Real> Inbox<F> {
    /// Starts a trial, with `synapses` filled in.
    pub fn start(&mut self) {
        for list in [&mut self.cursors, &mut self.next] {
            list.clear();
            list.resize(self.synapses.len(), 0);
        }
    }

    /// Takes from every afferent what arrives in the slab of buckets that starts with `from`, sent
    /// before it. What arrives before the slab was pushed.
    pub fn pull<'a, const R: usize>(
        &mut self,
        afferents: impl Iterator<Item = (&'a Afferent<'a, F>, Row<'a, F>)>,
        from: usize,
        buckets: &mut [Bucket<F, R>],
        due: &mut Vec<u32>,
    ) where
        F: 'a,
    {
        let Self { synapses, cursors, next, entries } = self;
        entries.clear();
        let end = from + buckets.len();
        let mut first = 0;
        for (afferent, row) in afferents {
            let receptor = afferent.projection.receptor;
            let of_row = first..first + row.weights.len();
            let soon = next[of_row.clone()].iter().map(|&at| (at as usize) < end);
            match &afferent.spikes {
                Spikes::Known { .. } => mark(soon, due),
                Spikes::Group { fresh, .. } => {
                    let fresh = (0..row.weights.len()).map(|k| fresh[source(&row, k)]);
                    mark(soon.zip(fresh).map(|(soon, fresh)| soon | fresh), due);
                }
            }
            for &k in due.iter() {
                let number = first + k as usize;
                let synapse = &synapses[number];
                let mem = afferent.carry_mem.map(|c| c * synapse.mem);
                let syn = afferent.carry_syn.map(|c| c * synapse.syn);
                let spikes = afferent.of(source(&row, k as usize));
                let mut taken = cursors[number] as usize;
                next[number] = NEVER;
                while let Some(spike) = spikes.get(taken) {
                    let (at, carry) = spike.fixed.meet(synapse.fixed);
                    if at >= end {
                        next[number] = at as u32;
                        break;
                    }
                    if let Some(bucket) = buckets.get_mut(at.wrapping_sub(from)) {
                        let (mem, syn) = (spike.mem * mem[carry], spike.syn * syn[carry]);
                        bucket.add(mem, receptor, syn, entries, (number as u32, taken as u32));
                    }
                    taken += 1;
                }
                cursors[number] = taken as u32;
            }
            first = of_row.end;
        }
    }

    /// Adds one arrival to a bucket of the present slab.
    #[inline]
    pub fn push<const R: usize>(
        &mut self,
        afferent: &Afferent<'_, F>,
        carry: usize,
        spike: &Factors<F>,
        entry: (u32, u32),
        bucket: &mut Bucket<F, R>,
    ) {
        let synapse = &self.synapses[entry.0 as usize];
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

/// The places of those that are true. Without branches: which they are is hard to foresee.
#[inline]
pub(super) fn mark(which: impl ExactSizeIterator<Item = bool>, places: &mut Vec<u32>) {
    places.clear();
    places.resize(which.len(), 0);
    let mut marked = 0;
    for (place, is) in which.enumerate() {
        places[marked] = place as u32;
        marked += usize::from(is);
    }
    places.truncate(marked);
}
