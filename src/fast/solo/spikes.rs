//! The spikes that may arrive at a layer in a stretch, by source and by the leg that a delay ends in.

use super::plan::Afferent;
use super::stretch::Stretch;
use crate::fast::afferent::Both;
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
    /// Leg by leg, those of every source.
    groups: Vec<Group>,
    sources: usize,
    legs_per_ms: f64,
    /// The sources of which there are any.
    active: Vec<u32>,
}

impl Spikes {
    /// Turns to a stretch; `leg` is the length of a leg.
    pub fn turn<F: Real>(
        &mut self,
        afferent: &Afferent<F>,
        trains: &SpikeTrains,
        (stretch, leg): (&Stretch, f64),
    ) {
        self.near.clear();
        self.groups.clear();
        // Exact, as legs are powers of two.
        (self.sources, self.legs_per_ms) = (afferent.sources, leg.recip());
        // What takes longer arrives later.
        let longest = afferent.rows.longest.min(stretch.end);
        for shift in (0..).map(|k| f64::from(k) * leg).take_while(|&shift| shift <= longest) {
            for source in 0..afferent.sources {
                let channel = afferent.origin.first() + source;
                let train = trains.channel(channel);
                let first = train.partition_point(|&t| t + shift + leg < stretch.start);
                let train = &train[first..];
                let train = &train[..train.partition_point(|&t| t + shift < stretch.end)];
                let start = self.near.len() as u32;
                self.near.extend(train.iter().map(|&time| Near {
                    time,
                    factors: afferent.factors(time + shift - stretch.start),
                }));
                let spike = (trains.offsets()[channel] + first) as u32;
                self.groups.push(Group { start, end: self.near.len() as u32, spike });
            }
        }
        let any = |&source: &usize| {
            let legs = self.groups[source..].iter().step_by(self.sources);
            legs.clone().any(|group| group.start < group.end)
        };
        self.active.clear();
        self.active.extend((0..self.sources).filter(any).map(|source| source as u32));
    }

    /// The places in a row of the synapses that something may arrive through.
    #[inline]
    pub fn candidates<F>(&self, row: &Row<'_, F>) -> impl Iterator<Item = usize> {
        let dense = row.sources == Presynaptic::All;
        let count = if dense { self.active.len() } else { row.weights.len() };
        (0..count).map(move |k| if dense { self.active[k] as usize } else { k })
    }

    /// Those of a source that arrive in the stretch after a delay.
    #[inline]
    pub fn arriving(&self, source: usize, delay: f64, stretch: &Stretch) -> Range<usize> {
        if delay >= stretch.end {
            return 0..0;
        }
        let leg = (delay * self.legs_per_ms) as u32 as usize;
        let Some(group) = self.groups.get(leg * self.sources + source) else { return 0..0 };
        let (mut start, mut end) = (group.start as usize, group.end as usize);
        // One by one: of few spikes few are beyond, and to halve them again and again is as hard to foresee.
        while start < end && self.near[start].time + delay < stretch.start {
            start += 1;
        }
        while start < end && self.near[end - 1].time + delay >= stretch.end {
            end -= 1;
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
