//! A network as a stream needs it: neurons in the order in which they act, synapses by source and delay.

use crate::arrivals::check_synapse;
use crate::network::{NamedLayer, Origin, Projection};
use crate::simulate::check_constants;
use crate::{Network, Real, SimulationError, SpikingNetwork};
use std::ops::Range;

/// What does not change while a stream runs.
#[derive(Debug)]
pub(super) struct Wiring<F: Real> {
    pub layers: Vec<NamedLayer<F>>,
    /// (layer, index) of every neuron. Groups follow each other in the order of simulation, so at one
    /// time a neuron acts after all that come before it here, as in a trial.
    pub members: Vec<(usize, usize)>,
    /// The place of each layer's first neuron in `members`.
    pub first: Vec<usize>,
    /// One per projection.
    pub fans: Vec<Fan<F>>,
    pub channels: usize,
    /// How many spikes a neuron may fire at once.
    pub burst: usize,
}

/// The synapses of a projection, source by source, and those of a source by delay.
#[derive(Debug)]
pub(super) struct Fan<F> {
    pub origin: Origin,
    pub receptor: usize,
    /// The place of the target layer's first neuron.
    pub target: usize,
    /// Whether it leads from a group of layers to the same group.
    pub internal: bool,
    /// Those of source k are `contacts[starts[k]..starts[k + 1]]`.
    starts: Vec<usize>,
    pub contacts: Vec<Contact<F>>,
}

/// One synapse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contact<F> {
    pub delay: F,
    pub weight: F,
    /// The target's index in its layer.
    pub post: u32,
    /// The index among all of the projection.
    pub synapse: u32,
}

impl<F: Real> Wiring<F> {
    pub fn new(network: &SpikingNetwork<F>) -> Result<Self, SimulationError> {
        check_constants(network)?;
        let mut members = Vec::new();
        let mut first = vec![0; network.layers.len()];
        let mut group_of = vec![0; network.layers.len()];
        for (group, layers) in network.groups.iter().enumerate() {
            for &layer in layers {
                (first[layer], group_of[layer]) = (members.len(), group);
                members.extend((0..network.layers[layer].layer.size()).map(|n| (layer, n)));
            }
        }
        let fan = |p: &Projection<F>| {
            let same = |layer: usize| group_of[layer] == group_of[p.target];
            let internal = matches!(p.origin, Origin::Layer(layer) if same(layer));
            Fan::new(p, first[p.target], internal)
        };
        Ok(Self {
            layers: network.layers.clone(),
            fans: network.projections.iter().map(fan).collect::<Result<_, _>>()?,
            channels: network.channels(),
            burst: network.spike_budget(0.0),
            members,
            first,
        })
    }
}

impl<F: Real> Fan<F> {
    fn new(p: &Projection<F>, target: usize, internal: bool) -> Result<Self, SimulationError> {
        let (posts, pres) = p.synapses.shape();
        let mut starts = vec![0; pres + 1];
        for post in 0..posts {
            for synapse in p.synapses.row(post).iter() {
                check_synapse(p, post, &synapse)?;
                starts[synapse.pre + 1] += 1;
            }
        }
        for pre in 0..pres {
            starts[pre + 1] += starts[pre];
        }
        let empty = Contact { delay: F::zero(), weight: F::zero(), post: 0, synapse: 0 };
        let mut contacts = vec![empty; starts[pres]];
        let mut next = starts.clone();
        for post in 0..posts {
            for s in p.synapses.row(post).iter() {
                let (post, synapse) = (post as u32, s.index as u32);
                contacts[next[s.pre]] = Contact { delay: s.delay, weight: s.weight, post, synapse };
                next[s.pre] += 1;
            }
        }
        for w in starts.windows(2) {
            contacts[w[0]..w[1]]
                .sort_unstable_by(|a, b| a.delay.as_f64().total_cmp(&b.delay.as_f64()));
        }
        Ok(Self { origin: p.origin, receptor: p.receptor, target, internal, starts, contacts })
    }

    /// The synapses of an input channel, if it is one of this projection's sources.
    pub fn of_channel(&self, channel: usize) -> Option<Range<usize>> {
        let Origin::Input { first } = self.origin else { return None };
        let source = channel.checked_sub(first)?;
        (source + 1 < self.starts.len()).then(|| self.of_source(source))
    }

    /// The synapses of a neuron, if it is one of this projection's sources.
    pub fn of_neuron(&self, layer: usize, neuron: usize) -> Option<Range<usize>> {
        (self.origin == Origin::Layer(layer)).then(|| self.of_source(neuron))
    }

    fn of_source(&self, source: usize) -> Range<usize> {
        self.starts[source]..self.starts[source + 1]
    }
}
