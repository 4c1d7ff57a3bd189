//! The adjoint of the neurons of a block in a slab, and how arrivals read it.

use crate::Real;
use crate::fast::afferent::{Afferent, Flight};
use crate::fast::fan::Fan;
use crate::fast::grid::Window;
use crate::fast::own::{Back, Own, Owns, Sums};
use crate::layer::ModeBank;

/// A stretch between two events of a neuron: its end, and the adjoint then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<F, const R: usize, const K: usize> {
    pub end: f64,
    pub mode: Back<F, R, K>,
}

/// What is carried back through a neuron besides what arrivals read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aside<F> {
    /// dL/d of the raise of the threshold.
    pub raise: F,
    /// While V is held: dL/d of the time left, and p_V and W of the release.
    pub hold: F,
    pub released: (F, F),
}

impl<F: Real> Aside<F> {
    pub fn zero() -> Self {
        Self { raise: F::zero(), hold: F::zero(), released: (F::zero(), F::zero()) }
    }
}

/// The adjoint of the neurons of a block in a slab.
#[derive(Debug)]
pub(super) struct Adjoint<F, const R: usize, const K: usize> {
    /// As of the time that is passed.
    pub present: Vec<Back<F, R, K>>,
    /// What is not read.
    pub aside: Vec<Aside<F>>,
    /// Bucket by bucket, that of all neurons; NaN where a spike falls into the bucket.
    pub rows: Vec<Back<F, R, K>>,
    /// Of the neurons that fire in the slab, latest first.
    pub segments: Vec<Vec<Segment<F, R, K>>>,
}

impl<F: Real, const R: usize, const K: usize> Adjoint<F, R, K> {
    /// Writes down the adjoint of all neurons at the end of a bucket.
    pub fn tabulate(&mut self, bucket: usize) {
        let size = self.present.len();
        self.rows[bucket * size..(bucket + 1) * size].copy_from_slice(&self.present);
    }

    /// A neuron's adjoint passes an event of its own in a bucket, up to whose end it is what it is at present if
    /// this is the first.
    pub fn pass(&mut self, slot: usize, (bucket, end): (usize, f64), before: Segment<F, R, K>) {
        let segments = &mut self.segments[slot];
        let row = &mut self.rows[bucket * self.present.len() + slot];
        if segments.is_empty() || !row.p().mem.is_nan() {
            segments.push(Segment { end, mode: self.present[slot] });
        }
        segments.push(before);
        row.0[0].mem = F::nan();
        self.present[slot] = before.mode;
    }

    /// The adjoint of a neuron at an earlier time in a bucket that ends at `end`. Takes that of its raise there too.
    pub fn back(
        &mut self,
        slot: usize,
        (bank, own): (&ModeBank<F>, &Own<F>),
        (end, time): (f64, f64),
        sums: &mut Sums<F, R>,
    ) -> Back<F, R, K> {
        let last = self.segments[slot].last().map_or(end, |s| s.end.min(end));
        let dt = F::of(last - time);
        let mut mode = self.present[slot];
        own.flow_back(dt, &mut mode, sums);
        self.aside[slot].raise *= bank.raise_decay(dt);
        mode
    }

    /// Where a spike falls into the bucket: its side decides. A spike precedes an arrival of its time.
    fn beside_spike(&self, slot: usize, time: f64) -> (&Back<F, R, K>, f64) {
        let segments = &self.segments[slot];
        let after = segments.partition_point(|s| s.end > time).saturating_sub(1);
        segments.get(after).map_or((&self.present[slot], time), |s| (&s.mode, s.end))
    }

    /// What a spike sees where it arrives through a branch at a neuron: dL/dw, and dL/dt
    /// for weight 1. Adds to the sums for gradients by constants.
    #[inline]
    fn see(
        &self,
        (slot, own, sums): (usize, &Own<F>, &mut Sums<F, R>),
        (receptor, weight): (usize, F),
        time: f64,
        window: &Window,
    ) -> (F, F) {
        let bucket = window.bucket(time);
        let row = &self.rows[bucket * self.present.len() + slot];
        let (row, end) = if row.p().mem.is_nan() {
            self.beside_spike(slot, time)
        } else {
            (row, window.end_of(bucket))
        };
        let p_v = row.p().mem;
        let dt = F::of(end - time);
        let (decay_mem, decay, response) = own.after(receptor, dt);
        let none = (F::zero(), F::zero());
        let lags = if K > 1 { own.lags_after(receptor, dt) } else { none };
        let (by_weight, x, q) = row.earlier(receptor, dt, (decay, response, lags));
        if K > 1 {
            sums.parts.mem += weight * x;
            sums.parts.syn[receptor] += weight * q;
        }
        (by_weight, by_weight * own.rate_syn[receptor] - p_v * decay_mem * own.rate_mem)
    }

    /// Reads where a spike arrives in a slab: adds to what its branches have seen, and returns its dL/dt.
    pub fn read(
        &self,
        afferent: &Afferent<F>,
        fan: &Fan<F>,
        (slot, owns): (usize, Owns<'_, F>),
        flight: &mut Flight<F>,
        (seen, sums): (&mut [(F, F)], &mut [Sums<F, R>]),
        window: &Window,
    ) -> F {
        let start = fan.of(flight.source as usize).start;
        let mut by_time = F::zero();
        while flight.next as usize > start {
            let at = flight.next as usize - 1;
            let branch = &fan.branches[at];
            let time = flight.time + branch.delay;
            if time < window.start {
                break;
            }
            let post = branch.post as usize;
            let target = (slot + post, owns.of(post), &mut sums[slot + post]);
            let (by_weight, unit) = self.see(target, (afferent.receptor, branch.syn), time, window);
            seen[at].0 += by_weight;
            seen[at].1 += unit;
            by_time += branch.syn * unit;
            flight.next -= 1;
        }
        by_time
    }
}
