//! A connection of a checkpoint, and the synapses that it becomes.

use super::MlGennError;
use crate::synapse::check_count;
use crate::{Delays, Dense, Init, Real, Sparse, SynapseRecipe};
use ndarray::Array2;

/// A connection of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Connection {
    pub(super) name: String,
    pub(super) dt: f64,
    pub(super) weights: Vec<f64>,
    pub(super) delays: Option<Vec<f64>>,
    /// (source, target) of each synapse, if it is sparse.
    pub(super) edges: Option<Vec<(usize, usize)>>,
}

impl Connection {
    /// With delays of whole steps, at most `max_steps`, as mlGeNN rounds them when it simulates.
    pub fn rounded(mut self, max_steps: u32) -> Self {
        for delay in self.delays.iter_mut().flatten() {
            // Comparisons, not min and max: those would turn a NaN into a bound.
            let steps = delay.round();
            *delay = if steps < 0.0 {
                0.0
            } else if steps > f64::from(max_steps) {
                f64::from(max_steps)
            } else {
                steps
            };
        }
        self
    }

    /// The synapses from `pre` sources to `post` targets, with learnable weights, and learnable delays if there are
    /// any in the checkpoint.
    ///
    /// # Errors
    /// Another number of weights than the populations need, or more than can be numbered.
    pub fn synapses<F: Real>(
        &self,
        post: usize,
        pre: usize,
    ) -> Result<SynapseRecipe<F>, MlGennError> {
        let value = |x: &f64| F::of(*x);
        let time = |steps: &f64| F::of(steps * self.dt);
        let Some(edges) = &self.edges else {
            let wanted = post as u128 * pre as u128;
            check_count(wanted)?;
            let (found, expected) = (self.weights.len(), wanted as usize);
            if found != expected {
                let (connection, variable) = (self.name.clone(), "weight");
                return Err(MlGennError::Count { connection, variable, found, expected });
            }
            let matrix = |values: Vec<F>| {
                // The sizes were compared.
                let matrix = Array2::from_shape_vec((pre, post), values).unwrap_or_default();
                Init::Matrix(matrix.reversed_axes())
            };
            let recipe = Dense::weights(matrix(self.weights.iter().map(value).collect()));
            return Ok(match &self.delays {
                Some(delays) => {
                    recipe.delays(Delays::per_synapse(matrix(delays.iter().map(time).collect())))
                }
                None => recipe,
            });
        };
        let weights: Vec<F> = self.weights.iter().map(value).collect();
        let recipe = Sparse::edges(edges.iter().copied()).weights(weights);
        Ok(match &self.delays {
            Some(delays) => recipe.delays(delays.iter().map(time).collect::<Vec<F>>()),
            None => recipe,
        })
    }
}
