//! Leaky integrators, the usual output neurons.

use super::{LinearLayer, ModeBank, StoredLayer};
use crate::Real;

/// Leaky integrators: tau_mem V' = -V + I and tau_syn I' = -I, without threshold.
///
/// They never fire; read-outs look at their potential.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LeakyIntegrator<F = f64> {
    size: usize,
    bank: ModeBank<F>,
}

impl<F: Real> LeakyIntegrator<F> {
    /// `size` neurons with tau_mem 20 ms and tau_syn 5 ms.
    pub fn new(size: usize) -> Self {
        let bank = ModeBank::new(F::of(20.0), vec![F::of(5.0)], None, F::zero());
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
}

impl<F: Real> LinearLayer<F> for LeakyIntegrator<F> {
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
        Some(StoredLayer::LeakyIntegrator(self.clone()))
    }
}
