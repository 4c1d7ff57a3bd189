//! The spikes that may arrive at a layer in a stretch, by source and by the leg that a delay ends in.

use super::plan::Afferent;
use super::stretch::Stretch;
use crate::fast::afferent::Both;
use crate::fast::grid::leg_start;
use crate::synapse::{Presynaptic, Row};
use crate::{Real, SpikeTrains};
use std::ops::Range;

/// A spike that may arrive after a delay within a leg.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub time: f64,
    /// exp(x / tau_mem) and exp(x / tau_syn), with x the time from the start of the stretch at which it would arrive
    /// after the whole legs of its delay.
    pub factors: Both,
}

/// Those of one source that may arrive after a delay within one leg.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// Where they are.
    start: u32,
    end: u32,
    /// The first of them among all spikes of the source population.
    spike: u32,
}

/// Those of one projection.
#[derive(Debug, Default)]
pub(super) struct Spikes {
    near: Vec<Near>,
    /// Those of each active source, leg by leg.
    groups: Vec<Group>,
    legs: usize,
    legs_per_ms: f64,
    /// The sources that have spikes in the trial.
    firing: Vec<u32>,
    /// Those of which any may arrive in the stretch, and the place of each source among them, or [`NONE`].
    active: Vec<u32>,
    ranks: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// Spikes that are passed over one by one: more are rare.
const FEW: usize = 8;

impl Spikes {
    /// Turns to a trial with these spikes of the source population.
    pub fn begin<F: Real>(&mut self, afferent: &Afferent<F>, trains: &SpikeTrains) {
        let fires = |&source: &usize| !trains.channel(afferent.origin.first() + source).is_empty();
        self.firing.clear();
        self.firing.extend((0..afferent.sources).filter(fires).map(|source| source as u32));
        self.active.clear();
        self.ranks.clear();
        self.ranks.resize(afferent.sources, NONE);
    }

    /// Turns to a stretch; `leg` is the length of a leg.
    pub fn turn<F: Real>(
        &mut self,
        afferent: &Afferent<F>,
        trains: &SpikeTrains,
        (stretch, leg): (&Stretch, f64),
    ) {
        let Self { near, groups, firing, active, ranks, .. } = self;
        near.clear();
        groups.clear();
        for source in active.drain(..) {
            ranks[source as usize] = NONE;
        }
        // What takes longer arrives later. Exact, as legs are powers of two.
        let longest = leg_start(afferent.rows.longest.min(stretch.end), leg);
        (self.legs, self.legs_per_ms) = ((longest / leg) as usize + 1, leg.recip());
        for &source in &*firing {
            let channel = afferent.origin.first() + source as usize;
            let all = trains.channel(channel);
            let mut end = all.partition_point(|&t| t < stretch.end);
            let mut first = all.partition_point(|&t| t + longest + leg < stretch.start);
            if first >= end {
                continue;
            }
            ranks[source as usize] = active.len() as u32;
            active.push(source);
            let earliest = first;
            first = all.partition_point(|&t| t + leg < stretch.start);
            for shift in (0..self.legs).map(|k| k as f64 * leg) {
                // The longer the way, the earlier those that arrive.
                while first > earliest && all[first - 1] + shift + leg >= stretch.start {
                    first -= 1;
                }
                while end > earliest && all[end - 1] + shift >= stretch.end {
                    end -= 1;
                }
                let start = near.len() as u32;
                near.extend(all[first.min(end)..end].iter().map(|&time| Near {
                    time,
                    factors: afferent.factors(time + shift - stretch.start),
                }));
                let spike = (trains.offsets()[channel] + first) as u32;
                groups.push(Group { start, end: near.len() as u32, spike });
            }
        }
    }

    /// The places in a row of the synapses that something may arrive through, each with that of its source among the active
    /// ones.
    #[inline]
    pub fn candidates<F>(&self, row: &Row<'_, F>) -> impl Iterator<Item = (usize, usize)> {
        let sources = row.sources;
        let dense = sources == Presynaptic::All;
        let count = if dense { self.active.len() } else { row.weights.len() };
        (0..count).map(move |k| {
            if dense {
                (self.active[k] as usize, k)
            } else {
                (k, self.ranks[sources.get(k)] as usize)
            }
        })
    }

    /// Those of an active source that arrive in the stretch after a delay.
    #[inline]
    pub fn arriving(&self, rank: usize, delay: f64, stretch: &Stretch) -> Range<usize> {
        if delay >= stretch.end || rank == NONE as usize {
            return 0..0;
        }
        let leg = (delay * self.legs_per_ms) as u32 as usize;
        let Some(group) = self.groups.get(rank * self.legs + leg) else { return 0..0 };
        let (mut start, mut end) = (group.start as usize, group.end as usize);
        // One by one: of few spikes few are beyond, and to halve them again and again is as hard to foresee.
        while start < end && self.near[start].time + delay < stretch.start {
            start += 1;
            if start == group.start as usize + FEW {
                let near = &self.near[start..end];
                start += near.partition_point(|near| near.time + delay < stretch.start);
                break;
            }
        }
        while start < end && self.near[end - 1].time + delay >= stretch.end {
            end -= 1;
            if end + FEW == group.end as usize {
                let near = &self.near[start..end];
                end = start + near.partition_point(|near| near.time + delay < stretch.end);
                break;
            }
        }
        start..end
    }

    pub fn near(&self) -> &[Near] {
        &self.near
    }

    /// All of them, with the places of their spikes among all of the source population.
    pub fn places(&self) -> impl Iterator<Item = (usize, &Near)> {
        self.groups.iter().flat_map(|group| {
            let near = &self.near[group.start as usize..group.end as usize];
            (group.spike as usize..).zip(near)
        })
    }
}
