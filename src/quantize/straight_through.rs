//! Synapses that act rounded and learn exactly.

use super::Quantization;
use crate::{
    DelayKind, DelayedSynapses, Parameter, ParameterMut, Real, Rewiring, Row, SynapseError,
    Synapses,
};

/// Synapses whose rows are rounded and whose parameters are exact.
#[derive(Debug, Clone)]
pub(super) struct StraightThrough<F> {
    quantization: Quantization,
    exact: Synapses<F>,
    rounded: Synapses<F>,
}

impl<F: Real> StraightThrough<F> {
    pub fn new(quantization: Quantization, exact: Synapses<F>) -> Self {
        let rounded = quantization.round(&exact).0;
        Self { quantization, exact, rounded }
    }

    fn round(&mut self) {
        self.rounded = self.quantization.round(&self.exact).0;
    }
}

impl<F: Real> DelayedSynapses<F> for StraightThrough<F> {
    fn shape(&self) -> (usize, usize) {
        self.exact.shape()
    }

    fn synapses(&self) -> usize {
        self.exact.synapses()
    }

    fn row(&self, post: usize) -> Row<'_, F> {
        self.rounded.row(post)
    }

    fn parameters(&self) -> Vec<Parameter<'_, F>> {
        self.exact.parameters()
    }

    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        self.exact.parameters_mut()
    }

    fn delay_kinds(&self) -> Vec<DelayKind> {
        self.exact.delay_kinds()
    }

    fn update(&mut self) {
        self.exact.update();
        self.round();
    }

    /// As if rounding had the derivative 1.
    fn pull_back(&self, weights: &[F], delays: &[F], gradients: &mut [F]) {
        self.exact.pull_back(weights, delays, gradients);
    }

    fn raise_weights(&mut self, post: usize, amount: F) {
        self.exact.raise_weights(post, amount);
        self.round();
    }

    fn validate(&self) -> Result<(), SynapseError> {
        self.exact.validate()
    }

    fn rewire(&mut self, change: &Rewiring<F>) -> Result<Vec<Option<usize>>, SynapseError> {
        let origins = self.exact.rewire(change)?;
        self.round();
        Ok(origins)
    }

    /// What acts is stored, as for all synapses.
    fn to_stored(&self) -> Option<Synapses<F>> {
        Some(self.rounded.clone())
    }
}
