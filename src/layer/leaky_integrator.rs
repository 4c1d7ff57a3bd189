//! Leaky integrators, the usual output neurons.

use super::{Constant, LinearLayer, LinearNeurons, StoredLayer};
use crate::{ParameterKind, Real};

/// Leaky integrators: tau_mem V' = -V + I + bias and tau_syn I' = -I, from V = 0 and I = 0 on, without threshold.
///
/// They never fire; read-outs look at their potential. Constants are as those of [`Lif`](crate::Lif).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
#[must_use]
pub struct LeakyIntegrator<F = f64> {
    neurons: LinearNeurons<F>,
}

impl<F: Real> LeakyIntegrator<F> {
    /// `size` neurons with tau_mem 20 ms and tau_syn 5 ms.
    pub fn new(size: usize) -> Self {
        Self { neurons: LinearNeurons::new(size) }
    }

    /// The membrane time constant in ms.
    pub fn tau_mem(mut self, tau_mem: impl Into<Constant<F>>) -> Self {
        self.neurons.set(ParameterKind::TauMem, tau_mem);
        self
    }

    /// The synaptic time constant in ms of projections that do not name their own. If it is trainable,
    /// so are those that projections name.
    pub fn tau_syn(mut self, tau_syn: impl Into<Constant<F>>) -> Self {
        self.neurons.set(ParameterKind::TauSyn, tau_syn);
        self
    }

    /// A constant drive, 0 by default: without input V tends to it, from 0 on.
    pub fn bias(mut self, bias: impl Into<Constant<F>>) -> Self {
        self.neurons.set(ParameterKind::Bias, bias);
        self
    }
}

impl<F: Real> LinearLayer<F> for LeakyIntegrator<F> {
    fn neurons(&self) -> &LinearNeurons<F> {
        &self.neurons
    }
    fn neurons_mut(&mut self) -> &mut LinearNeurons<F> {
        &mut self.neurons
    }
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        Some(StoredLayer::LeakyIntegrator(self.clone()))
    }
}
