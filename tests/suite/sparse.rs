//! Synapses from outside the crate.

use eventprop::{
    Bounds, DelayedSynapses, Parameter, ParameterKind, ParameterMut, Presynaptic, Real, Row,
};

/// Synapses in rows of unequal length, with lists of sources; a pair may have several.
#[derive(Debug, Clone)]
pub struct Sparse<F> {
    pre: usize,
    starts: Vec<usize>,
    pub sources: Vec<u32>,
    pub weights: Vec<F>,
    pub delays: Vec<F>,
}

impl<F> Sparse<F> {
    /// No rows.
    pub fn none(pre: usize) -> Self {
        Self { pre, starts: vec![0], sources: vec![], weights: vec![], delays: vec![] }
    }

    /// What has been added since the last row is one.
    pub fn end_row(&mut self) {
        self.starts.push(self.sources.len());
    }
}

impl<F: Real> DelayedSynapses<F> for Sparse<F> {
    fn shape(&self) -> (usize, usize) {
        (self.starts.len() - 1, self.pre)
    }
    fn synapses(&self) -> usize {
        self.weights.len()
    }
    fn row(&self, post: usize) -> Row<'_, F> {
        let range = self.starts[post]..self.starts[post + 1];
        Row {
            first: range.start,
            sources: Presynaptic::List(&self.sources[range.clone()]),
            weights: &self.weights[range.clone()],
            delays: &self.delays[range],
        }
    }
    fn parameters(&self) -> Vec<Parameter<'_, F>> {
        let block = |kind, values| Parameter { kind, values, bounds: Bounds::none() };
        vec![
            block(ParameterKind::Weight, &self.weights[..]),
            block(ParameterKind::Delay, &self.delays[..]),
        ]
    }
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        let block = |kind, values| ParameterMut { kind, values, bounds: Bounds::none() };
        vec![
            block(ParameterKind::Weight, &mut self.weights[..]),
            block(ParameterKind::Delay, &mut self.delays[..]),
        ]
    }
    fn update(&mut self) {}
    fn pull_back(&self, weights: &[F], delays: &[F], gradients: &mut [F]) {
        for (gradient, part) in gradients.iter_mut().zip(weights.iter().chain(delays)) {
            *gradient += *part;
        }
    }
    fn raise_weights(&mut self, _: usize, _: F) {}
}
