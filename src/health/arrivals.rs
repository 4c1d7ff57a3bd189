//! Counting arrivals: those lost at the end of the trial, and near ties.

use crate::network::{Origin, Projection};
use crate::{Presynaptic, Real, SpikingNetwork, Trace};

/// What [`Network::count_arrivals`](crate::Network::count_arrivals) counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArrivalCounts {
    /// See [`Health::lost_arrivals`](crate::Health::lost_arrivals).
    pub lost: usize,
    /// See [`Health::near_ties`](crate::Health::near_ties).
    pub near_ties: usize,
}

/// What counting arrivals needs; kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last spike of each source.
    last: Vec<f64>,
    /// The longest delay of each projection, and the version of the parameters that it belongs to.
    longest: Vec<f64>,
    version: Option<u64>,
}

impl Memory {
    fn know_delays<F: Real>(&mut self, network: &SpikingNetwork<F>) {
        if self.version == Some(network.version) {
            return;
        }
        let longest = |p: &Projection<F>| {
            let rows = (0..p.synapses.shape().0).map(|post| p.synapses.row(post));
            rows.flat_map(|row| row.delays).fold(0.0, |most: f64, d| most.max(d.as_f64()))
        };
        self.longest.clear();
        self.longest.extend(network.projections.iter().map(longest));
        self.version = Some(network.version);
    }
}

/// Counts arrivals without looking at each: only synapses whose last arrival is late are gone through,
/// and only if one of the projection may be.
pub(crate) fn count_arrivals<F: Real>(
    network: &SpikingNetwork<F>,
    trace: &Trace<F>,
    near: Option<f64>,
    memory: &mut Memory,
) -> ArrivalCounts {
    let mut counts = ArrivalCounts::default();
    memory.know_delays(network);
    let Memory { last, longest, .. } = memory;
    for (projection, longest) in network.projections.iter().zip(longest) {
        let spikes = trace.sources(projection.origin);
        let (posts, pres) = projection.synapses.shape();
        let first = projection.origin.first();
        let sources = Sources { projection, trace, first };
        let last_of = |pre| spikes.channel(first + pre).last().copied();
        last.clear();
        last.extend((0..pres).map(|pre| last_of(pre).unwrap_or(f64::NEG_INFINITY)));
        let latest = last.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if latest + *longest >= trace.duration {
            counts.lost += (0..posts).map(|post| sources.lost(post, last)).sum::<usize>();
        }
        if let Some(near) = near {
            let neurons = network.layers[projection.target].layer.linear();
            let rest = |post| neurons?.bank(post).rest().map(Real::as_f64);
            let near_ties = |post| sources.near_ties(post, rest(post), near);
            counts.near_ties += (0..posts).map(near_ties).sum::<usize>();
        }
    }
    counts
}

/// The spikes that travel through a projection.
struct Sources<'a, F: Real> {
    projection: &'a Projection<F>,
    trace: &'a Trace<F>,
    first: usize,
}

impl<F: Real> Sources<'_, F> {
    fn train(&self, pre: usize) -> &[f64] {
        self.trace.sources(self.projection.origin).channel(self.first + pre)
    }

    /// Arrivals at a neuron that come too late.
    fn lost(&self, post: usize, last: &[f64]) -> usize {
        let duration = self.trace.duration;
        let row = self.projection.synapses.row(post);
        // Counting them first, without a branch, is what nearly all rows come to.
        let late = |last: f64, delay: &F| usize::from(last + delay.as_f64() >= duration);
        let synapses: usize = match row.sources {
            Presynaptic::All => row.delays.iter().zip(last).map(|(d, &l)| late(l, d)).sum(),
            Presynaptic::List(list) => {
                row.delays.iter().zip(list).map(|(d, &pre)| late(last[pre as usize], d)).sum()
            }
        };
        if synapses == 0 {
            return 0;
        }
        let lost = |pre: usize, delay: f64| {
            let train = self.train(pre);
            train.len() - train.partition_point(|t| t + delay < duration)
        };
        row.iter().map(|synapse| lost(synapse.pre, synapse.delay.as_f64())).sum()
    }

    /// Arrivals at a neuron as close as `near` to one of its spikes that did not send it, or to the end of the `rest` after one.
    fn near_ties(&self, post: usize, rest: Option<f64>, near: f64) -> usize {
        let Projection { origin, target, synapses, .. } = self.projection;
        let own = self.trace.layers[*target].spikes.channel(post);
        if own.is_empty() {
            return 0;
        }
        let mut count = 0;
        for synapse in synapses.row(post).iter() {
            let to_itself = *origin == Origin::Layer(*target) && synapse.pre == post;
            let mut spikes = Cursor { times: own, next: 0 };
            let mut releases = Cursor { times: own, next: 0 };
            for (number, time) in self.train(synapse.pre).iter().enumerate() {
                let time = time + synapse.delay.as_f64();
                if time >= self.trace.duration {
                    break;
                }
                let sent = |spike: usize| to_itself && spike == number;
                let is_near = spikes.within(time, near).any(|spike| !sent(spike))
                    || rest.is_some_and(|rest| releases.within(time - rest, near).next().is_some());
                count += usize::from(is_near);
            }
        }
        count
    }
}

/// Finds times close to others that grow.
struct Cursor<'a> {
    times: &'a [f64],
    next: usize,
}

impl Cursor<'_> {
    /// The numbers of those as close as `near`.
    fn within(&mut self, time: f64, near: f64) -> impl Iterator<Item = usize> {
        while self.times.get(self.next).is_some_and(|other| *other < time - near) {
            self.next += 1;
        }
        (self.next..self.times.len()).take_while(move |&k| self.times[k] <= time + near)
    }
}
