//! Which neurons of a group drive which.

use super::grid::{Afferent, Factors};
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

/// The synapses from one layer of a group to another.
pub(super) struct Outgoing<F> {
    pub afferent: usize,
    /// The layer of the group that they start from.
    pub source: usize,
    /// The slots of the targets.
    pub targets: Range<usize>,
    /// The number of synapses onto a target that come before these.
    pub skip: usize,
    /// Source by source.
    synapses: Vec<Factors<F>>,
}

impl<F: Real> Outgoing<F> {
    /// The synapses of one source, in the order of the targets.
    pub fn from(&self, pre: usize) -> &[Factors<F>] {
        let size = self.targets.len();
        &self.synapses[pre * size..(pre + 1) * size]
    }
}

/// All synapses inside a group, sorted by source; `onto` gives those onto a slot.
pub(super) fn outgoing<'s, F: Real>(
    parts: &[&Part],
    afferents: &[Afferent<'_, F>],
    onto: impl Fn(usize) -> &'s [Factors<F>],
) -> Vec<Outgoing<F>> {
    let find = |layer: usize| parts.iter().position(|p| p.layer == layer);
    let sources = |afferent: usize| afferents[afferent].projection.synapses.shape().1;
    let inside = afferents.iter().enumerate().filter_map(|(afferent, a)| {
        let Origin::Layer(origin) = a.projection.origin else { return None };
        let (source, target) = (find(origin)?, parts[find(a.projection.target)?]);
        let before = target.afferents.iter().take_while(|&&other| other < afferent);
        let skip: usize = before.map(|&other| sources(other)).sum();
        let targets = target.slots.clone();
        let mut synapses = Vec::with_capacity(sources(afferent) * targets.len());
        for pre in 0..sources(afferent) {
            synapses.extend(targets.clone().map(|slot| onto(slot)[skip + pre]));
        }
        Some(Outgoing { afferent, source, targets, skip, synapses })
    });
    inside.collect()
}
