//! Learning rates.

use super::{OptimizeError, check_constant};
use crate::{Block, ParameterKind};
use std::fmt;

/// Learning rates: of weights, of delays and of constants, and of [groups](ParameterGroup) in proportion to these. So what
/// scales the three, such as a schedule, scales all.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rates {
    /// Per step, for weights.
    pub weights: f64,
    /// In ms per step (Adam) or ms per unit of gradient (SGD), for delays.
    pub delays: f64,
    /// Per step, for the constants of neurons. Those above 0 are trained by their logarithm, so this is
    /// about their greatest relative change (Adam).
    pub constants: f64,
    /// Each step takes this, times the learning rate, times the weight, from every weight.
    pub weight_decay: f64,
    /// Factors of groups.
    relative: Vec<(ParameterGroup, f64)>,
}

/// Parameters that have a learning rate of their own. Kinds, names and pairs of both turn into it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ParameterGroup {
    /// All of a kind.
    Kind(ParameterKind),
    /// All of a projection, such as `input->hidden`, or of a layer.
    Owner(String),
    /// Those of a kind of a projection or a layer.
    Block(String, ParameterKind),
}

impl ParameterGroup {
    fn contains(&self, owner: &str, kind: ParameterKind) -> bool {
        match self {
            Self::Kind(k) => *k == kind,
            Self::Owner(name) => name == owner,
            Self::Block(name, k) => name == owner && *k == kind,
        }
    }
}

impl fmt::Display for ParameterGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "{kind}"),
            Self::Owner(name) => write!(f, "`{name}`"),
            Self::Block(name, kind) => write!(f, "{kind} of `{name}`"),
        }
    }
}

impl From<ParameterKind> for ParameterGroup {
    fn from(kind: ParameterKind) -> Self {
        Self::Kind(kind)
    }
}

impl From<&str> for ParameterGroup {
    fn from(owner: &str) -> Self {
        Self::Owner(owner.to_owned())
    }
}

impl From<String> for ParameterGroup {
    fn from(owner: String) -> Self {
        Self::Owner(owner)
    }
}

impl From<(&str, ParameterKind)> for ParameterGroup {
    fn from((owner, kind): (&str, ParameterKind)) -> Self {
        Self::Block(owner.to_owned(), kind)
    }
}

impl Rates {
    /// The same rate for all parameters, and no decay.
    pub fn new(rate: f64) -> Self {
        let (weight_decay, relative) = (0.0, Vec::new());
        Self { weights: rate, delays: rate, constants: rate, weight_decay, relative }
    }

    /// The rate of a kind of parameters of a projection or a layer.
    pub fn of(&self, owner: &str, kind: ParameterKind) -> f64 {
        let rate = match kind {
            ParameterKind::Weight => self.weights,
            ParameterKind::Delay => self.delays,
            _ => self.constants,
        };
        let groups = self.relative.iter().filter(|(group, _)| group.contains(owner, kind));
        groups.fold(rate, |rate, &(_, factor)| rate * factor)
    }

    /// Whether a group with the factor 0 holds them: an optimiser skips these, whatever it remembers of them.
    pub fn freezes(&self, owner: &str, kind: ParameterKind) -> bool {
        let mut groups = self.relative.iter();
        groups.any(|(group, factor)| *factor == 0.0 && group.contains(owner, kind))
    }

    /// Makes the rate of a group this multiple of what it is without; with 0 its parameters, and what the optimiser
    /// remembers of them, stay as they are. Parameters of several groups have the product.
    pub fn set_relative(&mut self, group: impl Into<ParameterGroup>, factor: f64) {
        let group = group.into();
        self.relative.retain(|(g, _)| *g != group);
        self.relative.push((group, factor));
    }

    /// Refuses rates without meaning, and names that no parameters of this [layout](crate::Network::layout) have: for
    /// optimisers to call before a step.
    ///
    /// # Errors
    /// [`OptimizeError::Constant`] or [`OptimizeError::NoSuchGroup`].
    pub fn check(&self, layout: &[Block]) -> Result<(), OptimizeError> {
        for (what, rate) in [
            ("the learning rate of weights", self.weights),
            ("the learning rate of delays", self.delays),
            ("the learning rate of constants", self.constants),
            ("the weight decay", self.weight_decay),
        ] {
            check_constant::<f64>(what, rate, |r| r >= 0.0, "finite and not negative")?;
        }
        for (group, factor) in &self.relative {
            let what = "a relative learning rate";
            check_constant::<f64>(what, *factor, |f| f >= 0.0, "finite and not negative")?;
            let named = !matches!(group, ParameterGroup::Kind(_));
            if named && !layout.iter().any(|block| group.contains(&block.owner, block.kind)) {
                let known = |b: &Block| format!("{} of `{}`", b.kind, b.owner);
                let known = layout.iter().map(known).collect::<Vec<_>>().join(", ");
                return Err(OptimizeError::NoSuchGroup { group: group.to_string(), known });
            }
        }
        Ok(())
    }
}
