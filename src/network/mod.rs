//! Networks: graphs of layers and projections.

mod builder;
mod groups;
mod spiking;
#[cfg(feature = "serde")]
mod store;

pub use builder::{BuildError, NetworkBuilder, PopulationId};
pub use spiking::{Engine, SpikingNetwork};
pub(crate) use spiking::{NamedLayer, Origin, Projection};

use crate::readout::Recording;
use crate::{
    AdjointError, Block, Error, Gradients, Loss, Objective, Parameter, ParameterMut, Readout, Real,
    Sensitivity, SimulationError, SpikeTrains, Trace,
};

/// A network that can be simulated, differentiated and trained.
///
/// [`SpikingNetwork`] is the implementor in this crate. Everything that trains (optimisers, batches,
/// the gradient checker) asks for no more than this trait.
pub trait Network<F: Real>: Send + Sync {
    /// The number of input channels.
    fn channels(&self) -> usize;

    /// The number of layers; they are numbered in the order in which they were added.
    fn layers(&self) -> usize;

    /// The name and the size of a layer.
    ///
    /// # Panics
    /// If there is no such layer.
    fn layer_info(&self, layer: usize) -> (&str, usize);

    /// Simulates a trial of `duration` ms from rest.
    ///
    /// # Errors
    /// An input that does not fit, a duration that has no meaning, or a network that runs away.
    fn forward(&self, input: &SpikeTrains, duration: f64) -> Result<Trace<F>, SimulationError>;

    /// What read-outs see of a layer.
    ///
    /// # Errors
    /// A trace that is not of this network with its present parameters.
    fn record<'a>(
        &'a self,
        trace: &'a Trace<F>,
        layer: usize,
    ) -> Result<Recording<'a, F>, AdjointError>;

    /// The adjoint pass: from the sensitivity of a loss to spike times and potentials to its
    /// gradient by all parameters and input times.
    ///
    /// # Errors
    /// A trace that is not of this network with its present parameters, or a spike without slope.
    fn adjoint(
        &self,
        trace: &Trace<F>,
        sensitivity: Sensitivity<F>,
    ) -> Result<Gradients<F>, AdjointError>;

    /// The trainable parameters, with the name of their owner.
    fn parameters(&self) -> Vec<(&str, Parameter<'_, F>)>;

    /// The trainable parameters in the same order, to be changed. Call [`Network::update`] after.
    fn parameters_mut(&mut self) -> Vec<(&str, ParameterMut<'_, F>)>;

    /// Projects changed parameters on their bounds.
    fn update(&mut self);

    /// Adds `amount` to every weight that leads into a neuron from the input or from other layers.
    ///
    /// # Panics
    /// If there is no such layer or neuron.
    fn raise_weights(&mut self, layer: usize, neuron: usize, amount: F);

    /// The blocks of parameters, in order.
    fn layout(&self) -> Vec<Block> {
        self.parameters()
            .iter()
            .map(|(owner, p)| Block { owner: (*owner).into(), kind: p.kind, len: p.values.len() })
            .collect()
    }

    /// The read-out vector and the loss of a trace.
    ///
    /// # Errors
    /// See [`Loss::evaluate`] and [`Network::record`].
    fn evaluate<R: Readout<F>, L: Loss<F>>(
        &self,
        trace: &Trace<F>,
        objective: &Objective<R, L>,
        target: &L::Target,
    ) -> Result<Evaluation<F>, Error>
    where
        Self: Sized,
    {
        objective.evaluate(self, trace, target)
    }

    /// The loss of a trace and its gradient.
    ///
    /// # Errors
    /// See [`Loss::evaluate`], [`Network::record`] and [`Network::adjoint`].
    fn backward<R: Readout<F>, L: Loss<F>>(
        &self,
        trace: &Trace<F>,
        objective: &Objective<R, L>,
        target: &L::Target,
    ) -> Result<(Evaluation<F>, Gradients<F>), Error>
    where
        Self: Sized,
    {
        let (evaluation, sensitivity) = objective.differentiate(self, trace, target)?;
        Ok((evaluation, self.adjoint(trace, sensitivity)?))
    }
}

/// The value of an objective on one trace.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evaluation<F = f64> {
    /// The loss.
    pub loss: F,
    /// The read-out vector y.
    pub readout: Vec<F>,
    /// The class that the loss reads from y, if it is one that classifies.
    pub prediction: Option<usize>,
}
