//! Synapses with delays, and how they are made.

mod dense;
mod init;

pub use dense::{Dense, DenseSynapses};
pub use init::Init;

use crate::{Parameter, ParameterKind, ParameterMut, Real};
use dyn_clone::DynClone;
use rand::Rng;
use std::fmt::Debug;
use thiserror::Error;

/// Why synapses were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SynapseError {
    /// A weight or a delay is NaN or infinite.
    #[error("{kind} of synapse (post {post}, pre {pre}) is {value}, but must be finite")]
    NotFinite {
        /// Weight or delay.
        kind: ParameterKind,
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The value.
        value: f64,
    },
    /// A delay lies outside of [0, max_delay].
    #[error(
        "delay of synapse (post {post}, pre {pre}) is {value} ms, but must lie in [0, {max}] ms"
    )]
    DelayOutOfRange {
        /// The target neuron.
        post: usize,
        /// The source neuron.
        pre: usize,
        /// The delay in ms.
        value: f64,
        /// The greatest delay in ms.
        max: f64,
    },
    /// The bound on delays has no meaning.
    #[error("max_delay is {value} ms, but must be finite and not negative")]
    BadMaxDelay {
        /// The bound in ms.
        value: f64,
    },
    /// A matrix does not fit the layers it connects.
    #[error("{kind} matrix is {found:?}, but the layers need {expected:?} (post x pre)")]
    Shape {
        /// Weight or delay.
        kind: ParameterKind,
        /// The shape given.
        found: (usize, usize),
        /// The shape needed.
        expected: (usize, usize),
    },
    /// An initialising distribution has impossible parameters.
    #[error("the distribution of initial values has no meaning: {0}")]
    Distribution(String),
}

/// The sources of a row of synapses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Presynaptic<'a> {
    /// Every source in turn.
    All,
    /// These sources, as many as there are weights.
    List(&'a [u32]),
}

/// The synapses onto one target neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a, F> {
    /// The index of the first of these synapses among all of the projection.
    pub first: usize,
    /// The source of each.
    pub sources: Presynaptic<'a>,
    /// The weight of each.
    pub weights: &'a [F],
    /// The delay of each in ms.
    pub delays: &'a [F],
}

/// One synapse of a [`Row`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Synapse<F> {
    /// Its index among all of the projection.
    pub index: usize,
    /// The source neuron.
    pub pre: usize,
    /// The weight.
    pub weight: F,
    /// The delay in ms.
    pub delay: F,
}

impl<'a, F: Real> Row<'a, F> {
    /// The synapses in order.
    pub fn iter(&self) -> impl Iterator<Item = Synapse<F>> + 'a {
        let row = *self;
        row.weights.iter().zip(row.delays).enumerate().map(move |(k, (&weight, &delay))| {
            let pre = match row.sources {
                Presynaptic::All => k,
                Presynaptic::List(list) => list[k] as usize,
            };
            Synapse { index: row.first + k, pre, weight, delay }
        })
    }
}

/// Synapses with delays between two populations.
///
/// The simulator sees one row of (source, weight, delay) per target neuron, and the adjoint returns
/// dL/dw and dL/dd of every synapse. Which parameters lie beneath is the implementor's affair:
/// [`DelayedSynapses::pull_back`] applies the chain rule to them. Synapses are numbered row by row.
pub trait DelayedSynapses<F: Real>: DynClone + Debug + Send + Sync {
    /// (target neurons, source neurons).
    fn shape(&self) -> (usize, usize);

    /// The number of synapses.
    fn synapses(&self) -> usize;

    /// The synapses onto target neuron `post`.
    fn row(&self, post: usize) -> Row<'_, F>;

    /// The trainable parameters. Their number never changes.
    fn parameters(&self) -> Vec<Parameter<'_, F>>;

    /// The trainable parameters, in the same order. Call [`DelayedSynapses::update`] after a change.
    fn parameters_mut(&mut self) -> Vec<ParameterMut<'_, F>>;

    /// Projects changed parameters on their bounds and brings the rows up to date.
    fn update(&mut self);

    /// Adds to `gradients` (all parameters, block after block) what dL/dw and dL/dd of every
    /// synapse contribute.
    fn pull_back(&self, weights: &[F], delays: &[F], gradients: &mut [F]);

    /// Adds `amount` to the weight of every synapse onto `post`. Remedies for silent neurons use it.
    fn raise_weights(&mut self, post: usize, amount: F);

    /// Refuses values that have no meaning; called when a network is built.
    ///
    /// # Errors
    /// A weight or delay that is not finite, or a delay that is negative.
    fn validate(&self) -> Result<(), SynapseError> {
        for post in 0..self.shape().0 {
            for synapse in self.row(post).iter() {
                check(ParameterKind::Weight, synapse.weight, post, synapse.pre)?;
                check(ParameterKind::Delay, synapse.delay, post, synapse.pre)?;
                if synapse.delay < F::zero() {
                    return Err(SynapseError::DelayOutOfRange {
                        post,
                        pre: synapse.pre,
                        value: synapse.delay.as_f64(),
                        max: f64::INFINITY,
                    });
                }
            }
        }
        Ok(())
    }

    /// These synapses as ones that can be stored; `None` (the default) for types from outside the
    /// crate.
    fn to_stored(&self) -> Option<StoredSynapses<F>> {
        None
    }
}

dyn_clone::clone_trait_object!(<F: Real> DelayedSynapses<F>);

fn check<F: Real>(
    kind: ParameterKind,
    value: F,
    post: usize,
    pre: usize,
) -> Result<(), SynapseError> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(SynapseError::NotFinite { kind, post, pre, value: value.as_f64() })
    }
}

/// A recipe for synapses, completed once the sizes of the layers are known.
pub trait Connectivity<F: Real> {
    /// Makes synapses from `pre` source neurons to `post` target neurons.
    ///
    /// # Errors
    /// Values that have no meaning or do not fit.
    fn connect(
        self,
        post: usize,
        pre: usize,
        rng: &mut dyn Rng,
    ) -> Result<Box<dyn DelayedSynapses<F>>, SynapseError>;

    /// The synaptic time constant in ms of the receptor to use; `None` for the target's default.
    fn tau_syn(&self) -> Option<F> {
        None
    }
}

/// The synapses of this crate as plain data.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(deserialize = "F: Real + serde::Deserialize<'de>")))]
#[non_exhaustive]
pub enum StoredSynapses<F> {
    /// All-to-all synapses.
    Dense(DenseSynapses<F>),
}

impl<F: Real> StoredSynapses<F> {
    /// The synapses themselves.
    pub fn into_synapses(self) -> Box<dyn DelayedSynapses<F>> {
        match self {
            Self::Dense(synapses) => Box::new(synapses),
        }
    }
}
