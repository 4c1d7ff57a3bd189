//! Which neurons of a group drive which.

use super::grid::{Afferent, Factors, Fixed, source};
use crate::network::Origin;
use crate::{Real, SpikingNetwork};
use std::ops::Range;

/// A layer of a group.
pub(super) struct Part {
    pub layer: usize,
    /// Its neurons among those of the group.
    pub slots: Range<usize>,
    /// What drives it.
    pub afferents: Vec<usize>,
}

/// The layers of a group.
pub(super) fn parts<F: Real>(
    network: &SpikingNetwork<F>,
    group: &[usize],
    afferents: &[Afferent<'_, F>],
) -> Vec<Part> {
    let mut first = 0;
    let part = |&layer: &usize| {
        let slots = first..first + network.layers[layer].layer.size();
        first = slots.end;
        let drives = |(_, a): &(usize, &Afferent<'_, F>)| a.projection.target == layer;
        let afferents = afferents.iter().enumerate().filter(drives).map(|(k, _)| k).collect();
        Part { layer, slots, afferents }
    };
    group.iter().map(part).collect()
}

/// A synapse inside a group, as its source sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// The neuron among those of the group.
    pub slot: u32,
    /// The synapse, counted over all that lead to that neuron, and from the first of its row.
    pub number: u32,
    pub nth: u32,
    pub delay: Fixed,
}

/// The synapses from one layer of a group to another, source by source.
pub(super) struct Outgoing {
    pub afferent: usize,
    /// The layer of the group that they start from.
    pub source: usize,
    /// Those of source k are `targets[starts[k]..starts[k + 1]]`.
    starts: Vec<usize>,
    targets: Vec<Target>,
}

impl Outgoing {
    /// The synapses of one source, in the order of the targets.
    pub fn from(&self, pre: usize) -> &[Target] {
        &self.targets[self.starts[pre]..self.starts[pre + 1]]
    }
}

/// All synapses inside a group; `onto` gives those onto a slot.
pub(super) fn outgoing<'s, F: Real>(
    parts: &[&Part],
    afferents: &[Afferent<'_, F>],
    onto: impl Fn(usize) -> &'s [Factors<F>],
) -> Vec<Outgoing> {
    let find = |layer: usize| parts.iter().position(|p| p.layer == layer);
    let inside = afferents.iter().enumerate().filter_map(|(afferent, a)| {
        let Origin::Layer(origin) = a.projection.origin else { return None };
        let (source_part, target_part) = (find(origin)?, parts[find(a.projection.target)?]);
        let before: Vec<_> =
            target_part.afferents.iter().take_while(|&&other| other < afferent).collect();
        let mut all: Vec<(usize, Target)> = Vec::new();
        for (post, slot) in target_part.slots.clone().enumerate() {
            let len = |a: &Afferent<'_, F>| a.projection.synapses.row(post).weights.len();
            let skip: usize = before.iter().map(|&&other| len(&afferents[other])).sum();
            let row = a.projection.synapses.row(post);
            all.extend((0..row.weights.len()).map(|nth| {
                let number = skip + nth;
                let delay = onto(slot)[number].fixed;
                let (slot, number) = (slot as u32, number as u32);
                (source(&row, nth), Target { slot, number, nth: nth as u32, delay })
            }));
        }
        let mut starts = vec![0; a.projection.synapses.shape().1 + 1];
        for (pre, _) in &all {
            starts[pre + 1] += 1;
        }
        for pre in 1..starts.len() {
            starts[pre] += starts[pre - 1];
        }
        // Stable: the targets of a source stay in their order.
        all.sort_by_key(|(pre, _)| *pre);
        let targets = all.into_iter().map(|(_, target)| target).collect();
        Some(Outgoing { afferent, source: source_part, starts, targets })
    });
    inside.collect()
}
