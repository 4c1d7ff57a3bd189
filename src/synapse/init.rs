//! Initial values of weights and delays.

use crate::Real;
use ndarray::Array2;
use rand::Rng;
use rand_distr::uniform::SampleUniform;
use rand_distr::{Distribution, Normal, StandardNormal, Uniform};
use std::fmt;

/// Where initial values come from: a number, a matrix (post x pre), or a distribution.
///
/// Numbers, `ndarray` matrices and `rand_distr`'s `Normal` and `Uniform` convert into it. For
/// anything else there is [`Init::sampled`].
pub enum Init<F> {
    /// The same value everywhere.
    Constant(F),
    /// The value of each synapse, post x pre.
    Matrix(Array2<F>),
    /// Drawn for each synapse, row by row.
    Sampled(Sampler<F>),
}

/// Draws one value.
pub type Sampler<F> = Box<dyn Fn(&mut dyn Rng) -> F + Send + Sync>;

impl<F: Real> Init<F> {
    /// Values drawn by any distribution.
    pub fn sampled(distribution: impl Distribution<F> + Send + Sync + 'static) -> Self {
        Self::Sampled(Box::new(move |mut rng: &mut dyn Rng| distribution.sample(&mut rng)))
    }

    /// The values for a matrix of this shape, or the shape of the matrix given instead.
    pub(super) fn matrix(
        self,
        shape: (usize, usize),
        rng: &mut dyn Rng,
    ) -> Result<Array2<F>, (usize, usize)> {
        match self {
            Self::Constant(value) => Ok(Array2::from_elem(shape, value)),
            Self::Matrix(matrix) if matrix.dim() == shape => Ok(matrix),
            Self::Matrix(matrix) => Err(matrix.dim()),
            Self::Sampled(sample) => Ok(Array2::from_shape_simple_fn(shape, || sample(rng))),
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for Init<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => f.debug_tuple("Constant").field(value).finish(),
            Self::Matrix(matrix) => f.debug_tuple("Matrix").field(matrix).finish(),
            Self::Sampled(_) => f.write_str("Sampled(..)"),
        }
    }
}

impl<F: Real> From<F> for Init<F> {
    fn from(value: F) -> Self {
        Self::Constant(value)
    }
}

impl<F: Real> From<Array2<F>> for Init<F> {
    fn from(matrix: Array2<F>) -> Self {
        Self::Matrix(matrix)
    }
}

impl<F: Real> From<Normal<F>> for Init<F>
where
    StandardNormal: Distribution<F>,
{
    fn from(distribution: Normal<F>) -> Self {
        Self::sampled(distribution)
    }
}

impl<F: Real + SampleUniform> From<Uniform<F>> for Init<F>
where
    F::Sampler: Send + Sync + 'static,
{
    fn from(distribution: Uniform<F>) -> Self {
        Self::sampled(distribution)
    }
}
