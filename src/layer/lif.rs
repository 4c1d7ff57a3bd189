//! Leaky integrate-and-fire neurons.

use super::{Constant, LinearLayer, LinearNeurons, StoredLayer};
use crate::{ParameterKind, Real};

/// Leaky integrate-and-fire neurons with exponential synaptic currents.
///
/// tau_mem V' = -V + I + bias and tau_syn I' = -I, from V = 0 and I = 0 on; when V reaches `threshold` from
/// below the neuron fires and V is set to `reset`. Constants are checked when the network is built.
///
/// Every constant may be shared or one per neuron, fixed or trainable: see [`Constant`].
///
/// ```
/// use eventprop::Lif;
/// let hidden = Lif::<f64>::new(256).tau_mem(20.0).tau_syn(5.0).threshold(1.0).reset(0.0);
/// // Neurons that adapt, by a current and by their threshold, and rest after a spike.
/// let adaptive = Lif::<f64>::new(256).adaptation(-0.5, 100.0).adaptive_threshold(0.2, 50.0).refractory(2.0);
/// # let _ = (hidden, adaptive);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
#[must_use]
pub struct Lif<F = f64> {
    neurons: LinearNeurons<F>,
}

impl<F: Real> Lif<F> {
    /// `size` neurons with tau_mem 20 ms, tau_syn 5 ms, threshold 1 and reset 0.
    pub fn new(size: usize) -> Self {
        let mut neurons = LinearNeurons::new(size);
        neurons.set(ParameterKind::Threshold, F::one());
        Self { neurons }
    }

    fn with(mut self, kind: ParameterKind, constant: impl Into<Constant<F>>) -> Self {
        self.neurons.set(kind, constant);
        self
    }

    /// The membrane time constant in ms.
    pub fn tau_mem(self, tau_mem: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::TauMem, tau_mem)
    }

    /// The synaptic time constant in ms of projections that do not name their own. If it is trainable,
    /// so are those that projections name.
    pub fn tau_syn(self, tau_syn: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::TauSyn, tau_syn)
    }

    /// The potential at which a neuron fires; above 0, where V starts.
    pub fn threshold(self, threshold: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::Threshold, threshold)
    }

    /// The potential after a spike; below the threshold. While one of the two is trained, the reset is kept at
    /// most at 99 % of the threshold.
    pub fn reset(self, reset: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::Reset, reset)
    }

    /// A constant drive, 0 by default: without input V tends to it. V starts at 0 all the same. Above the
    /// threshold it makes a neuron fire on its own.
    pub fn bias(self, bias: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::Bias, bias)
    }

    /// A current of adaptation: a neuron's own spike adds `jump` to it (below 0 to make the neuron fire
    /// less), and it decays with `tau` in ms.
    pub fn adaptation(self, jump: impl Into<Constant<F>>, tau: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::AdaptationJump, jump).with(ParameterKind::TauAdaptation, tau)
    }

    /// A threshold that a neuron's own spike raises by `jump`, not below 0, and that falls back with `tau` in
    /// ms. V and the reset are what they are without.
    pub fn adaptive_threshold(
        self,
        jump: impl Into<Constant<F>>,
        tau: impl Into<Constant<F>>,
    ) -> Self {
        self.with(ParameterKind::ThresholdJump, jump).with(ParameterKind::TauThreshold, tau)
    }

    /// An absolute refractory period in ms: after a spike V stays at the reset for so long, also for
    /// read-outs, and the currents go on. Infinity lets a neuron fire at most once in a trial.
    pub fn refractory(self, time: impl Into<Constant<F>>) -> Self {
        self.with(ParameterKind::Refractory, time)
    }
}

impl<F: Real> LinearLayer<F> for Lif<F> {
    fn neurons(&self) -> &LinearNeurons<F> {
        &self.neurons
    }
    fn neurons_mut(&mut self) -> &mut LinearNeurons<F> {
        &mut self.neurons
    }
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        Some(StoredLayer::Lif(self.clone()))
    }
}
