//! All-to-all synapses, each with its own weight and delay.

use super::{Connectivity, DelayedSynapses, Init, Presynaptic, Row, StoredSynapses, SynapseError};
use crate::{Bounds, Parameter, ParameterKind, ParameterMut, Real};
use ndarray::{Array2, ArrayView2};
use rand::Rng;

/// A recipe for all-to-all synapses.
///
/// ```
/// use eventprop::Dense;
/// use rand_distr::{Normal, Uniform};
/// let learned = Dense::weights(Normal::new(0.03, 0.01)?)
///     .delays(Uniform::new(0.0, 150.0)?) // ms, one learnable delay per synapse
///     .max_delay(1000.0)
///     .tau_syn(5.0);
/// let instant = Dense::weights(0.5); // no delay
/// # let _: (Dense<f64>, Dense<f64>) = (learned, instant);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Dense<F = f64> {
    weights: Init<F>,
    delays: Init<F>,
    learn_delays: bool,
    max_delay: Option<F>,
    tau_syn: Option<F>,
}

impl<F: Real> Dense<F> {
    /// Synapses with these initial weights and without delay.
    pub fn weights(weights: impl Into<Init<F>>) -> Self {
        Self {
            weights: weights.into(),
            delays: Init::Constant(F::zero()),
            learn_delays: false,
            max_delay: None,
            tau_syn: None,
        }
    }

    /// One learnable delay per synapse, with these initial values in ms.
    pub fn delays(mut self, delays: impl Into<Init<F>>) -> Self {
        self.delays = delays.into();
        self.learn_delays = true;
        self
    }

    /// One delay per synapse, with these values in ms, which are not learned.
    pub fn fixed_delays(mut self, delays: impl Into<Init<F>>) -> Self {
        self.delays = delays.into();
        self.learn_delays = false;
        self
    }

    /// The greatest delay in ms that learning may reach; without it there is no upper bound.
    pub fn max_delay(mut self, max_delay: F) -> Self {
        self.max_delay = Some(max_delay);
        self
    }

    /// The synaptic time constant in ms of this projection; the target's own by default.
    pub fn tau_syn(mut self, tau_syn: F) -> Self {
        self.tau_syn = Some(tau_syn);
        self
    }
}

impl<F: Real> Connectivity<F> for Dense<F> {
    fn connect(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<F>>, SynapseError> {
        let expected = (post, pre);
        let shape = |kind| move |found| SynapseError::Shape { kind, found, expected };
        let synapses = DenseSynapses {
            weights: self.weights.matrix(expected, rng).map_err(shape(ParameterKind::Weight))?,
            delays: self.delays.matrix(expected, rng).map_err(shape(ParameterKind::Delay))?,
            learn_delays: self.learn_delays,
            max_delay: self.max_delay,
        }
        .standard_layout();
        synapses.validate()?;
        Ok(Box::new(synapses))
    }

    fn tau_syn(&self) -> Option<F> {
        self.tau_syn
    }
}

/// All-to-all synapses, each with its own weight and delay.
///
/// Parameters: the weights, post x pre, and unless they are fixed the delays, post x pre, kept in
/// [0, max_delay] by projection.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "Raw<F>", bound(deserialize = "F: Real + serde::Deserialize<'de>"))
)]
pub struct DenseSynapses<F = f64> {
    weights: Array2<F>,
    delays: Array2<F>,
    learn_delays: bool,
    max_delay: Option<F>,
}

impl<F: Real> DenseSynapses<F> {
    /// The weights, post x pre.
    pub fn weights(&self) -> ArrayView2<'_, F> {
        self.weights.view()
    }

    /// The delays in ms, post x pre.
    pub fn delays(&self) -> ArrayView2<'_, F> {
        self.delays.view()
    }

    /// Rows are handed out as slices, so a matrix given in column order is laid out anew.
    fn standard_layout(mut self) -> Self {
        for matrix in [&mut self.weights, &mut self.delays] {
            if !matrix.is_standard_layout() {
                *matrix = matrix.as_standard_layout().into_owned();
            }
        }
        self
    }

    fn delay_bounds(&self) -> Bounds<F> {
        Bounds { lower: F::zero(), upper: self.max_delay.unwrap_or(F::infinity()) }
    }
}

fn flat<F>(matrix: &Array2<F>) -> &[F] {
    matrix.as_slice().expect("matrices are kept in standard layout")
}

fn flat_mut<F>(matrix: &mut Array2<F>) -> &mut [F] {
    matrix.as_slice_mut().expect("matrices are kept in standard layout")
}

impl<F: Real> DelayedSynapses<F> for DenseSynapses<F> {
    fn shape(&self) -> (usize, usize) {
        self.weights.dim()
    }

    fn synapses(&self) -> usize {
        self.weights.len()
    }

    fn row(&self, post: usize) -> Row<'_, F> {
        let pre = self.weights.ncols();
        let range = post * pre..(post + 1) * pre;
        Row {
            first: range.start,
            sources: Presynaptic::All,
            weights: &flat(&self.weights)[range.clone()],
            delays: &flat(&self.delays)[range],
        }
    }

    fn parameters(&self) -> Vec<Parameter<'_, F>> {
        let mut all = vec![Parameter {
            kind: ParameterKind::Weight,
            values: flat(&self.weights),
            bounds: Bounds::none(),
        }];
        if self.learn_delays {
            all.push(Parameter {
                kind: ParameterKind::Delay,
                values: flat(&self.delays),
                bounds: self.delay_bounds(),
            });
        }
        all
    }

    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>> {
        let bounds = self.delay_bounds();
        let mut all = vec![ParameterMut {
            kind: ParameterKind::Weight,
            values: flat_mut(&mut self.weights),
            bounds: Bounds::none(),
        }];
        if self.learn_delays {
            all.push(ParameterMut {
                kind: ParameterKind::Delay,
                values: flat_mut(&mut self.delays),
                bounds,
            });
        }
        all
    }

    fn update(&mut self) {
        let bounds = self.delay_bounds();
        // Comparisons, not min and max: those would turn a NaN into a bound.
        self.delays.mapv_inplace(|d| match d {
            d if d < bounds.lower => bounds.lower,
            d if d > bounds.upper => bounds.upper,
            d => d,
        });
    }

    fn pull_back(&self, weights: &[F], delays: &[F], gradients: &mut [F]) {
        let parts = if self.learn_delays { [weights, delays] } else { [weights, &[]] };
        for (gradient, part) in gradients.iter_mut().zip(parts.into_iter().flatten()) {
            *gradient += *part;
        }
    }

    fn raise_weights(&mut self, post: usize, amount: F) {
        self.weights.row_mut(post).mapv_inplace(|w| w + amount);
    }

    fn validate(&self) -> Result<(), SynapseError> {
        if self.delays.dim() != self.weights.dim() {
            return Err(SynapseError::Shape {
                kind: ParameterKind::Delay,
                found: self.delays.dim(),
                expected: self.weights.dim(),
            });
        }
        if let Some(max) = self.max_delay.filter(|m| !m.is_finite() || *m < F::zero()) {
            return Err(SynapseError::BadMaxDelay { value: max.as_f64() });
        }
        let bounds = self.delay_bounds();
        for ((post, pre), &delay) in self.delays.indexed_iter() {
            super::check(ParameterKind::Weight, self.weights[(post, pre)], post, pre)?;
            super::check(ParameterKind::Delay, delay, post, pre)?;
            if delay < bounds.lower || delay > bounds.upper {
                return Err(SynapseError::DelayOutOfRange {
                    post,
                    pre,
                    value: delay.as_f64(),
                    max: bounds.upper.as_f64(),
                });
            }
        }
        Ok(())
    }

    fn to_stored(&self) -> Option<StoredSynapses<F>> {
        Some(StoredSynapses::Dense(self.clone().standard_layout()))
    }
}

#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Raw<F> {
    weights: Array2<F>,
    delays: Array2<F>,
    learn_delays: bool,
    max_delay: Option<F>,
}

#[cfg(feature = "serde")]
impl<F: Real> TryFrom<Raw<F>> for DenseSynapses<F> {
    type Error = SynapseError;
    fn try_from(raw: Raw<F>) -> Result<Self, Self::Error> {
        let Raw { weights, delays, learn_delays, max_delay } = raw;
        let synapses = Self { weights, delays, learn_delays, max_delay }.standard_layout();
        synapses.validate()?;
        Ok(synapses)
    }
}
