//! Removing and adding synapses.

use super::pattern::{check_count, check_edge, check_memory};
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
    let count = kept.iter().filter(|kept| **kept).count() + change.add.len();
    check_memory(count, bytes_each(synapses))?;
    let edge = |k: usize| (change.add[k].post, change.add[k].pre);
    let mut added: Vec<usize> = (0..change.add.len()).collect();
    added.sort_by_key(|&k| edge(k));
    let old = || synapses.pattern.edges().enumerate().filter(|&(k, _)| kept[k]);
    let all = || merged(old(), added.iter().map(|&k| (k, edge(k))));
    let pattern = Pattern::from_sorted(shape, count, all().map(|(_, edge)| edge));
    let gather = |old: &[F], new: &dyn Fn(usize) -> F| -> Vec<F> {
        let value = |from| match from {
            From::Old(k) => old[k],
            From::New(k) => new(k),
        };
        let mut values = Vec::with_capacity(count);
        values.extend(all().map(|(from, _)| value(from)));
        values
    };
    let values = gather(&synapses.weights.values, &|k| change.add[k].weight);
    let Weights { learned, min, max, .. } = synapses.weights;
    let weights = Weights { values, learned, min, max };
    let mut origins = Vec::new();
    let mut first = 0;
    let mut moved = |per_synapse: bool, len: usize| {
        let of_synapse = |from| match from {
            From::Old(k) => Some(first + k),
            From::New(_) => None,
        };
        if per_synapse {
            origins.reserve_exact(count);
            origins.extend(all().map(|(from, _)| of_synapse(from)));
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
        let per_synapse = term.is_per_synapse();
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
        } else if let Some(groups) = term.groups.as_mut().filter(|_| term.per == DelayPer::Synapse)
        {
            // None are added to groups.
            *groups = old().map(|(k, _)| groups[k]).collect();
        }
    }
    Ok(Rewired { pattern, weights, delays, origins })
}

/// Both lists of synapses in the order of a pattern. Of parallel ones those of before come first.
fn merged(
    old: impl Iterator<Item = (usize, (usize, usize))>,
    new: impl Iterator<Item = (usize, (usize, usize))>,
) -> impl Iterator<Item = (From, (usize, usize))> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    std::iter::from_fn(move || {
        let first = old.peek().map(|&(_, edge)| edge);
        match new.next_if(|&(_, edge)| first.is_none_or(|first| edge < first)) {
            Some((k, edge)) => Some((From::New(k), edge)),
            None => old.next().map(|(k, edge)| (From::Old(k), edge)),
        }
    })
}

/// The memory that a synapse takes once it is rewired, with the origins of its parameters.
fn bytes_each<F: Real>(synapses: &Synapses<F>) -> usize {
    let terms = synapses.delays.iter().filter(|term| term.per == DelayPer::Synapse);
    let origin = |learned: bool| if learned { size_of::<Option<usize>>() } else { 0 };
    let delays = terms.map(|term| match term.groups {
        None => size_of::<F>() + origin(term.learned),
        Some(_) => size_of::<u32>(),
    });
    size_of::<u32>() + size_of::<F>() + origin(synapses.weights.learned) + delays.sum::<usize>()
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
        synapses.delays.iter().any(|term| term.per == DelayPer::Synapse && term.groups.is_some());
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
