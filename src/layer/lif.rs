//! Leaky integrate-and-fire neurons.

use super::{LinearLayer, ModeBank, StoredLayer};
use crate::Real;

/// Leaky integrate-and-fire neurons with exponential synaptic currents.
///
/// tau_mem V' = -V + I and tau_syn I' = -I; when V reaches `threshold` from below the neuron fires
/// and V is set to `reset`. Constants are checked when the network is built.
///
/// ```
/// use eventprop::Lif;
/// let hidden = Lif::<f64>::new(256).tau_mem(20.0).tau_syn(5.0).threshold(1.0).reset(0.0);
/// # let _ = hidden;
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lif<F = f64> {
    size: usize,
    bank: ModeBank<F>,
}

impl<F: Real> Lif<F> {
    /// `size` neurons with tau_mem 20 ms, tau_syn 5 ms, threshold 1 and reset 0.
    pub fn new(size: usize) -> Self {
        let bank = ModeBank::new(F::of(20.0), vec![F::of(5.0)], Some(F::one()), F::zero());
        Self { size, bank }
    }

    /// The membrane time constant in ms.
    pub fn tau_mem(mut self, tau_mem: F) -> Self {
        self.bank.tau_mem = tau_mem;
        self
    }

    /// The synaptic time constant in ms of projections that do not name their own.
    pub fn tau_syn(mut self, tau_syn: F) -> Self {
        self.bank.tau_syn.splice(..self.bank.tau_syn.len().min(1), [tau_syn]);
        self
    }

    /// The potential at which a neuron fires; above 0, which is the potential at rest.
    pub fn threshold(mut self, threshold: F) -> Self {
        self.bank.threshold = Some(threshold);
        self
    }

    /// The potential after a spike; below the threshold.
    pub fn reset(mut self, reset: F) -> Self {
        self.bank.reset = reset;
        self
    }
}

impl<F: Real> LinearLayer<F> for Lif<F> {
    fn size(&self) -> usize {
        self.size
    }
    fn bank(&self) -> &ModeBank<F> {
        &self.bank
    }
    fn bank_mut(&mut self) -> &mut ModeBank<F> {
        &mut self.bank
    }
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        Some(StoredLayer::Lif(self.clone()))
    }
}
