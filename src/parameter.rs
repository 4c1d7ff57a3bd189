//! Trainable numbers and their gradients, as optimisers see them.

use crate::Real;
use std::fmt;

/// What a block of parameters means. Optimisers keep one learning rate per kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ParameterKind {
    /// Synaptic weights, without dimension.
    Weight,
    /// Delays in ms.
    Delay,
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Weight => "weight",
            Self::Delay => "delay",
        })
    }
}

/// The closed interval that a parameter is kept in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds<F> {
    /// The least allowed value.
    pub lower: F,
    /// The greatest allowed value.
    pub upper: F,
}

impl<F: Real> Bounds<F> {
    /// No bounds.
    pub fn none() -> Self {
        Self { lower: F::neg_infinity(), upper: F::infinity() }
    }
}

/// A block of parameters, borrowed from its owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter<'a, F> {
    /// What they are.
    pub kind: ParameterKind,
    /// Their values; for dense synapses post x pre, row by row.
    pub values: &'a [F],
    /// The interval that they are kept in.
    pub bounds: Bounds<F>,
}

/// A block of parameters, borrowed from its owner to be changed.
#[derive(Debug, PartialEq)]
pub struct ParameterMut<'a, F> {
    /// What they are.
    pub kind: ParameterKind,
    /// Their values; for dense synapses post x pre, row by row.
    pub values: &'a mut [F],
    /// The interval that they are kept in.
    pub bounds: Bounds<F>,
}

/// Whose parameters a block of gradients belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    /// The name of the projection, such as `input->hidden`.
    pub owner: String,
    /// What the parameters are.
    pub kind: ParameterKind,
    /// How many there are.
    pub len: usize,
}

/// Gradients of a loss: by every parameter of a network, and by the times of the input spikes.
///
/// Blocks come in the order of [`Network::parameters`](crate::Network::parameters).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Raw<F>"))]
pub struct Gradients<F = f64> {
    layout: Vec<Block>,
    values: Vec<F>,
    /// dL/dt in 1/ms of every input spike, in the order of
    /// [`SpikeTrains::times`](crate::SpikeTrains::times). They belong to one trial: an adjoint pass
    /// writes those of its own, and [`Gradients::add`] drops them.
    pub input_times: Vec<F>,
}

impl<F: Real> Gradients<F> {
    /// Zeros for these blocks.
    pub fn zeros(layout: Vec<Block>) -> Self {
        let len = layout.iter().map(|b| b.len).sum();
        Self { layout, values: vec![F::zero(); len], input_times: Vec::new() }
    }

    /// The blocks, in order.
    pub fn layout(&self) -> &[Block] {
        &self.layout
    }

    /// All gradients by parameters, block after block.
    pub fn values(&self) -> &[F] {
        &self.values
    }

    /// All gradients by parameters, to be changed (clipping, say).
    pub fn values_mut(&mut self) -> &mut [F] {
        &mut self.values
    }

    /// The blocks with their gradients, in order.
    pub fn blocks(&self) -> impl Iterator<Item = (&Block, &[F])> {
        let mut start = 0;
        self.layout.iter().map(move |block| {
            let from = start;
            start += block.len;
            (block, &self.values[from..start])
        })
    }

    /// The gradients by the parameters of one kind of one projection, if it has such.
    pub fn get(&self, owner: &str, kind: ParameterKind) -> Option<&[F]> {
        self.blocks().find(|(b, _)| b.owner == owner && b.kind == kind).map(|(_, values)| values)
    }

    /// Adds the gradients by parameters of `other`, which has the same blocks; input times are
    /// dropped, since they belong to one trial each.
    ///
    /// # Panics
    /// If the blocks differ.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(self.layout, other.layout, "gradients of different networks cannot be added");
        self.input_times.clear();
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a += *b;
        }
    }

    /// Multiplies everything by `factor`.
    pub fn scale(&mut self, factor: F) {
        for g in self.values.iter_mut().chain(&mut self.input_times) {
            *g *= factor;
        }
    }
}

#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Raw<F> {
    layout: Vec<Block>,
    values: Vec<F>,
    input_times: Vec<F>,
}

#[cfg(feature = "serde")]
impl<F> TryFrom<Raw<F>> for Gradients<F> {
    type Error = String;
    fn try_from(raw: Raw<F>) -> Result<Self, String> {
        let Raw { layout, values, input_times } = raw;
        let expected = layout.iter().fold(0, |sum: usize, block| sum.saturating_add(block.len));
        if expected != values.len() {
            return Err(format!(
                "the blocks need {expected} gradients, but there are {}",
                values.len()
            ));
        }
        Ok(Self { layout, values, input_times })
    }
}
