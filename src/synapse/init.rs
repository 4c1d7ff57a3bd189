//! Initial values of weights and delays.

use super::{Pattern, SynapseError};
use crate::{ParameterKind, Real};
use ndarray::Array2;
use rand::Rng;
use rand_distr::uniform::SampleUniform;
use rand_distr::{Distribution, Normal, StandardNormal, Uniform};
use std::fmt;

/// Where initial values come from: a number, a matrix (post x pre), a list, or a distribution.
///
/// Numbers, `ndarray` matrices, vectors, arrays and `rand_distr`'s `Normal` and `Uniform` convert into it. For
/// any other distribution there is [`Init::sampled`].
///
/// ```
/// use eventprop::{Dense, Init};
/// use rand_distr::LogNormal;
/// let matrix = Dense::weights([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]); // 2 targets, 3 sources
/// let skewed = Dense::weights(Init::sampled(LogNormal::new(-3.0, 0.5)?));
/// # let _: [eventprop::SynapseRecipe; 2] = [matrix, skewed];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub enum Init<F> {
    /// The same value everywhere.
    Constant(F),
    /// The value of each synapse, post x pre; sparse synapses take those at their places.
    Matrix(Array2<F>),
    /// One value after the other: for synapses from an edge list in its order, for others row by row.
    List(Vec<F>),
    /// Drawn for each synapse, row by row.
    Sampled(Sampler<F>),
}

/// Draws one value.
pub type Sampler<F> = Box<dyn Fn(&mut dyn Rng) -> F + Send + Sync>;

/// How often [`Init::within`] draws before it gives up.
const MOST_DRAWS: usize = 10_000;

/// The values that are needed.
pub(super) struct Wanted<'a> {
    pub kind: ParameterKind,
    pub len: usize,
    /// The synapses, where there is a value for each: these may come as a matrix.
    pub pattern: Option<&'a Pattern>,
    /// Where in a list each value is; `None` for the same order.
    pub order: Option<&'a [usize]>,
}

impl<F: Real> Init<F> {
    /// Values drawn by any distribution.
    pub fn sampled(distribution: impl Distribution<F> + Send + Sync + 'static) -> Self {
        Self::Sampled(Box::new(move |mut rng: &mut dyn Rng| distribution.sample(&mut rng)))
    }

    /// The absolute values of a normal distribution around 0 with this standard deviation.
    ///
    /// # Errors
    /// A deviation that is negative or not finite.
    pub fn half_normal(deviation: F) -> Result<Self, SynapseError>
    where
        StandardNormal: Distribution<F>,
    {
        let valid = deviation.is_finite() && deviation >= F::zero();
        let normal = Normal::new(F::zero(), deviation).ok().filter(|_| valid);
        let normal = normal.ok_or(SynapseError::Deviation { value: deviation.as_f64() })?;
        Ok(Self::Sampled(Box::new(move |mut rng: &mut dyn Rng| normal.sample(&mut rng).abs())))
    }

    /// Draws again what lies outside of [lower, upper], such as negative delays of a normal distribution.
    /// Where 10 000 draws in a row do, the value is NaN, which the synapses refuse. Only for values
    /// that are drawn: others are left as they are.
    pub fn within(self, lower: F, upper: F) -> Self {
        let Self::Sampled(sample) = self else { return self };
        Self::Sampled(Box::new(move |rng: &mut dyn Rng| {
            let mut draws = (0..MOST_DRAWS).map(|_| sample(rng));
            draws.find(|x| (lower..=upper).contains(x)).unwrap_or(F::nan())
        }))
    }

    /// These values.
    pub(super) fn values(
        self,
        wanted: &Wanted<'_>,
        rng: &mut dyn Rng,
    ) -> Result<Vec<F>, SynapseError> {
        let &Wanted { kind, len, .. } = wanted;
        let miscounted = |found| SynapseError::Count { kind, found, expected: len };
        match (self, wanted.pattern, wanted.order) {
            (Self::Constant(value), ..) => Ok(vec![value; len]),
            (Self::Sampled(sample), ..) => {
                // A value that is refused is the last that is drawn: to find none may take long.
                let mut good = true;
                let mut draw = |_| {
                    let value = if good { sample(rng) } else { F::nan() };
                    good = value.is_finite();
                    value
                };
                Ok((0..len).map(&mut draw).collect())
            }
            (Self::Matrix(_), None, _) => Err(SynapseError::Matrix { kind, expected: len }),
            (Self::Matrix(matrix), Some(pattern), _) if matrix.dim() != pattern.shape() => {
                Err(SynapseError::Shape { kind, found: matrix.dim(), expected: pattern.shape() })
            }
            (Self::Matrix(matrix), Some(pattern), _) => {
                Ok(pattern.edges().map(|edge| matrix[edge]).collect())
            }
            (Self::List(list), ..) if list.len() != len => Err(miscounted(list.len())),
            (Self::List(list), _, None) => Ok(list),
            (Self::List(list), _, Some(order)) => Ok(order.iter().map(|&k| list[k]).collect()),
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for Init<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => f.debug_tuple("Constant").field(value).finish(),
            Self::Matrix(matrix) => f.debug_tuple("Matrix").field(matrix).finish(),
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
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

impl<F: Real> From<Vec<F>> for Init<F> {
    fn from(list: Vec<F>) -> Self {
        Self::List(list)
    }
}

/// A list.
impl<F: Real, const N: usize> From<[F; N]> for Init<F> {
    fn from(list: [F; N]) -> Self {
        Self::List(list.into())
    }
}

/// A matrix, post x pre.
impl<F: Real, const PRE: usize, const POST: usize> From<[[F; PRE]; POST]> for Init<F> {
    fn from(rows: [[F; PRE]; POST]) -> Self {
        Self::Matrix(Array2::from(rows.to_vec()))
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
