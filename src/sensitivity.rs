//! How a loss depends on what a network did: the input of the adjoint pass.

use crate::{AdjointError, Real, Trace};

/// The derivatives of a loss by spike times and potentials of every layer.
///
/// Read-outs fill it; anything else that depends on spikes or potentials (a regulariser of hidden
/// layers, say) adds to it in the same way.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sensitivity<F = f64> {
    /// One per layer.
    pub layers: Vec<LayerSensitivity<F>>,
}

impl<F: Real> Sensitivity<F> {
    /// A loss that depends on nothing.
    pub fn none(trace: &Trace<F>) -> Self {
        let mut none = Self::default();
        none.reset(trace);
        none
    }

    /// Makes this what [`Sensitivity::none`] returns, in the memory that it has.
    pub fn reset(&mut self, trace: &Trace<F>) {
        self.layers.resize_with(trace.layers.len(), LayerSensitivity::default);
        for (layer, fired) in self.layers.iter_mut().zip(&trace.layers) {
            layer.spike_times.clear();
            layer.spike_times.resize(fired.spikes.len(), F::zero());
            layer.potentials.clear();
            (layer.slope_floor, layer.phantom_spikes) = (F::zero(), 0);
        }
    }

    /// Refuses what has other layers or spikes than a trace, or a floor without meaning.
    pub(crate) fn check(&self, trace: &Trace<F>) -> Result<(), AdjointError> {
        let wrong = |what, found, expected: String| {
            Err(AdjointError::Sensitivity { what, found, expected })
        };
        let layers = trace.layers();
        if self.layers.len() != layers {
            return wrong("the number of layers", self.layers.len() as f64, layers.to_string());
        }
        for (terms, fired) in self.layers.iter().zip(&trace.layers) {
            let spikes = fired.spikes.len();
            if terms.spike_times.len() != spikes {
                let found = terms.spike_times.len() as f64;
                return wrong("the number of spikes", found, spikes.to_string());
            }
            let floor = terms.slope_floor;
            if !(floor.is_finite() && floor >= F::zero()) {
                let expected = "finite and not negative".into();
                return wrong("a slope floor", floor.as_f64(), expected);
            }
        }
        Ok(())
    }
}

/// The derivatives of a loss by spike times and potentials of one layer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerSensitivity<F = f64> {
    /// dL/dt of each spike, in the order of [`SpikeTrains::times`](crate::SpikeTrains::times).
    pub spike_times: Vec<F>,
    /// The dependence on potentials; terms add.
    pub potentials: Vec<PotentialSensitivity<F>>,
    /// A slope in 1/ms that stands in for smaller ones, see
    /// [`SlopeLimiter`](crate::remedy::SlopeLimiter); 0 for exact gradients.
    pub slope_floor: F,
    /// How many of the potentials stand for spikes that did not happen, see
    /// [`PhantomSpikeTime`](crate::remedy::PhantomSpikeTime).
    pub phantom_spikes: usize,
}

/// One way in which a loss depends on the potential V of a neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PotentialSensitivity<F = f64> {
    /// Through V at a fixed time, just before anything that happens then: `gradient` is dL/dV.
    At {
        /// The neuron.
        neuron: usize,
        /// The time in ms.
        time: f64,
        /// dL/dV.
        gradient: F,
    },
    /// Through V at the time of an arrival at this neuron, or of its spike, which moves with it: dL/dt of
    /// the first of them at this time gets dL/dV times the slope of V before it.
    AtArrival {
        /// The neuron.
        neuron: usize,
        /// The time of the arrival or of the spike in ms.
        time: f64,
        /// dL/dV.
        gradient: F,
    },
    /// Through int_0^T V exp(-rate t) dt: `gradient` is the derivative by the integral.
    Integral {
        /// The neuron.
        neuron: usize,
        /// The rate in 1/ms; 0 for the plain integral.
        rate: F,
        /// The derivative of L by the integral.
        gradient: F,
    },
}

impl<F> PotentialSensitivity<F> {
    /// The neuron.
    pub fn neuron(&self) -> usize {
        match self {
            Self::At { neuron, .. }
            | Self::AtArrival { neuron, .. }
            | Self::Integral { neuron, .. } => *neuron,
        }
    }
}
