//! Layers: populations of neurons, and what happens to one between events, at arrivals and at spikes.

mod bank;
mod constants;
mod exponentials;
mod leaky_integrator;
mod lif;
mod linear;
mod population;

pub(crate) use bank::ModeBank;
pub use constants::Constant;
pub(crate) use exponentials::{decay_and_difference, decreasing_difference};
pub use leaky_integrator::LeakyIntegrator;
pub use lif::Lif;
pub use linear::LinearLayer;
pub use population::LinearNeurons;

use crate::{Parameter, ParameterMut, Real};
use dyn_clone::DynClone;
use std::fmt::Debug;
use thiserror::Error;

/// Why a layer was refused.
#[derive(Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Any other reason, of a model from outside of the crate.
    #[error("{0}")]
    Other(String),
    /// A population without neurons.
    #[error("the layer has no neurons; its size must be at least 1")]
    Empty,
    /// More neurons than can be numbered.
    #[error("the layer has {size} neurons; at most {most} are supported")]
    TooMany {
        /// How many there are.
        size: usize,
        /// The limit.
        most: usize,
    },
    /// A constant that must be positive and finite is not.
    #[error("{constant} is {value}, but must be finite and above 0")]
    NotPositive {
        /// Its name.
        constant: &'static str,
        /// Its value.
        value: f64,
    },
    /// A constant that is 0 for none is below 0 or not a number.
    #[error("{constant} is {value}, but must not be negative")]
    Negative {
        /// Its name.
        constant: &'static str,
        /// Its value.
        value: f64,
    },
    /// The reset value is not below the threshold, too near to it where one of the two is trained, or not finite.
    #[error(
        "reset is {reset}, but must be finite and below the threshold {threshold}, or at most 0.99 of it where one of the two is trained"
    )]
    ResetNotBelowThreshold {
        /// The reset value.
        reset: f64,
        /// The threshold.
        threshold: f64,
    },
    /// A constant that must be finite is not.
    #[error("{constant} is {value}, but must be finite")]
    NotFinite {
        /// Its name.
        constant: &'static str,
        /// Its value.
        value: f64,
    },
    /// A constant has neither one value for all neurons nor one for each.
    #[error("{constant} has {found} values for {size} neurons; give one for all or one for each")]
    Count {
        /// Its name.
        constant: &'static str,
        /// How many values it has.
        found: usize,
        /// How many neurons there are.
        size: usize,
    },
    /// A constant has no meaning without another one.
    #[error("{given} is given, but {missing} is not")]
    Missing {
        /// The one that is given.
        given: &'static str,
        /// The one that is missing.
        missing: &'static str,
    },
    /// A constant is given twice.
    #[error("{constant} is given twice")]
    Repeated {
        /// Its name.
        constant: &'static str,
    },
    /// A neuron without any receptor.
    #[error("the neuron has no synaptic time constant; give at least one")]
    NoReceptor,
    /// Neurons from a file without a membrane.
    #[error("the neuron has no membrane time constant")]
    NoMembrane,
    /// Neurons from a file with what is no constant of theirs.
    #[error("{constant} is no constant of these neurons")]
    Foreign {
        /// Which one.
        constant: &'static str,
    },
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

/// What the adjoint pass carries back through a neuron.
#[derive(Debug)]
pub struct Adjoint<'a, F> {
    /// p = dL/dstate of the neuron.
    pub state: &'a mut [F],
    /// The gradient by the parameters of the layer, in the order of [`Layer::parameters`], block after
    /// block: what depends on them adds to it.
    pub parameters: &'a mut [F],
}

/// The dynamics of a population, in closed form.
///
/// A neuron's state is a slice of [`Layer::state_len`] numbers. Between events it flows; an arrival
/// and the neuron's own spike make it jump. For each of these there is the transposed Jacobian
/// (`*_back`), which carries the adjoint p = dL/dstate backwards, and adds to the gradient by the parameters of the layer
/// what each step owes to them: EventProp (Wunderlich and Pehle 2021, Table 1; Mészáros et al. 2025, eqs. 7-11) for any
/// dynamics x' = f(x), with the rules below. A numerical flow has to be as exact as the gradients shall be: to flow for s
/// and then for t is to flow for s + t, and [`Layer::slope`] is the derivative of the potential in it.
///
/// A model may hold the time that is left of something, such as a refractory period, in its state: so
/// what happens at its end is part of the flow and no event.
///
/// Linear neurons implement [`LinearLayer`] instead and get all of this from their [`LinearNeurons`].
/// All neurons are addressed by index, so constants may differ from neuron to neuron.
pub trait Layer<F: Real>: DynClone + Debug + Send + Sync {
    /// The number of neurons.
    fn size(&self) -> usize;

    /// The length of a neuron's state.
    fn state_len(&self) -> usize;

    /// Refuses constants that have no meaning; called when a network is built.
    ///
    /// # Errors
    /// The first of them, by name.
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

    /// Whether anything happens in the layer without arrivals, because of a bias, say. A layer in which nothing
    /// does (the default) and that nothing reaches is refused.
    fn is_driven(&self) -> bool {
        false
    }

    /// Whether its neurons can fire at all. If not, nothing is reached through it, and read-outs and remedies
    /// that go by its spikes are refused.
    fn fires(&self) -> bool {
        true
    }

    /// Writes the state at the start of a trial; zeros by default.
    fn rest(&self, _neuron: usize, state: &mut [F]) {
        state.fill(F::zero());
    }

    /// `adjoint` is that at the start of the trial: what the state at rest owes to the parameters of the layer is added to
    /// their gradient. Nothing by default, as that state is a constant by default.
    fn rest_back(&self, _neuron: usize, _adjoint: &mut Adjoint<'_, F>) {}

    /// Lets `dt` ms pass without events.
    fn flow(&self, neuron: usize, dt: F, state: &mut [F]);

    /// The time in ms to the next spike if nothing arrives, if it is at most `horizon`, on which it must not
    /// depend otherwise. One that is negative, more, or no number is [an error](crate::SimulationError::BadWait).
    fn next_spike(&self, neuron: usize, state: &[F], horizon: F) -> Option<F>;

    /// A spike arrives at a receptor through a synapse of this weight.
    fn receive(&self, neuron: usize, receptor: usize, weight: F, state: &mut [F]);

    /// The neuron fires.
    fn fire(&self, neuron: usize, state: &mut [F]);

    /// The potential V that read-outs see.
    fn potential(&self, neuron: usize, state: &[F]) -> F;

    /// The potential at which the neuron fires, if there is one (the default: none). For pictures only: when
    /// it fires is up to [`Layer::next_spike`].
    fn threshold(&self, _neuron: usize, _state: &[F]) -> Option<F> {
        None
    }

    /// dV/dt.
    fn slope(&self, neuron: usize, state: &[F]) -> F;

    /// How fast the potential nears the threshold, just before a spike: dV/dt (the default), less the
    /// slope of a threshold that moves.
    fn approach(&self, neuron: usize, state: &[F]) -> F {
        self.slope(neuron, state)
    }

    /// `adjoint` at the end of a flow from `state` over `dt` becomes that at its start.
    fn flow_back(&self, neuron: usize, dt: F, state: &[F], adjoint: &mut Adjoint<'_, F>);

    /// `adjoint` after an arrival becomes that before it; `state` is the one before.
    ///
    /// With x+ = h(x-, `weight`) and its Jacobian D by x-: dL/dweight = p+ . dh/dweight, dL/dt of the arrival =
    /// p+ . (D f(x-) - f(x+)), and p- = D^T p+. (What adds a constant to a state leaves p as it is.)
    fn receive_back(
        &self,
        neuron: usize,
        receptor: usize,
        weight: F,
        state: &[F],
        adjoint: &mut Adjoint<'_, F>,
    ) -> ArrivalGradient<F>;

    /// `adjoint` after a spike becomes that before it; `state` is the one before, `slope` its
    /// [`Layer::approach`], or the floor of a [`SlopeLimiter`](crate::remedy::SlopeLimiter) if that is larger.
    /// `time_gradient` is what the loss and the spike's arrivals contribute to dL/dt.
    ///
    /// With the jump x+ = h(x-) and its Jacobian D, u = V less the threshold, and p+ after the spike:
    /// G = `time_gradient` + p+ . (D f(x-) - f(x+)) is dL/dt, and p- = D^T p+ - G / `slope` du/dx. A parameter c that the
    /// threshold or the jump depend on gets p+ . dh/dc - G / `slope` du/dc.
    fn fire_back(
        &self,
        neuron: usize,
        state: &[F],
        slope: F,
        time_gradient: F,
        adjoint: &mut Adjoint<'_, F>,
    );

    /// Adds `gradient` times the derivative of [`Layer::potential`] by the state.
    fn potential_back(&self, neuron: usize, state: &[F], gradient: F, adjoint: &mut Adjoint<'_, F>);

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

    /// Adds `gradient` times the derivative of [`Layer::integral`] by the state. Only called if that is `Some` for the state
    /// at rest.
    fn integral_back(
        &self,
        _neuron: usize,
        _state: &[F],
        _dt: F,
        _rate: F,
        _gradient: F,
        _adjoint: &mut Adjoint<'_, F>,
    ) {
    }

    /// The trainable constants; none by default.
    fn parameters(&self) -> Vec<Parameter<'_, F>> {
        Vec::new()
    }

    /// The trainable constants in the same order, to be changed.
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        Vec::new()
    }

    /// Takes over changed parameters, projected on their bounds.
    fn update(&mut self) {}

    /// The constants that are not trained, by whose hash checkpoints refuse a network with others; `None` (the default) if
    /// checkpoints are not to compare them.
    fn fixed(&self) -> Option<Vec<f64>> {
        None
    }

    /// The neurons, if they are linear; the fast engines need no more.
    fn linear(&self) -> Option<&LinearNeurons<F>> {
        None
    }

    /// This layer as one that can be stored; `None` (the default) for models from outside the crate.
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        None
    }
}

dyn_clone::clone_trait_object!(<F: Real> Layer<F>);

/// The layers of this crate as plain data.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound = "F: Real"))]
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
