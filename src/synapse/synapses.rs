//! The synapses of this crate: a pattern, weights and terms of delays.

use super::rewire::{Rewired, rewired};
use super::{DelayKind, DelayTerm, DelayedSynapses, Pattern, Rewiring, Row, SynapseError, Weights};
use crate::{Parameter, ParameterKind, ParameterMut, Real};

/// Synapses, dense or sparse, with delays of any kind. Made by a [`SynapseRecipe`](crate::SynapseRecipe).
///
/// Parameters: the weights in the order of the synapses, unless they are fixed, then each of the
/// [`Delays`](crate::Delays) that are learned, in the order of addition. Synapses are ordered by target, then by
/// source; parallel ones in the order in which they were given.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "Raw<F>", bound(deserialize = "F: Real + serde::Deserialize<'de>"))
)]
pub struct Synapses<F = f64> {
    pub(super) pattern: Pattern,
    pub(super) weights: Weights<F>,
    pub(super) delays: Vec<DelayTerm<F>>,
    /// The delays of the synapses in ms, where no term holds them as they are.
    #[cfg_attr(feature = "serde", serde(skip))]
    sums: Vec<F>,
}

impl<F: Real> Synapses<F> {
    pub(super) fn new(
        pattern: Pattern,
        weights: Weights<F>,
        delays: Vec<DelayTerm<F>>,
    ) -> Result<Self, SynapseError> {
        let mut synapses = Self { pattern, weights, delays, sums: Vec::new() };
        let (found, expected) = (synapses.weights.values.len(), synapses.pattern.synapses());
        if found != expected {
            let kind = ParameterKind::Weight;
            return Err(SynapseError::Count { kind, found, expected });
        }
        synapses.delays.iter().try_for_each(|term| term.validate(&synapses.pattern))?;
        synapses.sum_delays();
        synapses.validate()?;
        Ok(synapses)
    }

    /// The same synapses with other weights and delays. `delays` is called once per term, with its delays
    /// in ms and their maximum. Smooth terms become projected ones, which reach their bounds.
    pub(crate) fn with_values(
        &self,
        weights: impl FnOnce(&mut [F]),
        mut delays: impl FnMut(&mut [F], Option<F>),
    ) -> Self {
        let mut changed = self.clone();
        weights(&mut changed.weights.values);
        // Rounding may pass a bound by half a step.
        (changed.weights.min, changed.weights.max) = (None, None);
        for term in &mut changed.delays {
            let mut values: Vec<F> = (0..term.values.len()).map(|k| term.delay(k)).collect();
            delays(&mut values, term.max);
            (term.values, term.smooth) = (values, false);
        }
        changed.sum_delays();
        changed
    }

    /// The longest delay of any term.
    pub(crate) fn longest_term(&self) -> F {
        let terms = self.delays.iter();
        let delays = terms.flat_map(|term| (0..term.values.len()).map(|k| term.delay(k)));
        delays.fold(F::zero(), F::max)
    }

    /// The groups of all terms that have any.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.delays.iter().flat_map(|term| term.groups.iter().flatten().copied())
    }

    /// Whether one term holds the delays as they are.
    fn is_plain(&self) -> bool {
        matches!(&self.delays[..], [term] if term.is_plain())
    }

    /// Whether the delays are the same for all targets.
    fn is_repeated(&self) -> bool {
        use super::DelayPer::{Projection, Source};
        let dense = matches!(self.pattern, Pattern::Dense { .. });
        self.delays.iter().all(|t| t.per == Projection || (dense && t.per == Source))
    }

    /// Brings `sums` up to date; its memory is used again.
    fn sum_delays(&mut self) {
        self.sums.clear();
        if self.is_plain() {
            return;
        }
        let repeated = self.is_repeated();
        let Self { pattern, delays, sums, .. } = self;
        let sum = |synapse, post, pre| {
            let terms = delays.iter().map(|term| term.delay(term.place(synapse, post, pre)));
            // Not `sum`, which makes -0 of nothing.
            terms.fold(F::zero(), |sum, delay| sum + delay)
        };
        let (posts, pres) = pattern.shape();
        if repeated {
            // One row that is long enough for all: in a sparse one all delays are the same.
            let longest = (0..posts).map(|post| pattern.range(post).len()).max().unwrap_or(0);
            sums.extend((0..longest).map(|k| sum(0, 0, k.min(pres - 1))));
        } else {
            sums.extend(pattern.edges().enumerate().map(|(k, (post, pre))| sum(k, post, pre)));
        }
    }
}

impl<F: Real> DelayedSynapses<F> for Synapses<F> {
    fn shape(&self) -> (usize, usize) {
        self.pattern.shape()
    }

    fn synapses(&self) -> usize {
        self.weights.values.len()
    }

    fn row(&self, post: usize) -> Row<'_, F> {
        let range = self.pattern.range(post);
        let delays = if self.is_plain() {
            &self.delays[0].values[range.clone()]
        } else if self.is_repeated() {
            &self.sums[..range.len()]
        } else {
            &self.sums[range.clone()]
        };
        Row {
            first: range.start,
            sources: self.pattern.sources(post),
            weights: &self.weights.values[range],
            delays,
        }
    }

    fn parameters(&self) -> Vec<Parameter<'_, F>> {
        let weights = Parameter {
            kind: ParameterKind::Weight,
            values: &self.weights.values,
            bounds: self.weights.bounds(),
        };
        let delays = self.delays.iter().filter(|term| term.learned).map(|term| Parameter {
            kind: ParameterKind::Delay,
            values: &term.values,
            bounds: term.bounds(),
        });
        self.weights.learned.then_some(weights).into_iter().chain(delays).collect()
    }

    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        let (learned, bounds) = (self.weights.learned, self.weights.bounds());
        let weights =
            ParameterMut { kind: ParameterKind::Weight, values: &mut self.weights.values, bounds };
        let delays = self.delays.iter_mut().filter(|term| term.learned).map(|term| {
            let bounds = term.bounds();
            ParameterMut { kind: ParameterKind::Delay, values: &mut term.values, bounds }
        });
        learned.then_some(weights).into_iter().chain(delays).collect()
    }

    fn delay_kinds(&self) -> Vec<DelayKind> {
        self.delays.iter().filter(|term| term.learned).map(DelayTerm::kind).collect()
    }

    fn update(&mut self) {
        self.weights.project();
        self.delays.iter_mut().for_each(DelayTerm::project);
        self.sum_delays();
    }

    fn pull_back(&self, weights: &[F], delays: &[F], gradients: &mut [F]) {
        let mut rest = gradients;
        if self.weights.learned {
            let (own, others) = rest.split_at_mut(weights.len());
            own.iter_mut().zip(weights).for_each(|(gradient, part)| *gradient += *part);
            rest = others;
        }
        for term in self.delays.iter().filter(|term| term.learned) {
            let (own, others) = rest.split_at_mut(term.values.len());
            if term.is_plain() {
                own.iter_mut().zip(delays).for_each(|(gradient, part)| *gradient += *part);
            } else {
                for ((k, (post, pre)), part) in self.pattern.edges().enumerate().zip(delays) {
                    let place = term.place(k, post, pre);
                    own[place] += *part * term.slope(place);
                }
            }
            rest = others;
        }
    }

    fn raise_weights(&mut self, post: usize, amount: F) {
        if self.weights.learned {
            let bounds = self.weights.bounds();
            let range = self.pattern.range(post);
            self.weights.values[range].iter_mut().for_each(|w| *w = bounds.project(*w + amount));
        }
    }

    fn validate(&self) -> Result<(), SynapseError> {
        self.weights.check(&self.pattern)?;
        self.delays.iter().try_for_each(|term| term.validate(&self.pattern))?;
        super::check_rows(self)
    }

    fn rewire(&mut self, change: &Rewiring<F>) -> Result<Vec<Option<usize>>, SynapseError> {
        let Rewired { pattern, weights, delays, origins } = rewired(self, change)?;
        *self = Self::new(pattern, weights, delays)?;
        Ok(origins)
    }

    fn to_stored(&self) -> Option<Synapses<F>> {
        Some(self.clone())
    }
}

#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Raw<F> {
    pattern: Pattern,
    weights: Weights<F>,
    delays: Vec<DelayTerm<F>>,
}

#[cfg(feature = "serde")]
impl<F: Real> TryFrom<Raw<F>> for Synapses<F> {
    type Error = SynapseError;
    fn try_from(raw: Raw<F>) -> Result<Self, Self::Error> {
        raw.pattern.validate()?;
        Self::new(raw.pattern, raw.weights, raw.delays)
    }
}
