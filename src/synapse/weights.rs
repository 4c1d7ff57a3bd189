//! Weights, and the range that they are learned in.

use super::{Pattern, SynapseError};
use crate::{Bounds, Real};

/// The weights of synapses in their order.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Weights<F> {
    pub values: Vec<F>,
    pub learned: bool,
    pub min: Option<F>,
    pub max: Option<F>,
}

impl<F: Real> Weights<F> {
    /// Those of the parameters.
    pub fn bounds(&self) -> Bounds<F> {
        let none = Bounds::none();
        Bounds { lower: self.min.unwrap_or(none.lower), upper: self.max.unwrap_or(none.upper) }
    }

    pub fn project(&mut self) {
        let bounds = self.bounds();
        self.values.iter_mut().for_each(|w| *w = bounds.project(*w));
    }

    /// Refuses bounds without meaning, and finite weights outside of them.
    pub fn check(&self, pattern: &Pattern) -> Result<(), SynapseError> {
        let Bounds { lower, upper } = self.bounds();
        let (min, max) = (lower.as_f64(), upper.as_f64());
        let given = self.min.iter().chain(&self.max);
        if !given.copied().all(F::is_finite) || lower > upper {
            return Err(SynapseError::BadWeightRange { min, max });
        }
        let outside = |w: &F| w.is_finite() && (*w < lower || *w > upper);
        self.values.iter().position(outside).map_or(Ok(()), |k| {
            let (post, pre) = pattern.edge(k);
            let value = self.values[k].as_f64();
            Err(SynapseError::WeightOutOfRange { post, pre, value, min, max })
        })
    }
}
