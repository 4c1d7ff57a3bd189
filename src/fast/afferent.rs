//! The spikes that reach a layer through one projection.

use super::fan::{Branch, Factors, Fan};
use super::grid::Grid;
use crate::network::{Origin, Projection};
use crate::{Presynaptic, Real, Row, SpikeTrains, SpikingNetwork};
use std::ops::Range;
use std::sync::Arc;

/// A spike on its way to the targets of its source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight<F> {
    /// When it was sent.
    pub time: f64,
    pub bucket: u32,
    pub factors: Factors<F>,
    pub source: u32,
    /// 0 if known from the start, else 1 + its rank in the group.
    pub rank: u32,
    /// The branch of the fan that is next.
    pub next: usize,
}

impl<F: Real> Flight<F> {
    /// When it arrives, in which bucket, and whether the offsets of spike and delay add up to more than
    /// a bucket.
    #[inline]
    pub fn arrival(&self, branch: &Branch<F>, width: f64) -> (f64, usize, usize) {
        let time = self.time + branch.delay;
        let bucket = self.bucket + branch.bucket;
        let carry = usize::from(time >= f64::from(bucket + 1) * width);
        (time, bucket as usize + carry, carry)
    }
}

/// A projection onto a layer of a group.
pub(super) struct Afferent<'a, F: Real> {
    pub projection: &'a Projection<F>,
    pub number: usize,
    pub fan: Arc<Fan<F>>,
    /// The spikes of the sources, if known from the start.
    pub known: Option<&'a SpikeTrains>,
    /// The population of the group that it leads to, and the one that it comes from if inside.
    pub target: usize,
    pub source: Option<usize>,
}

impl<'a, F: Real> Afferent<'a, F> {
    /// The channels of the sources among those of the trains they come from.
    fn channels(&self) -> Range<usize> {
        let first = self.projection.origin.first();
        first..first + self.projection.synapses.shape().1
    }

    /// All known spikes at their start, in the order of their sources.
    pub fn flights(&self, grid: &Grid) -> Vec<Flight<F>> {
        let Some(trains) = self.known else { return Vec::new() };
        let sources = self.channels().enumerate();
        let spikes = sources.flat_map(|(source, channel)| {
            let next = self.fan.of(source).start;
            trains.channel(channel).iter().map(move |&time| {
                let (bucket, offset) = grid.split(time);
                let factors = self.fan.factors(offset);
                Flight { time, bucket, factors, source: source as u32, rank: 0, next }
            })
        });
        spikes.collect()
    }

    /// The times of all known spikes, in the same order.
    pub fn times(&self) -> &'a [f64] {
        self.known.map_or(&[], |trains| {
            let (offsets, channels) = (trains.offsets(), self.channels());
            &trains.times()[offsets[channels.start]..offsets[channels.end]]
        })
    }

    /// The place of the first known spike among all of the trains it comes from.
    pub fn first_place(&self) -> usize {
        self.known.map_or(0, |trains| trains.offsets()[self.channels().start])
    }
}

/// The source of the k-th synapse of a row.
#[inline]
pub(super) fn source<F>(row: &Row<'_, F>, k: usize) -> usize {
    match row.sources {
        Presynaptic::All => k,
        Presynaptic::List(list) => list[k] as usize,
    }
}

/// The neurons of each layer of a group, numbered through.
pub(super) fn slots<F: Real>(network: &SpikingNetwork<F>, group: &[usize]) -> Vec<Range<usize>> {
    let mut first = 0;
    let slots = |&layer: &usize| {
        let slots = first..first + network.layers[layer].layer.size();
        first = slots.end;
        slots
    };
    group.iter().map(slots).collect()
}

/// The layer of a group that a projection comes from.
pub(super) fn inside<F: Real>(projection: &Projection<F>, group: &[usize]) -> Option<usize> {
    match projection.origin {
        Origin::Layer(layer) => group.iter().position(|&l| l == layer),
        Origin::Input { .. } => None,
    }
}
