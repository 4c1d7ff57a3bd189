//! Trainable numbers and their gradients, as optimisers see them.

use crate::{OptimizeError, Real};
use std::fmt;

/// What a block of parameters means. Learning rates go by it, see [`Rates`](crate::Rates).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ParameterKind {
    /// Synaptic weights, without dimension.
    Weight,
    /// Delays in ms.
    Delay,
    /// The logarithm of membrane time constants in ms.
    TauMem,
    /// The logarithm of synaptic time constants in ms, receptor by receptor.
    TauSyn,
    /// The logarithm of thresholds.
    Threshold,
    /// The potential after a spike.
    Reset,
    /// A constant drive.
    Bias,
    /// What a neuron's own spike adds to its current of adaptation.
    AdaptationJump,
    /// The logarithm of the time constant in ms of the current of adaptation.
    TauAdaptation,
    /// The logarithm of what a neuron's own spike adds to its threshold.
    ThresholdJump,
    /// The logarithm of the time constant in ms with which the threshold falls back.
    TauThreshold,
    /// The logarithm of the refractory period in ms.
    Refractory,
    /// A constant of a layer from outside of the crate, with a name that is its own; stored as the layer likes.
    Custom(#[cfg_attr(feature = "serde", serde(deserialize_with = "intern"))] Name),
}

// Spelt out in place of this name, serde would take it for one that is borrowed from the input.
type Name = &'static str;

impl ParameterKind {
    /// Whether parameters of this kind are logarithms: the constants that they stand for are above 0
    /// whatever the optimiser does, and its steps are relative. Of custom ones it is not known.
    pub fn is_logarithm(self) -> bool {
        match self {
            Self::Weight
            | Self::Delay
            | Self::Reset
            | Self::Bias
            | Self::AdaptationJump
            | Self::Custom(_) => false,
            Self::TauMem
            | Self::TauSyn
            | Self::Threshold
            | Self::TauAdaptation
            | Self::ThresholdJump
            | Self::TauThreshold
            | Self::Refractory => true,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Delay => "delay",
            Self::TauMem => "tau_mem",
            Self::TauSyn => "tau_syn",
            Self::Threshold => "threshold",
            Self::Reset => "reset",
            Self::Bias => "bias",
            Self::AdaptationJump => "adaptation_jump",
            Self::TauAdaptation => "tau_adaptation",
            Self::ThresholdJump => "threshold_jump",
            Self::TauThreshold => "tau_threshold",
            Self::Refractory => "refractory",
            Self::Custom(name) => name,
        }
    }
}

/// The name in static memory. Each that was not met before takes memory that stays, so there is a limit to what
/// hostile files may ask for.
#[cfg(feature = "serde")]
fn intern<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    use serde::{Deserialize, de::Error};
    use std::{collections::BTreeSet, sync::Mutex};
    const LONGEST: usize = 64;
    const MOST: usize = 1024;
    static KNOWN: Mutex<BTreeSet<Name>> = Mutex::new(BTreeSet::new());
    let name = String::deserialize(deserializer)?;
    // Nothing can panic while it is locked.
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = known.get(name.as_str()) {
        return Ok(known);
    }
    if name.len() > LONGEST || known.len() >= MOST {
        let rule = "names of custom parameters have at most 64 bytes, and there are at most 1024";
        return Err(D::Error::custom(format_args!("`{name:.80}`: {rule}")));
    }
    let name: Name = Box::leak(name.into_boxed_str());
    known.insert(name);
    Ok(name)
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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

    /// The nearest value inside; NaN stays NaN.
    pub fn project(&self, value: F) -> F {
        // Comparisons, not min and max: those would turn a NaN into a bound.
        match value {
            x if x < self.lower => self.lower,
            x if x > self.upper => self.upper,
            x => x,
        }
    }

    /// Whether a value lies on a bound and a step down the gradient would leave it. Optimisers leave such
    /// a parameter where it is and gather no momentum for it.
    pub fn hold(&self, value: F, gradient: F) -> bool {
        (value <= self.lower && gradient > F::zero())
            || (value >= self.upper && gradient < F::zero())
    }
}

/// A block of parameters, borrowed from its owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter<'a, F> {
    /// What they are.
    pub kind: ParameterKind,
    /// Their values; for dense synapses post x pre, row by row; for constants of neurons one for all
    /// or one per neuron.
    pub values: &'a [F],
    /// The interval that they are kept in.
    pub bounds: Bounds<F>,
}

impl<F: Real> Parameter<'_, F> {
    /// How many values lie on a bound.
    pub fn on_bound(&self) -> usize {
        let Bounds { lower, upper } = self.bounds;
        self.values.iter().filter(|&&x| x <= lower || x >= upper).count()
    }
}

/// A block of parameters, borrowed from its owner to be changed.
#[derive(Debug, PartialEq)]
pub struct ParameterMut<'a, F> {
    /// What they are.
    pub kind: ParameterKind,
    /// Their values; for dense synapses post x pre, row by row; for constants of neurons one for all
    /// or one per neuron.
    pub values: &'a mut [F],
    /// The interval that they are kept in.
    pub bounds: Bounds<F>,
}

/// Whose parameters a block of gradients belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    /// The name of the projection, such as `input->hidden`, or of the layer.
    pub owner: String,
    /// What the parameters are.
    pub kind: ParameterKind,
    /// How many there are.
    pub len: usize,
}

/// What reports call the blocks: `input->hidden delay`, say, and as in checkpoints `input->hidden delay.0` and `delay.1` if
/// that is a sum of two.
pub(crate) fn block_names(blocks: &[Block]) -> impl Iterator<Item = String> {
    blocks.iter().enumerate().map(|(k, Block { owner, kind, .. })| {
        let alike = |blocks: &[Block]| {
            blocks.iter().filter(|b| b.owner == *owner && b.kind == *kind).count()
        };
        match alike(blocks) {
            1 => format!("{owner} {kind}"),
            _ => format!("{owner} {kind}.{}", alike(&blocks[..k])),
        }
    })
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

    /// The gradients by the parameters of one kind of one projection or layer, if it has such. If a delay is a sum of
    /// several that are learned, those of the first one come first.
    pub fn get(&self, owner: &str, kind: ParameterKind) -> Option<&[F]> {
        let asked = |block: &Block| block.owner == owner && block.kind == kind;
        let first = self.layout.iter().position(asked)?;
        let len = |blocks: &[Block]| blocks.iter().map(|b| b.len).sum::<usize>();
        let alike = self.layout[first..].iter().take_while(|b| asked(b)).count();
        let start = len(&self.layout[..first]);
        Some(&self.values[start..start + len(&self.layout[first..first + alike])])
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

/// Where the parameters of a network were before it was rewired: see
/// [`SpikingNetwork::rewire`](crate::SpikingNetwork::rewire).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "optimisers need it, or their state belongs to other parameters"]
pub struct ParameterMap {
    before: usize,
    origins: Vec<Option<usize>>,
}

impl ParameterMap {
    /// Of a network that had `before` parameters, all blocks together, and now has one for each of
    /// `origins`: the place where it was, or `None` if it is new.
    pub(crate) fn new(before: usize, origins: Vec<Option<usize>>) -> Self {
        Self { before, origins }
    }

    /// How many parameters there were.
    pub fn before(&self) -> usize {
        self.before
    }

    /// The old place of each parameter there is now, in the order of
    /// [`Network::parameters`](crate::Network::parameters); `None` for new ones.
    pub fn origins(&self) -> &[Option<usize>] {
        &self.origins
    }

    /// Moves values, one per old parameter, to the places of the new ones; new parameters get 0. An empty list stays
    /// empty: an optimiser remembers nothing before its first step.
    ///
    /// # Errors
    /// If there are values, but not as many as there were parameters; nothing is moved then.
    pub fn apply<F: Real>(&self, values: &mut Vec<F>) -> Result<(), OptimizeError> {
        if values.is_empty() {
            return Ok(());
        }
        if values.len() != self.before {
            return Err(OptimizeError::State);
        }
        let value = |origin: &Option<usize>| origin.map_or(F::zero(), |k| values[k]);
        *values = self.origins.iter().map(value).collect();
        Ok(())
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
