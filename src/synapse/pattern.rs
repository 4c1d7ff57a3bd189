//! Which neurons are connected.

use super::{Presynaptic, SynapseError};
use crate::memory;
use ndarray::Array2;
use rand::{Rng, RngExt};
use std::ops::Range;

/// The most synapses of a projection: they are numbered by `u32`.
const MOST: usize = u32::MAX as usize;

/// The synapses of a projection, ordered by target and then by source.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Pattern {
    /// All-to-all; nothing is listed.
    Dense { post: usize, pre: usize },
    /// Those onto neuron j come from `sources[starts[j]..starts[j + 1]]`, ascending. A source that occurs twice
    /// has parallel synapses.
    Sparse { pre: usize, starts: Vec<usize>, sources: Vec<u32> },
}

impl Pattern {
    /// (target neurons, source neurons).
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Self::Dense { post, pre } => (*post, *pre),
            Self::Sparse { pre, starts, .. } => (starts.len() - 1, *pre),
        }
    }

    pub fn synapses(&self) -> usize {
        match self {
            Self::Dense { post, pre } => post * pre,
            Self::Sparse { sources, .. } => sources.len(),
        }
    }

    /// The numbers of the synapses onto a neuron.
    pub fn range(&self, post: usize) -> Range<usize> {
        match self {
            Self::Dense { pre, .. } => post * pre..(post + 1) * pre,
            Self::Sparse { starts, .. } => starts[post]..starts[post + 1],
        }
    }

    /// The sources of the synapses onto a neuron.
    pub fn sources(&self, post: usize) -> Presynaptic<'_> {
        match self {
            Self::Dense { .. } => Presynaptic::All,
            Self::Sparse { sources, .. } => Presynaptic::List(&sources[self.range(post)]),
        }
    }

    /// (target, source) of every synapse in order.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.shape().0).flat_map(move |post| {
            let sources = self.sources(post);
            (0..self.range(post).len()).map(move |k| (post, sources.get(k)))
        })
    }

    /// (target, source) of one synapse.
    pub fn edge(&self, synapse: usize) -> (usize, usize) {
        match self {
            Self::Dense { pre, .. } => (synapse / pre, synapse % pre),
            Self::Sparse { starts, sources, .. } => {
                (starts.partition_point(|&s| s <= synapse) - 1, sources[synapse] as usize)
            }
        }
    }

    /// From (target, source) pairs that are in order, about `count` of them.
    pub fn from_sorted(
        (post, pre): (usize, usize),
        count: usize,
        edges: impl IntoIterator<Item = (usize, usize)>,
    ) -> Self {
        let (mut starts, mut sources) = (vec![0; post + 1], Vec::with_capacity(count));
        for (target, source) in edges {
            starts[target + 1] += 1;
            sources.push(source as u32);
        }
        for j in 0..post {
            starts[j + 1] += starts[j];
        }
        Self::Sparse { pre, starts, sources }
    }

    /// Refuses what was not made here.
    #[cfg(feature = "serde")]
    pub fn validate(&self) -> Result<(), SynapseError> {
        let good = match self {
            // No layer is empty.
            Self::Dense { post, pre } => post.checked_mul(*pre).is_some_and(|all| all > 0),
            Self::Sparse { starts, sources, .. } => {
                starts.first() == Some(&0)
                    && starts.last() == Some(&sources.len())
                    && starts.windows(2).all(|w| w[0] <= w[1])
                    && starts.windows(2).all(|w| sources[w[0]..w[1]].is_sorted())
            }
        };
        if !good {
            return Err(SynapseError::Pattern);
        }
        check_count(self.synapses() as u128)?;
        let shape = self.shape();
        check_count(shape.0 as u128)?;
        match self {
            Self::Dense { .. } => Ok(()),
            Self::Sparse { .. } => {
                self.edges().try_for_each(|(post, pre)| check_edge(post, pre, shape))
            }
        }
    }
}

/// Fails before memory is asked for.
pub(crate) fn check_count(synapses: u128) -> Result<(), SynapseError> {
    if synapses > MOST as u128 {
        return Err(SynapseError::TooMany { synapses, most: MOST });
    }
    Ok(())
}

/// Fails before memory is filled that cannot be had.
pub(super) fn check_memory(values: usize, bytes_each: usize) -> Result<(), SynapseError> {
    memory::check(values as u128, bytes_each).map_err(|bytes| SynapseError::Memory { bytes })
}

pub(super) fn check_edge(
    post: usize,
    pre: usize,
    shape: (usize, usize),
) -> Result<(), SynapseError> {
    if post < shape.0 && pre < shape.1 {
        return Ok(());
    }
    Err(SynapseError::EdgeOutOfRange { post, pre, shape })
}

/// How to choose the synapses.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    All,
    Probability(f64),
    FanIn(usize),
    Mask(Array2<bool>),
    Edges(Vec<(usize, usize)>),
}

impl Choice {
    /// The synapses, each edge `copies` times; and where each is in the list that they came from, if that
    /// was in another order.
    pub fn pattern(
        self,
        (post, pre): (usize, usize),
        copies: usize,
        rng: &mut dyn Rng,
    ) -> Result<(Pattern, Option<Vec<usize>>), SynapseError> {
        let shape = (post, pre);
        let all = post as u128 * pre as u128;
        let most = match &self {
            Self::All => all,
            Self::Probability(p) => most_drawn(all, *p),
            Self::FanIn(n) => post as u128 * *n as u128,
            Self::Mask(mask) => mask.iter().filter(|on| **on).count() as u128,
            Self::Edges(edges) => edges.len() as u128,
        };
        // Sources and row starts are numbered as well.
        [pre as u128, post as u128].into_iter().try_for_each(check_count)?;
        let chosen = match self {
            Self::Probability(p) if !(0.0..=1.0).contains(&p) => {
                return Err(SynapseError::Probability { value: p });
            }
            Self::FanIn(0) => return Err(SynapseError::None { what: "the fan-in" }),
            Self::FanIn(fan_in) if fan_in > pre => {
                return Err(SynapseError::FanIn { fan_in, sources: pre });
            }
            Self::Mask(mask) if mask.dim() != shape => {
                return Err(SynapseError::Mask { found: mask.dim(), expected: shape });
            }
            chosen => chosen,
        };
        if copies == 0 {
            return Err(SynapseError::None { what: "the number of copies" });
        }
        let most = most.saturating_mul(copies as u128);
        check_count(most)?;
        if copies == 1 && matches!(chosen, Self::All) {
            return Ok((Pattern::Dense { post, pre }, None));
        }
        // What is given in any order is put in order by lists of places.
        let places = if matches!(chosen, Self::Edges(_)) { 2 * size_of::<usize>() } else { 0 };
        let most = most as usize;
        check_memory(most, size_of::<u32>() + places)?;
        check_memory(post, size_of::<usize>())?;
        let edges: Box<dyn Iterator<Item = (usize, usize)>> = match chosen {
            Self::All => Box::new((0..post).flat_map(|j| (0..pre).map(move |i| (j, i)))),
            Self::Probability(p) => Box::new(
                thin(all as u64, p, rng)
                    .map(|k| ((k / pre as u64) as usize, (k % pre as u64) as usize)),
            ),
            Self::FanIn(fan_in) => {
                let row = move |post| {
                    let mut sources = rand::seq::index::sample(rng, pre, fan_in).into_vec();
                    sources.sort_unstable();
                    sources.into_iter().map(move |pre| (post, pre))
                };
                Box::new((0..post).flat_map(row))
            }
            Self::Mask(ref mask) => {
                Box::new(mask.indexed_iter().filter(|(_, on)| **on).map(|(edge, _)| edge))
            }
            Self::Edges(edges) => {
                edges.iter().try_for_each(|&(post, pre)| check_edge(post, pre, shape))?;
                let mut order: Vec<usize> = (0..edges.len()).collect();
                order.sort_by_key(|&k| edges[k]);
                let sorted = order.iter().flat_map(|&k| std::iter::repeat_n(edges[k], copies));
                let pattern = Pattern::from_sorted(shape, most, sorted);
                let place = |&k: &usize| (0..copies).map(move |copy| k * copies + copy);
                return Ok((pattern, Some(order.iter().flat_map(place).collect())));
            }
        };
        let repeated = edges.flat_map(|edge| std::iter::repeat_n(edge, copies));
        Ok((Pattern::from_sorted(shape, most, repeated), None))
    }
}

/// More of so many than are ever drawn with this probability: twelve deviations above the mean.
fn most_drawn(all: u128, probability: f64) -> u128 {
    let mean = all as f64 * probability;
    ((mean + 12.0 * mean.sqrt() + 12.0) as u128).min(all)
}

/// Each of the numbers below `count` with this probability, ascending. The gaps between them are drawn.
fn thin(count: u64, probability: f64, rng: &mut dyn Rng) -> impl Iterator<Item = u64> {
    let scale = (-probability).ln_1p().recip();
    let mut next = 0_u64;
    std::iter::from_fn(move || {
        // In (0, 1].
        let uniform = 1.0 - rng.random::<f64>();
        let gap = if probability == 0.0 { f64::INFINITY } else { (uniform.ln() * scale).floor() };
        if gap >= (count - next) as f64 {
            next = count;
            return None;
        }
        let found = next + gap as u64;
        next = found + 1;
        Some(found)
    })
}
