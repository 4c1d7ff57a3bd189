//! Layers of linear neurons.

use super::{Adjoint, ArrivalGradient, Layer, LayerError, LinearNeurons, StoredLayer};
use crate::{Parameter, ParameterMut, Real};
use dyn_clone::DynClone;
use std::fmt::Debug;

/// A population of linear neurons: implement this and [`Layer`] follows.
pub trait LinearLayer<F: Real>: DynClone + Debug + Send + Sync {
    /// The neurons.
    fn neurons(&self) -> &LinearNeurons<F>;
    /// The neurons, to add receptors and to train their constants.
    fn neurons_mut(&mut self) -> &mut LinearNeurons<F>;
    /// See [`Layer::to_stored`].
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        None
    }
}

impl<F: Real, T: LinearLayer<F>> Layer<F> for T {
    fn size(&self) -> usize {
        self.neurons().size()
    }
    fn state_len(&self) -> usize {
        self.neurons().bank(0).state_len()
    }
    fn validate(&self) -> Result<(), LayerError> {
        self.neurons().validate()
    }
    fn receptors(&self) -> usize {
        self.neurons().receptors()
    }
    fn receptor(&mut self, tau_syn: Option<F>) -> Result<usize, LayerError> {
        self.neurons_mut().receptor(tau_syn)
    }
    fn is_driven(&self) -> bool {
        self.neurons().is_driven()
    }
    fn flow(&self, neuron: usize, dt: F, state: &mut [F]) {
        self.neurons().bank(neuron).flow(dt, state);
    }
    fn next_spike(&self, neuron: usize, state: &[F], horizon: F) -> Option<F> {
        self.neurons().bank(neuron).next_spike(state, horizon)
    }
    fn receive(&self, _: usize, receptor: usize, weight: F, state: &mut [F]) {
        state[receptor + 1] += weight;
    }
    fn fire(&self, neuron: usize, state: &mut [F]) {
        self.neurons().bank(neuron).fire(state);
    }
    fn potential(&self, _: usize, state: &[F]) -> F {
        state[0]
    }
    fn threshold(&self, neuron: usize, state: &[F]) -> Option<F> {
        let bank = self.neurons().bank(neuron);
        Some(bank.threshold()? + bank.raised(state))
    }
    fn slope(&self, neuron: usize, state: &[F]) -> F {
        self.neurons().bank(neuron).slope(state)
    }
    fn approach(&self, neuron: usize, state: &[F]) -> F {
        self.neurons().bank(neuron).approach(state)
    }
    fn flow_back(&self, neuron: usize, dt: F, state: &[F], adjoint: &mut Adjoint<'_, F>) {
        let bank = self.neurons().bank(neuron);
        self.neurons().for_each_trainable(neuron, |constant, factor, at| {
            adjoint.parameters[at] += factor * bank.flow_by(constant, dt, state, adjoint.state);
        });
        bank.flow_back_from(state, dt, adjoint.state);
    }
    fn receive_back(
        &self,
        neuron: usize,
        receptor: usize,
        weight: F,
        state: &[F],
        adjoint: &mut Adjoint<'_, F>,
    ) -> ArrivalGradient<F> {
        self.neurons().bank(neuron).receive_back(receptor, weight, state, adjoint.state)
    }
    fn fire_back(
        &self,
        neuron: usize,
        state: &[F],
        slope: F,
        time_gradient: F,
        adjoint: &mut Adjoint<'_, F>,
    ) {
        let bank = self.neurons().bank(neuron);
        self.neurons().for_each_trainable(neuron, |(kind, _), factor, at| {
            adjoint.parameters[at] += factor * bank.fire_by(kind, adjoint.state);
        });
        bank.fire_back_from(state, slope, time_gradient, adjoint.state);
        self.neurons().for_each_trainable(neuron, |(kind, _), factor, at| {
            adjoint.parameters[at] += factor * bank.cross_by(kind, adjoint.state);
        });
    }
    fn potential_back(&self, _: usize, _: &[F], gradient: F, adjoint: &mut Adjoint<'_, F>) {
        adjoint.state[0] += gradient;
    }
    fn stationary_points(
        &self,
        neuron: usize,
        state: &[F],
        dt: F,
        points: &mut Vec<F>,
    ) -> Option<()> {
        self.neurons().bank(neuron).stationary_points(state, dt, points);
        Some(())
    }
    fn integral(&self, neuron: usize, state: &[F], dt: F, rate: F) -> Option<F> {
        Some(self.neurons().bank(neuron).integral(state, dt, rate))
    }
    fn integral_back(
        &self,
        neuron: usize,
        state: &[F],
        dt: F,
        rate: F,
        gradient: F,
        adjoint: &mut Adjoint<'_, F>,
    ) {
        let bank = self.neurons().bank(neuron);
        self.neurons().for_each_trainable(neuron, |constant, factor, at| {
            let by = bank.integral_by(constant, state, dt, rate);
            adjoint.parameters[at] += factor * gradient * by;
        });
        bank.integral_back_from(state, dt, rate, gradient, adjoint.state);
    }
    fn parameters(&self) -> Vec<Parameter<'_, F>> {
        self.neurons().parameters()
    }
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        self.neurons_mut().parameters_mut()
    }
    fn update(&mut self) {
        self.neurons_mut().update();
    }
    fn fires(&self) -> bool {
        self.neurons().fire()
    }
    fn fixed(&self) -> Option<Vec<f64>> {
        Some(self.neurons().fixed().collect())
    }
    fn linear(&self) -> Option<&LinearNeurons<F>> {
        Some(self.neurons())
    }
    fn to_stored(&self) -> Option<StoredLayer<F>> {
        LinearLayer::to_stored(self)
    }
}
