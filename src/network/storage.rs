//! Names and shapes of parameters in files.

use super::{Origin, Projection, SpikingNetwork};
use crate::hash::fnv1a;
use crate::{Bounds, DelayKind, ParameterKind, Presynaptic, Real, Synapses};
use std::collections::BTreeMap;

/// The names and shapes under which the parameters of a network are stored.
///
/// Those of a [`SpikingNetwork`] read as in other libraries: `layers.hidden.weight`,
/// `layers.hidden.delay`, `layers.hidden.recurrent.weight`, `layers.hidden.tau_mem`. A layer that several
/// others project to has `layers.hidden.from.SOURCE.weight`. Several delays of one projection are numbered,
/// `delay.0`, `delay.1`. A name that is taken gets `#2`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StorageLayout {
    /// Name and shape of each block of parameters, in the order of [`Network::parameters`](super::Network::parameters):
    /// post x pre for what there is per synapse of a dense projection, else a list.
    pub blocks: Vec<(String, Vec<usize>)>,
    /// For each sparse projection, the targets and the sources of its synapses, in order:
    /// `layers.hidden.post`, `layers.hidden.pre`.
    pub indices: Vec<(String, Vec<u32>)>,
    /// What the blocks of learned delays are, by name. Synapses from outside of the crate are not here.
    pub delays: BTreeMap<String, DelayKind>,
    /// A hash of what is not trained, by the name of its projection or layer: fixed weights and delays, which
    /// synapses share a delay, ranges of weights, which receptor they reach, constants. Of a layer from outside of the
    /// crate it is that of [`Layer::fixed`](crate::Layer::fixed), if it tells them.
    pub fixed: BTreeMap<String, u64>,
}

impl StorageLayout {
    /// Adds a block of parameters.
    pub fn push(&mut self, name: String, shape: Vec<usize>) {
        let name = self.free(name);
        self.blocks.push((name, shape));
    }

    /// Adds a block of learned delays.
    pub fn push_delays(&mut self, name: String, shape: Vec<usize>, kind: DelayKind) {
        let name = self.free(name);
        self.delays.insert(name.clone(), kind);
        self.blocks.push((name, shape));
    }

    /// Adds a list of neurons.
    pub fn push_index(&mut self, name: String, neurons: Vec<u32>) {
        let name = self.free(name);
        self.indices.push((name, neurons));
    }

    fn free(&self, name: String) -> String {
        let taken = |name: &String| {
            self.blocks.iter().any(|(n, _)| n == name)
                || self.indices.iter().any(|(n, _)| n == name)
        };
        if !taken(&name) {
            return name;
        }
        let mut numbered = (2_usize..).map(|k| format!("{name}#{k}"));
        numbered.find(|n| !taken(n)).unwrap_or(name)
    }
}

/// Of the network of this crate.
pub(super) fn of<F: Real>(network: &SpikingNetwork<F>) -> StorageLayout {
    let mut storage = StorageLayout { fixed: fixed(network), ..StorageLayout::default() };
    for projection in &network.projections {
        let prefix = prefix(network, projection);
        let synapses = &projection.synapses;
        let (posts, pres) = synapses.shape();
        let listed = |post| matches!(synapses.row(post).sources, Presynaptic::List(_));
        let dense = !(0..posts).any(listed) && synapses.synapses() == posts * pres;
        let parameters = synapses.parameters();
        let mut kinds = synapses.delay_kinds().into_iter();
        for (k, parameter) in parameters.iter().enumerate() {
            let kind = parameter.kind;
            let mut alike = parameters.iter().enumerate().filter(|(_, p)| p.kind == kind);
            let name = match alike.clone().count() {
                1 => format!("{prefix}.{kind}"),
                _ => {
                    let number = alike.position(|(other, _)| other == k).unwrap_or(0);
                    format!("{prefix}.{kind}.{number}")
                }
            };
            let len = parameter.values.len();
            let shape = if dense && len == posts * pres { vec![posts, pres] } else { vec![len] };
            let delays = (kind == ParameterKind::Delay).then(|| kinds.next()).flatten();
            match delays {
                Some(delays) => storage.push_delays(name, shape, delays),
                None => storage.push(name, shape),
            }
        }
        if !dense {
            let edges = || synapses.iter().map(|(post, synapse)| (post, synapse.pre));
            storage.push_index(
                format!("{prefix}.post"),
                edges().map(|(post, _)| post as u32).collect(),
            );
            storage
                .push_index(format!("{prefix}.pre"), edges().map(|(_, pre)| pre as u32).collect());
        }
    }
    for layer in &network.layers {
        for parameter in layer.layer.parameters() {
            storage.push(
                format!("layers.{}.{}", layer.name, parameter.kind),
                vec![parameter.values.len()],
            );
        }
    }
    storage
}

/// Hashes of what is not trained, ranges of weights, groups of delays and receptors included.
fn fixed<F: Real>(network: &SpikingNetwork<F>) -> BTreeMap<String, u64> {
    let projections = network.projections.iter().map(|projection| {
        // What is left when all that is trained is 0.
        let mut synapses = projection.synapses.clone();
        let mut ranges = Vec::new();
        let mut kinds = synapses.delay_kinds().into_iter();
        for parameter in synapses.parameters_mut() {
            let is_smooth = parameter.kind == ParameterKind::Delay
                && kinds.next().is_some_and(|kind| kind.smooth);
            // So that the delay is 0.
            let zero = if is_smooth { F::neg_infinity() } else { F::zero() };
            parameter.values.fill(parameter.bounds.project(zero));
            // Delays tell theirs by their kind.
            let Bounds { lower, upper } = parameter.bounds;
            if parameter.kind == ParameterKind::Weight && (lower.is_finite() || upper.is_finite()) {
                ranges.extend([lower, upper].map(F::as_f64));
            }
        }
        synapses.update();
        let values = synapses.iter().flat_map(|(_, s)| [s.weight, s.delay].map(F::as_f64));
        // Which synapses share a delay, too.
        let stored = projection.synapses.to_stored();
        let groups: Vec<f64> = stored.iter().flat_map(Synapses::groups).map(f64::from).collect();
        let receptor = [projection.receptor as f64];
        (projection.name.clone(), hash(values.chain(ranges).chain(groups).chain(receptor)))
    });
    let constants = network
        .layers
        .iter()
        .filter_map(|layer| Some((layer.name.clone(), hash(layer.layer.fixed()?.into_iter()))));
    projections.chain(constants).collect()
}

fn hash(values: impl Iterator<Item = f64>) -> u64 {
    fnv1a(values.flat_map(|value| value.to_bits().to_le_bytes()))
}

fn prefix<F: Real>(network: &SpikingNetwork<F>, projection: &Projection<F>) -> String {
    let target = projection.target;
    let name = &network.layers[target].name;
    let itself = Origin::Layer(target);
    if projection.origin == itself {
        return format!("layers.{name}.recurrent");
    }
    let others = network.projections.iter().filter(|p| p.target == target && p.origin != itself);
    if others.count() == 1 {
        return format!("layers.{name}");
    }
    let source = match projection.origin {
        Origin::Layer(layer) => network.layers[layer].name.as_str(),
        Origin::Input { first } => {
            let mut end = 0_usize;
            let mut inputs = network.inputs.iter();
            let found = inputs.find(|(_, size)| {
                end = end.saturating_add(*size);
                first < end
            });
            found.map_or("input", |(name, _)| name.as_str())
        }
    };
    format!("layers.{name}.from.{source}")
}
