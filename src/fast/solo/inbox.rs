//! What arrives at one neuron in a stretch, bucket by bucket.

use super::Plan;
use super::spikes::{Near, Spikes};
use super::stretch::Stretch;
use crate::fast::plan::Pair;
use crate::fast::walk::Arrival;
use crate::{Real, SimulationError, SpikingNetwork};

/// What arrives in one bucket. The sums are in double precision whatever the network's: they are in the frame of a stretch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<const R: usize> {
    /// The sums of the jumps of all modes, through synapses that excite and through those that do not.
    pub sums: [Pair<f64, R>; 2],
    pub count: u32,
    /// 1 + the number of the last arrival, or 0.
    head: u32,
}

impl<const R: usize> Bucket<R> {
    pub fn empty() -> Self {
        Self { sums: [Pair::zero(); 2], count: 0, head: 0 }
    }
}

/// A synapse, through which one spike after the other arrived.
#[derive(Debug, Clone, Copy)]
struct Crossed<F> {
    delay: f64,
    weight: F,
    /// The number of the first arrival, and its spike among those of the afferent.
    first: u32,
    near: u32,
    afferent: u32,
    synapse: u32,
}

/// Room for links is made for so many at a time.
const ROOM: usize = 4096;

#[derive(Debug)]
pub(super) struct Inbox<F, const R: usize> {
    pub buckets: Vec<Bucket<R>>,
    /// Of every arrival 1 + the number of the one before it in its bucket, or 0; and in the upper half the synapse, among those
    /// that were crossed. In one number, as it is written at once.
    links: Vec<u64>,
    crossed: Vec<Crossed<F>>,
}

impl<F: Real, const R: usize> Inbox<F, R> {
    pub fn new() -> Self {
        Self { buckets: Vec::new(), links: Vec::new(), crossed: Vec::new() }
    }

    /// Makes room for the buckets of a stretch, all empty.
    pub fn clear(&mut self, buckets: usize) {
        self.buckets.clear();
        self.buckets.resize(buckets, Bucket::empty());
    }

    /// Receives all that arrives at a neuron in a stretch. The buckets of what came before have been emptied.
    ///
    /// # Errors
    /// Arrivals that cannot be numbered.
    // Apart from its caller there are registers enough.
    #[inline(never)]
    pub fn receive(
        &mut self,
        network: &SpikingNetwork<F>,
        (plan, neuron): (&Plan<F>, usize),
        (spikes, stretch): (&[Spikes], &Stretch),
    ) -> Result<(), SimulationError> {
        let Self { buckets, links, crossed } = self;
        let buckets = &mut buckets[..stretch.buckets];
        crossed.clear();
        let mut number = 0;
        for (k, (afferent, spikes)) in plan.afferents.iter().zip(spikes).enumerate() {
            let row = network.projections[afferent.number].synapses.row(neuron);
            let receptor = if R == 1 { 0 } else { afferent.receptor };
            let units = afferent.rows.of(neuron, &row);
            for (at, rank) in spikes.candidates(&row) {
                let (delay, weight) = (row.delays[at].as_f64(), row.weights[at]);
                let arriving = spikes.arriving(rank, delay, stretch);
                if arriving.is_empty() {
                    continue;
                }
                let most = number + arriving.len();
                if most > u32::MAX as usize {
                    return Err(SimulationError::TooManySpikes { most: u32::MAX as usize });
                }
                if links.len() < most {
                    links.resize(most.next_multiple_of(ROOM), 0);
                }
                let [mem, syn] = [units[at].0, units[at].1].map(|unit| (unit * weight).as_f64());
                let tag = (crossed.len() as u64) << u32::BITS;
                let through = Through { delay, mem, syn, receptor, tag, stretch: *stretch };
                let near = &spikes.near()[arriving.clone()];
                let links = &mut links[number..most];
                if syn > 0.0 {
                    through.arrive::<R, 0>(buckets, number as u32, (near, links));
                } else {
                    through.arrive::<R, 1>(buckets, number as u32, (near, links));
                }
                let (first, near) = (number as u32, arriving.start as u32);
                let (afferent, synapse) = (k as u32, (row.first + at) as u32);
                crossed.push(Crossed { delay, weight, first, near, afferent, synapse });
                number = most;
            }
        }
        Ok(())
    }

    /// The arrivals in a bucket, in the order in which they act.
    pub fn collect(
        &self,
        bucket: usize,
        (plan, spikes): (&Plan<F>, &[Spikes]),
        out: &mut Vec<Arrival<F>>,
    ) {
        out.clear();
        let mut head = self.buckets[bucket].head;
        while let Some(number) = head.checked_sub(1) {
            let link = self.links[number as usize];
            let Crossed { delay, weight, first, near, afferent, synapse } =
                self.crossed[(link >> u32::BITS) as usize];
            let spike = spikes[afferent as usize].near()[(near + number - first) as usize];
            out.push(Arrival {
                time: spike.time + delay,
                rank: 0,
                afferent,
                branch: synapse,
                receptor: plan.afferents[afferent as usize].receptor as u32,
                weight,
            });
            head = link as u32;
        }
        out.sort_unstable_by_key(Arrival::key);
    }
}

/// The way through a synapse.
struct Through {
    delay: f64,
    mem: f64,
    syn: f64,
    receptor: usize,
    tag: u64,
    stretch: Stretch,
}

impl Through {
    /// Adds what arrives, the first with a number.
    // Apart from its caller there are registers enough.
    #[inline(never)]
    fn arrive<const R: usize, const SIDE: usize>(
        &self,
        buckets: &mut [Bucket<R>],
        mut number: u32,
        (near, links): (&[Near], &mut [u64]),
    ) {
        let Self { delay, mem, syn, receptor, tag, stretch } = *self;
        for (near, link) in near.iter().zip(links) {
            let bucket = &mut buckets[stretch.bucket(near.time + delay)];
            let sum = &mut bucket.sums[SIDE];
            sum.mem += mem * near.factors[0];
            sum.syn[receptor] += syn * near.factors[1];
            *link = tag | u64::from(bucket.head);
            number += 1;
            bucket.head = number;
            bucket.count += 1;
        }
    }
}
