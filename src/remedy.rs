//! Remedies for what exact gradients cannot see. Heuristics, each named, none on by default.
//!
//! The gradient says how spikes move, not how they appear. A neuron that is silent has no gradient
//! and stays silent; a remedy changes its weights by a rule that is no gradient.

use crate::{BatchSummary, Network, Real};

/// Raises the weights onto neurons that are silent too often.
///
/// With `share` = 1 and a summary of a whole epoch this is the lift of Mészáros et al. (2025): every
/// feed-forward weight into a neuron that never fired grows by `amount`. With a summary of every
/// batch and a smaller share it is like the weight bump of DelGrad (Göltz et al. 2025) for missing
/// output spikes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SilentNeuronLift<F = f64> {
    /// What is added to the weights.
    pub amount: F,
    /// The share of samples, in (0, 1], in which a neuron must have been silent to be lifted.
    pub share: f64,
}

impl<F: Real> SilentNeuronLift<F> {
    /// Lifts neurons that were silent in all samples.
    pub fn new(amount: F) -> Self {
        Self { amount, share: 1.0 }
    }

    /// Lifts neurons that were silent in at least this share of the samples.
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Applies the remedy to one layer, and returns how many neurons were lifted.
    ///
    /// # Panics
    /// If the network has no such layer.
    pub fn apply(
        &self,
        network: &mut dyn Network<F>,
        layer: usize,
        summary: &BatchSummary<F>,
    ) -> usize {
        let mut lifted = 0;
        for (neuron, &silent) in summary.silent[layer].iter().enumerate() {
            if silent > 0 && silent as f64 >= self.share * summary.samples as f64 {
                network.raise_weights(layer, neuron, self.amount);
                lifted += 1;
            }
        }
        lifted
    }
}
