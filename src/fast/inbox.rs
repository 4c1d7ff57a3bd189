//! What arrives at a block of neurons in a slab, bucket by bucket.

use super::afferent::{Afferent, Flight};
use super::fan::Fan;
use super::grid::Window;
use super::own::Owns;
use super::plan::{Modes, Pair};
use super::prefetch::prefetch;
use super::walk::Arrival;
use crate::Real;
use std::ops::Range;

/// What arrives at one neuron in one bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket<F, const R: usize> {
    /// The sum of the jumps of all modes.
    pub sum: Modes<F, R>,
    /// That of the positive ones of the currents.
    pub rise: [F; R],
    pub count: u32,
    /// 1 + the number of the last arrival, or 0.
    head: u32,
}

impl<F: Real, const R: usize> Bucket<F, R> {
    pub fn empty() -> Self {
        Self { sum: Modes::zero(), rise: [F::zero(); R], count: 0, head: 0 }
    }

    /// What the currents gain at a time, given the decays until then, if all that excites has arrived.
    #[inline]
    pub fn rise(&self, decays: &Pair<F, R>) -> [F; R] {
        std::array::from_fn(|r| self.rise[r] * decays.syn[r])
    }
}

/// What one spike did in one go: a stretch of branches, numbered as they arrived.
#[derive(Debug, Clone, Copy)]
struct Run {
    time: f64,
    afferent: u32,
    rank: u32,
    /// The first arrival and the branch that it came through.
    first: u32,
    branch: u32,
}

/// A spike on its way through one branch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    time: f64,
    rank: u32,
    afferent: u32,
    branch: u32,
}

/// Room for arrivals is made for so many at a time: by doubling it would be half empty.
const ROOM: usize = 32_768;

/// Arrivals from one entry of the table of runs to the next.
const PAGE: usize = 64;

#[derive(Debug)]
pub(super) struct Inbox<F, const R: usize> {
    neurons: usize,
    /// Bucket by bucket, those of all neurons.
    buckets: Vec<Bucket<F, R>>,
    /// Of every arrival 1 + the number of the one before in its bucket, or 0. Short, because lists are
    /// jumped through.
    links: Vec<u32>,
    /// How many of the links are in use.
    arrivals: usize,
    runs: Vec<Run>,
    /// The run of every arrival whose number is a multiple of [`PAGE`].
    pages: Vec<u32>,
    /// Of each target that arrivals are collected for, 1 + the number of the next one; and those found, with their targets.
    lists: Vec<(u32, u32)>,
    found: Vec<(u32, u32)>,
}

impl<F: Real, const R: usize> Inbox<F, R> {
    pub fn new() -> Self {
        Self {
            neurons: 0,
            buckets: Vec::new(),
            links: Vec::new(),
            arrivals: 0,
            runs: Vec::new(),
            pages: Vec::new(),
            lists: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Makes room for the buckets of a slab, all empty.
    pub fn clear(&mut self, neurons: usize, slab: usize) {
        self.neurons = neurons;
        self.buckets.clear();
        self.buckets.resize(neurons * slab, Bucket::empty());
        self.turn();
    }

    /// Turns to the next slab. The buckets of the last one have been emptied.
    pub fn turn(&mut self) {
        self.arrivals = 0;
        self.runs.clear();
        self.pages.clear();
    }

    #[inline]
    pub fn bucket(&self, bucket: usize, slot: usize) -> &Bucket<F, R> {
        &self.buckets[bucket * self.neurons + slot]
    }

    /// A bucket of several neurons.
    #[inline]
    pub fn row(&mut self, bucket: usize, slots: Range<usize>) -> &mut [Bucket<F, R>] {
        let start = bucket * self.neurons;
        &mut self.buckets[start + slots.start..start + slots.end]
    }

    /// Adds what a spike does in a slab: to the modes in its frame, or for targets with constants of their own to
    /// V and the currents at the end of each bucket.
    ///
    /// Returns whether the arrivals of the slab can still be numbered.
    pub fn deliver<const OWN: bool>(
        &mut self,
        afferent: (usize, &Afferent<F>),
        fan: &Fan<F>,
        (slot, owns): (usize, Owns<'_, F>),
        flight: &mut Flight<F>,
        window: &Window,
    ) -> bool {
        let end = fan.of(flight.source as usize).end;
        let receptor = if R == 1 { 0 } else { afferent.1.receptor };
        while (flight.next as usize) < end {
            let first = flight.next as usize;
            let delay = fan.branches[first].delay;
            if flight.time + delay >= window.end {
                break;
            }
            let (by_mem, by_syn, leg) = afferent.1.leg(flight, delay, window.number);
            let so_far = self.arrivals;
            let most = so_far + (end - first);
            if most > u32::MAX as usize {
                return false;
            }
            if self.links.len() < most {
                self.links.reserve_exact(most.next_multiple_of(ROOM) - self.links.len());
                self.links.resize(most.next_multiple_of(ROOM), 0);
            }
            let (neurons, time) = (self.neurons, flight.time);
            let buckets = &mut self.buckets[slot..];
            let mut number = so_far as u32;
            let branches = fan.branches[first..end].iter();
            for (branch, link) in branches.zip(&mut self.links[so_far..most]) {
                let arrives = time + branch.delay;
                if arrives >= window.end || branch.delay >= leg.end {
                    break;
                }
                let in_slab = if window.number == 0 {
                    window.bucket(arrives)
                } else {
                    window.exact_bucket(arrives)
                };
                let bucket = &mut buckets[in_slab * neurons + branch.post as usize];
                let (mem, syn, rise) = if OWN {
                    let left = F::of(window.end_of(in_slab) - arrives);
                    let own = owns.of(branch.post as usize);
                    let (_, decay, response) = own.after(receptor, left);
                    (branch.mem * response, branch.syn * decay, branch.syn)
                } else {
                    let syn = branch.syn * by_syn;
                    (branch.mem * by_mem, syn, syn)
                };
                bucket.sum.mem += mem;
                bucket.sum.syn[receptor] += syn;
                bucket.rise[receptor] += rise.max(F::zero());
                *link = bucket.head;
                number += 1;
                bucket.head = number;
                bucket.count += 1;
            }
            let most = number as usize;
            let arrives = most - so_far;
            let (afferent, rank) = (afferent.0 as u32, flight.rank);
            let (first, branch) = (so_far as u32, first as u32);
            self.pages.resize(most.div_ceil(PAGE), self.runs.len() as u32);
            self.runs.push(Run { time, afferent, rank, first, branch });
            flight.next += arrives as u32;
            self.arrivals = most;
        }
        true
    }

    /// How many arrivals there are in the slab so far.
    pub fn len(&self) -> usize {
        self.arrivals
    }

    /// What arrives at some neurons in a bucket, in no order, each with the place of its target among them.
    pub fn collect(
        &mut self,
        (bucket, slots): (usize, impl Iterator<Item = usize>),
        (afferents, block): (&[Afferent<F>], usize),
        out: &mut Vec<(u32, Sent)>,
    ) {
        let Self { lists, found, links, .. } = self;
        let heads = slots.map(|slot| self.buckets[bucket * self.neurons + slot].head);
        lists.clear();
        lists.extend((0..).zip(heads).filter(|&(_, head)| head != 0));
        found.clear();
        // All lists at once: along one of them each step waits for the one before.
        while !lists.is_empty() {
            let mut left = 0;
            for at in 0..lists.len() {
                let (target, head) = lists[at];
                found.push((target, head - 1));
                lists[left] = (target, links[head as usize - 1]);
                left += usize::from(lists[left].1 != 0);
            }
            lists.truncate(left);
        }
        out.clear();
        for &(target, number) in &self.found {
            let sent = self.sent(number as usize);
            let branches = &afferents[sent.afferent as usize].fans.of(block).branches;
            prefetch(branches, sent.branch as usize, 1);
            out.push((target, sent));
        }
    }

    /// An arrival by its number.
    pub fn sent(&self, number: usize) -> Sent {
        let mut run = self.pages[number / PAGE] as usize;
        while self.runs.get(run + 1).is_some_and(|next| next.first as usize <= number) {
            run += 1;
        }
        let Run { time, afferent, rank, first, branch } = self.runs[run];
        Sent { time, afferent, rank, branch: branch + (number as u32 - first) }
    }
}

impl Sent {
    /// What arrives, and its target in the block of its population.
    pub fn arrive<F: Real>(
        self,
        (afferents, block): (&[Afferent<F>], usize),
    ) -> (Arrival<F>, usize) {
        let Self { time, rank, afferent, branch: index } = self;
        let from = &afferents[afferent as usize];
        let branch = &from.fans.of(block).branches[index as usize];
        let arrival = Arrival {
            time: time + branch.delay,
            rank,
            afferent,
            branch: index,
            receptor: from.receptor as u32,
            weight: from.weight(branch),
        };
        (arrival, branch.post as usize)
    }
}
