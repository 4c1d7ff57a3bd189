//! Reads the adjoint synapse after synapse.

use super::course::Course;
use crate::Real;
use crate::fast::afferent::{Afferent, Both};
use crate::fast::fan::Branch;
use crate::fast::grid::Window;
use std::ops::Range;

/// The spikes of one source of an afferent.
pub(super) struct Source<'a, F> {
    pub afferent: &'a Afferent<F>,
    /// The stretch in which they arrive.
    pub window: &'a Window,
    pub spikes: &'a [f64],
    /// Of each exp(x / tau), with x its time from the start of the stretch in which it was sent.
    pub factors: &'a [Both],
    /// dL/dt.
    pub times: &'a mut [F],
}

/// A spike that may arrive after a delay within a leg.
#[derive(Debug)]
pub(super) struct Near {
    time: f64,
    /// exp(x / tau), with x the time at which it would arrive after the start of the leg.
    factors: Both,
    /// What the synapses with such delays add up to.
    sums: Both,
}

impl<F: Real> Source<'_, F> {
    /// Reads the adjoint of the neurons from `slot` on where the spikes arrive through the branches: adds to what each
    /// of these has seen, and if they are `TIMED` dL/dt to the spikes that did not read it when they were passed.
    // Apart from its caller there are registers enough.
    #[inline(never)]
    pub fn gather<const R: usize, const TIMED: bool>(
        mut self,
        (mut branches, mut seen): (&[Branch<F>], &mut [(F, F)]),
        (course, slot): (&Course<R>, usize),
        near: &mut Vec<Near>,
    ) {
        let Window { start, end, .. } = *self.window;
        let receptor = if R == 1 { 0 } else { self.afferent.receptor };
        while let Some(&Branch { delay, .. }) = branches.first() {
            let leg = self.afferent.leg_of(delay);
            let nearest = self.spikes.partition_point(|&t| t + leg.end < start);
            let latest = self.spikes.partition_point(|&t| t + delay < end);
            if latest == 0 {
                break;
            }
            let (of_leg, rest) = branches.split_at(branches.partition_point(|b| b.delay < leg.end));
            let (seen_of_leg, seen_of_rest) = seen.split_at_mut(of_leg.len());
            (branches, seen) = (rest, seen_of_rest);
            if nearest == latest {
                continue;
            }
            self.approach(near, nearest..latest, leg.start);
            // Those that arrive: they are earlier, the longer the delay.
            let near = near.as_mut_slice();
            let (mut first, mut last) = (near.partition_point(|s| s.time < start), near.len());
            for (branch, seen) in of_leg.iter().zip(seen_of_leg) {
                let delay = branch.delay;
                while first > 0 && near[first - 1].time + delay >= start {
                    first -= 1;
                }
                while last > first && near[last - 1].time + delay >= end {
                    last -= 1;
                }
                if first == last {
                    continue;
                }
                let line = course.of(slot + branch.post as usize);
                let mut by: Both = [0.0; 2];
                if TIMED {
                    let parts = [branch.mem.as_f64(), branch.syn.as_f64()];
                    for Near { time, factors, sums } in &mut near[first..last] {
                        let mode = line.at(*time + delay);
                        let mode = [mode.mem, mode.syn[receptor]];
                        for k in 0..2 {
                            by[k] += factors[k] * mode[k];
                            sums[k] += parts[k] * mode[k];
                        }
                    }
                } else {
                    // Apart from the above, as a loop that only reads takes fewer instructions.
                    for Near { time, factors, .. } in &near[first..last] {
                        let mode = line.at(*time + delay);
                        by[0] += factors[0] * mode.mem;
                        by[1] += factors[1] * mode.syn[receptor];
                    }
                }
                seen.0 += F::of(by[0]);
                seen.1 += F::of(by[1]);
            }
            if TIMED {
                self.settle(near, nearest);
            }
        }
    }

    /// The spikes that may arrive after a delay in the leg that starts here.
    fn approach(&self, near: &mut Vec<Near>, spikes: Range<usize>, leg: f64) {
        let (afferent, start) = (self.afferent, self.window.start);
        let hop = afferent.factors(leg);
        near.clear();
        near.extend(spikes.map(|k| {
            let time = self.spikes[k];
            // Those of spikes from before the stretch might be too small.
            let factors = if time < start {
                afferent.factors(time + leg - start)
            } else {
                [self.factors[k][0] * hop[0], self.factors[k][1] * hop[1]]
            };
            Near { time, factors, sums: [0.0; 2] }
        }));
    }

    /// Adds dL/dt to the spikes, from the nearest on.
    fn settle(&mut self, near: &[Near], nearest: usize) {
        let Self { afferent, window, .. } = *self;
        for (by_time, near) in self.times[nearest..].iter_mut().zip(near) {
            if afferent.source.is_none() || near.time < window.start {
                *by_time += F::of(afferent.by_time(near.factors, near.sums));
            }
        }
    }
}
