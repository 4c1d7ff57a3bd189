//! Removing and adding synapses.

use super::pattern::{check_count, check_edge};
use super::{DelayPer, DelayTerm, DelayedSynapses, Pattern, SynapseError, Synapses, Weights};
use crate::{ParameterKind, Real};

/// A change of connections: see [`SpikingNetwork::rewire`](crate::SpikingNetwork::rewire).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rewiring<F = f64> {
    /// The numbers of the synapses to remove, in any order, as in [`Synapse::index`](crate::Synapse::index). One that is there twice
    /// counts once.
    pub remove: Vec<usize>,
    /// The synapses to add. A pair of neurons that is connected already gets a parallel synapse.
    pub add: Vec<NewSynapse<F>>,
}

/// A synapse to be added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewSynapse<F = f64> {
    /// The target neuron.
    pub post: usize,
    /// The source neuron.
    pub pre: usize,
    /// The weight.
    pub weight: F,
    /// The delay in ms of the synapse itself, to which those of its source and its target are added. It
    /// must be 0 where synapses have none of their own. Where they have several, it is the last.
    pub delay: F,
}

/// The parts of new synapses.
pub(super) struct Rewired<F> {
    pub pattern: Pattern,
    pub weights: Weights<F>,
    pub delays: Vec<DelayTerm<F>>,
    /// For every parameter, where it was.
    pub origins: Vec<Option<usize>>,
}

/// Where a synapse comes from: the old ones, or the list of new ones.
#[derive(Clone, Copy)]
enum From {
    Old(usize),
    New(usize),
}

pub(super) fn rewired<F: Real>(
    synapses: &Synapses<F>,
    change: &Rewiring<F>,
) -> Result<Rewired<F>, SynapseError> {
    let shape = synapses.shape();
    let own = |term: &DelayTerm<F>| term.per == DelayPer::Synapse;
    let last = synapses.delays.iter().rposition(own);
    check(synapses, change, last)?;
    let mut kept = vec![true; synapses.synapses()];
    change.remove.iter().for_each(|&k| kept[k] = false);
    let old = synapses.pattern.edges().enumerate().filter(|&(k, _)| kept[k]);
    let old = old.map(|(k, edge)| (edge, From::Old(k)));
    let new = change.add.iter().enumerate().map(|(k, s)| ((s.post, s.pre), From::New(k)));
    let mut all: Vec<((usize, usize), From)> = old.chain(new).collect();
    // A stable sort: parallel synapses stay in the order of their age.
    all.sort_by_key(|&(edge, _)| edge);
    let pattern = Pattern::from_sorted(shape, all.len(), all.iter().map(|&(edge, _)| edge));
    let gather = |old: &[F], new: &dyn Fn(usize) -> F| -> Vec<F> {
        let value = |&(_, from): &(_, From)| match from {
            From::Old(k) => old[k],
            From::New(k) => new(k),
        };
        all.iter().map(value).collect()
    };
    let values = gather(&synapses.weights.values, &|k| change.add[k].weight);
    let Weights { learned, min, max, .. } = synapses.weights;
    let weights = Weights { values, learned, min, max };
    let mut origins = Vec::new();
    let mut first = 0;
    let mut moved = |per_synapse: bool, len: usize| {
        let of_synapse = |&(_, from): &(_, From)| match from {
            From::Old(k) => Some(first + k),
            From::New(_) => None,
        };
        if per_synapse {
            origins.extend(all.iter().map(of_synapse));
        } else {
            origins.extend((first..first + len).map(Some));
        }
        first += len;
    };
    if weights.learned {
        moved(true, synapses.synapses());
    }
    let mut delays = synapses.delays.clone();
    for (number, term) in delays.iter_mut().enumerate() {
        let per_synapse = own(term) && term.groups.is_empty();
        if term.learned {
            moved(per_synapse, term.values.len());
        }
        if per_synapse {
            let delay =
                |k: usize| if last == Some(number) { change.add[k].delay } else { F::zero() };
            for (k, new) in change.add.iter().enumerate() {
                term.check_new(new.post, new.pre, delay(k))?;
            }
            term.values = gather(&term.values, &|k| term.parameter(delay(k)));
        } else if own(term) {
            // None are added to groups.
            let group = |&(_, from): &(_, From)| match from {
                From::Old(k) => Some(term.groups[k]),
                From::New(_) => None,
            };
            term.groups = all.iter().filter_map(group).collect();
        }
    }
    Ok(Rewired { pattern, weights, delays, origins })
}

fn check<F: Real>(
    synapses: &Synapses<F>,
    change: &Rewiring<F>,
    last: Option<usize>,
) -> Result<(), SynapseError> {
    let count = synapses.synapses();
    if let Some(&index) = change.remove.iter().find(|&&k| k >= count) {
        return Err(SynapseError::UnknownSynapse { index, synapses: count });
    }
    check_count(count as u128 + change.add.len() as u128)?;
    let grouped =
        synapses.delays.iter().any(|term| term.per == DelayPer::Synapse && !term.groups.is_empty());
    for &NewSynapse { post, pre, weight, delay } in &change.add {
        check_edge(post, pre, synapses.shape())?;
        for (kind, value) in [(ParameterKind::Weight, weight), (ParameterKind::Delay, delay)] {
            if !value.is_finite() {
                let value = value.as_f64();
                return Err(SynapseError::NotFinite { kind, post, pre, value });
            }
        }
        let refused = |why| SynapseError::NewDelay { post, pre, value: delay.as_f64(), why };
        if grouped {
            return Err(refused("it would belong to no group of synapses"));
        }
        if last.is_none() && delay != F::zero() {
            return Err(refused("these synapses have none of their own, so it must be 0"));
        }
    }
    Ok(())
}
