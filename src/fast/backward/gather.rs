//! Reads the adjoint synapse after synapse.

use super::course::Course;
use crate::Real;
use crate::fast::afferent::{Afferent, Both};
use crate::fast::fan::Branch;
use crate::fast::grid::Window;

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
    /// of these has seen, and dL/dt to the spikes that did not read it when they were passed.
    pub fn gather<const R: usize>(
        mut self,
        (branches, seen): (&[Branch<F>], &mut [(F, F)]),
        (course, slot): (&Course<R>, usize),
        near: &mut Vec<Near>,
    ) {
        let spikes = self.spikes;
        let Window { start, end, .. } = *self.window;
        // Those that arrive: they are earlier, the longer the delay.
        let mut first = spikes.partition_point(|&t| t < start);
        let mut last = spikes.partition_point(|&t| t < end);
        let receptor = if R == 1 { 0 } else { self.afferent.receptor };
        let longest = branches.last().map_or(0.0, |b| b.delay);
        if spikes[..last].last().is_none_or(|t| t + longest < start) {
            return;
        }
        let (mut leg, mut nearest) = (0.0..0.0, 0);
        for (branch, seen) in branches.iter().zip(seen) {
            let delay = branch.delay;
            while first > 0 && spikes[first - 1] + delay >= start {
                first -= 1;
            }
            while last > first && spikes[last - 1] + delay >= end {
                last -= 1;
            }
            if last == 0 {
                break;
            }
            if first == last {
                continue;
            }
            if delay >= leg.end {
                self.settle(near, nearest);
                leg = self.afferent.leg_of(delay);
                nearest = spikes.partition_point(|&t| t + leg.end < start);
                self.approach(near, (nearest, last), leg.start);
            }
            let line = course.of(slot + branch.post as usize);
            let parts = [branch.mem.as_f64(), branch.syn.as_f64()];
            let mut by: Both = [0.0; 2];
            let near = &mut near[first - nearest..last - nearest];
            for Near { time, factors, sums } in near {
                let mode = line.at(*time + delay);
                let mode = [mode.mem, mode.syn[receptor]];
                for k in 0..2 {
                    by[k] += factors[k] * mode[k];
                    sums[k] += parts[k] * mode[k];
                }
            }
            let [by_mem, by_syn] = by;
            seen.0 += F::of(by_mem);
            seen.1 += F::of(by_syn);
        }
        self.settle(near, nearest);
    }

    /// The spikes that may arrive after a delay in the leg that starts here.
    fn approach(&self, near: &mut Vec<Near>, (nearest, last): (usize, usize), leg: f64) {
        let (afferent, start) = (self.afferent, self.window.start);
        let hop = afferent.factors(leg);
        near.extend((nearest..last).map(|k| {
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

    /// Adds dL/dt to the spikes, from the nearest on, and leaves none near.
    fn settle(&mut self, near: &mut Vec<Near>, nearest: usize) {
        let Self { afferent, window, .. } = *self;
        for (by_time, near) in self.times[nearest..].iter_mut().zip(near.drain(..)) {
            if afferent.source.is_none() || near.time < window.start {
                *by_time += F::of(afferent.by_time(near.factors, near.sums));
            }
        }
    }
}
