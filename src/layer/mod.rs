//! Layers: populations of neurons, and what happens to one between events, at arrivals and at spikes.

mod bank;
mod exponentials;
mod leaky_integrator;
mod lif;

pub use bank::ModeBank;
pub use leaky_integrator::LeakyIntegrator;
pub use lif::Lif;

use crate::Real;
use dyn_clone::DynClone;
use std::fmt::Debug;
use thiserror::Error;

/// Why a layer was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A population without neurons.
    #[error("the layer has no neurons; its size must be at least 1")]
    Empty,
    /// A constant that must be positive and finite is not.
    #[error("{constant} is {value}, but must be finite and above 0")]
    NotPositive {
        /// Its name.
        constant: &'static str,
        /// Its value.
        value: f64,
    },
    /// The reset value is not below the threshold (or not finite).
    #[error("reset is {reset}, but must be finite and below the threshold {threshold}")]
    ResetNotBelowThreshold {
        /// The reset value.
        reset: f64,
        /// The threshold.
        threshold: f64,
    },
    /// A neuron without any receptor.
    #[error("the neuron has no synaptic time constant; give at least one")]
    NoReceptor,
    /// The layer's model cannot take another receptor.
    #[error("this layer has no receptor with tau_syn = {tau_syn} ms and cannot add one")]
    FixedReceptors {
        /// The time constant asked for.
        tau_syn: f64,
    },
}

/// Gradient of the loss by the weight and by the time of one arrival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrivalGradient<F> {
    /// dL/dw.
    pub weight: F,
    /// dL/dt of the arrival; it is also dL/dd of its delay.
    pub time: F,
}

/// The dynamics of a population, in closed form.
///
/// A neuron's state is a slice of [`Layer::state_len`] numbers. Between events it flows; an arrival
/// and the neuron's own spike make it jump. For each of these there is the transposed Jacobian
/// (`*_back`), which carries the adjoint p = dL/dstate backwards: the mode form of EventProp
/// (Wunderlich and Pehle 2021, Table 1; Mészáros et al. 2025, eqs. 7-11).
///
/// Linear neurons implement [`LinearLayer`] instead and get all of this from their [`ModeBank`].
/// All neurons are addressed by index, so constants may differ from neuron to neuron.
pub trait Layer<F: Real>: DynClone + Debug + Send + Sync {
    /// The number of neurons.
    fn size(&self) -> usize;

    /// The length of a neuron's state.
    fn state_len(&self) -> usize;

    /// Refuses constants that have no meaning; called when a network is built.
    fn validate(&self) -> Result<(), LayerError>;

    /// The number of receptors.
    fn receptors(&self) -> usize {
        1
    }

    /// The index of the receptor with this time constant (ms), added if need be. `None` asks for
    /// the default receptor. Called once per projection while a network is built.
    ///
    /// # Errors
    /// If the time constant has no meaning or the model cannot add receptors (the default).
    fn receptor(&mut self, tau_syn: Option<F>) -> Result<usize, LayerError> {
        match tau_syn {
            None => Ok(0),
            Some(tau) => Err(LayerError::FixedReceptors { tau_syn: tau.as_f64() }),
        }
    }

    /// Writes the state at the start of a trial; zeros by default.
    fn rest(&self, _neuron: usize, state: &mut [F]) {
        state.fill(F::zero());
    }

    /// Lets `dt` ms pass without events.
    fn flow(&self, neuron: usize, dt: F, state: &mut [F]);

    /// The time in ms to the next spike if nothing arrives, if it is at most `horizon`, on which it must not
    /// depend otherwise.
    fn next_spike(&self, neuron: usize, state: &[F], horizon: F) -> Option<F>;

    /// A spike arrives at a receptor through a synapse of this weight.
    fn receive(&self, neuron: usize, receptor: usize, weight: F, state: &mut [F]);

    /// The neuron fires.
    fn fire(&self, neuron: usize, state: &mut [F]);

    /// The potential V that read-outs see.
    fn potential(&self, neuron: usize, state: &[F]) -> F;

    /// dV/dt.
    fn slope(&self, neuron: usize, state: &[F]) -> F;

    /// `adjoint` at the end of a flow from `state` over `dt` becomes that at its start.
    fn flow_back(&self, neuron: usize, dt: F, state: &[F], adjoint: &mut [F]);

    /// `adjoint` after an arrival becomes that before it; `state` is the one before.
    fn receive_back(
        &self,
        neuron: usize,
        receptor: usize,
        weight: F,
        state: &[F],
        adjoint: &mut [F],
    ) -> ArrivalGradient<F>;

    /// `adjoint` after a spike becomes that before it; `state` is the one before, `slope` its dV/dt.
    /// `time_gradient` is what the loss and the spike's arrivals contribute to dL/dt.
    fn fire_back(&self, neuron: usize, state: &[F], slope: F, time_gradient: F, adjoint: &mut [F]);

    /// Adds `gradient` times the derivative of [`Layer::potential`] by the state.
    fn potential_back(&self, neuron: usize, state: &[F], gradient: F, adjoint: &mut [F]);

    /// Appends the times in (0, dt) at which V is stationary to `points`, ascending; `None` (the
    /// default) if the model cannot tell.
    fn stationary_points(
        &self,
        _neuron: usize,
        _state: &[F],
        _dt: F,
        _points: &mut Vec<F>,
    ) -> Option<()> {
        None
    }

    /// int_0^dt V exp(-rate s) ds, if the model has a closed form of it.
    fn integral(&self, _neuron: usize, _state: &[F], _dt: F, _rate: F) -> Option<F> {
        None
    }

    /// Adds `gradient` times the derivative of [`Layer::integral`] by the state. Only called where
    /// that is `Some`.
    fn integral_back(
        &self,
        _neuron: usize,
        _state: &[F],
        _dt: F,
        _rate: F,
        _gradient: F,
        _adjoint: &mut [F],
    ) {
    }

    /// The constants of the neurons if they are linear; the fast engine needs no more.
    fn mode_bank(&self) -> Option<&ModeBank<F>> {
        None
    }

    /// This layer as one that can be stored; `None` (the default) for models from outside the crate.
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        None
    }
}

dyn_clone::clone_trait_object!(<F: Real> Layer<F>);

/// A population of linear neurons: implement this and [`Layer`] follows.
pub trait LinearLayer<F: Real>: DynClone + Debug + Send + Sync {
    /// The number of neurons.
    fn size(&self) -> usize;
    /// The constants of the neurons.
    fn bank(&self) -> &ModeBank<F>;
    /// The constants of the neurons, to add receptors.
    fn bank_mut(&mut self) -> &mut ModeBank<F>;
    /// See [`Layer::to_stored`].
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        None
    }
}

impl<F: Real, T: LinearLayer<F>> Layer<F> for T {
    fn size(&self) -> usize {
        LinearLayer::size(self)
    }
    fn state_len(&self) -> usize {
        1 + self.bank().tau_syn.len()
    }
    fn validate(&self) -> Result<(), LayerError> {
        if LinearLayer::size(self) == 0 {
            return Err(LayerError::Empty);
        }
        self.bank().validate()
    }
    fn receptors(&self) -> usize {
        self.bank().tau_syn.len()
    }
    fn receptor(&mut self, tau_syn: Option<F>) -> Result<usize, LayerError> {
        self.bank_mut().receptor(tau_syn)
    }
    fn flow(&self, _: usize, dt: F, state: &mut [F]) {
        self.bank().flow(dt, state);
    }
    fn next_spike(&self, _: usize, state: &[F], horizon: F) -> Option<F> {
        self.bank().next_spike(state, horizon)
    }
    fn receive(&self, _: usize, receptor: usize, weight: F, state: &mut [F]) {
        state[receptor + 1] += weight;
    }
    fn fire(&self, _: usize, state: &mut [F]) {
        self.bank().fire(state);
    }
    fn potential(&self, _: usize, state: &[F]) -> F {
        state[0]
    }
    fn slope(&self, _: usize, state: &[F]) -> F {
        self.bank().slope(state)
    }
    fn flow_back(&self, _: usize, dt: F, _: &[F], adjoint: &mut [F]) {
        self.bank().flow_back(dt, adjoint);
    }
    fn receive_back(
        &self,
        _: usize,
        receptor: usize,
        weight: F,
        _: &[F],
        adjoint: &mut [F],
    ) -> ArrivalGradient<F> {
        self.bank().receive_back(receptor, weight, adjoint)
    }
    fn fire_back(&self, _: usize, _: &[F], slope: F, time_gradient: F, adjoint: &mut [F]) {
        self.bank().fire_back(slope, time_gradient, adjoint);
    }
    fn potential_back(&self, _: usize, _: &[F], gradient: F, adjoint: &mut [F]) {
        adjoint[0] += gradient;
    }
    fn stationary_points(&self, _: usize, state: &[F], dt: F, points: &mut Vec<F>) -> Option<()> {
        self.bank().stationary_points(state, dt, points);
        Some(())
    }
    fn integral(&self, _: usize, state: &[F], dt: F, rate: F) -> Option<F> {
        Some(self.bank().integral(state, dt, rate))
    }
    fn integral_back(&self, _: usize, _: &[F], dt: F, rate: F, gradient: F, adjoint: &mut [F]) {
        self.bank().integral_back(dt, rate, gradient, adjoint);
    }
    fn mode_bank(&self) -> Option<&ModeBank<F>> {
        Some(self.bank())
    }
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        LinearLayer::to_stored(self)
    }
}

/// The layers of this crate as plain data.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum StoredLayer<F> {
    /// Leaky integrate-and-fire neurons.
    Lif(Lif<F>),
    /// Leaky integrators.
    LeakyIntegrator(LeakyIntegrator<F>),
}

impl<F: Real> StoredLayer<F> {
    /// The layer itself.
    pub fn into_layer(self) -> Box<dyn Layer<F>> {
        match self {
            Self::Lif(layer) => Box::new(layer),
            Self::LeakyIntegrator(layer) => Box::new(layer),
        }
    }
}
